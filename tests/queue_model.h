/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A naive second health_queue, and bytes as a script of operations on both.
 *
 * The model keeps a flat array and finds everything by looking at all of it, so it shares
 * no idea with the queue but the rules. fuzz_queue.c and the randomised case of
 * test_health_queue.c both run scripts through it.
 *
 * A script: two bytes of parameters, then operations of one byte and its arguments. When
 * it ends in the middle of one, missing bytes are 0.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "health/queue.h"

enum { QUEUE_MODEL_N = 24 }; /* waiters */

struct queue_model_entry {
	struct health_waiter waiter;
	bool is_in, is_returned;
	uint64_t arrived_us; /* 0: not yet */
	uint64_t deadline_us;
	unsigned order;    /* of entering, for those of the same instant */
	unsigned n_pushed; /* times it was accepted, and times it came out again */
	unsigned n_left;
};

struct queue_model {
	const uint8_t *data;
	size_t n;
	uint64_t now_us;
	unsigned n_orders;
	struct health_queue queue;
	struct health_queue_params params;
	struct queue_model_entry entries[QUEUE_MODEL_N];
	size_t limit;
	uint64_t service_us; /* 0: unknown */
	bool overloaded;
	uint64_t pressed_since_us;
};

static inline uint8_t queue_model_byte(struct queue_model *m)
{
	if (m->n == 0)
		return 0;
	m->n--;
	return *m->data++;
}

static inline size_t queue_model_count(const struct queue_model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < QUEUE_MODEL_N; i++)
		n += m->entries[i].is_in;
	return n;
}

static inline uint64_t queue_model_oldest_us(const struct queue_model *m)
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < QUEUE_MODEL_N; i++)
		if (m->entries[i].is_in && m->entries[i].arrived_us < oldest)
			oldest = m->entries[i].arrived_us;
	return oldest;
}

static inline uint64_t queue_model_drain_us(const struct queue_model *m, size_t n)
{
	return n * m->service_us / m->limit;
}

static inline uint64_t queue_model_pressure_us(const struct queue_model *m)
{
	size_t n = queue_model_count(m);
	uint64_t drain = queue_model_drain_us(m, n);
	uint64_t age = n ? m->now_us - queue_model_oldest_us(m) : 0;

	return age > drain ? age : drain;
}

static inline uint64_t queue_model_target_us(const struct queue_model *m)
{
	uint64_t target = m->service_us ? 5 * m->service_us : 5000000;

	if (m->params.target_us)
		return m->params.target_us;
	if (target < 200000)
		return 200000;
	return target > 2000000 ? 2000000 : target;
}

static inline bool queue_model_is_impatient(const struct queue_model *m)
{
	return m->overloaded && m->params.order == HEALTH_QUEUE_ADAPTIVE;
}

static inline uint64_t queue_model_wait_us(const struct queue_model *m)
{
	uint64_t twice = 2 * queue_model_target_us(m);

	if (!queue_model_is_impatient(m) || twice > m->params.max_wait_us)
		return m->params.max_wait_us;
	return twice;
}

static inline void queue_model_observe(struct queue_model *m)
{
	if (queue_model_pressure_us(m) <= queue_model_target_us(m)) {
		m->overloaded = false;
		m->pressed_since_us = 0;
		return;
	}
	if (!m->pressed_since_us)
		m->pressed_since_us = m->now_us;
	if (m->now_us - m->pressed_since_us >= m->params.interval_us)
		m->overloaded = true;
}

static inline bool queue_model_is_overdue(const struct queue_model *m,
					  const struct queue_model_entry *e)
{
	return e->is_in && (e->deadline_us <= m->now_us ||
			    e->arrived_us + queue_model_wait_us(m) <= m->now_us);
}

/* Which of two comes first in the order of arrival? */
static inline bool queue_model_is_older(const struct queue_model_entry *a,
					const struct queue_model_entry *b)
{
	if (a->arrived_us != b->arrived_us)
		return a->arrived_us < b->arrived_us;
	return a->order < b->order;
}

/* The oldest or newest of those who were pushed back, or of the others. */
static inline struct queue_model_entry *queue_model_pick(struct queue_model *m,
							 bool is_returned, bool newest)
{
	struct queue_model_entry *best = NULL;

	for (size_t i = 0; i < QUEUE_MODEL_N; i++) {
		struct queue_model_entry *e = &m->entries[i];

		if (!e->is_in || e->is_returned != is_returned)
			continue;
		if (!best || queue_model_is_older(e, best) != newest)
			best = e;
	}
	return best;
}

static inline void queue_model_enter(struct queue_model *m, struct queue_model_entry *e,
				     bool is_returned)
{
	e->is_in = true;
	e->is_returned = is_returned;
	e->order = m->n_orders++;
	e->n_pushed++;
}

