/* SPDX-License-Identifier: BSD-2-Clause */
/* Members: slots, the unaccepted rule, missing workers, failing connects, hand-over. */

#include "daemon/member.h"

#include "tests/relay_link.h"

enum { N_ERRANDS = 8 };

static struct relay relay;
static struct member member;
static struct errand errands[N_ERRANDS], *next;
static struct fpm workers[N_ERRANDS];
static int listen_fd;
static unsigned n_room, n_free, n_change;
static struct {
	enum health_reason reason, was;
	unsigned n;
} change;

static void on_room(struct member *m)
{
	assert_ptr_equal(m, &member);
	n_room++;
}

static bool on_free(struct member *m, struct link *link)
{
	struct errand *errand = next;

	assert_ptr_equal(m, &member);
	assert_int_equal(link->state, LINK_FREE);
	n_free++;
	next = NULL;
	if (errand)
		errand_start(errand, link, false, true);
	return errand != NULL;
}

static void on_change(struct member *m, enum health_reason reason, enum health_reason was,
		      unsigned n)
{
	assert_ptr_equal(m, &member);
	n_change++;
	change.reason = reason;
	change.was = was;
	change.n = n;
}

static const struct member_ops member_ops = {
	.on_room = on_room,
	.on_free = on_free,
	.on_change = on_change,
};

static struct member_params params_of(enum conf_pm pm, unsigned max_children)
{
	return (struct member_params){
		.max_children = max_children,
		.pm = pm,
		.connect_timeout_us = 2000000,
		.hand_over = true,
		.hello = CONF_HELLO_OFF,
	};
}

static struct conf_address unix_backend(void)
{
	return (struct conf_address){
		.kind = CONF_ADDRESS_UNIX, .text = relay.path, .name = relay.path,
	};
}

static struct conf_address tcp_backend(uint16_t port)
{
	return (struct conf_address){
		.kind = CONF_ADDRESS_IPV4, .text = relay.path, .name = "tcp",
		.ip = { 127, 0, 0, 1 }, .port = port,
	};
}

static void open_member(const struct conf_address *backend, enum conf_pm pm, unsigned n)
{
	const struct member_params params = params_of(pm, n);

	member_init(&member, relay.loop, &relay.memory, NULL, &member_ops, backend,
		    &params);
	relay_settle(&relay);
	n_room = 0;
}

static void open_path(enum conf_pm pm, unsigned n)
{
	struct conf_address backend = unix_backend();

	open_member(&backend, pm, n);
}

static int begin(void **state)
{
	(void)state;
	relay_begin(&relay);
	member = (struct member){ 0 };
	listen_fd = relay_listen(&relay, 16);
	n_room = n_free = n_change = 0;
	next = NULL;
	change.reason = HEALTH_REASON_NONE;
	for (int i = 0; i < N_ERRANDS; i++) {
		errand_init(&errands[i], &relay, (uint16_t)(i + 1), 0);
		workers[i] = (struct fpm){ .fd = -1 };
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (member.loop)
		member_done(&member);
	relay_settle(&relay);
	for (int i = 0; i < N_ERRANDS; i++) {
		assert_null(errands[i].link);
		errand_done(&errands[i]);
		fpm_close(&workers[i]);
	}
	if (listen_fd >= 0)
		close(listen_fd);
	relay_end(&relay);
	return 0;
}

/* One more request, over a link of its own. */
static void connect_one(int i, bool keep_conn)
{
	struct link *link;

	assert_true(member_has_room(&member));
	assert_int_equal(member_connect(&member, true, &link), 0);
	errand_start(&errands[i], link, false, keep_conn);
}

/* A worker takes the oldest connection. */
static void accept_one(int i)
{
	fpm_accept(&workers[i], listen_fd);
	assert_true(fpm_read(&workers[i]));
	relay_settle(&relay);
}

static int connect_reason(void)
{
	struct link *link;

	return member_connect(&member, true, &link);
}

/* slots */

static void test_limit(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(member_is_last_slot(&member), i == 2);
		connect_one(i, false);
	}
	assert_int_equal(member_n_taken(&member), 3);
	assert_int_equal(member_n_accepted(&member), 0);
	assert_false(member_has_room(&member));
	for (int i = 0; i < 3; i++)
		accept_one(i);
	assert_int_equal(member_n_accepted(&member), 3);
	assert_false(member_has_room(&member));
	n_room = 0;
	fpm_answer(&workers[0], "x");
	relay_settle(&relay);
	assert_int_equal(n_room, 1);
	assert_true(member_has_room(&member));
	assert_int_equal(member_n_taken(&member), 2);
}

