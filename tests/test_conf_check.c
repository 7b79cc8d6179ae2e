/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/check and conf/clash: rules that look at more than one option. What is said in
 * full stands in tests/data/conf; here each rule is met from both sides.
 */
#include "tests/conf_case.h"

#include <errno.h>
#include <unistd.h>

struct rule_case {
	const char *text;
	const char *said; /* a part of what is said; NULL: nothing */
	bool is_warning;  /* nothing else than warnings */
};

static void check_cases(const struct rule_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf_case test = case_load(cases[i].text);
		bool is_good = !cases[i].said || cases[i].is_warning;

		if ((test.r == 0) != is_good || !*test.said != !cases[i].said ||
		    !strstr(test.said, cases[i].said ? cases[i].said : ""))
			print_error("case %zu: %s%s\n", i, cases[i].text, test.said);
		assert_int_equal(test.r, is_good ? 0 : -EINVAL);
		assert_int_equal(!*test.said, !cases[i].said);
		if (cases[i].said)
			assert_non_null(strstr(test.said, cases[i].said));
		case_done(&test);
	}
}

#define GOOD(text) \
	{ \
		text, NULL, false \
	}
#define WARN(text, said) \
	{ \
		text, said, true \
	}
#define BAD(text, said) \
	{ \
		text, said, false \
	}
#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof((cases)[0]))
#define TWO(a, b) "pools = ( { " a " }, { " b " } );"

static void test_who_runs_php(void **state)
{
	static const struct rule_case cases[] = {
		GOOD(CASE_ONE(CASE_BACKEND)),
		GOOD(CASE_ONE(CASE_PHP_FPM)),
		BAD(CASE_ONE(CASE_POOL), "it needs backend"),
		BAD(CASE_ONE(CASE_POOL "backend = \"\"; php_fpm = \"\";"),
		    "it needs backend"),
		BAD(CASE_ONE(CASE_BACKEND "php_fpm = \"/p\";"), "exclude each other"),
		GOOD(CASE_ONE(CASE_BACKEND "php_fpm = \"\";")),
		GOOD(CASE_ONE(CASE_POOL "backend = \"/b\"; fpm_conf = \"/c\";")),
		BAD(CASE_ONE(CASE_POOL "backend = \"/b\"; max_children = 0;"),
		    "backend needs max_children"),
		BAD(CASE_ONE(CASE_POOL "backend = \"/b\"; fpm_conf = \"\";"),
		    "backend needs max_children"),
		BAD(CASE_ONE(CASE_POOL "php_fpm = \"/p\";"),
		    "php_fpm needs max_children"),
		GOOD("defaults = { max_children = 3; };\n" CASE_ONE(CASE_POOL
								    "php_fpm = \"/p\";")),
		/* one complaint only */
		BAD(CASE_ONE(CASE_POOL "backend = [ ]; max_children = 1;"),
		    "t:1: error: backend: a pool has one backend for now"),
	};
	struct conf_case test;

	(void)state;
	CHECK(cases);
	test = case_load(CASE_ONE(CASE_POOL "backend = [ \"/b\" ]; fpm = { pm = 1; };"));
	assert_null(strstr(test.said, "it needs"));
	case_done(&test);
	test = case_load(CASE_ONE(CASE_POOL "php_fpm = 1; fpm = { pm = \"static\"; };"));
	assert_string_equal(test.said,
			    "t:1: error: php_fpm: expected an absolute path in "
			    "quotes, found the number 1\n");
	case_done(&test);
	test = case_load(CASE_ONE("name = 1; listen = 1; backend = \"/b\"; "
				  "max_children = \"1\"; "));
	assert_null(strstr(test.said, "needs"));
	case_done(&test);
}

