/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/writer.h. */

#include "fcgi/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fastcgi.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) (const uint8_t *)literal, sizeof(literal) - 1

static int write_begin(struct fcgi_writer *writer)
{
	return fcgi_writer_begin(writer, 0x1234, FCGI_RESPONDER, FCGI_KEEP_CONN);
}

static int write_stream(struct fcgi_writer *writer)
{
	return fcgi_writer_stream(writer, FCGI_STDOUT, 2, "hello", 5);
}

static int write_empty_stream(struct fcgi_writer *writer)
{
	return fcgi_writer_stream(writer, FCGI_STDOUT, 2, NULL, 0);
}

static int write_stream_end(struct fcgi_writer *writer)
{
	return fcgi_writer_stream_end(writer, FCGI_STDIN, 0xffff);
}

static int write_end(struct fcgi_writer *writer)
{
	return fcgi_writer_end(writer, 1, 0x80000002, FCGI_UNKNOWN_ROLE);
}

static int write_unknown_type(struct fcgi_writer *writer)
{
	return fcgi_writer_unknown_type(writer, 77);
}

static int write_param(struct fcgi_writer *writer)
{
	return fcgi_writer_param(writer, 3, "NAME", "value");
}

static int write_get_values(struct fcgi_writer *writer)
{
	return fcgi_writer_get_values(writer);
}

static int write_values_result(struct fcgi_writer *writer)
{
	return fcgi_writer_values_result(writer, BYTES("\x0f\0FCGI_MPXS_CONNS"));
}

static int write_no_values(struct fcgi_writer *writer)
{
	return fcgi_writer_values_result(writer, NULL, 0);
}

static const struct {
	int (*write)(struct fcgi_writer *writer);
	const uint8_t *bytes;
	size_t n;
} calls[] = {
	{ write_begin, BYTES("\1\1\x12\x34\0\10\0\0\0\1\1\0\0\0\0\0") },
	{ write_stream, BYTES("\1\6\0\2\0\5\0\0hello") },
	{ write_empty_stream, BYTES("") },
	{ write_stream_end, BYTES("\1\5\xff\xff\0\0\0\0") },
	{ write_end, BYTES("\1\3\0\1\0\10\0\0\x80\0\0\2\3\0\0\0") },
	{ write_unknown_type, BYTES("\1\13\0\0\0\10\0\0\x4d\0\0\0\0\0\0\0") },
	{ write_param, BYTES("\1\4\0\3\0\13\0\0\4\5NAMEvalue") },
	{ write_get_values, BYTES("\1\11\0\0\0\21\0\0\x0f\0FCGI_MPXS_CONNS") },
	{ write_values_result, BYTES("\1\12\0\0\0\22\0\0\x0f\1FCGI_MPXS_CONNS0") },
	{ write_no_values, BYTES("\1\12\0\0\0\0\0\0") },
};

static void test_bytes(void **state)
{
	struct fcgi_writer writer;
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < N_OF(calls); i++) {
		memset(bytes, 0x55, sizeof(bytes));
		fcgi_writer_init(&writer, bytes, calls[i].n);
		assert_int_equal(calls[i].write(&writer), 0);
		assert_int_equal(writer.n, calls[i].n);
		assert_memory_equal(bytes, calls[i].bytes, calls[i].n);
		assert_int_equal(bytes[calls[i].n], 0x55);
	}
}

/* With any room that is too small, behind something that was written before. */
static void test_full(void **state)
{
	struct fcgi_writer writer;
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < N_OF(calls); i++) {
		for (size_t room = 0; room < calls[i].n; room++) {
			memset(bytes, 0x55, sizeof(bytes));
			fcgi_writer_init(&writer, bytes, 5 + room);
			writer.n = 5;
			assert_int_equal(calls[i].write(&writer), FCGI_WRITER_FULL);
			assert_int_equal(writer.n, 5);
			for (size_t k = 0; k < sizeof(bytes); k++)
				assert_int_equal(bytes[k], 0x55);
		}
	}
}

static void test_appends(void **state)
{
	struct fcgi_writer writer;
	uint8_t bytes[512];
	size_t n = 0;

	(void)state;
	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	for (size_t i = 0; i < N_OF(calls); i++) {
		assert_int_equal(calls[i].write(&writer), 0);
		assert_memory_equal(bytes + n, calls[i].bytes, calls[i].n);
		n += calls[i].n;
		assert_int_equal(writer.n, n);
	}
}

