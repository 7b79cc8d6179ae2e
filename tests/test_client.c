/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients: one connection from a web server, over a sink that notes what comes. */

#include "daemon/client.h"

#include "tests/relay_client.h"

/* one request */

static void test_request_and_answer(void **state)
{
	(void)state;
	bytes_add_request(&out, 1, 0, "/x.php", "a=1");
	talk();
	assert_int_equal(sink.n_asks, 1);
	assert_true(bytes_has(&sink.asks[0].params, "SCRIPT_NAME/x.php"));
	assert_int_equal(sink.asks[0].body.n, 3);
	assert_int_equal(sink.asks[0].n_params_end, 1);
	assert_int_equal(sink.asks[0].n_end, 1);
	assert_int_equal(got.n, 0);
	ask_answer(&sink.asks[0], "Status: 200 OK\r\n\r\nhello");
	talk();
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, "\r\n\r\nhello"));
	assert_int_equal(bytes_n_records(&got, FCGI_STDOUT, 1), 2);
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
	/* no KEEP_CONN */
	assert_int_equal(got_end, 1);
	assert_int_equal(n_closed, 1);
	assert_int_equal(sink.asks[0].n_gone, 0);
}

static void test_kept_connection(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		bytes_add_request(&out, 1, FCGI_KEEP_CONN, "/x.php", "");
		talk();
		assert_int_equal(sink.n_asks, i + 1);
		assert_false(client_is_idle(client));
		ask_answer(&sink.asks[i], "x");
		talk();
		assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
		assert_true(client_is_idle(client));
		forget_answers();
	}
	assert_int_equal(got_end, 0);
	/* the last one does not want it any more */
	bytes_add_request(&out, 2, 0, "/x.php", "");
	talk();
	ask_answer(&sink.asks[3], "x");
	talk();
	assert_int_equal(got_end, 1);
}

/* Records with padding, cut into windows of so many bytes. */
static void request_in_windows(size_t n_window)
{
	struct bytes bytes = { 0 };
	unsigned n = sink.n_asks;

	bytes_add_begin(&bytes, 5, FCGI_RESPONDER, FCGI_KEEP_CONN);
	bytes_add_record(&bytes, FCGI_PARAMS, 5, "\1\1ab", 4, 4);
	bytes_add_record(&bytes, FCGI_PARAMS, 5, "\1\1cd", 4, 1);
	bytes_add_record(&bytes, FCGI_PARAMS, 5, NULL, 0, 3);
	bytes_add_record(&bytes, FCGI_STDIN, 5, "hello", 5, 255);
	bytes_add_record(&bytes, FCGI_STDIN, 5, " world", 6, 0);
	bytes_add_record(&bytes, FCGI_STDIN, 5, NULL, 0, 8);
	for (size_t at = 0; at < bytes.n; at += n_window) {
		relay_send(web, bytes.at + at,
			   bytes.n - at < n_window ? bytes.n - at : n_window);
		relay_turns(&relay, 1);
	}
	assert_int_equal(sink.n_asks, n + 1);
	assert_int_equal(sink.asks[n].params.n, 8);
	assert_int_equal(sink.asks[n].body.n, 11);
	assert_int_equal(sink.asks[n].n_end, 1);
	ask_answer(&sink.asks[n], "x");
	talk();
	assert_int_equal(end_status(5), FCGI_REQUEST_COMPLETE);
	forget_answers();
	bytes_done(&bytes);
}

static void test_request_in_windows(void **state)
{
	(void)state;
	for (size_t n_window = 1; n_window <= 8; n_window++)
		request_in_windows(n_window);
}

static void test_answer_is_cut_into_records(void **state)
{
	const size_t n = 70000;
	char *text = malloc(n + 1);

	(void)state;
	memset(text, 'x', n);
	text[n] = '\0';
	bytes_add_request(&out, 1, 0, "/x.php", "");
	talk();
	ask_answer(&sink.asks[0], text);
	talk();
	assert_int_equal(bytes_n_records(&got, FCGI_STDOUT, 1), 3);
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, text));
	free(text);
}

