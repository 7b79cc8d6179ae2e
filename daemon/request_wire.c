/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of one request on their way to PHP-FPM. */

/*
 * The wire is front, PARAMS, tail, STDIN records, empty STDIN. Nothing of it is ever
 * built in one piece: an offset says how much has gone, and each write collects what
 * follows from where it lies. The body's records are arithmetic (fcgi_writer_locate), so
 * a request can be sent a second time from its start, and a body in a file needs no copy
 * with headers.
 */

#include "daemon/request_wire.h"

#include <errno.h>
#include <fastcgi.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/body.h"
#include "daemon/macros.h"
#include "daemon/outq.h"
#include "fcgi/writer.h"

enum {
	REQUEST_WIRE_RECORDS = 4, /* STDIN records in one write at most */
	REQUEST_WIRE_TURN_BYTES = 256 * 1024,
};

/* One sendmsg(). */
struct request_batch {
	struct iovec iov[4 + 2 * REQUEST_WIRE_RECORDS];
	size_t n_iov;
	uint64_t skip; /* bytes of what is added next that have gone already */
	uint8_t headers[REQUEST_WIRE_RECORDS][FCGI_RECORD_HEADER_BYTES];
	uint8_t end[FCGI_RECORD_HEADER_BYTES];
};

void request_wire_init(struct request_wire *wire, const struct request_parts *parts,
		       bool is_fresh, bool has_hello, bool keep_conn, bool waits)
{
	struct fcgi_writer front;

	*wire = (struct request_wire){ .parts = parts };
	fcgi_writer_init(&front, wire->front, sizeof(wire->front));
	if (has_hello)
		(void)fcgi_writer_get_values(&front);
	else if (is_fresh)
		wire->n_first = FCGI_RECORD_HEADER_BYTES + FCGI_RECORD_BODY_BYTES;
	(void)fcgi_writer_begin(&front, parts->id, FCGI_RESPONDER,
				keep_conn ? FCGI_KEEP_CONN : 0);
	wire->n_front = front.n;
	wire->n = front.n + parts->n_params + parts->n_tail +
		  fcgi_writer_wire_bytes(parts->body->n) + FCGI_RECORD_HEADER_BYTES;
	wire->end = waits && wire->n_first > 0 ? wire->n_first : wire->n;
}

void request_wire_go(struct request_wire *wire)
{
	wire->end = wire->n;
}

bool request_wire_has_begun(const struct request_wire *wire)
{
	return wire->n_first == 0 || wire->at > wire->n_first;
}

static void request_batch_add(struct request_batch *batch, const void *bytes, size_t n)
{
	struct iovec *iov = &batch->iov[batch->n_iov];

	if (batch->skip >= n) {
		batch->skip -= n;
		return;
	}
	/* sendmsg() does not write to what an iovec points to */
	iov->iov_base = (void *)(uintptr_t)((const uint8_t *)bytes + batch->skip);
	iov->iov_len = n - (size_t)batch->skip;
	batch->skip = 0;
	batch->n_iov++;
}

/* One STDIN record at body offset `at` of the wire. Returns its size, or -errno. */
static int64_t request_batch_add_record(struct request_batch *batch,
					const struct request_parts *parts, size_t i,
					uint64_t at, uint8_t *scratch)
{
	struct fcgi_writer_place place;
	struct fcgi_record record = { .type = FCGI_STDIN, .id = parts->id };
	const uint8_t *content;

	fcgi_writer_locate(parts->body->n, at, &place);
	record.n_content = place.n_content;
	fcgi_record_encode(&record, batch->headers[i]);
	content = body_get(parts->body, place.content_offset, place.n_content, scratch);
	if (!content)
		return -errno;
	batch->skip = (uint64_t)place.header_skip + place.content_skip;
	request_batch_add(batch, batch->headers[i], FCGI_RECORD_HEADER_BYTES);
	request_batch_add(batch, content, place.n_content);
	return FCGI_RECORD_HEADER_BYTES + place.n_content - place.header_skip -
	       place.content_skip;
}

