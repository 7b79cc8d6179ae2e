/* SPDX-License-Identifier: BSD-2-Clause */

/* Appends records to a bounded buffer that the caller owns. */

#include "fcgi/writer.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include <fastcgi.h>

#include "fcgi/params.h"

void fcgi_writer_init(struct fcgi_writer *writer, uint8_t *bytes, size_t size)
{
	*writer = (struct fcgi_writer){ .bytes = bytes, .size = size };
}

/* Room for n more bytes, taken; or NULL. */
static uint8_t *fcgi_writer_reserve(struct fcgi_writer *writer, uint64_t n)
{
	uint8_t *room = writer->bytes + writer->n;

	if (n > writer->size - writer->n)
		return NULL;
	writer->n += (size_t)n;
	return room;
}

/* Writes the header of a record of n content bytes and gives where these go. */
static uint8_t *fcgi_writer_put_header(uint8_t *room, uint8_t type, uint16_t id, size_t n)
{
	const struct fcgi_record record = {
		.type = type,
		.id = id,
		.n_content = (uint16_t)n,
	};

	fcgi_record_encode(&record, room);
	return room + FCGI_RECORD_HEADER_BYTES;
}

/* Room for a record of n content bytes, its header written; gives where these go. */
static uint8_t *fcgi_writer_record(struct fcgi_writer *writer, uint8_t type, uint16_t id,
				   size_t n)
{
	uint8_t *room;

	if (n > FCGI_RECORD_CONTENT_MAX)
		return NULL;
	room = fcgi_writer_reserve(writer, FCGI_RECORD_HEADER_BYTES + n);
	if (room == NULL)
		return NULL;
	return fcgi_writer_put_header(room, type, id, n);
}

static uint64_t fcgi_writer_record_content(uint64_t n_left)
{
	return n_left < FCGI_RECORD_CONTENT_BEST ? n_left : FCGI_RECORD_CONTENT_BEST;
}

int fcgi_writer_begin(struct fcgi_writer *writer, uint16_t id, uint16_t role,
		      uint8_t flags)
{
	const struct fcgi_begin begin = { .role = role, .flags = flags };
	uint8_t *room = fcgi_writer_reserve(writer, FCGI_RECORD_FIXED_BYTES);

	if (room == NULL)
		return FCGI_WRITER_FULL;
	fcgi_begin_encode(id, &begin, room);
	return 0;
}

int fcgi_writer_stream(struct fcgi_writer *writer, uint8_t type, uint16_t id,
		       const void *data, size_t n)
{
	uint8_t *room = fcgi_writer_reserve(writer, fcgi_writer_wire_bytes(n));
	const uint8_t *from = data;

	if (room == NULL)
		return FCGI_WRITER_FULL;
	while (n > 0) {
		size_t n_content = (size_t)fcgi_writer_record_content(n);

		room = fcgi_writer_put_header(room, type, id, n_content);
		memcpy(room, from, n_content);
		room += n_content;
		from += n_content;
		n -= n_content;
	}
	return 0;
}

int fcgi_writer_stream_end(struct fcgi_writer *writer, uint8_t type, uint16_t id)
{
	return fcgi_writer_record(writer, type, id, 0) != NULL ? 0 : FCGI_WRITER_FULL;
}

int fcgi_writer_end(struct fcgi_writer *writer, uint16_t id, uint32_t app_status,
		    uint8_t protocol_status)
{
	const struct fcgi_end end = {
		.app_status = app_status,
		.protocol_status = protocol_status,
	};
	uint8_t *room = fcgi_writer_reserve(writer, FCGI_RECORD_FIXED_BYTES);

	if (room == NULL)
		return FCGI_WRITER_FULL;
	fcgi_end_encode(id, &end, room);
	return 0;
}

int fcgi_writer_unknown_type(struct fcgi_writer *writer, uint8_t type)
{
	uint8_t *room = fcgi_writer_reserve(writer, FCGI_RECORD_FIXED_BYTES);

	if (room == NULL)
		return FCGI_WRITER_FULL;
	fcgi_unknown_type_encode(type, room);
	return 0;
}

/* A record with one pair. */
static int fcgi_writer_pair(struct fcgi_writer *writer, uint8_t type, uint16_t id,
			    const char *name, const char *value)
{
	size_t n_name = strlen(name), n_value = strlen(value);
	size_t n = fcgi_params_pair_bytes(n_name, n_value);
	uint8_t *room = fcgi_writer_record(writer, type, id, n);

	if (room == NULL)
		return FCGI_WRITER_FULL;
	(void)fcgi_params_put(room, name, n_name, value, n_value);
	return 0;
}

int fcgi_writer_param(struct fcgi_writer *writer, uint16_t id, const char *name,
		      const char *value)
{
	return fcgi_writer_pair(writer, FCGI_PARAMS, id, name, value);
}

int fcgi_writer_get_values(struct fcgi_writer *writer)
{
	return fcgi_writer_pair(writer, FCGI_GET_VALUES, FCGI_NULL_REQUEST_ID,
				FCGI_MPXS_CONNS, "");
}

static bool fcgi_writer_is_asked(const uint8_t *pairs, size_t n, const char *name)
{
	struct fcgi_params_iter iter;
	struct fcgi_param param;
	size_t n_name = strlen(name);

	fcgi_params_iter_init(&iter, pairs, n);
	while (fcgi_params_next(&iter, &param) == 0)
		if (param.n_name == n_name && memcmp(param.name, name, n_name) == 0)
			return true;
	return false;
}

int fcgi_writer_values_result(struct fcgi_writer *writer, const uint8_t *pairs, size_t n)
{
	if (!fcgi_writer_is_asked(pairs, n, FCGI_MPXS_CONNS))
		return fcgi_writer_stream_end(writer, FCGI_GET_VALUES_RESULT,
					      FCGI_NULL_REQUEST_ID);
	return fcgi_writer_pair(writer, FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID,
				FCGI_MPXS_CONNS, "0");
}

uint64_t fcgi_writer_wire_bytes(uint64_t n)
{
	uint64_t n_records = n / FCGI_RECORD_CONTENT_BEST +
			     (n % FCGI_RECORD_CONTENT_BEST != 0);

	return n + n_records * FCGI_RECORD_HEADER_BYTES;
}

void fcgi_writer_locate(uint64_t n, uint64_t at, struct fcgi_writer_place *ret)
{
	uint64_t n_records_before = at / FCGI_WRITER_STREAM_RECORD_BYTES;
	uint64_t offset = at % FCGI_WRITER_STREAM_RECORD_BYTES;
	uint64_t start = n_records_before * FCGI_RECORD_CONTENT_BEST;
	uint64_t n_content;

	assert(at <= fcgi_writer_wire_bytes(n));
	n_content = fcgi_writer_record_content(n - start);
	*ret = (struct fcgi_writer_place){
		.content_offset = start,
		.n_content = (uint16_t)n_content,
		.header_skip = FCGI_RECORD_HEADER_BYTES,
	};
	if (offset >= FCGI_RECORD_HEADER_BYTES)
		ret->content_skip = (uint16_t)(offset - FCGI_RECORD_HEADER_BYTES);
	else if (n_content > 0)
		ret->header_skip = (uint8_t)offset;
}
