/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/reader.h. Every stream is fed whole, in windows of 1, 2, 3 ... bytes, and
 * in two windows with the cut at each byte. */

#include "fcgi/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fastcgi.h>

#include "tests/fcgi_feed.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *bytes;
	size_t n;
	const char *account; /* see tests/fcgi_feed.h */
	size_t n_account;
	int r;
	bool is_between;
} streams[] = {
	/* nothing */
	{ BYTES(""), BYTES(""), FCGI_READER_PENDING, true },
	/* a record */
	{ BYTES("\1\6\0\1\0\3\0\0abc"), BYTES("R\6\0\1\0\3\0abcD"),
	  FCGI_READER_PENDING, true },
	/* without content */
	{ BYTES("\1\5\0\1\0\0\0\0"), BYTES("R\5\0\1\0\0\0D"),
	  FCGI_READER_PENDING, true },
	/* padding alone */
	{ BYTES("\1\5\0\1\0\0\3\0ppp"), BYTES("R\5\0\1\0\0\3D"),
	  FCGI_READER_PENDING, true },
	/* content and padding */
	{ BYTES("\1\6\0\1\0\2\1\0abp"), BYTES("R\6\0\1\0\2\1abD"),
	  FCGI_READER_PENDING, true },
	/* three records, the middle one empty */
	{ BYTES("\1\6\1\0\0\2\1\0abp\1\6\1\0\0\0\0\0\1\7\1\1\0\1\0\0c"),
	  BYTES("R\6\1\0\0\2\1abDR\6\1\0\0\0\0DR\7\1\1\0\1\0cD"),
	  FCGI_READER_PENDING, true },
	/* any type and id */
	{ BYTES("\1\377\377\376\0\0\0\1\1\0\0\0\0\0\0\377"),
	  BYTES("R\377\377\376\0\0\0DR\0\0\0\0\0\0D"), FCGI_READER_PENDING, true },
	/* a cut header */
	{ BYTES("\1\6\0\1\0\3\0"), BYTES(""), FCGI_READER_PENDING, false },
	/* one byte */
	{ BYTES("\1"), BYTES(""), FCGI_READER_PENDING, false },
	/* a header and nothing else */
	{ BYTES("\1\6\0\1\0\3\0\0"), BYTES("R\6\0\1\0\3\0"),
	  FCGI_READER_PENDING, false },
	/* cut content */
	{ BYTES("\1\6\0\1\0\3\0\0ab"), BYTES("R\6\0\1\0\3\0ab"),
	  FCGI_READER_PENDING, false },
	/* no padding yet */
	{ BYTES("\1\6\0\1\0\1\2\0a"), BYTES("R\6\0\1\0\1\2a"),
	  FCGI_READER_PENDING, false },
	/* cut padding */
	{ BYTES("\1\6\0\1\0\1\2\0ap"), BYTES("R\6\0\1\0\1\2a"),
	  FCGI_READER_PENDING, false },
	/* version 0 */
	{ BYTES("\0\6\0\1\0\1\2\0ap"), BYTES(""), FCGI_READER_MALFORMED, false },
	/* version 2 */
	{ BYTES("\2\6\0\1\0\1\2\0ap"), BYTES(""), FCGI_READER_MALFORMED, false },
	/* another protocol, four bytes of it */
	{ BYTES("GET "), BYTES(""), FCGI_READER_MALFORMED, false },
	/* a wrong version in the second record */
	{ BYTES("\1\6\0\1\0\1\2\0app\0\0\0\0\0\0\0\0\1\6\0\1\0\0\0\0"),
	  BYTES("R\6\0\1\0\1\2aD"), FCGI_READER_MALFORMED, false },
	/* a wrong version behind padding of the wrong length */
	{ BYTES("\1\6\0\1\0\1\1\0app\1\6\0\1\0\0\0\0"), BYTES("R\6\0\1\0\1\1aD"),
	  FCGI_READER_MALFORMED, false },
};

static void assert_feed(const struct feed *feed, size_t i)
{
	int wanted = streams[i].n == 0 ? 0 : streams[i].r;

	assert_int_equal(feed->n_account, streams[i].n_account);
	assert_memory_equal(feed->account, streams[i].account, streams[i].n_account);
	assert_int_equal(feed->r, wanted);
	if (wanted != FCGI_READER_MALFORMED)
		assert_int_equal(fcgi_reader_is_between(&feed->reader),
				 streams[i].is_between);
}

static void test_windows(void **state)
{
	struct feed feed;

	(void)state;
	for (size_t i = 0; i < N_OF(streams); i++) {
		for (size_t n_window = 0; n_window <= streams[i].n; n_window++) {
			feed_init(&feed, streams[i].n);
			feed_cut(&feed, (const uint8_t *)streams[i].bytes, streams[i].n,
				 n_window);
			assert_feed(&feed, i);
			feed_done(&feed);
		}
	}
}

static void test_two_windows(void **state)
{
	struct feed feed;

	(void)state;
	for (size_t i = 0; i < N_OF(streams); i++) {
		const uint8_t *bytes = (const uint8_t *)streams[i].bytes;

		for (size_t cut = 1; cut < streams[i].n; cut++) {
			feed_init(&feed, streams[i].n);
			feed_put(&feed, bytes, cut);
			feed_put(&feed, NULL, 0);
			feed_put(&feed, bytes + cut, streams[i].n - cut);
			assert_feed(&feed, i);
			feed_done(&feed);
		}
	}
}

