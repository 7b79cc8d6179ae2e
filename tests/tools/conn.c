/* SPDX-License-Identifier: BSD-2-Clause */
/* One accepted connection of the scripted responder: what it reads, writes and logs. */
#include "tests/tools/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/net.h"

void conn_log(const struct conn *conn, const char *format, ...)
{
	char line[2048];
	va_list list;
	int n;

	if (conn->log_fd < 0)
		return;
	n = snprintf(line, sizeof(line), "conn %u ", conn->number);
	va_start(list, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t) n - 1, format, list);
	va_end(list);
	if (n > (int) sizeof(line) - 2)
		n = (int) sizeof(line) - 2;
	line[n] = '\n';
	n = (int) write(conn->log_fd, line, (size_t) n + 1);
	(void) n;
}

void conn_end(struct conn *conn, const char *why)
{
	if (!conn->why)
		conn->why = why;
}

const char *conn_error(long r)
{
	if (r == 0)
		return "peer closed";
	return r == -ECONNRESET ? "peer reset" : strerror((int) -r);
}

/* Reads exactly n_bytes and not one more, as PHP does: SIOCOUTQ of the peer shows it. */
static bool conn_read(struct conn *conn, void *data, size_t n_bytes)
{
	uint8_t *at = data;

	while (n_bytes > 0 && !conn->why) {
		ssize_t n = net_read(conn->fd, at, n_bytes, UINT64_MAX);

		if (n <= 0) {
			conn_end(conn, conn_error(n));
			return false;
		}
		at += n;
		n_bytes -= (size_t) n;
	}
	return !conn->why;
}

void conn_write(struct conn *conn, const void *data, size_t n_bytes)
{
	const uint8_t *at = data;

	while (n_bytes > 0 && !conn->why) {
		size_t n = n_bytes < conn->split ? n_bytes : conn->split;
		int r = net_write(conn->fd, at, n, UINT64_MAX);

		if (r == -EPIPE)
			conn_end(conn, "write: peer closed");
		else if (r < 0)
			conn_end(conn, conn_error(r));
		at += n;
		n_bytes -= n;
	}
}

void conn_put(struct conn *conn, uint8_t type, const void *content, size_t n)
{
	struct record_bytes out = { 0 };
	struct record_head head = { conn->version, type, conn->id, (uint16_t) n, 0 };

	if (head.id == 0)
		head.id = conn->request.id;
	head.n_padding = record_padding(n);
	if (conn->padding >= 0)
		head.n_padding = (uint8_t) conn->padding;
	record_put(&out, &head, content);
	conn_write(conn, out.data, out.n_bytes);
	record_bytes_done(&out);
}

/* n_bytes of a pattern that shows lost and doubled bytes, in records of conn->chunk. */
void conn_fill(struct conn *conn, uint8_t type, uint64_t n_bytes)
{
	static char content[RECORD_CONTENT_MAX];
	uint64_t offset = 0;

	while (offset < n_bytes && !conn->why) {
		size_t n = conn->chunk;

		if (n > n_bytes - offset)
			n = (size_t) (n_bytes - offset);
		for (size_t i = 0; i < n; i++)
			content[i] = (char) ('a' + (offset + i) % 26);
		conn_put(conn, type, content, n);
		offset += n;
	}
}

static void conn_log_request(struct conn *conn)
{
	struct request *request = &conn->request;
	const struct record_bytes *params = &request->params;
	char method[32], script[256], query[256];

	record_pairs_get(params, "REQUEST_METHOD", method, sizeof(method));
	record_pairs_get(params, "SCRIPT_NAME", script, sizeof(script));
	record_pairs_get(params, "QUERY_STRING", query, sizeof(query));
	conn_log(conn,
		 "%s %u method=%s id=%u role=%u flags=%u script=%s query=%s "
		 "content_length=%llu stdin=%llu values=%u split_pairs=%u oversize=%u "
		 "padded_ends=%u foreign_ids=%u at_us=%llu",
		 conn->why ? "cut" : "request", conn->n_requests, method, request->id,
		 request->role, request->flags, script, query,
		 (unsigned long long) request->content_length,
		 (unsigned long long) request->n_stdin, conn->n_values,
		 conn->n_split_pairs, conn->n_oversize, conn->n_padded_ends,
		 conn->n_foreign_ids, (unsigned long long) net_now_us());
}

