/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/wire.h. */

#include "fcgi/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t bytes[] = { 0x81, 0x02, 0x83, 0x04, 0x85, 0x06, 0x87, 0x08 };

static void test_get(void **state)
{
	struct fcgi_wire wire;

	(void)state;
	fcgi_wire_init(&wire, bytes, sizeof(bytes));
	assert_int_equal(fcgi_wire_get_u8(&wire), 0x81);
	assert_int_equal(fcgi_wire_get_u16(&wire), 0x0283);
	assert_int_equal(fcgi_wire_get_u32(&wire), 0x04850687);
	assert_int_equal(wire.left, 1);
	assert_int_equal(fcgi_wire_get_u8(&wire), 0x08);
	assert_int_equal(wire.left, 0);
	assert_false(wire.failed);
}

static void test_get_top_bits(void **state)
{
	const uint8_t ones[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct fcgi_wire wire;

	(void)state;
	fcgi_wire_init(&wire, ones, sizeof(ones));
	assert_int_equal(fcgi_wire_get_u32(&wire), UINT32_MAX);
	assert_int_equal(fcgi_wire_get_u16(&wire), UINT16_MAX);
	assert_int_equal(fcgi_wire_get_u8(&wire), UINT8_MAX);
	assert_false(wire.failed);
}

static void test_slice_and_skip(void **state)
{
	struct fcgi_wire wire;

	(void)state;
	fcgi_wire_init(&wire, bytes, sizeof(bytes));
	fcgi_wire_skip(&wire, 3);
	assert_ptr_equal(fcgi_wire_slice(&wire, 0), bytes + 3);
	assert_ptr_equal(fcgi_wire_slice(&wire, 5), bytes + 3);
	assert_ptr_equal(fcgi_wire_slice(&wire, 0), bytes + 8);
	assert_false(wire.failed);
	assert_null(fcgi_wire_slice(&wire, 1));
	assert_true(wire.failed);
}

/* Whatever did not fit first: the bytes that are still there are not given any more. */
static void test_get_error_sticks(void **state)
{
	struct fcgi_wire wire;

	(void)state;
	for (size_t n = 0; n < 4; n++) {
		fcgi_wire_init(&wire, bytes, n);
		assert_int_equal(fcgi_wire_get_u32(&wire), 0);
		assert_true(wire.failed);
		assert_int_equal(fcgi_wire_get_u8(&wire), 0);
		assert_int_equal(fcgi_wire_get_u16(&wire), 0);
		assert_null(fcgi_wire_slice(&wire, 1));
		assert_true(wire.failed);
	}
	fcgi_wire_init(&wire, bytes, 1);
	assert_int_equal(fcgi_wire_get_u16(&wire), 0);
	assert_true(wire.failed);
	fcgi_wire_init(&wire, bytes, 0);
	assert_int_equal(fcgi_wire_get_u8(&wire), 0);
	assert_true(wire.failed);
	fcgi_wire_init(&wire, bytes, 8);
	fcgi_wire_skip(&wire, SIZE_MAX);
	assert_true(wire.failed);
	assert_int_equal(fcgi_wire_get_u8(&wire), 0);
}

static void test_put(void **state)
{
	const uint8_t wanted[] = { 0xfe, 0x80, 0x01, 0x81, 0x02, 0x83,
				   0x04, 0,    0,    'a',  'b' };
	uint8_t out[sizeof(wanted)];
	struct fcgi_wire_out wire;

	(void)state;
	memset(out, 0x55, sizeof(out));
	fcgi_wire_out_init(&wire, out, sizeof(out));
	fcgi_wire_put_u8(&wire, 0xfe);
	fcgi_wire_put_u16(&wire, 0x8001);
	fcgi_wire_put_u32(&wire, 0x81028304);
	fcgi_wire_put_zeros(&wire, 2);
	fcgi_wire_put_bytes(&wire, NULL, 0);
	fcgi_wire_put_bytes(&wire, "ab", 2);
	assert_false(wire.failed);
	assert_int_equal(wire.left, 0);
	assert_memory_equal(out, wanted, sizeof(out));
}

static void put_kind(struct fcgi_wire_out *wire, int kind)
{
	switch (kind) {
	case 0:
		fcgi_wire_put_u32(wire, 1);
		break;
	case 1:
		fcgi_wire_put_u16(wire, 1);
		break;
	case 2:
		fcgi_wire_put_u8(wire, 1);
		break;
	case 3:
		fcgi_wire_put_zeros(wire, 2);
		break;
	default:
		fcgi_wire_put_bytes(wire, "ab", 2);
		break;
	}
}

/* What does not fit is not written in part, and nothing is after it. */
static void test_put_error_sticks(void **state)
{
	static const size_t room[] = { 3, 1, 0, 1, 1 };
	uint8_t out[4];
	struct fcgi_wire_out wire;

	(void)state;
	for (int kind = 0; kind < 5; kind++) {
		memset(out, 0x55, sizeof(out));
		fcgi_wire_out_init(&wire, out, room[kind]);
		put_kind(&wire, kind);
		assert_true(wire.failed);
		for (int later = 0; later < 5; later++)
			put_kind(&wire, later);
		for (size_t i = 0; i < sizeof(out); i++)
			assert_int_equal(out[i], 0x55);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_top_bits),
		cmocka_unit_test(test_slice_and_skip),
		cmocka_unit_test(test_get_error_sticks),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_put_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
