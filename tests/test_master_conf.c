/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Tests of daemon/master_conf.h: texts are compared, php-fpm itself reads them in
 * test_master.
 */

#include "daemon/master_conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/macros.h"

static char root[] = "root", empty[] = "", dir[] = "/tmp/fpmgate-conf-XXXXXX";
static char *no_texts[] = { NULL };
static struct conf conf;
static struct conf_pool pool;
static const char token[MASTER_CONF_TOKEN_BYTES] = "0123456789abcdef";

static int setup(void **state)
{
	static char name[] = "www", program[] = "/usr/sbin/php-fpm";

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/fpmgate-conf-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	conf = (struct conf){ .runtime_dir = dir };
	pool = (struct conf_pool){
		.name = name,
		.php_fpm = program,
		.max_children = 5,
		.status_path = empty,
		.ping_path = empty,
		.fpm = {
			.user = root,
			.group = empty,
			.pm = CONF_PM_STATIC,
			.slowlog = empty,
			.clear_env = true,
			.php_ini = no_texts,
			.extra = no_texts,
			.stop_timeout_us = 30000000,
		},
	};
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct master_conf *make(unsigned variant)
{
	struct master_conf *made = NULL;

	assert_int_equal(master_conf_new(&conf, &pool, variant, token, &made), 0);
	return made;
}

static int try(void)
{
	struct master_conf *made = NULL;
	int r = master_conf_new(&conf, &pool, 0, token, &made);

	master_conf_free(made);
	return r;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[n] == '\n')
			return true;
	return false;
}

static void assert_lines(const char *const *lines)
{
	struct master_conf *made = make(0);

	for (; *lines; lines++) {
		if (!has_line(made->text, *lines))
			fail_msg("not a line: %s\nof:\n%s", *lines, made->text);
	}
	master_conf_free(made);
}

static void test_text(void **state)
{
	static const char *const lines[] = {
		"[global]",
		"error_log = /proc/self/fd/2",
		"log_limit = 2048",
		"process_control_timeout = 30s",
		"daemonize = no",
		"[www]",
		"catch_workers_output = yes",
		"clear_env = yes",
		"pm = static",
		"pm.max_children = 5",
		"pm.status_path = /fpmgate-0123456789abcdef",
		"listen.mode = 0600",
		NULL,
	};
	struct master_conf *made = make(0);
	char line[128];

	(void)state;
	assert_lines(lines);
	snprintf(line, sizeof(line), "listen = '%s/fpm/www.sock'", dir);
	assert_true(has_line(made->text, line));
	snprintf(line, sizeof(line), "pm.status_listen = '%s/fpm/www.status'", dir);
	assert_true(has_line(made->text, line));
	assert_int_equal(has_line(made->text, "user = 'root'"), geteuid() == 0);
	assert_null(strstr(made->text, "slowlog"));
	assert_null(strstr(made->text, "ping.path"));
	assert_null(strstr(made->text, "group"));
	assert_true(made->is_root_allowed);
	master_conf_free(made);
}

static void test_options(void **state)
{
	static const char *const lines[] = {
		"process_control_timeout = 2s",
		"clear_env = no",
		"slowlog = '/var/log/s'",
		"request_slowlog_timeout = 3s",
		"pm = ondemand",
		"pm.status_path = '/s'",
		"ping.path = '/p'",
		"pm.max_requests = 500",
		NULL,
	};
	static char slowlog[] = "/var/log/s", status[] = "/s", ping[] = "/p";
	static char line[] = "pm.max_requests = 500";
	static char *extra[] = { line, NULL };

	(void)state;
	pool.fpm.stop_timeout_us = 1000001;
	pool.fpm.clear_env = false;
	pool.fpm.slowlog = slowlog;
	pool.fpm.request_slowlog_timeout_us = 3000000;
	pool.fpm.pm = CONF_PM_ONDEMAND;
	pool.fpm.extra = extra;
	pool.status_path = status;
	pool.ping_path = ping;
	assert_lines(lines);
}

/* What fpmgate relies on comes behind what an operator writes: the last one counts. */
static void test_order(void **state)
{
	static char line[] = "listen.mode = 0666";
	static char *extra[] = { line, NULL };
	struct master_conf *made;

	(void)state;
	pool.fpm.extra = extra;
	made = make(0);
	assert_true(strstr(made->text, "listen.mode = 0600") >
		    strstr(made->text, "listen.mode = 0666"));
	assert_true(strstr(made->text, "catch_workers_output") <
		    strstr(made->text, "listen.mode = 0666"));
	master_conf_free(made);
}

static void test_dynamic(void **state)
{
	unsigned min, start, max;

	(void)state;
	pool.fpm.pm = CONF_PM_DYNAMIC;
	for (unsigned n = 1; n < 300; n++) {
		struct master_conf *made;

		pool.max_children = n;
		made = make(0);
		assert_int_equal(
			sscanf(strstr(made->text, "pm.min_spare"),
			       "pm.min_spare_servers = %u pm.max_spare_servers = %u "
			       "pm.start_servers = %u",
			       &min, &max, &start),
			3);
		/* FPM's own rules */
		assert_in_range(min, 1, max);
		assert_in_range(start, min, max);
		assert_in_range(max, min, n);
		if (n == 5)
			assert_true(min == 1 && start == 2 && max == 3);
		assert_true(made->n_files >= 1024 && made->n_files >= 4 * n);
		master_conf_free(made);
	}
}

