/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of health/queue: its figures, and random scripts against a naive model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "health/queue.h"
#include "tests/queue_model.h"

#define MS UINT64_C(1000)
#define S (1000 * MS)
#define T0 (7 * S + 3)

enum { N_WAITERS = 300 };

static struct health_waiter waiters[N_WAITERS];

static const struct health_queue_params defaults = {
	.size = 1000,
	.max_wait_us = 5 * S,
	.interval_us = 1 * S,
	.order = HEALTH_QUEUE_ADAPTIVE,
};

/* A queue of five slots at S = 200 ms, and fresh waiters. */
static struct health_queue start(void)
{
	struct health_queue queue;

	for (size_t i = 0; i < N_WAITERS; i++)
		health_waiter_init(&waiters[i]);
	health_queue_init(&queue, &defaults, 5);
	health_queue_served(&queue, 200 * MS);
	return queue;
}

/* One whose first served request took this long. */
static struct health_queue start_served(uint64_t service_us)
{
	struct health_queue queue;

	health_queue_init(&queue, &defaults, 5);
	health_queue_served(&queue, service_us);
	return queue;
}

/* Puts n in, from waiters[first] on; push_back lets everybody in. */
static void put(struct health_queue *queue, size_t first, size_t n, uint64_t now)
{
	for (size_t i = first; i < first + n; i++)
		health_queue_push_back(queue, &waiters[i], now);
}

static void test_pressure_is_age_or_drain_time(void **state)
{
	struct health_queue queue = start();

	(void)state;
	assert_int_equal(health_queue_pressure_us(&queue, T0), 0);
	put(&queue, 0, 1, T0);
	assert_int_equal(health_queue_pressure_us(&queue, T0), 40 * MS);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 40 * MS), 40 * MS);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 90 * MS), 90 * MS);
	put(&queue, 1, 9, T0 + 100 * MS);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 100 * MS), 400 * MS);
	/* The oldest leaves: the age is the next one's. */
	health_queue_remove(&queue, &waiters[0]);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 600 * MS), 500 * MS);
}

static void test_before_the_first_sample(void **state)
{
	struct health_waiter *evicted;
	struct health_queue queue = start();

	(void)state;
	health_queue_init(&queue, &defaults, 1);
	for (size_t i = 0; i < N_WAITERS; i++) /* nobody is hopeless */
		assert_int_equal(health_queue_push(&queue, &waiters[i], T0, &evicted), 0);
	assert_int_equal(health_queue_pressure_us(&queue, T0), 0);
	assert_int_equal(health_queue_pressure_us(&queue, T0 + 30 * MS), 30 * MS);
	assert_int_equal(health_queue_target_us(&queue), 2 * S);
	health_queue_served(&queue, 1 * S);
	assert_int_equal(health_queue_pressure_us(&queue, T0), N_WAITERS * S);
}

static void test_limit_changes(void **state)
{
	struct health_queue queue = start();
	bool shed;

	(void)state;
	put(&queue, 0, 20, T0);
	assert_int_equal(health_queue_pressure_us(&queue, T0), 800 * MS);
	health_queue_set_limit(&queue, 2);
	assert_int_equal(health_queue_pressure_us(&queue, T0), 2 * S);
	assert_null(health_queue_expire(&queue, T0, &shed));
	assert_true(queue.pressed_since_us == T0);
	health_queue_set_limit(&queue, 50);
	assert_int_equal(health_queue_pressure_us(&queue, T0), 80 * MS);
	assert_null(health_queue_expire(&queue, T0, &shed));
	assert_int_equal(queue.pressed_since_us, 0);
	health_queue_set_limit(&queue, 0); /* counts as 1 */
	assert_int_equal(health_queue_pressure_us(&queue, T0), 4 * S);
}

static void test_parameters_change(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue = start();
	bool shed;

	(void)state;
	put(&queue, 0, 1, T0);
	params.max_wait_us = 800 * MS;
	params.target_us = 300 * MS;
	health_queue_set_params(&queue, &params);
	assert_int_equal(health_queue_target_us(&queue), 300 * MS);
	assert_true(health_queue_next_deadline_us(&queue) == T0 + 800 * MS);
	assert_ptr_equal(health_queue_expire(&queue, T0 + 800 * MS, &shed), &waiters[0]);
	params.max_wait_us = UINT64_MAX; /* for ever */
	health_queue_set_params(&queue, &params);
	put(&queue, 1, 1, T0);
	assert_true(health_queue_next_deadline_us(&queue) == UINT64_MAX);
	assert_null(health_queue_expire(&queue, T0 + 3600 * S, &shed));
}

