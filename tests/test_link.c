/* SPDX-License-Identifier: BSD-2-Clause */
/* Links: from connect() to the answer: accepted, hello, output, what breaks. */

#include "daemon/link.h"

#include "tests/relay_link.h"

static struct relay relay;
static struct home home;
static struct errand errand;
static struct fpm fpm;
static int listen_fd;

static int begin(void **state)
{
	(void)state;
	relay_begin(&relay);
	home = (struct home){ 0 };
	fpm = (struct fpm){ .fd = -1 };
	listen_fd = relay_listen(&relay, 8);
	errand_init(&errand, &relay, 7, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (errand.link)
		link_close(errand.link);
	fpm_close(&fpm);
	if (listen_fd >= 0)
		close(listen_fd);
	errand_done(&errand);
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
	relay_end(&relay);
	return 0;
}

static struct link *connect_path(bool wants_edges)
{
	struct address address = relay_unix_address(relay.path);

	return home_connect(&home, &relay, &address, wants_edges);
}

static struct link *start(bool has_hello, bool keep_conn)
{
	struct link *link = connect_path(true);

	errand_start(&errand, link, has_hello, keep_conn);
	return link;
}

/* A request that a worker has read. */
static void start_busy(void)
{
	start(false, false);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
}

/* accepted */

static void test_accepted_when_the_first_write_is_read(void **state)
{
	uint8_t begin_record[16];

	(void)state;
	start(false, false);
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_UNACCEPTED], 1);
	fpm_accept(&fpm, listen_fd);
	relay_settle(&relay);
	/* accept() alone moves nothing; FPM reads at once */
	assert_int_equal(home.n_links[LINK_UNACCEPTED], 1);
	assert_int_equal(recv(fpm.fd, begin_record, 16, 0), 16);
	relay_turns(&relay, 1);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	assert_int_equal(errand.n_accepted, 1);
	assert_int_equal(errand.pid, 0);
	assert_true(errand.link->accepted_us >= errand.link->started_us);
}

/* It has read everything before we could ask for the first time. */
static void test_accepted_by_a_quick_worker(void **state)
{
	(void)state;
	start(false, false);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	relay_turns(&relay, 1);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	assert_int_equal(errand.n_accepted, 1);
}

static void test_accepted_at_a_look(void **state)
{
	struct link *link = connect_path(false);

	(void)state;
	errand_start(&errand, link, false, false);
	link_look(link);
	assert_int_equal(home.n_links[LINK_UNACCEPTED], 1);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	link_look(link);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	link_look(link);
	assert_int_equal(errand.n_accepted, 1);
}

static void test_accepted_by_the_first_output(void **state)
{
	struct link *link = connect_path(false);

	(void)state;
	errand_start(&errand, link, false, false);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	fpm_send(&fpm, FCGI_STDOUT, "x");
	relay_settle(&relay);
	assert_int_equal(errand.n_accepted, 1);
	assert_int_equal(errand.pid, getpid());
	assert_int_equal(home.n_links[LINK_BUSY], 1);
}

/* A body larger than the socket's buffer: written as the worker reads, accepted early. */
static void test_accepted_with_a_large_body(void **state)
{
	(void)state;
	errand_done(&errand);
	errand_init(&errand, &relay, 9, 1000000);
	start(false, false);
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_UNACCEPTED], 1);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	while (!fpm_read(&fpm))
		relay_turns(&relay, 1);
	assert_int_equal(fpm.n_body, 1000000);
	assert_int_equal(errand.n_accepted, 1);
}

/* A body of several writes that a worker reads at once, and then works in silence. */
static void test_accepted_with_a_body_of_some_writes(void **state)
{
	struct link *link;

	(void)state;
	errand_done(&errand);
	errand_init(&errand, &relay, 9, 100000);
	link = start(false, false);
	fpm_accept(&fpm, listen_fd);
	while (!fpm_read(&fpm))
		relay_turns(&relay, 1);
	relay_settle(&relay);
	link_look(link);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
}