/* The body from wire offset batch->skip on. *ret_done: its end is in the batch too. */
static int request_batch_add_body(struct request_batch *batch,
				  const struct request_parts *parts, uint8_t *scratch,
				  bool *ret_done)
{
	uint64_t n_wire = fcgi_writer_wire_bytes(parts->body->n), at = batch->skip;
	size_t n_records = body_is_spooled(parts->body) ? 1 : REQUEST_WIRE_RECORDS;
	int64_t n;

	if (at >= n_wire) {
		batch->skip -= n_wire;
		*ret_done = true;
		return 0;
	}
	for (size_t i = 0; i < n_records && at < n_wire; i++) {
		n = request_batch_add_record(batch, parts, i, at, scratch);
		if (n < 0)
			return (int)n;
		at += (uint64_t)n;
	}
	*ret_done = at >= n_wire;
	return 0;
}

/* What follows wire offset `at`. */
static int request_batch_fill(struct request_batch *batch,
			      const struct request_wire *wire, uint64_t at,
			      uint8_t *scratch)
{
	const struct request_parts *parts = wire->parts;
	struct fcgi_writer end;
	bool done = false;
	int r;

	batch->n_iov = 0;
	batch->skip = at;
	request_batch_add(batch, wire->front, wire->n_front);
	request_batch_add(batch, parts->params, parts->n_params);
	request_batch_add(batch, parts->tail, parts->n_tail);
	r = request_batch_add_body(batch, parts, scratch, &done);
	if (r < 0 || !done)
		return r;
	fcgi_writer_init(&end, batch->end, sizeof(batch->end));
	(void)fcgi_writer_stream_end(&end, FCGI_STDIN, parts->id);
	request_batch_add(batch, batch->end, end.n);
	return 0;
}

/* One system call. A first write of its own goes with what follows it, as two messages.
 * Returns the bytes sent, 0 when it was interrupted, or -errno. */
static int64_t request_wire_send_batch(struct request_wire *wire, int fd,
				       uint8_t *scratch)
{
	struct request_batch batch;
	struct iovec first = { wire->front, wire->n_first };
	struct mmsghdr messages[2] = {
		{ .msg_hdr = { .msg_iov = &first, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = batch.iov } },
	};
	bool has_first = wire->at < wire->n_first, has_rest;
	int64_t n_bytes = 0;
	int r;

	first.iov_base = wire->front + (has_first ? wire->at : 0);
	first.iov_len = wire->n_first - (has_first ? wire->at : 0);
	r = request_batch_fill(&batch, wire, has_first ? wire->n_first : wire->at,
			       scratch);
	if (r < 0)
		return r;
	messages[1].msg_hdr.msg_iovlen = batch.n_iov;
	has_rest = wire->end == wire->n;
	r = sendmmsg(fd, messages + !has_first, (unsigned)(has_first + has_rest),
		     MSG_NOSIGNAL);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < r; i++)
		n_bytes += messages[!has_first + i].msg_len;
	wire->n_writes += (unsigned)r;
	return n_bytes;
}

int request_wire_send(struct request_wire *wire, int fd, uint8_t *scratch)
{
	uint64_t end = wire->at + REQUEST_WIRE_TURN_BYTES;
	int64_t n;

	while (wire->at < wire->end) {
		if (wire->at >= end)
			return REQUEST_WIRE_MORE;
		n = request_wire_send_batch(wire, fd, scratch);
		/* no memory in the kernel: in the next turn perhaps */
		if (n == -ENOBUFS || n == -ENOMEM)
			return REQUEST_WIRE_MORE;
		if (n < 0)
			return n == -EAGAIN ? REQUEST_WIRE_AGAIN : (int)n;
		wire->at += (uint64_t)n;
	}
	return 0;
}

int request_wire_charge(const struct request_wire *wire)
{
	int first, rest;

	/* in the writes that the charges are known for? */
	if (wire->n_first == 0 || wire->at < wire->end)
		return 0;
	first = outq_charge(wire->n_first);
	if (wire->end == wire->n_first)
		return first;
	if (wire->n_writes != 2 || wire->n - wire->n_first > OUTQ_CHARGE_MAX_BYTES)
		return 0;
	rest = outq_charge((size_t)(wire->n - wire->n_first));
	return first > 0 && rest > 0 ? first + rest : 0;
}