static void test_masters(void **state)
{
	static const struct rule_case cases[] = {
		BAD(CASE_ONE(CASE_PHP_FPM "unit = \"a.service\";"),
		    "unit is for a pool with"),
		BAD(CASE_ONE(CASE_PHP_FPM "fpm_conf = \"/a\";"),
		    "fpm_conf is for a pool"),
		GOOD(CASE_ONE(CASE_PHP_FPM
			      "unit = \"\"; fpm_conf = \"\"; fpm_binary = \"\"; "
			      "status_listen = \"\";")),
		WARN(CASE_ONE(CASE_PHP_FPM "fpm_binary = \"/a\";"), "fpm_binary is for"),
		WARN(CASE_ONE(CASE_PHP_FPM "status_listen = \"/a\";"),
		     "status_listen is for"),
		GOOD("defaults = { fpm_binary=\"/a\"; status_listen = \"/b\" };" CASE_ONE(
			CASE_PHP_FPM)),
		GOOD(CASE_ONE(CASE_BACKEND
			      "unit = \"a.service\"; fpm_conf = \"/a\"; "
			      "fpm_binary = \"/a\"; status_listen = \"/b\";")),
		BAD(CASE_ONE(CASE_BACKEND "fpm = { user = \"u\"; };"),
		    "fpm.user needs php_fpm"),
		GOOD(CASE_ONE(CASE_BACKEND "fpm = { };")),
		GOOD("defaults = { fpm = { user = \"u\"; }; };\n" CASE_ONE(CASE_BACKEND)),
		GOOD(CASE_ONE(CASE_PHP_FPM "fpm = { user = \"u\"; };")),
		BAD(CASE_ONE(CASE_PHP_FPM "fpm = { request_slowlog_timeout = \"5s\"; };"),
		    "needs fpm.slowlog"),
		WARN(CASE_ONE(CASE_PHP_FPM "fpm = { slowlog = \"/s\"; };"),
		     "has no effect"),
		BAD(CASE_ONE(CASE_PHP_FPM "fpm = { slowlog = \"/s\"; "
					  "request_slowlog_timeout = \"1500ms\"; };"),
		    "must be whole seconds"),
		GOOD(CASE_ONE(CASE_PHP_FPM "fpm = { slowlog = \"/s\"; "
					   "request_slowlog_timeout = \"1m\"; };")),
		GOOD("defaults = { fpm = { request_slowlog_timeout=\"5s\" } };" CASE_ONE(
			CASE_BACKEND)),
	};

	(void)state;
	CHECK(cases);
}

#define LISTEN(addresses) \
	"name = \"www\"; backend = \"/b\"; max_children = 1; listen = [ " addresses " ]; "

static void test_listen(void **state)
{
	static const struct rule_case cases[] = {
		GOOD(CASE_ONE(LISTEN("\"127.0.0.1:1\", \"[::1]:2\""))),
		BAD(CASE_ONE(LISTEN("\"10.0.0.1:1\"")),
		    "other machines can reach 10.0.0.1:1"),
		BAD(CASE_ONE(LISTEN("\"0.0.0.0:1\"")), "other machines can reach"),
		BAD(CASE_ONE(LISTEN("\"[::]:1\"")), "other machines can reach"),
		GOOD(CASE_ONE(LISTEN("\"[::ffff:127.0.0.1]:1\""))),
		GOOD(CASE_ONE(LISTEN("\"10.0.0.1:1\"") "allow = \"10.0.0.0/8\";")),
		GOOD("defaults = { allow = \"10.0.0.0/8\"; };" CASE_ONE(
			LISTEN("\"10.0.0.1:1\""))),
		GOOD("defaults = { allow = \"10.0.0.0/8\"; };" CASE_ONE(
			LISTEN("\"/a\""))),
		WARN(CASE_ONE(LISTEN("\"/a\"") "allow = \"10.0.0.0/8\";"),
		     "allow has no effect"),
		GOOD(CASE_ONE(LISTEN("\"/a\"") "allow = \"\";")),
		GOOD(CASE_ONE(LISTEN("\"systemd:a\"") "allow = \"10.0.0.0/8\";")),
		WARN(CASE_ONE(LISTEN("\"/a\"") "half_close = true;"),
		     "half_close has no effect"),
		GOOD(CASE_ONE(LISTEN("\"/a\"") "half_close = false;")),
		WARN(CASE_ONE(LISTEN("\"@a\"") "listen_owner = \"u\";"),
		     "listen_owner has no effect"),
		WARN(CASE_ONE(LISTEN("\"127.0.0.1:1\"") "listen_mode = \"0600\";"),
		     "listen_mode has no effect"),
		GOOD(CASE_ONE(
			LISTEN("\"@a\"") "listen_owner = \"\"; listen_mode = \"\";")),
		GOOD(CASE_ONE(LISTEN("\"@a\", \"/a\"") "listen_group = \"g\";")),
		GOOD("defaults = { listen_group = \"g\"; };" CASE_ONE(LISTEN("\"@a\""))),
		WARN(CASE_ONE(LISTEN("\"/a\"") "listen_mode = \"0666\";"), "everybody"),
		GOOD(CASE_ONE(LISTEN("\"/a\"") "listen_mode = \"0664\";")),
		WARN(CASE_ONE(LISTEN("\"/a\"") "listen_mode = \"0602\";"), "everybody"),
	};

	(void)state;
	CHECK(cases);
}

