/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients: early answers, leaving, half-closes, slow readers, time limits. */

#include "daemon/client.h"

#include "tests/relay_client.h"

static void send_request(uint8_t flags, const char *body)
{
	bytes_add_request(&out, 1, flags, "/x.php", body);
	talk();
}

/* The stages of a request with a body, of id 1. */
static void add_begin_and_params(uint8_t flags)
{
	bytes_add_begin(&out, 1, FCGI_RESPONDER, flags);
	bytes_add_record(&out, FCGI_PARAMS, 1, "\1\1ab", 4, 0);
	bytes_add_record(&out, FCGI_PARAMS, 1, NULL, 0, 0);
}

/* answered early */

static void check_early(uint8_t flags)
{
	add_begin_and_params(flags);
	bytes_add_text(&out, FCGI_STDIN, 1, "first");
	talk();
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, "early"));
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	/* nginx waits for the end; the rest is dropped, closing would be a 502 */
	assert_int_equal(got_end, flags ? 0 : 1);
	assert_false(client_is_idle(client));
	bytes_add_text(&out, FCGI_STDIN, 1, "second");
	talk();
	assert_int_equal(n_closed, 0);
	bytes_add_record(&out, FCGI_STDIN, 1, NULL, 0, 0);
	talk();
	assert_int_equal(n_closed, flags ? 0 : 1);
	assert_int_equal(sink.asks[0].n_gone, 0);
}

static void test_early_at_the_params(void **state)
{
	(void)state;
	sink.asks[0].answers_params = true;
	check_early(0);
	assert_int_equal(sink.asks[0].n_params_end, 0);
	assert_int_equal(sink.asks[0].body.n, 0);
}

static void test_early_at_the_end_of_params(void **state)
{
	(void)state;
	sink.asks[0].answers_params_end = true;
	check_early(0);
	assert_int_equal(sink.asks[0].body.n, 0);
}

static void test_early_at_the_body(void **state)
{
	(void)state;
	sink.asks[0].answers_body = true;
	check_early(0);
	assert_int_equal(sink.asks[0].body.n, 5);
	assert_int_equal(sink.asks[0].n_end, 0);
}

static void test_early_then_the_next_request(void **state)
{
	(void)state;
	sink.asks[0].answers_body = true;
	check_early(FCGI_KEEP_CONN);
	assert_true(client_is_idle(client));
	forget_answers();
	send_request(0, "body");
	assert_int_equal(sink.asks[1].n_end, 1);
	ask_answer(&sink.asks[1], "second");
	talk();
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, "second"));
}

/* It does not send the rest but its next request. */
static void test_early_and_the_rest_never_comes(void **state)
{
	(void)state;
	sink.asks[0].answers_body = true;
	home.body_timeout_us = 300000;
	add_begin_and_params(FCGI_KEEP_CONN);
	bytes_add_text(&out, FCGI_STDIN, 1, "first");
	talk();
	forget_answers();
	send_request(FCGI_KEEP_CONN, "");
	assert_int_equal(sink.asks[1].n_end, 1);
	/* the time limit of the first is not one of the second */
	relay_run_ms(&relay, 450);
	assert_int_equal(sink.asks[1].n_gone, 0);
	ask_answer(&sink.asks[1], "x");
	talk();
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	assert_int_equal(got_end, 0);
}

static void test_early_and_body_timeout(void **state)
{
	(void)state;
	home.body_timeout_us = 30000;
	sink.asks[0].answers_body = true;
	add_begin_and_params(0);
	bytes_add_text(&out, FCGI_STDIN, 1, "first");
	talk();
	assert_int_equal(got_end, 1);
	assert_int_equal(n_closed, 0);
	relay_until(&relay, n_closed == 1, 1000);
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, "early"));
}

/* All of a large refused body, much of it after the answer. */
static void test_early_with_a_large_body(void **state)
{
	static uint8_t content[60000];

	(void)state;
	sink.asks[0].answers_params_end = true;
	add_begin_and_params(0);
	talk();
	for (int i = 0; i < 40; i++) {
		bytes_add_record(&out, FCGI_STDIN, 1, content, sizeof(content), 0);
		talk();
		assert_int_equal(n_closed, 0);
	}
	bytes_add_record(&out, FCGI_STDIN, 1, NULL, 0, 0);
	talk();
	assert_int_equal(got_end, 1);
	assert_int_equal(n_closed, 1);
	assert_int_equal(sink.asks[0].body.n, 0);
	assert_int_equal(relay.memory.used, 0);
}