/* the hello */

static void test_hello_is_answered_with_a_pid(void **state)
{
	(void)state;
	start(true, false);
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_UNACCEPTED], 1);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	assert_int_equal(fpm.n_hellos, 1);
	assert_int_equal(fpm.n_requests, 1);
	relay_settle(&relay);
	assert_int_equal(errand.n_accepted, 1);
	assert_int_equal(errand.pid, getpid());
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	fpm_answer(&fpm, "hello");
	relay_settle(&relay);
	assert_int_equal(errand.n_end, 1);
	assert_true(bytes_has(&errand.out, "\r\n\r\nhello"));
}

/* The listening socket closes with the connection in its backlog. */
static void test_hello_unanswered_and_reset(void **state)
{
	(void)state;
	start(true, false);
	relay_settle(&relay);
	close(listen_fd);
	listen_fd = -1;
	relay_settle(&relay);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, false);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_hello_answered_and_died(void **state)
{
	(void)state;
	start(true, false);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	fpm_close(&fpm);
	relay_settle(&relay);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
	assert_int_equal(errand.n_accepted, 1);
}

/* The answer stays readable behind the broken pipe of a body that is still being written.
 */
static void test_hello_answered_behind_a_broken_pipe(void **state)
{
	(void)state;
	errand_done(&errand);
	errand_init(&errand, &relay, 9, 1000000);
	start(true, false);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	assert_int_equal(fpm.n_hellos, 1);
	fpm_close(&fpm);
	relay_settle(&relay);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
}

static void test_no_hello_and_reset(void **state)
{
	(void)state;
	start(false, false);
	relay_settle(&relay);
	close(listen_fd);
	listen_fd = -1;
	relay_settle(&relay);
	/* nobody can say: FPM runs what it has read */
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
	assert_int_equal(home_n_links(&home), 0);
}

/* Whoever answers has had the request, be it nonsense. */
static void test_hello_answered_by_nonsense(void **state)
{
	(void)state;
	start(true, false);
	fpm_accept(&fpm, listen_fd);
	relay_send(fpm.fd, "HTTP/1.1 400 Bad Request\r\n", 26);
	relay_settle(&relay);
	errand_assert_lost(&errand, HEALTH_REASON_RESPONSE_MALFORMED, true);
}

/* output */

static void test_output_in_order(void **state)
{
	(void)state;
	start_busy();
	fpm_send(&fpm, FCGI_STDERR, "PHP message: one");
	fpm_send(&fpm, FCGI_STDOUT, "two");
	fpm_send(&fpm, FCGI_STDOUT, "");
	relay_settle(&relay);
	assert_true(bytes_has(&errand.err, "PHP message: one"));
	assert_int_equal(errand.out.n, 3);
	assert_int_equal(errand.n_end, 0);
	fpm_end(&fpm);
	relay_settle(&relay);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
	/* no KEEP_CONN: closed, which is what FPM waits for */
	assert_int_equal(home_n_links(&home), 0);
	assert_int_equal(recv(fpm.fd, fpm.header, 8, MSG_DONTWAIT),
			 8); /* the empty STDIN */
	assert_int_equal(recv(fpm.fd, fpm.header, 8, MSG_DONTWAIT), 0);
}

static void add_whole_answer(struct bytes *answer, uint16_t id)
{
	bytes_add_record(answer, FCGI_STDERR, id, "warning", 7, 1);
	bytes_add_record(answer, FCGI_STDOUT, id, FPM_HEADER "body", 32, 0);
	bytes_add_record(answer, FCGI_STDOUT, 99, "foreign", 7, 1);
	bytes_add_record(answer, FCGI_STDOUT, id, NULL, 0, 8);
	bytes_add_record(answer, FCGI_STDOUT, id, " rest", 5, 3);
	bytes_add_end(answer, id);
}

