/* SPDX-License-Identifier: BSD-2-Clause */
/* Exchanges: requests in, answers out, hold-back, back-pressure, leaving. */

#include "daemon/exchange.h"

#include "tests/relay_visit.h"

/* what PHP is sent */

static void test_params(void **state)
{
	struct bytes pairs = { 0 };
	char *id, *queue;

	(void)state;
	open_pool("max_children = 2;");
	bytes_add_pair(&pairs, "REQUEST_METHOD", "GET");
	bytes_add_pair(&pairs, "FPMGATE_REQUEST_ID", "forged");
	bytes_add_pair(&pairs, "SCRIPT_NAME", "/x.php");
	visit_open(0);
	visit_params(0, &pairs);
	visit_end_of_request(0);
	accept_worker(0);
	id = fpm_param(&workers[0], "FPMGATE_REQUEST_ID");
	queue = fpm_param(&workers[0], "FPMGATE_QUEUE_USEC");
	assert_int_equal(strlen(id), 26);
	assert_string_equal(id, visits[0].exchange->id);
	assert_string_equal(queue, "0");
	assert_false(bytes_has(&workers[0].params, "forged"));
	assert_true(bytes_has(&workers[0].params, "SCRIPT_NAME/x.php"));
	assert_null(fpm_param(&workers[0], "CONTENT_LENGTH"));
	fpm_answer(&workers[0], "hello");
	relay_settle(&relay);
	visit_assert_served(0, "hello");
	assert_int_equal(pool->n_exchanges, 0);
	assert_int_equal(pool->counters.n[COUNTER_SERVED], 1);
	free(id);
	free(queue);
	bytes_done(&pairs);
}

