/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/fpm_conf: PHP-FPM's pool files, and real dumps of php-fpm 8.2, which were made of
 * the pool files beside them in tests/data/conf/fpm.
 */
#include "tests/conf_case.h"

#include "conf/address.h"
#include "conf/fpm_conf.h"
#include "conf/value.h"

struct fpm_case {
	int r;
	struct conf_fpm_values values;
};

static struct fpm_case parse_bytes(const char *text, size_t n, const char *backend)
{
	char buffer[CONF_ADDRESS_TEXT_BYTES] = "";
	struct conf_address address = { .text = buffer, .name = buffer };
	struct conf_why why;
	struct fpm_case test;
	/* a copy without a final 0: reading behind the end is seen */
	char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, text, n);
	if (*backend)
		assert_int_equal(conf_address_parse(backend, buffer, &address, &why), 0);
	test.r = conf_fpm_parse(copy, n, &address, &test.values);
	free(copy);
	return test;
}

static struct fpm_case parse(const char *text, const char *backend)
{
	return parse_bytes(text, strlen(text), backend);
}

static char *read_data(const char *name)
{
	char path[4096], file[100];

	snprintf(file, sizeof(file), "fpm/%s", name);
	case_data_path(file, path, sizeof(path));
	return case_read_file(path, NULL);
}

static struct fpm_case parse_data(const char *name, const char *backend)
{
	char *text = read_data(name);
	struct fpm_case test = parse(text, backend);

	free(text);
	return test;
}

static void assert_www(const struct conf_fpm_values *values)
{
	assert_string_equal(values->pool, "www");
	assert_int_equal(values->pm, CONF_PM_DYNAMIC);
	assert_int_equal(values->max_children, 5);
	assert_int_equal(values->start_servers, 2);
	assert_int_equal(values->min_spare_servers, 1);
	assert_int_equal(values->max_requests, 0);
	assert_string_equal(values->status_path, "");
	assert_string_equal(values->status_listen, "");
	assert_string_equal(values->ping_path, "");
	assert_string_equal(values->slowlog, "");
	assert_int_equal(values->request_terminate_timeout_us, 0);
}

static void assert_panel(const struct conf_fpm_values *values)
{
	assert_string_equal(values->pool, "example.com");
	assert_int_equal(values->pm, CONF_PM_ONDEMAND);
	assert_int_equal(values->max_children, 8);
	assert_int_equal(values->max_requests, 4000);
	assert_string_equal(values->status_path, "/status-example.com");
	assert_string_equal(values->status_listen, "127.0.0.1:9101");
	assert_string_equal(values->ping_path, "/ping");
	assert_string_equal(values->slowlog, "/var/log/php-example.com.slow");
	assert_int_equal(values->request_terminate_timeout_us, 120000000);
	assert_int_equal(values->request_slowlog_timeout_us, 5000000);
}

static void assert_relative(const struct conf_fpm_values *values)
{
	assert_string_equal(values->pool, "relative");
	assert_int_equal(values->pm, CONF_PM_STATIC);
	assert_int_equal(values->max_children, 3);
	assert_string_equal(values->status_listen, "/var/www/run/relative-status.sock");
	assert_string_equal(values->slowlog, "/var/www/relative.slow");
}

static void test_files(void **state)
{
	struct fpm_case test = parse_data("www.conf", "/run/php/php8.2-fpm.sock");

	(void)state;
	assert_int_equal(test.r, 0);
	assert_www(&test.values);
	assert_int_equal(test.values.process_control_timeout_us, 0);
	test = parse_data("panel.conf", "/run/php/php8.2-fpm-example.com.sock");
	assert_int_equal(test.r, 0);
	assert_panel(&test.values);
	test = parse_data("panel.conf", "/var/www/run/relative.sock");
	assert_int_equal(test.r, 0);
	assert_relative(&test.values);
	test = parse_data("panel.conf", "/run/php/php8.2-fpm.sock");
	assert_int_equal(test.r, CONF_FPM_NO_SECTION);
	test = parse_data("php-fpm.conf", "/run/php/php8.2-fpm.sock");
	assert_int_equal(test.r, CONF_FPM_INCLUDES);
	assert_string_equal(test.values.pool, "");
}

static void test_dumps(void **state)
{
	static const char *const dumps[] = { "dump-notice.txt", "dump-debug.txt" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fpm_case test = parse_data(dumps[i], "/run/php/php8.2-fpm.sock");

		assert_int_equal(test.r, 0);
		assert_www(&test.values);
		assert_int_equal(test.values.process_control_timeout_us, 10000000);
		test = parse_data(dumps[i], "/run/php/php8.2-fpm-example.com.sock");
		assert_int_equal(test.r, 0);
		assert_panel(&test.values);
		test = parse_data(dumps[i], "/var/www/run/relative.sock");
		assert_int_equal(test.r, 0);
		assert_relative(&test.values);
		test = parse_data(dumps[i], "127.0.0.1:9101");
		assert_int_equal(test.r, CONF_FPM_NO_SECTION);
	}
}

