/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Media types: which of those that we can send a client prefers. Pure.
 */

#include <stddef.h>

enum {
	MEDIA_ACCEPT_MAX_BYTES = 2048, /* of an Accept header; the rest is not read */
};

enum media_kind { /* in the order of our liking */
	MEDIA_HTML,
	MEDIA_PLAIN,
	MEDIA_JSON,
	MEDIA_N_KINDS,
};

/* accept: the text of an Accept header, n bytes; NULL with 0. Nothing said and anything
 * welcome is HTML: those are people, and tools that do not care. Any kind of JSON
 * (application/json, application/...+json) is JSON. Who wants none of the three (an
 * image, a stylesheet) gets the shortest, plain text. */
enum media_kind media_choose(const char *accept, size_t n);