/* Each answer of a connection of its own, cut at this byte. */
static void answer_cut_at(size_t at, const struct bytes *answer)
{
	start_busy();
	relay_send(fpm.fd, answer->at, at);
	relay_turns(&relay, 2);
	assert_int_equal(errand.n_end, 0);
	relay_send(fpm.fd, answer->at + at, answer->n - at);
	relay_turns(&relay, 2);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(errand.out.n, 4 + 28 + 5);
	assert_memory_equal(errand.out.at, FPM_HEADER "body rest", errand.out.n);
	assert_int_equal(errand.err.n, 7);
	fpm_close(&fpm);
	errand_done(&errand);
	errand_init(&errand, &relay, 7, 0);
}

static void test_output_cut_at_every_byte(void **state)
{
	struct bytes answer = { 0 };

	(void)state;
	add_whole_answer(&answer, 7);
	for (size_t at = 0; at < answer.n; at++)
		answer_cut_at(at, &answer);
	bytes_done(&answer);
}

static void test_output_byte_by_byte(void **state)
{
	struct bytes answer = { 0 };

	(void)state;
	add_whole_answer(&answer, 7);
	start_busy();
	for (size_t at = 0; at < answer.n; at++) {
		assert_int_equal(errand.n_end, 0);
		relay_send(fpm.fd, answer.at + at, 1);
		relay_turns(&relay, 1);
	}
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(errand.out.n, 37);
	bytes_done(&answer);
}

static void test_records_of_another_id_are_dropped(void **state)
{
	struct bytes bytes = { 0 };
	struct link *link;

	(void)state;
	start_busy();
	link = errand.link;
	bytes_add_text(&bytes, FCGI_STDOUT, 6, "secret");
	bytes_add_end(&bytes, 6);
	bytes_add_text(&bytes, FCGI_STDERR, 8, "secret");
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "mine");
	bytes_send(&bytes, fpm.fd);
	relay_settle(&relay);
	assert_int_equal(link->n_foreign, 3);
	assert_int_equal(errand.out.n, 4);
	assert_int_equal(errand.err.n, 0);
	assert_int_equal(errand.n_end + errand.n_gone, 0);
}

/* Three times as much as is read in one turn, in pieces of what the socket takes. */
static void test_output_of_many_turns(void **state)
{
	struct bytes bytes = { 0 };
	uint8_t content[60000];
	size_t n = 0;

	(void)state;
	memset(content, 'c', sizeof(content));
	start_busy();
	bytes_add_record(&bytes, FCGI_STDOUT, 7, content, sizeof(content), 0);
	for (int i = 0; i < 30; i++) {
		relay_send(fpm.fd, bytes.at, bytes.n);
		n += sizeof(content);
		if (i % 3 == 2)
			relay_turns(&relay, 1);
	}
	relay_settle(&relay);
	assert_int_equal(errand.out.n, n);
	bytes_done(&bytes);
}

/* pausing */

static void test_pause_and_resume(void **state)
{
	(void)state;
	start_busy();
	errand.pauses = true;
	fpm_send(&fpm, FCGI_STDOUT, "one");
	relay_settle(&relay);
	fpm_send(&fpm, FCGI_STDOUT, "two");
	fpm_end(&fpm);
	close(fpm.fd); /* the edges of bytes and of the end come while it pauses */
	fpm.fd = -1;
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 3);
	assert_int_equal(errand.n_end, 0);
	errand.pauses = false;
	link_resume(errand.link);
	link_resume(errand.link);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 6);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
}

static void test_pause_with_bytes_unread(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	start_busy();
	errand.link->read_max = 20;
	errand.pauses = true;
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "0123456789");
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "abcdefghij");
	bytes_add_end(&bytes, 7);
	bytes_send(&bytes, fpm.fd);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 10);
	link_resume(errand.link);
	relay_settle(&relay);
	assert_true(errand.out.n > 10 && errand.out.n <= 20);
	errand.pauses = false;
	link_resume(errand.link);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 20);
	assert_int_equal(errand.n_end, 1);
}

