/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/response: what is held until the header is complete, and bounds.
 */
#include "daemon/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/memory.h"

static const char header[] = "Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\n";

static struct memory memory;
static struct response response;

static int begin(void **state)
{
	(void)state;
	memory_init(&memory, NULL, 1024 * 1024);
	response_init(&response, &memory, 65536);
	return 0;
}

/* All that was booked is given back. */
static int end(void **state)
{
	(void)state;
	response_done(&response);
	response_done(&response);
	return memory.used == 0 ? 0 : -1;
}

#define response_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* From memory of exactly this size, gone afterwards. */
static int feed(const char *text, size_t n)
{
	uint8_t *copy = malloc(n);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, n);
	r = response_feed(&response, copy, n);
	free(copy);
	return r;
}

static void feed_stderr(const char *text, size_t n)
{
	uint8_t *copy = malloc(n);

	assert_non_null(copy);
	memcpy(copy, text, n);
	response_feed_stderr(&response, copy, n);
	free(copy);
}

static void assert_held(const struct response_held *held, const char *text, size_t n)
{
	assert_int_equal(held->n, n);
	if (n > 0)
		assert_memory_equal(held->bytes, text, n);
}

static void test_header_in_one_piece(void **state)
{
	(void)state;
	assert_false(response.is_passing);
	assert_int_equal(feed(header, strlen(header)), 0);
	assert_true(response.is_passing);
	assert_int_equal(response.header.status, 404);
	assert_held(&response.out, "", 0);
	assert_int_equal(memory.used, 0);
}

/* The body may begin in the same piece. */
static void test_cut_anywhere(void **state)
{
	static const char text[] =
		"Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\n"
		"<h1>Not here</h1>";

	const size_t n_text = sizeof(text) - 1;

	(void)state;
	for (size_t first = 1; first < strlen(header); first++) {
		for (size_t n = 1; n <= n_text - first; n++) {
			size_t at = first;

			assert_int_equal(feed(text, first), RESPONSE_HELD);
			assert_held(&response.out, text, first);
			while (at + n < strlen(header)) {
				assert_int_equal(feed(text + at, n), RESPONSE_HELD);
				at += n;
				assert_held(&response.out, text, at);
				assert_false(response.is_passing);
			}
			assert_int_equal(
				feed(text + at, n < n_text - at ? n : n_text - at), 0);
			assert_true(response.is_passing);
			assert_held(&response.out, text, at);
			assert_true(memory.used >= at);
			assert_int_equal(end(NULL), 0);
			(void)begin(NULL);
		}
	}
}

static void test_malformed(void **state)
{
	(void)state;
	assert_int_equal(feed("Status: 20x\r\n\r\n", 15), RESPONSE_MALFORMED);
	assert_false(response.is_passing);
	response_init(&response, &memory, 65536);
	assert_int_equal(feed("Content-Type: text/html\r\n", 25), RESPONSE_HELD);
	assert_int_equal(feed(" continued\r\n\r\n", 14), RESPONSE_MALFORMED);
	assert_false(response.is_passing);
}

/* The limit is of the header alone, to the byte, in one piece or in several. */
static void test_too_big(void **state)
{
	static char text[500];
	size_t n = strlen(header);

	(void)state;
	memcpy(text, header, n);
	memset(text + n, 'x', sizeof(text) - n);
	for (size_t max = n - 2; max <= n + 2; max++) {
		int wanted = max >= n ? 0 : RESPONSE_TOO_BIG;

		response_init(&response, &memory, max);
		assert_int_equal(feed(text, sizeof(text)), wanted);
		response_init(&response, &memory, max);
		assert_int_equal(feed(text, n - 5), RESPONSE_HELD);
		assert_int_equal(feed(text + n - 5, 300), wanted);
		response_done(&response);
	}
	response_init(&response, &memory, 10);
	assert_int_equal(feed("X: 01234567890", 14), RESPONSE_TOO_BIG);
	assert_false(response.is_passing);
}

static void test_stderr(void **state)
{
	static char text[RESPONSE_STDERR_MAX + 1000];

	(void)state;
	memset(text, 'e', sizeof(text));
	feed_stderr("one", 3);
	assert_int_equal(feed("Sta", 3), RESPONSE_HELD);
	feed_stderr("two", 3);
	assert_held(&response.err, "onetwo", 6);
	assert_held(&response.out, "Sta", 3);
	/* as much as there is room for, and nothing more */
	feed_stderr(text, sizeof(text));
	assert_int_equal(response.err.n, RESPONSE_STDERR_MAX);
	assert_memory_equal(response.err.bytes, "onetwoeeee", 10);
	feed_stderr(text, 1);
	feed_stderr(text, sizeof(text));
	assert_int_equal(response.err.n, RESPONSE_STDERR_MAX);
	assert_in_range(memory.used, RESPONSE_STDERR_MAX + 3,
			2 * RESPONSE_STDERR_MAX + 100);
}

static void test_stderr_to_the_byte(void **state)
{
	static char text[RESPONSE_STDERR_MAX];

	(void)state;
	feed_stderr(text, RESPONSE_STDERR_MAX - 1);
	assert_int_equal(response.err.n, RESPONSE_STDERR_MAX - 1);
	feed_stderr(text, 2);
	assert_int_equal(response.err.n, RESPONSE_STDERR_MAX);
}

/* What is held cannot be refused any more, but is booked. */
static void test_booked(void **state)
{
	static char text[40000];

	(void)state;
	memset(text, 'a', sizeof(text));
	memory_init(&memory, NULL, 100);
	for (size_t i = 0; i < sizeof(text); i += 100)
		assert_int_equal(feed(text + i, 100), RESPONSE_HELD);
	assert_held(&response.out, text, sizeof(text));
	assert_in_range(memory.used, sizeof(text), 2 * sizeof(text));
	assert_int_equal(memory.used, response.out.size);
}

/* For a request that is sent again. */
static void test_from_the_start_again(void **state)
{
	(void)state;
	assert_int_equal(feed("Status: 5", 9), RESPONSE_HELD);
	feed_stderr("died", 4);
	response_done(&response);
	assert_int_equal(memory.used, 0);
	response_init(&response, &memory, 65536);
	assert_held(&response.out, "", 0);
	assert_held(&response.err, "", 0);
	assert_int_equal(feed("\r\n", 2), 0);
	assert_int_equal(response.header.status, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		response_test(test_header_in_one_piece),
		response_test(test_cut_anywhere),
		response_test(test_malformed),
		response_test(test_too_big),
		response_test(test_stderr),
		response_test(test_stderr_to_the_byte),
		response_test(test_booked),
		response_test(test_from_the_start_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