static inline void queue_model_leave(struct queue_model *m, struct queue_model_entry *e)
{
	e->is_in = false;
	e->n_left++;
	if (queue_model_count(m) == 0) {
		m->overloaded = false;
		m->pressed_since_us = 0;
	}
}

static inline struct queue_model_entry *queue_model_entry(struct queue_model *m)
{
	return &m->entries[queue_model_byte(m) % QUEUE_MODEL_N];
}

static inline int queue_model_verdict(const struct queue_model *m,
				      const struct queue_model_entry *e)
{
	uint64_t wait = queue_model_wait_us(m);
	size_t n = queue_model_count(m);

	if (!queue_model_is_impatient(m) && e->deadline_us < m->now_us + wait)
		wait = e->deadline_us > m->now_us ? e->deadline_us - m->now_us : 0;
	if (n >= m->params.size)
		return HEALTH_QUEUE_REFUSED_FULL;
	if (queue_model_drain_us(m, n + 1) > wait)
		return HEALTH_QUEUE_REFUSED_HOPELESS;
	return 0;
}

static inline const char *queue_model_push(struct queue_model *m)
{
	struct queue_model_entry *e = queue_model_entry(m), *victim = NULL;
	uint8_t due = queue_model_byte(m);
	struct health_waiter *evicted;
	int expected, r;

	if (e->is_in)
		return NULL;
	health_waiter_init(&e->waiter);
	e->arrived_us = 0;
	e->deadline_us = due % 3 ? UINT64_MAX : m->now_us + due * UINT64_C(40000);
	e->waiter.deadline_us = e->deadline_us;
	e->waiter.bytes = due;
	queue_model_observe(m);
	expected = queue_model_verdict(m, e);
	if (expected && queue_model_is_impatient(m) && m->params.size > 0) {
		victim = queue_model_pick(m, false, false);
		victim = victim ? victim : queue_model_pick(m, true, false);
		expected = 0;
	}
	r = health_queue_push(&m->queue, &e->waiter, m->now_us, &evicted);
	if (r != expected)
		return "push: another answer";
	if (evicted != (victim ? &victim->waiter : NULL))
		return "push: another one evicted";
	if (r)
		return NULL;
	e->arrived_us = m->now_us;
	queue_model_enter(m, e, false);
	if (victim)
		queue_model_leave(m, victim);
	queue_model_observe(m);
	return NULL;
}

static inline const char *queue_model_push_back(struct queue_model *m)
{
	struct queue_model_entry *e = queue_model_entry(m);

	if (e->is_in)
		return NULL;
	if (!e->arrived_us)
		e->arrived_us = m->now_us;
	health_queue_push_back(&m->queue, &e->waiter, m->now_us);
	queue_model_enter(m, e, true);
	queue_model_observe(m);
	return NULL;
}

static inline const char *queue_model_take(struct queue_model *m)
{
	struct queue_model_entry *e;

	queue_model_observe(m);
	e = queue_model_pick(m, true, false);
	if (!e)
		e = queue_model_pick(m, false, queue_model_is_impatient(m));
	if (health_queue_take(&m->queue, m->now_us) != (e ? &e->waiter : NULL))
		return "take: another one";
	if (e)
		queue_model_leave(m, e);
	return NULL;
}

static inline const char *queue_model_remove(struct queue_model *m)
{
	struct queue_model_entry *e = queue_model_entry(m);

	health_queue_remove(&m->queue, &e->waiter);
	if (e->is_in)
		queue_model_leave(m, e);
	return NULL;
}

static inline const char *queue_model_expire(struct queue_model *m)
{
	struct health_waiter *waiter;
	struct queue_model_entry *e;
	bool shed, in_time;

	for (;;) {
		queue_model_observe(m);
		waiter = health_queue_expire(&m->queue, m->now_us, &shed);
		if (!waiter)
			break;
		/* The waiter is the entry's first member. */
		e = (struct queue_model_entry *)(void *)waiter;
		if (!queue_model_is_overdue(m, e))
			return "expire: not overdue";
		in_time = e->deadline_us > m->now_us &&
			  e->arrived_us + m->params.max_wait_us > m->now_us;
		if (shed != in_time)
			return "expire: another reason";
		queue_model_leave(m, e);
	}
	for (size_t i = 0; i < QUEUE_MODEL_N; i++)
		if (queue_model_is_overdue(m, &m->entries[i]))
			return "expire: one forgotten";
	return NULL;
}