/* leaving */

static void leave(void)
{
	close(web);
	web = -1;
	relay_settle(&relay);
}

static void test_left_between_requests(void **state)
{
	(void)state;
	leave();
	assert_int_equal(n_closed, 1);
	assert_int_equal(sink.n_asks, 0);
}

static void test_left_in_every_stage(void **state)
{
	struct bytes whole = { 0 };

	(void)state;
	bytes_add_begin(&whole, 1, FCGI_RESPONDER, 0);
	bytes_add_record(&whole, FCGI_PARAMS, 1, "\1\1ab", 4, 3);
	bytes_add_record(&whole, FCGI_PARAMS, 1, NULL, 0, 0);
	bytes_add_text(&whole, FCGI_STDIN, 1, "body");
	bytes_add_record(&whole, FCGI_STDIN, 1, NULL, 0, 0);
	for (size_t n = 0; n <= whole.n; n++) {
		if (n > 0)
			open_pair();
		relay_send(web, whole.at, n);
		relay_settle(&relay);
		leave();
		assert_int_equal(n_closed, n + 1);
		assert_int_equal(sink.asks[0].n_gone, sink.n_asks);
		bytes_done(&sink.asks[0].params);
		bytes_done(&sink.asks[0].body);
		sink = (struct sink){ .room = LOOP_SCRATCH_BYTES };
	}
	bytes_done(&whole);
}

static void test_left_with_the_request(void **state)
{
	(void)state;
	/* everything and the end in one event: nobody is there for an answer */
	bytes_add_request(&out, 1, 0, "/x.php", "");
	bytes_send(&out, web);
	leave();
	assert_int_equal(n_closed, 1);
	assert_int_equal(sink.asks[0].n_gone, sink.n_asks);
}

static void test_left_while_its_input_waits(void **state)
{
	(void)state;
	send_request(0, "");
	sink.room = 0;
	bytes_add_record(&out, FCGI_GET_VALUES, 0, NULL, 0, 0);
	talk();
	leave();
	assert_int_equal(sink.asks[0].n_gone, 1);
	assert_int_equal(n_closed, 1);
}

/* A unix web server may end its sending: it still wants its answer. */
static void test_half_close(void **state)
{
	(void)state;
	bytes_add_request(&out, 1, FCGI_KEEP_CONN, "/x.php", "");
	bytes_send(&out, web);
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	relay_settle(&relay);
	assert_int_equal(sink.asks[0].n_end, 1);
	assert_int_equal(sink.asks[0].n_gone, 0);
	ask_answer(&sink.asks[0], "x");
	talk();
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	/* there will be no other request */
	assert_int_equal(got_end, 1);
}

static void test_half_close_later(void **state)
{
	(void)state;
	send_request(0, "");
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	relay_settle(&relay);
	assert_int_equal(sink.asks[0].n_gone, 0);
	leave();
	assert_int_equal(sink.asks[0].n_gone, 1);
}

static void test_half_close_inside_a_request(void **state)
{
	(void)state;
	add_begin_and_params(0);
	talk();
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	talk();
	assert_int_equal(sink.asks[0].n_gone, 1);
	assert_int_not_equal(got_end, 0);
}

static void test_half_close_between_requests(void **state)
{
	(void)state;
	send_request(FCGI_KEEP_CONN, "");
	ask_answer(&sink.asks[0], "x");
	talk();
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	talk();
	assert_int_equal(got_end, 1);
}

static void test_half_close_behind_an_early_answer(void **state)
{
	(void)state;
	sink.asks[0].answers_body = true;
	add_begin_and_params(0);
	bytes_add_text(&out, FCGI_STDIN, 1, "first");
	bytes_send(&out, web);
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	talk();
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, "early"));
	assert_int_equal(got_end, 1);
}