static void test_slot_is_taken_in_the_background(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 1);
	connect_one(0, true);
	accept_one(0);
	fpm_answer(&workers[0], "x");
	relay_settle(&relay);
	assert_int_equal(errands[0].n_end, 1);
	assert_false(member_has_room(&member));
	assert_int_equal(member.n_links[LINK_BACKGROUND], 1);
	relay_run_ms(&relay, 2);
	assert_false(fpm_next(&workers[0]));
	relay_settle(&relay);
	assert_true(member_has_room(&member));
	assert_int_equal(member.n_background, 1);
}

static void test_slot_is_taken_while_abandoned(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 1);
	connect_one(0, false);
	accept_one(0);
	link_abandon(errands[0].link);
	relay_settle(&relay);
	assert_int_equal(errands[0].n_gone, 1);
	assert_false(member_has_room(&member));
	n_room = 0;
	fpm_close(&workers[0]);
	relay_settle(&relay);
	assert_true(member_has_room(&member));
	assert_true(n_room > 0);
}

/* However links end, their slots come back. */
static void test_slots_come_back(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, N_ERRANDS);
	for (int i = 0; i < N_ERRANDS; i++)
		connect_one(i, i % 2);
	for (int i = 0; i < N_ERRANDS; i++)
		accept_one(i);
	fpm_close(&workers[0]);                  /* dies */
	fpm_answer(&workers[1], "background");
	fpm_answer(&workers[2], "done");
	relay_send(workers[3].fd, "\0", 1);      /* nonsense */
	link_abandon(errands[4].link);
	link_abandon(errands[5].link);
	fpm_send(&workers[6], FCGI_STDOUT, "and then it dies");
	fpm_close(&workers[6]);
	fpm_shut(&workers[7]);
	relay_settle(&relay);
	assert_int_equal(member_n_taken(&member), 3);
	assert_int_equal(member.n_links[LINK_BACKGROUND], 1);
	assert_int_equal(member.n_links[LINK_ABANDONED], 2);
	fpm_close(&workers[1]);
	fpm_close(&workers[4]);
	assert_false(fpm_next(&workers[5]));
	relay_settle(&relay);
	assert_int_equal(member_n_taken(&member), 0);
	for (int i = 0; i < LINK_N_STATES; i++) {
		assert_int_equal(member.n_links[i], 0);
		assert_true(list_is_empty(&member.links[i]));
	}
}

/* the unaccepted rule */

static void check_unaccepted(enum conf_pm pm, unsigned min_spare, int n_max)
{
	struct member_params params = params_of(pm, 6);
	struct conf_address backend = unix_backend();

	params.min_spare_servers = min_spare;
	member_init(&member, relay.loop, &relay.memory, NULL, &member_ops, &backend,
		    &params);
	for (int i = 0; i < n_max; i++)
		connect_one(i, false);
	assert_false(member_has_room(&member));
	relay_settle(&relay);
	if (n_max == 6)
		return;
	n_room = 0;
	accept_one(0);
	assert_true(n_room > 0);
	connect_one(n_max, false);
	assert_false(member_has_room(&member));
}

static void test_unaccepted_ondemand(void **state)
{
	(void)state;
	check_unaccepted(CONF_PM_ONDEMAND, 0, 1);
}

static void test_unaccepted_dynamic(void **state)
{
	(void)state;
	check_unaccepted(CONF_PM_DYNAMIC, 1, 2);
}

static void test_unaccepted_dynamic_with_spares(void **state)
{
	(void)state;
	check_unaccepted(CONF_PM_DYNAMIC, 4, 4);
}

static void test_unaccepted_unknown(void **state)
{
	(void)state;
	check_unaccepted(CONF_PM_UNKNOWN, 0, 2);
}

static void test_unaccepted_static(void **state)
{
	(void)state;
	check_unaccepted(CONF_PM_STATIC, 0, 6);
}

/* missing workers */

static void test_missing_workers(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 4);
	for (int i = 0; i < 4; i++)
		connect_one(i, false);
	relay_run_ms(&relay, 2);
	accept_one(0);
	accept_one(1);
	assert_int_equal(member.limit, 4);
	relay_until(&relay, member.limit == 3, 2000);
	assert_int_equal(n_change, 1);
	assert_int_equal(change.reason, HEALTH_REASON_WORKERS_MISSING);
	assert_int_equal(change.n, 2);
	/* said once */
	relay_run_ms(&relay, 120);
	assert_int_equal(n_change, 1);
	/* a third one, a fourth one: as many as it was said */
	accept_one(2);
	assert_int_equal(member.limit, 4);
	accept_one(3);
	relay_run_ms(&relay, 120);
	assert_int_equal(member.limit, 4);
	assert_int_equal(n_change, 1);
}

