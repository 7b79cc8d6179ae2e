/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/body: in memory, in a spool file, over into one, and the limits.
 */
#include "daemon/body.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/memory.h"

enum {
	MEMORY_MAX = 10000,
	SPOOL_MAX = 2000000,
};

static char folder[] = "/tmp/fpmgate-XXXXXX";
static struct memory memory;
static struct spool spool;
static struct body body;
static uint8_t bytes[SPOOL_MAX + 1]; /* what bodies are made of */

static int make_folder(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 ^ i >> 8 ^ i >> 15);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int begin(void **state)
{
	(void)state;
	memory_init(&memory, NULL, 100000);
	spool = (struct spool){ .dir = folder, .max = SPOOL_MAX };
	body_init(&body, &memory, &spool, MEMORY_MAX);
	return 0;
}

/* Nothing is left booked, and no file. */
static int end(void **state)
{
	(void)state;
	body_done(&body);
	body_done(&body);
	return memory.used == 0 && spool.used == 0 && spool.n_files == 0 ? 0 : -1;
}

#define body_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* The next n bytes, from memory of exactly this size. */
static int add(size_t n)
{
	uint8_t *copy = malloc(n);
	int r;

	assert_non_null(copy);
	assert_true(body.n + n <= sizeof(bytes));
	memcpy(copy, bytes + body.n, n);
	r = body_add(&body, copy, n);
	free(copy);
	return r;
}

static void assert_range(uint64_t offset, size_t n)
{
	uint8_t *buffer = malloc(n);
	const uint8_t *got;

	assert_non_null(buffer);
	got = body_get(&body, offset, n, buffer);
	assert_non_null(got);
	assert_memory_equal(got, bytes + offset, n);
	free(buffer);
}

/* All of it, in one piece, in pieces, and at its ends. */
static void assert_body(uint64_t n)
{
	assert_int_equal(body.n, n);
	assert_range(0, n);
	for (uint64_t at = 0; at + 777 <= n; at += 777)
		assert_range(at, 777);
	assert_range(0, 1);
	assert_range(n - 1, 1);
	assert_range(n / 2, n - n / 2);
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(body.n, 0);
	assert_false(body_is_spooled(&body));
	assert_int_equal(memory.used, 0);
	assert_null(body.bytes);
}

static void test_in_memory(void **state)
{
	(void)state;
	assert_int_equal(add(1), 0);
	assert_body(1);
	for (size_t n = 2; body.n + n <= MEMORY_MAX; n++) {
		assert_int_equal(add(n), 0);
		assert_body(body.n);
		assert_in_range(memory.used, body.n, MEMORY_MAX);
	}
	assert_int_equal(add(MEMORY_MAX - body.n), 0);
	assert_body(MEMORY_MAX);
	assert_false(body_is_spooled(&body));
	assert_int_equal(spool.n_files, 0);
}

static void test_over_into_the_file(void **state)
{
	(void)state;
	assert_int_equal(add(MEMORY_MAX), 0);
	assert_int_equal(add(1), 0);
	assert_true(body_is_spooled(&body));
	assert_body(MEMORY_MAX + 1);
	assert_int_equal(memory.used, 0);
	assert_int_equal(spool.used, MEMORY_MAX + 1);
	assert_int_equal(spool.n_files, 1);
	for (size_t n = 1; n < 60000; n += 7001)
		assert_int_equal(add(n), 0);
	assert_body(body.n);
	assert_int_equal(spool.used, body.n);
}

static void test_first_piece_too_large_for_memory(void **state)
{
	(void)state;
	assert_int_equal(add(MEMORY_MAX + 1), 0);
	assert_true(body_is_spooled(&body));
	assert_int_equal(memory.peak, 0);
	assert_body(MEMORY_MAX + 1);
}

static void test_no_memory_at_all(void **state)
{
	(void)state;
	body_init(&body, &memory, &spool, 0);
	assert_int_equal(add(1), 0);
	assert_true(body_is_spooled(&body));
	assert_body(1);
}