/* Its end comes while reading is put off. */
static void test_half_close_while_reading_is_put_off(void **state)
{
	struct bytes rest = { 0 };

	(void)state;
	/* room is asked for when there is a request */
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	talk();
	bytes_add_record(&rest, FCGI_PARAMS, 1, "\1\1ab", 4, 0);
	sink.room = 0;
	relay_send(web, rest.at, rest.n);
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	relay_settle(&relay);
	assert_int_equal(sink.asks[0].n_gone, 0);
	sink.room = LOOP_SCRATCH_BYTES;
	relay_settle(&relay);
	assert_int_equal(sink.asks[0].params.n, 4);
	assert_int_equal(sink.asks[0].n_gone, 1);
	bytes_done(&rest);
}

static void test_half_close_while_reading_is_put_off_by_tcp(void **state)
{
	(void)state;
	open_tcp();
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	bytes_send(&out, web);
	relay_until(&relay, sink.n_asks == 1, 1000);
	bytes_add_record(&out, FCGI_PARAMS, 1, "\1\1ab", 4, 0);
	sink.room = 0;
	bytes_send(&out, web);
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	relay_until(&relay, client->is_readable, 1000);
	relay_settle(&relay);
	sink.room = LOOP_SCRATCH_BYTES;
	relay_until(&relay, sink.asks[0].n_gone == 1, 1000);
}

/* Over TCP the end of sending is leaving, unless the listener says otherwise. */
static void test_tcp_end_is_leaving(void **state)
{
	(void)state;
	open_tcp();
	bytes_add_request(&out, 1, 0, "/x.php", "");
	bytes_send(&out, web);
	relay_until(&relay, sink.n_asks == 1 && sink.asks[0].n_end == 1, 1000);
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	relay_until(&relay, sink.asks[0].n_gone == 1, 1000);
	assert_int_equal(n_closed, 1);
}

static void test_tcp_end_with_half_close(void **state)
{
	(void)state;
	home.half_close = true;
	open_tcp();
	bytes_add_request(&out, 1, 0, "/x.php", "");
	bytes_send(&out, web);
	assert_int_equal(shutdown(web, SHUT_WR), 0);
	relay_until(&relay, sink.n_asks == 1 && sink.asks[0].n_end == 1, 1000);
	relay_run_ms(&relay, 10);
	assert_int_equal(sink.asks[0].n_gone, 0);
	ask_answer(&sink.asks[0], "x");
	relay_until(&relay, got_end != 0 || (got_end = bytes_recv(&got, web)), 1000);
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
}

static void test_tcp_reset_is_leaving(void **state)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	(void)state;
	home.half_close = true;
	open_tcp();
	bytes_add_request(&out, 1, 0, "/x.php", "");
	bytes_send(&out, web);
	relay_until(&relay, sink.n_asks == 1 && sink.asks[0].n_end == 1, 1000);
	assert_int_equal(setsockopt(web, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
			 0);
	leave();
	relay_until(&relay, sink.asks[0].n_gone == 1, 1000);
}

/* slow readers */

static uint8_t page[50000];

static void put_pages(int n)
{
	struct ask *ask = &sink.asks[0];

	for (int i = 0; i < n; i++)
		ask->ops->on_output(ask->client, FCGI_STDOUT, page, sizeof(page));
}

static void test_slow_reader(void **state)
{
	struct ask *ask = &sink.asks[0];
	unsigned n_drained;

	(void)state;
	send_request(0, "");
	put_pages(10);
	assert_true(ask->ops->n_pending(ask->client) >= 10 * sizeof(page));
	relay_settle(&relay);
	/* the socket takes a part; what waits is more than half of response_memory */
	assert_true(ask->ops->n_pending(ask->client) > home.response_memory / 2);
	assert_int_equal(ask->n_drained, 0);
	for (int i = 0; i < 10 && ask->n_drained == 0; i++)
		talk();
	assert_true(ask->n_drained > 0);
	assert_true(ask->ops->n_pending(ask->client) <= home.response_memory / 2);
	n_drained = ask->n_drained;
	put_pages(1);
	talk();
	assert_true(ask->n_drained > n_drained);
	ask->ops->on_done(ask->client);
	talk();
	assert_int_equal(got_end, 1);
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	assert_int_equal(relay.memory.used, 0);
}