static void test_times(void **state)
{
	static const struct rule_case cases[] = {
		GOOD(CASE_ONE(CASE_BACKEND "answer_by = \"55s\";")),
		WARN(CASE_ONE(CASE_BACKEND "answer_by = \"5s\";"),
		     "leaves a request that waited"),
		GOOD(CASE_ONE(CASE_BACKEND "answer_by = \"5001ms\";")),
		GOOD(CASE_ONE(CASE_BACKEND "queue = { max_wait = \"1h\"; };")),
		WARN(CASE_ONE(CASE_BACKEND
			      "answer_by = \"55s\"; request_timeout = \"50s\";"),
		     "answer_by has no effect"),
		GOOD(CASE_ONE(CASE_BACKEND
			      "answer_by = \"55s\"; request_timeout = \"51s\";")),
		WARN(CASE_ONE(CASE_BACKEND
			      "read_timeout = \"9s\"; request_timeout = \"9s\";"),
		     "read_timeout has no effect"),
		GOOD(CASE_ONE(CASE_BACKEND
			      "read_timeout = \"8s\"; request_timeout = \"9s\";")),
		GOOD(CASE_ONE(CASE_BACKEND "read_timeout = \"9s\";")),
		WARN(CASE_ONE(CASE_BACKEND "queue = { target = \"5s\"; };"),
		     "queue.target"),
		GOOD(CASE_ONE(CASE_BACKEND "queue = { target = \"4s\"; };")),
	};

	(void)state;
	CHECK(cases);
}

static void test_sizes(void **state)
{
	static const struct rule_case cases[] = {
		GOOD(CASE_ONE(CASE_BACKEND "body_max = \"10k\";")),
		GOOD(CASE_ONE(CASE_BACKEND "body_max = \"10k\"; body_memory = \"10k\";")),
		BAD(CASE_ONE(CASE_BACKEND "body_max = \"10k\"; body_memory = \"11k\";"),
		    "bigger than body_max"),
		BAD("defaults = { body_memory = \"11k\"; };" CASE_ONE(
			    CASE_BACKEND "body_max = \"10k\";"),
		    "bigger than body_max"),
		GOOD(CASE_ONE(CASE_BACKEND "body_max = \"10g\";")),
		WARN(CASE_ONE(CASE_BACKEND "body_max = \"11g\";"), "spool_max, 10g"),
		GOOD("memory_max = \"1792k\";" CASE_ONE(CASE_BACKEND)),
		WARN("memory_max = \"1791k\";" CASE_ONE(CASE_BACKEND),
		     "one request can need 448k"),
	};

	(void)state;
	CHECK(cases);
}

static void test_status(void **state)
{
	static const struct rule_case cases[] = {
		GOOD("status = { http = \"[::1]:8\"; fastcgi = \"[::1]:9\"; };" CASE_ONE(
			CASE_BACKEND)),
		BAD("status = { http = \"10.0.0.1:80\"; };" CASE_ONE(CASE_BACKEND),
		    "status.http: other machines"),
		BAD("status = { fastcgi = \"[::]:80\"; };" CASE_ONE(CASE_BACKEND),
		    "status.fastcgi: other machines"),
		BAD("status = { control = \"/run/www.sock\"; };" CASE_ONE(CASE_BACKEND),
		    "listen /run/www.sock is also the status.control of status"),
		BAD("status = { http = \"[::1]:80\"; fastcgi = \"[::1]:80\"; };" CASE_ONE(
			    CASE_BACKEND),
		    "status: status.fastcgi [::1]:80 is also the "
		    "status.http of status (t:1)"),
		BAD("runtime_dir = \"/run\";" CASE_ONE(
			    "name = \"a\"; backend = \"/b\"; max_children = 1; "
			    "listen = \"/run/control.sock\"; "),
		    "is also the status.control of status, by default"),
	};

	(void)state;
	CHECK(cases);
}

#define POOL(name, listen, backend) \
	"name = \"" name "\"; listen = \"" listen "\"; backend = \"" backend \
	"\"; max_children = 1; allow = \"10.0.0.0/8\"; "

