/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection from a web server. */

/*
 * Records are handled as they are read, from the loop's scratch memory; a client keeps
 * nothing of its input but the header of a record that came in pieces.
 *
 * Reading never stops while an answer is under way: that is how a second BEGIN_REQUEST,
 * an ABORT_REQUEST and the visitor's leaving are noticed. A request that was answered
 * before its body had come (413, 503) is read to its end and dropped: a web server that
 * is still sending would otherwise get EPIPE and show a 502. Only our own sending ends.
 *
 * A client on a unix socket has left when its socket is closed (EPOLLHUP); a half-close
 * is legal FastCGI. Over TCP the two look alike: there the end of sending counts as
 * leaving once the request is complete, unless the listener says half_close.
 */

#include "daemon/client.h"

#include <errno.h>
#include <fastcgi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/exchange.h"
#include "fcgi/writer.h"

enum {
	CLIENT_VALUES_MAX = 512, /* bytes of a GET_VALUES record that are looked at */
	CLIENT_TURN_BYTES = 256 * 1024,
};

static void client_reap(struct loop_task *task)
{
	struct client *client = container_of(task, struct client, reaper);
	struct client_home *home = client->home;

	free(client->values);
	free(client);
	home->n_clients--;
	home->on_closed(home);
}

void client_close(struct client *client)
{
	if (client->is_closed)
		return;
	client->is_closed = true;
	if (client->current)
		client->home->sink->gone(client->current);
	client->current = NULL;
	loop_deadline_clear(&client->write_deadline);
	loop_deadline_clear(&client->drain_deadline);
	loop_cancel(&client->again);
	loop_cancel(&client->flush);
	stream_done(&client->stream);
	list_remove(&client->node);
	loop_defer(client->home->loop, &client->reaper);
}

bool client_is_idle(const struct client *client)
{
	return !client->current && client->stream.n_out == 0 &&
	       client->draining_id == 0 && client->request.state == FCGI_REQUEST_IDLE &&
	       fcgi_reader_is_between(&client->reader);
}

static void client_count(struct client *client, enum counter counter)
{
	client->home->counters->n[counter]++;
}

/* input: what a complete record does */

static void client_begin(struct client *client)
{
	struct fcgi_begin begin;

	client->id = client->request.id;
	client->draining_id = 0;
	loop_deadline_clear(&client->drain_deadline);
	if (fcgi_begin_decode(client->begin.bytes, client->begin.n, &begin) != 0) {
		client_count(client, COUNTER_CLIENT_PROTOCOL);
		client_close(client);
		return;
	}
	client->keep_conn = begin.flags & FCGI_KEEP_CONN;
	if (begin.role != FCGI_RESPONDER) {
		client_count(client, COUNTER_UNKNOWN_ROLE);
		client_finish(client, FCGI_UNKNOWN_ROLE);
		return;
	}
	client->current = client->home->sink->begin(client->home->sink_data,
						    &client_exchange_ops, client);
	if (!client->current)
		client_close(client);
}

static void client_abort(struct client *client)
{
	client_count(client, COUNTER_ABORTED);
	if (client->current)
		client->home->sink->gone(client->current);
	client->current = NULL;
	client_finish(client, FCGI_REQUEST_COMPLETE);
	/* whoever aborts sends no more of it */
	client->draining_id = 0;
	loop_deadline_clear(&client->drain_deadline);
}

static void client_answer_management(struct client *client, uint8_t type)
{
	uint8_t bytes[64];
	struct fcgi_writer writer;

	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	if (type == FCGI_GET_VALUES) {
		client_count(client, COUNTER_GET_VALUES);
		(void)fcgi_writer_values_result(&writer, client->values,
						client->n_values);
	} else {
		client_count(client, COUNTER_UNKNOWN_TYPE);
		(void)fcgi_writer_unknown_type(&writer, type);
	}
	client_put(client, bytes, writer.n);
	free(client->values);
	client->values = NULL;
	client->n_values = 0;
}

static void client_on_record_done(struct client *client, const struct fcgi_record *record)
{
	const struct request_sink *sink = client->home->sink;
	bool is_empty = record->n_content == 0;

	switch (client->record) {
	case CLIENT_RECORD_BEGIN:
		client_begin(client);
		return;
	case CLIENT_RECORD_PARAMS:
		if (is_empty && client->current)
			sink->params_end(client->current);
		return;
	case CLIENT_RECORD_STDIN:
		if (is_empty && client->current)
			sink->end(client->current);
		return;
	case CLIENT_RECORD_ABORT:
		client_abort(client);
		return;
	case CLIENT_RECORD_SECOND:
		client_count(client, COUNTER_CANT_MPX);
		client_put_end(client, record->id, FCGI_CANT_MPX_CONN);
		return;
	case CLIENT_RECORD_MANAGEMENT:
		client_answer_management(client, record->type);
		return;
	case CLIENT_RECORD_DRAINED:
		client->draining_id = 0;
		loop_deadline_clear(&client->drain_deadline);
		loop_defer(client->home->loop, &client->flush);
		return;
	case CLIENT_RECORD_DROPPED:
		return;
	}
}

/* input: records */

static enum client_record client_classify(uint8_t type)
{
	switch (type) {
	case FCGI_BEGIN_REQUEST:
		return CLIENT_RECORD_BEGIN;
	case FCGI_PARAMS:
		return CLIENT_RECORD_PARAMS;
	case FCGI_STDIN:
		return CLIENT_RECORD_STDIN;
	case FCGI_ABORT_REQUEST:
		return CLIENT_RECORD_ABORT;
	default:
		return CLIENT_RECORD_DROPPED;
	}
}

/* Empty records of a stream end it; fcgi_request_step() knows, so the last one of a
 * request answered early is seen here, among those that are ignored. */