static void test_missing_is_seen_under_service(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 2);
	connect_one(0, false);
	connect_one(1, false);
	/* one worker that serves one after the other; the second is too slow for 50 ms */
	accept_one(0);
	relay_run_ms(&relay, 60);
	fpm_answer(&workers[0], "x");
	relay_settle(&relay);
	relay_until(&relay, member.is_missing, 2000);
	assert_int_equal(member.limit, 1);
	assert_false(member_has_room(&member));
	accept_one(1);
	assert_int_equal(member.limit, 2);
	assert_int_equal(member.limit, member.params.max_children);
	assert_true(member_has_room(&member));
}

/* All hang, SIGSTOP: nobody progresses, so nobody is missing. */
static void test_missing_needs_progress(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 4);
	connect_one(0, false);
	accept_one(0);
	relay_run_ms(&relay, 2);
	for (int i = 1; i < 4; i++)
		connect_one(i, false);
	relay_run_ms(&relay, 160);
	assert_int_equal(member.limit, 4);
	assert_int_equal(n_change, 0);
}

/* A large request that was read at once by a worker that works in silence. */
static void test_missing_is_not_a_silent_worker(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 4);
	errand_done(&errands[0]);
	errand_init(&errands[0], &relay, 1, 150000);
	connect_one(0, false);
	fpm_accept(&workers[0], listen_fd);
	while (!fpm_read(&workers[0]))
		relay_turns(&relay, 1);
	relay_run_ms(&relay, 5);
	connect_one(1, false);
	accept_one(1);
	relay_run_ms(&relay, 160);
	assert_int_equal(member.limit, 4);
	assert_int_equal(n_change, 0);
}

/* connect() */

static void expect_down(enum health_reason reason)
{
	assert_int_equal(connect_reason(), reason);
	assert_int_equal(member.down, reason);
	assert_int_equal(change.reason, reason);
	assert_false(member_has_room(&member));
}

static void test_backend_absent(void **state)
{
	(void)state;
	assert_int_equal(unlink(relay.path), 0);
	open_path(CONF_PM_STATIC, 2);
	expect_down(HEALTH_REASON_BACKEND_ABSENT);
	assert_int_equal(n_change, 1);
}

static void test_backend_refused(void **state)
{
	(void)state;
	close(listen_fd);
	listen_fd = -1;
	open_path(CONF_PM_STATIC, 2);
	expect_down(HEALTH_REASON_BACKEND_REFUSED);
}

static void test_backend_permission(void **state)
{
	uid_t uid = geteuid();

	(void)state;
	open_path(CONF_PM_STATIC, 2);
	assert_int_equal(chmod(relay.path, 0), 0);
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	expect_down(HEALTH_REASON_BACKEND_PERMISSION);
	assert_int_equal(seteuid(uid), 0);
}

