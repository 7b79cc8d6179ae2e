/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of health/replay: each rule by itself, the budget and the routes over time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "health/replay.h"

#define MS UINT64_C(1000)
#define S (1000 * MS)
#define T0 (70 * S + 3)

static const struct health_replay_params defaults = {
	.enabled = true,
	.within_us = 1 * S,
};

static struct health_replay start(void)
{
	struct health_replay replay;

	health_replay_init(&replay, &defaults);
	return replay;
}

/* A GET whose worker took it at T0 and died. */
static struct health_replay_case plain(void)
{
	return (struct health_replay_case){
		.had_worker = true, .is_safe = true, .accepted_us = T0, .route = 11,
	};
}

static void assert_ask(struct health_replay *replay, const struct health_replay_case *c,
		       uint64_t now, enum health_replay_answer answer)
{
	assert_int_equal(health_replay_ask(replay, c, now), answer);
}

/* So many requests come in. */
static void requests(struct health_replay *replay, unsigned n, uint64_t now)
{
	while (n-- > 0)
		health_replay_request(replay, now);
}

/* How many replays of a plain case are granted now, one after the other? */
static unsigned granted(struct health_replay *replay, uint64_t now)
{
	struct health_replay_case c = plain();
	unsigned n = 0;

	c.accepted_us = now;
	while (n < 1000 && health_replay_ask(replay, &c, now) == HEALTH_REPLAY_YES)
		n++;
	return n;
}

static void test_plain_case(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	assert_ask(&replay, &c, T0 + 5 * MS, HEALTH_REPLAY_YES);
}

static void test_never_had_a_worker(void **state)
{
	struct health_replay_params params = defaults;
	struct health_replay replay;
	struct health_replay_case c = { .n_replays = 7, .route = 11 };

	(void)state;
	params.enabled = false;
	health_replay_init(&replay, &params);
	health_replay_killed(&replay, 11, T0);
	health_replay_killed(&replay, 11, T0);
	for (unsigned i = 0; i < 100; i++)
		assert_ask(&replay, &c, T0 + 3600 * S, HEALTH_REPLAY_YES);
	health_replay_set_params(&replay, &defaults);
	assert_int_equal(granted(&replay, T0 + 3600 * S), 3); /* it cost nothing */
}

static void test_off(void **state)
{
	struct health_replay_params params = defaults;
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	params.enabled = false;
	health_replay_set_params(&replay, &params);
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_OFF);
	health_replay_set_params(&replay, &defaults);
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_YES);
}

static void test_unsafe(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	c.is_safe = false;
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_UNSAFE);
}

static void test_started(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	c.had_output = true;
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_STARTED);
	c.had_worker = false; /* cannot be: somebody sent that byte */
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_STARTED);
}

static void test_late(void **state)
{
	struct health_replay_params params = defaults;
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	assert_ask(&replay, &c, T0 + 1 * S, HEALTH_REPLAY_YES);
	assert_ask(&replay, &c, T0 + 1 * S + 1, HEALTH_REPLAY_LATE);
	params.within_us = 5 * S;
	health_replay_set_params(&replay, &params);
	assert_ask(&replay, &c, T0 + 5 * S, HEALTH_REPLAY_YES);
	params.within_us = 0;
	health_replay_set_params(&replay, &params);
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_LATE);
}

static void test_again(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	c.n_replays = 1;
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_AGAIN);
}

static void test_first_rule_that_holds(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	assert_int_equal(granted(&replay, T0), 3);
	health_replay_killed(&replay, 11, T0);
	health_replay_killed(&replay, 11, T0);
	c.is_safe = false;
	c.had_output = true;
	c.n_replays = 1;
	assert_ask(&replay, &c, T0 + 2 * S, HEALTH_REPLAY_UNSAFE);
	c.is_safe = true;
	assert_ask(&replay, &c, T0 + 2 * S, HEALTH_REPLAY_STARTED);
	c.had_output = false;
	assert_ask(&replay, &c, T0 + 2 * S, HEALTH_REPLAY_LATE);
	c.accepted_us = T0 + 2 * S;
	assert_ask(&replay, &c, T0 + 2 * S, HEALTH_REPLAY_AGAIN);
	c.n_replays = 0;
	assert_ask(&replay, &c, T0 + 2 * S, HEALTH_REPLAY_ROUTE);
	c.route = 12;
	assert_ask(&replay, &c, T0 + 2 * S, HEALTH_REPLAY_BUDGET);
}

static void test_three_per_window_without_requests(void **state)
{
	struct health_replay replay = start();

	(void)state;
	assert_int_equal(granted(&replay, T0), 3);
	assert_int_equal(granted(&replay, T0 + 10 * S - 1), 0);
	assert_int_equal(granted(&replay, T0 + 10 * S), 3);
	assert_int_equal(granted(&replay, T0 + 3600 * S), 3);
}

