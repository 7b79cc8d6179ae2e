/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes back to a web server, and how its connection ends. */

/*
 * Output is queued and sent at the end of the turn, so that an answer of many records is
 * one write. The end is delicate: a web server that finds a kept connection closed when
 * it has just sent a request over it shows a 502 for a POST. So it is told behind an
 * answer that there will be no next one, and what it has sent all the same is served.
 */

#include "daemon/client.h"

#include <errno.h>
#include <fastcgi.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/exchange.h"
#include "daemon/outq.h"

enum {
	CLIENT_CALM_US = 250000,
};

/* sending */

void client_put(struct client *client, const void *data, size_t n)
{
	if (client->is_closed)
		return;
	if (client->is_broken || !stream_put(&client->stream, data, n))
		client->is_broken = true;
	loop_defer(client->home->loop, &client->flush);
}

void client_close_later(struct client *client)
{
	client->closes_after_flush = true;
	if (!client->is_closed)
		loop_defer(client->home->loop, &client->flush);
}

static void client_start(struct client *client, struct loop_deadline *deadline,
			 uint64_t duration_us)
{
	struct loop *loop = client->home->loop;

	loop_deadline_start(
		duration_us > 0 ? loop_deadline_list(loop, duration_us) : NULL, deadline);
}

/* closing */

