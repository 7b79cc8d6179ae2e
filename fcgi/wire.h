/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Bounded cursors over bytes with an error that sticks, one to read and one to write.
 *
 * Every access is checked. The first one that does not fit sets `failed`, changes
 * nothing else and leaves no byte to the later ones, so that they fail too: a read
 * gives 0 or NULL, a write does nothing. A decoder is therefore written straight on,
 * without an `if` per field, and looks at `failed` once, at its end:
 *
 *	fcgi_wire_init(&wire, bytes, n);
 *	type = fcgi_wire_get_u8(&wire);
 *	id = fcgi_wire_get_u16(&wire);
 *	if (wire.failed)
 *		...
 *
 * Numbers are most significant byte first. The bytes stay the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fcgi_wire {
	const uint8_t *at; /* the next byte */
	size_t left;       /* bytes from there to the end */
	bool failed;
};

struct fcgi_wire_out {
	uint8_t *at;
	size_t left;
	bool failed;
};

static inline void fcgi_wire_init(struct fcgi_wire *wire, const uint8_t *bytes, size_t n)
{
	*wire = (struct fcgi_wire){ .at = bytes, .left = n };
}

/* Moves over n bytes and gives where they begin, or NULL when there are fewer. */
static inline const uint8_t *fcgi_wire_slice(struct fcgi_wire *wire, size_t n)
{
	const uint8_t *slice = wire->at;

	if (wire->left < n) {
		wire->failed = true;
		wire->left = 0;
		return NULL;
	}
	wire->at += n;
	wire->left -= n;
	return slice;
}

static inline void fcgi_wire_skip(struct fcgi_wire *wire, size_t n)
{
	(void)fcgi_wire_slice(wire, n);
}

static inline uint8_t fcgi_wire_get_u8(struct fcgi_wire *wire)
{
	const uint8_t *b = fcgi_wire_slice(wire, 1);

	return b != NULL ? b[0] : 0;
}

static inline uint16_t fcgi_wire_get_u16(struct fcgi_wire *wire)
{
	const uint8_t *b = fcgi_wire_slice(wire, 2);

	return b != NULL ? (uint16_t)(b[0] * 256U + b[1]) : 0;
}

static inline uint32_t fcgi_wire_get_u32(struct fcgi_wire *wire)
{
	const uint8_t *b = fcgi_wire_slice(wire, 4);

	if (b == NULL)
		return 0;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void fcgi_wire_out_init(struct fcgi_wire_out *wire, uint8_t *bytes,
				      size_t size)
{
	*wire = (struct fcgi_wire_out){ .at = bytes, .left = size };
}

/* Moves over n bytes, gives where to write them, or NULL when there is no room. */
static inline uint8_t *fcgi_wire_out_slice(struct fcgi_wire_out *wire, size_t n)
{
	uint8_t *slice = wire->at;

	if (wire->left < n) {
		wire->failed = true;
		wire->left = 0;
		return NULL;
	}
	wire->at += n;
	wire->left -= n;
	return slice;
}

static inline void fcgi_wire_put_u8(struct fcgi_wire_out *wire, uint8_t value)
{
	uint8_t *b = fcgi_wire_out_slice(wire, 1);

	if (b != NULL)
		b[0] = value;
}

static inline void fcgi_wire_put_u16(struct fcgi_wire_out *wire, uint16_t value)
{
	uint8_t *b = fcgi_wire_out_slice(wire, 2);

	if (b == NULL)
		return;
	b[0] = (uint8_t)(value >> 8);
	b[1] = (uint8_t)value;
}

static inline void fcgi_wire_put_u32(struct fcgi_wire_out *wire, uint32_t value)
{
	uint8_t *b = fcgi_wire_out_slice(wire, 4);

	if (b == NULL)
		return;
	b[0] = (uint8_t)(value >> 24);
	b[1] = (uint8_t)(value >> 16);
	b[2] = (uint8_t)(value >> 8);
	b[3] = (uint8_t)value;
}

static inline void fcgi_wire_put_zeros(struct fcgi_wire_out *wire, size_t n)
{
	uint8_t *b = fcgi_wire_out_slice(wire, n);

	if (b != NULL)
		memset(b, 0, n);
}

/* data may be NULL when n is 0. */
static inline void fcgi_wire_put_bytes(struct fcgi_wire_out *wire, const void *data,
				       size_t n)
{
	uint8_t *b = fcgi_wire_out_slice(wire, n);

	if (b != NULL && n > 0)
		memcpy(b, data, n);
}