static void test_backend_not_socket(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(unlink(relay.path), 0);
	fd = open(relay.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	open_path(CONF_PM_STATIC, 2);
	expect_down(HEALTH_REASON_BACKEND_NOT_SOCKET);
}

static void test_backend_in_no_folder(void **state)
{
	struct conf_address backend = unix_backend();
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s/x", relay.path);
	backend.name = backend.text = path;
	open_member(&backend, CONF_PM_STATIC, 2);
	expect_down(HEALTH_REASON_BACKEND_ABSENT);
}

/* It waits a moment and is served; nothing is said about its coming and going. */
static void test_backend_full(void **state)
{
	int fd;

	(void)state;
	close(listen_fd);
	assert_int_equal(unlink(relay.path), 0);
	listen_fd = relay_listen(&relay, 0);
	fd = relay_connect_path(relay.path);
	open_path(CONF_PM_STATIC, 2);
	expect_down(HEALTH_REASON_BACKEND_FULL);
	relay_until(&relay, member_has_room(&member), 1000);
	assert_true(n_room > 0);
	assert_int_equal(connect_reason(), HEALTH_REASON_BACKEND_FULL);
	close(relay_accept(listen_fd));
	relay_until(&relay, member_has_room(&member), 1000);
	connect_one(0, false);
	assert_int_equal(n_change, 1);
	close(fd);
}

static void test_retry(void **state)
{
	uint64_t start_us;

	(void)state;
	close(listen_fd);
	listen_fd = -1;
	open_path(CONF_PM_STATIC, 4);
	relay_turns(&relay, 1);
	start_us = loop_now_us(relay.loop);
	expect_down(HEALTH_REASON_BACKEND_REFUSED);
	relay_until(&relay, n_room > 0, 1000);
	assert_true(loop_now_us(relay.loop) - start_us >= 50000);
	start_us = loop_now_us(relay.loop);
	n_room = 0;
	expect_down(HEALTH_REASON_BACKEND_REFUSED);
	relay_until(&relay, n_room > 0, 1000);
	assert_true(loop_now_us(relay.loop) - start_us >= 100000);
	/* said once, until the reason is another one */
	assert_int_equal(n_change, 1);
	assert_int_equal(unlink(relay.path), 0);
	for (int i = 0; i < 5; i++)
		expect_down(HEALTH_REASON_BACKEND_ABSENT);
	assert_int_equal(n_change, 2);
	assert_int_equal(member.retry_us, 500000);
	listen_fd = relay_listen(&relay, 16);
	relay_until(&relay, member_has_room(&member), 2000);
	connect_one(0, false);
	assert_int_equal(n_change, 3);
	assert_int_equal(change.reason, HEALTH_REASON_NONE);
	assert_int_equal(change.was, HEALTH_REASON_BACKEND_ABSENT);
	assert_int_equal(member.retry_us, 50000);
	connect_one(1, false);
	accept_one(0);
	accept_one(1);
}

/* A backlog that goes with its listener: no busy loop of tries. */
static void test_died_unaccepted(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 2);
	connect_one(0, false);
	relay_settle(&relay);
	close(listen_fd);
	listen_fd = -1;
	n_room = 0;
	relay_settle(&relay);
	assert_int_equal(errands[0].n_gone, 1);
	assert_int_equal(member_n_taken(&member), 0);
	assert_true(n_room > 0);
}

/* TCP */

static void test_tcp_refused_and_back(void **state)
{
	struct conf_address backend;
	uint16_t port = 0;
	int fd;

	(void)state;
	close(relay_listen_tcp(4, &port));
	backend = tcp_backend(port);
	open_member(&backend, CONF_PM_STATIC, 4);
	connect_one(0, false);
	connect_one(1, false); /* nothing is known yet */
	relay_until(&relay, errands[0].n_gone + errands[1].n_gone == 2, 1000);
	assert_int_equal(member.down, HEALTH_REASON_BACKEND_REFUSED);
	assert_int_equal(n_change, 1);
	fd = relay_listen_tcp(4, &port);
	relay_until(&relay, member_has_room(&member), 1000);
	/* one tries, the others wait */
	connect_one(2, false);
	assert_false(member_has_room(&member));
	relay_until(&relay, errands[2].n_accepted == 1, 1000);
	assert_int_equal(n_change, 2);
	assert_int_equal(change.reason, HEALTH_REASON_NONE);
	assert_true(member_has_room(&member));
	close(fd);
}

/* The one that tries leaves before anything is known. */
static void test_tcp_withdrawn_try(void **state)
{
	struct conf_address backend;
	uint16_t port = 0;
	int fd, other;

	(void)state;
	close(relay_listen_tcp(4, &port));
	backend = tcp_backend(port);
	open_member(&backend, CONF_PM_STATIC, 4);
	connect_one(0, false);
	relay_until(&relay, errands[0].n_gone == 1, 1000);
	fd = relay_listen_tcp(0, &port);
	other = relay_connect_tcp(port); /* now its backlog is full */
	relay_until(&relay, member_has_room(&member), 1000);
	connect_one(1, false);
	relay_settle(&relay);
	assert_int_equal(member.n_links[LINK_CONNECTING], 1);
	assert_true(link_withdraw(errands[1].link));
	errands[1].link = NULL;
	relay_settle(&relay);
	assert_int_equal(member_n_taken(&member), 0);
	relay_until(&relay, member_has_room(&member), 1000);
	close(other);
	close(fd);
}

/* hand-over */

static void make_free(int i)
{
	fpm_answer(&workers[i], "x");
	relay_settle(&relay);
	assert_false(fpm_next(&workers[i]));
	relay_settle(&relay);
}

static void test_hand_over(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 1);
	connect_one(0, true);
	accept_one(0);
	next = &errands[1];
	make_free(0);
	assert_int_equal(n_free, 1);
	assert_int_equal(member.n_links[LINK_BUSY], 1);
	assert_int_equal(member_n_taken(&member), 1);
	assert_true(fpm_read(&workers[0]));
	/* nobody waits: it is closed, at once */
	make_free(0);
	assert_int_equal(n_free, 2);
	assert_int_equal(errands[1].n_end, 1);
	assert_int_equal(member_n_taken(&member), 0);
}

