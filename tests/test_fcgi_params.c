/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/params.h. */

#include "fcgi/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fastcgi.h>

#include "fcgi/reader.h"
#include "fcgi/record.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) (const uint8_t *)literal, sizeof(literal) - 1

static void assert_param(const struct fcgi_param *param, const char *name,
			 const char *value)
{
	assert_int_equal(param->n_name, strlen(name));
	assert_memory_equal(param->name, name, strlen(name));
	assert_int_equal(param->n_value, strlen(value));
	assert_memory_equal(param->value, value, strlen(value));
}

static const struct {
	const uint8_t *bytes;
	size_t n;
	const char *pairs[3][2];
	int r;
} lists[] = {
	/* none */
	{ BYTES(""), { { 0 } }, FCGI_PARAMS_END },
	/* one */
	{ BYTES("\1\2abc"), { { "a", "bc" } }, FCGI_PARAMS_END },
	/* three */
	{ BYTES("\1\1ab\2\0cd\0\1e"), { { "a", "b" }, { "cd", "" }, { "", "e" } },
	  FCGI_PARAMS_END },
	/* nothing at all, twice */
	{ BYTES("\0\0\0\0"), { { "", "" }, { "", "" } }, FCGI_PARAMS_END },
	/* four bytes where one would do */
	{ BYTES("\200\0\0\1\200\0\0\2abc"), { { "a", "bc" } }, FCGI_PARAMS_END },
	/* four bytes for the name only */
	{ BYTES("\200\0\0\2\1abc"), { { "ab", "c" } }, FCGI_PARAMS_END },
	/* four bytes for the value only */
	{ BYTES("\1\200\0\0\2abc"), { { "a", "bc" } }, FCGI_PARAMS_END },
	/* the top bit and nothing else */
	{ BYTES("\200\0\0\0\200\0\0\0"), { { "", "" } }, FCGI_PARAMS_END },
	/* the same name again */
	{ BYTES("\1\1ab\1\1ac"), { { "a", "b" }, { "a", "c" } }, FCGI_PARAMS_END },
	/* one length */
	{ BYTES("\1"), { { 0 } }, FCGI_PARAMS_MALFORMED },
	/* half a length of four bytes */
	{ BYTES("\200\0"), { { 0 } }, FCGI_PARAMS_MALFORMED },
	/* no value */
	{ BYTES("\1\1a"), { { 0 } }, FCGI_PARAMS_MALFORMED },
	/* no name */
	{ BYTES("\1\0"), { { 0 } }, FCGI_PARAMS_MALFORMED },
	/* good, then bad */
	{ BYTES("\1\1ab\1\2ab"), { { "a", "b" } }, FCGI_PARAMS_MALFORMED },
	/* the largest lengths */
	{ BYTES("\377\377\377\377\377\377\377\377ab"), { { 0 } }, FCGI_PARAMS_MALFORMED },
};

static void test_next(void **state)
{
	struct fcgi_params_iter iter;
	struct fcgi_param param;
	size_t n_encoded, k;
	uint8_t *bytes;

	(void)state;
	for (size_t i = 0; i < N_OF(lists); i++) {
		bytes = malloc(lists[i].n + 1);
		assert_non_null(bytes);
		memcpy(bytes + 1, lists[i].bytes, lists[i].n);
		fcgi_params_iter_init(&iter, bytes + 1, lists[i].n);
		n_encoded = 0;
		for (k = 0; k < 3 && lists[i].pairs[k][0] != NULL; k++) {
			assert_int_equal(fcgi_params_next(&iter, &param), 0);
			assert_param(&param, lists[i].pairs[k][0], lists[i].pairs[k][1]);
			assert_ptr_equal(param.encoded, bytes + 1 + n_encoded);
			n_encoded += param.n_encoded;
		}
		for (k = 0; k < 3; k++)
			assert_int_equal(fcgi_params_next(&iter, &param), lists[i].r);
		if (lists[i].r == FCGI_PARAMS_END)
			assert_int_equal(n_encoded, lists[i].n);
		free(bytes);
	}
}