/* A death is no news as long as bytes in front of it have not been passed on. */
static void test_pause_and_reset(void **state)
{
	(void)state;
	start_busy();
	errand.pauses = true;
	fpm_send(&fpm, FCGI_STDOUT, "one");
	relay_settle(&relay);
	fpm_send(&fpm, FCGI_STDOUT, "two");
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 0);
	errand.pauses = false;
	link_resume(errand.link);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 6);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
}

/* lost */

static void test_lost_by_a_reset(void **state)
{
	(void)state;
	start_busy();
	fpm_close(&fpm); /* the empty STDIN is unread */
	relay_settle(&relay);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_lost_by_an_end(void **state)
{
	struct bytes rest = { 0 };

	(void)state;
	start_busy();
	fpm_send(&fpm, FCGI_STDOUT, "partial");
	assert_int_equal(bytes_recv(&rest, fpm.fd), 0);
	assert_int_equal(rest.n, 8);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 7);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
	bytes_done(&rest);
}

static void test_lost_inside_a_record(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	start_busy();
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "0123456789");
	relay_send(fpm.fd, bytes.at, bytes.n - 4);
	fpm_shut(&fpm);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 6);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
	bytes_done(&bytes);
}

/* What cannot be an answer, written after so many bytes of a good one. */
static void check_malformed(const char *bad, size_t n)
{
	start_busy();
	fpm_send(&fpm, FCGI_STDOUT, "fine");
	relay_send(fpm.fd, bad, n);
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 4);
	errand_assert_lost(&errand, HEALTH_REASON_RESPONSE_MALFORMED, true);
	assert_int_equal(home_n_links(&home), 0);
	fpm_close(&fpm);
	errand_done(&errand);
	errand_init(&errand, &relay, 7, 0);
}

static void test_lost_by_nonsense(void **state)
{
	(void)state;
	check_malformed("\2", 1);
	check_malformed("\0\0\0\0\0\0\0\0", 8);
	check_malformed("\1\1\0\7\0\10\0\0", 8);   /* BEGIN_REQUEST */
	check_malformed("\1\5\0\7\0\0\0\0", 8);    /* STDIN */
	check_malformed("\1\143\0\7\0\0\0\0", 8);  /* an unknown type */
	check_malformed("\1\13\0\0\0\0\0\0", 8);   /* UNKNOWN_TYPE: nobody asked */
	check_malformed("\1\3\0\7\0\0\0\0", 8);    /* END_REQUEST without a body */
	check_malformed("\1\3\0\7\0\7\1\0" "12345678", 16);
	check_malformed("\1\3\0\7\0\11\0\0" "123456789", 17);
}

/* TCP */

static struct link *connect_tcp(uint16_t port)
{
	struct address address = relay_tcp_address(port);

	return home_connect(&home, &relay, &address, true);
}

static void test_tcp_answer(void **state)
{
	uint16_t port = 0;
	int fd = relay_listen_tcp(8, &port);

	(void)state;
	errand_start(&errand, connect_tcp(port), false, false);
	assert_int_equal(home.n_links[LINK_CONNECTING], 1);
	relay_until(&relay, home.n_links[LINK_BUSY] == 1, 1000);
	/* nothing tells of acceptance: a connection counts */
	assert_int_equal(errand.n_accepted, 1);
	fpm_accept(&fpm, fd);
	relay_until(&relay, fpm_read(&fpm), 1000);
	fpm_answer(&fpm, "over tcp");
	relay_until(&relay, errand.n_end == 1, 1000);
	assert_true(bytes_has(&errand.out, "over tcp"));
	assert_int_equal(home_n_links(&home), 0);
	close(fd);
}

