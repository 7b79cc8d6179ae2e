/* SPDX-License-Identifier: BSD-2-Clause */
/* Outcomes: what a visitor gets when PHP does not answer; sent again or not. */

#include "daemon/outcome.h"

#include "conf/fpm_conf.h"
#include "tests/relay_visit.h"

/* A worker accepts, reads, and dies without a byte. */
static void kill_worker(int i)
{
	accept_worker(i);
	fpm_close(&workers[i]);
	relay_settle(&relay);
}

/* FPM goes, with what is in its backlog, and comes back. */
static void restart_fpm(void)
{
	close(listen_fd);
	(void)unlink(relay.path);
	listen_fd = relay_listen(&relay, 16);
	relay_settle(&relay);
}

static void serve(int worker, const char *text)
{
	accept_worker(worker);
	fpm_answer(&workers[worker], text);
	relay_settle(&relay);
}

/* sent again */

static void test_get_is_replayed_once(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	kill_worker(0);
	assert_int_equal(visits[0].n_done, 0);
	assert_int_equal(pool->counters.n[COUNTER_REPLAYED], 1);
	serve(1, "second try");
	visit_assert_served(0, "second try");
	assert_int_equal(workers[1].n_requests, 1);
}

static void test_get_is_not_replayed_twice(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	kill_worker(0);
	kill_worker(1);
	visit_assert_own(0, "503", "worker_died");
	assert_int_equal(relay_accept(listen_fd), -1);
}

/* Dies once, and must be answered by us then. */
static void check_not_replayed(const char *options, const char *method, size_t n_body)
{
	open_pool(options);
	visit(0, method, "/x.php", n_body);
	kill_worker(0);
	visit_assert_own(0, "503", "worker_died");
	assert_int_equal(relay_accept(listen_fd), -1);
	assert_int_equal(pool->counters.n[COUNTER_REPLAYED], 0);
}

static void test_post_never_runs_twice(void **state)
{
	(void)state;
	check_not_replayed("max_children = 2;", "POST", 100);
}

static void test_post_without_a_body_never_runs_twice(void **state)
{
	(void)state;
	check_not_replayed("max_children = 2;", "POST", 0);
}

static void test_get_with_a_body_never_runs_twice(void **state)
{
	(void)state;
	check_not_replayed("max_children = 2;", "GET", 10);
}

static void test_replay_is_off(void **state)
{
	(void)state;
	check_not_replayed("max_children = 2; replay = false;", "GET", 0);
}

static void test_not_replayed_when_it_had_run_for_long(void **state)
{
	(void)state;
	open_pool("max_children = 2; replay_within = \"20ms\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	relay_run_ms(&relay, 50);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	visit_assert_own(0, "503", "worker_died");
}

/* A byte of output: the script has run and may have been seen. */
static void test_not_replayed_behind_a_byte(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, "X");
	relay_settle(&relay);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	visit_assert_own(0, "503", "worker_died");
}

static void test_not_replayed_behind_stderr(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDERR, "PHP message");
	relay_settle(&relay);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	visit_assert_own(0, "503", "worker_died");
}

/* A route that killed two workers kills the third one as well. */
static void test_route_that_kills(void **state)
{
	(void)state;
	open_pool("max_children = 4;");
	visit(0, "GET", "/killer.php", 0);
	kill_worker(0);
	kill_worker(1);
	visit_assert_own(0, "503", "worker_died");
	visit(1, "GET", "/killer.php", 0);
	kill_worker(2);
	visit_assert_own(1, "503", "worker_died");
	/* others are not made to pay */
	visit(2, "GET", "/other.php", 0);
	kill_worker(3);
	assert_int_equal(visits[2].n_done, 0);
	serve(4, "fine");
	visit_assert_served(2, "fine");
}

/* 10 % of the requests, and three in any case. */
static void test_budget(void **state)
{
	char script[24];

	(void)state;
	open_pool("max_children = 8;");
	for (int i = 0; i < 4; i++) {
		snprintf(script, sizeof(script), "/%d.php", i);
		visit(i, "GET", script, 0);
		kill_worker(i);
		if (visits[i].exchange)
			serve(4 + i, "again");
	}
	for (int i = 0; i < 3; i++)
		visit_assert_served(i, "again");
	visit_assert_own(3, "503", "worker_died");
}

/* given back: no worker had it */

static void test_post_that_nobody_had(void **state)
{
	(void)state;
	open_pool("max_children = 2; hello = \"always\";");
	pool->member.can_hello = true;
	visit(0, "POST", "/x.php", 300000);
	relay_settle(&relay);
	restart_fpm();
	assert_int_equal(visits[0].n_done, 0);
	assert_int_equal(pool->counters.n[COUNTER_RETURNED], 1);
	pool->member.is_hello_known = true;
	relay_until(&relay, pool->counters.n[COUNTER_CONNECTS] == 2, 2000);
	accept_worker(0);
	assert_int_equal(workers[0].n_body, 300000);
	fpm_answer(&workers[0], "once");
	relay_settle(&relay);
	visit_assert_served(0, "once");
}

