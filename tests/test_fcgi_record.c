/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/record.h. */

#include "fcgi/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <fastcgi.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	uint8_t bytes[FCGI_RECORD_HEADER_BYTES];
	struct fcgi_record record;
} headers[] = {
	{ { 1, 1, 0, 1, 0, 8, 0, 0 }, { FCGI_BEGIN_REQUEST, 1, 8, 0 } },
	{ { 1, 4, 0x12, 0x34, 0xff, 0xff, 0xff, 0 },
	  { FCGI_PARAMS, 0x1234, 65535, 255 } },
	{ { 1, 5, 0xff, 0xff, 0x80, 0x00, 1, 0 }, { FCGI_STDIN, 65535, 32768, 1 } },
	{ { 1, 9, 0, 0, 0, 0, 0, 0 }, { FCGI_GET_VALUES, 0, 0, 0 } },
	{ { 1, 0, 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0 } },
	{ { 1, 255, 1, 0, 1, 0, 8, 0 }, { 255, 256, 256, 8 } },
};

static void assert_record(const struct fcgi_record *is, const struct fcgi_record *wanted)
{
	assert_int_equal(is->type, wanted->type);
	assert_int_equal(is->id, wanted->id);
	assert_int_equal(is->n_content, wanted->n_content);
	assert_int_equal(is->n_padding, wanted->n_padding);
}

static void test_header(void **state)
{
	uint8_t bytes[FCGI_RECORD_HEADER_BYTES];
	struct fcgi_record record;

	(void)state;
	for (size_t i = 0; i < N_OF(headers); i++) {
		assert_int_equal(fcgi_record_decode(headers[i].bytes, &record), 0);
		assert_record(&record, &headers[i].record);
		memset(bytes, 0x55, sizeof(bytes));
		fcgi_record_encode(&headers[i].record, bytes);
		assert_memory_equal(bytes, headers[i].bytes, sizeof(bytes));
	}
}

static void test_reserved_byte_is_ignored(void **state)
{
	const uint8_t bytes[] = { 1, 6, 0, 1, 0, 4, 4, 0xee };
	struct fcgi_record record;

	(void)state;
	assert_int_equal(fcgi_record_decode(bytes, &record), 0);
	assert_record(&record, &(struct fcgi_record){ FCGI_STDOUT, 1, 4, 4 });
}

static void test_version(void **state)
{
	uint8_t bytes[] = { 0, 6, 0, 1, 0, 4, 4, 0 };
	const struct fcgi_record before = { 9, 9, 9, 9 };
	struct fcgi_record record = before;

	(void)state;
	for (unsigned int version = 0; version < 256; version++) {
		if (version == FCGI_VERSION_1)
			continue;
		bytes[0] = (uint8_t)version;
		assert_int_equal(fcgi_record_decode(bytes, &record),
				 FCGI_RECORD_BAD_VERSION);
		assert_record(&record, &before);
	}
}

static void test_begin(void **state)
{
	const uint8_t wanted[] = { 1, 1, 0xab, 0xcd, 0, 8, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0 };
	const uint8_t content[] = { 1, 2, 3, 0xee, 0xee, 0xee, 0xee, 0xee };
	uint8_t bytes[sizeof(wanted)];
	struct fcgi_begin begin;

	(void)state;
	assert_int_equal(fcgi_begin_decode(content, 8, &begin), 0);
	assert_int_equal(begin.role, 0x0102);
	assert_int_equal(begin.flags, 3);
	memset(bytes, 0x55, sizeof(bytes));
	fcgi_begin_encode(0xabcd, &begin, bytes);
	assert_memory_equal(bytes, wanted, sizeof(bytes));
}

