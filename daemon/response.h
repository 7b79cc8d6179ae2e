/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * An answer on its way back: held until its CGI header is complete, so that a worker that
 * dies early still becomes a clean answer of ours.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/macros.h"
#include "fcgi/cgi_header.h"

struct memory;

enum response_result {
	RESPONSE_HELD = 1,  /* kept; the header goes on */
	RESPONSE_MALFORMED,
	RESPONSE_TOO_BIG,   /* longer than header_max */
	RESPONSE_NO_MEMORY,
};

enum {
	RESPONSE_STDERR_MAX =
		16 * 1024, /* held in front of a header; the rest is logged only */
};

struct response_held {
	uint8_t *bytes;
	size_t n, size;
};

struct response {
	struct memory *memory;
	struct cgi_header header;
	bool is_passing;          /* the header is complete */
	struct response_held out; /* STDOUT */
	struct response_held err; /* STDERR */
};

void response_init(struct response *response, struct memory *memory, size_t header_max);
/* Frees what is held; the same response may be fed again from the start after _init. */
void response_done(struct response *response);

/* Output, while !is_passing. 0: the header is complete now: send out, then these bytes,
 * then err. Otherwise one of the above; RESPONSE_HELD has copied the bytes. */
int response_feed(struct response *response, const uint8_t *data, size_t n) _must_check_;
/* STDERR, while !is_passing: held, bounded. */
void response_feed_stderr(struct response *response, const uint8_t *data, size_t n);