/* The same without a hello: only its BEGIN_REQUEST had gone out. */
static void test_post_that_nobody_had_without_a_hello(void **state)
{
	(void)state;
	open_pool("max_children = 2; hello = \"off\"; body_memory = \"4k\";");
	visit(0, "POST", "/x.php", 300000);
	relay_settle(&relay);
	restart_fpm();
	assert_int_equal(visits[0].n_done, 0);
	relay_until(&relay, pool->counters.n[COUNTER_CONNECTS] == 2, 2000);
	accept_worker(0);
	assert_int_equal(workers[0].n_body, 300000);
	fpm_answer(&workers[0], "once");
	relay_settle(&relay);
	visit_assert_served(0, "once");
	assert_int_equal(spool.n_files, 0);
}

/* A worker that dies with nothing but BEGIN_REQUEST has run nothing. */
static void test_post_whose_worker_read_its_begin(void **state)
{
	(void)state;
	open_pool("max_children = 2; hello = \"off\";");
	visit(0, "POST", "/x.php", 1000);
	fpm_accept(&workers[0], listen_fd);
	assert_false(fpm_read(&workers[0]));
	assert_int_equal(workers[0].n_requests, 1);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	assert_int_equal(visits[0].n_done, 0);
	relay_until(&relay, pool->counters.n[COUNTER_CONNECTS] == 2, 2000);
	serve(1, "once");
	visit_assert_served(0, "once");
}

static void test_waits_for_fpm(void **state)
{
	(void)state;
	close(listen_fd);
	listen_fd = -1;
	open_pool("max_children = 2;");
	visit(0, "POST", "/x.php", 10);
	relay_run_ms(&relay, 80);
	assert_int_equal(visits[0].n_done, 0);
	(void)unlink(relay.path);
	listen_fd = relay_listen(&relay, 16);
	relay_until(&relay, pool->counters.n[COUNTER_CONNECTS] == 1, 2000);
	serve(0, "late");
	visit_assert_served(0, "late");
}

static void test_waits_for_fpm_in_vain(void **state)
{
	(void)state;
	close(listen_fd);
	listen_fd = -1;
	open_pool("max_children = 2; queue = { max_wait = \"60ms\"; };");
	visit(0, "GET", "/x.php", 0);
	relay_until(&relay, visits[0].n_done == 1, 2000);
	visit_assert_own(0, "503", "pool_down");
	assert_true(bytes_has(&visits[0].out, "\r\nRetry-After: "));
}

/* What takes connections and drops them makes no busy loop, and no endless one. */
static void test_given_back_and_again(void **state)
{
	unsigned n = 0;

	(void)state;
	open_pool(
		"max_children = 2; hello = \"always\"; "
		"queue = { max_wait = \"200ms\"; };");
	pool->member.can_hello = true;
	visit(0, "POST", "/x.php", 10);
	while (visits[0].n_done == 0 && n < 1000) {
		int fd = relay_accept(listen_fd);

		pool->member.can_hello = pool->member.is_hello_known = true;
		n += fd >= 0;
		if (fd >= 0)
			close(fd);
		assert_true(loop_turn(relay.loop, 5) >= 0);
	}
	assert_int_equal(visits[0].n_done, 1);
	assert_true(n < 50);
}

/* The spool file cannot be read: nothing may run a part of it. */
static void check_lost_spool_file(const char *options, bool can_hello)
{
	struct exchange *exchange;

	open_pool(options);
	pool->member.can_hello = can_hello;
	visit(0, "POST", "/x.php", 900000);
	exchange = visits[0].exchange;
	assert_true(exchange->body.fd >= 0);
	assert_int_equal(ftruncate(exchange->body.fd, 100), 0);
	fpm_accept(&workers[0], listen_fd);
	for (int i = 0; i < 20; i++) {
		(void)fpm_read(&workers[0]);
		relay_turns(&relay, 1);
	}
	assert_false(workers[0].is_complete);
	assert_true(workers[0].end != 0);
	visit_assert_own(0, "503", "spool_full");
	assert_true(pool->counters.n[COUNTER_CONNECTS] <= 2);
}

static void test_lost_spool_file(void **state)
{
	(void)state;
	check_lost_spool_file("max_children = 2; body_memory = \"4k\"; hello = \"off\";",
			      false);
}

static void test_lost_spool_file_behind_a_hello(void **state)
{
	(void)state;
	check_lost_spool_file("max_children = 2; body_memory = \"4k\";", true);
}

/* broken */