static void test_service_time(void **state)
{
	struct health_queue queue = start_served(100 * MS); /* the first one sets it */

	(void)state;
	assert_int_equal(queue.service_us, 100 * MS);
	health_queue_served(&queue, 200 * MS);
	assert_int_equal(queue.service_us, 102 * MS);
	health_queue_served(&queue, 52 * MS);
	assert_int_equal(queue.service_us, 101 * MS);
	health_queue_served(&queue, 3600 * S); /* counts as 30 s */
	assert_int_equal(queue.service_us, 101 * MS + (30 * S - 101 * MS) / 50);
	queue = start_served(0);
	assert_int_equal(queue.service_us, 5 * MS);
	queue = start_served(3600 * S);
	assert_int_equal(queue.service_us, 30 * S);
}

static void test_target(void **state)
{
	struct health_queue_params params = defaults;
	struct health_queue queue = start_served(10 * MS);

	(void)state;
	assert_int_equal(health_queue_target_us(&queue), 200 * MS);
	queue = start_served(90 * MS);
	assert_int_equal(health_queue_target_us(&queue), 450 * MS);
	queue = start_served(3 * S);
	assert_int_equal(health_queue_target_us(&queue), 2 * S);
	params.target_us = 7 * S;
	health_queue_set_params(&queue, &params);
	assert_int_equal(health_queue_target_us(&queue), 7 * S);
}

static void test_retry_after(void **state)
{
	struct health_queue queue = start();

	(void)state;
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 1);
	put(&queue, 0, 100, T0);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 4); /* 100 x 0.2 / 5 */
	assert_int_equal(health_queue_retry_after_s(&queue, 1), 5); /* and 0 .. 2 more */
	assert_int_equal(health_queue_retry_after_s(&queue, 2), 6);
	assert_int_equal(health_queue_retry_after_s(&queue, 3), 4);
	put(&queue, 100, 1, T0);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 5); /* rounded up */
	health_queue_set_limit(&queue, 3);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 7);
	health_queue_set_limit(&queue, 1000);
	assert_int_equal(health_queue_retry_after_s(&queue, UINT32_MAX), 1);

	start(); /* fresh waiters */
	health_queue_init(&queue, &defaults, 1);
	put(&queue, 0, 3, T0);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 3); /* S = 1 s */
	health_queue_served(&queue, 30 * S);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 90);
	put(&queue, 3, 2, T0);
	assert_int_equal(health_queue_retry_after_s(&queue, 0), 120);
	assert_int_equal(health_queue_retry_after_s(&queue, 60), 180);
}

static void test_the_time_0(void **state)
{
	struct health_queue queue = start();
	bool shed;

	(void)state;
	put(&queue, 0, 26, 0); /* under pressure at once */
	assert_int_equal(queue.pressed_since_us, 1);
	assert_int_equal(health_queue_pressure_us(&queue, 0), 1040 * MS);
	assert_null(health_queue_expire(&queue, 0, &shed));
	assert_null(health_queue_expire(&queue, 1 * S, &shed));
	assert_false(queue.overloaded);
	assert_null(health_queue_expire(&queue, 1 * S + 1, &shed));
	assert_true(queue.overloaded);
}

static void test_random_operations_against_the_model(void **state)
{
	static uint8_t script[20000];
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	(void)state;
	for (unsigned run = 0; run < 100; run++) {
		const char *fault;

		for (size_t i = 0; i < sizeof(script); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			script[i] = (uint8_t)(x >> 24);
		}
		fault = queue_model_run(script, sizeof(script));
		if (fault)
			fail_msg("run %u: %s", run, fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pressure_is_age_or_drain_time),
		cmocka_unit_test(test_before_the_first_sample),
		cmocka_unit_test(test_limit_changes),
		cmocka_unit_test(test_parameters_change),
		cmocka_unit_test(test_service_time),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_the_time_0),
		cmocka_unit_test(test_random_operations_against_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