static void test_a_tenth_of_the_requests(void **state)
{
	struct health_replay replay = start();

	(void)state;
	requests(&replay, 60, T0);
	assert_int_equal(granted(&replay, T0), 6); /* not 6 and 3 */
	requests(&replay, 9, T0 + 1 * S);
	assert_int_equal(granted(&replay, T0 + 1 * S), 0);
	requests(&replay, 1, T0 + 1 * S);
	assert_int_equal(granted(&replay, T0 + 1 * S), 1);
	/* After few requests: the first three need no tokens, but take those there
	 * are. */
	requests(&replay, 10, T0 + 20 * S);
	assert_int_equal(granted(&replay, T0 + 20 * S), 3);
	assert_int_equal(replay.tokens_milli, 0);
}

static void test_saved_budget_is_bounded(void **state)
{
	struct health_replay replay = start();

	(void)state;
	requests(&replay, 100000, T0);
	assert_int_equal(granted(&replay, T0), 10);
}

static void test_requests_begin_a_window(void **state)
{
	struct health_replay replay = start();

	(void)state;
	requests(&replay, 1, T0);
	assert_int_equal(granted(&replay, T0 + 9 * S), 3);
	assert_int_equal(granted(&replay, T0 + 10 * S), 3); /* the window of T0 is over */
}

static void test_a_refused_replay_costs_nothing(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	c.n_replays = 1;
	for (unsigned i = 0; i < 100; i++)
		assert_ask(&replay, &c, T0, HEALTH_REPLAY_AGAIN);
	assert_int_equal(granted(&replay, T0), 3);
}

static void test_route_that_kills(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain(), other = plain();

	(void)state;
	other.route = 12;
	health_replay_killed(&replay, 11, T0);
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_YES);
	health_replay_killed(&replay, 11, T0 + 20 * S);
	c.accepted_us = other.accepted_us = T0 + 20 * S;
	assert_ask(&replay, &c, T0 + 20 * S, HEALTH_REPLAY_ROUTE);
	assert_ask(&replay, &other, T0 + 20 * S, HEALTH_REPLAY_YES);
	/* Both deaths count as long as the older one is less than 60 s ago. */
	c.accepted_us = T0 + 60 * S - 1;
	assert_ask(&replay, &c, T0 + 60 * S - 1, HEALTH_REPLAY_ROUTE);
	c.accepted_us = T0 + 60 * S;
	assert_ask(&replay, &c, T0 + 60 * S, HEALTH_REPLAY_YES);
	health_replay_killed(&replay, 11, T0 + 79 * S); /* 59 s after the one before */
	c.accepted_us = T0 + 79 * S;
	assert_ask(&replay, &c, T0 + 79 * S, HEALTH_REPLAY_ROUTE);
}

static void test_unknown_route(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	c.route = 0;
	for (unsigned i = 0; i < 5; i++)
		health_replay_killed(&replay, 0, T0);
	assert_ask(&replay, &c, T0, HEALTH_REPLAY_YES);
}

static void test_kills_at_the_time_0(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	c.accepted_us = 0;
	health_replay_killed(&replay, 11, 0);
	assert_ask(&replay, &c, 0, HEALTH_REPLAY_YES);
	health_replay_killed(&replay, 11, 0);
	assert_ask(&replay, &c, 0, HEALTH_REPLAY_ROUTE);
}

static void test_oldest_route_is_forgotten(void **state)
{
	struct health_replay replay = start();
	struct health_replay_case c = plain();

	(void)state;
	for (uint64_t route = 1; route <= HEALTH_REPLAY_N_ROUTES; route++) {
		health_replay_killed(&replay, route, T0 + route);
		health_replay_killed(&replay, route, T0 + route);
	}
	health_replay_killed(&replay, 1, T0 + 1000); /* now 2 is the oldest */
	health_replay_killed(&replay, 999, T0 + 1000);
	for (uint64_t route = 1; route <= HEALTH_REPLAY_N_ROUTES; route++) {
		c.route = route;
		assert_ask(&replay, &c, T0 + 1000,
			   route == 2 ? HEALTH_REPLAY_YES : HEALTH_REPLAY_ROUTE);
	}
	c.route = 999; /* once only, whatever its place remembered */
	assert_ask(&replay, &c, T0 + 1000, HEALTH_REPLAY_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_case),
		cmocka_unit_test(test_never_had_a_worker),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_unsafe),
		cmocka_unit_test(test_started),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_first_rule_that_holds),
		cmocka_unit_test(test_three_per_window_without_requests),
		cmocka_unit_test(test_a_tenth_of_the_requests),
		cmocka_unit_test(test_saved_budget_is_bounded),
		cmocka_unit_test(test_requests_begin_a_window),
		cmocka_unit_test(test_a_refused_replay_costs_nothing),
		cmocka_unit_test(test_route_that_kills),
		cmocka_unit_test(test_unknown_route),
		cmocka_unit_test(test_kills_at_the_time_0),
		cmocka_unit_test(test_oldest_route_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
