/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Finds the end of a CGI header block, its Status, and its faults, incrementally.
 *
 * RFC 3875, section 6, as web servers read it. A page that a visitor gets without the
 * gateway must not be lost with it, so a fault is what nginx answers with a 502 of its
 * own (measured with nginx 1.22.1, and compared with it over 20,000 random blocks):
 *
 * - a line that begins with a blank, a control byte or ':' (so no continuation lines);
 * - a blank, a control byte or DEL in a name, also before its ':';
 * - NUL, or a CR with anything but LF behind it (several CR count as one);
 * - a first Status that is not three digits.
 *
 * One thing more is a fault, because nginx passes it on but no browser understands it: a
 * first Status below 100 or of four digits.
 *
 * Not a fault, because nginx takes it: lines that end with LF alone, a name without ':'
 * (its value is empty), any other byte in a name, a line that begins with "HTTP/" (it is
 * skipped; PHP sends one with cgi.rfc2616_headers = 1), and a block of no line at all,
 * which is what PHP sends when a script removes every header.
 *
 * No two web servers agree. Apache refuses more (every name that is no token, a name
 * without ':'), lighttpd and Caddy take blanks in names and continuation lines.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cgi_header_result {
	CGI_HEADER_PENDING = 1, /* all bytes belong to the header; it goes on */
	CGI_HEADER_MALFORMED,
	CGI_HEADER_TOO_BIG,     /* no end within max_bytes */
};

struct cgi_header {
	size_t max_bytes;
	size_t n_bytes;      /* of the header so far, at the end with the empty line */
	uint16_t status;     /* of the first Status line; without one 302 when there is a
			      * Location (nginx; RFC 3875, 6.2.3), else 200; valid at the
			      * end */
	bool has_status;     /* what follows is the parser's own */
	uint8_t state;
	uint8_t n_word;
	char word[8];        /* a name's first bytes, then the digits of Status */
};

void cgi_header_init(struct cgi_header *header, size_t max_bytes);
/* Feeds n bytes, cut anywhere. 0: the header ended; *ret_used of the bytes belong to it,
 * the rest is body. CGI_HEADER_PENDING: *ret_used is n. CGI_HEADER_MALFORMED, _TOO_BIG:
 * *ret_used says nothing. These two and the end are final: later calls give the same
 * again and use no byte. bytes may be NULL when n is 0. */
__attribute__((warn_unused_result))
int cgi_header_feed(struct cgi_header *header, const uint8_t *bytes, size_t n,
		    size_t *ret_used);
