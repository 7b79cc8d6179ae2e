/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/memory: accounts in a chain, their limits, when they are tight. */
#include "daemon/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct memory all, pool, other;

static int setup(void **state)
{
	(void)state;
	memory_init(&all, NULL, 1000);
	memory_init(&pool, &all, 400);
	memory_init(&other, &all, 900);
	return 0;
}

static void assert_used(size_t in_all, size_t in_pool, size_t in_other)
{
	assert_int_equal(all.used, in_all);
	assert_int_equal(pool.used, in_pool);
	assert_int_equal(other.used, in_other);
}

static void test_chain(void **state)
{
	(void)state;
	assert_used(0, 0, 0);
	assert_true(memory_take(&pool, 100));
	assert_true(memory_take(&other, 200));
	assert_used(300, 100, 200);
	memory_give(&pool, 60);
	assert_used(240, 40, 200);
	memory_give(&pool, 40);
	memory_give(&other, 200);
	assert_used(0, 0, 0);
}

static void test_limit_of_its_own(void **state)
{
	(void)state;
	assert_true(memory_take(&pool, 399));
	assert_false(memory_take(&pool, 2));
	assert_used(399, 399, 0);
	assert_true(memory_take(&pool, 1));
	assert_true(memory_take(&pool, 0));
	assert_false(memory_take(&pool, 1));
	assert_used(400, 400, 0);
}

/* A refusal further up books nothing further down. */
static void test_limit_above(void **state)
{
	(void)state;
	assert_true(memory_take(&other, 900));
	assert_true(memory_take(&pool, 100));
	assert_false(memory_take(&pool, 1));
	assert_used(1000, 100, 900);
	memory_give(&other, 1);
	assert_true(memory_take(&pool, 1));
	assert_used(1000, 101, 899);
}

static void test_what_cannot_be_refused(void **state)
{
	(void)state;
	memory_add(&pool, 1500);
	assert_used(1500, 1500, 0);
	assert_false(memory_take(&pool, 0));
	assert_false(memory_take(&pool, 1));
	assert_false(memory_take(&other, 1));
	memory_give(&pool, 1200);
	assert_true(memory_take(&pool, 100));
	assert_used(400, 400, 0);
}

static void test_sizes_that_overflow(void **state)
{
	(void)state;
	assert_true(memory_take(&pool, 1));
	assert_false(memory_take(&pool, SIZE_MAX));
	assert_false(memory_take(&pool, SIZE_MAX - 1));
	memory_init(&pool, NULL, SIZE_MAX);
	assert_true(memory_take(&pool, SIZE_MAX));
	assert_false(memory_take(&pool, 1));
}

static void test_peak(void **state)
{
	(void)state;
	assert_true(memory_take(&pool, 300));
	memory_give(&pool, 300);
	memory_add(&other, 250);
	assert_int_equal(pool.peak, 300);
	assert_int_equal(all.peak, 300);
	assert_int_equal(other.peak, 250);
	memory_add(&pool, 100);
	assert_int_equal(all.peak, 350);
	assert_int_equal(pool.peak, 300);
}

static void test_tight(void **state)
{
	(void)state;
	assert_false(memory_is_tight(&pool));
	memory_add(&pool, 350);
	assert_false(memory_is_tight(&pool));
	memory_add(&pool, 1);
	assert_true(memory_is_tight(&pool));
	assert_false(memory_is_tight(&other));
	assert_false(memory_is_tight(&all));
	/* one further up */
	memory_give(&pool, 351);
	memory_add(&other, 875);
	assert_true(memory_is_tight(&other));
	assert_false(memory_is_tight(&pool));
	memory_add(&pool, 1);
	assert_true(memory_is_tight(&pool));
	memory_add(&pool, 1000);
	assert_true(memory_is_tight(&pool));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_chain, setup),
		cmocka_unit_test_setup(test_limit_of_its_own, setup),
		cmocka_unit_test_setup(test_limit_above, setup),
		cmocka_unit_test_setup(test_what_cannot_be_refused, setup),
		cmocka_unit_test_setup(test_sizes_that_overflow, setup),
		cmocka_unit_test_setup(test_peak, setup),
		cmocka_unit_test_setup(test_tight, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
