/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of health/queue: order, deadlines, overload, as scripted timelines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "health/queue.h"

#define MS UINT64_C(1000)
#define S (1000 * MS)
/* Not 0 and not round, so that nobody mistakes a duration for a time. */
#define T0 (7 * S + 3)

enum { N_WAITERS = 300 };

static struct health_waiter waiters[N_WAITERS];

static const struct health_queue_params defaults = {
	.size = 1000,
	.max_wait_us = 5 * S,
	.interval_us = 1 * S,
	.order = HEALTH_QUEUE_ADAPTIVE,
};

/* A queue of five slots at S = 200 ms (so target = 1 s), and fresh waiters. */
static struct health_queue start(const struct health_queue_params *params)
{
	struct health_queue queue;

	for (size_t i = 0; i < N_WAITERS; i++)
		health_waiter_init(&waiters[i]);
	health_queue_init(&queue, params, 5);
	health_queue_served(&queue, 200 * MS);
	return queue;
}

/* Pushes waiters[i] and expects it to be let in without a victim. */
static void push(struct health_queue *queue, size_t i, uint64_t now)
{
	struct health_waiter *evicted = &waiters[0];

	assert_int_equal(health_queue_push(queue, &waiters[i], now, &evicted), 0);
	assert_null(evicted);
}

static void assert_refused(struct health_queue *queue, size_t i, uint64_t now,
			   int refused)
{
	struct health_waiter *evicted = &waiters[0];

	assert_int_equal(health_queue_push(queue, &waiters[i], now, &evicted), refused);
	assert_null(evicted);
	assert_false(waiters[i].is_queued);
}

static void assert_take(struct health_queue *queue, size_t i, uint64_t now)
{
	assert_ptr_equal(health_queue_take(queue, now), &waiters[i]);
	assert_false(waiters[i].is_queued);
}

static void assert_expire(struct health_queue *queue, size_t i, uint64_t now,
			  bool is_shed)
{
	bool shed = !is_shed;

	assert_ptr_equal(health_queue_expire(queue, now, &shed), &waiters[i]);
	assert_int_equal(shed, is_shed);
	assert_false(waiters[i].is_queued);
}

static void assert_nobody_expires(struct health_queue *queue, uint64_t now)
{
	bool shed = true;

	assert_null(health_queue_expire(queue, now, &shed));
	assert_false(shed);
}

/* Pushes waiters[i] and expects it to be let in, with waiters[victim] given up. */
static void assert_evict(struct health_queue *queue, size_t i, uint64_t now,
			 size_t victim)
{
	struct health_waiter *evicted = NULL;

	assert_int_equal(health_queue_push(queue, &waiters[i], now, &evicted), 0);
	assert_ptr_equal(evicted, &waiters[victim]);
	assert_true(waiters[i].is_queued);
	assert_false(evicted->is_queued);
}

/* Three who came at T0, T0 + 10 ms and T0 + 20 ms, looked at every 10 ms until the queue
 * is overloaded, which must be before anybody is overdue. */
static struct health_queue start_overloaded(const struct health_queue_params *params,
					    uint64_t *ret_now)
{
	struct health_queue queue = start(params);
	uint64_t now = T0 + 20 * MS;

	for (size_t i = 0; i < 3; i++)
		push(&queue, i, T0 + i * 10 * MS);
	while (!queue.overloaded) {
		now += 10 * MS;
		assert_in_range(now, T0, T0 + 2 * S - 1);
		assert_nobody_expires(&queue, now);
	}
	*ret_now = now;
	return queue;
}

static void test_empty(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	assert_null(health_queue_take(&queue, T0));
	assert_nobody_expires(&queue, T0);
	assert_int_equal(health_queue_pressure_us(&queue, T0), 0);
	assert_true(health_queue_next_deadline_us(&queue) == UINT64_MAX);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 1);
	health_queue_remove(&queue, &waiters[0]);
	assert_int_equal(queue.n_waiting, 0);
}

