/* SPDX-License-Identifier: BSD-2-Clause */
/* Links: from END_REQUEST, or from giving up, to the proof that the worker is free. */

#include "daemon/link.h"

#include "tests/relay_link.h"

static struct relay relay;
static struct home home;
static struct errand errand, second;
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
	errand_init(&second, &relay, 8, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (errand.link)
		link_close(errand.link);
	if (second.link)
		link_close(second.link);
	fpm_close(&fpm);
	close(listen_fd);
	errand_done(&errand);
	errand_done(&second);
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
	relay_end(&relay);
	return 0;
}

static struct link *start(bool has_hello, bool keep_conn)
{
	struct address address = relay_unix_address(relay.path);
	struct link *link = home_connect(&home, &relay, &address, true);

	errand_start(&errand, link, has_hello, keep_conn);
	return link;
}

/* A request with KEEP_CONN that a worker has read. */
static struct link *start_kept(void)
{
	struct link *link = start(false, true);

	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	assert_true(fpm.keep_conn);
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	return link;
}

/* ... whose script has finished its answer and goes on. */
static struct link *start_background(void)
{
	struct link *link = start_kept();

	fpm_answer(&fpm, "first");
	relay_settle(&relay);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(home.n_links[LINK_BACKGROUND], 1);
	return link;
}

/* a body larger than what the socket takes */
static void take_large_body(void)
{
	errand_done(&errand);
	errand_init(&errand, &relay, 7, 1000000);
}

/* background */

static void test_background_until_the_worker_asks(void **state)
{
	(void)state;
	start_background();
	/* the client's answer is complete, the slot is not free */
	assert_int_equal(errand.n_gone, 0);
	assert_int_equal(home.n_freed, 0);
	assert_true(fpm_next(&fpm) == false);
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 1);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
	/* nobody waited */
	assert_int_equal(home_n_links(&home), 0);
	assert_false(fpm_read(&fpm));
	assert_int_equal(fpm.end, 1);
}

/* Free before our first look behind END_REQUEST: no edge is needed. */
static void test_background_is_not_needed(void **state)
{
	(void)state;
	start_kept();
	fpm_answer(&fpm, "x");
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 1);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_background_output_goes_nowhere(void **state)
{
	(void)state;
	start_background();
	bytes_done(&errand.out);
	fpm.id = 7;
	fpm_send(&fpm, FCGI_STDOUT, "A-SECRET");
	fpm_send(&fpm, FCGI_STDERR, "PHP message: still here");
	relay_settle(&relay);
	assert_int_equal(errand.out.n, 0);
	assert_true(bytes_has(&errand.err, "still here"));
	assert_int_equal(home.n_links[LINK_BACKGROUND], 1);
}

static void test_background_ends_with_the_connection(void **state)
{
	(void)state;
	start_background();
	fpm_shut(&fpm); /* pm.max_requests: this worker goes */
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 0);
	assert_int_equal(home_n_links(&home), 0);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
}

static void test_background_ends_with_a_kill(void **state)
{
	(void)state;
	second.parts.body = &second.body;
	start_background();
	home.next = &second;
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 0);
	assert_int_equal(second.n_gone, 0);
	assert_int_equal(home_n_links(&home), 0);
}

/* No event, but the second is over: an edge that did not come. */
static void test_background_is_swept(void **state)
{
	struct link *link = start_background();

	(void)state;
	assert_int_equal(loop_change(relay.loop, &link->stream.source, 0), 0);
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 0);
	relay_until(&relay, home.n_freed == 1, 3000);
}

static void test_no_keep_conn_is_closed_at_the_end(void **state)
{
	(void)state;
	start(false, false);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	fpm_answer(&fpm, "x");
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 0);
	assert_int_equal(home_n_links(&home), 0);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
}

/* END_REQUEST of a worker that has not read the whole body. */
static void test_end_before_the_body_is_written(void **state)
{
	(void)state;
	take_large_body();
	start(false, true);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	relay_settle(&relay);
	assert_false(fpm_read(&fpm));
	relay_settle(&relay);
	fpm_answer(&fpm, "enough");
	relay_settle(&relay);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(home.n_freed, 0);
	assert_int_equal(home_n_links(&home), 0);
}

/* hand-over */

static void test_hand_over(void **state)
{
	struct link *link = start_background();

	(void)state;
	home.next = &second;
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_ptr_equal(second.link, link);
	assert_int_equal(home.n_links[LINK_BUSY], 1);
	/* the worker asked for it; acceptance is no news */
	assert_int_equal(second.n_accepted, 0);
	assert_true(fpm_read(&fpm));
	assert_int_equal(fpm.id, 8);
	assert_int_equal(fpm.n_requests, 2);
	fpm_answer(&fpm, "second");
	relay_settle(&relay);
	assert_true(bytes_has(&second.out, "second"));
	assert_int_equal(second.n_end, 1);
	assert_int_equal(home.n_links[LINK_BACKGROUND], 1);
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
	assert_int_equal(home.n_made, 1);
}