static void test_quotes(void **state)
{
	static const struct {
		const char *setting, *line;
	} rows[] = {
		{ "a=b", "php_value[a] = 'b'" },
		{ "a.b-c_D=1 ", "php_value[a.b-c_D] = '1 '" },
		{ "a=", "php_value[a] = \"\"" },
		{ "a='", "php_value[a] = \"'\"" },
		{ "a=''", "php_value[a] = \"''\"" },
		{ "a=it's", "php_value[a] = 'it'\"'\"'s'" },
		{ "a='b'c'", "php_value[a] = \"'\"'b'\"'\"'c'\"'\"" },
		{ "a=\"\\${b}", "php_value[a] = '\"\\${b}'" },
		{ "a=b=c", "php_value[a] = 'b=c'" },
		{ "a=off", "php_value[a] = 'off'" },
		{ "a=E_ALL & ~(E_NOTICE)", "php_value[a] = E_ALL & ~(E_NOTICE)" },
		{ "a=E_ALL;", "php_value[a] = 'E_ALL;'" },
		{ "a=ALL & 1", "php_value[a] = 'ALL & 1'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *setting = strdup(rows[i].setting), *list[] = { setting, NULL };

		pool.fpm.php_ini = list;
		assert_lines((const char *const[]){ rows[i].line, NULL });
		free(setting);
	}
	pool.fpm.php_ini = no_texts;
}

static void test_refuses_lines(void **state)
{
	static const char *const settings[] = {
		"a=b\nlisten = /x",
		"a=b\rc",
		"a=\x7f",
		"a\nb=c",
		"a",
		"=b",
		"a]=b",
		"a b=c",
	};
	char bad[] = "x\n[y]", *list[] = { bad, NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		list[0] = strdup(settings[i]);
		pool.fpm.php_ini = list;
		assert_int_equal(try(), MASTER_CONF_BAD_TEXT);
		free(list[0]);
	}
	pool.fpm.php_ini = no_texts;
	assert_int_equal(try(), 0);
	list[0] = bad;
	pool.fpm.extra = list;
	assert_int_equal(try(), MASTER_CONF_BAD_TEXT);
	pool.fpm.extra = no_texts;
	pool.fpm.slowlog = bad;
	assert_int_equal(try(), MASTER_CONF_BAD_TEXT);
	pool.fpm.slowlog = empty;
	pool.ping_path = bad;
	assert_int_equal(try(), MASTER_CONF_BAD_TEXT);
	pool.ping_path = empty;
	conf.runtime_dir = bad;
	assert_int_equal(try(), MASTER_CONF_BAD_TEXT);
}

static void test_user(void **state)
{
	static char www[] = "www-data";
	struct master_conf *made;

	(void)state;
	pool.fpm.user = empty;
	assert_int_equal(try(), geteuid() == 0 ? MASTER_CONF_NO_USER : 0);
	pool.fpm.user = pool.fpm.group = www;
	made = make(0);
	assert_int_equal(has_line(made->text, "user = 'www-data'"), geteuid() == 0);
	assert_int_equal(has_line(made->text, "group = 'www-data'"), geteuid() == 0);
	assert_false(made->is_root_allowed);
	master_conf_free(made);
}

static void test_names(void **state)
{
	static char global[] = "Global", text[200];
	struct master_conf *first, *second;

	(void)state;
	first = make(0);
	second = make(7);
	assert_true(master_conf_is_same(first, second));
	assert_string_not_equal(first->backend.name, second->backend.name);
	assert_string_not_equal(first->status.name, second->status.name);
	assert_string_not_equal(first->notify_path, second->notify_path);
	assert_string_not_equal(first->file, second->file);
	master_conf_free(second);
	pool.max_children++;
	second = make(0);
	assert_false(master_conf_is_same(first, second));
	master_conf_free(first);
	master_conf_free(second);
	/* a pool of this name would be FPM's section of that name */
	pool.name = global;
	assert_lines((const char *const[]){ "[Global-pool]", NULL });
	/* room for all that comes behind it, in 107 bytes: whatever a later variant is */
	memset(text, '/', 107 - strlen("/fpm/Global+4294967295.status"));
	conf.runtime_dir = text;
	assert_int_equal(try(), 0);
	text[strlen(text)] = '/';
	assert_int_equal(try(), MASTER_CONF_LONG_PATH);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : (unsigned)(st.st_mode & 07777);
}

static void test_files(void **state)
{
	struct master_conf *made = make(0);
	char text[4096] = "";
	FILE *file;

	(void)state;
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(master_conf_write(made), 0);
	assert_int_equal(mode_of(made->dir), 0700);
	assert_int_equal(mode_of(made->file), 0600);
	file = fopen(made->file, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, made->text);
	/* again, over what an earlier run left, and a mode that somebody has changed */
	assert_int_equal(symlink("/nonexistent", made->backend.name), 0);
	assert_int_equal(chmod(made->file, 0644), 0);
	assert_int_equal(chmod(made->dir, 0755), 0);
	assert_int_equal(master_conf_write(made), 0);
	assert_int_equal(mode_of(made->dir), 0700);
	assert_int_equal(mode_of(made->file), 0600);
	assert_int_equal(mode_of(made->backend.name), 0);
	master_conf_remove(made);
	assert_int_equal(mode_of(made->file), 0);
	master_conf_free(made);
}

static void test_foreign_directory(void **state)
{
	struct master_conf *made = make(0);

	(void)state;
	assert_int_equal(symlink("/tmp", made->dir), 0);
	assert_true(master_conf_write(made) < 0);
	assert_int_equal(unlink(made->dir), 0);
	assert_int_equal(mkdir(made->dir, 0777), 0);
	if (chown(made->dir, geteuid() + 1, getegid()) == 0)
		assert_int_equal(master_conf_write(made), -EPERM);
	master_conf_free(made);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text),   TEST(test_options),
		TEST(test_order),  TEST(test_dynamic),
		TEST(test_quotes), TEST(test_refuses_lines),
		TEST(test_user),   TEST(test_names),
		TEST(test_files),  TEST(test_foreign_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