static void test_hello_sizes(void **state)
{
	struct fcgi_writer writer;
	uint8_t bytes[64];

	(void)state;
	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	assert_int_equal(fcgi_writer_get_values(&writer), 0);
	assert_int_equal(writer.n, FCGI_WRITER_HELLO_BYTES);
	writer.n = 0;
	assert_int_equal(write_values_result(&writer), 0);
	assert_int_equal(writer.n, FCGI_WRITER_VALUES_BYTES);
}

static const struct {
	const uint8_t *pairs;
	size_t n;
	bool is_answered;
} questions[] = {
	{ BYTES("\16\0FCGI_MAX_CONNS\15\0FCGI_MAX_REQS\17\0FCGI_MPXS_CONNS"), true },
	{ BYTES("\17\0FCGI_MPXS_CONNS\17\0FCGI_MPXS_CONNS"), true },
	{ BYTES("\17\3FCGI_MPXS_CONNSabc"), true },
	{ BYTES("\16\0FCGI_MAX_CONNS"), false },
	{ BYTES("\17\0FCGI_MPXS_CONNX"), false },
	{ BYTES("\16\0FCGI_MPXS_CONN"), false },
	{ BYTES("\20\0FCGI_MPXS_CONNS2"), false },
	{ BYTES("\17\0FCGI_MPXS_CONNS\377"), true },
	{ BYTES("\1\0\17\0FCGI_MPXS_CONNS"), false },
	{ BYTES("\377"), false },
};

static void test_values_result(void **state)
{
	struct fcgi_writer writer;
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < N_OF(questions); i++) {
		fcgi_writer_init(&writer, bytes, sizeof(bytes));
		assert_int_equal(fcgi_writer_values_result(&writer, questions[i].pairs,
							   questions[i].n), 0);
		assert_int_equal(writer.n, questions[i].is_answered ? 26 : 8);
		assert_int_equal(bytes[5], questions[i].is_answered ? 18 : 0);
	}
}

/* The largest pair that a record can hold, and one byte more. */
static void test_large_param(void **state)
{
	static uint8_t bytes[70000];
	static char value[65530];
	struct fcgi_writer writer;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	assert_int_equal(fcgi_writer_param(&writer, 1, "NM", value), FCGI_WRITER_FULL);
	assert_int_equal(writer.n, 0);
	assert_int_equal(fcgi_writer_param(&writer, 1, "N", value), 0);
	assert_int_equal(writer.n, 8 + 65535);
	assert_memory_equal(bytes, "\1\4\0\1\xff\xff\0\0\1\x80\0\xff\xf9Nv", 15);
}

static const struct {
	size_t n;
	size_t records[4];
} splits[] = {
	{ 1, { 1 } },
	{ 65527, { 65527 } },
	{ 65528, { 65528 } },
	{ 65529, { 65528, 1 } },
	{ 65536, { 65528, 8 } },
	{ 131056, { 65528, 65528 } },
	{ 131057, { 65528, 65528, 1 } },
	{ 200000, { 65528, 65528, 65528, 3416 } },
};

static uint8_t *make_data(size_t n)
{
	uint8_t *data = malloc(n);

	assert_non_null(data);
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(i + (i >> 8) + (i >> 16));
	return data;
}

static void test_stream_is_split(void **state)
{
	struct fcgi_record record;
	struct fcgi_writer writer;
	uint8_t *bytes, *data;
	size_t n_wire, at, from;

	(void)state;
	for (size_t i = 0; i < N_OF(splits); i++) {
		data = make_data(splits[i].n);
		n_wire = fcgi_writer_wire_bytes(splits[i].n);
		bytes = malloc(n_wire);
		assert_non_null(bytes);
		fcgi_writer_init(&writer, bytes, n_wire - 1);
		assert_int_equal(fcgi_writer_stream(&writer, FCGI_STDIN, 9, data,
						    splits[i].n), FCGI_WRITER_FULL);
		assert_int_equal(writer.n, 0);
		fcgi_writer_init(&writer, bytes, n_wire);
		assert_int_equal(fcgi_writer_stream(&writer, FCGI_STDIN, 9, data,
						    splits[i].n), 0);
		assert_int_equal(writer.n, n_wire);
		at = from = 0;
		for (size_t k = 0; k < 4 && splits[i].records[k] > 0; k++) {
			assert_int_equal(fcgi_record_decode(bytes + at, &record), 0);
			assert_int_equal(record.type, FCGI_STDIN);
			assert_int_equal(record.id, 9);
			assert_int_equal(record.n_content, splits[i].records[k]);
			assert_int_equal(record.n_padding, 0);
			assert_memory_equal(bytes + at + 8, data + from,
					    record.n_content);
			at += 8u + record.n_content;
			from += record.n_content;
		}
		assert_int_equal(at, n_wire);
		assert_int_equal(from, splits[i].n);
		free(bytes);
		free(data);
	}
}

