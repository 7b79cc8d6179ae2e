/* SPDX-License-Identifier: BSD-2-Clause */
/* An incremental reader of HTTP/1.1 responses: bytes in, header and body slices out. */
#include "tests/tools/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_reader_init(struct http_reader *reader, bool is_head_request)
{
	struct http_reader fresh = { .head = reader->head, .n_room = reader->n_room,
				     .is_head_request = is_head_request };

	*reader = fresh;
}

void http_reader_done(struct http_reader *reader)
{
	free(reader->head);
	memset(reader, 0, sizeof(*reader));
}

const char *http_reader_line(const struct http_reader *reader, const char *at,
			     size_t *ret_n_bytes)
{
	const char *end = reader->head + reader->n_head, *newline;

	if (!at)
		at = reader->head;
	else if ((newline = memchr(at, '\n', (size_t) (end - at))))
		at = newline + 1;
	if (!at || at >= end || *at == '\r' || *at == '\n')
		return NULL;
	*ret_n_bytes = strcspn(at, "\r\n");
	return at;
}

static bool line_is(const char *line, size_t n_bytes, const char *name)
{
	size_t n = strlen(name);

	return n_bytes > n && strncasecmp(line, name, n) == 0;
}

/* The header is complete: what kind of body follows. */
static int http_reader_head(struct http_reader *reader)
{
	size_t n = 0;
	const char *line = http_reader_line(reader, NULL, &n);
	bool has_length = false, is_chunked = false;

	if (!line || n < 12 || strncmp(line, "HTTP/1.", 7) != 0)
		return -EBADMSG;
	reader->status = atoi(line + 9);
	reader->is_closing = line[7] == '0';
	while ((line = http_reader_line(reader, line, &n))) {
		if (line_is(line, n, "Content-Length:")) {
			has_length = true;
			reader->left = strtoull(line + 15, NULL, 10);
		} else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0) {
			is_chunked = true;
		} else if (strncasecmp(line, "Connection: close", 17) == 0) {
			reader->is_closing = true;
		}
	}
	if (reader->status >= 100 && reader->status < 200) {
		http_reader_init(reader, reader->is_head_request);
		return 0;
	}
	if (reader->is_head_request || reader->status == 204 || reader->status == 304)
		reader->state = HTTP_DONE;
	else if (is_chunked)
		reader->state = HTTP_CHUNK_SIZE;
	else if (has_length)
		reader->state = reader->left > 0 ? HTTP_LENGTH : HTTP_DONE;
	else
		reader->state = HTTP_UNTIL_CLOSE;
	if (is_chunked)
		reader->left = 0;
	return 0;
}

static bool head_is_complete(const struct http_reader *reader)
{
	const char *end = reader->head + reader->n_head;
	size_t n = reader->n_head;

	return (n >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0) ||
	       (n >= 2 && memcmp(end - 2, "\n\n", 2) == 0);
}

static int http_reader_put_head(struct http_reader *reader, char c)
{
	if (reader->n_head + 1 >= reader->n_room) {
		size_t n_room = reader->n_room ? 2 * reader->n_room : 1024;
		char *head;

		if (n_room > HTTP_HEAD_MAX)
			return -E2BIG;
		head = realloc(reader->head, n_room);
		if (!head)
			return -ENOMEM;
		reader->head = head;
		reader->n_room = n_room;
	}
	reader->head[reader->n_head++] = c;
	reader->head[reader->n_head] = '\0';
	return c == '\n' && head_is_complete(reader) ? http_reader_head(reader) : 0;
}

static int http_reader_put_size(struct http_reader *reader, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, c | 0x20) : NULL;

	if (c == '\n')
		reader->state = reader->left > 0 ? HTTP_CHUNK : HTTP_TRAILER;
	else if (digit && reader->left < (uint64_t) 1 << 56)
		reader->left = reader->left << 4 | (uint64_t) (digit - digits);
	else if (c != '\r')
		return -EBADMSG;
	return 0;
}

/* One byte that is no body. */
static int http_reader_put(struct http_reader *reader, char c)
{
	switch (reader->state) {
	case HTTP_HEAD:
		return http_reader_put_head(reader, c);
	case HTTP_CHUNK_SIZE:
		return http_reader_put_size(reader, c);
	case HTTP_CHUNK_END:
		if (c != '\r' && c != '\n')
			return -EBADMSG;
		if (c == '\n')
			reader->state = HTTP_CHUNK_SIZE;
		return 0;
	case HTTP_TRAILER:
		if (c == '\n' && reader->n_line == 0)
			reader->state = HTTP_DONE;
		reader->n_line = c == '\n' ? 0 : reader->n_line + (c != '\r');
		return 0;
	case HTTP_LENGTH:
	case HTTP_UNTIL_CLOSE:
	case HTTP_CHUNK:
	case HTTP_DONE:
		break;
	}
	return -EBADMSG;
}

static bool http_state_is_body(enum http_state state)
{
	return state == HTTP_LENGTH || state == HTTP_UNTIL_CLOSE || state == HTTP_CHUNK;
}

static size_t http_reader_body(struct http_reader *reader, size_t n_bytes)
{
	if (reader->state == HTTP_UNTIL_CLOSE)
		return n_bytes;
	if (n_bytes < reader->left) {
		reader->left -= n_bytes;
		return n_bytes;
	}
	n_bytes = (size_t) reader->left;
	reader->left = 0;
	reader->state = reader->state == HTTP_LENGTH ? HTTP_DONE : HTTP_CHUNK_END;
	return n_bytes;
}

ssize_t http_reader_feed(struct http_reader *reader, const char *data, size_t n_bytes,
			 const char **ret_body, size_t *ret_n_body)
{
	size_t at = 0;

	*ret_body = NULL;
	*ret_n_body = 0;
	while (at < n_bytes && reader->state != HTTP_DONE) {
		int r;

		if (http_state_is_body(reader->state)) {
			*ret_body = data + at;
			*ret_n_body = http_reader_body(reader, n_bytes - at);
			return (ssize_t) (at + *ret_n_body);
		}
		r = http_reader_put(reader, data[at++]);
		if (r < 0)
			return r;
	}
	return (ssize_t) at;
}

bool http_reader_is_complete_at_eof(const struct http_reader *reader)
{
	return reader->state == HTTP_DONE || reader->state == HTTP_UNTIL_CLOSE;
}