static void test_died_behind_the_header(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER "half");
	relay_settle(&relay);
	fpm_close(&workers[0]);
	relay_settle(&relay);
	assert_int_equal(visits[0].n_broken, 1);
	assert_int_equal(visits[0].n_done, 0);
	assert_int_equal(pool->counters.n[COUNTER_BROKEN], 1);
	assert_false(bytes_has(&visits[0].out, "X-Fpmgate"));
}

static void test_nonsense_before_the_header(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	relay_send(workers[0].fd, "HTTP/1.1 200 OK\r\n", 17);
	relay_settle(&relay);
	visit_assert_own(0, "503", "response_malformed");
	assert_int_equal(relay_accept(listen_fd), -1);
}

static void test_nonsense_behind_the_header(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER "half");
	relay_send(workers[0].fd, "\0", 1);
	relay_settle(&relay);
	assert_int_equal(visits[0].n_broken, 1);
}

/* An older PHP or another server behind a hello: whoever answers has had the request. */
static void test_nonsense_for_a_hello(void **state)
{
	(void)state;
	open_pool("max_children = 2; hello = \"always\";");
	pool->member.can_hello = true;
	visit(0, "POST", "/x.php", 10);
	fpm_accept(&workers[0], listen_fd);
	relay_send(workers[0].fd, "HTTP/1.1 200 OK\r\n", 17);
	relay_settle(&relay);
	visit_assert_own(0, "503", "response_malformed");
	assert_int_equal(pool->counters.n[COUNTER_RETURNED], 0);
}

/* terminated by FPM */

static void test_terminated_by_fpm(void **state)
{
	struct conf_fpm_values values = {
		.pm = CONF_PM_STATIC, .max_children = 2,
		.request_terminate_timeout_us = 600000,
	};

	(void)state;
	open_pool("max_children = 2;");
	pool_set_fpm_values(pool, &values);
	/* soon: a crash */
	visit(0, "GET", "/x.php", 0);
	kill_worker(0);
	assert_int_equal(visits[0].n_done, 0);
	relay_until(&relay, pool->counters.n[COUNTER_CONNECTS] == 2, 1000);
	serve(1, "again");
	/* when its time is up: killed, and not run again */
	visit(1, "GET", "/y.php", 0);
	accept_worker(2);
	relay_run_ms(&relay, 550);
	fpm_close(&workers[2]);
	relay_settle(&relay);
	visit_assert_own(1, "504", "fpm_terminated");
}

/* limits of time */

