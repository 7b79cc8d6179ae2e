/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One FastCGI request through us, from BEGIN_REQUEST to END_REQUEST. exchange.c begins
 * with its life.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/body.h"
#include "daemon/list.h"
#include "daemon/loop.h"
#include "daemon/request.h"
#include "daemon/request_id.h"
#include "daemon/request_wire.h"
#include "daemon/response.h"
#include "health/queue.h"
#include "health/reason.h"

struct conf;
struct conf_pool;
struct exchange_ops;
struct link;
struct pool;
struct waiter_ops;

/* What takes requests off a client: exchanges, and later the status. The client knows the
 * request as the pointer that begin() gave. */
struct request_sink {
	/* NULL: no memory. */
	void *(*begin)(void *sink, const struct exchange_ops *ops, void *client);
	void (*params)(void *request, const uint8_t *data, size_t n);
	void (*params_end)(void *request);
	void (*body)(void *request, const uint8_t *data, size_t n);
	/* The request is complete. */
	void (*end)(void *request);
	/* The visitor has left, or the client is no more; the last call. */
	void (*gone)(void *request);
	/* How many bytes may be read off the client now; 0: ask again in the next turn.
	 */
	size_t (*room)(void *request);
	/* The client's output went below half of response_memory. */
	void (*drained)(void *request);
};

/* To the client. After on_done and on_broken the exchange has forgotten it. */
struct exchange_ops {
	/* FCGI_STDOUT or FCGI_STDERR; n == 0 writes the end of the stream. */
	void (*on_output)(void *client, uint8_t type, const uint8_t *data, size_t n);
	/* Bytes of output that the web server has not taken yet. */
	size_t (*n_pending)(void *client);
	/* The answer is complete: END_REQUEST is to follow. */
	void (*on_done)(void *client);
	/* The answer cannot be completed: break it visibly. */
	void (*on_broken)(void *client);
};

enum exchange_state {
	EXCHANGE_PARAMS,    /* -> BODY, DONE (refused, left) */
	EXCHANGE_BODY,      /* -> QUEUED, DONE */
	EXCHANGE_QUEUED,    /* in the pool's queue, or on its way -> RUNNING, DONE */
	EXCHANGE_RUNNING,   /* on a link, no header out yet -> ANSWERING, QUEUED, DONE */
	EXCHANGE_ANSWERING, /* header out -> DONE */
	EXCHANGE_DONE,      /* the client is answered or gone; a link may hold on */
};

struct exchange {
	struct list node;            /* pool->exchanges */
	struct pool *pool;
	struct conf *conf;           /* of its birth, one reference */
	const struct conf_pool *options;
	const struct exchange_ops *ops;
	void *client;                /* NULL in DONE */
	enum exchange_state state;

	struct request request;
	struct body body;
	struct response response;
	struct request_parts parts;
	struct health_waiter waiter;
	struct link *link;           /* NULL: none */

	char id[REQUEST_ID_MAX_BYTES + 1];
	enum health_reason reason;   /* why the answer is ours; NONE: it is PHP's */
	uint16_t status;             /* HTTP; 0: none yet */
	unsigned n_replays;
	pid_t worker;                /* 0: not known */
	bool had_output;
	uint64_t n_bytes;            /* of the answer's STDOUT */
	/* CLOCK_MONOTONIC; 0: has not happened */
	uint64_t begun_us, complete_us, dispatched_us, accepted_us, first_byte_us;

	struct loop_deadline silence;  /* body_timeout, then read_timeout */
	struct loop_deadline total;    /* request_timeout */
	struct loop_deadline answer_by;
	struct loop_deadline unaccepted; /* in FPM's backlog for max_wait */
	struct loop_task reaper;
};

/* Takes requests for a pool: the sink argument is the struct pool. */
extern const struct request_sink exchange_sink;
/* For pool_new(). */
extern const struct waiter_ops exchange_waiter_ops;

/* For outcome.c. The sole writer of the state. */
void exchange_set_state(struct exchange *exchange, enum exchange_state state);
uint64_t exchange_now_us(const struct exchange *exchange);
/* The client's side is over: it has been answered, or has left. */
void exchange_finish(struct exchange *exchange);
/* Takes the request back from its link, or gives the link up. */
void exchange_let_link_go(struct exchange *exchange);
/* Frees it at the end of the turn when both sides are over; else nothing. */
void exchange_release(struct exchange *exchange);