static void test_calm_is_first_in_first_out(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		waiters[i].bytes = 100 + i;
		push(&queue, i, T0 + i * MS);
		assert_true(waiters[i].is_queued);
		assert_int_equal(waiters[i].arrived_us, T0 + i * MS);
	}
	assert_int_equal(queue.n_waiting, 4);
	assert_int_equal(queue.n_bytes, 406);
	for (size_t i = 0; i < 4; i++)
		assert_take(&queue, i, T0 + 10 * MS);
	assert_int_equal(queue.n_waiting, 0);
	assert_int_equal(queue.n_bytes, 0);
}

static void test_those_of_one_instant_keep_their_order(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		push(&queue, i, T0);
	for (size_t i = 0; i < 3; i++)
		assert_take(&queue, i, T0);
}

static void test_calm_waits_for_max_wait(void **state)
{
	/* An interval that never ends: no overload. */
	struct health_queue_params params = defaults;
	struct health_queue queue;

	(void)state;
	params.interval_us = 3600 * S;
	queue = start(&params);
	push(&queue, 0, T0);
	push(&queue, 1, T0 + 30 * MS);
	assert_int_equal(health_queue_wait_max_us(&queue), 5 * S);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 5 * S);
	assert_nobody_expires(&queue, T0 + 5 * S - 1);
	assert_expire(&queue, 0, T0 + 5 * S, false);
	assert_nobody_expires(&queue, T0 + 5 * S);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 30 * MS + 5 * S);
	assert_expire(&queue, 1, T0 + 9 * S, false);
}

static void test_overload_begins_after_a_whole_interval(void **state)
{
	struct health_queue queue = start(&defaults);
	uint64_t t;

	(void)state;
	push(&queue, 0, T0);
	/* Pressure passes the target (1 s) at the tick after T0 + 1 s. */
	for (t = T0; t <= T0 + 1 * S; t += 10 * MS) {
		assert_nobody_expires(&queue, t);
		assert_int_equal(queue.pressed_since_us, 0);
	}
	for (; t < T0 + 2 * S + 10 * MS; t += 10 * MS) {
		assert_nobody_expires(&queue, t);
		assert_true(queue.pressed_since_us == T0 + 1 * S + 10 * MS);
		assert_false(queue.overloaded);
		assert_int_equal(health_queue_wait_max_us(&queue), 5 * S);
	}
	/* The interval is over; so are twice the target for this one. */
	assert_expire(&queue, 0, t, true);
	assert_false(queue.overloaded);
	assert_int_equal(queue.pressed_since_us, 0);
}

static void test_drain_time_alone_makes_overload(void **state)
{
	struct health_queue queue = start(&defaults);
	uint64_t t;

	(void)state;
	/* 27 x 200 ms / 5 = 1.08 s; every turn the oldest is served and one arrives. */
	for (size_t i = 0; i < 27; i++)
		push(&queue, i, T0);
	assert_true(queue.pressed_since_us == T0);
	for (size_t i = 0; i < 100; i++) {
		t = T0 + (i + 1) * 10 * MS;
		assert_int_equal(queue.overloaded, false);
		assert_non_null(health_queue_take(&queue, t));
		push(&queue, 27 + i, t);
	}
	assert_true(queue.overloaded);
}

static void test_pressure_at_the_target_is_calm(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	for (size_t i = 0; i < 25; i++) /* exactly 1 s to drain */
		push(&queue, i, T0);
	assert_int_equal(queue.pressed_since_us, 0);
	push(&queue, 25, T0);
	assert_true(queue.pressed_since_us == T0);
	/* One look without pressure starts the interval afresh. */
	health_queue_remove(&queue, &waiters[3]);
	assert_nobody_expires(&queue, T0 + 900 * MS);
	assert_int_equal(queue.pressed_since_us, 0);
	push(&queue, 26, T0 + 950 * MS);
	assert_true(queue.pressed_since_us == T0 + 950 * MS);
	assert_nobody_expires(&queue, T0 + 1949 * MS);
	assert_false(queue.overloaded);
}

