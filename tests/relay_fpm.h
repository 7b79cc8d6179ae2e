/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A PHP-FPM worker as a few functions: it reads a request as main/fastcgi.c does.
 *
 * That is: record by record and not a byte more, CONTENT_LENGTH bytes of STDIN, and the
 * empty STDIN behind them only when it asks for its next request, or when it ends the
 * connection. What it writes is the test's business.
 */

#include "tests/relay_fixture.h"

struct fpm {
	int fd;
	bool is_deaf;              /* does not answer a GET_VALUES record */
	uint8_t header[FCGI_RECORD_HEADER_BYTES];
	size_t n_header;
	struct fcgi_record record;
	size_t n_left;             /* of content and padding of the record */
	uint16_t id;               /* of the request; 0: none yet */
	bool keep_conn;
	bool has_params;
	bool is_complete;          /* but for the empty STDIN */
	struct bytes content;      /* of the record */
	struct bytes params;       /* pairs */
	uint64_t length, n_body;   /* CONTENT_LENGTH, and what has come */
	struct bytes body;
	unsigned n_hellos, n_requests;
	int end;                   /* 1: EOF, < 0: errno of a read */
};

static inline void fpm_forget(struct fpm *fpm)
{
	bytes_done(&fpm->content);
	bytes_done(&fpm->params);
	bytes_done(&fpm->body);
	fpm->id = 0;
	fpm->has_params = fpm->is_complete = fpm->keep_conn = false;
	fpm->length = fpm->n_body = 0;
}

/* Takes a connection that waits; there is one. */
static inline void fpm_accept(struct fpm *fpm, int listen_fd)
{
	*fpm = (struct fpm){ .fd = relay_accept(listen_fd) };
	assert_true(fpm->fd >= 0);
}

static inline void fpm_close(struct fpm *fpm)
{
	fpm_forget(fpm);
	if (fpm->fd >= 0)
		close(fpm->fd);
	fpm->fd = -1;
}

/* As a worker ends a connection: SHUT_WR first, then it reads what is left. */
static inline void fpm_shut(struct fpm *fpm)
{
	struct bytes rest = { 0 };

	assert_int_equal(shutdown(fpm->fd, SHUT_WR), 0);
	(void)bytes_recv(&rest, fpm->fd);
	bytes_done(&rest);
}

