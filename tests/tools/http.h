/* SPDX-License-Identifier: BSD-2-Clause */
/* An incremental reader of HTTP/1.1 responses: bytes in, header and body slices out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_HEAD_MAX 262144

enum http_state {
	HTTP_HEAD,		/* in the status line or the headers */
	HTTP_LENGTH,		/* left bytes of body to come */
	HTTP_UNTIL_CLOSE,	/* the body ends with the connection */
	HTTP_CHUNK_SIZE,	/* in the line with a chunk's size */
	HTTP_CHUNK,		/* left bytes of this chunk to come */
	HTTP_CHUNK_END,		/* in the line end behind a chunk */
	HTTP_TRAILER,		/* behind the last chunk */
	HTTP_DONE,
};

/* One response. Embedded; http_reader_init() first, http_reader_done() last. */
struct http_reader {
	enum http_state state;
	bool is_head_request;
	bool is_closing;	/* the server will close this connection */
	int status;		/* 0 until the header is complete */
	uint64_t left;
	size_t n_line;		/* bytes of the trailer line so far */
	char *head;		/* status line and headers, terminated by a NUL */
	size_t n_head;
	size_t n_room;
};

/* A fresh reader for the answer to a request, HEAD or not; keeps the head's memory. */
void http_reader_init(struct http_reader *reader, bool is_head_request);

/* Frees the head; a reader that is all zero may be given. */
void http_reader_done(struct http_reader *reader);

/*
 * Consumes bytes up to the end of the next slice of body. Returns how many it took (call
 * again with the rest until all are taken or the state is HTTP_DONE), with *ret_body
 * pointing into data and *ret_n_body its length, 0 if these bytes were no body. Returns
 * -EBADMSG if this is not HTTP, -E2BIG for a header of more than HTTP_HEAD_MAX bytes,
 * -ENOMEM.
 */
ssize_t http_reader_feed(struct http_reader *reader, const char *data, size_t n_bytes,
			 const char **ret_body, size_t *ret_n_body);

/* The connection has ended. Returns true if the response is complete all the same. */
bool http_reader_is_complete_at_eof(const struct http_reader *reader);

/*
 * The next header line behind *at (start with NULL: the status line), its length without
 * the line end in *ret_n_bytes; NULL behind the last.
 */
const char *http_reader_line(const struct http_reader *reader, const char *at,
			     size_t *ret_n_bytes);
