/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools: who gets a slot, who waits, who is refused and why; hello and KEEP_CONN. */

#include "daemon/pool.h"

#include "conf/fpm_conf.h"
#include "tests/relay_conf.h"
#include "tests/relay_link.h"

enum { N_GUESTS = 8 };

/* One that waits, as the pool knows it, and its request. */
struct guest {
	struct health_waiter waiter;
	struct errand errand;
	unsigned n_slots, n_refused;
	bool hello, keep_conn, has_body, is_choosy;
	enum health_reason reason;
};

static struct relay relay;
static struct conf *conf;
static struct pool *pool;
static struct spool spool;
static struct guest guests[N_GUESTS];
static struct fpm workers[N_GUESTS];
static int listen_fd;
static char order[32]; /* in which they got slots */

static struct guest *guest_of(struct health_waiter *waiter)
{
	return container_of(waiter, struct guest, waiter);
}

static void on_slot(struct health_waiter *waiter, struct link *link, bool hello,
		    bool keep_conn)
{
	struct guest *guest = guest_of(waiter);

	guest->n_slots++;
	guest->hello = hello;
	guest->keep_conn = keep_conn;
	order[strlen(order)] = (char)('0' + (guest - guests));
	errand_start(&guest->errand, link, hello, keep_conn);
}

static void on_refused(struct health_waiter *waiter, enum health_reason reason)
{
	guest_of(waiter)->n_refused++;
	guest_of(waiter)->reason = reason;
}

static bool has_body(struct health_waiter *waiter)
{
	return guest_of(waiter)->has_body;
}

static bool may_follow(struct health_waiter *waiter, uint16_t id)
{
	(void)id;
	return !guest_of(waiter)->is_choosy;
}

static const struct waiter_ops waiter_ops = {
	.on_slot = on_slot,
	.on_refused = on_refused,
	.has_body = has_body,
	.may_follow = may_follow,
};