static void test_no_bytes_at_all(void **state)
{
	struct fcgi_params_iter iter;
	struct fcgi_param param;

	(void)state;
	fcgi_params_iter_init(&iter, NULL, 0);
	assert_int_equal(fcgi_params_next(&iter, &param), FCGI_PARAMS_END);
}

static const size_t lengths[] = {
	0, 1, 126, 127, 128, 129, 255, 256, 32767, 65535, 70000
};

/* What is put is read again, for all lengths at which something changes; and each of its
 * beginnings is malformed, which never reads past it. */
static void test_put(void **state)
{
	static char text[70000];
	struct fcgi_params_iter iter;
	struct fcgi_param param;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + (i >> 8));
	for (size_t i = 0; i < N_OF(lengths) * N_OF(lengths); i++) {
		size_t n_name = lengths[i % N_OF(lengths)];
		size_t n_value = lengths[i / N_OF(lengths)];
		size_t n = n_name + n_value + (n_name < 128 ? 1 : 4) +
			   (n_value < 128 ? 1 : 4);
		uint8_t *bytes = malloc(n);

		assert_non_null(bytes);
		assert_int_equal(fcgi_params_pair_bytes(n_name, n_value), n);
		assert_int_equal(fcgi_params_put(bytes, text, n_name, text, n_value), n);
		fcgi_params_iter_init(&iter, bytes, n);
		assert_int_equal(fcgi_params_next(&iter, &param), 0);
		assert_int_equal(param.n_encoded, n);
		assert_int_equal(param.n_name, n_name);
		assert_int_equal(param.n_value, n_value);
		assert_memory_equal(param.name, text, n_name);
		assert_memory_equal(param.value, text, n_value);
		assert_int_equal(fcgi_params_next(&iter, &param), FCGI_PARAMS_END);
		for (size_t cut = 1; cut < n && cut < 12; cut++) {
			fcgi_params_iter_init(&iter, bytes, cut);
			assert_int_equal(fcgi_params_next(&iter, &param),
					 FCGI_PARAMS_MALFORMED);
			fcgi_params_iter_init(&iter, bytes, n - cut);
			assert_int_equal(fcgi_params_next(&iter, &param),
					 FCGI_PARAMS_MALFORMED);
		}
		free(bytes);
	}
}

/* Lengths are written most significant byte first, in one byte up to 127. */
static void test_put_bytes(void **state)
{
	static const char text[0x10203];
	static uint8_t bytes[0x10203 + 0x80 + 8];

	(void)state;
	assert_int_equal(fcgi_params_put(bytes, "ab", 2, "c", 1), 5);
	assert_memory_equal(bytes, "\2\1abc", 5);
	(void)fcgi_params_put(bytes, text, 0x7f, text, 0x80);
	assert_memory_equal(bytes, "\x7f\x80\0\0\x80", 5);
	(void)fcgi_params_put(bytes, text, 0x80, text, 0x10203);
	assert_memory_equal(bytes, "\x80\0\0\x80\x80\1\2\3", 8);
	assert_int_equal(fcgi_params_put(bytes, NULL, 0, NULL, 0), 2);
	assert_memory_equal(bytes, "\0\0", 2);
}

/* A list of pairs that is freed, with room in front of it for a record header. */
struct list {
	uint8_t *bytes;
	size_t n;
};

static void list_add(struct list *list, size_t n_pair)
{
	static const char text[70000];
	size_t n_lengths = n_pair < 200 ? 2 : 5; /* of an empty name, or one of a byte */
	size_t n_value = n_pair - n_lengths - (n_pair > 2);
	size_t n_name = n_pair > 2;
	uint8_t *bytes =
		realloc(list->bytes, FCGI_RECORD_HEADER_BYTES + list->n + n_pair);

	assert_non_null(bytes);
	list->bytes = bytes;
	assert_int_equal(fcgi_params_pair_bytes(n_name, n_value), n_pair);
	list->n += fcgi_params_put(bytes + FCGI_RECORD_HEADER_BYTES + list->n, text,
				   n_name, text, n_value);
}

