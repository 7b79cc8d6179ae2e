/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/request_id: ids of our own, and which ones of a peer are taken. */
#include "daemon/request_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static uint64_t read_half(const char *text)
{
	uint64_t n = 0;

	for (int i = 0; i < 13; i++) {
		const char *digit = strchr(digits, text[i]);

		assert_non_null(digit);
		n = n << 5 | (uint64_t)(digit - digits);
	}
	return n;
}

static void test_form(void **state)
{
	static const uint64_t times[] = {
		0, 1, 31, 32, 1700000000000000, UINT64_MAX / 2, UINT64_MAX,
	};
	char text[REQUEST_ID_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		memset(text, '#', sizeof(text));
		request_id_make(text, times[i]);
		assert_int_equal(strlen(text), REQUEST_ID_BYTES);
		assert_int_equal(strspn(text, digits), REQUEST_ID_BYTES);
		assert_int_equal(read_half(text), times[i]);
	}
}

static void test_order(void **state)
{
	char earlier[REQUEST_ID_MAX_BYTES + 1], later[REQUEST_ID_MAX_BYTES + 1];

	(void)state;
	request_id_make(earlier, 1700000000000000);
	for (uint64_t i = 1; i < 100000; i += 13) {
		request_id_make(later, 1700000000000000 + i);
		assert_true(strcmp(earlier, later) < 0);
		memcpy(earlier, later, sizeof(earlier));
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

/* Of one microsecond. */
static void test_unique(void **state)
{
	enum { N = 200000 };
	char text[REQUEST_ID_MAX_BYTES + 1];
	uint64_t *numbers = calloc(N, sizeof(*numbers));

	(void)state;
	assert_non_null(numbers);
	for (int i = 0; i < N; i++) {
		request_id_make(text, 5);
		numbers[i] = read_half(text + 13);
	}
	qsort(numbers, N, sizeof(*numbers), compare);
	for (int i = 1; i < N; i++)
		assert_true(numbers[i - 1] < numbers[i]);
	free(numbers);
}

/* Two daemons that start at once: each has made no id before. */
static void make_in_a_process(char text[REQUEST_ID_MAX_BYTES + 1])
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		request_id_make(text, 5);
		_exit(write(fds[1], text, REQUEST_ID_BYTES + 1) != REQUEST_ID_BYTES + 1);
	}
	assert_int_equal(read(fds[0], text, REQUEST_ID_BYTES + 1), REQUEST_ID_BYTES + 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
	close(fds[1]);
}

static void test_two_daemons(void **state)
{
	char one[REQUEST_ID_MAX_BYTES + 1], other[REQUEST_ID_MAX_BYTES + 1];

	(void)state;
	make_in_a_process(one);
	make_in_a_process(other);
	assert_string_not_equal(one, other);
}

static bool adopts(const char *peer, size_t n)
{
	char text[REQUEST_ID_MAX_BYTES + 1];
	/* of exactly this size, so that reading on is noticed */
	char *copy = malloc(n > 0 ? n : 1);
	bool adopted;

	assert_non_null(copy);
	memcpy(copy, peer, n);
	memset(text, '#', sizeof(text));
	adopted = request_id_adopt(text, copy, n);
	free(copy);
	if (adopted) {
		assert_memory_equal(text, peer, n);
		assert_int_equal(text[n], '\0');
	}
	return adopted;
}

static void test_adopted(void **state)
{
	char longest[REQUEST_ID_MAX_BYTES + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t n = 0; n < REQUEST_ID_MAX_BYTES + 2; n++)
		assert_int_equal(adopts(longest, n), n >= 8 && n <= 64);
	assert_true(adopts("aZ0._-9z", 8));
	assert_true(adopts("00000000-0000-4000-8000-000000000000", 36));
	assert_true(adopts("........", 8));
}

static void test_bytes_of_an_adopted_one(void **state)
{
	char text[] = "abcdefgh";

	(void)state;
	for (int c = 0; c < 256; c++) {
		bool is_legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '.' || c == '_' ||
				c == '-';

		for (size_t i = 0; i < 8; i++) {
			memcpy(text, "abcdefgh", 8);
			text[i] = (char)c;
			assert_int_equal(adopts(text, 8), is_legal);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_daemons), /* before the others make any */
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_bytes_of_an_adopted_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
