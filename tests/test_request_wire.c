/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/request_wire: what arrives at the other end of a socket, put
 * together by fcgi/reader, against the parts it was made of.
 */
#include "daemon/request_wire.h"

#include <errno.h>
#include <fastcgi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/body.h"
#include "daemon/loop.h"
#include "daemon/memory.h"
#include "daemon/outq.h"
#include "fcgi/params.h"
#include "fcgi/reader.h"
#include "fcgi/writer.h"

enum {
	ID = 0x0302,
	N_BODY_MAX = 1024 * 1024,
	N_WIRE_MAX = 2 * N_BODY_MAX,
};

static const uint64_t body_sizes[] = {
	0, 1, 65527, 65528, 65529, 131055, 131056, 131057, 4 * 65528, 4 * 65528 + 1,
	N_BODY_MAX,
};

static struct memory memory;
static struct spool spool = { .dir = "/tmp", .max = N_BODY_MAX };
static struct body body;
static struct request_parts parts;
static uint8_t params[100000];
static uint8_t *scratch, bytes[N_BODY_MAX];
static uint8_t wire_bytes[N_WIRE_MAX]; /* what has arrived */
static size_t n_wire;
static int pair[2] = { -1, -1 };

static int begin_all(void **state)
{
	(void)state;
	scratch = malloc(LOOP_SCRATCH_BYTES);
	for (size_t i = 0; i < N_BODY_MAX; i++)
		bytes[i] = (uint8_t)(i * 13 ^ i >> 7 ^ i >> 16);
	return scratch ? 0 : -1;
}

static int end_all(void **state)
{
	(void)state;
	free(scratch);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memory_init(&memory, NULL, 4 * N_BODY_MAX);
	body_init(&body, &memory, &spool, N_BODY_MAX);
	n_wire = 0;
	return 0;
}

static void close_pair(void)
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static int end(void **state)
{
	(void)state;
	close_pair();
	body_done(&body);
	return memory.used == 0 && spool.used == 0 ? 0 : -1;
}

#define wire_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

static void open_pair(int n_buffer)
{
	close_pair();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, pair), 0);
	if (n_buffer > 0)
		assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &n_buffer,
					    sizeof(n_buffer)), 0);
	n_wire = 0;
}

/* Params of some size, framed, a tail as the exchange makes one, and a body. */
static void make_parts(size_t n_params, uint64_t n_body, bool is_spooled)
{
	struct fcgi_writer tail;
	size_t n = 0;

	memset(params, 0, sizeof(params));
	while (n < n_params)
		n += fcgi_params_put(params + FCGI_RECORD_HEADER_BYTES + n,
				     "HTTP_COOKIE", 11, (const char *)bytes, 500);
	parts = (struct request_parts){ .id = ID, .params = params, .body = &body };
	parts.n_params = n > 0 ? fcgi_params_frame(params, n, ID) : 0;
	fcgi_writer_init(&tail, parts.tail, sizeof(parts.tail));
	assert_int_equal(fcgi_writer_param(&tail, ID, "FPMGATE_QUEUE_USEC", "1234"), 0);
	assert_int_equal(fcgi_writer_stream_end(&tail, FCGI_PARAMS, ID), 0);
	parts.n_tail = tail.n;
	body_done(&body);
	body_init(&body, &memory, &spool, is_spooled ? 0 : N_BODY_MAX);
	for (uint64_t at = 0; at < n_body; at += 50000)
		assert_int_equal(body_add(&body, bytes + at,
					  n_body - at < 50000 ? n_body - at : 50000), 0);
	assert_int_equal(body_is_spooled(&body), is_spooled && n_body > 0);
}

/* Takes at most n bytes off the socket; false: there are none. */
static bool take(size_t n)
{
	ssize_t got;

	assert_true(n_wire + n <= sizeof(wire_bytes));
	got = recv(pair[1], wire_bytes + n_wire, n, 0);
	assert_true(got > 0 || (got < 0 && errno == EAGAIN));
	n_wire += got > 0 ? (size_t)got : 0;
	return got > 0;
}