static inline const char *queue_model_set_params(struct queue_model *m)
{
	uint8_t a = queue_model_byte(m), b = queue_model_byte(m);

	m->params = (struct health_queue_params){
		.size = a % 32,
		.max_wait_us = (1 + (a >> 5)) * UINT64_C(700000),
		.target_us = b & 1 ? (1 + (b >> 4)) * UINT64_C(100000) : 0,
		.interval_us = (b >> 2 & 3) * UINT64_C(300000),
		.order = b & 2 ? HEALTH_QUEUE_FIFO : HEALTH_QUEUE_ADAPTIVE,
	};
	health_queue_set_params(&m->queue, &m->params);
	return NULL;
}

static inline const char *queue_model_served(struct queue_model *m)
{
	uint64_t sample = queue_model_byte(m) * UINT64_C(10000);

	health_queue_served(&m->queue, sample);
	if (sample < 5000)
		sample = 5000;
	if (!m->service_us)
		m->service_us = sample;
	else if (sample > m->service_us)
		m->service_us += (sample - m->service_us) / 50;
	else
		m->service_us -= (m->service_us - sample) / 50;
	return NULL;
}

static inline const char *queue_model_set_limit(struct queue_model *m)
{
	uint8_t limit = queue_model_byte(m) % 8;

	health_queue_set_limit(&m->queue, limit);
	m->limit = limit ? limit : 1;
	return NULL;
}

static inline const char *queue_model_step(struct queue_model *m)
{
	switch (queue_model_byte(m) % 16) {
	case 0: case 1: case 2: case 3: case 4:
		return queue_model_push(m);
	case 5:
		return queue_model_push_back(m);
	case 6: case 7:
		return queue_model_take(m);
	case 8:
		return queue_model_remove(m);
	case 9: case 10:
		return queue_model_expire(m);
	case 11: case 12: case 13:
		m->now_us += queue_model_byte(m) * UINT64_C(2500);
		return NULL;
	case 14:
		return queue_model_served(m);
	default:
		if (queue_model_byte(m) % 8)
			return queue_model_set_limit(m);
		return queue_model_set_params(m);
	}
}

/* How many stand in a line; -1: out of order, or its two directions differ. */
static inline int queue_model_walk(const struct health_queue_line *line)
{
	const struct health_queue_place *place, *before = NULL;
	int n = 0;

	for (place = line->first; place; before = place, place = place->after, n++)
		if (place->before != before || (before && before->at_us > place->at_us))
			return -1;
	return line->last == before ? n : -1;
}

/* Everything that must hold after each operation. */
static inline const char *queue_model_check(const struct queue_model *m)
{
	const struct health_queue *queue = &m->queue;
	uint64_t next = UINT64_MAX, wait = queue_model_wait_us(m);
	size_t n_bytes = 0;
	int n[2] = { 0, 0 }, n_due = 0;

	for (size_t i = 0; i < QUEUE_MODEL_N; i++) {
		const struct queue_model_entry *e = &m->entries[i];

		if (e->waiter.is_queued != e->is_in)
			return "is_queued";
		if (e->n_pushed != e->n_left + e->is_in)
			return "left more or less than once";
		if (!e->is_in)
			continue;
		n[e->is_returned]++;
		n_due += e->deadline_us != UINT64_MAX;
		n_bytes += e->waiter.bytes;
		next = e->deadline_us < next ? e->deadline_us : next;
		next = e->arrived_us + wait < next ? e->arrived_us + wait : next;
	}
	if (queue_model_walk(&queue->waiting) != n[0] ||
	    queue_model_walk(&queue->returned) != n[1] ||
	    queue_model_walk(&queue->due) != n_due)
		return "lines";
	if (queue->n_waiting != queue_model_count(m) || queue->n_bytes != n_bytes)
		return "counts";
	if (queue->overloaded != m->overloaded ||
	    queue->pressed_since_us != m->pressed_since_us)
		return "overload state";
	if (health_queue_pressure_us(queue, m->now_us) != queue_model_pressure_us(m))
		return "pressure";
	if (health_queue_next_deadline_us(queue) != next)
		return "next deadline";
	return health_queue_wait_max_us(queue) == wait ? NULL : "longest wait";
}

/* Runs a script. NULL, or in one word what the queue did that the model did not. */
static inline const char *queue_model_run(const uint8_t *data, size_t n)
{
	struct queue_model m = { .data = data, .n = n, .now_us = 1000000 };
	const char *fault;

	for (size_t i = 0; i < QUEUE_MODEL_N; i++) {
		health_waiter_init(&m.entries[i].waiter);
		m.entries[i].deadline_us = UINT64_MAX;
	}
	health_queue_init(&m.queue, &m.params, 0);
	m.limit = 1;
	fault = queue_model_set_params(&m);
	while (!fault && m.n > 0) {
		fault = queue_model_step(&m);
		if (!fault)
			fault = queue_model_check(&m);
	}
	return fault;
}
