/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/dump: what is printed is loaded again and means the same, and says where each
 * value comes from.
 */
#include "tests/conf_case.h"

#include <errno.h>

#include "conf/diff.h"
#include "conf/fpm_conf.h"

static char *dump(const struct conf *conf,
		  const struct conf_fpm_values *const *fpm_values)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	assert_int_equal(conf_dump(conf, fpm_values, out), 0);
	fclose(out);
	return text;
}

/* Every line without its comment. */
static void strip_comments(char *text)
{
	char *to = text;

	while (*text) {
		bool is_comment = strncmp(text, "  # ", 4) == 0;

		while (is_comment && *text != '\n')
			text++;
		*to++ = *text++;
	}
	*to = 0;
}

static void assert_same(const struct conf *a, const struct conf *b)
{
	struct conf_diff diff;

	assert_int_equal(conf_diff(a, b, &diff), 0);
	for (size_t i = 0; i < diff.n_pools; i++) {
		if (diff.pools[i].change != CONF_SAME)
			print_error("pool %zu: %s\n", i, diff.pools[i].option);
		assert_int_equal(diff.pools[i].change, CONF_SAME);
	}
	assert_int_equal(diff.n_pools, a->n_pools);
	assert_null(diff.needs_restart);
	conf_diff_done(&diff);
}

static void check_round_trip(const char *text)
{
	struct conf *conf = case_load_good(text), *again;
	char *first = dump(conf, NULL), *second;

	again = case_load_good(first);
	assert_same(conf, again);
	second = dump(again, NULL);
	strip_comments(first);
	strip_comments(second);
	assert_string_equal(first, second);
	free(first);
	free(second);
	conf_unref(conf);
	conf_unref(again);
}

