/* SPDX-License-Identifier: BSD-2-Clause */
/* The hello: whether an FPM keeps a connection behind GET_VALUES, and when it is asked.
 */

#include "daemon/hello.h"

#include "daemon/member.h"
#include "tests/relay_link.h"

static struct relay relay;
static struct hello hello;
static struct member member;
static struct errand errand;
static struct fpm fpm, asked;
static int listen_fd;
static unsigned n_results;
static bool is_known, can_hello;

static void on_result(void *userdata, bool known, bool can)
{
	assert_ptr_equal(userdata, &relay);
	n_results++;
	is_known = known;
	can_hello = can;
}

static void on_room(struct member *m)
{
	(void)m;
}

static bool on_free(struct member *m, struct link *link)
{
	(void)m;
	(void)link;
	return false;
}

static void on_change(struct member *m, enum health_reason reason, enum health_reason was,
		      unsigned n)
{
	(void)m;
	(void)reason;
	(void)was;
	(void)n;
}

static const struct member_ops member_ops = {
	.on_room = on_room,
	.on_free = on_free,
	.on_change = on_change,
};

static int begin(void **state)
{
	(void)state;
	relay_begin(&relay);
	listen_fd = relay_listen(&relay, 8);
	fpm = asked = (struct fpm){ .fd = -1 };
	member = (struct member){ 0 };
	n_results = 0;
	hello_init(&hello, relay.loop, &relay.memory, &relay, on_result);
	errand_init(&errand, &relay, 7, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	hello_done(&hello);
	if (member.loop)
		member_done(&member);
	relay_settle(&relay);
	errand_done(&errand);
	fpm_close(&fpm);
	fpm_close(&asked);
	if (listen_fd >= 0)
		close(listen_fd);
	relay_end(&relay);
	return 0;
}

static void start(void)
{
	struct address address = relay_unix_address(relay.path);

	assert_int_equal(hello_start(&hello, &address), 0);
	/* under way: not a second time */
	assert_int_equal(hello_start(&hello, &address), 0);
	fpm_accept(&fpm, listen_fd);
	assert_int_equal(relay_accept(listen_fd), -1);
}

static void expect(bool known, bool can)
{
	relay_settle(&relay);
	assert_int_equal(n_results, 1);
	assert_int_equal(is_known, known);
	assert_int_equal(can_hello, can);
	/* the connection is closed: it must not hold a worker */
	fpm.is_deaf = true;
	assert_false(fpm_read(&fpm));
	assert_true(fpm.end != 0);
}

static void test_both_are_answered(void **state)
{
	(void)state;
	start();
	assert_false(fpm_read(&fpm));
	assert_int_equal(fpm.n_hellos, 2);
	expect(true, true);
}

static void test_one_is_answered_then_closed(void **state)
{
	(void)state;
	start();
	fpm_answer_hello(&fpm);
	fpm_shut(&fpm);
	expect(true, false);
}

static void test_answers_in_pieces(void **state)
{
	struct bytes answer = { 0 };

	(void)state;
	start();
	for (int i = 0; i < 2; i++)
		bytes_add_record(&answer, FCGI_GET_VALUES_RESULT, 0,
				 "\017\001FCGI_MPXS_CONNS0", 18, 6);
	for (size_t at = 0; at < answer.n; at++) {
		assert_int_equal(n_results, 0);
		relay_send(fpm.fd, answer.at + at, 1);
		relay_turns(&relay, 1);
	}
	expect(true, true);
	bytes_done(&answer);
}

static void test_closed_without_an_answer(void **state)
{
	(void)state;
	start();
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(n_results, 1);
	assert_false(can_hello);
}

static void test_nonsense(void **state)
{
	(void)state;
	start();
	relay_send(fpm.fd, "HTTP/1.1 400 Bad Request\r\n", 26);
	relay_settle(&relay);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(n_results, 1);
	assert_false(can_hello);
}

static void test_nobody_listens(void **state)
{
	struct address address = relay_unix_address(relay.path);

	(void)state;
	close(listen_fd);
	listen_fd = -1;
	assert_int_equal(hello_start(&hello, &address), -ECONNREFUSED);
	relay_settle(&relay);
	assert_int_equal(n_results, 0);
}

static void test_done_says_nothing(void **state)
{
	(void)state;
	start();
	hello_done(&hello);
	hello_done(&hello);
	relay_settle(&relay);
	assert_int_equal(n_results, 0);
	fpm.is_deaf = true;
	assert_false(fpm_read(&fpm));
	assert_true(fpm.end != 0);
}

/* All workers hang: the answer may come later, so nothing is known. */
static void test_no_answer_at_all(void **state)
{
	(void)state;
	start();
	relay_until(&relay, n_results == 1, 8000);
	assert_false(is_known);
	assert_false(can_hello);
}

/* when it is asked */

static void open_member(enum conf_hello mode)
{
	const struct member_params params = {
		.max_children = 4, .pm = CONF_PM_STATIC, .hello = mode,
	};
	const struct conf_address backend = {
		.kind = CONF_ADDRESS_UNIX, .text = relay.path, .name = relay.path,
	};

	member_init(&member, relay.loop, &relay.memory, NULL, &member_ops, &backend,
		    &params);
}

static void connect_errand(bool has_hello)
{
	struct link *link;

	assert_int_equal(member_connect(&member, true, &link), 0);
	errand_start(&errand, link, has_hello, false);
	fpm_accept(&fpm, listen_fd);
}

static void answer_member(void)
{
	fpm_accept(&asked, listen_fd);
	assert_false(fpm_read(&asked));
	assert_int_equal(asked.n_hellos, 2);
	relay_settle(&relay);
	fpm_close(&asked);
	assert_true(member.is_hello_known);
	assert_true(member.can_hello);
}

static void serve_errand(void)
{
	assert_true(fpm_read(&fpm));
	fpm_answer(&fpm, "x");
	relay_settle(&relay);
	assert_int_equal(errand.n_end, 1);
	fpm_close(&fpm);
	errand_done(&errand);
	errand_init(&errand, &relay, 7, 0);
}

static void test_asked_once_beside_the_first_link(void **state)
{
	(void)state;
	open_member(CONF_HELLO_AUTO);
	relay_settle(&relay);
	assert_int_equal(relay_accept(listen_fd), -1);
	connect_errand(false);
	answer_member();
	serve_errand();
	connect_errand(false);
	assert_int_equal(relay_accept(listen_fd), -1);
	serve_errand();
}

static void test_asked_never(void **state)
{
	(void)state;
	open_member(CONF_HELLO_OFF);
	connect_errand(false);
	assert_int_equal(relay_accept(listen_fd), -1);
	serve_errand();
	assert_false(member.can_hello);
}

/* An older PHP may stand behind a socket that was away. */
static void test_asked_again_when_it_is_back(void **state)
{
	struct link *link;

	(void)state;
	open_member(CONF_HELLO_AUTO);
	connect_errand(false);
	answer_member();
	serve_errand();
	close(listen_fd);
	assert_int_equal(member_connect(&member, true, &link),
			 HEALTH_REASON_BACKEND_REFUSED);
	assert_int_equal(unlink(relay.path), 0);
	listen_fd = relay_listen(&relay, 8);
	relay_until(&relay, member_has_room(&member), 1000);
	connect_errand(false);
	assert_false(member.can_hello);
	answer_member();
	serve_errand();
}

static void test_asked_again_behind_a_death(void **state)
{
	(void)state;
	open_member(CONF_HELLO_AUTO);
	connect_errand(false);
	answer_member();
	serve_errand();
	connect_errand(true);
	/* it answers the hello and closes, as PHP before 8.2.13 does */
	fpm_answer_hello(&fpm);
	fpm_close(&fpm);
	relay_settle(&relay);
	assert_int_equal(errand.n_gone, 1);
	assert_false(member.can_hello);
	errand_done(&errand);
	errand_init(&errand, &relay, 7, 0);
	connect_errand(false);
	answer_member();
	serve_errand();
}

static void test_asked_again_of_another_socket(void **state)
{
	char *path = relay_file(&relay, "other.sock");
	const struct conf_address backend = {
		.kind = CONF_ADDRESS_UNIX, .text = path, .name = path,
	};

	(void)state;
	open_member(CONF_HELLO_AUTO);
	connect_errand(false);
	answer_member();
	serve_errand();
	close(listen_fd);
	listen_fd = relay_listen_path(path, 8);
	member_set_backend(&member, &backend);
	assert_false(member.can_hello);
	connect_errand(false);
	answer_member();
	serve_errand();
	assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_are_answered),
		TEST(test_one_is_answered_then_closed),
		TEST(test_answers_in_pieces),
		TEST(test_closed_without_an_answer),
		TEST(test_nonsense),
		TEST(test_nobody_listens),
		TEST(test_done_says_nothing),
		TEST(test_no_answer_at_all),
		TEST(test_asked_once_beside_the_first_link),
		TEST(test_asked_never),
		TEST(test_asked_again_when_it_is_back),
		TEST(test_asked_again_behind_a_death),
		TEST(test_asked_again_of_another_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