static unsigned count_entries(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* A crash leaves nothing behind, and nobody else can open it. */
static void test_file_without_a_name(void **state)
{
	int flags;

	(void)state;
	assert_int_equal(add(20000), 0);
	assert_int_equal(count_entries(), 0);
	flags = fcntl(body.fd, F_GETFD);
	assert_true(flags >= 0 && (flags & FD_CLOEXEC));
}

static void test_account_that_is_full(void **state)
{
	(void)state;
	memory_add(&memory, 100000 - 3000);
	assert_int_equal(add(100), 0);
	assert_int_equal(add(1900), 0);
	assert_int_equal(add(1100), BODY_MEMORY_FULL);
	assert_true(memory.used <= 100000);
	assert_int_equal(add(1000), 0); /* room for these, not for twice as many */
	assert_int_equal(memory.used, 100000);
	body_done(&body);
	assert_int_equal(memory.used, 100000 - 3000);
	body_init(&body, &memory, &spool, MEMORY_MAX);
	assert_int_equal(add(3001), BODY_MEMORY_FULL);
	body_done(&body);
	body_init(&body, &memory, &spool, MEMORY_MAX);
	assert_int_equal(add(3000), 0);
	body_done(&body);
	memory_give(&memory, 100000 - 3000);
}

static void test_spool_that_is_full(void **state)
{
	(void)state;
	assert_int_equal(add(SPOOL_MAX - 1), 0);
	assert_int_equal(add(1), 0); /* to the byte */
	assert_body(SPOOL_MAX);
	assert_int_equal(add(1), BODY_SPOOL_FULL);
	body_done(&body);
	assert_int_equal(spool.used, 0);
	/* by somebody else; in the moment of going over, and at once */
	spool.used = SPOOL_MAX - 10000;
	body_init(&body, &memory, &spool, MEMORY_MAX);
	assert_int_equal(add(9000), 0);
	assert_int_equal(add(2000), BODY_SPOOL_FULL);
	body_done(&body);
	assert_int_equal(spool.used, SPOOL_MAX - 10000);
	body_init(&body, &memory, &spool, 10);
	assert_int_equal(add(10001), BODY_SPOOL_FULL);
	body_done(&body);
	body_init(&body, &memory, &spool, 10);
	assert_int_equal(add(10000), 0);
	body_done(&body);
	/* a limit that a reload has lowered */
	spool.max = 5;
	body_init(&body, &memory, &spool, 10);
	assert_int_equal(add(11), BODY_SPOOL_FULL);
	body_done(&body);
	assert_int_equal(spool.used, SPOOL_MAX - 10000);
	assert_int_equal(spool.n_files, 0);
	spool.used = 0;
}

static void test_errors_of_the_file(void **state)
{
	(void)state;
	spool.dir = "/nonexistent";
	assert_int_equal(add(5000), 0);
	assert_int_equal(add(6000), -ENOENT);
	assert_int_equal(spool.n_files, 0);
	body_done(&body);
	body_init(&body, &memory, &spool, MEMORY_MAX);
	spool.dir = "/proc"; /* has no O_TMPFILE */
	assert_true(add(20000) < 0);
}

/* The descriptor was made read-only behind its back. */
static void test_write_error(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(add(20000), 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup3(fd, body.fd, O_CLOEXEC), body.fd);
	close(fd);
	assert_int_equal(add(1), -EBADF);
}

static void test_full_disk(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(add(20000), 0);
	fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_int_equal(dup3(fd, body.fd, O_CLOEXEC), body.fd);
	close(fd);
	assert_int_equal(add(1), BODY_SPOOL_FULL);
}

static void test_read_error(void **state)
{
	uint8_t buffer[100];

	(void)state;
	assert_int_equal(add(20000), 0);
	assert_int_equal(ftruncate(body.fd, 19950), 0);
	assert_non_null(body_get(&body, 19850, 100, buffer));
	errno = 0;
	assert_null(body_get(&body, 19900, 100, buffer));
	assert_int_equal(errno, EIO);
}

/* Of several bodies each has its own bytes, and its own share of what is booked. */
static void test_several(void **state)
{
	struct body others[4];
	uint8_t buffer[100];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		body_init(&others[i], &memory, &spool, 50 * i);
		assert_int_equal(body_add(&others[i], bytes + i, 100), 0);
	}
	assert_int_equal(spool.n_files, 2);
	assert_int_equal(spool.used, 200);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(body_is_spooled(&others[i]), i < 2);
		assert_memory_equal(body_get(&others[i], 0, 100, buffer), bytes + i, 100);
		body_done(&others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		body_test(test_empty),
		body_test(test_in_memory),
		body_test(test_over_into_the_file),
		body_test(test_first_piece_too_large_for_memory),
		body_test(test_no_memory_at_all),
		body_test(test_file_without_a_name),
		body_test(test_account_that_is_full),
		body_test(test_spool_that_is_full),
		body_test(test_errors_of_the_file),
		body_test(test_write_error),
		body_test(test_full_disk),
		body_test(test_read_error),
		body_test(test_several),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder) != 0;
}