static void test_overload_is_newest_first(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	queue = start_overloaded(&params, &now);
	assert_true(now == T0 + 1510 * MS);
	assert_true(queue.overloaded);
	push(&queue, 3, now);
	push(&queue, 4, now);
	assert_take(&queue, 4, now);
	assert_take(&queue, 3, now);
	assert_take(&queue, 2, now);
	push(&queue, 5, now + 1 * MS);
	assert_take(&queue, 5, now + 2 * MS);
}

static void test_overload_waits_for_twice_the_target(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	queue = start_overloaded(&params, &now);
	assert_int_equal(health_queue_wait_max_us(&queue), 2 * S);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 2 * S);
	assert_nobody_expires(&queue, T0 + 2 * S - 1);
	assert_expire(&queue, 0, T0 + 2 * S, true);
	assert_nobody_expires(&queue, T0 + 2 * S);
	assert_expire(&queue, 1, T0 + 2 * S + 10 * MS, true);
}

static void test_overload_never_waits_longer_than_calm(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 100 * MS;
	params.max_wait_us = 1500 * MS;
	queue = start_overloaded(&params, &now);
	assert_true(queue.overloaded);
	assert_int_equal(health_queue_wait_max_us(&queue), 1500 * MS);
	/* It has waited all it could in calm too. */
	assert_expire(&queue, 0, T0 + 1500 * MS, false);
}

static void test_overload_found_late_sheds_all_that_are_late(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		push(&queue, i, T0 + i * MS);
	push(&queue, 3, T0 + 1500 * MS); /* a look: pressure has been there since here */
	assert_true(queue.pressed_since_us == T0 + 1500 * MS);
	for (size_t i = 0; i < 3; i++)
		assert_expire(&queue, i, T0 + 2500 * MS, true);
	assert_nobody_expires(&queue, T0 + 2500 * MS);
	assert_int_equal(queue.n_waiting, 1);
	assert_false(queue.overloaded);
}

static void test_back_to_calm(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	queue = start_overloaded(&params, &now);
	push(&queue, 3, now);
	push(&queue, 4, now + 1 * MS);
	for (size_t i = 0; i < 3; i++)
		health_queue_remove(&queue, &waiters[i]);
	/* The oldest is of 1 ms: calm at the next look, and oldest first. */
	assert_take(&queue, 3, now + 1 * MS);
	assert_false(queue.overloaded);
	assert_int_equal(queue.pressed_since_us, 0);
	assert_take(&queue, 4, now + 1 * MS);
}

static void test_calm_when_nobody_waits(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	queue = start_overloaded(&params, &now);
	for (size_t i = 0; i < 3; i++)
		health_queue_remove(&queue, &waiters[i]);
	assert_false(queue.overloaded);
	assert_int_equal(queue.pressed_since_us, 0);
}

static void test_full_in_calm_refuses(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;

	(void)state;
	params.size = 2;
	queue = start(&params);
	push(&queue, 0, T0);
	push(&queue, 1, T0);
	assert_refused(&queue, 2, T0, HEALTH_QUEUE_REFUSED_FULL);
	assert_take(&queue, 0, T0);
	push(&queue, 2, T0);

	params.size = 0;
	queue = start(&params);
	assert_refused(&queue, 0, T0, HEALTH_QUEUE_REFUSED_FULL);
}

static void test_full_under_overload_evicts_the_oldest(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	params.size = 3;
	queue = start_overloaded(&params, &now);
	waiters[0].bytes = 0;
	for (size_t i = 0; i < 3; i++) {
		assert_evict(&queue, 3 + i, now, i);
		assert_int_equal(queue.n_waiting, 3);
		if (i < 2)
			assert_true(queue.overloaded);
	}
	/* All are new now. */
	assert_false(queue.overloaded);

	/* A reload to no queue at all: nobody is let in, those who wait stay. */
	queue = start_overloaded(&params, &now);
	params.size = 0;
	health_queue_set_params(&queue, &params);
	assert_refused(&queue, 3, now, HEALTH_QUEUE_REFUSED_FULL);
	assert_int_equal(queue.n_waiting, 3);
}