/* Texts cut anywhere: nothing behind the end is read. */
static void test_cuts(void **state)
{
	char *text = read_data("dump-debug.txt");
	size_t n = strlen(text);

	(void)state;
	for (size_t i = 0; i < n; i += i < 200 ? 1 : 17) {
		struct fpm_case test = parse_bytes(text, i, "/run/php/php8.2-fpm.sock");

		assert_true(test.r == 0 || test.r == CONF_FPM_NO_SECTION);
	}
	free(text);
}

static void test_listen(void **state)
{
	static const struct {
		const char *listen, *backend;
		bool is_match;
	} cases[] = {
		{ "/run/a.sock", "/run/a.sock", true },
		{ "/run//a.sock", "/run/a.sock", true },
		{ "/var/run/a.sock", "/run/a.sock", true },
		{ "/run/a.sock", "/var/run/a.sock", true },
		{ "\"/run/a.sock\"", "/run/a.sock", true },
		{ "'/run/a.sock'", "/run/a.sock", true },
		{ "/run/\"a\".sock", "/run/a.sock", true },
		{ "/run/a.sock;comment", "/run/a.sock", true },
		{ "/run/a.sock  ; comment\r", "/run/a.sock", true },
		{ "\"/run/a;b.sock\"", "/run/a;b.sock", true },
		{ "\"/run/a\\\"b\\\\c\\d\"", "/run/a\"b\\c\\d", true },
		{ "/run/$pool.sock", "/run/www.sock", true },
		{ "/run/$pool-$pool.sock", "/run/www-www.sock", true },
		{ "a.sock", "/usr/a.sock", true },
		{ "@a", "/usr/@a", true },
		{ "@a", "@a", false },
		{ "/run/b.sock", "/run/a.sock", false },
		{ "/run/${HOME}a.sock", "/run/a.sock", false },
		{ "/run/a.sock/", "/run/a.sock", false },
		{ "/run/a.sock", "127.0.0.1:9000", false },
		{ "", "/run/a.sock", false },
		{ "9000", "127.0.0.1:9000", true },
		{ "9000", "[::1]:9000", true },
		{ "9000", "10.0.0.1:9000", true },
		{ "9000", "127.0.0.1:9001", false },
		{ "9000", "/run/9000", false },
		{ "*:9000", "127.0.0.1:9000", true },
		{ "0.0.0.0:9000", "127.0.0.1:9000", true },
		{ "0.0.0.0:9000", "[::1]:9000", false },
		{ "[::]:9000", "127.0.0.1:9000", true },
		{ "[::]:9000", "[::1]:9000", true },
		{ "localhost:9000", "127.0.0.1:9000", true },
		{ "localhost:9000", "[::1]:9000", true },
		{ "localhost:9000", "10.0.0.1:9000", false },
		{ "127.0.0.1:9000", "127.0.0.1:9000", true },
		{ "127.0.0.1:9000", "127.0.0.2:9000", false },
		{ "[0::1]:9000", "[::1]:9000", true },
		{ "example.com:9000", "127.0.0.1:9000", false },
		{ "127.0.0.1:http", "127.0.0.1:80", false },
		{ "127.0.0.1:", "127.0.0.1:80", false },
		{ "99999999999", "127.0.0.1:80", false },
		{ "0", "/run/a.sock", false },
		{ "undefined", "/usr/undefined", true },
		{ "/run/a.sock", "", false },
		{ "/run/a.sock", "systemd:a", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		struct fpm_case test;

		snprintf(text, sizeof(text), "[www]\npm.max_children = 6\nlisten = %s\n",
			 cases[i].listen);
		test = parse(text, cases[i].backend);
		if ((test.r == 0) != cases[i].is_match)
			print_error("listen %s, backend %s\n", cases[i].listen,
				    cases[i].backend);
		assert_int_equal(test.r, cases[i].is_match ? 0 : CONF_FPM_NO_SECTION);
		assert_int_equal(test.values.max_children, cases[i].is_match ? 6 : 0);
	}
}

static void test_prefix(void **state)
{
	struct fpm_case test =
		parse("[a]\nlisten = a.sock\nprefix = /srv/$pool\n", "/srv/a/a.sock");

	(void)state;
	assert_int_equal(test.r, 0);
	test = parse("[a]\nlisten = a.sock\nprefix = srv\nslowlog = x\n",
		     "/usr/srv/a.sock");
	assert_int_equal(test.r, 0);
	assert_string_equal(test.values.slowlog, "/usr/srv/x");
	test = parse("[a]\nlisten = /a.sock\nslowlog = x\npm.status_listen = s\n",
		     "/a.sock");
	assert_int_equal(test.r, 0);
	assert_string_equal(test.values.slowlog, "/usr/x");
	assert_string_equal(test.values.status_listen, "/usr/s");
	test = parse("[a]\nlisten = /a.sock\nprefix=/p\npm.status_listen = 9001\n",
		     "/a.sock");
	assert_string_equal(test.values.status_listen, "9001");
}

static void test_sections(void **state)
{
	static const char text[] = "listen = /0\n"
				   "[global]\nlisten = /0\nprocess_control_timeout = 1m\n"
				   "[a]\nlisten = /a\npm.max_children = 1\npm = static\n"
				   "[b]\nlisten = /b\npm.max_children = 2\n"
				   "[GLOBAL]\nprocess_control_timeout = 2s ; the last\n"
				   "[A]\npm.max_children = 3\nping.path = /$pool\n"
				   "[c]\nlisten = /c\nlisten = /d\n"
				   "[e]\nlisten = /e\n[e]\nlisten = /f\n";
	struct fpm_case test = parse(text, "/a");

	(void)state;
	assert_int_equal(test.r, 0);
	assert_string_equal(test.values.pool, "a");
	assert_int_equal(test.values.max_children, 3);
	assert_int_equal(test.values.pm, CONF_PM_STATIC);
	assert_string_equal(test.values.ping_path, "/A");
	assert_int_equal(test.values.process_control_timeout_us, 2000000);
	test = parse(text, "/b");
	assert_int_equal(test.values.max_children, 2);
	assert_int_equal(test.values.pm, CONF_PM_UNKNOWN);
	assert_int_equal(parse(text, "/0").r, CONF_FPM_NO_SECTION);
	assert_int_equal(parse(text, "/c").r, CONF_FPM_NO_SECTION);
	assert_int_equal(parse(text, "/d").r, 0);
	assert_int_equal(parse(text, "/e").r, CONF_FPM_NO_SECTION);
	assert_int_equal(parse(text, "/f").r, 0);
}

/* One value of a pool that matches. */
static struct conf_fpm_values value(const char *line)
{
	char text[1000];
	struct fpm_case test;

	snprintf(text, sizeof(text), "[www]\nlisten = /a\n%s\n", line);
	test = parse(text, "/a");
	assert_int_equal(test.r, 0);
	return test.values;
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(value("pm.max_children = 12").max_children, 12);
	assert_int_equal(value("pm.max_children=\"12\"").max_children, 12);
	assert_int_equal(value("  pm.max_children  =  7  ;c").max_children, 7);
	assert_int_equal(value("pm.max_children = 5\npm.max_children = 6").max_children,
			 6);
	assert_int_equal(value("pm.max_children = -3").max_children, 0);
	assert_int_equal(value("pm.max_children = 5\npm.max_children = x").max_children,
			 0);
	assert_int_equal(value("pm.max_children = 0x10").max_children, 0);
	assert_int_equal(value("pm.max_children = ").max_children, 0);
	assert_int_equal(value("pm.max_children").max_children, 0);
	assert_int_equal(value("pm.max_children = 9999999999").max_children, 0);
	assert_int_equal(value(";pm.max_children = 5").max_children, 0);
	assert_int_equal(value("pm.max_childrens = 5").max_children, 0);
	assert_int_equal(value("PM.max_children = 5").max_children, 0);
	assert_int_equal(value("pm.start_servers = 5").start_servers, 5);
	assert_int_equal(value("pm.min_spare_servers = 5").min_spare_servers, 5);
	assert_int_equal(value("pm.max_requests = 5").max_requests, 5);
	assert_int_equal(value("pm = Dynamic").pm, CONF_PM_DYNAMIC);
	assert_int_equal(value("pm = \"ondemand\"").pm, CONF_PM_ONDEMAND);
	assert_int_equal(value("pm = other").pm, CONF_PM_UNKNOWN);
	assert_int_equal(value("pm = static\npm = other").pm, CONF_PM_UNKNOWN);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t s;
	} cases[] = {
		{ "0", 0 },          { "30", 30 },
		{ "30s", 30 },       { "2m", 120 },
		{ "1h", 3600 },      { "1d", 86400 },
		{ "2h;x", 7200 },    { "\"5s\"", 5 },
		{ "2min", 0 },       { "s", 0 },
		{ "-5", 0 },         { "5x", 0 },
		{ "", 0 },           { "999999999d", UINT64_C(999999999) * 86400 },
		{ "9999999999", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[100];

		snprintf(line, sizeof(line), "request_terminate_timeout = %s",
			 cases[i].text);
		assert_true(value(line).request_terminate_timeout_us ==
			    cases[i].s * 1000000);
	}
	assert_int_equal(value("request_slowlog_timeout = 3").request_slowlog_timeout_us,
			 3000000);
}

static void test_texts(void **state)
{
	char line[800], wanted[300];

	(void)state;
	assert_string_equal(value("pm.status_path = /a").status_path, "/a");
	assert_string_equal(value("pm.status_path = /$pool").status_path, "/www");
	assert_string_equal(value("pm.status_path = /${HOME}").status_path, "");
	assert_string_equal(value("pm.status_path = /a\x01").status_path, "");
	assert_string_equal(value("ping.path = \"/p\"").ping_path, "/p");
	assert_string_equal(value("pm.status_listen = [::1]:9001").status_listen,
			    "[::1]:9001");
	/* the longest that fits, and one more */
	memset(wanted, 'x', sizeof(wanted));
	wanted[0] = '/';
	wanted[255] = 0;
	snprintf(line, sizeof(line), "pm.status_path = %s", wanted);
	assert_string_equal(value(line).status_path, wanted);
	strcat(line, "x");
	assert_string_equal(value(line).status_path, "");
	snprintf(line, sizeof(line), "slowlog = %s", wanted);
	assert_string_equal(value(line).slowlog, wanted);
	strcat(line, "x");
	assert_string_equal(value(line).slowlog, "");
	wanted[127] = 0;
	snprintf(line, sizeof(line), "pm.status_listen = %s", wanted);
	assert_string_equal(value(line).status_listen, wanted);
	strcat(line, "x");
	assert_string_equal(value(line).status_listen, "");
	memset(wanted, '1', 130);
	wanted[130] = 0;
	snprintf(line, sizeof(line), "pm.status_listen = %s", wanted);
	assert_string_equal(value(line).status_listen, "");
	/* longer than any value */
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	memcpy(line, "slowlog = /", 11);
	assert_string_equal(value(line).slowlog, "");
}

/* Lines that look like a dump's but are not. */
static void test_prefixes(void **state)
{
	(void)state;
	assert_int_equal(parse("[20-Jan-2026 10:40:42] NOTICE: [w]\n"
			       "[20-Jan-2026 10:40:42] NOTICE: \tlisten = /a;b\"c\n",
			       "/a;b\"c")
				 .r,
			 0);
	assert_int_equal(parse("[20-]\nlisten = /a\n", "/a").r, 0);
	assert_int_equal(parse("[20-www-x y]\nlisten = /a\n", "/a").r, 0);
	assert_int_equal(parse("[20-Jan-2026 x] nothing\nlisten = /a\n", "/a").r, 0);
	assert_int_equal(parse("[ab-cdefghij x] y: z\nlisten = /a\n", "/a").r, 0);
	assert_int_equal(parse("[w\nlisten = /a\n", "/a").r, 0);
	assert_int_equal(parse("[w]", "/a").r, CONF_FPM_NO_SECTION);
	assert_int_equal(parse("", "/a").r, CONF_FPM_NO_SECTION);
	assert_int_equal(
		parse("[20-Jan-2026 10:40:42] NOTICE: pid 7, f(), line 9: [w]\n"
		      "[20-Jan-2026 10:40:42] NOTICE: pid 7, f(), line 9: \tlisten = "
		      "/a\n",
		      "/a")
			.r,
		0);
	assert_int_equal(parse("[20-Jan-2026 10:40:42] NOTICE: [w]\n"
			       "[20-Jan-2026 10:40:42] NOTICE: pid 7\n"
			       "[20-Jan-2026 10:40:42] NOTICE: \tlisten = /a\n",
			       "/a")
				 .r,
			 0);
}

static void test_includes(void **state)
{
	static const struct {
		const char *text;
		bool has;
	} cases[] = {
		{ "include=/etc/php/8.2/fpm/pool.d/*.conf", true },
		{ "[www]\n  include = \"a\"", true },
		{ ";include=/a", false },
		{ "include", false },
		{ "[include=/a]", false },
		{ "includes = /a", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(conf_fpm_has_includes(cases[i].text,
						       strlen(cases[i].text)),
				 cases[i].has);
	/* found here, so that what is included does not count */
	assert_int_equal(parse("include = /b\n[w]\nlisten = /a\n", "/a").r, 0);
	assert_int_equal(parse("include = /b\n[w]\nlisten = /a\n", "/c").r,
			 CONF_FPM_INCLUDES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),    cmocka_unit_test(test_dumps),
		cmocka_unit_test(test_cuts),     cmocka_unit_test(test_listen),
		cmocka_unit_test(test_prefix),   cmocka_unit_test(test_sections),
		cmocka_unit_test(test_numbers),  cmocka_unit_test(test_times),
		cmocka_unit_test(test_texts),    cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_includes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