static void test_stderr_has_its_own_type(void **state)
{
	struct ask *ask = &sink.asks[0];

	(void)state;
	bytes_add_request(&out, 3, 0, "/x.php", "");
	talk();
	ask->ops->on_output(ask->client, FCGI_STDERR, (const uint8_t *)"oops", 4);
	ask_answer(ask, "x");
	talk();
	assert_true(bytes_says(&got, FCGI_STDERR, 3, "oops"));
}

/* other records */

static void test_get_values(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	bytes_add_pair(&pairs, "FCGI_MAX_CONNS", "");
	bytes_add_pair(&pairs, "FCGI_MPXS_CONNS", "");
	bytes_add_record(&out, FCGI_GET_VALUES, 0, pairs.at, pairs.n, 5);
	bytes_add_record(&out, FCGI_GET_VALUES, 0, NULL, 0, 0);
	talk();
	assert_int_equal(bytes_n_records(&got, FCGI_GET_VALUES_RESULT, 0), 2);
	assert_true(bytes_says(&got, FCGI_GET_VALUES_RESULT, 0, "FCGI_MPXS_CONNS0"));
	assert_false(bytes_has(&got, "FCGI_MAX_CONNS"));
	assert_int_equal(counters.n[COUNTER_GET_VALUES], 2);
	/* also beside a request */
	forget_answers();
	bytes_add_request(&out, 1, FCGI_KEEP_CONN, "/x.php", "");
	bytes_add_record(&out, FCGI_GET_VALUES, 0, pairs.at, pairs.n, 0);
	talk();
	assert_int_equal(bytes_n_records(&got, FCGI_GET_VALUES_RESULT, 0), 1);
	assert_int_equal(sink.asks[0].n_end, 1);
	bytes_done(&pairs);
}

static void test_unknown_type(void **state)
{
	(void)state;
	bytes_add_record(&out, 99, 0, "whatever", 8, 0);
	talk();
	assert_int_equal(got.n, 16);
	assert_int_equal(got.at[1], FCGI_UNKNOWN_TYPE);
	assert_int_equal(got.at[8], 99);
	assert_int_equal(counters.n[COUNTER_UNKNOWN_TYPE], 1);
	assert_int_equal(got_end, 0);
}

static void test_unknown_role(void **state)
{
	(void)state;
	bytes_add_begin(&out, 4, FCGI_AUTHORIZER, FCGI_KEEP_CONN);
	bytes_add_record(&out, FCGI_PARAMS, 4, "\1\1ab", 4, 0);
	bytes_add_record(&out, FCGI_PARAMS, 4, NULL, 0, 0);
	bytes_add_record(&out, FCGI_STDIN, 4, NULL, 0, 0);
	talk();
	assert_int_equal(sink.n_asks, 0);
	assert_int_equal(end_status(4), FCGI_UNKNOWN_ROLE);
	assert_int_equal(counters.n[COUNTER_UNKNOWN_ROLE], 1);
	/* the connection is good for more */
	bytes_add_request(&out, 4, 0, "/x.php", "");
	talk();
	assert_int_equal(sink.n_asks, 1);
}

static void test_second_request(void **state)
{
	(void)state;
	bytes_add_request(&out, 1, FCGI_KEEP_CONN, "/x.php", "");
	bytes_add_request(&out, 2, FCGI_KEEP_CONN, "/y.php", "body");
	talk();
	assert_int_equal(sink.n_asks, 1);
	assert_int_equal(end_status(2), FCGI_CANT_MPX_CONN);
	assert_int_equal(counters.n[COUNTER_CANT_MPX], 1);
	ask_answer(&sink.asks[0], "x");
	talk();
	assert_int_equal(end_status(1), FCGI_REQUEST_COMPLETE);
}