static void test_eviction_from_a_queue_of_one_stays_overloaded(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;

	(void)state;
	params.size = 1;
	params.target_us = 10 * MS; /* less than one request needs */
	params.interval_us = 0;
	queue = start(&params);
	push(&queue, 0, T0);
	assert_true(queue.overloaded);
	assert_evict(&queue, 1, T0 + 5 * MS, 0);
	assert_true(queue.overloaded);
	assert_true(queue.pressed_since_us == T0);
}

static void test_hopeless_in_calm_is_refused(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	/* 125 x 200 ms / 5 = 5 s */
	for (size_t i = 0; i < 125; i++)
		push(&queue, i, T0);
	assert_refused(&queue, 125, T0, HEALTH_QUEUE_REFUSED_HOPELESS);
	assert_take(&queue, 0, T0);
	push(&queue, 125, T0);
}

static void test_hopeless_under_overload_evicts(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	/* 50 x 200 ms / 5 = twice the target */
	for (size_t i = 0; i < 50; i++)
		push(&queue, i, T0);
	push(&queue, 50, T0 + 999 * MS); /* still calm */
	health_queue_remove(&queue, &waiters[50]);
	assert_nobody_expires(&queue, T0 + 1 * S);
	assert_true(queue.overloaded);
	assert_evict(&queue, 51, T0 + 1 * S, 0);
	assert_int_equal(queue.n_waiting, 50);
}

static void test_hopeless_by_its_own_deadline(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	for (size_t i = 0; i < 9; i++)
		push(&queue, i, T0);
	waiters[9].deadline_us = T0 + 400 * MS - 1; /* 10 x 200 ms / 5 = 400 ms */
	assert_refused(&queue, 9, T0, HEALTH_QUEUE_REFUSED_HOPELESS);
	waiters[9].deadline_us = T0 + 400 * MS;
	push(&queue, 9, T0);
	waiters[10].deadline_us = T0 - 1; /* over already */
	assert_refused(&queue, 10, T0, HEALTH_QUEUE_REFUSED_HOPELESS);
}

static void test_own_deadline_does_not_evict_others(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	queue = start_overloaded(&params, &now);
	waiters[3].deadline_us = now + 50 * MS; /* less than 4 x 200 ms / 5 */
	push(&queue, 3, now);
	assert_take(&queue, 3, now);
}

static void test_client_leaves(void **state)
{
	struct health_queue queue = start(&defaults);

	(void)state;
	for (size_t i = 0; i < 5; i++)
		push(&queue, i, T0 + i * MS);
	health_queue_remove(&queue, &waiters[2]); /* in the middle, */
	health_queue_remove(&queue, &waiters[0]); /* at both ends, */
	health_queue_remove(&queue, &waiters[4]);
	health_queue_remove(&queue, &waiters[4]); /* and again */
	assert_int_equal(queue.n_waiting, 2);
	assert_take(&queue, 1, T0 + 9 * MS);
	assert_take(&queue, 3, T0 + 9 * MS);
	assert_null(health_queue_take(&queue, T0 + 9 * MS));
	push(&queue, 2, T0 + 9 * MS);
	assert_take(&queue, 2, T0 + 9 * MS);
}

static void test_own_deadlines(void **state)
{
	struct health_queue queue = start(&defaults);
	uint64_t own[] = { 900 * MS, 300 * MS, 600 * MS, 6 * S, 300 * MS };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		waiters[i].deadline_us = T0 + own[i];
		push(&queue, i, T0);
	}
	push(&queue, 5, T0);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 300 * MS);
	assert_nobody_expires(&queue, T0 + 300 * MS - 1);
	assert_expire(&queue, 1, T0 + 300 * MS, false);
	assert_expire(&queue, 4, T0 + 300 * MS, false);
	assert_nobody_expires(&queue, T0 + 300 * MS);
	health_queue_remove(&queue, &waiters[2]);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 900 * MS);
	assert_take(&queue, 0, T0 + 500 * MS);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 5 * S);
}