/* A worker that cannot answer drops the connection. */
static inline void fpm_answer_hello(struct fpm *fpm)
{
	struct bytes answer = { 0 };

	fpm->n_hellos++;
	if (fpm->is_deaf)
		return;
	bytes_add_record(&answer, FCGI_GET_VALUES_RESULT, 0, "\017\001FCGI_MPXS_CONNS0",
			 18, 6);
	if (send(fpm->fd, answer.at, answer.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fpm->end = -errno;
	bytes_done(&answer);
}

/* The value of a param as a new text, NULL when it is not there. */
static inline char *fpm_param(const struct fpm *fpm, const char *name)
{
	const uint8_t *at = fpm->params.at, *end = at + fpm->params.n;

	while (at && at + 2 <= end) {
		size_t n[2];

		for (int i = 0; i < 2; i++) {
			n[i] = *at++;
			if (n[i] & 0x80) {
				n[i] = (n[i] & 0x7f) << 24 | (size_t)at[0] << 16 |
				       (size_t)at[1] << 8 | at[2];
				at += 3;
			}
		}
		if (n[0] == strlen(name) && memcmp(at, name, n[0]) == 0)
			return strndup((const char *)at + n[0], n[1]);
		at += n[0] + n[1];
	}
	return NULL;
}

static inline void fpm_on_params_end(struct fpm *fpm)
{
	char *length = fpm_param(fpm, "CONTENT_LENGTH");

	fpm->has_params = true;
	fpm->length = length ? strtoull(length, NULL, 10) : 0;
	fpm->is_complete = fpm->length == 0;
	free(length);
}

static inline void fpm_on_record(struct fpm *fpm)
{
	switch (fpm->record.type) {
	case FCGI_GET_VALUES:
		fpm_answer_hello(fpm);
		break;
	case FCGI_BEGIN_REQUEST:
		fpm->id = fpm->record.id;
		fpm->keep_conn = fpm->content.at[2] & FCGI_KEEP_CONN;
		fpm->n_requests++;
		break;
	case FCGI_PARAMS:
		bytes_add(&fpm->params, fpm->content.at, fpm->record.n_content);
		if (fpm->record.n_content == 0)
			fpm_on_params_end(fpm);
		break;
	case FCGI_STDIN:
		bytes_add(&fpm->body, fpm->content.at, fpm->record.n_content);
		fpm->n_body += fpm->record.n_content;
		fpm->is_complete = fpm->has_params && fpm->n_body >= fpm->length;
		break;
	default:
		fail_msg("a record of type %u reached FPM", fpm->record.type);
	}
	bytes_done(&fpm->content);
}

/* Exactly so many bytes; false: not all of them are there. */
static inline bool fpm_take(struct fpm *fpm, uint8_t *to, size_t want, size_t *had)
{
	ssize_t n = recv(fpm->fd, to + *had, want - *had, MSG_DONTWAIT);

	if (n > 0)
		*had += (size_t)n;
	else if (n == 0 && want > *had)
		fpm->end = 1;
	else if (n < 0 && errno != EAGAIN)
		fpm->end = -errno;
	return *had == want;
}

static inline bool fpm_read_header(struct fpm *fpm)
{
	if (!fpm_take(fpm, fpm->header, sizeof(fpm->header), &fpm->n_header))
		return false;
	assert_int_equal(fcgi_record_decode(fpm->header, &fpm->record), 0);
	fpm->n_left = (size_t)fpm->record.n_content + fpm->record.n_padding;
	bytes_done(&fpm->content);
	return true;
}

/* Reads on as far as it can. True: a request is complete, its empty STDIN still unread.
 */
static inline bool fpm_read(struct fpm *fpm)
{
	static uint8_t buffer[65536];
	size_t n;

	while (!fpm->is_complete && fpm->end == 0) {
		if (fpm->n_header < sizeof(fpm->header) && !fpm_read_header(fpm))
			return false;
		for (; fpm->n_left > 0; fpm->n_left -= n) {
			n = 0;
			(void)fpm_take(fpm, buffer, fpm->n_left, &n);
			if (n == 0)
				return false;
			bytes_add(&fpm->content, buffer, n);
		}
		fpm->n_header = 0;
		fpm_on_record(fpm);
	}
	return fpm->is_complete;
}

/* Back in the accept loop: reads the empty STDIN, and the next request if there is one.
 */
static inline bool fpm_next(struct fpm *fpm)
{
	assert_true(fpm->is_complete);
	fpm_forget(fpm);
	return fpm_read(fpm);
}

static inline void fpm_send(struct fpm *fpm, uint8_t type, const char *text)
{
	struct bytes bytes = { 0 };

	bytes_add_text(&bytes, type, fpm->id, text);
	bytes_send(&bytes, fpm->fd);
}

static inline void fpm_end(struct fpm *fpm)
{
	struct bytes bytes = { 0 };

	bytes_add_end(&bytes, fpm->id);
	bytes_send(&bytes, fpm->fd);
}

#define FPM_HEADER "Content-Type: text/plain\r\n\r\n"

/* A whole answer, in one write. */
static inline void fpm_answer(struct fpm *fpm, const char *body)
{
	struct bytes bytes = { 0 };
	char text[256];

	snprintf(text, sizeof(text), FPM_HEADER "%s", body);
	bytes_add_text(&bytes, FCGI_STDOUT, fpm->id, text);
	bytes_add_end(&bytes, fpm->id);
	bytes_send(&bytes, fpm->fd);
}