/* What the first script wrote last is still unread when its worker is free. */
static void test_hand_over_behind_unread_output(void **state)
{
	struct link *link = start_background();

	(void)state;
	home.next = &second;
	fpm_send(&fpm, FCGI_STDOUT, "A-SECRET");
	fpm_send(&fpm, FCGI_STDERR, "PHP message: bye");
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_ptr_equal(second.link, link);
	assert_true(fpm_read(&fpm));
	fpm_answer(&fpm, "second");
	relay_settle(&relay);
	assert_false(bytes_has(&second.out, "SECRET"));
	assert_true(bytes_has(&second.out, "second"));
	assert_int_equal(second.err.n, 0);
}

/* ... and we had read half of a record of it. */
static void test_hand_over_inside_a_record(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	start_background();
	home.next = &second;
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "0123456789-A-SECRET-");
	relay_send(fpm.fd, bytes.at, 18);
	relay_settle(&relay);
	relay_send(fpm.fd, bytes.at + 18, bytes.n - 18);
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_non_null(second.link);
	assert_true(fpm_read(&fpm));
	fpm_answer(&fpm, "second");
	relay_settle(&relay);
	assert_true(second.out.n > 0);
	assert_false(bytes_has(&second.out, "SECRET"));
	assert_int_equal(memcmp(second.out.at, "Content-Type", 12), 0);
	assert_int_equal(second.n_end, 1);
	bytes_done(&bytes);
}

/* ... whose rest does not come before the worker asks for its next request. */
static void test_hand_over_inside_a_record_that_goes_on(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	start_background();
	home.next = &second;
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "0123456789-A-SECRET-");
	relay_send(fpm.fd, bytes.at, 18);
	relay_settle(&relay);
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_non_null(second.link);
	relay_send(fpm.fd, bytes.at + 18, bytes.n - 18);
	relay_settle(&relay);
	assert_int_equal(second.out.n, 0);
	assert_true(fpm_read(&fpm));
	fpm_answer(&fpm, "second");
	relay_settle(&relay);
	assert_true(bytes_has(&second.out, "second"));
	assert_int_equal(second.n_end, 1);
	bytes_done(&bytes);
}

/* Bytes of the first request behind its END_REQUEST, in the same read. */
static void test_hand_over_inside_a_read(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	start_kept();
	home.next = &second;
	bytes_add_text(&bytes, FCGI_STDOUT, 7, FPM_HEADER "first");
	bytes_add_end(&bytes, 7);
	bytes_add_text(&bytes, FCGI_STDOUT, 7, "A-SECRET");
	bytes_add_text(&bytes, FCGI_STDERR, 7, "PHP message");
	bytes_add_end(&bytes, 7);
	assert_false(fpm_next(&fpm));
	bytes_send(&bytes, fpm.fd);
	relay_settle(&relay);
	assert_non_null(second.link);
	assert_int_equal(second.out.n + second.err.n + second.n_end, 0);
	assert_true(fpm_read(&fpm));
	fpm_answer(&fpm, "second");
	relay_settle(&relay);
	assert_true(bytes_has(&second.out, "second"));
	assert_false(bytes_has(&second.out, "SECRET"));
	assert_int_equal(second.n_end, 1);
}

/* pm.max_requests: the worker ends its side behind END_REQUEST and then reads what is
 * left of ours. All of it before our first look. */