static void test_request_timeout(void **state)
{
	(void)state;
	open_pool("max_children = 1; request_timeout = \"300ms\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	relay_until(&relay, visits[0].n_done == 1, 2000);
	visit_assert_own(0, "504", "request_timeout");
	/* the slot is taken until the worker is free */
	visit(1, "GET", "/y.php", 0);
	relay_settle(&relay);
	assert_int_equal(relay_accept(listen_fd), -1);
	assert_false(fpm_next(&workers[0]));
	relay_settle(&relay);
	serve(1, "served");
	visit_assert_served(1, "served");
}

static void test_request_timeout_behind_the_header(void **state)
{
	(void)state;
	open_pool("max_children = 1; request_timeout = \"300ms\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER "half");
	relay_until(&relay, visits[0].n_broken == 1, 2000);
	assert_int_equal(pool->counters.reasons[HEALTH_REASON_REQUEST_TIMEOUT], 1);
	assert_int_equal(pool->member.n_links[LINK_ABANDONED], 1);
}

static void test_read_timeout(void **state)
{
	(void)state;
	open_pool("max_children = 1; read_timeout = \"300ms\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	for (int i = 0; i < 4; i++) {
		relay_run_ms(&relay, 100);
		assert_int_equal(visits[0].n_done, 0);
		fpm_send(&workers[0], FCGI_STDERR, "alive");
	}
	relay_until(&relay, visits[0].n_done == 1, 2000);
	visit_assert_own(0, "504", "read_timeout");
}

/* A client that does not take what there is cannot make PHP late. */
static void test_read_timeout_not_under_back_pressure(void **state)
{
	(void)state;
	open_pool(
		"max_children = 1; read_timeout = \"300ms\"; response_memory = \"64k\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	visits[0].n_pending = 1 << 20;
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER "some");
	relay_run_ms(&relay, 500);
	assert_int_equal(visits[0].n_broken, 0);
	visits[0].n_pending = 0;
	exchange_sink.drained(visits[0].exchange);
	relay_until(&relay, visits[0].n_broken == 1, 2000);
}

static void test_answer_by_in_the_queue(void **state)
{
	(void)state;
	open_pool("max_children = 1; answer_by = \"300ms\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, FPM_HEADER "some");
	relay_settle(&relay);
	visit(1, "GET", "/y.php", 0);
	relay_until(&relay, visits[1].n_done == 1, 2000);
	visit_assert_own(1, "504", "answer_by");
	assert_int_equal(pool->queue.n_waiting, 0);
	/* the header was in time */
	relay_run_ms(&relay, 400);
	assert_int_equal(visits[0].n_broken, 0);
}

static void test_answer_by_with_a_worker(void **state)
{
	(void)state;
	open_pool("max_children = 1; answer_by = \"300ms\";");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	fpm_send(&workers[0], FCGI_STDOUT, "Content-Type: text/plain\r\n");
	relay_until(&relay, visits[0].n_done == 1, 2000);
	visit_assert_own(0, "504", "answer_by");
	assert_int_equal(pool->member.n_links[LINK_ABANDONED], 1);
}

static void test_body_timeout(void **state)
{
	(void)state;
	open_pool("max_children = 1; body_timeout = \"300ms\";");
	visit_open(0);
	visit_params(0, &(struct bytes){ 0 });
	for (int i = 0; i < 4; i++) {
		relay_run_ms(&relay, 100);
		visit_body(0, "x", 1);
		assert_int_equal(visits[0].n_done, 0);
	}
	relay_until(&relay, visits[0].n_done == 1, 2000);
	visit_assert_own(0, "408", "body_timeout");
	assert_int_equal(pool->n_exchanges, 0);
}

/* A connection on which nothing comes behind BEGIN_REQUEST. */
static void test_body_timeout_without_a_byte(void **state)
{
	(void)state;
	open_pool("max_children = 1; body_timeout = \"40ms\";");
	visit_open(0);
	relay_until(&relay, visits[0].n_done == 1, 1000);
	visit_assert_own(0, "408", "body_timeout");
}

static void test_body_timeout_is_over_with_the_body(void **state)
{
	(void)state;
	open_pool("max_children = 1; body_timeout = \"30ms\";");
	visit(0, "POST", "/x.php", 100);
	relay_run_ms(&relay, 80);
	assert_int_equal(visits[0].n_done, 0);
	serve(0, "x");
	visit_assert_served(0, "x");
}

/* In FPM's backlog nobody waits for longer than in our own queue. */
static void test_nobody_accepts(void **state)
{
	(void)state;
	open_pool("max_children = 2; queue = { max_wait = \"60ms\"; };");
	visit(0, "GET", "/x.php", 0);
	visit(1, "POST", "/y.php", 1000);
	relay_until(&relay, visits[0].n_done + visits[1].n_done == 2, 1000);
	visit_assert_own(0, "503", "queue_timeout");
	visit_assert_own(1, "503", "queue_timeout");
	assert_int_equal(pool->counters.n[COUNTER_WITHDRAWN], 1);
}

static void test_somebody_accepts_in_time(void **state)
{
	(void)state;
	open_pool("max_children = 2; queue = { max_wait = \"300ms\"; };");
	visit(0, "GET", "/x.php", 0);
	accept_worker(0);
	relay_run_ms(&relay, 500);
	assert_int_equal(visits[0].n_done, 0);
	fpm_answer(&workers[0], "slow");
	relay_settle(&relay);
	visit_assert_served(0, "slow");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, visit_begin, visit_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get_is_replayed_once),
		TEST(test_get_is_not_replayed_twice),
		TEST(test_post_never_runs_twice),
		TEST(test_post_without_a_body_never_runs_twice),
		TEST(test_get_with_a_body_never_runs_twice),
		TEST(test_replay_is_off),
		TEST(test_not_replayed_when_it_had_run_for_long),
		TEST(test_not_replayed_behind_a_byte),
		TEST(test_not_replayed_behind_stderr),
		TEST(test_route_that_kills),
		TEST(test_budget),
		TEST(test_post_that_nobody_had),
		TEST(test_post_that_nobody_had_without_a_hello),
		TEST(test_post_whose_worker_read_its_begin),
		TEST(test_waits_for_fpm),
		TEST(test_waits_for_fpm_in_vain),
		TEST(test_given_back_and_again),
		TEST(test_lost_spool_file),
		TEST(test_lost_spool_file_behind_a_hello),
		TEST(test_died_behind_the_header),
		TEST(test_nonsense_before_the_header),
		TEST(test_nonsense_behind_the_header),
		TEST(test_nonsense_for_a_hello),
		TEST(test_terminated_by_fpm),
		TEST(test_request_timeout),
		TEST(test_request_timeout_behind_the_header),
		TEST(test_read_timeout),
		TEST(test_read_timeout_not_under_back_pressure),
		TEST(test_answer_by_in_the_queue),
		TEST(test_answer_by_with_a_worker),
		TEST(test_body_timeout),
		TEST(test_body_timeout_without_a_byte),
		TEST(test_body_timeout_is_over_with_the_body),
		TEST(test_nobody_accepts),
		TEST(test_somebody_accepts_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
