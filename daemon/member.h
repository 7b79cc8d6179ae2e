/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One PHP-FPM listening socket that serves a pool: its slots, its links, what it can.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "daemon/address.h"
#include "daemon/hello.h"
#include "daemon/link.h"
#include "health/reason.h"

struct member;

/* To the pool. */
struct member_ops {
	/* There may be room now: member_has_room() says. Never from inside a call of the
	 * pool's to the member. */
	void (*on_room)(struct member *member);
	/* A worker is free and its link could go on: take it for a waiting request by
	 * link_start() and say true; false: it is closed. */
	bool (*on_free)(struct member *member, struct link *link);
	/* For the log, once per change: connect() began to fail (reason BACKEND_*), works
	 * again (NONE; `was` is why it did not), or workers are missing (WORKERS_MISSING,
	 * n = those that accept). */
	void (*on_change)(struct member *member, enum health_reason reason,
			  enum health_reason was, unsigned n);
};

struct member_params {
	unsigned max_children;
	enum conf_pm pm;
	unsigned min_spare_servers;
	uint64_t connect_timeout_us;
	bool hand_over;
	enum conf_hello hello;
};

struct member {
	struct loop *loop;
	struct memory *memory;
	void *home;
	const struct member_ops *ops;
	struct member_params params;
	struct address address;
	bool is_unix, has_outq;
	struct hello hello;      /* asks the following */
	bool can_hello;          /* this PHP keeps a connection behind GET_VALUES */
	bool is_hello_known;

	struct list links[LINK_N_STATES];
	unsigned n_links[LINK_N_STATES];
	unsigned limit;          /* slots in use at most: max_children, or fewer */
	uint64_t progress_us;    /* a worker accepted, or became free */
	bool is_missing;         /* workers_missing has been said, at missing_us last */
	uint64_t missing_us;
	struct loop_deadline missing_check;

	enum health_reason down; /* why connect() fails; NONE: it does not */
	uint64_t retry_us;       /* the pause before the next try */
	uint64_t full_us;        /* when its backlog was full last */
	uint64_t reset_us; /* when a worker was left running that we cannot see (TCP) */
	bool is_waiting;         /* for that pause to end */
	bool is_trying;          /* one exchange tries */
	struct loop_deadline retry;
	struct loop_task room;
	uint64_t n_background;   /* links whose worker went on behind END_REQUEST */
	uint64_t n_foreign;      /* records with another request's id */
	bool is_leaving;         /* being done: no calls to the pool any more */
};

void member_init(struct member *member, struct loop *loop, struct memory *memory,
		 void *home, const struct member_ops *ops,
		 const struct conf_address *backend, const struct member_params *params);
/* Drops all links; their requests end with reason DRAINING. */
void member_done(struct member *member);
void member_set_params(struct member *member, const struct member_params *params);
/* Another socket from now on; links to the old one go on. Nothing if it is the same. */
void member_set_backend(struct member *member, const struct conf_address *backend);

/* Can one more link be made now? */
bool member_has_room(const struct member *member);
/* May workers be busy that we know nothing of? */
bool member_has_ghosts(const struct member *member);
/* Would the next link take the last slot, or the last that may be unaccepted? */
bool member_is_last_slot(const struct member *member);
/* Connects (wants_edges: see link.h). 0 and *ret_link, to be given to link_start() at
 * once; a HEALTH_REASON_BACKEND_*
 * (> 0): not now; the request goes back to the queue. */
int member_connect(struct member *member, bool wants_edges, struct link **ret_link);

/* Slots taken: all links. And those of them whose worker runs a request or goes on. */
unsigned member_n_taken(const struct member *member);
unsigned member_n_accepted(const struct member *member);