static void test_wire_bytes(void **state)
{
	(void)state;
	assert_int_equal(fcgi_writer_wire_bytes(0), 0);
	assert_int_equal(fcgi_writer_wire_bytes(1), 9);
	assert_int_equal(fcgi_writer_wire_bytes(65528), 65536);
	assert_int_equal(fcgi_writer_wire_bytes(65529), 65545);
	/* 5 GiB, more than 32 bits: 81,931 records */
	assert_true(fcgi_writer_wire_bytes(UINT64_C(5) << 30) ==
		    (UINT64_C(5) << 30) + 8 * UINT64_C(81931));
}

/* The wire that is put together from what fcgi_writer_locate() says, one record's rest at
 * a time from each offset, is the one that fcgi_writer_stream() writes. */
static void assert_located(const uint8_t *wire, const uint8_t *data, size_t n, size_t at)
{
	struct fcgi_record record = { .type = FCGI_STDIN, .id = 9 };
	uint8_t header[FCGI_RECORD_HEADER_BYTES];
	struct fcgi_writer_place place;
	size_t n_header, n_content;

	fcgi_writer_locate(n, at, &place);
	assert_true(place.header_skip <= 8);
	assert_true(place.content_skip < place.n_content || place.n_content == 0);
	record.n_content = place.n_content;
	fcgi_record_encode(&record, header);
	n_header = (size_t)(8 - place.header_skip);
	n_content = (size_t)(place.n_content - place.content_skip);
	assert_true(n_header + n_content > 0);
	assert_memory_equal(wire + at, header + place.header_skip, n_header);
	assert_memory_equal(wire + at + n_header,
			    data + place.content_offset + place.content_skip, n_content);
	assert_true(place.n_content == 65528 ||
		    place.content_offset + place.n_content == n);
}

static void test_locate(void **state)
{
	static const size_t lengths[] = { 1, 2, 65528, 65529, 131056, 140000 };
	struct fcgi_writer writer;
	uint8_t *bytes, *data;
	size_t n_wire;

	(void)state;
	for (size_t i = 0; i < N_OF(lengths); i++) {
		data = make_data(lengths[i]);
		n_wire = fcgi_writer_wire_bytes(lengths[i]);
		bytes = malloc(n_wire);
		assert_non_null(bytes);
		fcgi_writer_init(&writer, bytes, n_wire);
		assert_int_equal(
			fcgi_writer_stream(&writer, FCGI_STDIN, 9, data, lengths[i]), 0);
		for (size_t at = 0; at < n_wire; at++)
			if (at % 65536 < 20 || at % 65536 > 65520 || at + 20 > n_wire)
				assert_located(bytes, data, lengths[i], at);
		free(bytes);
		free(data);
	}
}

static void test_locate_far_and_end(void **state)
{
	static const uint64_t lengths[] = {
		0, 1, 65528, 65529, 131056, UINT64_C(5) << 30
	};
	struct fcgi_writer_place place;

	(void)state;
	for (size_t i = 0; i < N_OF(lengths); i++) {
		fcgi_writer_locate(lengths[i], fcgi_writer_wire_bytes(lengths[i]),
				   &place);
		assert_int_equal(place.header_skip, 8);
		assert_int_equal(place.n_content - place.content_skip, 0);
		assert_true(place.content_offset + place.content_skip == lengths[i]);
	}
	fcgi_writer_locate(UINT64_C(5) << 30, UINT64_C(70000) * 65536 + 9, &place);
	assert_true(place.content_offset == UINT64_C(70000) * 65528);
	assert_int_equal(place.n_content, 65528);
	assert_int_equal(place.header_skip, 8);
	assert_int_equal(place.content_skip, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_hello_sizes),
		cmocka_unit_test(test_values_result),
		cmocka_unit_test(test_large_param),
		cmocka_unit_test(test_stream_is_split),
		cmocka_unit_test(test_wire_bytes),
		cmocka_unit_test(test_locate),
		cmocka_unit_test(test_locate_far_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