static void test_time_in_the_queue(void **state)
{
	char *queue;

	(void)state;
	open_pool("max_children = 1;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	visit(1, "GET", "/x.php", 0);
	relay_run_ms(&relay, 20);
	fpm_answer(&workers[0], "x");
	relay_settle(&relay);
	(void)fpm_next(&workers[0]);
	relay_settle(&relay);
	assert_true(fpm_read(&workers[0]));
	queue = fpm_param(&workers[0], "FPMGATE_QUEUE_USEC");
	assert_true(atol(queue) >= 18000 && atol(queue) < 2000000);
	free(queue);
}

static void check_body(const char *options, size_t n, bool is_spooled)
{
	open_pool(options);
	visit(0, "POST", "/x.php", n);
	assert_int_equal(spool.n_files, is_spooled);
	accept_worker(0);
	assert_int_equal(workers[0].n_body, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(workers[0].body.at[i], 0);
	fpm_answer(&workers[0], "stored");
	relay_settle(&relay);
	visit_assert_served(0, "stored");
	assert_int_equal(spool.used, 0);
}

static void test_body_in_memory(void **state)
{
	(void)state;
	check_body("max_children = 2;", 50000, false);
}

static void test_body_in_a_file(void **state)
{
	(void)state;
	check_body("max_children = 2; body_memory = \"4k\";", 700000, true);
}

static void test_body_without_a_length(void **state)
{
	struct bytes pairs = { 0 };
	char *length;

	(void)state;
	open_pool("max_children = 2;");
	bytes_add_pair(&pairs, "CONTENT_LENGTH", "");
	bytes_add_pair(&pairs, "REQUEST_METHOD", "POST");
	visit_open(0);
	visit_params(0, &pairs);
	visit_body(0, "chunk one, ", 11);
	visit_body(0, "chunk two", 9);
	visit_end_of_request(0);
	accept_worker(0);
	length = fpm_param(&workers[0], "CONTENT_LENGTH");
	assert_string_equal(length, "20");
	assert_memory_equal(workers[0].body.at, "chunk one, chunk two", 20);
	free(length);
	bytes_done(&pairs);
}

/* refused */

static void check_refused(const char *options, const struct bytes *pairs, size_t n_body)
{
	open_pool(options);
	visit_open(0);
	visit_params(0, pairs);
	visit_body(0, NULL, n_body);
	visit_end_of_request(0);
	/* no worker hears of it */
	assert_int_equal(relay_accept(listen_fd), -1);
	relay_settle(&relay);
	assert_int_equal(pool->n_exchanges, 0);
	assert_int_equal(relay.memory.used, 0);
}

static void test_refused_malformed_params(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	bytes_add(&pairs, "\5\5abc", 5);
	check_refused("max_children = 2;", &pairs, 0);
	visit_assert_own(0, "400", "request_malformed");
	bytes_done(&pairs);
}

static void test_refused_params_too_big(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	for (int i = 0; i < 2000; i++)
		bytes_add_pair(&pairs, "HTTP_X_SOMETHING_LONG",
			       "with some value as well");
	check_refused("max_children = 2; params_max = \"64k\";", &pairs, 0);
	visit_assert_own(0, "431", "params_too_big");
	bytes_done(&pairs);
}

static void test_refused_too_many_params(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	for (int i = 0; i < 101; i++)
		bytes_add_pair(&pairs, "A", "b");
	check_refused("max_children = 2; params_count_max = 100;", &pairs, 0);
	visit_assert_own(0, "431", "params_too_big");
	bytes_done(&pairs);
}

static void test_refused_param(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	bytes_add_pair(&pairs, "PHP_ADMIN_VALUE", "x=1");
	check_refused("max_children = 2; deny_params = [ \"PHP_ADMIN_VALUE\" ];", &pairs,
		      0);
	visit_assert_own(0, "403", "param_denied");
	bytes_done(&pairs);
}

static void test_refused_body_file(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	bytes_add_pair(&pairs, "REQUEST_BODY_FILE", "/etc/passwd");
	check_refused("max_children = 2;", &pairs, 0);
	visit_assert_own(0, "403", "param_denied");
	bytes_done(&pairs);
}

static void check_length(const char *length, size_t n_body)
{
	struct bytes pairs = { 0 };

	bytes_add_pair(&pairs, "CONTENT_LENGTH", length);
	check_refused("max_children = 2; body_max = \"100k\";", &pairs, n_body);
	bytes_done(&pairs);
}

static void test_refused_body_shorter_than_said(void **state)
{
	(void)state;
	check_length("11", 10);
	visit_assert_own(0, "400", "body_length");
}

static void test_refused_body_longer_than_said(void **state)
{
	(void)state;
	check_length("9", 10);
	visit_assert_own(0, "400", "body_length");
}

static void test_refused_length_is_no_number(void **state)
{
	(void)state;
	check_length("-2", 0);
	visit_assert_own(0, "400", "body_length");
}

static void test_refused_body_said_too_big(void **state)
{
	(void)state;
	check_length("200000", 10);
	visit_assert_own(0, "413", "body_too_big");
}

static void test_refused_body_is_too_big(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	bytes_add_pair(&pairs, "REQUEST_METHOD", "POST");
	check_refused("max_children = 2; body_max = \"100k\";", &pairs, 200000);
	visit_assert_own(0, "413", "body_too_big");
	bytes_done(&pairs);
}

static void test_refused_spool_full(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	spool.max = 50000;
	bytes_add_pair(&pairs, "REQUEST_METHOD", "POST");
	check_refused("max_children = 2; body_memory = \"4k\";", &pairs, 200000);
	visit_assert_own(0, "503", "spool_full");
	bytes_done(&pairs);
}

static void test_refused_memory_full(void **state)
{
	struct bytes pairs = { 0 };

	(void)state;
	open_pool("max_children = 2;");
	memory_add(&pool->memory, pool->memory.max - 100);
	bytes_add_pair(&pairs, "REQUEST_METHOD", "GET");
	visit_open(0);
	visit_params(0, &pairs);
	visit_assert_own(0, "503", "memory_full");
	memory_give(&pool->memory, pool->memory.max - 100);
	bytes_done(&pairs);
}

/* what comes back */

static void test_header_is_held_back(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDERR, "PHP message: early");
	fpm_send(&workers[0], FCGI_STDOUT, "Content-Type: text/plain\r\nX-A: ");
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n + visits[0].err.n, 0);
	fpm_send(&workers[0], FCGI_STDOUT, "b\r\n\r");
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 0);
	fpm_send(&workers[0], FCGI_STDOUT, "\nbody");
	relay_settle(&relay);
	assert_string_equal(strndupa((char *)visits[0].out.at, visits[0].out.n),
			    "Content-Type: text/plain\r\nX-A: b\r\n\r\nbody");
	assert_true(bytes_has(&visits[0].err, "PHP message: early"));
	/* from now on everything passes */
	fpm_send(&workers[0], FCGI_STDOUT, " more");
	relay_settle(&relay);
	assert_true(bytes_has(&visits[0].out, "body more"));
	fpm_send(&workers[0], FCGI_STDERR, "PHP message: late");
	relay_settle(&relay);
	assert_true(bytes_has(&visits[0].err, "PHP message: late"));
	assert_int_equal(visits[0].n_done, 0);
	fpm_end(&workers[0]);
	relay_settle(&relay);
	assert_int_equal(visits[0].n_done, 1);
}

static void test_end_without_a_header(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, "Content-Type: text/plain\r\n");
	fpm_end(&workers[0]);
	relay_settle(&relay);
	visit_assert_own(0, "503", "response_malformed");
}