static const struct {
	uint8_t content[FCGI_RECORD_BODY_BYTES];
	struct fcgi_end end;
} ends[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0 }, { 0, FCGI_REQUEST_COMPLETE } },
	{ { 0, 0, 0, 1, 1, 0, 0, 0 }, { 1, FCGI_CANT_MPX_CONN } },
	{ { 0x80, 0, 0, 1, 2, 0, 0, 0 }, { 0x80000001, FCGI_OVERLOADED } },
	{ { 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0 }, { 0xffffffff, FCGI_UNKNOWN_ROLE } },
	{ { 1, 2, 3, 4, 0xff, 0, 0, 0 }, { 0x01020304, 0xff } },
};

/* The application's status has 32 bits; its top bit is no flag. */
static void test_end(void **state)
{
	static const uint8_t header[] = { 1, 3, 0, 7, 0, 8, 0, 0 };
	uint8_t bytes[FCGI_RECORD_FIXED_BYTES];
	struct fcgi_end end;

	(void)state;
	for (size_t i = 0; i < N_OF(ends); i++) {
		assert_int_equal(fcgi_end_decode(ends[i].content, 8, &end), 0);
		assert_int_equal(end.app_status, ends[i].end.app_status);
		assert_int_equal(end.protocol_status, ends[i].end.protocol_status);
		memset(bytes, 0x55, sizeof(bytes));
		fcgi_end_encode(7, &end, bytes);
		assert_memory_equal(bytes, header, 8);
		assert_memory_equal(bytes + 8, ends[i].content, 8);
	}
}

/* PHP-FPM sends what happens to lie in memory in the last three bytes. */
static void test_end_reserved_bytes(void **state)
{
	const uint8_t content[] = { 0, 0, 0, 0, 0, ')', ' ', 'i' };
	struct fcgi_end end;

	(void)state;
	assert_int_equal(fcgi_end_decode(content, 8, &end), 0);
	assert_int_equal(end.app_status, 0);
	assert_int_equal(end.protocol_status, FCGI_REQUEST_COMPLETE);
}

static void test_body_length(void **state)
{
	static const size_t lengths[] = { 0, 1, 7, 9, 16, 65535 };
	static const uint8_t content[65535];
	struct fcgi_begin begin = { 9, 9 };
	struct fcgi_end end = { 9, 9 };

	(void)state;
	for (size_t i = 0; i < N_OF(lengths); i++) {
		assert_int_equal(fcgi_begin_decode(content, lengths[i], &begin),
				 FCGI_RECORD_BAD_LENGTH);
		assert_int_equal(fcgi_end_decode(content, lengths[i], &end),
				 FCGI_RECORD_BAD_LENGTH);
	}
	assert_int_equal(begin.role, 9);
	assert_int_equal(end.app_status, 9);
}

static void test_unknown_type(void **state)
{
	const uint8_t wanted[] = { 1, 11, 0, 0, 0, 8, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t bytes[sizeof(wanted)];

	(void)state;
	memset(bytes, 0x55, sizeof(bytes));
	fcgi_unknown_type_encode(200, bytes);
	assert_memory_equal(bytes, wanted, sizeof(bytes));
}

static void test_type_name(void **state)
{
	(void)state;
	assert_string_equal(fcgi_record_type_name(FCGI_BEGIN_REQUEST), "BEGIN_REQUEST");
	assert_string_equal(fcgi_record_type_name(FCGI_STDERR), "STDERR");
	assert_string_equal(fcgi_record_type_name(FCGI_UNKNOWN_TYPE), "UNKNOWN_TYPE");
	assert_string_equal(fcgi_record_type_name(0), "unknown");
	for (unsigned int type = 1; type <= FCGI_MAXTYPE; type++)
		assert_string_not_equal(fcgi_record_type_name((uint8_t)type), "unknown");
	for (unsigned int type = FCGI_MAXTYPE + 1; type < 256; type++)
		assert_string_equal(fcgi_record_type_name((uint8_t)type), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_reserved_byte_is_ignored),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_end_reserved_bytes),
		cmocka_unit_test(test_body_length),
		cmocka_unit_test(test_unknown_type),
		cmocka_unit_test(test_type_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