static int begin(void **state)
{
	(void)state;
	relay_begin(&relay);
	listen_fd = relay_listen(&relay, 16);
	memset(order, 0, sizeof(order));
	spool = (struct spool){ .dir = relay.dir, .max = 1 << 20 };
	for (int i = 0; i < N_GUESTS; i++) {
		guests[i] = (struct guest){ 0 };
		health_waiter_init(&guests[i].waiter);
		errand_init(&guests[i].errand, &relay, (uint16_t)(i + 1), 0);
		workers[i] = (struct fpm){ .fd = -1 };
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	pool = pool_free(pool);
	relay_settle(&relay);
	conf = conf_unref(conf);
	for (int i = 0; i < N_GUESTS; i++) {
		assert_null(guests[i].errand.link);
		errand_done(&guests[i].errand);
		fpm_close(&workers[i]);
	}
	if (listen_fd >= 0)
		close(listen_fd);
	relay_end(&relay);
	return 0;
}

static void open_pool(const char *options)
{
	conf = relay_conf(&relay, "", options);
	assert_int_equal(pool_new(relay.loop, conf, conf->pools[0],
				  &conf->pools[0]->backend, &relay.memory, &spool,
				  &waiter_ops, &pool),
			 0);
	relay_settle(&relay);
	pool->member.is_hello_known = true;
}

static void submit(int i)
{
	pool_submit(pool, &guests[i].waiter);
}

static void accept_one(int i)
{
	fpm_accept(&workers[i], listen_fd);
	assert_true(fpm_read(&workers[i]));
	relay_settle(&relay);
}

/* Answers, asks for the next request, and reads it if there is one. */
static void finish(int i)
{
	fpm_answer(&workers[i], "x");
	relay_settle(&relay);
	(void)fpm_next(&workers[i]);
	relay_settle(&relay);
	(void)fpm_read(&workers[i]);
}

/* hello and KEEP_CONN */

static void test_calm(void **state)
{
	(void)state;
	open_pool("max_children = 4;");
	pool->member.can_hello = true;
	submit(0);
	assert_int_equal(guests[0].n_slots, 1);
	assert_false(guests[0].hello);
	assert_false(guests[0].keep_conn);
	accept_one(0);
	/* whose body makes it worth a withdrawal */
	guests[1].has_body = true;
	submit(1);
	assert_true(guests[1].hello);
	assert_false(guests[1].keep_conn);
	accept_one(1);
	finish(0);
	finish(1);
	assert_int_equal(member_n_taken(&pool->member), 0);
}

/* The last slot is one whose link the next request wants. */
static void test_last_slot(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	pool->member.can_hello = true;
	submit(0);
	accept_one(0);
	assert_false(guests[0].keep_conn);
	submit(1);
	assert_true(guests[1].keep_conn);
	assert_false(guests[1].hello);
	accept_one(1);
	finish(0);
	finish(1);
}

/* One that had to wait, and is served over a link of its own. */
static void check_waited(const char *options, bool can_hello, bool hello, bool keep_conn)
{
	char text[128];

	snprintf(text, sizeof(text), "max_children = 1; %s", options);
	open_pool(text);
	pool->member.can_hello = can_hello;
	submit(0);
	accept_one(0);
	submit(1);
	relay_run_ms(&relay, 2);
	fpm_answer(&workers[0], "x");
	fpm_shut(&workers[0]);
	relay_settle(&relay);
	assert_int_equal(guests[1].n_slots, 1);
	assert_int_equal(guests[1].hello, hello);
	assert_int_equal(guests[1].keep_conn, keep_conn);
	accept_one(1);
	finish(1);
	assert_int_equal(workers[1].n_hellos, hello);
}

static void test_waited(void **state)
{
	(void)state;
	check_waited("", true, true, true);
}

static void test_waited_for_an_older_php(void **state)
{
	(void)state;
	check_waited("", false, false, true);
}

static void test_waited_with_hello_off(void **state)
{
	(void)state;
	check_waited("hello = \"off\";", true, false, true);
}

static void test_waited_with_hand_over_off(void **state)
{
	(void)state;
	check_waited("hand_over = false;", true, true, false);
}

static void test_hello_always(void **state)
{
	(void)state;
	open_pool("max_children = 4; hello = \"always\";");
	pool->member.can_hello = true;
	submit(0);
	assert_true(guests[0].hello);
	assert_false(guests[0].keep_conn);
	accept_one(0);
	finish(0);
}

/* waiting */

static void test_queue_is_served_by_hand_over(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	for (int i = 0; i < 4; i++)
		submit(i);
	assert_string_equal(order, "0");
	assert_int_equal(pool->queue.n_waiting, 3);
	accept_one(0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(workers[0].id, i + 1);
		finish(0);
	}
	assert_string_equal(order, "0123");
	assert_int_equal(pool->counters.n[COUNTER_CONNECTS], 1);
	assert_int_equal(pool->counters.n[COUNTER_HANDED_OVER], 3);
	assert_int_equal(pool->counters.n[COUNTER_QUEUED], 3);
	assert_false(guests[3].hello);
	assert_true(guests[3].keep_conn);
	assert_int_equal(member_n_taken(&pool->member), 0);
}

static void test_queue_is_served_by_connects(void **state)
{
	(void)state;
	open_pool("max_children = 1; hand_over = false;");
	for (int i = 0; i < 3; i++)
		submit(i);
	for (int i = 0; i < 3; i++) {
		accept_one(i);
		fpm_answer(&workers[i], "x");
		relay_settle(&relay);
		assert_int_equal(guests[i].errand.n_end, 1);
	}
	assert_string_equal(order, "012");
	assert_int_equal(pool->counters.n[COUNTER_CONNECTS], 3);
}

/* A link whose last request had this one's id: bytes could be mistaken. */
static void test_queue_head_does_not_follow(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	submit(0);
	submit(1);
	guests[1].is_choosy = true;
	accept_one(0);
	finish(0);
	assert_string_equal(order, "01");
	assert_int_equal(pool->counters.n[COUNTER_HANDED_OVER], 0);
	accept_one(1);
	finish(1);
}

static void test_withdraw_from_the_queue(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	for (int i = 0; i < 3; i++)
		submit(i);
	pool_withdraw(pool, &guests[1].waiter);
	pool_withdraw(pool, &guests[1].waiter);
	accept_one(0);
	finish(0);
	assert_string_equal(order, "02");
	finish(0);
}

static void test_submit_again_goes_first(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	for (int i = 0; i < 3; i++)
		submit(i);
	accept_one(0);
	fpm_close(&workers[0]);
	relay_turns(&relay, 1);
	assert_int_equal(guests[0].errand.n_gone, 1);
	guests[0].errand.n_gone = 0;
	pool_submit_again(pool, &guests[0].waiter);
	relay_settle(&relay);
	/* guest 1 may have had the slot already; 0 goes before 2 all the same */
	accept_one(1);
	finish(1);
	finish(1);
	finish(1);
	assert_int_equal(strlen(order), 4);
	assert_true(strchr(order + 1, '0') < strchr(order, '2'));
}

/* refused */

static void test_queue_full(void **state)
{
	(void)state;
	open_pool("max_children = 1; queue = { size = 2; };");
	for (int i = 0; i < 4; i++)
		submit(i);
	assert_int_equal(guests[2].n_refused, 0);
	assert_int_equal(guests[3].n_refused, 1);
	assert_int_equal(guests[3].reason, HEALTH_REASON_QUEUE_FULL);
	assert_int_equal(guests[3].n_slots, 0);
	accept_one(0);
	finish(0);
	finish(0);
	finish(0);
	assert_string_equal(order, "012");
}

static void test_nobody_may_wait(void **state)
{
	(void)state;
	open_pool("max_children = 1; queue = { size = 0; };");
	submit(0);
	submit(1);
	assert_int_equal(guests[1].n_refused, 1);
	assert_int_equal(guests[1].reason, HEALTH_REASON_QUEUE_FULL);
	accept_one(0);
	finish(0);
}

static void test_queue_timeout(void **state)
{
	(void)state;
	open_pool("max_children = 1; queue = { max_wait = \"300ms\"; };");
	submit(0);
	accept_one(0);
	submit(1);
	relay_run_ms(&relay, 150);
	submit(2);
	relay_until(&relay, guests[1].n_refused == 1, 2000);
	assert_int_equal(guests[1].reason, HEALTH_REASON_QUEUE_TIMEOUT);
	assert_int_equal(guests[2].n_refused, 0);
	relay_until(&relay, guests[2].n_refused == 1, 1000);
	assert_int_equal(guests[0].n_refused, 0);
	finish(0);
	assert_string_equal(order, "0");
}

/* Overload: the newest first, the oldest soon. */
static void test_shed(void **state)
{
	(void)state;
	open_pool("max_children = 1; queue = { max_wait = \"5s\"; target = \"20ms\"; "
		  "interval = \"40ms\"; };");
	submit(0);
	accept_one(0);
	submit(1);
	relay_until(&relay, guests[1].n_refused == 1, 2000);
	assert_int_equal(guests[1].reason, HEALTH_REASON_SHED);
	submit(2);
	finish(0);
	assert_string_equal(order, "02");
	finish(0);
}

/* FPM is away */

static void test_pool_down(void **state)
{
	(void)state;
	close(listen_fd);
	listen_fd = -1;
	open_pool("max_children = 2; queue = { max_wait = \"60ms\"; };");
	submit(0);
	submit(1);
	assert_int_equal(guests[0].n_slots + guests[0].n_refused, 0);
	relay_until(&relay, guests[0].n_refused + guests[1].n_refused == 2, 2000);
	assert_int_equal(guests[0].reason, HEALTH_REASON_POOL_DOWN);
	assert_int_equal(guests[1].reason, HEALTH_REASON_POOL_DOWN);
	assert_int_equal(pool->counters.reasons[HEALTH_REASON_BACKEND_REFUSED], 1);
}

/* Whoever waited for it is served when it is back, the first first. */
static void test_pool_is_back(void **state)
{
	(void)state;
	close(listen_fd);
	assert_int_equal(unlink(relay.path), 0);
	open_pool("max_children = 1; queue = { max_wait = \"5s\"; target = \"20ms\"; "
		  "interval = \"20ms\"; };");
	for (int i = 0; i < 3; i++)
		submit(i);
	relay_run_ms(&relay, 150);
	for (int i = 0; i < 3; i++)
		assert_int_equal(guests[i].n_refused, 0);
	listen_fd = relay_listen(&relay, 16);
	relay_until(&relay, guests[0].n_slots == 1, 2000);
	accept_one(0);
	finish(0);
	finish(0);
	finish(0);
	assert_string_equal(order, "012");
}

/* A full backlog is not "down": it waits and is served. */
static void test_backlog_full(void **state)
{
	int fd;

	(void)state;
	close(listen_fd);
	assert_int_equal(unlink(relay.path), 0);
	listen_fd = relay_listen(&relay, 0);
	fd = relay_connect_path(relay.path);
	open_pool("max_children = 1;");
	submit(0);
	relay_run_ms(&relay, 40);
	assert_int_equal(guests[0].n_slots + guests[0].n_refused, 0);
	close(relay_accept(listen_fd));
	relay_until(&relay, guests[0].n_slots == 1, 1000);
	assert_int_equal(pool->counters.reasons[HEALTH_REASON_BACKEND_FULL], 1);
	accept_one(0);
	finish(0);
	close(fd);
}

/* figures and changes */

static void test_ids_are_never_0(void **state)
{
	(void)state;
	open_pool("max_children = 1;");
	pool->next_id = 65534;
	assert_int_equal(pool_take_id(pool), 65535);
	assert_int_equal(pool_take_id(pool), 1);
}

static void test_retry_after(void **state)
{
	bool spreads = false;
	unsigned first;

	(void)state;
	open_pool("max_children = 1;");
	for (int i = 0; i < N_GUESTS; i++)
		submit(i);
	/* 7 wait, 1 s each as long as nothing is known */
	first = pool_retry_after_s(pool);
	for (int i = 0; i < 50; i++) {
		unsigned s = pool_retry_after_s(pool);

		assert_true(s >= 7 && s <= 10);
		spreads |= s != first;
	}
	assert_true(spreads);
	for (int i = 1; i < N_GUESTS; i++)
		pool_withdraw(pool, &guests[i].waiter);
	accept_one(0);
	finish(0);
}

static void test_more_slots_by_a_reload(void **state)
{
	struct conf *newer;

	(void)state;
	open_pool("max_children = 1;");
	for (int i = 0; i < 3; i++)
		submit(i);
	assert_string_equal(order, "0");
	newer = relay_conf(&relay, "", "max_children = 3;");
	pool_set_conf(pool, newer, newer->pools[0]);
	conf_unref(newer);
	relay_settle(&relay);
	for (int i = 0; i < 3; i++) {
		accept_one(i);
		finish(i);
	}
	assert_string_equal(order, "012");
	assert_int_equal(pool->counters.n[COUNTER_CONNECTS], 3);
}

static void test_hello_off_by_a_reload(void **state)
{
	struct conf *newer;

	(void)state;
	open_pool("max_children = 1;");
	pool->member.can_hello = true;
	newer = relay_conf(&relay, "", "max_children = 1; hello = \"off\";");
	pool_set_conf(pool, newer, newer->pools[0]);
	conf_unref(newer);
	submit(0);
	assert_false(guests[0].hello);
	accept_one(0);
	finish(0);
}

static void test_values_of_fpm(void **state)
{
	struct conf_fpm_values values = { .pm = CONF_PM_ONDEMAND, .max_children = 7 };

	(void)state;
	open_pool("fpm_conf = \"/etc/php/www.conf\";");
	/* one slot until it is known */
	assert_int_equal(pool->member.limit, 1);
	pool_set_fpm_values(pool, &values);
	assert_int_equal(pool->member.limit, 7);
	assert_int_equal(pool->member.params.pm, CONF_PM_ONDEMAND);
	submit(0);
	submit(1);
	assert_string_equal(order, "0");
	accept_one(0);
	assert_string_equal(order, "01");
	accept_one(1);
	finish(0);
	finish(1);
}

static void test_counters(void **state)
{
	struct counters counters;

	(void)state;
	open_pool("max_children = 1;");
	submit(0);
	accept_one(0);
	fpm_answer(&workers[0], "x");
	relay_run_ms(&relay, 3);
	workers[0].id = 99;
	fpm_send(&workers[0], FCGI_STDOUT, "foreign");
	relay_settle(&relay);
	(void)fpm_next(&workers[0]);
	relay_settle(&relay);
	pool_get_counters(pool, &counters);
	assert_int_equal(counters.n[COUNTER_CONNECTS], 1);
	assert_int_equal(counters.n[COUNTER_BACKGROUND], 1);
	assert_int_equal(counters.n[COUNTER_FOREIGN_RECORDS], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_calm),
		TEST(test_last_slot),
		TEST(test_waited),
		TEST(test_waited_for_an_older_php),
		TEST(test_waited_with_hello_off),
		TEST(test_waited_with_hand_over_off),
		TEST(test_hello_always),
		TEST(test_queue_is_served_by_hand_over),
		TEST(test_queue_is_served_by_connects),
		TEST(test_queue_head_does_not_follow),
		TEST(test_withdraw_from_the_queue),
		TEST(test_submit_again_goes_first),
		TEST(test_queue_full),
		TEST(test_nobody_may_wait),
		TEST(test_queue_timeout),
		TEST(test_shed),
		TEST(test_pool_down),
		TEST(test_pool_is_back),
		TEST(test_backlog_full),
		TEST(test_ids_are_never_0),
		TEST(test_retry_after),
		TEST(test_more_slots_by_a_reload),
		TEST(test_hello_off_by_a_reload),
		TEST(test_values_of_fpm),
		TEST(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