static void take_all(void)
{
	while (take(65536))
		;
}

/* Sends it all, and takes it off by so many bytes at a time. */
static void pump(struct request_wire *wire, size_t n_piece)
{
	int r;

	do {
		uint64_t before = wire->at;

		r = request_wire_send(wire, pair[0], scratch);
		assert_true(r == 0 || r == REQUEST_WIRE_AGAIN || r == REQUEST_WIRE_MORE);
		assert_true(wire->at - before <= 256 * 1024 + 4 * 65536UL + 100000);
		(void)take(n_piece);
	} while (r != 0);
	take_all();
	assert_int_equal(wire->at, wire->n);
	assert_int_equal(n_wire, wire->n);
}

/* --- what was sent, record by record --- */

struct seen {
	size_t n_records;
	uint8_t types[64];
	uint16_t ids[64];
	size_t n_contents[64];
	uint8_t *body;
	size_t n_body, n_params;
	uint8_t params[sizeof(params) + 200];
	uint8_t begin[8];
};
static struct seen seen;

static void see_content(const struct fcgi_event *event)
{
	if (event->record.type == FCGI_STDIN) {
		assert_true(seen.n_body + event->n <= N_BODY_MAX);
		assert_memory_equal(event->data, bytes + seen.n_body, event->n);
		seen.n_body += event->n;
	} else if (event->record.type == FCGI_PARAMS) {
		memcpy(seen.params + seen.n_params, event->data, event->n);
		seen.n_params += event->n;
	} else if (event->record.type == FCGI_BEGIN_REQUEST) {
		memcpy(seen.begin, event->data, 8);
	}
}

/* Fed at once: the reader has its own tests for pieces. */
static void see(void)
{
	const uint8_t *at = wire_bytes;
	size_t n = n_wire;
	struct fcgi_reader reader;
	struct fcgi_event event;

	memset(&seen, 0, sizeof(seen));
	fcgi_reader_init(&reader);
	while (fcgi_reader_next(&reader, &at, &n, &event) == 0) {
		if (event.kind == FCGI_EVENT_CONTENT)
			see_content(&event);
		if (event.kind != FCGI_EVENT_RECORD)
			continue;
		assert_true(seen.n_records < 64);
		seen.types[seen.n_records] = event.record.type;
		seen.ids[seen.n_records] = event.record.id;
		seen.n_contents[seen.n_records++] = event.record.n_content;
		/* PHP-FPM closes above this, and does not read a terminator's padding */
		assert_true(event.record.n_content + event.record.n_padding <= 65535);
		assert_true(event.record.n_content > 0 || event.record.n_padding == 0);
	}
	assert_int_equal(n, 0);
	assert_true(fcgi_reader_is_between(&reader));
}

/* From a record on: BEGIN, PARAMS, their end once, STDIN, its end once and last. */
static void assert_order(size_t first)
{
	size_t i = first;

	assert_int_equal(seen.types[i], FCGI_BEGIN_REQUEST);
	assert_int_equal(seen.n_contents[i++], 8);
	while (seen.types[i] == FCGI_PARAMS && seen.n_contents[i] > 0)
		i++;
	assert_int_equal(seen.types[i], FCGI_PARAMS);
	assert_int_equal(seen.n_contents[i++], 0);
	while (seen.types[i] == FCGI_STDIN && seen.n_contents[i] > 0)
		i++;
	assert_int_equal(seen.types[i], FCGI_STDIN);
	assert_int_equal(seen.n_contents[i++], 0);
	assert_int_equal(seen.n_records, i);
	for (i = first; i < seen.n_records; i++)
		assert_int_equal(seen.ids[i], ID);
}

