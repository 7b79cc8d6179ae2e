/* SPDX-License-Identifier: BSD-2-Clause */

/* The FastCGI record header and the fixed bodies, to and from bytes. */

#include "fcgi/record.h"

#include <fastcgi.h>

#include "fcgi/wire.h"

int fcgi_record_decode(const uint8_t bytes[FCGI_RECORD_HEADER_BYTES],
		       struct fcgi_record *ret)
{
	struct fcgi_wire wire;

	fcgi_wire_init(&wire, bytes, FCGI_RECORD_HEADER_BYTES);
	if (fcgi_wire_get_u8(&wire) != FCGI_VERSION_1)
		return FCGI_RECORD_BAD_VERSION;
	ret->type = fcgi_wire_get_u8(&wire);
	ret->id = fcgi_wire_get_u16(&wire);
	ret->n_content = fcgi_wire_get_u16(&wire);
	ret->n_padding = fcgi_wire_get_u8(&wire);
	return 0;
}

static void fcgi_record_put(struct fcgi_wire_out *wire, const struct fcgi_record *record)
{
	fcgi_wire_put_u8(wire, FCGI_VERSION_1);
	fcgi_wire_put_u8(wire, record->type);
	fcgi_wire_put_u16(wire, record->id);
	fcgi_wire_put_u16(wire, record->n_content);
	fcgi_wire_put_u8(wire, record->n_padding);
	fcgi_wire_put_u8(wire, 0);
}

void fcgi_record_encode(const struct fcgi_record *record,
			uint8_t bytes[FCGI_RECORD_HEADER_BYTES])
{
	struct fcgi_wire_out wire;

	fcgi_wire_out_init(&wire, bytes, FCGI_RECORD_HEADER_BYTES);
	fcgi_record_put(&wire, record);
}

/* The header of a record with a fixed body; the body is put behind it. */
static void fcgi_record_put_fixed(struct fcgi_wire_out *wire, uint8_t *bytes,
				  uint8_t type, uint16_t id)
{
	const struct fcgi_record record = {
		.type = type,
		.id = id,
		.n_content = FCGI_RECORD_BODY_BYTES,
	};

	fcgi_wire_out_init(wire, bytes, FCGI_RECORD_FIXED_BYTES);
	fcgi_record_put(wire, &record);
}

int fcgi_begin_decode(const uint8_t *content, size_t n, struct fcgi_begin *ret)
{
	struct fcgi_wire wire;

	if (n != FCGI_RECORD_BODY_BYTES)
		return FCGI_RECORD_BAD_LENGTH;
	fcgi_wire_init(&wire, content, n);
	ret->role = fcgi_wire_get_u16(&wire);
	ret->flags = fcgi_wire_get_u8(&wire);
	return 0;
}

void fcgi_begin_encode(uint16_t id, const struct fcgi_begin *begin,
		       uint8_t bytes[FCGI_RECORD_FIXED_BYTES])
{
	struct fcgi_wire_out wire;

	fcgi_record_put_fixed(&wire, bytes, FCGI_BEGIN_REQUEST, id);
	fcgi_wire_put_u16(&wire, begin->role);
	fcgi_wire_put_u8(&wire, begin->flags);
	fcgi_wire_put_zeros(&wire, 5);
}

int fcgi_end_decode(const uint8_t *content, size_t n, struct fcgi_end *ret)
{
	struct fcgi_wire wire;

	if (n != FCGI_RECORD_BODY_BYTES)
		return FCGI_RECORD_BAD_LENGTH;
	fcgi_wire_init(&wire, content, n);
	ret->app_status = fcgi_wire_get_u32(&wire);
	ret->protocol_status = fcgi_wire_get_u8(&wire);
	return 0;
}

void fcgi_end_encode(uint16_t id, const struct fcgi_end *end,
		     uint8_t bytes[FCGI_RECORD_FIXED_BYTES])
{
	struct fcgi_wire_out wire;

	fcgi_record_put_fixed(&wire, bytes, FCGI_END_REQUEST, id);
	fcgi_wire_put_u32(&wire, end->app_status);
	fcgi_wire_put_u8(&wire, end->protocol_status);
	fcgi_wire_put_zeros(&wire, 3);
}

void fcgi_unknown_type_encode(uint8_t type, uint8_t bytes[FCGI_RECORD_FIXED_BYTES])
{
	struct fcgi_wire_out wire;

	fcgi_record_put_fixed(&wire, bytes, FCGI_UNKNOWN_TYPE, FCGI_NULL_REQUEST_ID);
	fcgi_wire_put_u8(&wire, type);
	fcgi_wire_put_zeros(&wire, 7);
}

const char *fcgi_record_type_name(uint8_t type)
{
	static const char *const names[] = {
		[FCGI_BEGIN_REQUEST] = "BEGIN_REQUEST",
		[FCGI_ABORT_REQUEST] = "ABORT_REQUEST",
		[FCGI_END_REQUEST] = "END_REQUEST",
		[FCGI_PARAMS] = "PARAMS",
		[FCGI_STDIN] = "STDIN",
		[FCGI_STDOUT] = "STDOUT",
		[FCGI_STDERR] = "STDERR",
		[FCGI_DATA] = "DATA",
		[FCGI_GET_VALUES] = "GET_VALUES",
		[FCGI_GET_VALUES_RESULT] = "GET_VALUES_RESULT",
		[FCGI_UNKNOWN_TYPE] = "UNKNOWN_TYPE",
	};

	if (type == 0 || type > FCGI_MAXTYPE)
		return "unknown";
	return names[type];
}