static void test_header_too_big(void **state)
{
	char line[1000];

	(void)state;
	open_pool("max_children = 2; header_max = \"4k\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	memset(line, 'x', sizeof(line));
	memcpy(line, "X-Long: ", 8);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	for (int i = 0; i < 6 && visits[0].exchange; i++) {
		fpm_send(&workers[0], FCGI_STDOUT, line);
		relay_settle(&relay);
	}
	visit_assert_own(0, "503", "response_header_too_big");
	/* the script runs: its slot is not free */
	assert_int_equal(pool->member.n_links[LINK_ABANDONED], 1);
}

static void test_header_of_nonsense(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, "\n\n\001\002 no header\n\n");
	relay_settle(&relay);
	fpm_end(&workers[0]);
	relay_settle(&relay);
	assert_int_equal(visits[0].n_done, 1);
	assert_int_equal(pool->n_exchanges, 0);
}

/* back-pressure */

static void send_page(int i, size_t n)
{
	struct bytes bytes = { 0 };
	uint8_t *content = calloc(1, n);

	bytes_add_record(&bytes, FCGI_STDOUT, workers[i].id, content, n, 0);
	bytes_send(&bytes, workers[i].fd);
	free(content);
}

static void test_reads_no_further_ahead(void **state)
{
	struct exchange *exchange;

	(void)state;
	open_pool("max_children = 2; response_memory = \"64k\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	exchange = visits[0].exchange;
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER);
	relay_settle(&relay);
	visits[0].n_pending = 64 * 1024;
	send_page(0, 10000);
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 28 + 10000);
	assert_true(exchange->link->is_paused);
	send_page(0, 10000);
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 28 + 10000);
	/* not enough has gone */
	exchange_sink.drained(exchange);
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 28 + 10000);
	visits[0].n_pending = 20000;
	exchange_sink.drained(exchange);
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 28 + 20000);
}

static void test_reads_less_ahead_when_memory_is_tight(void **state)
{
	struct exchange *exchange;
	size_t booked;

	(void)state;
	open_pool("max_children = 2; response_memory = \"256k\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	exchange = visits[0].exchange;
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER);
	relay_settle(&relay);
	booked = pool->memory.max - pool->memory.max / 16;
	memory_add(&pool->memory, booked);
	visits[0].n_pending = 40 * 1024;
	send_page(0, 1000);
	relay_settle(&relay);
	send_page(0, 1000);
	exchange_sink.drained(exchange);
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 28 + 1000);
	visits[0].n_pending = 0;
	exchange_sink.drained(exchange);
	relay_settle(&relay);
	assert_int_equal(visits[0].out.n, 28 + 2000);
	memory_give(&pool->memory, booked);
}