static void test_hand_over_is_off(void **state)
{
	struct member_params params = params_of(CONF_PM_STATIC, 1);

	(void)state;
	open_path(CONF_PM_STATIC, 1);
	params.hand_over = false;
	member_set_params(&member, &params);
	connect_one(0, true);
	accept_one(0);
	make_free(0);
	assert_int_equal(n_free, 0);
	assert_int_equal(member_n_taken(&member), 0);
}

/* Somebody has waited in FPM's backlog for longer: that one gets the worker. */
static void test_hand_over_not_before_an_overdue_link(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 2);
	connect_one(0, true);
	accept_one(0);
	connect_one(1, true);
	relay_run_ms(&relay, 10);
	next = &errands[2];
	make_free(0);
	assert_int_equal(n_free, 0);
	assert_int_equal(member_n_taken(&member), 1);
	next = NULL;
}

/* Whoever else uses this FPM has a turn. */
static void test_hand_over_not_for_ever(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 1);
	connect_one(0, true);
	accept_one(0);
	next = &errands[1];
	relay_run_ms(&relay, 120);
	make_free(0);
	assert_int_equal(n_free, 0);
	assert_int_equal(member_n_taken(&member), 0);
	next = NULL;
}

static void test_hand_over_not_above_the_limit(void **state)
{
	struct member_params params = params_of(CONF_PM_STATIC, 1);

	(void)state;
	open_path(CONF_PM_STATIC, 2);
	connect_one(0, true);
	connect_one(1, true);
	accept_one(0);
	accept_one(1);
	member_set_params(&member, &params);
	next = &errands[2];
	make_free(0);
	assert_int_equal(n_free, 0);
	make_free(1);
	assert_int_equal(n_free, 1);
	assert_int_equal(member_n_taken(&member), 1);
}

/* change and end */

static void test_backend_changes(void **state)
{
	struct conf_address backend = unix_backend();
	char *path = relay_file(&relay, "other.sock");
	int fd = relay_listen_path(path, 4);

	(void)state;
	open_path(CONF_PM_STATIC, 2);
	connect_one(0, false);
	accept_one(0);
	backend.name = backend.text = path;
	member_set_backend(&member, &backend);
	relay_settle(&relay);
	assert_true(n_room > 0);
	connect_one(1, false);
	fpm_accept(&workers[1], fd);
	/* the old one goes on */
	fpm_answer(&workers[0], "old");
	relay_settle(&relay);
	assert_int_equal(errands[0].n_end, 1);
	assert_int_equal(unlink(path), 0);
	close(fd);
}

static void test_done(void **state)
{
	(void)state;
	open_path(CONF_PM_STATIC, 3);
	connect_one(0, false);
	connect_one(1, true);
	accept_one(0);
	accept_one(1);
	connect_one(2, false);
	fpm_answer(&workers[1], "background");
	relay_settle(&relay);
	n_room = 0;
	member_done(&member);
	assert_int_equal(member_n_taken(&member), 0);
	assert_int_equal(errands[0].n_gone, 1);
	assert_int_equal(errands[0].reason, HEALTH_REASON_DRAINING);
	assert_int_equal(errands[1].n_gone, 1);
	assert_int_equal(errands[2].reason, HEALTH_REASON_DRAINING);
	relay_settle(&relay);
	assert_int_equal(n_room, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_limit),
		TEST(test_slot_is_taken_in_the_background),
		TEST(test_slot_is_taken_while_abandoned),
		TEST(test_slots_come_back),
		TEST(test_unaccepted_ondemand),
		TEST(test_unaccepted_dynamic),
		TEST(test_unaccepted_dynamic_with_spares),
		TEST(test_unaccepted_unknown),
		TEST(test_unaccepted_static),
		TEST(test_missing_workers),
		TEST(test_missing_is_seen_under_service),
		TEST(test_missing_needs_progress),
		TEST(test_missing_is_not_a_silent_worker),
		TEST(test_backend_absent),
		TEST(test_backend_refused),
		TEST(test_backend_permission),
		TEST(test_backend_not_socket),
		TEST(test_backend_in_no_folder),
		TEST(test_backend_full),
		TEST(test_retry),
		TEST(test_died_unaccepted),
		TEST(test_tcp_refused_and_back),
		TEST(test_tcp_withdrawn_try),
		TEST(test_hand_over),
		TEST(test_hand_over_is_off),
		TEST(test_hand_over_not_before_an_overdue_link),
		TEST(test_hand_over_not_for_ever),
		TEST(test_hand_over_not_above_the_limit),
		TEST(test_backend_changes),
		TEST(test_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
