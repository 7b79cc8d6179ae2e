/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Name-value pairs (FastCGI 1.0, section 3.4): iterate, encode, frame into records.
 *
 * A stream of PARAMS may be cut anywhere by its sender, also inside a pair. The
 * gateway collects the stream's content in one piece (bounded) and reads it from
 * there. Towards PHP-FPM a pair must not cross a record (each record is parsed alone,
 * main/fastcgi.c, fcgi_get_params), so framing splits between pairs only.
 */

#include <stddef.h>
#include <stdint.h>

enum fcgi_params_result {
	FCGI_PARAMS_END = 1,   /* no further pair */
	FCGI_PARAMS_MALFORMED, /* a length points past the end of the bytes */
	FCGI_PARAMS_TOO_BIG,   /* one pair needs more than a record can hold */
};

enum {
	FCGI_PARAMS_LENGTH_MAX = 0x7fffffff, /* of a name or a value, in bytes */
};

struct fcgi_param {
	const char *name;  /* not terminated; points into the caller's bytes */
	size_t n_name;
	const char *value;
	size_t n_value;
	const uint8_t *encoded; /* the whole pair as it stands in the bytes */
	size_t n_encoded;
};

struct fcgi_params_iter {
	const uint8_t *bytes;
	size_t n;
	size_t position;
};

/* The bytes stay the caller's and must stay where they are. They may be NULL when n is
 * 0. To walk again, init again. */
void fcgi_params_iter_init(struct fcgi_params_iter *iter, const uint8_t *bytes, size_t n);

/* 0 and a pair, FCGI_PARAMS_END, or FCGI_PARAMS_MALFORMED (then every later call too);
 * *ret is only written with 0. Lengths of 4 bytes are accepted for values below 128 as
 * well; a name may be empty, and name and value may hold any byte, NUL included. */
__attribute__((warn_unused_result))
int fcgi_params_next(struct fcgi_params_iter *iter, struct fcgi_param *ret);

/* The encoded size of a pair in bytes. */
size_t fcgi_params_pair_bytes(size_t n_name, size_t n_value);

/* Writes a pair to bytes, which must have room for fcgi_params_pair_bytes().
 * Returns the bytes written. No length may be above FCGI_PARAMS_LENGTH_MAX. */
size_t fcgi_params_put(uint8_t *bytes, const char *name, size_t n_name, const char *value,
		       size_t n_value);

/* How many bytes the n bytes of whole pairs take as PARAMS records of at most
 * FCGI_RECORD_CONTENT_MAX content, without padding, without the empty terminator.
 * 0 and *ret_bytes, FCGI_PARAMS_MALFORMED, or FCGI_PARAMS_TOO_BIG, whichever comes first
 * in the bytes; *ret_bytes is only written with 0. n == 0 gives *ret_bytes = 0. */
__attribute__((warn_unused_result))
int fcgi_params_framed_bytes(const uint8_t *pairs, size_t n, size_t *ret_bytes);

/* Frames in place. On entry bytes[FCGI_RECORD_HEADER_BYTES ...] holds n bytes of whole
 * pairs; on return bytes[0 ...] holds fcgi_params_framed_bytes() bytes of PARAMS records
 * of request `id` (so `bytes` needs that much room). Only pairs that
 * fcgi_params_framed_bytes() took without complaint may be given. Returns the bytes. */
size_t fcgi_params_frame(uint8_t *bytes, size_t n, uint16_t id);