static const struct {
	size_t pairs[6]; /* encoded bytes of each */
	size_t records[6]; /* content bytes of each */
} framings[] = {
	{ { 2 }, { 2 } },
	{ { 100, 200, 300 }, { 600 } },
	{ { 65535 }, { 65535 } },
	{ { 65533, 2 }, { 65535 } },
	{ { 65534, 2 }, { 65534, 2 } },
	{ { 2, 65534 }, { 2, 65534 } },
	{ { 65535, 65535, 65535 }, { 65535, 65535, 65535 } },
	{ { 30000, 30000, 30000, 30000 }, { 60000, 60000 } },
	{ { 10, 65530, 10, 65520, 5, 7 }, { 10, 65530, 65535, 7 } },
};

/* Each record holds whole pairs, all of them in order, and no record but the last one
 * could have taken another. */
static void assert_framed(const struct list *pairs, const uint8_t *framed,
			  size_t n_framed, const size_t *records)
{
	const uint8_t *from = pairs->bytes + FCGI_RECORD_HEADER_BYTES;
	struct fcgi_record record;
	size_t at = 0;

	for (size_t k = 0; k < 6 && records[k] > 0; k++) {
		assert_true(at + FCGI_RECORD_HEADER_BYTES + records[k] <= n_framed);
		assert_int_equal(fcgi_record_decode(framed + at, &record), 0);
		assert_int_equal(record.type, FCGI_PARAMS);
		assert_int_equal(record.id, 0x1234);
		assert_int_equal(record.n_content, records[k]);
		assert_int_equal(record.n_padding, 0);
		at += FCGI_RECORD_HEADER_BYTES;
		assert_memory_equal(framed + at, from, records[k]);
		at += records[k];
		from += records[k];
	}
	assert_int_equal(at, n_framed);
}

static void test_frame(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(framings); i++) {
		struct list list = { 0 };
		size_t n_framed = 0;
		uint8_t *framed;

		for (size_t k = 0; k < 6 && framings[i].pairs[k] > 0; k++)
			list_add(&list, framings[i].pairs[k]);
		assert_int_equal(
			fcgi_params_framed_bytes(list.bytes + 8, list.n, &n_framed), 0);
		framed = malloc(n_framed);
		assert_non_null(framed);
		memcpy(framed + 8, list.bytes + 8, list.n);
		assert_int_equal(fcgi_params_frame(framed, list.n, 0x1234), n_framed);
		assert_framed(&list, framed, n_framed, framings[i].records);
		free(framed);
		free(list.bytes);
	}
}

static void test_frame_nothing(void **state)
{
	size_t n_framed = 9;
	uint8_t byte = 0x55;

	(void)state;
	assert_int_equal(fcgi_params_framed_bytes(NULL, 0, &n_framed), 0);
	assert_int_equal(n_framed, 0);
	assert_int_equal(fcgi_params_frame(&byte, 0, 1), 0);
	assert_int_equal(byte, 0x55);
}

