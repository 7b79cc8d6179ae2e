/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/spool: how the files of bodies are given back. */
#include "daemon/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MB = 1 << 20 };

static struct spool spool;
static struct loop *loop;

/* A file of n bytes as a body leaves it. */
static int make_file(uint64_t n)
{
	char name[] = "/tmp/spool-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	spool.used += n;
	spool.n_files++;
	return fd;
}

static bool is_open(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0;
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	spool_init(&spool, loop, "/tmp", 1000 * MB);
	return 0;
}

static int end(void **state)
{
	(void)state;
	spool_done(&spool);
	assert_int_equal(spool.used, 0);
	assert_int_equal(spool.n_files, 0);
	loop = loop_free(loop);
	return 0;
}

static void test_small_at_once(void **state)
{
	int fd = make_file(8 * MB);

	(void)state;
	spool_take_back(&spool, fd, 8 * MB);
	assert_false(is_open(fd));
	assert_int_equal(spool.used, 0);
	assert_int_equal(spool.n_files, 0);
}

/* 8 MB a turn, one file after the other; what is given back can be used at once. */
static void test_big_in_steps(void **state)
{
	int first = make_file(20 * MB), second = make_file(9 * MB);
	struct stat st;

	(void)state;
	spool_take_back(&spool, first, 20 * MB);
	spool_take_back(&spool, second, 9 * MB);
	assert_int_equal(spool.used, 29 * MB);
	for (uint64_t left = 21; left >= 13; left -= 8) {
		assert_true(loop_turn(loop, 1000) >= 0);
		assert_int_equal(spool.used, left * MB);
	}
	assert_int_equal(fstat(first, &st), 0);
	assert_int_equal(st.st_size, 4 * MB);
	assert_int_equal(spool.n_files, 2);
	assert_true(loop_turn(loop, 1000) >= 0);
	assert_false(is_open(first));
	assert_int_equal(spool.used, 9 * MB);
	for (int i = 0; i < 2; i++)
		assert_true(loop_turn(loop, 1000) >= 0);
	assert_false(is_open(second));
	assert_int_equal(spool.n_files, 0);
}

static void test_done_in_between(void **state)
{
	int fd = make_file(100 * MB);

	(void)state;
	spool_take_back(&spool, fd, 100 * MB);
	assert_true(loop_turn(loop, 1000) >= 0);
	assert_true(is_open(fd));
	spool_done(&spool);
	assert_false(is_open(fd));
}

static void test_without_a_loop(void **state)
{
	int fd;

	(void)state;
	spool_done(&spool);
	spool_init(&spool, NULL, "/tmp", 1000 * MB);
	fd = make_file(100 * MB);
	spool_take_back(&spool, fd, 100 * MB);
	assert_false(is_open(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_small_at_once, begin, end),
		cmocka_unit_test_setup_teardown(test_big_in_steps, begin, end),
		cmocka_unit_test_setup_teardown(test_done_in_between, begin, end),
		cmocka_unit_test_setup_teardown(test_without_a_loop, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