static void test_own_deadline_under_overload_is_no_shedding(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	queue = start_overloaded(&params, &now);
	waiters[3].deadline_us = now + 100 * MS;
	push(&queue, 3, now);
	assert_expire(&queue, 3, now + 100 * MS, false);
	assert_true(queue.overloaded);
}

static void test_push_back_is_next_in_either_order(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	/* calm */
	queue = start(&params);
	push(&queue, 0, T0);
	push(&queue, 1, T0 + 1 * MS);
	assert_take(&queue, 0, T0 + 2 * MS);
	health_queue_push_back(&queue, &waiters[0], T0 + 9 * MS);
	assert_true(waiters[0].arrived_us == T0);
	assert_int_equal(queue.n_waiting, 2);
	assert_take(&queue, 0, T0 + 10 * MS);
	/* overload: others have come meanwhile */
	queue = start_overloaded(&params, &now);
	assert_take(&queue, 2, now);
	push(&queue, 3, now);
	health_queue_push_back(&queue, &waiters[2], now);
	push(&queue, 4, now);
	assert_take(&queue, 2, now);
	assert_take(&queue, 4, now);
	/* put back under overload, taken in calm */
	health_queue_push_back(&queue, &waiters[4], now);
	health_queue_remove(&queue, &waiters[0]);
	health_queue_remove(&queue, &waiters[1]);
	assert_take(&queue, 4, now);
	assert_false(queue.overloaded);
	assert_take(&queue, 3, now);
}

static void test_several_pushed_back_go_oldest_first(void **state)
{
	struct health_queue queue = start(&defaults);
	const size_t order[] = { 2, 0, 3, 1 };

	(void)state;
	for (size_t i = 0; i < 6; i++)
		push(&queue, i, T0 + i * MS);
	for (size_t i = 0; i < 4; i++)
		assert_take(&queue, i, T0 + 6 * MS);
	for (size_t i = 0; i < 4; i++)
		health_queue_push_back(&queue, &waiters[order[i]], T0 + 7 * MS);
	for (size_t i = 0; i < 6; i++)
		assert_take(&queue, i, T0 + 8 * MS);
}

static void test_push_back_keeps_its_age(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;

	(void)state;
	params.interval_us = 3600 * S;
	queue = start(&params);
	/* Older than its neighbours: pressure and deadline are its own. */
	push(&queue, 0, T0);
	assert_take(&queue, 0, T0);
	push(&queue, 1, T0 + 500 * MS);
	health_queue_push_back(&queue, &waiters[0], T0 + 600 * MS);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 700 * MS), 700 * MS);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 5 * S);
	/* Younger than its neighbours: theirs. */
	push(&queue, 2, T0 + 800 * MS);
	assert_take(&queue, 0, T0 + 800 * MS);
	health_queue_remove(&queue, &waiters[2]);
	health_queue_push_back(&queue, &waiters[2], T0 + 800 * MS);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 900 * MS), 400 * MS);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 500 * MS + 5 * S);
	/* Each is overdue by its own age. */
	assert_expire(&queue, 1, T0 + 500 * MS + 5 * S, false);
	assert_nobody_expires(&queue, T0 + 500 * MS + 5 * S);
	assert_expire(&queue, 2, T0 + 800 * MS + 5 * S, false);
}

