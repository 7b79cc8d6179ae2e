/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/diff: what a reload has to do.
 */
#include "tests/conf_case.h"

#include "conf/diff.h"
#include "conf/schema.h"

#define POOL(name, more) \
	"{ name = \"" name "\"; listen = \"/l" name "\"; " \
	"backend = \"/b" name "\"; max_children = 1; " more " }"

struct diff_case {
	struct conf *old, *new;
	struct conf_diff diff;
};

static struct diff_case compare(const char *old, const char *new)
{
	struct diff_case test = { .old = case_load_good(old),
				  .new = case_load_good(new) };

	assert_int_equal(conf_diff(test.old, test.new, &test.diff), 0);
	return test;
}

static void diff_case_done(struct diff_case *test)
{
	conf_diff_done(&test->diff);
	conf_unref(test->old);
	conf_unref(test->new);
}

static void test_same(void **state)
{
	struct diff_case test =
		compare("pools = (\n\n" POOL("a", "") ", " POOL("b", "") ");",
			"defaults = { };\npools = ( " POOL("b", "") ",\n" POOL(
				"a", "backlog = 4096;") ");");

	(void)state;
	assert_int_equal(test.diff.n_pools, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct conf_pool_change *change = &test.diff.pools[i];

		assert_int_equal(change->change, CONF_SAME);
		assert_ptr_equal(change->new, test.new->pools[i]);
		assert_string_equal(change->old->name, change->new->name);
		assert_null(change->option);
		assert_int_equal(change->n_options, 0);
	}
	assert_null(test.diff.needs_restart);
	assert_null(test.diff.top_option);
	diff_case_done(&test);
}

static void test_pools(void **state)
{
	struct diff_case test =
		compare("pools = ( " POOL("z", "") ", " POOL("a", "") ", " POOL(
				"b", "") ", " POOL("y", "") " );",
			"pools = ( " POOL("n", "") ", " POOL(
				"b", "queue = { size = 3; };") ", " POOL("a", "") " );");
	const struct conf_pool_change *changes = test.diff.pools;

	(void)state;
	assert_int_equal(test.diff.n_pools, 5);
	assert_int_equal(changes[0].change, CONF_REMOVED);
	assert_string_equal(changes[0].old->name, "z");
	assert_null(changes[0].new);
	assert_int_equal(changes[1].change, CONF_REMOVED);
	assert_string_equal(changes[1].old->name, "y");
	assert_int_equal(changes[2].change, CONF_ADDED);
	assert_string_equal(changes[2].new->name, "n");
	assert_null(changes[2].old);
	assert_int_equal(changes[3].change, CONF_CHANGED);
	assert_string_equal(changes[3].new->name, "b");
	assert_string_equal(changes[3].option, "queue.size");
	assert_int_equal(changes[3].n_options, 1);
	assert_int_equal(changes[4].change, CONF_SAME);
	diff_case_done(&test);
}

static void test_several_options(void **state)
{
	struct diff_case test =
		compare("pools = ( " POOL("a", "backlog = 1; replay = false;") " );",
			"defaults = { queue = { max_wait = \"3s\"; }; };\n"
			"pools = ( " POOL("a", "backlog = 2;") " );");

	(void)state;
	assert_string_equal(test.diff.pools[0].option, "backlog");
	assert_int_equal(test.diff.pools[0].n_options, 3);
	diff_case_done(&test);
}

/* Each option of a pool is compared: a change of each alone is seen. */
static void test_each_option(void **state)
{
	static const struct {
		const char *option, *text;
	} cases[] = {
		{ "listen_owner", "listen_owner = \"o\";" },
		{ "listen_group", "listen_group = \"o\";" },
		{ "listen_mode", "listen_mode = \"0600\";" },
		{ "fpm_conf", "fpm_conf = \"/a\";" },
		{ "fpm_binary", "fpm_binary = \"/a\";" },
		{ "unit", "unit = \"a.service\";" },
		{ "status_path", "status_path = \"/a\";" },
		{ "status_listen", "status_listen = \"/a\";" },
		{ "ping_path", "ping_path = \"/a\";" },
		{ "status_access", "status_access = \"refuse\";" },
		{ "connect_timeout", "connect_timeout = \"1s\";" },
		{ "request_timeout", "request_timeout = \"1s\";" },
		{ "body_max", "body_max = \"1m\";" },
		{ "hello", "hello = \"off\";" },
		{ "deny_params", "deny_params = \"A\";" },
		{ "error_page", "error_page = \"/a\";" },
		{ "access_log", "access_log = \"/a\";" },
		{ "php_log", "php_log = \"off\";" },
		{ "queue.order", "queue = { order = \"fifo\"; };" },
		{ "queue.target", "queue = { target = \"1s\"; };" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[300];
		struct diff_case test;

		snprintf(text, sizeof(text), "pools = ( " POOL("a", "%s") " );",
			 cases[i].text);
		test = compare("pools = ( " POOL("a", "") " );", text);
		assert_int_equal(test.diff.pools[0].change, CONF_CHANGED);
		assert_string_equal(test.diff.pools[0].option, cases[i].option);
		assert_int_equal(test.diff.pools[0].n_options, 1);
		diff_case_done(&test);
	}
}

static void test_top(void **state)
{
	static const struct {
		const char *text;
		const char *needs_restart, *top_option;
	} cases[] = {
		{ "runtime_dir = \"/a\";", "runtime_dir", NULL },
		{ "spool_dir = \"/a\";", NULL, "spool_dir" },
		{ "spool_max = \"1g\";", NULL, "spool_max" },
		{ "memory_max = \"1g\";", NULL, "memory_max" },
		{ "clients_max = 9;", NULL, "clients_max" },
		{ "status = { control = \"/a\"; };", "status.control", NULL },
		{ "status = { http = \"[::1]:80\"; };", "status.http", NULL },
		{ "status = { fastcgi = \"/a\"; };", "status.fastcgi", NULL },
		{ "include_dir = \"\";", NULL, "include_dir" },
		{ "drain_timeout = \"1s\";", NULL, "drain_timeout" },
		{ "log = \"stderr\";", "log", NULL },
		{ "log_level = \"debug\";", NULL, "log_level" },
		{ "log_level = \"debug\"; log = \"stderr\"; clients_max = 9;",
		  "log", "clients_max" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[300];
		struct diff_case test;

		snprintf(text, sizeof(text), "%s pools = ( " POOL("a", "") " );",
			 cases[i].text);
		test = compare("pools = ( " POOL("a", "") " );", text);
		assert_int_equal(test.diff.pools[0].change, CONF_SAME);
		if (cases[i].needs_restart)
			assert_string_equal(test.diff.needs_restart,
					    cases[i].needs_restart);
		else
			assert_null(test.diff.needs_restart);
		if (cases[i].top_option)
			assert_string_equal(test.diff.top_option, cases[i].top_option);
		else
			assert_null(test.diff.top_option);
		diff_case_done(&test);
	}
}

static void test_done_twice(void **state)
{
	struct diff_case test = compare("pools = ( " POOL("a", "") " );",
					"pools = ( " POOL("b", "") " );");

	(void)state;
	conf_diff_done(&test.diff);
	assert_null(test.diff.pools);
	diff_case_done(&test);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_several_options),
		cmocka_unit_test(test_each_option),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_done_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