/* What has arrived is the request that the parts are of. */
static void assert_whole(bool has_hello, bool keep_conn)
{
	struct fcgi_begin begin_body;
	size_t n_first = has_hello;

	see();
	if (has_hello) {
		assert_int_equal(seen.types[0], FCGI_GET_VALUES);
		assert_int_equal(seen.ids[0], 0);
	}
	assert_order(n_first);
	assert_int_equal(fcgi_begin_decode(seen.begin, 8, &begin_body), 0);
	assert_int_equal(begin_body.role, FCGI_RESPONDER);
	assert_int_equal(begin_body.flags, keep_conn ? FCGI_KEEP_CONN : 0);
	assert_int_equal(seen.n_body, body.n);
	/* the pairs of the records, then those of the tail */
	assert_int_equal(n_wire - seen.n_body - seen.n_params -
				 FCGI_RECORD_HEADER_BYTES * seen.n_records,
			 8 + (has_hello ? FCGI_WRITER_HELLO_BYTES - 8 : 0));
	if (parts.n_params > 0)
		assert_memory_equal(seen.params, params + FCGI_RECORD_HEADER_BYTES,
				    parts.n_params < 65535 ? parts.n_params - 8 : 60000);
	assert_memory_equal(seen.params + seen.n_params - 24,
			    parts.tail + FCGI_RECORD_HEADER_BYTES, 24);
}

/* --- tests --- */

static void test_bodies(void **state)
{
	struct request_wire wire;

	(void)state;
	for (size_t i = 0; i < sizeof(body_sizes) / sizeof(body_sizes[0]); i++) {
		for (int is_spooled = 0; is_spooled < 2; is_spooled++) {
			make_parts(1000, body_sizes[i], is_spooled);
			open_pair(0);
			request_wire_init(&wire, &parts, true, false, false, false);
			assert_int_equal(wire.at, 0);
			pump(&wire, 65536);
			assert_whole(false, false);
		}
	}
}

/* A socket that takes little, and a peer that reads little: cut wherever it happens. */
static void test_small_buffers(void **state)
{
	static const size_t pieces[] = { 1500, 4097, 30000 };
	struct request_wire wire;
	size_t n_sizes = sizeof(body_sizes) / sizeof(body_sizes[0]);

	(void)state;
	for (size_t i = 0; i < 2 * n_sizes; i++) {
		make_parts(3000, body_sizes[i / 2], i % 2 == 1);
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
			open_pair(4096);
			request_wire_init(&wire, &parts, true, false, true, false);
			pump(&wire, pieces[j]);
			assert_whole(false, true);
		}
	}
}

static void test_params_of_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 60000, 66000, 90000 };
	struct request_wire wire;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_parts(sizes[i], 10, false);
		open_pair(4096);
		request_wire_init(&wire, &parts, true, false, false, false);
		pump(&wire, 5000);
		assert_whole(false, false);
	}
}

static void test_front(void **state)
{
	struct request_wire wire;

	(void)state;
	for (int bits = 0; bits < 8; bits++) {
		bool is_fresh = bits & 1, has_hello = bits & 2, keep_conn = bits & 4;

		make_parts(100, 20, false);
		open_pair(0);
		request_wire_init(&wire, &parts, is_fresh, has_hello, keep_conn, false);
		pump(&wire, 65536);
		assert_whole(has_hello, keep_conn);
	}
}

/* From each offset on, as after a write that was cut there, what goes out is the rest. */
static void check_rests(bool has_hello, size_t n_from, size_t n_to)
{
	static uint8_t whole[N_WIRE_MAX];
	struct request_wire wire;
	size_t n_whole;

	open_pair(0);
	request_wire_init(&wire, &parts, true, has_hello, true, false);
	pump(&wire, 65536);
	n_whole = n_wire;
	memcpy(whole, wire_bytes, n_whole);
	for (size_t at = n_from; at <= n_to && at <= n_whole; at++) {
		n_wire = 0;
		request_wire_init(&wire, &parts, true, has_hello, true, false);
		wire.at = at;
		while (request_wire_send(&wire, pair[0], scratch) != 0)
			take_all();
		take_all();
		assert_int_equal(n_wire, n_whole - at);
		assert_memory_equal(wire_bytes, whole + at, n_wire);
	}
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	for (int is_spooled = 0; is_spooled < 2; is_spooled++) {
		make_parts(600, 300, is_spooled);
		check_rests(true, 0, SIZE_MAX);
		check_rests(false, 0, SIZE_MAX);
	}
}