/* The script's end comes while the client has not taken what there is. */
static void test_end_behind_back_pressure(void **state)
{
	(void)state;
	open_pool("max_children = 2; response_memory = \"64k\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	visits[0].n_pending = 64 * 1024;
	fpm_answer(&workers[0], "x");
	send_page(0, 100);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	visits[0].n_pending = 0;
	if (visits[0].exchange)
		exchange_sink.drained(visits[0].exchange);
	relay_settle(&relay);
	visit_assert_served(0, "x");
}

/* leaving */

static void leave(int i)
{
	struct exchange *exchange = visits[i].exchange;

	visits[i].exchange = NULL;
	exchange_sink.gone(exchange);
	assert_int_equal(visits[i].n_done + visits[i].n_broken, 0);
}

static void test_left_before_the_request_is_complete(void **state)
{
	(void)state;
	open_pool("max_children = 2; body_memory = \"4k\";");
	visit_open(0);
	leave(0);
	visit_open(1);
	visit_params(1, &(struct bytes){ 0 });
	visit_body(1, NULL, 100000);
	assert_int_equal(spool.n_files, 1);
	leave(1);
	relay_settle(&relay);
	assert_int_equal(pool->n_exchanges, 0);
	assert_int_equal(spool.n_files, 0);
	assert_int_equal(pool->counters.reasons[HEALTH_REASON_CLIENT_LEFT], 2);
}

static void test_left_while_queued(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	visit(1, "GET", "/y.php", 0);
	assert_int_equal(pool->queue.n_waiting, 1);
	leave(1);
	relay_settle(&relay);
	assert_int_equal(pool->queue.n_waiting, 0);
	fpm_answer(&workers[0], "x");
	relay_settle(&relay);
	assert_false(fpm_next(&workers[0]));
	relay_settle(&relay);
	/* it never ran */
	assert_false(fpm_read(&workers[0]));
	assert_int_equal(workers[0].n_requests, 1);
	assert_int_equal(relay_accept(listen_fd), -1);
}

static void test_left_behind_a_hello(void **state)
{
	(void)state;
	open_pool("max_children = 2; hello = \"always\";");
	pool->member.can_hello = true;
	visit(0, "GET", "/x.php", 0);
	leave(0);
	relay_settle(&relay);
	assert_int_equal(pool->counters.n[COUNTER_WITHDRAWN], 1);
	assert_int_equal(member_n_taken(&pool->member), 0);
	assert_int_equal(pool->n_exchanges, 0);
}

/* The body is not sent before somebody is there to read it. */
static void test_left_before_a_worker_came(void **state)
{
	(void)state;
	open_pool("max_children = 2; hello = \"off\";");
	visit(0, "POST", "/x.php", 1000);
	relay_settle(&relay);
	leave(0);
	relay_settle(&relay);
	assert_int_equal(pool->counters.n[COUNTER_WITHDRAWN], 1);
	fpm_accept(&workers[0], listen_fd);
	assert_false(fpm_read(&workers[0]));
	assert_int_equal(workers[0].end, 1);
	assert_false(workers[0].has_params);
}

static void test_left_while_running(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	leave(0);
	relay_settle(&relay);
	assert_int_equal(pool->counters.n[COUNTER_ABANDONED], 1);
	assert_int_equal(member_n_taken(&pool->member), 1);
	/* the exchange does not wait for the worker */
	assert_int_equal(pool->n_exchanges, 0);
	assert_int_equal(send(workers[0].fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_false(fpm_next(&workers[0]));
	relay_settle(&relay);
	assert_int_equal(member_n_taken(&pool->member), 0);
}

static void test_left_in_the_middle_of_the_answer(void **state)
{
	(void)state;
	open_pool("max_children = 2; response_memory = \"64k\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER "some");
	relay_settle(&relay);
	visits[0].n_pending = 1 << 20;
	fpm_send(&workers[0], FCGI_STDOUT, "more");
	relay_settle(&relay);
	leave(0);
	relay_settle(&relay);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	assert_int_equal(member_n_taken(&pool->member), 0);
}

static void test_left_while_the_body_is_written(void **state)
{
	(void)state;
	open_pool("max_children = 2; body_memory = \"4k\";");
	visit(0, "POST", "/x.php", 900000);
	fpm_accept(&workers[0], listen_fd);
	assert_false(fpm_read(&workers[0]));
	relay_settle(&relay);
	leave(0);
	/* PHP runs a cut request too: it gets all of it */
	while (!fpm_read(&workers[0]))
		relay_turns(&relay, 1);
	assert_int_equal(workers[0].n_body, 900000);
	relay_settle(&relay);
	assert_int_equal(pool->n_exchanges, 0);
	assert_int_equal(spool.n_files, 0);
}

/* Behind its END_REQUEST a script goes on: the visitor is served, the slot is taken. */
static void test_background_script(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	assert_true(workers[0].keep_conn);
	fpm_answer(&workers[0], "served");
	relay_settle(&relay);
	visit_assert_served(0, "served");
	visit(1, "GET", "/y.php", 0);
	relay_settle(&relay);
	assert_int_equal(relay_accept(listen_fd), -1);
	assert_int_equal(pool->queue.n_waiting, 1);
	fpm_send(&workers[0], FCGI_STDOUT, "A-SECRET");
	fpm_send(&workers[0], FCGI_STDERR, "PHP message: background");
	relay_settle(&relay);
	(void)fpm_next(&workers[0]);
	relay_settle(&relay);
	assert_true(fpm_read(&workers[0]));
	fpm_answer(&workers[0], "second");
	relay_settle(&relay);
	visit_assert_served(1, "second");
	assert_false(bytes_has(&visits[1].out, "SECRET"));
	assert_false(bytes_has(&visits[1].err, "background"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, visit_begin, visit_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_params),
		TEST(test_time_in_the_queue),
		TEST(test_body_in_memory),
		TEST(test_body_in_a_file),
		TEST(test_body_without_a_length),
		TEST(test_refused_malformed_params),
		TEST(test_refused_params_too_big),
		TEST(test_refused_too_many_params),
		TEST(test_refused_param),
		TEST(test_refused_body_file),
		TEST(test_refused_body_shorter_than_said),
		TEST(test_refused_body_longer_than_said),
		TEST(test_refused_length_is_no_number),
		TEST(test_refused_body_said_too_big),
		TEST(test_refused_body_is_too_big),
		TEST(test_refused_spool_full),
		TEST(test_refused_memory_full),
		TEST(test_header_is_held_back),
		TEST(test_end_without_a_header),
		TEST(test_header_too_big),
		TEST(test_header_of_nonsense),
		TEST(test_reads_no_further_ahead),
		TEST(test_reads_less_ahead_when_memory_is_tight),
		TEST(test_end_behind_back_pressure),
		TEST(test_left_before_the_request_is_complete),
		TEST(test_left_while_queued),
		TEST(test_left_behind_a_hello),
		TEST(test_left_before_a_worker_came),
		TEST(test_left_while_running),
		TEST(test_left_in_the_middle_of_the_answer),
		TEST(test_left_while_the_body_is_written),
		TEST(test_background_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