/* The first complaint counts, *ret_bytes stays, and framing does no harm. */
static void test_frame_refuses(void **state)
{
	static const size_t big[] = { 65536, 2 }, late[] = { 65535, 65535, 65536, 2 };
	struct list list = { 0 };
	size_t n_framed = 9;

	(void)state;
	for (size_t k = 0; k < N_OF(big); k++)
		list_add(&list, big[k]);
	assert_int_equal(fcgi_params_framed_bytes(list.bytes + 8, list.n, &n_framed),
			 FCGI_PARAMS_TOO_BIG);
	list.bytes[8 + list.n - 1] = 1;
	assert_int_equal(fcgi_params_framed_bytes(list.bytes + 8, list.n, &n_framed),
			 FCGI_PARAMS_TOO_BIG);
	list.n = 0;
	for (size_t k = 0; k < N_OF(late); k++)
		list_add(&list, late[k]);
	assert_int_equal(fcgi_params_framed_bytes(list.bytes + 8, list.n, &n_framed),
			 FCGI_PARAMS_TOO_BIG);
	assert_int_equal(fcgi_params_frame(list.bytes, list.n, 1), 0);
	assert_int_equal(
		fcgi_params_framed_bytes(list.bytes + 8, 65535 + 65534, &n_framed),
		FCGI_PARAMS_MALFORMED);
	assert_int_equal(fcgi_params_frame(list.bytes, 65535 + 65534, 1), 0);
	assert_int_equal(n_framed, 9);
	free(list.bytes);
}

static const char cut_pairs[] =
	"\4\3NAMEabc\200\0\0\3\200\0\0\2XYZ12\0\1v\x0e\0CONTENT_LENGTH";

/* Reads a stream of PARAMS records and gathers its content. */
static size_t gather(const uint8_t *bytes, size_t n, uint8_t *ret)
{
	struct fcgi_reader reader;
	struct fcgi_event event;
	size_t n_gathered = 0;
	int r;

	fcgi_reader_init(&reader);
	while ((r = fcgi_reader_next(&reader, &bytes, &n, &event)) == 0) {
		if (event.kind != FCGI_EVENT_CONTENT)
			continue;
		memcpy(ret + n_gathered, event.data, event.n);
		n_gathered += event.n;
	}
	assert_int_equal(r, FCGI_READER_PENDING);
	return n_gathered;
}

static void assert_cut_pairs(const uint8_t *bytes, size_t n)
{
	struct fcgi_params_iter iter;
	struct fcgi_param param;

	fcgi_params_iter_init(&iter, bytes, n);
	assert_int_equal(fcgi_params_next(&iter, &param), 0);
	assert_param(&param, "NAME", "abc");
	assert_int_equal(fcgi_params_next(&iter, &param), 0);
	assert_param(&param, "XYZ", "12");
	assert_int_equal(fcgi_params_next(&iter, &param), 0);
	assert_param(&param, "", "v");
	assert_int_equal(fcgi_params_next(&iter, &param), 0);
	assert_param(&param, "CONTENT_LENGTH", "");
	assert_int_equal(fcgi_params_next(&iter, &param), FCGI_PARAMS_END);
}

static size_t put_record(uint8_t *bytes, size_t from, size_t to, uint8_t n_padding)
{
	const struct fcgi_record record = {
		.type = FCGI_PARAMS,
		.id = 1,
		.n_content = (uint16_t)(to - from),
		.n_padding = n_padding,
	};

	fcgi_record_encode(&record, bytes);
	memcpy(bytes + 8, cut_pairs + from, to - from);
	memset(bytes + 8 + to - from, 0xee, n_padding);
	return 8 + to - from + n_padding;
}

/* A stream of pairs that its sender cut at each two of its bytes into three records (two,
 * where the cuts are one), with padding between them. */
static void test_pairs_cut_across_records(void **state)
{
	const size_t n_pairs = sizeof(cut_pairs) - 1;
	uint8_t bytes[3 * (8 + sizeof(cut_pairs) + 8)], gathered[sizeof(cut_pairs)];

	(void)state;
	for (size_t a = 1; a < n_pairs; a++) {
		for (size_t b = a; b < n_pairs; b++) {
			size_t n = put_record(bytes, 0, a, 3);

			if (b > a)
				n += put_record(bytes + n, a, b, 0);
			n += put_record(bytes + n, b, n_pairs, 7);
			assert_int_equal(gather(bytes, n, gathered), n_pairs);
			assert_cut_pairs(gathered, n_pairs);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_no_bytes_at_all),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_put_bytes),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_frame_nothing),
		cmocka_unit_test(test_frame_refuses),
		cmocka_unit_test(test_pairs_cut_across_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