/* FPM answers MPXS_CONNS only, and only if it is asked for it. */
static void conn_answer_values(struct conn *conn, const uint8_t *content, size_t n)
{
	static const struct record_pair mpxs = { "FCGI_MPXS_CONNS", "0", 15, 1 };
	struct record_bytes pairs = { 0 }, out = { 0 };
	struct record_head head = { 1, RECORD_VALUES, 0, 0, 0 };

	if (memmem(content, n, mpxs.name, mpxs.n_name))
		record_put_pair(&pairs, &mpxs);
	head.n_content = (uint16_t) pairs.n_bytes;
	head.n_padding = record_padding(pairs.n_bytes);
	record_put(&out, &head, pairs.data);
	conn->n_values++;
	conn_log(conn, "values");
	conn_write(conn, out.data, out.n_bytes);
	if (conn->is_old_php)
		conn_end(conn, "old PHP closes behind GET_VALUES");
	record_bytes_done(&pairs);
	record_bytes_done(&out);
}

static void request_begin(struct conn *conn, const struct record_head *head,
			  const uint8_t *content)
{
	struct request *request = &conn->request;

	record_bytes_done(&request->params);
	memset(request, 0, sizeof(*request));
	request->id = head->id;
	request->is_begun = true;
	if (head->n_content == 8) {
		request->role = (uint16_t) (content[0] << 8 | content[1]);
		request->flags = content[2];
	}
	conn->n_requests++;
}

/* FPM parses each PARAMS record alone: a pair that goes on in the next one is its end. */
static void request_add_params(struct conn *conn, const uint8_t *content, size_t n)
{
	struct request *request = &conn->request;
	struct record_pair pair;
	char length[24];
	size_t at = 0, m;

	if (n == 0) {
		request->has_params = true;
		record_pairs_get(&request->params, "CONTENT_LENGTH", length,
				 sizeof(length));
		request->content_length = strtoull(length, NULL, 10);
	}
	while (at < n && (m = record_pair_read(content + at, n - at, &pair)) > 0)
		at += m;
	if (at < n)
		conn->n_split_pairs++;
	record_bytes_put(&request->params, content, n);
}

static void request_add(struct conn *conn, const struct record_head *head,
			const uint8_t *content)
{
	struct request *request = &conn->request;
	bool is_stream = head->type == RECORD_PARAMS || head->type == RECORD_STDIN;

	if (head->n_content + head->n_padding > RECORD_CONTENT_MAX)
		conn->n_oversize++;
	if (is_stream && head->n_content == 0 && head->n_padding > 0)
		conn->n_padded_ends++;
	if (!request->is_begun)
		return;
	if (head->id != request->id)
		conn->n_foreign_ids++;
	if (head->type == RECORD_PARAMS)
		request_add_params(conn, content, head->n_content);
	if (head->type != RECORD_STDIN)
		return;
	request->n_stdin += head->n_content;
	request->is_complete = head->n_content == 0;
}

/* Reads one record and lets it act; false once the connection has ended. */
static bool conn_read_record(struct conn *conn)
{
	static uint8_t content[RECORD_CONTENT_MAX + 255];
	uint8_t raw[RECORD_HEAD_BYTES];
	struct record_head head;

	if (!conn_read(conn, raw, sizeof(raw)))
		return false;
	record_head_read(raw, &head);
	if (!conn_read(conn, content, (size_t) head.n_content + head.n_padding))
		return false;
	if (head.type == RECORD_GET_VALUES)
		conn_answer_values(conn, content, head.n_content);
	else if (head.type == RECORD_ABORT)
		conn_log(conn, "abort");
	else if (head.type == RECORD_BEGIN)
		request_begin(conn, &head, content);
	else
		request_add(conn, &head, content);
	return !conn->why;
}

static bool request_is_read(const struct request *request, const char *until)
{
	if (strcmp(until, "request") == 0)
		return request->is_complete;
	if (strcmp(until, "params") == 0)
		return request->has_params;
	return request->has_params && request->n_stdin >= request->content_length;
}

/* Also skips what an earlier request left unread: an empty STDIN in front of BEGIN. */
void conn_read_until(struct conn *conn, const char *until)
{
	struct request *request = &conn->request;

	if (request->is_complete || request->is_answered) {
		record_bytes_done(&request->params);
		memset(request, 0, sizeof(*request));
	}
	while (!request_is_read(request, until) && conn_read_record(conn))
		;
	if (request->is_begun)
		conn_log_request(conn);
}

void conn_drop(struct conn *conn, uint64_t n_bytes)
{
	uint8_t dropped[4096];

	while (n_bytes > 0 && !conn->why) {
		size_t n = n_bytes < sizeof(dropped) ? (size_t) n_bytes : sizeof(dropped);

		conn_read(conn, dropped, n);
		n_bytes -= n;
	}
}