/* Around the borders of the body's records. */
static void test_cut_between_records(void **state)
{
	size_t n_front = FCGI_WRITER_HELLO_BYTES + FCGI_RECORD_FIXED_BYTES;

	(void)state;
	for (int is_spooled = 0; is_spooled < 2; is_spooled++) {
		make_parts(600, 5 * 65528 + 100, is_spooled);
		for (size_t record = 0; record <= 5; record++) {
			size_t at = n_front + parts.n_params + parts.n_tail +
				    record * FCGI_WRITER_STREAM_RECORD_BYTES;

			check_rests(true, at - 2, at + 10);
		}
	}
}

/* BEGIN_REQUEST is a message of its own on a fresh connection: it is charged alone, and
 * the charge falls when it has been read. */
static void test_first_write(void **state)
{
	struct request_wire wire;
	int charge;

	(void)state;
	make_parts(1000, 100, false);
	open_pair(0);
	request_wire_init(&wire, &parts, true, false, false, false);
	assert_int_equal(request_wire_send(&wire, pair[0], scratch), 0);
	charge = outq_get(pair[0]);
	assert_int_equal(request_wire_charge(&wire), charge);
	assert_int_equal(charge, outq_charge(16) + outq_charge(wire.n - 16));
	assert_true(take(8));
	assert_int_equal(outq_get(pair[0]), charge);
	assert_true(take(8));
	assert_true(outq_get(pair[0]) < charge);
	take_all();
	assert_whole(false, false);
	/* behind a hello, or handed over: one message, whose charge means nothing */
	for (int has_hello = 0; has_hello < 2; has_hello++) {
		open_pair(0);
		request_wire_init(&wire, &parts, has_hello, has_hello, true, false);
		assert_int_equal(request_wire_send(&wire, pair[0], scratch), 0);
		assert_int_equal(request_wire_charge(&wire), 0);
		assert_int_equal(outq_get(pair[0]), outq_charge(wire.n));
	}
}

static void test_charge_that_is_not_known(void **state)
{
	struct request_wire wire;

	(void)state;
	/* not sent yet, or not all of it */
	make_parts(1000, N_BODY_MAX, false);
	open_pair(0);
	request_wire_init(&wire, &parts, true, false, false, false);
	assert_int_equal(request_wire_charge(&wire), 0);
	assert_int_equal(request_wire_send(&wire, pair[0], scratch), REQUEST_WIRE_AGAIN);
	assert_int_equal(request_wire_charge(&wire), 0);
	pump(&wire, 65536);
	/* in more than two writes, some of which have been read */
	assert_int_equal(request_wire_charge(&wire), 0);
	make_parts(1000, 20000, false);
	open_pair(4096);
	request_wire_init(&wire, &parts, true, false, false, false);
	pump(&wire, 3000);
	assert_int_equal(request_wire_charge(&wire), 0);
	/* too large for the table */
	make_parts(1000, OUTQ_CHARGE_MAX_BYTES, false);
	open_pair(0);
	request_wire_init(&wire, &parts, true, false, false, false);
	assert_int_equal(request_wire_send(&wire, pair[0], scratch), 0);
	assert_int_equal(request_wire_charge(&wire), 0);
}