static void test_clash(void **state)
{
	static const struct rule_case cases[] = {
		GOOD(TWO(POOL("a", "127.0.0.1:1", "/b"), POOL("b", "127.0.0.1:2", "/c"))),
		BAD(TWO(POOL("a", "127.0.0.1:1", "/b"), POOL("a", "127.0.0.1:2", "/c")),
		    "pool a: name a is also the name of pool a (t:1)"),
		GOOD(TWO(POOL("a", "127.0.0.1:1", "/b"), POOL("A", "127.0.0.1:2", "/c"))),
		BAD(TWO(POOL("a", "127.0.0.1:1", "/b"), POOL("b", "127.0.0.1:2", "/b")),
		    "pool b: backend /b is also the backend of pool a"),
		BAD(TWO(POOL("a", "127.0.0.1:1", "/b"), POOL("b", "127.0.0.1:1", "/c")),
		    "pool b: listen 127.0.0.1:1 is also the listen of pool a"),
		BAD(TWO(POOL("a", "127.0.0.1:1", "127.0.0.1:2"),
			POOL("b", "127.0.0.1:2", "/c")),
		    "that would be a loop"),
		BAD(CASE_ONE(POOL("a", "127.0.0.1:1", "127.0.0.1:1")),
		    "pool a: backend 127.0.0.1:1 is also the listen of pool a (t:1): "
		    "that would be a loop"),
		BAD(CASE_ONE(POOL("a", "0.0.0.0:1", "127.0.0.1:1")),
		    "that would be a loop"),
		GOOD(CASE_ONE(POOL("a", "0.0.0.0:1", "127.0.0.1:2"))),
		GOOD(CASE_ONE(POOL("a", "0.0.0.0:1", "10.0.0.1:1"))),
		GOOD(CASE_ONE(POOL("a", "0.0.0.0:1", "[::1]:1"))),
		BAD(CASE_ONE(POOL("a", "127.0.0.1:1",
				  "/b") "status_listen = \"127.0.0.1:1\";"),
		    "that would be a loop"),
		/* two pools of one master can share that */
		GOOD("defaults = { status_listen = \"/s\"; };" TWO(
			POOL("a", "127.0.0.1:1", "/b"), POOL("b", "127.0.0.1:2", "/c"))),
		GOOD(TWO(POOL("a", "127.0.0.1:1", "/b"),
			 POOL("b", "127.0.0.1:2", "/c") "status_listen = \"/b\";")),
	};

	(void)state;
	CHECK(cases);
}

/* Each further use names the first place, and each is complained about once. */
static void test_three(void **state)
{
	struct conf_case test =
		case_load("pools = (\n"
			  "{ name = \"a\"; listen = \"/a\"; backend = \"/x\"; "
			  "max_children = 1; },\n"
			  "{ name = \"a\"; listen = \"/b\"; backend = \"/y\"; "
			  "max_children = 1; },\n"
			  "{ name = \"a\"; listen = \"/c\"; backend = \"/z\"; "
			  "max_children = 1; } );\n");

	(void)state;
	assert_string_equal(
		test.said,
		"t:3: error: pool a: name a is also the name of pool a (t:2)\n"
		"t:4: error: pool a: name a is also the name of pool a (t:2)\n");
	case_done(&test);
}

static void test_no_pools(void **state)
{
	static const struct rule_case cases[] = {
		BAD("", "t: error: there is no pool"),
		BAD("pools = ( );", "t: error: there is no pool"),
		BAD("pools = [ ];", "t: error: there is no pool"),
	};

	(void)state;
	CHECK(cases);
}

/* Loads it as a file: then the folders that it names are looked at. */
static struct conf_case load_file(const char *text)
{
	char path[] = "/tmp/fpmgate-conf-XXXXXX", *said;
	struct conf_case test = { 0 };
	struct conf_diags diags;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	conf_diags_init(&diags);
	test.r = conf_load(path, &diags, &test.conf);
	unlink(path);
	said = case_print_diags(&diags);
	test.said = strdup(strncmp(said, path, strlen(path)) == 0 ?
				   said + strlen(path) : said);
	assert_non_null(test.said);
	free(said);
	conf_diags_done(&diags);
	return test;
}

/* /dev/shm is a tmpfs, /proc is not, and nobody can make /proc/none. */
static void test_spool(void **state)
{
	static const struct {
		const char *text;
		const char *said; /* behind the file's name */
	} cases[] = {
		{ "include_dir = \"\";\nspool_dir = \"/dev/shm\";\n",
		  ":2: error: spool_dir: /dev/shm is in memory (tmpfs): request bodies "
		  "would be held there, and memory_max would not count them; name a "
		  "folder on a disk\n" },
		{ "include_dir = \"\"; spool_dir = \"/proc\";\n", "" },
		{ "include_dir = \"\"; spool_dir = \"/proc/none\";\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_case test;
		char text[300];

		snprintf(text, sizeof(text), "%s" CASE_ONE(CASE_BACKEND), cases[i].text);
		test = load_file(text);
		assert_string_equal(test.said, cases[i].said);
		assert_int_equal(test.r, *cases[i].said ? -EINVAL : 0);
		case_done(&test);
	}
	/* a text is taken as it is */
	conf_unref(case_load_good("spool_dir = \"/dev/shm\";" CASE_ONE(CASE_BACKEND)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_runs_php), cmocka_unit_test(test_masters),
		cmocka_unit_test(test_listen),       cmocka_unit_test(test_times),
		cmocka_unit_test(test_sizes),        cmocka_unit_test(test_status),
		cmocka_unit_test(test_clash),        cmocka_unit_test(test_three),
		cmocka_unit_test(test_no_pools),     cmocka_unit_test(test_spool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