/* The largest record there is: 65535 bytes of content, 255 of padding, all of which look
 * like the beginning of a header. */
static void test_largest_record(void **state)
{
	static const size_t windows[] = {
		0, 1, 2, 3, 7, 8, 9, 4096, 65535, 65543, 65797
	};
	static uint8_t bytes[8 + 65535 + 255 + 8];
	struct feed feed;

	(void)state;
	memset(bytes, 1, sizeof(bytes));
	memcpy(bytes, "\1\6\0\1\377\377\377\0", 8);
	memcpy(bytes + sizeof(bytes) - 8, "\1\3\0\1\0\0\0\0", 8);
	for (size_t i = 0; i < N_OF(windows); i++) {
		feed_init(&feed, sizeof(bytes));
		feed_cut(&feed, bytes, sizeof(bytes), windows[i]);
		assert_int_equal(feed.n_records, 2);
		assert_int_equal(feed.n_done, 2);
		assert_memory_equal(feed.account, "R\6\0\1\377\377\377", 7);
		assert_memory_equal(feed.account + 7, bytes + 8, 65535);
		assert_memory_equal(feed.account + 7 + 65535, "DR\3\0\1\0\0\0D", 9);
		feed_done(&feed);
	}
}

/* Content is not collected: one event per window, lying in it. */
static void test_content_is_not_copied(void **state)
{
	static const uint8_t bytes[] = "\1\6\0\1\0\5\0\0abcde";
	const uint8_t *at = bytes;
	size_t n = 10;
	struct fcgi_reader reader;
	struct fcgi_event event;

	(void)state;
	fcgi_reader_init(&reader);
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event), 0);
	assert_int_equal(event.kind, FCGI_EVENT_RECORD);
	assert_ptr_equal(at, bytes + 8);
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event), 0);
	assert_int_equal(event.kind, FCGI_EVENT_CONTENT);
	assert_ptr_equal(event.data, bytes + 8);
	assert_int_equal(event.n, 2);
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event), FCGI_READER_PENDING);
	assert_int_equal(n, 0);
	n = 3;
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event), 0);
	assert_int_equal(event.kind, FCGI_EVENT_CONTENT);
	assert_ptr_equal(event.data, bytes + 10);
	assert_int_equal(event.n, 3);
	assert_int_equal(n, 0);
	assert_false(fcgi_reader_is_between(&reader));
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event), 0);
	assert_int_equal(event.kind, FCGI_EVENT_DONE);
	assert_true(fcgi_reader_is_between(&reader));
}

/* An empty window changes nothing wherever it comes, and may have no address. */
static void test_empty_window(void **state)
{
	static const uint8_t bytes[] = "\1\6\0\1\0\1\1\0ap";
	struct fcgi_reader reader;
	struct fcgi_event event;

	(void)state;
	fcgi_reader_init(&reader);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		const uint8_t *at = NULL;
		size_t n = 0;
		int r;

		assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event),
				 FCGI_READER_PENDING);
		at = bytes + i;
		n = 1;
		r = fcgi_reader_next(&reader, &at, &n, &event);
		assert_int_equal(n, 0);
		assert_int_equal(r, i < 7 ? FCGI_READER_PENDING : 0);
	}
	assert_int_equal(event.kind, FCGI_EVENT_DONE);
}

static void test_malformed_stays(void **state)
{
	static const uint8_t good[] = "\1\6\0\1\0\0\0\0";
	const uint8_t *at = (const uint8_t *)"\2";
	size_t n = 1;
	struct fcgi_reader reader;
	struct fcgi_event event;

	(void)state;
	fcgi_reader_init(&reader);
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event),
			 FCGI_READER_MALFORMED);
	for (int i = 0; i < 3; i++) {
		at = good;
		n = 8;
		assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event),
				 FCGI_READER_MALFORMED);
		assert_int_equal(n, 8);
	}
	fcgi_reader_init(&reader);
	assert_int_equal(fcgi_reader_next(&reader, &at, &n, &event), 0);
}

static void test_body8(void **state)
{
	static const uint8_t content[] = "abcdefghijk";
	struct fcgi_body8 body;

	(void)state;
	for (size_t n_piece = 1; n_piece <= 11; n_piece++) {
		body = (struct fcgi_body8){ .n = 0 };
		for (size_t at = 0; at < 11; at += n_piece)
			fcgi_body8_add(&body, content + at,
				       n_piece < 11 - at ? n_piece : 11 - at);
		assert_int_equal(body.n, 11);
		assert_memory_equal(body.bytes, "abcdefgh", 8);
	}
	body = (struct fcgi_body8){ .n = 0 };
	fcgi_body8_add(&body, content, 7);
	assert_int_equal(body.n, 7);
	fcgi_body8_add(&body, content + 7, 1);
	assert_int_equal(body.n, 8);
	assert_memory_equal(body.bytes, "abcdefgh", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_two_windows),
		cmocka_unit_test(test_largest_record),
		cmocka_unit_test(test_content_is_not_copied),
		cmocka_unit_test(test_empty_window),
		cmocka_unit_test(test_malformed_stays),
		cmocka_unit_test(test_body8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