static void test_write_timeout(void **state)
{
	(void)state;
	home.write_timeout_us = 40000;
	send_request(0, "");
	put_pages(10);
	relay_settle(&relay);
	relay_until(&relay, n_closed == 1, 1000);
	assert_int_equal(sink.asks[0].n_gone, 1);
	assert_int_equal(counters.reasons[HEALTH_REASON_SLOW_CLIENT], 1);
}

/* Reads so much every 60 ms of a limit of 200 ms: the kernel counts whole buffers, so a
 * few reads have to fall into each. */
static void read_slowly(size_t n, int n_reads)
{
	char *some = malloc(n);

	home.write_timeout_us = 200000;
	send_request(0, "");
	put_pages(30);
	relay_settle(&relay);
	for (int i = 0; i < n_reads; i++) {
		relay_run_ms(&relay, 60);
		assert_int_equal(n_closed, 0);
		assert_true(recv(web, some, n, 0) > 0);
	}
	relay_settle(&relay);
	assert_int_equal(n_closed, 0);
	free(some);
}

static void test_write_timeout_begins_again_with_progress(void **state)
{
	(void)state;
	read_slowly(250000, 4);
}

/* So slowly that the socket's buffer does not become writable: slow is not stuck. */
static void test_write_timeout_of_a_slow_reader(void **state)
{
	(void)state;
	read_slowly(40000, 10);
}

static void test_write_timeout_is_over_with_the_output(void **state)
{
	(void)state;
	home.write_timeout_us = 300000;
	send_request(FCGI_KEEP_CONN, "");
	put_pages(10);
	for (int i = 0; i < 10; i++)
		talk();
	assert_int_equal(sink.asks[0].ops->n_pending(sink.asks[0].client), 0);
	relay_run_ms(&relay, 450);
	assert_int_equal(n_closed, 0);
}

/* What ends the draining of a refused body does not end the other limit. */
static void test_write_timeout_while_draining(void **state)
{
	struct ask *ask = &sink.asks[0];

	(void)state;
	home.write_timeout_us = 300000;
	add_begin_and_params(0);
	talk();
	put_pages(10);
	ask->ops->on_done(ask->client);
	relay_settle(&relay);
	bytes_add_record(&out, FCGI_STDIN, 1, NULL, 0, 0);
	bytes_send(&out, web);
	relay_settle(&relay);
	assert_int_equal(n_closed, 0);
	relay_until(&relay, n_closed == 1, 1000);
}

