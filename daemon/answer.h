/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Answers of our own: a reason becomes the bytes of a CGI response. Pure, no sockets.
 *
 * Header: Status, Content-Type, Content-Length (exact), Cache-Control: no-store, Vary:
 * Accept, Retry-After (503 and 429), X-Fpmgate-Reason, X-Fpmgate-Request-Id. Body as the
 * client prefers (daemon/media.h): an HTML page, application/problem+json (RFC 9457) or
 * plain text; none for HEAD, with the length that GET would have got.
 *
 * The page is our own (under 2 KiB, nothing from outside) or the operator's, a text in
 * which these are replaced, escaped for HTML; any other {{word}} stays as it is:
 *
 *   {{status}}       503
 *   {{title}}        Service Unavailable
 *   {{reason}}       queue_full
 *   {{sentence}}     Too many requests are waiting already.
 *   {{retry_after}}  seconds; empty where there is no Retry-After
 *   {{request_id}}   empty when there is none
 *   {{refresh}}      the <meta> element that loads the page again after retry_after; only
 *                    for GET (a POST must not be sent again), else empty
 *   {{again}}        a <p> element that says when to try again, or where {{refresh}} is
 *                    not empty, that the page does it
 */

#include <stdbool.h>
#include <stddef.h>

#include "health/reason.h"

enum {
	ANSWER_MAX_BYTES = 4096,   /* no answer with our own page is longer */
	ANSWER_ID_MAX_BYTES = 64,  /* of a request id; the rest is cut off */
};

/* All pointers stay the caller's and are not kept. */
struct answer_params {
	enum health_reason reason;
	const char *request_id; /* NULL or "": none; visible ASCII, else '?' */
	unsigned retry_after_s; /* 0: none; looked at only with statuses 503 and 429 */
	const char *accept;     /* HTTP_ACCEPT; NULL or empty: anything is welcome */
	size_t n_accept;
	bool is_head, is_get;   /* the method; neither: anything else */
	const char *page;       /* the operator's page; NULL or empty: our own */
	size_t n_page;
};

/* Writes header and body to buf, without a NUL. 0 and *ret_n, the bytes written. An
 * operator's page that does not fit is replaced by our own. -EINVAL: a reason that is
 * never an answer (its status is 0). -ENOBUFS: longer than size, which does not happen
 * when size is at least ANSWER_MAX_BYTES; buf then holds nothing of use. */
int answer_render(const struct answer_params *params, char *buf, size_t size,
		  size_t *ret_n);
/* The size of a buffer that holds every answer with this page (NULL, 0: our own). */
size_t answer_max_bytes(const char *page, size_t n_page);