static void test_second_request_inside_the_first(void **state)
{
	(void)state;
	bytes_add_begin(&out, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
	bytes_add_begin(&out, 2, FCGI_RESPONDER, FCGI_KEEP_CONN);
	bytes_add_record(&out, FCGI_PARAMS, 2, "\1\1xx", 4, 0);
	bytes_add_record(&out, FCGI_PARAMS, 1, "\1\1ab", 4, 0);
	talk();
	assert_int_equal(end_status(2), FCGI_CANT_MPX_CONN);
	assert_int_equal(sink.asks[0].params.n, 4);
	assert_memory_equal(sink.asks[0].params.at, "\1\1ab", 4);
}

/* A peer that sends what must be answered, and reads nothing. */
static void test_answers_nobody_reads(void **state)
{
	static uint8_t records[8 * 1024];

	(void)state;
	for (size_t i = 0; i < sizeof(records); i += 8)
		memcpy(records + i, "\1\143\0\0\0\0\0\0", 8);
	for (int i = 0; i < 2000; i++) {
		(void)send(web, records, sizeof(records), MSG_NOSIGNAL | MSG_DONTWAIT);
		relay_turns(&relay, 1);
		assert_true(relay.memory.used < 1 << 20);
	}
	assert_int_equal(got_end, 0);
	/* it goes on when they are read */
	for (int i = 0; i < 20; i++) {
		forget_answers();
		talk();
	}
	assert_int_equal(client->stream.n_out, 0);
	forget_answers();
	bytes_add_record(&out, FCGI_GET_VALUES, 0, "\17\0FCGI_MPXS_CONNS", 17, 0);
	talk();
	assert_true(bytes_says(&got, FCGI_GET_VALUES_RESULT, 0, "FCGI_MPXS_CONNS0"));
}

/* illegal ones */

static void expect_closed(enum counter counter)
{
	talk();
	assert_true(got_end != 0);
	assert_int_equal(counters.n[counter], 1);
	assert_int_equal(n_closed, 1);
}

static void test_wrong_version(void **state)
{
	(void)state;
	bytes_add(&out, "GET / HTTP/1.1\r\n", 16);
	expect_closed(COUNTER_CLIENT_VERSION);
}

static void test_wrong_version_inside_a_request(void **state)
{
	(void)state;
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	bytes_add(&out, "\0", 1);
	expect_closed(COUNTER_CLIENT_VERSION);
	assert_int_equal(sink.asks[0].n_gone, 1);
}

static void test_begin_twice(void **state)
{
	(void)state;
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	expect_closed(COUNTER_CLIENT_PROTOCOL);
	assert_int_equal(sink.asks[0].n_gone, 1);
}

static void test_begin_of_id_0(void **state)
{
	(void)state;
	bytes_add_begin(&out, 0, FCGI_RESPONDER, 0);
	expect_closed(COUNTER_CLIENT_PROTOCOL);
}

static void test_begin_of_a_wrong_length(void **state)
{
	(void)state;
	bytes_add_record(&out, FCGI_BEGIN_REQUEST, 1, "\0\1\0\0\0\0\0\0\0", 9, 0);
	expect_closed(COUNTER_CLIENT_PROTOCOL);
	assert_int_equal(sink.n_asks, 0);
}

static void test_stdin_before_params(void **state)
{
	(void)state;
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	bytes_add_text(&out, FCGI_STDIN, 1, "x");
	expect_closed(COUNTER_CLIENT_PROTOCOL);
	assert_int_equal(sink.asks[0].n_gone, 1);
}

static void test_stdout_of_a_client(void **state)
{
	(void)state;
	bytes_add_begin(&out, 1, FCGI_RESPONDER, 0);
	bytes_add_text(&out, FCGI_STDOUT, 1, "x");
	expect_closed(COUNTER_CLIENT_PROTOCOL);
}

static void test_records_of_no_request_are_dropped(void **state)
{
	(void)state;
	bytes_add_text(&out, FCGI_STDIN, 9, "x");
	bytes_add_record(&out, FCGI_ABORT_REQUEST, 9, NULL, 0, 0);
	bytes_add_request(&out, 1, 0, "/x.php", "");
	talk();
	assert_int_equal(sink.asks[0].n_end, 1);
	assert_int_equal(counters.n[COUNTER_ABORTED], 0);
}

static void test_no_memory_for_a_request(void **state)
{
	(void)state;
	sink.is_full = true;
	bytes_add_request(&out, 1, 0, "/x.php", "");
	talk();
	assert_true(got_end != 0);
}

/* aborts */

/* A request up to a stage: 0 BEGIN, 1 params, 2 all params, 3 a part of the body, 4 all.
 */
static void add_until(int stage, uint8_t flags)
{
	bytes_add_begin(&out, 6, FCGI_RESPONDER, flags);
	if (stage >= 1)
		bytes_add_record(&out, FCGI_PARAMS, 6, "\1\1ab", 4, 0);
	if (stage >= 2)
		bytes_add_record(&out, FCGI_PARAMS, 6, NULL, 0, 0);
	if (stage >= 3)
		bytes_add_text(&out, FCGI_STDIN, 6, "body");
	if (stage >= 4)
		bytes_add_record(&out, FCGI_STDIN, 6, NULL, 0, 0);
}

static void test_abort_in_every_state(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage <= 4; stage++) {
		add_until((int)stage, FCGI_KEEP_CONN);
		bytes_add_record(&out, FCGI_ABORT_REQUEST, 6, NULL, 0, 0);
		talk();
		assert_int_equal(sink.asks[stage].n_gone, 1);
		assert_int_equal(end_status(6), FCGI_REQUEST_COMPLETE);
		assert_int_equal(counters.n[COUNTER_ABORTED], stage + 1);
		assert_true(client_is_idle(client));
		forget_answers();
	}
	/* the next one is served */
	bytes_add_request(&out, 6, 0, "/x.php", "");
	talk();
	assert_int_equal(sink.asks[5].n_end, 1);
}

