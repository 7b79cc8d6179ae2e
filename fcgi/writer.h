/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Appends records to a bounded buffer that the caller owns.
 *
 * Every fcgi_writer_ function that takes the writer and gives an int appends and gives 0,
 * or writes nothing because the whole of it does not fit: FCGI_WRITER_FULL, and the
 * buffer is as before. Terminators carry no padding (PHP-FPM does not read the padding
 * of an empty record, main/fastcgi.c), and no record is padded at all: with content of
 * at most 65535 bytes the sum stays inside what PHP-FPM takes.
 */

#include <stddef.h>
#include <stdint.h>

#include "fcgi/record.h"

enum fcgi_writer_result {
	FCGI_WRITER_FULL = 1, /* does not fit; nothing was written */
};

struct fcgi_writer {
	uint8_t *bytes;
	size_t size; /* room in bytes */
	size_t n;    /* bytes written */
};

/* What was written is bytes[0 .. n - 1]. To use the room again, set n to 0. */
void fcgi_writer_init(struct fcgi_writer *writer, uint8_t *bytes, size_t size);

int fcgi_writer_begin(struct fcgi_writer *writer, uint16_t id, uint16_t role,
		      uint8_t flags);
/* Stream data of any length, split into records of at most FCGI_RECORD_CONTENT_BEST.
 * n == 0 writes nothing: the end of a stream is its own call. */
int fcgi_writer_stream(struct fcgi_writer *writer, uint8_t type, uint16_t id,
		       const void *data, size_t n);
/* The empty record that ends a stream. */
int fcgi_writer_stream_end(struct fcgi_writer *writer, uint8_t type, uint16_t id);
int fcgi_writer_end(struct fcgi_writer *writer, uint16_t id, uint32_t app_status,
		    uint8_t protocol_status);
/* The answer to a management record of that type (section 4.2). */
int fcgi_writer_unknown_type(struct fcgi_writer *writer, uint8_t type);
/* One PARAMS record with one pair. A pair that no record can hold does not fit either. */
int fcgi_writer_param(struct fcgi_writer *writer, uint16_t id, const char *name,
		      const char *value);
/* GET_VALUES that asks for FCGI_MPXS_CONNS: the hello (answered with 32 bytes). */
int fcgi_writer_get_values(struct fcgi_writer *writer);
/* GET_VALUES_RESULT for the n bytes of pairs of a GET_VALUES record: FCGI_MPXS_CONNS=0
 * when it was asked for (once, however often), names we have no value for left out
 * (section 4.1). Malformed pairs end the list silently. At most
 * FCGI_WRITER_VALUES_BYTES. */
int fcgi_writer_values_result(struct fcgi_writer *writer, const uint8_t *pairs, size_t n);

enum {
	FCGI_WRITER_HELLO_BYTES = 8 + 2 + 15,      /* of fcgi_writer_get_values */
	FCGI_WRITER_HELLO_ANSWER_BYTES = 32,       /* what PHP-FPM answers, padded */
	FCGI_WRITER_VALUES_BYTES = 8 + 2 + 15 + 1, /* most of fcgi_writer_values_result */
	FCGI_WRITER_STREAM_RECORD_BYTES =
		FCGI_RECORD_HEADER_BYTES + FCGI_RECORD_CONTENT_BEST,
};

/* The arithmetic of a stream of n content bytes as records of FCGI_RECORD_CONTENT_BEST
 * (the last one shorter), as fcgi_writer_stream() writes it: its size on the wire, and
 * which record holds wire offset `at` (at most that size), so that a body can be framed
 * piece by piece while it is written. A record's end is the next one's beginning; at the
 * end of the stream nothing is left: header_skip is 8 and content_skip n_content. */
uint64_t fcgi_writer_wire_bytes(uint64_t n);
struct fcgi_writer_place {
	uint64_t content_offset;   /* where in the stream the record's content begins */
	uint16_t n_content;        /* content bytes of the record */
	uint8_t header_skip;       /* header bytes before `at` (8 = all of it) */
	uint16_t content_skip;     /* content bytes of this record before `at` */
};
void fcgi_writer_locate(uint64_t n, uint64_t at, struct fcgi_writer_place *ret);