static void test_round_trip(void **state)
{
	static const char *const texts[] = {
		CASE_ONE(CASE_BACKEND),
		CASE_ONE(CASE_PHP_FPM),
		"include_dir = \"\";\n" CASE_ONE(CASE_PHP_FPM),
		"include_dir = \"/nonexistent/folder\";\n" CASE_ONE(CASE_PHP_FPM),
		"runtime_dir = \"/tmp/\"; clients_max = 5; memory_max = \"300000001\";\n"
		"drain_timeout = \"1500ms\"; log_level = \"debug\"; log = \"stderr\";\n"
		"status = { http = \"[::1]:80\"; control = \"/a\"; }\n" CASE_ONE(
			CASE_BACKEND),
		/* what comes from defaults stands in each pool then */
		"defaults = { fpm = { user = \"u\"; request_slowlog_timeout = \"5s\";\n"
		"slowlog = \"/s\"; }; queue = { size = 3; }; backlog = 5; };\n"
		"pools = ( { name = \"a\"; listen = \"/a\"; backend = \"/b\"; fpm_conf = "
		"\"/c\"; },\n"
		"{ name = \"b\";\n"
		"listen = [ \"/c\", \"@d\", \"[::1]:9\", \"systemd:e\" ];\n"
		"php_fpm = \"/p\"; max_children = 2; } );\n",
		CASE_ONE("name = \"x\"; listen = \"10.0.0.1:1\";\n"
			 "allow = [ \"10.0.0.0/8\", "
			 "\"::1\" ]; backend = \"10.0.0.2:9000\"; max_children = 3;\n"
			 "half_close = true; unit = \"a\\\\x2db@.service\";\n"
			 "status_path = \"/s\"; ping_path = \"/p\";\n"
			 "status_access = \"refuse\";\n"
			 "status_listen = \"/q\"; fpm_binary = \"/p\";\n"
			 "answer_by = \"55s\"; replay = false; hand_over = false;\n"
			 "hello = \"always\"; deny_params = [ \"A\", \"B\" ];\n"
			 "request_id_param = \"HTTP_X\";\n"
			 "error_page = \"/a \\\"q\\\" \\\\ b\";\n"
			 "access_log = \"stderr\"; php_log = \"/var/log/p\";\n"
			 "body_max = \"1m\";\n"
			 "queue = { target = \"7ms\"; order = \"fifo\"; };"),
		CASE_ONE(CASE_PHP_FPM "listen_mode = \"0600\"; listen_owner = \"o\";\n"
				      "fpm = { pm = \"dynamic\"; clear_env = false;\n"
				      "php_ini = [ \"a=\\\"b\\\"\", \"c=d\" ];\n"
				      "extra = [ \"pm.max_requests = 5\" ]; };"),
		/* a body_memory that was lowered is a value of its own then */
		CASE_ONE(CASE_BACKEND "body_max = \"1\";"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_round_trip(texts[i]);
}

static void test_origins(void **state)
{
	struct conf *conf = case_load_good("log = \"stderr\";\n"
					   "include_dir = \"\";\n"
					   "defaults = {\n"
					   "backlog = 5; };\n"
					   "pools = ( {\n" CASE_BACKEND "\n} );\n");
	char *text = dump(conf, NULL);

	(void)state;
	assert_non_null(strstr(text, "\nlog = \"stderr\";  # t:1\n"));
	assert_non_null(strstr(text, "\nlog_level = \"info\";  # default\n"));
	assert_non_null(
		strstr(text, "include_dir = \"\";  # in this file; was \"\", t:2\n"));
	assert_non_null(strstr(text, "\t\tbacklog = 5;  # t:4\n"));
	assert_non_null(strstr(text, "\t\tmax_children = 4;  # t:6\n"));
	assert_non_null(strstr(text, "\t\t\tsize = 1000;  # default\n"));
	assert_null(strstr(text, "fpm = {"));
	assert_null(strstr(text, "fpm_conf\n"));
	free(text);
	conf_unref(conf);
}

/* The name of a file cannot end the comment that it stands in. */
static void test_name_of_file(void **state)
{
	static const char text[] = CASE_ONE(CASE_BACKEND);
	struct conf_case test = case_load_bytes(text, sizeof(text) - 1, "a\nlog = 1;\tb");
	char *dumped = dump(test.conf, NULL);

	(void)state;
	assert_non_null(strstr(dumped, "# a?log = 1;?b:1\n"));
	conf_unref(case_load_good(dumped));
	free(dumped);
	case_done(&test);
}

static void test_fpm_values(void **state)
{
	static const struct conf_fpm_values known = {
		.max_children = 7,
		.status_path = "/status",
		.ping_path = "/ping",
		.status_listen = "127.0.0.1:9001",
	};
	static const struct conf_fpm_values too_many = { .max_children = 100001 };
	static const struct conf_fpm_values unusable = {
		.status_path = "not a path",
		.status_listen = "9001",
	};
	static const struct conf_fpm_values hostile = {
		.max_children = 1,
		.ping_path = "/a\"; b = \"",
		.status_listen = "systemd:a",
	};
	const struct conf_fpm_values *const values[] = { &known,   &known,    &unusable,
							 &hostile, &unusable, &too_many };
	struct conf *conf = case_load_good(
		"pools = ( { name = \"a\"; listen = \"/a\"; backend = \"/ba\";\n"
		"fpm_conf = \"/c\"; },\n"
		"{ name = \"b\"; listen = \"/b\"; backend = \"/bb\"; max_children = 3;\n"
		"status_path = \"/s\"; ping_path = \"/p\"; status_listen = \"/q\"; },\n"
		"{ name = \"c\"; listen = \"/c\"; backend = \"/bc\"; "
		"max_children = 3; },\n"
		"{ name = \"d\"; listen = \"/d\"; backend = \"/bd\"; "
		"max_children = 3; },\n"
		"{ name = \"e\"; listen = \"/e\"; backend = \"/be\"; "
		"fpm_conf = \"/c\"; },\n"
		"{ name = \"f\"; listen = \"/f\"; backend = \"/bf\"; "
		"fpm_conf = \"/c\"; } );");
	char *text = dump(conf, values);
	struct conf *again;
	const struct conf_pool *pool;

	(void)state;
	assert_non_null(strstr(text, "max_children = 7;  # fpm_conf\n"));
	assert_non_null(strstr(text, "status_path = \"/status\";  # fpm_conf\n"));
	assert_non_null(strstr(text, "ping_path = \"/ping\";  # fpm_conf\n"));
	assert_non_null(
		strstr(text, "status_listen = \"127.0.0.1:9001\";  # fpm_conf\n"));
	assert_null(strstr(text, "max_children = 0;  # fpm_conf"));
	again = case_load_good(text);
	pool = again->pools[0];
	assert_int_equal(pool->max_children, 7);
	assert_string_equal(pool->status_listen.text, "127.0.0.1:9001");
	pool = again->pools[1];
	assert_int_equal(pool->max_children, 3);
	assert_string_equal(pool->status_path, "/s");
	assert_string_equal(pool->ping_path, "/p");
	assert_string_equal(pool->status_listen.text, "/q");
	for (size_t i = 2; i < 5; i++) {
		pool = again->pools[i];
		assert_string_equal(pool->status_path, "");
		assert_string_equal(pool->ping_path, "");
		assert_string_equal(pool->status_listen.text, "");
	}
	assert_int_equal(again->pools[4]->max_children, 0);
	free(text);
	conf_unref(conf);
	conf_unref(again);
}

static void test_full_disk(void **state)
{
	struct conf *conf = case_load_good(CASE_ONE(CASE_BACKEND));
	FILE *out = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(out);
	assert_int_equal(conf_dump(conf, NULL, out), -EIO);
	fclose(out);
	conf_unref(conf);
}

/* The example that is installed, as it is. */
static void test_example(void **state)
{
	char path[4096];
	char *text;

	(void)state;
	case_data_path("../../../conf/fpmgate.conf", path, sizeof(path));
	text = case_read_file(path, NULL);
	check_round_trip(text);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_origins),
		cmocka_unit_test(test_name_of_file), cmocka_unit_test(test_fpm_values),
		cmocka_unit_test(test_full_disk),    cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
