/* SPDX-License-Identifier: BSD-2-Clause */
/* FastCGI records as the test tools write and read them. */

/*
 * Written from the FastCGI 1.0 text alone and without a line of the daemon's own codec,
 * so that a mistake there cannot hide behind the same mistake here. Nothing is refused:
 * the tools must be able to build wrong records.
 */
#pragma once

#include <stdint.h>
#include <stddef.h>

enum record_type {
	RECORD_BEGIN = 1,
	RECORD_ABORT,
	RECORD_END,
	RECORD_PARAMS,
	RECORD_STDIN,
	RECORD_STDOUT,
	RECORD_STDERR,
	RECORD_DATA,
	RECORD_GET_VALUES,
	RECORD_VALUES,
	RECORD_UNKNOWN,
};

#define RECORD_HEAD_BYTES 8
#define RECORD_CONTENT_MAX 65535
#define RECORD_KEEP_CONN 1

/* A growable run of bytes; all zero is empty. */
struct record_bytes {
	uint8_t *data;
	size_t n_bytes;
	size_t n_room;
};

/* The 8 bytes in front of each record, decoded. */
struct record_head {
	uint8_t version;
	uint8_t type;
	uint16_t id;
	uint16_t n_content;
	uint8_t n_padding;
};

/* A name-value pair inside somebody else's bytes. */
struct record_pair {
	const char *name;
	const char *value;
	size_t n_name;
	size_t n_value;
};

/* Appends; running out of memory ends the program. */
void record_bytes_put(struct record_bytes *bytes, const void *data, size_t n_bytes);

/* Frees what the bytes hold and makes them empty. */
void record_bytes_done(struct record_bytes *bytes);

/* Encodes and decodes the 8 bytes of a record's head. */
void record_head_write(const struct record_head *head, uint8_t *ret_bytes);
void record_head_read(const uint8_t *bytes, struct record_head *ret_head);

/*
 * Appends one record of at most RECORD_CONTENT_MAX bytes of content and n_padding bytes
 * of padding (0xa5, so that who takes padding for content shows it).
 */
void record_put(struct record_bytes *bytes, const struct record_head *head,
		const void *content);

/* Appends a BEGIN_REQUEST of version 1. */
void record_put_begin(struct record_bytes *bytes, uint16_t id, uint16_t role,
		      uint8_t flags);

/* The padding that fills a content up to a multiple of 8, as PHP and nginx write it. */
uint8_t record_padding(size_t n_content);

/* Appends an encoded pair, lengths of 1 or 4 bytes, without a record around it. */
void record_put_pair(struct record_bytes *bytes, const struct record_pair *pair);

/*
 * Decodes the pair at the start of n_bytes. Returns the bytes it takes, or 0 if it is cut
 * off; the pair points into data.
 */
size_t record_pair_read(const uint8_t *data, size_t n_bytes,
			struct record_pair *ret_pair);

/* The value of a name in a run of pairs into a fixed room, cut to it; "" if absent. */
void record_pairs_get(const struct record_bytes *pairs, const char *name, char *ret_value,
		      size_t n_room);
