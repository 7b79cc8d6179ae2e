/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A pool with exchanges, visitors in the place of clients, and workers to serve them.
 *
 * All of it static, for one test program: setup and teardown, and a test opens the pool
 * with the options that it wants.
 */

#include "daemon/exchange.h"
#include "daemon/link.h"
#include "daemon/pool.h"
#include "tests/relay_conf.h"
#include "tests/relay_fpm.h"

enum { N_VISITS = 8 };

/* One request, and what its client was told. */
struct visit {
	struct exchange *exchange; /* NULL once it is done or gone */
	struct bytes out, err;
	unsigned n_done, n_broken, n_ends;
	size_t n_pending;          /* what the client says that it has not sent yet */
};

static struct relay relay;
static struct conf *conf;
static struct pool *pool;
static struct spool spool;
static struct visit visits[N_VISITS];
static struct fpm workers[N_VISITS];
static int listen_fd;

static inline void visit_on_output(void *client, uint8_t type, const uint8_t *data,
				   size_t n)
{
	struct visit *visit = client;

	assert_non_null(visit->exchange);
	assert_true(type == FCGI_STDOUT || type == FCGI_STDERR);
	visit->n_ends += n == 0;
	bytes_add(type == FCGI_STDOUT ? &visit->out : &visit->err, data, n);
}

static inline size_t visit_n_pending(void *client)
{
	return ((struct visit *)client)->n_pending;
}

static inline void visit_on_done(void *client)
{
	struct visit *visit = client;

	assert_non_null(visit->exchange);
	visit->exchange = NULL;
	visit->n_done++;
}

static inline void visit_on_broken(void *client)
{
	struct visit *visit = client;

	assert_non_null(visit->exchange);
	visit->exchange = NULL;
	visit->n_broken++;
}

static const struct exchange_ops visit_ops = {
	.on_output = visit_on_output,
	.n_pending = visit_n_pending,
	.on_done = visit_on_done,
	.on_broken = visit_on_broken,
};

static inline int visit_begin(void **state)
{
	(void)state;
	relay_begin(&relay);
	listen_fd = relay_listen(&relay, 16);
	spool = (struct spool){ .dir = relay.dir, .max = 4 << 20 };
	for (int i = 0; i < N_VISITS; i++) {
		visits[i] = (struct visit){ 0 };
		workers[i] = (struct fpm){ .fd = -1 };
	}
	return 0;
}

/* Whoever is still there leaves; then every exchange, slot and byte is given back. */
static inline int visit_end(void **state)
{
	(void)state;
	for (int i = 0; i < N_VISITS; i++) {
		if (visits[i].exchange)
			exchange_sink.gone(visits[i].exchange);
		fpm_close(&workers[i]);
	}
	relay_settle(&relay);
	if (listen_fd >= 0)
		close(listen_fd);
	relay_settle(&relay);
	assert_int_equal(member_n_taken(&pool->member), 0);
	assert_int_equal(pool->n_exchanges, 0);
	assert_int_equal(pool->queue.n_waiting, 0);
	assert_int_equal(spool.used, 0);
	assert_int_equal(spool.n_files, 0);
	pool = pool_free(pool);
	relay_settle(&relay);
	assert_int_equal(conf->n_refs, 1);
	conf = conf_unref(conf);
	for (int i = 0; i < N_VISITS; i++) {
		bytes_done(&visits[i].out);
		bytes_done(&visits[i].err);
	}
	relay_end(&relay);
	return 0;
}

static inline void open_pool(const char *options)
{
	conf = relay_conf(&relay, "", options);
	assert_int_equal(pool_new(relay.loop, conf, conf->pools[0],
				  &conf->pools[0]->backend, &relay.memory, &spool,
				  &exchange_waiter_ops, &pool),
			 0);
	pool->member.is_hello_known = true;
	relay_settle(&relay);
}

static inline void visit_open(int i)
{
	visits[i].exchange = exchange_sink.begin(pool, &visit_ops, &visits[i]);
	assert_non_null(visits[i].exchange);
}

static inline void visit_params(int i, const struct bytes *pairs)
{
	if (visits[i].exchange && pairs->n > 0)
		exchange_sink.params(visits[i].exchange, pairs->at, pairs->n);
	if (visits[i].exchange)
		exchange_sink.params_end(visits[i].exchange);
}

/* NULL: n zeros. */
static inline void visit_body(int i, const char *text, size_t n)
{
	static uint8_t zeros[10000];

	for (size_t at = 0; at < n && visits[i].exchange; at += sizeof(zeros)) {
		size_t part = n - at < sizeof(zeros) ? n - at : sizeof(zeros);

		exchange_sink.body(visits[i].exchange,
				   text ? (const uint8_t *)text + at : zeros, part);
	}
}

static inline void visit_end_of_request(int i)
{
	if (visits[i].exchange)
		exchange_sink.end(visits[i].exchange);
}

/* A whole request, whose body is n zeros. */
static inline void visit(int i, const char *method, const char *script, size_t n_body)
{
	struct bytes pairs = { 0 };
	char length[24];

	snprintf(length, sizeof(length), "%zu", n_body);
	bytes_add_pair(&pairs, "REQUEST_METHOD", method);
	bytes_add_pair(&pairs, "SCRIPT_NAME", script);
	if (n_body > 0)
		bytes_add_pair(&pairs, "CONTENT_LENGTH", length);
	visit_open(i);
	visit_params(i, &pairs);
	visit_body(i, NULL, n_body);
	visit_end_of_request(i);
	bytes_done(&pairs);
}

static inline void accept_worker(int i)
{
	fpm_accept(&workers[i], listen_fd);
	for (int n = 0; n < 200 && !fpm_read(&workers[i]); n++)
		relay_turns(&relay, 1);
	assert_true(workers[i].is_complete);
	relay_settle(&relay);
}

/* Answered by us, with this reason. */
#define visit_assert_own(i, status, reason) \
	do { \
		assert_int_equal(visits[i].n_done, 1); \
		assert_null(visits[i].exchange); \
		assert_true(bytes_has(&visits[i].out, "Status: " status " ")); \
		assert_true( \
			bytes_has(&visits[i].out, "X-Fpmgate-Reason: " reason "\r\n")); \
		assert_int_equal(visits[i].n_ends, 1); \
	} while (0)

/* Answered by a worker, with this text in it. */
#define visit_assert_served(i, text) \
	do { \
		assert_int_equal(visits[i].n_done, 1); \
		assert_true(bytes_has(&visits[i].out, "\r\n\r\n" text)); \
		assert_false(bytes_has(&visits[i].out, "X-Fpmgate-Reason")); \
	} while (0)