static void test_tcp_refused(void **state)
{
	uint16_t port = 0;

	(void)state;
	close(relay_listen_tcp(8, &port));
	errand_start(&errand, connect_tcp(port), false, false);
	relay_until(&relay, errand.n_gone == 1, 1000);
	errand_assert_lost(&errand, HEALTH_REASON_BACKEND_REFUSED, false);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_tcp_connect_timeout(void **state)
{
	uint16_t port = 0;
	int fd = relay_listen_tcp(0, &port);
	int other = relay_connect_tcp(port);

	(void)state;
	/* the backlog is full: the handshake does not come to its end */
	errand_start(&errand, connect_tcp(port), false, false);
	relay_run_ms(&relay, 100);
	assert_int_equal(home.n_links[LINK_CONNECTING], 1);
	relay_until(&relay, errand.n_gone == 1, 2000);
	errand_assert_lost(&errand, HEALTH_REASON_BACKEND_UNREACHABLE, false);
	close(other);
	close(fd);
}

/* All that a peer does before our first look comes in one event. */
static void test_tcp_end_comes_with_the_connection(void **state)
{
	uint16_t port = 0;
	int fd = relay_listen_tcp(8, &port);

	(void)state;
	errand_start(&errand, connect_tcp(port), false, false);
	fpm_accept(&fpm, fd);
	assert_int_equal(shutdown(fpm.fd, SHUT_WR), 0);
	relay_until(&relay, errand.n_gone == 1, 200);
	errand_assert_lost(&errand, HEALTH_REASON_WORKER_DIED, true);
	close(fd);
}

/* connect */

static void test_connect_errors(void **state)
{
	struct address address = relay_unix_address(relay.path);
	struct link *link;
	int fd;

	(void)state;
	close(listen_fd);
	listen_fd = -1;
	assert_int_equal(link_connect(relay.loop, &relay.memory, &address, NULL, true,
				      &home, &home_ops, &link),
			 -ECONNREFUSED);
	assert_int_equal(unlink(relay.path), 0);
	assert_int_equal(link_connect(relay.loop, &relay.memory, &address, NULL, true,
				      &home, &home_ops, &link),
			 -ENOENT);
	listen_fd = relay_listen(&relay, 0);
	fd = relay_connect_path(relay.path);
	assert_int_equal(link_connect(relay.loop, &relay.memory, &address, NULL, true,
				      &home, &home_ops, &link),
			 -EAGAIN);
	close(fd);
}

static void test_close_tells_the_home_alone(void **state)
{
	(void)state;
	start_busy();
	link_close(errand.link);
	link_close(errand.link);
	errand.link = NULL;
	assert_int_equal(home.n_closed, 1);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_accepted_when_the_first_write_is_read),
		TEST(test_accepted_by_a_quick_worker),
		TEST(test_accepted_at_a_look),
		TEST(test_accepted_by_the_first_output),
		TEST(test_accepted_with_a_large_body),
		TEST(test_accepted_with_a_body_of_some_writes),
		TEST(test_hello_is_answered_with_a_pid),
		TEST(test_hello_unanswered_and_reset),
		TEST(test_hello_answered_and_died),
		TEST(test_hello_answered_behind_a_broken_pipe),
		TEST(test_no_hello_and_reset),
		TEST(test_hello_answered_by_nonsense),
		TEST(test_output_in_order),
		TEST(test_output_cut_at_every_byte),
		TEST(test_output_byte_by_byte),
		TEST(test_records_of_another_id_are_dropped),
		TEST(test_output_of_many_turns),
		TEST(test_pause_and_resume),
		TEST(test_pause_with_bytes_unread),
		TEST(test_pause_and_reset),
		TEST(test_lost_by_a_reset),
		TEST(test_lost_by_an_end),
		TEST(test_lost_inside_a_record),
		TEST(test_lost_by_nonsense),
		TEST(test_tcp_answer),
		TEST(test_tcp_refused),
		TEST(test_tcp_connect_timeout),
		TEST(test_tcp_end_comes_with_the_connection),
		TEST(test_connect_errors),
		TEST(test_close_tells_the_home_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