/* Until a worker has accepted, only the first write goes out. */
static void test_waits(void **state)
{
	struct request_wire wire;

	(void)state;
	for (int is_spooled = 0; is_spooled < 2; is_spooled++) {
		make_parts(1000, 100000, is_spooled);
		open_pair(0);
		request_wire_init(&wire, &parts, true, false, true, true);
		assert_false(request_wire_has_begun(&wire));
		assert_int_equal(request_wire_charge(&wire), 0);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(request_wire_send(&wire, pair[0], scratch), 0);
			assert_false(request_wire_has_begun(&wire));
			assert_int_equal(wire.at, FCGI_RECORD_FIXED_BYTES);
			assert_int_equal(request_wire_charge(&wire),
					 outq_charge(FCGI_RECORD_FIXED_BYTES));
			assert_int_equal(outq_get(pair[0]),
					 outq_charge(FCGI_RECORD_FIXED_BYTES));
		}
		take_all();
		assert_int_equal(n_wire, FCGI_RECORD_FIXED_BYTES);
		request_wire_go(&wire);
		assert_false(request_wire_has_begun(&wire));
		pump(&wire, 65536);
		assert_true(request_wire_has_begun(&wire));
		assert_whole(false, true);
	}
}

/* With a hello there is no first write to wait behind. */
static void test_waits_for_nothing(void **state)
{
	struct request_wire wire;

	(void)state;
	make_parts(1000, 100, false);
	open_pair(0);
	request_wire_init(&wire, &parts, true, true, true, true);
	pump(&wire, 65536);
	assert_true(request_wire_has_begun(&wire));
	assert_whole(true, true);
}

/* The same parts again, for a request that is sent a second time. */
static void test_twice(void **state)
{
	struct request_wire wire;

	(void)state;
	make_parts(1000, 200000, true);
	open_pair(0);
	request_wire_init(&wire, &parts, true, false, false, false);
	(void)request_wire_send(&wire, pair[0], scratch);
	open_pair(4096);
	request_wire_init(&wire, &parts, true, true, true, false);
	pump(&wire, 3000);
	assert_whole(true, true);
}

/* A reader as fast as we are must not keep us for ever. */
static void test_enough_for_one_turn(void **state)
{
	struct request_wire wire;
	int n_buffer = 8 * N_BODY_MAX, r;
	uint64_t before;

	(void)state;
	make_parts(1000, N_BODY_MAX, false);
	open_pair(0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &n_buffer,
				    sizeof(n_buffer)) < 0 && errno != EPERM, 0);
	request_wire_init(&wire, &parts, true, false, false, false);
	do {
		before = wire.at;
		r = request_wire_send(&wire, pair[0], scratch);
		assert_true(wire.at - before < 256 * 1024 + 5 * 65536);
		take_all();
	} while (r == REQUEST_WIRE_MORE || r == REQUEST_WIRE_AGAIN);
	assert_int_equal(r, 0);
	assert_whole(false, false);
}

static void test_errors(void **state)
{
	struct request_wire wire;

	(void)state;
	/* the peer has gone; without a signal */
	make_parts(1000, 100, false);
	open_pair(0);
	close(pair[1]);
	pair[1] = -1;
	request_wire_init(&wire, &parts, true, false, false, false);
	assert_int_equal(request_wire_send(&wire, pair[0], scratch), -EPIPE);
	assert_int_equal(wire.at, 0);
	/* the spool file has lost its end */
	make_parts(1000, 200000, true);
	assert_int_equal(ftruncate(body.fd, 100000), 0);
	open_pair(0);
	request_wire_init(&wire, &parts, true, false, false, false);
	assert_int_equal(request_wire_send(&wire, pair[0], scratch), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(test_bodies),
		wire_test(test_small_buffers),
		wire_test(test_params_of_every_size),
		wire_test(test_front),
		wire_test(test_cut_at_every_byte),
		wire_test(test_cut_between_records),
		wire_test(test_first_write),
		wire_test(test_charge_that_is_not_known),
		wire_test(test_waits),
		wire_test(test_waits_for_nothing),
		wire_test(test_twice),
		wire_test(test_enough_for_one_turn),
		wire_test(test_errors),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all) != 0;
}