static void test_push_back_is_never_refused(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;

	(void)state;
	params.size = 1;
	queue = start(&params);
	push(&queue, 0, T0);
	assert_take(&queue, 0, T0);
	push(&queue, 1, T0 + 1 * MS);
	health_queue_push_back(&queue, &waiters[0], T0 + 1 * MS);
	/* one that was served at once, in vain: it arrives now */
	health_queue_push_back(&queue, &waiters[2], T0 + 2 * MS);
	assert_true(waiters[2].arrived_us == T0 + 2 * MS);
	/* or as its owner says */
	waiters[3].arrived_us = T0 - 50 * MS;
	health_queue_push_back(&queue, &waiters[3], T0 + 3 * MS);
	assert_int_equal(queue.n_waiting, 4);
	assert_take(&queue, 3, T0 + 3 * MS);
}

static void test_pushed_back_are_evicted_last(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	params.size = 2;
	queue = start(&params);
	push(&queue, 0, T0);
	assert_take(&queue, 0, T0);
	push(&queue, 1, T0);
	health_queue_push_back(&queue, &waiters[0], T0);
	for (now = T0; !queue.overloaded; now += 10 * MS)
		assert_nobody_expires(&queue, now);
	assert_evict(&queue, 2, now, 1);
	assert_evict(&queue, 3, now, 2);
	health_queue_remove(&queue, &waiters[3]);
	params.size = 1;
	health_queue_set_params(&queue, &params);
	assert_evict(&queue, 4, now, 0);
}

static void test_fifo_order(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue;
	uint64_t now;

	(void)state;
	params.interval_us = 500 * MS;
	params.order = HEALTH_QUEUE_FIFO;
	queue = start_overloaded(&params, &now);
	assert_true(queue.overloaded); /* said, not acted upon */
	push(&queue, 3, now);
	assert_int_equal(health_queue_wait_max_us(&queue), 5 * S);
	assert_take(&queue, 0, now);
	params.size = 3;
	health_queue_set_params(&queue, &params);
	assert_refused(&queue, 4, now, HEALTH_QUEUE_REFUSED_FULL);
	assert_nobody_expires(&queue, T0 + 10 * MS + 5 * S - 1);
	assert_expire(&queue, 1, T0 + 10 * MS + 5 * S, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_calm_is_first_in_first_out),
		cmocka_unit_test(test_those_of_one_instant_keep_their_order),
		cmocka_unit_test(test_calm_waits_for_max_wait),
		cmocka_unit_test(test_overload_begins_after_a_whole_interval),
		cmocka_unit_test(test_drain_time_alone_makes_overload),
		cmocka_unit_test(test_pressure_at_the_target_is_calm),
		cmocka_unit_test(test_overload_is_newest_first),
		cmocka_unit_test(test_overload_waits_for_twice_the_target),
		cmocka_unit_test(test_overload_never_waits_longer_than_calm),
		cmocka_unit_test(test_overload_found_late_sheds_all_that_are_late),
		cmocka_unit_test(test_back_to_calm),
		cmocka_unit_test(test_calm_when_nobody_waits),
		cmocka_unit_test(test_full_in_calm_refuses),
		cmocka_unit_test(test_full_under_overload_evicts_the_oldest),
		cmocka_unit_test(test_eviction_from_a_queue_of_one_stays_overloaded),
		cmocka_unit_test(test_hopeless_in_calm_is_refused),
		cmocka_unit_test(test_hopeless_under_overload_evicts),
		cmocka_unit_test(test_hopeless_by_its_own_deadline),
		cmocka_unit_test(test_own_deadline_does_not_evict_others),
		cmocka_unit_test(test_client_leaves),
		cmocka_unit_test(test_own_deadlines),
		cmocka_unit_test(test_own_deadline_under_overload_is_no_shedding),
		cmocka_unit_test(test_push_back_is_next_in_either_order),
		cmocka_unit_test(test_several_pushed_back_go_oldest_first),
		cmocka_unit_test(test_push_back_keeps_its_age),
		cmocka_unit_test(test_push_back_is_never_refused),
		cmocka_unit_test(test_pushed_back_are_evicted_last),
		cmocka_unit_test(test_fifo_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