static bool client_has_input(const struct client *client)
{
	uint8_t byte;

	return recv(client->stream.source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Closes a kept connection that nothing is under way on, unless the next request has come
 * since the loop looked last, or does so in this instant: nginx would show a 502 for a
 * POST. From the shutdown on none can be sent over a unix socket; what was sent before is
 * still there to be read and answered. */
static void client_close_kept(struct client *client)
{
	bool has_input = !client_is_idle(client) || client_has_input(client);

	if (!has_input && !client->is_tcp) {
		(void)shutdown(client->stream.source.fd, SHUT_RD);
		has_input = client_has_input(client);
	}
	if (!has_input) {
		client_close(client);
		return;
	}
	client->closes_after_flush = false;
	client->is_readable = true;
	loop_defer(client->home->loop, &client->again);
}

/* nginx may take the connection for a request in the very instant in which we close it,
 * and then finds it closed. It takes the one that it used last: those are left to be
 * closed behind their next answer, of which it hears together with the end. Measured on a
 * loaded machine, 10 restarts at 120 requests a second: with those closed at once every
 * third run had a connection that broke. */
void client_close_if_idle(struct client *client)
{
	if (client_is_idle(client) &&
	    loop_now_us(client->home->loop) - client->used_us >= CLIENT_CALM_US)
		client_close_kept(client);
}

static bool client_is_over(const struct client *client)
{
	return client->closes_after_flush && client->draining_id == 0 &&
	       !client->current;
}

/* Answered before its body was here: without KEEP_CONN nginx waits for the end of the
 * connection, and sends no more of the body once it has a header (measured: 413 and 403
 * for 8 MB hung until body_timeout). What comes all the same is still read. */
static void client_end_early(struct client *client)
{
	client->keep_conn = false;
	(void)shutdown(client->stream.source.fd, SHUT_WR);
}

static void client_run_flush(struct loop_task *task)
{
	struct client *client = container_of(task, struct client, flush);
	size_t n_before = client->stream.n_out;
	int r = client->is_broken ? -ENOMEM : stream_flush(&client->stream);

	if (r == 0 && client_is_over(client) && client->keep_conn) {
		client_close_kept(client);
		return;
	}
	if (r < 0 || (r == 0 && client_is_over(client))) {
		client_close(client);
		return;
	}
	if (r == 0 && client->closes_after_flush && client->draining_id != 0)
		client_end_early(client);
	if (r == 0) {
		loop_deadline_clear(&client->write_deadline);
	} else if (!client->is_pressed || client->stream.n_out < n_before) {
		client->outq = outq_get(client->stream.source.fd);
		client_start(client, &client->write_deadline,
			     client->home->write_timeout_us);
	}
	client->is_pressed = r == STREAM_AGAIN;
	if (client->stream.n_out > client->home->response_memory / 2)
		return;
	if (client->is_readable)
		loop_defer(client->home->loop, &client->again);
	if (client->current)
		client->home->sink->drained(client->current);
}

/* The edge that tells of room comes late: a unix socket is writable only when three
 * quarters of its buffer have been read. So before a slow reader is given up the kernel
 * is asked whether it has read anything. */
static void client_on_write_deadline(struct loop_deadline *deadline)
{
	struct client *client = container_of(deadline, struct client, write_deadline);
	int outq = outq_get(client->stream.source.fd);

	if (outq >= 0 && outq < client->outq) {
		client->outq = outq;
		client_start(client, deadline, client->home->write_timeout_us);
		return;
	}
	client->home->counters->reasons[HEALTH_REASON_SLOW_CLIENT]++;
	client_close(client);
}

static void client_on_drain_deadline(struct loop_deadline *deadline)
{
	client_close(container_of(deadline, struct client, drain_deadline));
}

void client_put_end(struct client *client, uint16_t id, uint8_t protocol_status)
{
	uint8_t bytes[FCGI_RECORD_HEADER_BYTES + FCGI_RECORD_BODY_BYTES];
	const struct fcgi_end end = { .protocol_status = protocol_status };

	fcgi_end_encode(id, &end, bytes);
	client_put(client, bytes, sizeof(bytes));
}

/* A web server that keeps connections may send its next request between our END_REQUEST
 * and our close(): END_REQUEST wakes it up. nginx does not keep a connection on which
 * something came behind END_REQUEST, so it gets an empty management record with it, in
 * the same write. Measured without it, 10 of 16,000 requests on 16 connections were lost
 * so, and none with it. */
static void client_put_parting(struct client *client)
{
	const struct fcgi_record record = { .type = FCGI_GET_VALUES_RESULT };
	uint8_t header[FCGI_RECORD_HEADER_BYTES];

	fcgi_record_encode(&record, header);
	client_put(client, header, sizeof(header));
}

static bool client_may_stay(const struct client *client)
{
	struct client_home *home = client->home;

	if (!client->keep_conn || client->read_ended || home->is_draining)
		return false;
	if (!home->is_crowded || !home->is_crowded(home))
		return true;
	home->counters->n[COUNTER_CLIENTS_CROWDED]++;
	return false;
}

void client_finish(struct client *client, uint8_t protocol_status)
{
	bool is_early = client->request.state == FCGI_REQUEST_PARAMS ||
			client->request.state == FCGI_REQUEST_STDIN;

	client_put_end(client, client->id, protocol_status);
	client->used_us = loop_now_us(client->home->loop);
	fcgi_request_finish(&client->request);
	client->current = NULL;
	if (!client_may_stay(client)) {
		if (client->keep_conn)
			client_put_parting(client);
		client_close_later(client);
	}
	if (is_early && !client->read_ended) {
		client->draining_id = client->id;
		client_start(client, &client->drain_deadline,
			     client->home->body_timeout_us);
	}
}

static void client_on_output(void *data, uint8_t type, const uint8_t *bytes, size_t n)
{
	struct client *client = data;
	struct fcgi_record record = { .type = type, .id = client->id };
	uint8_t header[FCGI_RECORD_HEADER_BYTES];

	do {
		record.n_content = (uint16_t)MIN(n, (size_t)FCGI_RECORD_CONTENT_BEST);
		fcgi_record_encode(&record, header);
		client_put(client, header, sizeof(header));
		client_put(client, bytes, record.n_content);
		n -= record.n_content;
		bytes = n > 0 ? bytes + record.n_content : NULL;
	} while (n > 0);
}

static size_t client_n_pending(void *data)
{
	return ((struct client *)data)->stream.n_out;
}

static void client_on_done(void *data)
{
	client_finish(data, FCGI_REQUEST_COMPLETE);
}

/* A clean close would make a web server take what it has for the whole answer. Eight zero
 * bytes are no FastCGI record of any version. */
static void client_on_broken(void *data)
{
	static const uint8_t invalid[FCGI_RECORD_HEADER_BYTES];
	struct client *client = data;

	client->current = NULL;
	client->keep_conn = false;
	client_put(client, invalid, sizeof(invalid));
	client_close_later(client);
}

const struct exchange_ops client_exchange_ops = {
	.on_output = client_on_output,
	.n_pending = client_n_pending,
	.on_done = client_on_done,
	.on_broken = client_on_broken,
};

void client_init_output(struct client *client)
{
	client->write_deadline.on_due = client_on_write_deadline;
	client->drain_deadline.on_due = client_on_drain_deadline;
	client->flush.run = client_run_flush;
}
