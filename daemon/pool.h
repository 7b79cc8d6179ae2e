/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What the web server sees as one PHP: a name, a queue, a member, counters, limits.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/access_log.h"
#include "daemon/counter.h"
#include "daemon/list.h"
#include "daemon/log.h"
#include "daemon/member.h"
#include "daemon/memory.h"
#include "daemon/php_log.h"
#include "health/queue.h"
#include "health/replay.h"

struct conf;
struct conf_fpm_values;
struct conf_pool;
struct fpm_probe;
struct master;
struct pool;
struct spool;

/* To what waits: the exchange. The pool knows it as a health_waiter only. */
struct waiter_ops {
	/* A slot: give the link its request by link_start(), now. `hello` and `keep_conn`
	 * are what the pool's situation asks for. */
	void (*on_slot)(struct health_waiter *waiter, struct link *link, bool hello,
			bool keep_conn);
	/* It is out of the queue and will not be served. */
	void (*on_refused)(struct health_waiter *waiter, enum health_reason reason);
	/* Has it a body? Those get a hello, so that they can be withdrawn. */
	bool (*has_body)(struct health_waiter *waiter);
	/* May it go over a link whose last request had this id? */
	bool (*may_follow)(struct health_waiter *waiter, uint16_t id);
};

struct pool {
	struct list node;             /* the daemon's list of pools */
	struct loop *loop;
	struct conf *conf;            /* one reference */
	const struct conf_pool *options; /* in conf */
	struct spool *spool;
	struct memory memory;
	const struct waiter_ops *waiter_ops;

	struct health_queue queue;
	struct health_replay replay;
	struct member member;
	struct loop_deadline tick;    /* runs while somebody waits */
	uint64_t patient_until_us; /* FPM is back: those who waited for it are not shed */
	struct conf_fpm_values *fpm_values; /* valid when has_fpm_values */
	bool has_fpm_values;

	struct list exchanges;
	unsigned n_exchanges;
	unsigned n_clients;
	uint16_t next_id;             /* of requests towards FPM */
	uint32_t random;

	struct counters counters;
	struct log_limit answer_limits[HEALTH_REASON_N];
	struct loop_deadline rest;    /* runs while one of them has something to say */
	struct php_log php_log;
	char *page; /* the operator's error page; NULL: the built-in one */
	size_t n_page;
	struct access_log access_log;
	bool is_removed;              /* by a reload: goes with its last exchange */
	/* the daemon's, which frees them */
	struct master *master;        /* NULL: none */
	struct fpm_probe *probe;      /* NULL: none */
	bool is_stopping;             /* the master has been told to stop */
};

/* Makes a pool of an option set of conf (it takes a reference). 0 or -ENOMEM. The error
 * page and the log files are opened; what cannot be is logged and left out. `backend` is
 * conf's, or the private socket of a master that we run. */
int pool_new(struct loop *loop, struct conf *conf, const struct conf_pool *options,
	     const struct conf_address *backend, struct memory *parent,
	     struct spool *spool, const struct waiter_ops *waiter_ops,
	     struct pool **ret_pool);
struct pool *pool_free(struct pool *pool); /* no exchange may be left */
/* New options of a living pool. Exchanges keep the values of their birth. */
void pool_set_conf(struct pool *pool, struct conf *conf, const struct conf_pool *options);
/* The same options out of a conf that was read again; reads the error page again, too. */
void pool_take_conf(struct pool *pool, struct conf *conf,
		    const struct conf_pool *options);
/* Another socket of PHP-FPM from now on; requests in flight end over the old one. */
void pool_set_backend(struct pool *pool, const struct conf_address *backend);
/* What FPM's own configuration says, once it is known and whenever it changes. */
void pool_set_fpm_values(struct pool *pool, const struct conf_fpm_values *fpm);
/* Opens the log files again (SIGUSR1). */
void pool_reopen_logs(struct pool *pool);

/* Asks for a slot: on_slot or on_refused follows, perhaps before this returns. */
void pool_submit(struct pool *pool, struct health_waiter *waiter);
/* Back to the head of the queue, its age kept: no worker had it. */
void pool_submit_again(struct pool *pool, struct health_waiter *waiter);
/* Its client has left. Harmless when it is not queued. */
void pool_withdraw(struct pool *pool, struct health_waiter *waiter);

/* What FPM's own configuration says; NULL: it is not known. */
const struct conf_fpm_values *pool_fpm_values(const struct pool *pool);
/* An exchange is born or has ended. */
uint16_t pool_take_id(struct pool *pool);
/* May an answer of ours be logged? As log_limit_pass(); and if nobody comes to say how
 * many were not, the pool does. */
bool pool_may_log_answer(struct pool *pool, enum health_reason reason,
			 uint64_t *ret_suppressed);
unsigned pool_retry_after_s(struct pool *pool);
/* All counters, those that members and logs keep included. */
void pool_get_counters(const struct pool *pool, struct counters *ret);
const char *pool_name(const struct pool *pool);
static inline void pool_count(struct pool *pool, enum counter counter)
{
	pool->counters.n[counter]++;
}
