/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The two-deadline queue: order and deadlines of the exchanges that wait for a slot.
 *
 * Calm: first in, first out, everybody may wait max_wait. When pressure (the age of the
 * oldest waiter, or the time the queue needs to drain) stays above `target` for a whole
 * `interval`, the queue is overloaded: newest first, nobody waits longer than twice the
 * target, and what arrives on top evicts the oldest. It is calm again at the first look
 * that finds the pressure not above the target, and whenever nobody waits.
 *
 * Every waiter leaves exactly once: by take, remove, expire, or as the one evicted by a
 * push. push, take, remove and every figure take constant time, expire takes constant
 * time per waiter that it returns. (Exception: a deadline of its own that lies between
 * those of others, or an age between those of others pushed back, is put in its place by
 * a walk.)
 *
 * Waiters belong to their owners, who keep them in place while they are queued. now_us is
 * one monotonic clock's and never goes back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the overload state only pressure and `overloaded` are left with FIFO: never newest
 * first, never a shortened deadline, nobody is evicted. */
enum health_queue_order {
	HEALTH_QUEUE_ADAPTIVE,
	HEALTH_QUEUE_FIFO,
};

enum health_queue_result {
	HEALTH_QUEUE_REFUSED_FULL = 1, /* `size` waiters already: reason `queue_full` */
	HEALTH_QUEUE_REFUSED_HOPELESS, /* no slot before its deadline: reason `shed` */
};

struct health_queue_params {
	size_t size;            /* waiters at most; 0: nobody can wait */
	uint64_t max_wait_us;
	uint64_t target_us;     /* 0: clamp(5 x S, 200 ms, 2 s); 2 s before S is known */
	uint64_t interval_us;
	enum health_queue_order order;
};

/* A place in a line, and a line. Lines are sorted by at_us, equals by who came first. */
struct health_queue_place {
	struct health_queue_place *before, *after; /* NULL at the ends, and outside */
	uint64_t at_us;
};

struct health_queue_line {
	struct health_queue_place *first, *last; /* NULL when nobody stands in it */
};

/* Embedded in what waits. Visible for embedding; only deadline_us, class, key and bytes
 * may be set by its owner, and only while it is not queued. arrived_us also, before a
 * health_queue_push_back() of somebody who was never pushed (served at once, in vain). */
struct health_waiter {
	struct health_queue_place arrival;
	struct health_queue_place due; /* only with a deadline of its own */
	bool is_queued;
	bool is_returned;     /* pushed back: in front of all who were never taken */
	uint64_t arrived_us;  /* set by the push, kept by push_back; 0: not pushed yet */
	uint64_t deadline_us; /* its own last instant (answer_by); UINT64_MAX: none */
	unsigned class;
	uint64_t key;
	size_t bytes;         /* of memory that the waiter holds */
};

struct health_queue {
	struct health_queue_params params;
	struct health_queue_line waiting;  /* by arrival: those never taken */
	struct health_queue_line returned; /* by arrival: those pushed back */
	struct health_queue_line due;      /* by own deadline: of both, who has one */
	size_t n_waiting;        /* in `waiting` and `returned` */
	size_t n_bytes;          /* sum of their bytes */
	size_t limit;            /* slots that serve this queue, >= 1 */
	uint64_t service_us;     /* S, EWMA of service time, alpha 0.02 */
	bool has_service;        /* a first sample has come */
	bool overloaded;
	uint64_t pressed_since_us; /* 0: pressure is not above target */
};

/* Everything 0, no deadline of its own. Also for one that waits again as a new one. */
void health_waiter_init(struct health_waiter *waiter);

/* limit: slots; 0 counts as 1, here and in set_limit. The parameters are copied. */
void health_queue_init(struct health_queue *queue,
		       const struct health_queue_params *params, size_t limit);
/* New parameters for a living queue (reload). Waiters keep their arrival; those beyond a
 * smaller size stay. */
void health_queue_set_params(struct health_queue *queue,
			     const struct health_queue_params *params);
void health_queue_set_limit(struct health_queue *queue, size_t limit);

/* A request was served: its time from dispatch to END_REQUEST, clamped to 5 ms .. 30 s.
 * The first one is S, each later one moves S by a fiftieth of the difference. */
void health_queue_served(struct health_queue *queue, uint64_t service_us);

/* Puts a waiter in that is in no queue. 0: queued. Under overload a full or hopeless
 * queue takes the new one and gives up the oldest (of those never taken; one that was
 * pushed back only when there is nobody else): *ret_evicted is then that one (else NULL),
 * already out of the queue, to be answered with reason `shed`. HEALTH_QUEUE_REFUSED_FULL,
 * _HOPELESS: not queued, *ret_evicted NULL. Hopeless means (waiting + 1) x S / limit is
 * longer than it may wait; as long as S is not known nobody is hopeless. */
int health_queue_push(struct health_queue *queue, struct health_waiter *waiter,
		      uint64_t now_us, struct health_waiter **ret_evicted);
/* Puts a waiter back that was taken but could not be served: next to be taken in either
 * order (of several pushed back the oldest first), age kept, never refused. */
void health_queue_push_back(struct health_queue *queue, struct health_waiter *waiter,
			    uint64_t now_us);

/* The next to be served, out of the queue, or NULL. Does not look at deadlines: call
 * expire first. */
struct health_waiter *health_queue_take(struct health_queue *queue, uint64_t now_us);
/* Takes one out that left by itself. Harmless on one that is not queued. */
void health_queue_remove(struct health_queue *queue, struct health_waiter *waiter);

/* Call at every event and every 10 ms while somebody waits: moves the overload state and
 * returns a waiter that is at or past its deadline, out of the queue; call again until
 * NULL. *ret_shed: true when it would have been in time in calm (reason `shed`), false:
 * it waited its full time (reason `queue_timeout`), or its own deadline_us has come (then
 * that is <= now_us: reason `answer_by`). */
struct health_waiter *health_queue_expire(struct health_queue *queue, uint64_t now_us,
					  bool *ret_shed);

/* Figures. pressure: microseconds, 0 when nobody waits; of the age alone before S is
 * known. */
uint64_t health_queue_pressure_us(const struct health_queue *queue, uint64_t now_us);
uint64_t health_queue_target_us(const struct health_queue *queue);
/* How long somebody who arrives now may wait, microseconds: max_wait, and under overload
 * (but not with FIFO) twice the target if that is less. */
uint64_t health_queue_wait_max_us(const struct health_queue *queue);
/* The earliest deadline of those who wait, UINT64_MAX when nobody does. */
uint64_t health_queue_next_deadline_us(const struct health_queue *queue);
/* Retry-After in seconds: RA = clamp(ceil(waiting x S / limit), 1, 120) with S = 1 s
 * before the first sample, plus random % (RA / 2 + 1). */
unsigned health_queue_retry_after_s(const struct health_queue *queue, uint32_t random);
