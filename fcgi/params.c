/* SPDX-License-Identifier: BSD-2-Clause */

/* Name-value pairs: iterate, encode, frame into records. */

#include "fcgi/params.h"

#include <assert.h>
#include <string.h>

#include <fastcgi.h>

#include "fcgi/record.h"
#include "fcgi/wire.h"

enum {
	FCGI_PARAMS_SHORT_MAX = 127, /* the longest length that fits one byte */
};

void fcgi_params_iter_init(struct fcgi_params_iter *iter, const uint8_t *bytes, size_t n)
{
	*iter = (struct fcgi_params_iter){ .bytes = bytes, .n = n };
}

/* One byte, or four with the top bit of the first one set. */
static size_t fcgi_params_get_length(struct fcgi_wire *wire)
{
	uint32_t first = fcgi_wire_get_u8(wire);
	uint32_t second;

	if (first <= FCGI_PARAMS_SHORT_MAX)
		return first;
	second = fcgi_wire_get_u8(wire);
	return (first & 0x7f) << 24 | second << 16 | fcgi_wire_get_u16(wire);
}

int fcgi_params_next(struct fcgi_params_iter *iter, struct fcgi_param *ret)
{
	const uint8_t *name, *value;
	size_t n_name, n_value, n_left;
	struct fcgi_wire wire;

	if (iter->position == iter->n)
		return FCGI_PARAMS_END;
	n_left = iter->n - iter->position;
	fcgi_wire_init(&wire, iter->bytes + iter->position, n_left);
	n_name = fcgi_params_get_length(&wire);
	n_value = fcgi_params_get_length(&wire);
	name = fcgi_wire_slice(&wire, n_name);
	value = fcgi_wire_slice(&wire, n_value);
	if (wire.failed)
		return FCGI_PARAMS_MALFORMED;
	*ret = (struct fcgi_param){
		.name = (const char *)name,
		.n_name = n_name,
		.value = (const char *)value,
		.n_value = n_value,
		.encoded = iter->bytes + iter->position,
		.n_encoded = n_left - wire.left,
	};
	iter->position += ret->n_encoded;
	return 0;
}

static size_t fcgi_params_length_bytes(size_t length)
{
	return length <= FCGI_PARAMS_SHORT_MAX ? 1 : 4;
}

size_t fcgi_params_pair_bytes(size_t n_name, size_t n_value)
{
	return fcgi_params_length_bytes(n_name) + fcgi_params_length_bytes(n_value) +
	       n_name + n_value;
}

static void fcgi_params_put_length(struct fcgi_wire_out *wire, size_t length)
{
	assert(length <= FCGI_PARAMS_LENGTH_MAX);
	if (length <= FCGI_PARAMS_SHORT_MAX)
		fcgi_wire_put_u8(wire, (uint8_t)length);
	else
		fcgi_wire_put_u32(wire, (uint32_t)length | UINT32_C(1) << 31);
}

size_t fcgi_params_put(uint8_t *bytes, const char *name, size_t n_name, const char *value,
		       size_t n_value)
{
	size_t n = fcgi_params_pair_bytes(n_name, n_value);
	struct fcgi_wire_out wire;

	fcgi_wire_out_init(&wire, bytes, n);
	fcgi_params_put_length(&wire, n_name);
	fcgi_params_put_length(&wire, n_value);
	fcgi_wire_put_bytes(&wire, name, n_name);
	fcgi_wire_put_bytes(&wire, value, n_value);
	assert(!wire.failed && wire.left == 0);
	return n;
}

/* Moves on over as many whole pairs as one record can hold and gives their bytes. */
static int fcgi_params_next_record(struct fcgi_params_iter *iter, size_t *ret_bytes)
{
	size_t start = iter->position, end = start;
	struct fcgi_param param;
	int r;

	while ((r = fcgi_params_next(iter, &param)) == 0 &&
	       iter->position - start <= FCGI_RECORD_CONTENT_MAX)
		end = iter->position;
	if (r == FCGI_PARAMS_MALFORMED)
		return r;
	if (end == start)
		return r == FCGI_PARAMS_END ? r : FCGI_PARAMS_TOO_BIG;
	iter->position = end;
	*ret_bytes = end - start;
	return 0;
}

int fcgi_params_framed_bytes(const uint8_t *pairs, size_t n, size_t *ret_bytes)
{
	struct fcgi_params_iter iter;
	size_t n_record, n_framed = 0;
	int r;

	fcgi_params_iter_init(&iter, pairs, n);
	while ((r = fcgi_params_next_record(&iter, &n_record)) == 0)
		n_framed += FCGI_RECORD_HEADER_BYTES + n_record;
	if (r != FCGI_PARAMS_END)
		return r;
	*ret_bytes = n_framed;
	return 0;
}

static void fcgi_params_put_header(uint8_t *bytes, uint16_t id, size_t n_content)
{
	const struct fcgi_record record = {
		.type = FCGI_PARAMS,
		.id = id,
		.n_content = (uint16_t)n_content,
	};

	fcgi_record_encode(&record, bytes);
}

size_t fcgi_params_frame(uint8_t *bytes, size_t n, uint16_t id)
{
	struct fcgi_params_iter iter;
	size_t n_framed, n_record;
	uint8_t *pairs = bytes + FCGI_RECORD_HEADER_BYTES;
	uint8_t *at = bytes;

	if (n == 0)
		return 0;
	if (n <= FCGI_RECORD_CONTENT_MAX) {
		fcgi_params_put_header(bytes, id, n);
		return FCGI_RECORD_HEADER_BYTES + n;
	}
	/* Each record pushes what follows it 8 bytes further. So the pairs go to the far
	 * end first and come back record by record, and each lands at or before the
	 * place that it is taken from. */
	if (fcgi_params_framed_bytes(pairs, n, &n_framed) != 0)
		return 0;
	pairs = memmove(bytes + n_framed - n, pairs, n);
	fcgi_params_iter_init(&iter, pairs, n);
	while (fcgi_params_next_record(&iter, &n_record) == 0) {
		memmove(at + FCGI_RECORD_HEADER_BYTES, pairs, n_record);
		fcgi_params_put_header(at, id, n_record);
		at += FCGI_RECORD_HEADER_BYTES + n_record;
		pairs += n_record;
	}
	return n_framed;
}