static void test_hand_over_not_to_a_worker_that_ends(void **state)
{
	(void)state;
	start_kept();
	home.next = &second;
	fpm_answer(&fpm, "last");
	fpm_shut(&fpm);
	relay_settle(&relay);
	assert_int_equal(home.n_freed, 0);
	assert_null(second.link);
	assert_int_equal(second.n_gone, 0);
	assert_int_equal(errand.n_end, 1);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_hand_over_with_a_body(void **state)
{
	(void)state;
	errand_done(&second);
	errand_init(&second, &relay, 8, 500000);
	start_background();
	home.next = &second;
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	while (!fpm_read(&fpm))
		relay_turns(&relay, 1);
	assert_int_equal(fpm.n_body, 500000);
	fpm_answer(&fpm, "stored");
	relay_settle(&relay);
	assert_int_equal(second.n_end, 1);
	assert_int_equal(home.n_links[LINK_BACKGROUND], 1);
}

static void test_hand_over_and_death(void **state)
{
	(void)state;
	start_background();
	home.next = &second;
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	fpm_close(&fpm);
	relay_settle(&relay);
	errand_assert_lost(&second, HEALTH_REASON_WORKER_DIED, true);
	assert_int_equal(home_n_links(&home), 0);
}

/* withdrawing */

static void test_withdraw_behind_a_hello(void **state)
{
	(void)state;
	assert_true(link_withdraw(start(true, true)));
	errand.link = NULL;
	assert_int_equal(home_n_links(&home), 0);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 0);
	/* the worker finds it out when it answers the hello */
	fpm_accept(&fpm, listen_fd);
	assert_int_equal(recv(fpm.fd, fpm.header, 8, 0), 8);
	assert_int_equal(send(fpm.fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

static void test_withdraw_too_late(void **state)
{
	struct link *link = start(true, true);

	(void)state;
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	assert_false(link_withdraw(link));
	link_abandon(link);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	assert_int_equal(send(fpm.fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
}

/* The worker must not run a body that we have cut. */
static void test_withdraw_too_late_with_a_body(void **state)
{
	struct link *link;

	(void)state;
	take_large_body();
	link = start(true, true);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	assert_int_equal(fpm.n_hellos, 1);
	assert_false(link_withdraw(link));
	link_abandon(link);
	for (int i = 0; i < 100 && !fpm_read(&fpm); i++)
		relay_turns(&relay, 1);
	assert_int_equal(fpm.n_body, 1000000);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
}

static void test_withdraw_without_a_hello(void **state)
{
	struct link *link = start(false, false);

	(void)state;
	relay_settle(&relay);
	assert_false(link_withdraw(link));
	assert_int_equal(home.n_links[LINK_UNACCEPTED], 1);
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	relay_settle(&relay);
	assert_false(link_withdraw(link));
	assert_int_equal(home.n_links[LINK_BUSY], 1);
}

/* What is no answer to a hello is one that a worker gave all the same. */
static void withdraw_and_abandon(const char *bytes, size_t n)
{
	struct link *link = start(true, true);

	fpm_accept(&fpm, listen_fd);
	relay_send(fpm.fd, bytes, n);
	assert_false(link_withdraw(link));
	if (errand.link)
		link_abandon(errand.link);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
	errand_done(&errand);
	errand_init(&errand, &relay, 7, 0);
}

static void test_withdraw_from_nonsense(void **state)
{
	(void)state;
	withdraw_and_abandon("\1", 1);
	withdraw_and_abandon("HTTP/1.1 400 Bad Request\r\nServer: x\r\n", 37);
	withdraw_and_abandon("\1\3\0\7\0\10\0\0" "\0\0\0\0\0\0\0\0", 16);
}

static void test_withdraw_a_connection(void **state)
{
	uint16_t port = 0;
	int fd = relay_listen_tcp(8, &port);
	struct address address = relay_tcp_address(port);
	struct link *link = home_connect(&home, &relay, &address, true);

	(void)state;
	errand_start(&errand, link, false, false);
	assert_true(link_withdraw(link));
	errand.link = NULL;
	assert_int_equal(home_n_links(&home), 0);
	fpm_accept(&fpm, fd);
	relay_until(&relay, fpm.end != 0 || fpm_read(&fpm), 1000);
	assert_int_equal(fpm.n_requests, 0);
	close(fd);
}

/* abandoning */

static void test_abandon_a_running_script(void **state)
{
	struct link *link = start_kept();

	(void)state;
	link_abandon(link);
	/* its bytes are not needed any more, its slot is */
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	/* the next output fails */
	assert_int_equal(send(fpm.fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_false(fpm_next(&fpm));
	assert_int_equal(fpm.end, 1);
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_abandon_what_nobody_has_accepted(void **state)
{
	struct link *link = start(false, false);

	(void)state;
	link_abandon(link);
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	/* it runs, whole */
	fpm_accept(&fpm, listen_fd);
	assert_true(fpm_read(&fpm));
	relay_settle(&relay);
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_abandon_with_half_a_body_written(void **state)
{
	struct link *link;

	(void)state;
	take_large_body();
	link = start(false, false);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	relay_settle(&relay);
	link_abandon(link);
	assert_int_equal(errand.n_gone, 0);
	fpm_send(&fpm, FCGI_STDOUT, "early");
	while (!fpm_read(&fpm))
		relay_turns(&relay, 1);
	assert_int_equal(fpm.n_body, 1000000);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_abandon_and_the_worker_dies(void **state)
{
	(void)state;
	take_large_body();
	start(false, false);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	relay_settle(&relay);
	link_abandon(errand.link);
	relay_settle(&relay);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
	assert_int_equal(home_n_links(&home), 0);
}

static void test_abandon_and_the_script_ends(void **state)
{
	(void)state;
	take_large_body();
	start(false, false);
	fpm_accept(&fpm, listen_fd);
	assert_false(fpm_read(&fpm));
	relay_settle(&relay);
	link_abandon(errand.link);
	fpm_answer(&fpm, "not for you");
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.reason, HEALTH_REASON_NONE);
	assert_int_equal(home_n_links(&home), 0);
}

/* From inside on_output, with more of the answer in the same read. */
static void test_abandon_at_an_output(void **state)
{
	struct link *link = start_kept();

	(void)state;
	errand.abandons = true;
	fpm_answer(&fpm, "x");
	fpm_send(&fpm, FCGI_STDERR, "late");
	relay_settle(&relay);
	assert_int_equal(errand.n_output, 1);
	assert_int_equal(errand.n_end, 0);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.err.n, 0);
	(void)link;
}

static void test_abandon_while_paused(void **state)
{
	(void)state;
	start_kept();
	errand.pauses = true;
	fpm_send(&fpm, FCGI_STDOUT, "one");
	relay_settle(&relay);
	fpm_send(&fpm, FCGI_STDOUT, "two");
	relay_settle(&relay);
	link_abandon(errand.link);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_int_equal(errand.out.n, 3);
	assert_false(fpm_next(&fpm));
	relay_settle(&relay);
	assert_int_equal(home_n_links(&home), 0);
}

/* Behind END_REQUEST there is nothing to give up: closing would end a background script.
 */
static void test_abandon_in_the_background(void **state)
{
	struct link *link = start_background();

	(void)state;
	link_abandon(link);
	assert_int_equal(home.n_links[LINK_BACKGROUND], 1);
	fpm_send(&fpm, FCGI_STDERR, "still connected");
	relay_settle(&relay);
	assert_true(bytes_has(&errand.err, "still connected"));
}

static void test_abandon_over_tcp(void **state)
{
	uint16_t port = 0;
	int fd = relay_listen_tcp(8, &port);
	struct address address = relay_tcp_address(port);

	(void)state;
	errand_start(&errand, home_connect(&home, &relay, &address, true), false, false);
	relay_until(&relay, home.n_links[LINK_BUSY] == 1, 1000);
	fpm_accept(&fpm, fd);
	relay_until(&relay, fpm_read(&fpm), 1000);
	link_abandon(errand.link);
	assert_int_equal(errand.n_gone, 1);
	relay_settle(&relay);
	/* the slot is the script's until it says something; then a reset: an end would
	 * let FPM run on */
	assert_int_equal(home.n_links[LINK_ABANDONED], 1);
	assert_int_equal(send(fpm.fd, "output", 6, MSG_NOSIGNAL), 6);
	relay_until(&relay, home_n_links(&home) == 0, 1000);
	fpm_forget(&fpm);
	relay_until(&relay, fpm.end != 0 || fpm_read(&fpm), 1000);
	assert_int_equal(fpm.end, -ECONNRESET);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_background_until_the_worker_asks),
		TEST(test_background_is_not_needed),
		TEST(test_background_output_goes_nowhere),
		TEST(test_background_ends_with_the_connection),
		TEST(test_background_ends_with_a_kill),
		TEST(test_background_is_swept),
		TEST(test_no_keep_conn_is_closed_at_the_end),
		TEST(test_end_before_the_body_is_written),
		TEST(test_hand_over),
		TEST(test_hand_over_behind_unread_output),
		TEST(test_hand_over_inside_a_record),
		TEST(test_hand_over_inside_a_record_that_goes_on),
		TEST(test_hand_over_inside_a_read),
		TEST(test_hand_over_not_to_a_worker_that_ends),
		TEST(test_hand_over_with_a_body),
		TEST(test_hand_over_and_death),
		TEST(test_withdraw_behind_a_hello),
		TEST(test_withdraw_too_late),
		TEST(test_withdraw_too_late_with_a_body),
		TEST(test_withdraw_without_a_hello),
		TEST(test_withdraw_from_nonsense),
		TEST(test_withdraw_a_connection),
		TEST(test_abandon_a_running_script),
		TEST(test_abandon_what_nobody_has_accepted),
		TEST(test_abandon_with_half_a_body_written),
		TEST(test_abandon_and_the_worker_dies),
		TEST(test_abandon_and_the_script_ends),
		TEST(test_abandon_at_an_output),
		TEST(test_abandon_while_paused),
		TEST(test_abandon_in_the_background),
		TEST(test_abandon_over_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
