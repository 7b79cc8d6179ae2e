/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Incremental reader: bytes as they arrive, cut anywhere, become record events.
 *
 * The reader holds no buffer but the eight bytes of a header that may arrive in
 * pieces. The caller lends a window of bytes; each call takes some of it away and
 * returns one event. Content is handed on as slices of the caller's own window, so
 * nothing is copied. Padding is skipped silently.
 *
 *	const uint8_t *p = window;
 *	while ((r = fcgi_reader_next(&reader, &p, &n, &event)) == 0)
 *		handle(&event);
 *	// r == FCGI_READER_PENDING: n is 0, come back with more bytes
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/record.h"

enum fcgi_reader_result {
	FCGI_READER_PENDING = 1, /* the window is used up */
	FCGI_READER_MALFORMED,   /* wrong version (seen with the first byte of a header):
				  * the stream cannot be followed any more; every later
				  * call returns this again */
};

enum fcgi_event_kind {
	FCGI_EVENT_RECORD,  /* a header is complete: `record` */
	FCGI_EVENT_CONTENT, /* n > 0 bytes of the current record's content: `data`, `n` */
	FCGI_EVENT_DONE,    /* content and padding of the current record are through */
};

struct fcgi_event {
	enum fcgi_event_kind kind;
	struct fcgi_record record; /* the current record, in every event */
	const uint8_t *data;       /* points into the caller's window */
	size_t n;
};

struct fcgi_reader {
	struct fcgi_record record;
	uint8_t header[FCGI_RECORD_HEADER_BYTES];
	uint8_t n_header;     /* bytes of the header that have come; 8: in a record */
	bool malformed;
	uint16_t content_left;
	uint8_t padding_left;
};

void fcgi_reader_init(struct fcgi_reader *reader);

/* Takes bytes from the window (*bytes, *n are moved on) until one event is complete.
 * 0: *ret holds it. FCGI_READER_PENDING, FCGI_READER_MALFORMED: *ret is untouched. A
 * record of length 0 gives RECORD and DONE. DONE may need no byte of its own, so it may
 * come out of an empty window: call until PENDING, not until n is 0. *bytes may be NULL
 * when *n is 0. */
__attribute__((warn_unused_result))
int fcgi_reader_next(struct fcgi_reader *reader, const uint8_t **bytes, size_t *n,
		     struct fcgi_event *ret);

/* True between records: the DONE of the last one was returned and nothing of a next one
 * has been seen. An EOF anywhere else cuts a record. */
bool fcgi_reader_is_between(const struct fcgi_reader *reader);

/* The fixed bodies (8 bytes) may come in pieces too. Collects CONTENT slices into
 * `body`; the caller zeroes body.n at FCGI_EVENT_RECORD. Bytes past the eighth are
 * counted but not kept, so that fcgi_begin_decode() and its like refuse the length. */
struct fcgi_body8 {
	uint8_t bytes[FCGI_RECORD_BODY_BYTES];
	size_t n;
};
void fcgi_body8_add(struct fcgi_body8 *body, const uint8_t *data, size_t n);
