/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A web server's side of a connection, and a sink that notes the requests that come in.
 *
 * The sink answers nothing by itself: a test does it through the ops that it was given.
 */

#include "daemon/client.h"
#include "daemon/exchange.h"
#include "tests/relay_fixture.h"

/* What the sink has got of one request. */
struct ask {
	const struct exchange_ops *ops;
	void *client;              /* NULL once it was answered or is gone */
	struct bytes params, body;
	unsigned n_params_end, n_end, n_gone, n_drained;
	bool answers_params, answers_params_end, answers_body, answers_end; /* early */
};

struct sink {
	struct ask asks[8];
	unsigned n_asks;
	size_t room;               /* 0: nothing is read off the client */
	bool is_full;              /* begin gives NULL */
};

/* An answer as an exchange gives it. */
static inline void ask_answer(struct ask *ask, const char *text)
{
	void *client = ask->client;

	ask->client = NULL;
	ask->ops->on_output(client, FCGI_STDOUT, (const uint8_t *)text, strlen(text));
	ask->ops->on_output(client, FCGI_STDOUT, NULL, 0);
	ask->ops->on_done(client);
}

static inline void *sink_begin(void *data, const struct exchange_ops *ops, void *client)
{
	struct sink *sink = data;
	struct ask *ask = &sink->asks[sink->n_asks];

	if (sink->is_full)
		return NULL;
	assert_true(sink->n_asks < 8);
	sink->n_asks++;
	ask->ops = ops;
	ask->client = client;
	return ask;
}

static inline void sink_params(void *request, const uint8_t *data, size_t n)
{
	struct ask *ask = request;

	assert_non_null(ask->client);
	bytes_add(&ask->params, data, n);
	if (ask->answers_params)
		ask_answer(ask, "early");
}

static inline void sink_params_end(void *request)
{
	struct ask *ask = request;

	ask->n_params_end++;
	if (ask->answers_params_end)
		ask_answer(ask, "early");
}

static inline void sink_body(void *request, const uint8_t *data, size_t n)
{
	struct ask *ask = request;

	assert_non_null(ask->client);
	assert_int_equal(ask->n_params_end, 1);
	bytes_add(&ask->body, data, n);
	if (ask->answers_body)
		ask_answer(ask, "early");
}

static inline void sink_end(void *request)
{
	struct ask *ask = request;

	ask->n_end++;
	if (ask->answers_end)
		ask_answer(ask, "at once");
}

static inline void sink_gone(void *request)
{
	struct ask *ask = request;

	assert_non_null(ask->client);
	ask->client = NULL;
	ask->n_gone++;
}

static inline void sink_drained(void *request)
{
	((struct ask *)request)->n_drained++;
}

/* The test's own sink: room() is given the request only. */
static struct sink sink;

static inline size_t sink_room(void *request)
{
	(void)request;
	return sink.room;
}

static const struct request_sink sink_ops = {
	.begin = sink_begin,
	.params = sink_params,
	.params_end = sink_params_end,
	.body = sink_body,
	.end = sink_end,
	.gone = sink_gone,
	.room = sink_room,
	.drained = sink_drained,
};

static inline void sink_done(void)
{
	for (unsigned i = 0; i < sink.n_asks; i++) {
		bytes_done(&sink.asks[i].params);
		bytes_done(&sink.asks[i].body);
	}
}

/* one client of one home; all of it static, for one test program */

static struct relay relay;
static struct counters counters;
static struct client_home home;
static struct client *client;
static int web; /* the web server's end; -1: closed */
static struct bytes out; /* for it to send */
static struct bytes got; /* what it has got */
static int got_end;      /* 1: the end, < 0: errno */
static unsigned n_closed;

static inline void on_closed(struct client_home *h)
{
	assert_ptr_equal(h, &home);
	client = NULL;
	n_closed++;
}

static inline void open_client(int fd, bool is_tcp)
{
	assert_int_equal(client_new(&home, fd, is_tcp), 0);
	client = LIST_LAST(&home.clients, struct client, node);
}

static inline void open_pair(void)
{
	int pair[2];

	relay_pair(pair);
	web = pair[1];
	open_client(pair[0], false);
}

static inline void open_tcp(void)
{
	uint16_t port = 0;
	int listen_fd = relay_listen_tcp(4, &port);

	web = relay_connect_tcp(port);
	open_client(relay_accept(listen_fd), true);
	close(listen_fd);
}

static inline int client_begin_empty(void **state)
{
	(void)state;
	relay_begin(&relay);
	counters = (struct counters){ 0 };
	sink = (struct sink){ .room = LOOP_SCRATCH_BYTES };
	home = (struct client_home){
		.loop = relay.loop,
		.memory = &relay.memory,
		.counters = &counters,
		.sink = &sink_ops,
		.sink_data = &sink,
		.write_timeout_us = 60000000,
		.body_timeout_us = 60000000,
		.response_memory = 64 * 1024,
		.on_closed = on_closed,
	};
	list_init(&home.clients);
	web = -1;
	got_end = 0;
	n_closed = 0;
	return 0;
}

static inline int client_begin_pair(void **state)
{
	(void)client_begin_empty(state);
	open_pair();
	return 0;
}

static inline int client_end(void **state)
{
	(void)state;
	if (client)
		client_close(client);
	if (web >= 0)
		close(web);
	relay_settle(&relay);
	assert_int_equal(home.n_clients, 0);
	assert_true(list_is_empty(&home.clients));
	sink_done();
	bytes_done(&out);
	bytes_done(&got);
	relay_end(&relay);
	return 0;
}

/* Sends what is in `out`, lets it be handled, reads what came back. */
static inline void talk(void)
{
	if (out.n > 0)
		bytes_send(&out, web);
	relay_settle(&relay);
	if (got_end == 0)
		got_end = bytes_recv(&got, web);
}

static inline void forget_answers(void)
{
	bytes_done(&got);
}

static inline uint8_t end_status(uint16_t id)
{
	unsigned n_records;
	struct bytes content = bytes_content(&got, FCGI_END_REQUEST, id, &n_records);
	uint8_t status;

	assert_int_equal(n_records, 1);
	assert_int_equal(content.n, 8);
	/* what FPM leaves unwritten is 0 of ours */
	assert_memory_equal(content.at + 5, "\0\0", 3);
	assert_memory_equal(content.at, "\0\0\0", 4);
	status = content.at[4];
	bytes_done(&content);
	return status;
}