static void test_broken_answer(void **state)
{
	struct ask *ask = &sink.asks[0];
	void *at;

	(void)state;
	send_request(FCGI_KEEP_CONN, "");
	at = ask->client;
	ask->client = NULL;
	ask->ops->on_output(at, FCGI_STDOUT, (const uint8_t *)"half", 4);
	ask->ops->on_broken(at);
	talk();
	assert_int_equal(got_end, 1);
	assert_int_equal(got.n, 8 + 4 + 8);
	assert_memory_equal(got.at + 12, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(ask->n_gone, 0);
}

/* the end */

/* Something behind END_REQUEST tells nginx not to keep the connection; nobody else gets
 * that. */
static void assert_parting(bool is_there)
{
	static const uint8_t parting[8] = { 1, FCGI_GET_VALUES_RESULT };

	assert_int_equal(got.n >= 8 && memcmp(got.at + got.n - 8, parting, 8) == 0,
			 is_there);
}

static void test_draining_closes_behind_the_answer(void **state)
{
	(void)state;
	send_request(FCGI_KEEP_CONN, "");
	home.is_draining = true;
	relay_settle(&relay);
	assert_int_equal(n_closed, 0);
	ask_answer(&sink.asks[0], "x");
	talk();
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	assert_int_equal(got_end, 1);
	assert_parting(true);
}

static bool is_crowded;
static bool tell_crowded(struct client_home *h)
{
	assert_ptr_equal(h, &home);
	return is_crowded;
}

/* Idle ones would hold the places of those who cannot come in. */
static void test_crowded_closes_behind_the_answer(void **state)
{
	(void)state;
	home.is_crowded = tell_crowded;
	is_crowded = false;
	send_request(FCGI_KEEP_CONN, "");
	ask_answer(&sink.asks[0], "x");
	talk();
	assert_int_equal(got_end, 0);
	assert_parting(false);
	assert_int_equal(home.counters->n[COUNTER_CLIENTS_CROWDED], 0);
	forget_answers();
	is_crowded = true;
	send_request(FCGI_KEEP_CONN, "");
	ask_answer(&sink.asks[1], "y");
	talk();
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	assert_int_equal(got_end, 1);
	assert_parting(true);
	assert_int_equal(home.counters->n[COUNTER_CLIENTS_CROWDED], 1);
}

/* The web server was quicker with its next request than we with closing: it has begun
 * that one before the end of the first goes out, or it does so in between. */
static void check_draining_and_the_next(bool is_seen)
{
	send_request(FCGI_KEEP_CONN, "");
	home.is_draining = true;
	ask_answer(&sink.asks[0], "x");
	if (is_seen) {
		send_request(FCGI_KEEP_CONN, "");
	} else {
		bytes_add_request(&out, 1, FCGI_KEEP_CONN, "/x.php", "");
		bytes_send(&out, web);
		client->flush.run(&client->flush);
	}
	talk();
	assert_int_equal(sink.n_asks, 2);
	assert_int_equal(sink.asks[1].n_end, 1);
	assert_int_equal(sink.asks[1].n_gone, 0);
	assert_int_equal(got_end, 0);
	forget_answers();
	ask_answer(&sink.asks[1], "y");
	talk();
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	assert_int_equal(got_end, 1);
}

static void test_draining_and_the_next_request(void **state)
{
	(void)state;
	check_draining_and_the_next(true);
}

static void test_draining_and_one_unread(void **state)
{
	(void)state;
	check_draining_and_the_next(false);
}

static void test_close_twice(void **state)
{
	(void)state;
	send_request(0, "");
	client_close(client);
	client_close(client);
	assert_int_equal(sink.asks[0].n_gone, 1);
	assert_int_equal(n_closed, 0);
	relay_settle(&relay);
	assert_int_equal(n_closed, 1);
}

static void test_is_idle(void **state)
{
	(void)state;
	assert_true(client_is_idle(client));
	bytes_add(&out, "\1\1\0", 3);
	talk();
	assert_false(client_is_idle(client));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, client_begin_pair, client_end)
#define TEST_TCP(name) \
	cmocka_unit_test_setup_teardown(name, client_begin_empty, client_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_early_at_the_params),
		TEST(test_early_at_the_end_of_params),
		TEST(test_early_at_the_body),
		TEST(test_early_then_the_next_request),
		TEST(test_early_and_the_rest_never_comes),
		TEST(test_early_and_body_timeout),
		TEST(test_early_with_a_large_body),
		TEST(test_left_between_requests),
		TEST(test_left_in_every_stage),
		TEST(test_left_with_the_request),
		TEST(test_left_while_its_input_waits),
		TEST(test_half_close),
		TEST(test_half_close_later),
		TEST(test_half_close_inside_a_request),
		TEST(test_half_close_between_requests),
		TEST(test_half_close_behind_an_early_answer),
		TEST(test_half_close_while_reading_is_put_off),
		TEST_TCP(test_half_close_while_reading_is_put_off_by_tcp),
		TEST_TCP(test_tcp_end_is_leaving),
		TEST_TCP(test_tcp_end_with_half_close),
		TEST_TCP(test_tcp_reset_is_leaving),
		TEST(test_slow_reader),
		TEST(test_write_timeout),
		TEST(test_write_timeout_begins_again_with_progress),
		TEST(test_write_timeout_of_a_slow_reader),
		TEST(test_write_timeout_is_over_with_the_output),
		TEST(test_write_timeout_while_draining),
		TEST(test_broken_answer),
		TEST(test_draining_closes_behind_the_answer),
		TEST(test_crowded_closes_behind_the_answer),
		TEST(test_draining_and_the_next_request),
		TEST(test_draining_and_one_unread),
		TEST(test_close_twice),
		TEST(test_is_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