static void client_on_record(struct client *client, const struct fcgi_record *record)
{
	client->begin.n = 0;
	switch (fcgi_request_step(&client->request, record)) {
	case 0:
		client->record = client_classify(record->type);
		return;
	case FCGI_REQUEST_IGNORE:
		client->record = CLIENT_RECORD_DROPPED;
		if (record->type == FCGI_STDIN && record->n_content == 0 &&
		    record->id == client->draining_id)
			client->record = CLIENT_RECORD_DRAINED;
		return;
	case FCGI_REQUEST_SECOND:
		client->record = CLIENT_RECORD_SECOND;
		return;
	case FCGI_REQUEST_MANAGEMENT:
		client->record = CLIENT_RECORD_MANAGEMENT;
		return;
	default:
		client_count(client, COUNTER_CLIENT_PROTOCOL);
		client_close(client);
	}
}

static void client_keep_values(struct client *client, const uint8_t *data, size_t n)
{
	if (!client->values)
		client->values = malloc(CLIENT_VALUES_MAX);
	if (!client->values)
		return;
	n = MIN(n, CLIENT_VALUES_MAX - client->n_values);
	memcpy(client->values + client->n_values, data, n);
	client->n_values += n;
}

static void client_on_content(struct client *client, const struct fcgi_event *event)
{
	const struct request_sink *sink = client->home->sink;

	switch (client->record) {
	case CLIENT_RECORD_BEGIN:
		fcgi_body8_add(&client->begin, event->data, event->n);
		return;
	case CLIENT_RECORD_PARAMS:
		if (client->current)
			sink->params(client->current, event->data, event->n);
		return;
	case CLIENT_RECORD_STDIN:
		if (client->current)
			sink->body(client->current, event->data, event->n);
		return;
	case CLIENT_RECORD_MANAGEMENT:
		if (event->record.type == FCGI_GET_VALUES)
			client_keep_values(client, event->data, event->n);
		return;
	default:
		return;
	}
}

static void client_parse(struct client *client, size_t n)
{
	const uint8_t *bytes = loop_scratch(client->home->loop);
	struct fcgi_event event;
	int r = 0;

	while (!client->is_closed &&
	       (r = fcgi_reader_next(&client->reader, &bytes, &n, &event)) == 0) {
		if (event.kind == FCGI_EVENT_RECORD)
			client_on_record(client, &event.record);
		else if (event.kind == FCGI_EVENT_CONTENT)
			client_on_content(client, &event);
		else
			client_on_record_done(client, &event.record);
	}
	if (client->is_closed || r == FCGI_READER_PENDING)
		return;
	client_count(client, COUNTER_CLIENT_VERSION);
	client_close(client);
}

/* input: reading */

/* The web server has ended its sending: legal behind a complete request. */
static void client_on_read_end(struct client *client)
{
	client->is_readable = false;
	client->read_ended = true;
	client->draining_id = 0;
	if (client->current && client->request.state == FCGI_REQUEST_ANSWER &&
	    (!client->is_tcp || client->home->half_close))
		return;
	if (!client->current && client->stream.n_out > 0)
		client_close_later(client);
	else
		client_close(client);
}

/* More answers to management records than it reads: its input waits until it has taken
 * some. What an exchange puts out is bounded by the exchange. */
static bool client_is_full(const struct client *client)
{
	size_t max = client->home->response_memory + LOOP_SCRATCH_BYTES;

	return client->stream.n_out >= (client->current ? 2 * max : max);
}

static void client_read(struct client *client)
{
	size_t n, room, left = CLIENT_TURN_BYTES;
	int r;

	while (client->is_readable && !client->is_closed && !client_is_full(client)) {
		room = LOOP_SCRATCH_BYTES;
		if (client->current)
			room = client->home->sink->room(client->current);
		if (room == 0 || left < room) {
			loop_defer(client->home->loop, &client->again);
			return;
		}
		r = stream_read(&client->stream, room, &n);
		if (r == 0) {
			left -= n;
			/* a short read has emptied it: what comes later is a new edge */
			client->is_readable = n == room || client->peer_ended;
			client_parse(client, n);
		} else if (r == STREAM_AGAIN) {
			client->is_readable = false;
		} else if (r == STREAM_EOF) {
			client_on_read_end(client);
		} else {
			client_close(client);
		}
	}
}

static void client_read_again(struct loop_task *task)
{
	client_read(container_of(task, struct client, again));
}

static void client_on_ready(struct loop_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, stream.source);

	if (events & (EPOLLHUP | EPOLLERR)) {
		client_close(client);
		return;
	}
	if ((events & EPOLLOUT) && client->stream.n_out > 0)
		loop_defer(client->home->loop, &client->flush);
	if (!(events & (EPOLLIN | EPOLLRDHUP)) || client->read_ended)
		return;
	client->is_readable = true;
	client->peer_ended |= (events & EPOLLRDHUP) != 0;
	client_read(client);
}

int client_new(struct client_home *home, int fd, bool is_tcp)
{
	struct client *client = calloc(1, sizeof(*client));
	int r;

	if (!client) {
		close_fd(fd);
		return -ENOMEM;
	}
	client->home = home;
	client->used_us = loop_now_us(home->loop);
	client->is_tcp = is_tcp;
	client_init_output(client);
	client->again.run = client_read_again;
	client->reaper.run = client_reap;
	fcgi_reader_init(&client->reader);
	fcgi_request_init(&client->request);
	r = stream_init(&client->stream, home->loop, home->memory, fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP, client_on_ready);
	if (r < 0) {
		free(client);
		return r;
	}
	list_append(&home->clients, &client->node);
	home->n_clients++;
	home->counters->n[COUNTER_CLIENTS]++;
	return 0;
}
