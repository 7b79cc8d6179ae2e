/* SPDX-License-Identifier: BSD-2-Clause */
/* The stream: reading, queueing output, what is booked, credentials. */

#include "daemon/stream.h"

#include <sys/epoll.h>

#include "tests/relay_fixture.h"

static struct relay relay;
static struct stream stream;
static int peer;
static uint32_t events_seen;

static void on_ready(struct loop_source *source, uint32_t events)
{
	assert_ptr_equal(source, &stream.source);
	events_seen |= events;
}

static int begin(void **state)
{
	int pair[2];

	(void)state;
	relay_begin(&relay);
	relay_pair(pair);
	peer = pair[1];
	events_seen = 0;
	assert_int_equal(stream_init(&stream, relay.loop, &relay.memory, pair[0],
				     EPOLLIN | EPOLLOUT | EPOLLRDHUP, on_ready), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	stream_done(&stream);
	if (peer >= 0)
		close(peer);
	relay_end(&relay);
	return 0;
}

static void test_read(void **state)
{
	size_t n = 0;

	(void)state;
	assert_int_equal(stream_read(&stream, LOOP_SCRATCH_BYTES, &n), STREAM_AGAIN);
	relay_send(peer, "hello, world", 12);
	assert_int_equal(stream_read(&stream, 5, &n), 0);
	assert_int_equal(n, 5);
	assert_memory_equal(loop_scratch(relay.loop), "hello", 5);
	assert_int_equal(stream_read(&stream, LOOP_SCRATCH_BYTES, &n), 0);
	assert_int_equal(n, 7);
	assert_memory_equal(loop_scratch(relay.loop), ", world", 7);
	assert_int_equal(stream_read(&stream, LOOP_SCRATCH_BYTES, &n), STREAM_AGAIN);
}

static void test_read_to_the_end(void **state)
{
	size_t n = 0;

	(void)state;
	relay_send(peer, "x", 1);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	assert_int_equal(stream_read(&stream, 100, &n), 0);
	assert_int_equal(stream_read(&stream, 100, &n), STREAM_EOF);
	assert_int_equal(stream_read(&stream, 100, &n), STREAM_EOF);
	relay_settle(&relay);
	assert_true(events_seen & EPOLLRDHUP);
}

static void test_read_of_a_reset(void **state)
{
	size_t n = 0;

	(void)state;
	/* unread bytes make a close a reset; what came before is still readable */
	assert_true(stream_put(&stream, "unread", 6));
	assert_int_equal(stream_flush(&stream), 0);
	relay_send(peer, "last words", 10);
	close(peer);
	peer = -1;
	assert_int_equal(stream_read(&stream, 100, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(stream_read(&stream, 100, &n), -ECONNRESET);
}

static void test_put_is_not_sent_before_flush(void **state)
{
	struct bytes got = { 0 };

	(void)state;
	assert_true(stream_put(&stream, "one", 3));
	assert_true(stream_put(&stream, "", 0));
	assert_true(stream_put(&stream, " two", 4));
	assert_int_equal(stream.n_out, 7);
	assert_int_equal(bytes_recv(&got, peer), 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(stream_flush(&stream), 0);
	assert_int_equal(stream.n_out, 0);
	assert_int_equal(bytes_recv(&got, peer), 0);
	assert_int_equal(got.n, 7);
	assert_memory_equal(got.at, "one two", 7);
	assert_int_equal(stream_flush(&stream), 0);
	bytes_done(&got);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void put_pattern(size_t n, size_t n_piece)
{
	uint8_t piece[4096];

	for (size_t at = 0; at < n; at += n_piece) {
		size_t part = n - at < n_piece ? n - at : n_piece;

		for (size_t i = 0; i < part; i++)
			piece[i] = pattern(at + i);
		assert_true(stream_put(&stream, piece, part));
	}
}

/* More than the socket takes: nothing is lost, doubled or in another order, and what
 * waits is booked until it has gone. */
static void test_flush_as_the_peer_reads(void **state)
{
	const size_t n = 1000003;
	struct bytes got = { 0 };
	int r;

	(void)state;
	put_pattern(n, 4093);
	assert_int_equal(stream.n_out, n);
	assert_true(relay.memory.used >= n);
	do {
		r = stream_flush(&stream);
		assert_true(r == 0 || r == STREAM_AGAIN);
		assert_true(relay.memory.used >= stream.n_out);
		assert_int_equal(bytes_recv(&got, peer), 0);
		assert_int_equal(got.n + stream.n_out, n);
	} while (r == STREAM_AGAIN);
	assert_int_equal(got.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got.at[i], pattern(i));
	assert_int_equal(relay.memory.used, 0);
	bytes_done(&got);
}

static void test_flush_edge(void **state)
{
	struct bytes got = { 0 };

	(void)state;
	relay_settle(&relay);
	events_seen = 0;
	put_pattern(600000, 4096);
	assert_int_equal(stream_flush(&stream), STREAM_AGAIN);
	relay_settle(&relay);
	assert_int_equal(events_seen & EPOLLOUT, 0);
	assert_int_equal(bytes_recv(&got, peer), 0);
	relay_settle(&relay);
	assert_true(events_seen & EPOLLOUT);
	bytes_done(&got);
}

static void test_put_between_flushes(void **state)
{
	struct bytes got = { 0 };
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		char text[32];
		int n_text = snprintf(text, sizeof(text), "<%d>", i);

		assert_true(stream_put(&stream, text, (size_t)n_text));
		n += (size_t)n_text;
		if (i % 3 == 0)
			assert_int_equal(stream_flush(&stream), 0);
	}
	assert_int_equal(stream_flush(&stream), 0);
	assert_int_equal(bytes_recv(&got, peer), 0);
	assert_int_equal(got.n, n);
	assert_memory_equal(got.at, "<0><1><2><3>", 12);
	assert_memory_equal(got.at + n - 5, "<299>", 5);
	bytes_done(&got);
}

static void test_flush_to_a_peer_that_is_gone(void **state)
{
	(void)state;
	close(peer);
	peer = -1;
	assert_true(stream_put(&stream, "x", 1));
	assert_int_equal(stream_flush(&stream), -EPIPE);
	/* what waits goes with the stream */
	assert_true(relay.memory.used > 0);
	stream_done(&stream);
	assert_int_equal(relay.memory.used, 0);
}

static void test_done_closes(void **state)
{
	struct bytes got = { 0 };

	(void)state;
	put_pattern(100000, 4096);
	stream_done(&stream);
	assert_int_equal(stream.source.fd, -1);
	assert_int_equal(bytes_recv(&got, peer), 1);
	assert_int_equal(got.n, 0);
	stream_done(&stream);
	stream = (struct stream){ 0 };
	stream_done(&stream);
}

static void test_init_takes_the_descriptor(void **state)
{
	struct stream other;

	(void)state;
	/* epoll takes no directory */
	assert_int_equal(stream_init(&other, relay.loop, &relay.memory,
				     open(relay.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				     EPOLLIN, on_ready), -EPERM);
	assert_int_equal(other.source.fd, -1);
	stream_done(&other);
}

/* credentials */

static void test_creds_of_the_writer(void **state)
{
	size_t n = 0;

	(void)state;
	stream_ask_creds(&stream);
	assert_false(stream.has_creds);
	assert_int_equal(stream_read(&stream, 100, &n), STREAM_AGAIN);
	assert_false(stream.has_creds);
	assert_int_equal(stream.pid, 0);
	relay_send(peer, "x", 1);
	assert_int_equal(stream_read(&stream, 100, &n), 0);
	assert_int_equal(n, 1);
	assert_true(stream.has_creds);
	assert_int_equal(stream.pid, getpid());
	relay_send(peer, "yz", 2);
	assert_int_equal(stream_read(&stream, 100, &n), 0);
	assert_int_equal(n, 2);
}

/* A message of 0 bytes, the end, carries pid 0, which says nothing. */
static void test_creds_of_nobody(void **state)
{
	size_t n = 0;

	(void)state;
	stream_ask_creds(&stream);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	assert_int_equal(stream_read(&stream, 100, &n), STREAM_EOF);
	assert_int_equal(stream.pid, 0);
}

static void test_creds_not_asked_for(void **state)
{
	size_t n = 0;

	(void)state;
	relay_send(peer, "x", 1);
	assert_int_equal(stream_read(&stream, 100, &n), 0);
	assert_int_equal(stream.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, begin, end),
		cmocka_unit_test_setup_teardown(test_read_to_the_end, begin, end),
		cmocka_unit_test_setup_teardown(test_read_of_a_reset, begin, end),
		cmocka_unit_test_setup_teardown(test_put_is_not_sent_before_flush, begin,
						end),
		cmocka_unit_test_setup_teardown(test_flush_as_the_peer_reads, begin, end),
		cmocka_unit_test_setup_teardown(test_flush_edge, begin, end),
		cmocka_unit_test_setup_teardown(test_put_between_flushes, begin, end),
		cmocka_unit_test_setup_teardown(test_flush_to_a_peer_that_is_gone, begin,
						end),
		cmocka_unit_test_setup_teardown(test_done_closes, begin, end),
		cmocka_unit_test_setup_teardown(test_init_takes_the_descriptor, begin,
						end),
		cmocka_unit_test_setup_teardown(test_creds_of_the_writer, begin, end),
		cmocka_unit_test_setup_teardown(test_creds_of_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_creds_not_asked_for, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