static void test_abort_without_keep_conn(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage <= 4; stage++) {
		add_until((int)stage, 0);
		bytes_add_record(&out, FCGI_ABORT_REQUEST, 6, NULL, 0, 0);
		talk();
		assert_int_equal(sink.asks[stage].n_gone, 1);
		assert_int_equal(got_end, 1);
		close(web);
		got_end = 0;
		forget_answers();
		open_pair();
	}
}

/* An ABORT and the next request in one read. */
static void test_abort_and_the_next_request(void **state)
{
	(void)state;
	add_until(4, FCGI_KEEP_CONN);
	talk();
	bytes_add_record(&out, FCGI_ABORT_REQUEST, 6, NULL, 0, 0);
	bytes_add_request(&out, 6, FCGI_KEEP_CONN, "/next.php", "body");
	talk();
	assert_int_equal(sink.n_asks, 2);
	assert_true(bytes_has(&sink.asks[1].params, "/next.php"));
	assert_int_equal(sink.asks[1].n_end, 1);
	ask_answer(&sink.asks[1], "next");
	talk();
	assert_true(bytes_says(&got, FCGI_STDOUT, 6, "next"));
}

static void test_over_tcp(void **state)
{
	(void)state;
	open_tcp();
	bytes_add_request(&out, 1, 0, "/x.php", "a=1");
	bytes_send(&out, web);
	relay_until(&relay, sink.n_asks == 1 && sink.asks[0].n_end == 1, 1000);
	ask_answer(&sink.asks[0], "over tcp");
	relay_until(&relay, got_end != 0 || (got_end = bytes_recv(&got, web)), 1000);
	assert_int_equal(got_end, 1);
	assert_true(bytes_says(&got, FCGI_STDOUT, 1, "over tcp"));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, client_begin_pair, client_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request_and_answer),
		TEST(test_kept_connection),
		TEST(test_request_in_windows),
		TEST(test_answer_is_cut_into_records),
		TEST(test_stderr_has_its_own_type),
		TEST(test_get_values),
		TEST(test_unknown_type),
		TEST(test_unknown_role),
		TEST(test_second_request),
		TEST(test_second_request_inside_the_first),
		TEST(test_answers_nobody_reads),
		TEST(test_wrong_version),
		TEST(test_wrong_version_inside_a_request),
		TEST(test_begin_twice),
		TEST(test_begin_of_id_0),
		TEST(test_begin_of_a_wrong_length),
		TEST(test_stdin_before_params),
		TEST(test_stdout_of_a_client),
		TEST(test_records_of_no_request_are_dropped),
		TEST(test_no_memory_for_a_request),
		TEST(test_abort_in_every_state),
		TEST(test_abort_without_keep_conn),
		TEST(test_abort_and_the_next_request),
		cmocka_unit_test_setup_teardown(test_over_tcp, client_begin_empty,
						client_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
