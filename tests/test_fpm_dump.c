/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/fpm_dump with the real php-fpm of this machine, and with scripts
 * in its place that hang, shout and crash.
 */
#include "daemon/fpm_dump.h"

#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "tests/scene.h"

#define POOL(name) \
	"[" name "]\nlisten = /tmp/" name ".sock\npm = static\npm.max_children = 3\n"

static char php_fpm[256];

static struct {
	struct fpm_dump *dump;
	unsigned n_ends;
	char *text; /* NULL: there was none */
	size_t n;
	char why[512];
} seen;

static void on_end(void *userdata, const char *text, size_t n, const char *why)
{
	assert_ptr_equal(userdata, &seen);
	assert_int_equal(text == NULL, why != NULL);
	assert_int_equal(scene_n_files("fpm-"), 0); /* ours has gone already */
	seen.n_ends++;
	seen.n = n;
	seen.text = text ? strndup(text, n) : NULL;
	snprintf(seen.why, sizeof(seen.why), "%s", why ? why : "");
	seen.dump = fpm_dump_free(seen.dump);
}

static int start(const char *binary, const char *file, uint64_t limit_us,
		 const char **ret_what)
{
	const struct fpm_dump_params params = {
		.binary = binary,
		.file = file,
		.runtime_dir = scene.folder,
		.limit_us = limit_us,
		.on_end = on_end,
		.userdata = &seen,
	};

	free(seen.text);
	memset(&seen, 0, sizeof(seen));
	return fpm_dump_new(scene.loop, &params, &seen.dump, ret_what);
}

static void run(const char *binary, const char *file, uint64_t limit_us)
{
	const char *what;

	assert_int_equal(start(binary, file, limit_us, &what), 0);
	assert_int_equal(scene_n_files("fpm-"), 1);
	scene_turn_until(seen.n_ends > 0);
	assert_int_equal(seen.n_ends, 1);
}

static int end(void **state)
{
	fpm_dump_free(seen.dump);
	free(seen.text);
	memset(&seen, 0, sizeof(seen));
	return scene_end(state);
}

#define dump_test(function) cmocka_unit_test_setup_teardown(function, scene_begin, end)

/* Does the dump tell of a pool that listens on PATH with so many children? */
static void expect_pool(const char *path, unsigned max_children)
{
	char name[128];
	const struct conf_address backend = {
		.kind = CONF_ADDRESS_UNIX, .text = name, .name = name,
	};
	struct conf_fpm_values values;

	assert_string_equal(seen.why, "");
	snprintf(name, sizeof(name), "%s", path);
	assert_int_equal(conf_fpm_parse(seen.text, seen.n, &backend, &values), 0);
	assert_int_equal(values.max_children, max_children);
}

static void test_file_of_one_pool(void **state)
{
	(void)state;
	scene_write("www.conf", POOL("www"));
	run(php_fpm, scene_path("www.conf"), 5000000);
	expect_pool("/tmp/www.sock", 3);
}

static void write_whole(const char *global)
{
	char text[1024];

	snprintf(text, sizeof(text), "[global]\npid = /run/none.pid\n%s\n"
		 "include = %s/pool.d/*.conf\n", global, scene.folder);
	(void)mkdir(scene_path("pool.d"), 0755);
	scene_write("php-fpm.conf", text);
	scene_write("pool.d/a.conf", POOL("a"));
	scene_write("pool.d/b.conf", POOL("b") "pm.max_children = 4\n");
}

/* A log that cannot be opened, or a level at which nothing would be printed. */
static void test_whole_configuration(void **state)
{
	static const char *const globals[] = {
		"", "error_log = /nonexistent/fpm.log", "error_log = syslog",
		"log_level = error", "log_level = debug", "daemonize = no",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
		write_whole(globals[i]);
		run(php_fpm, scene_path("php-fpm.conf"), 5000000);
		expect_pool("/tmp/a.sock", 3);
		expect_pool("/tmp/b.sock", 4);
	}
}

static void test_strange_paths(void **state)
{
	static const char *const names[] = {
		"a b.conf", "[x].conf", "*.conf", "?.conf", "a;b.conf", "\"a\".conf",
		"$pool.conf", "a\\b.conf", "${HOME}.conf", "(a|b)&!^~{}=.conf",
	};
	const char *what;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		scene_write(names[i], POOL("www"));
		run(php_fpm, scene_path(names[i]), 5000000);
		expect_pool("/tmp/www.sock", 3);
	}
	assert_int_equal(start(php_fpm, "/tmp/it's.conf", 5000000, &what), -EINVAL);
	assert_non_null(strstr(what, "path"));
	assert_int_equal(start(php_fpm, "/tmp/new\nline.conf", 5000000, &what), -EINVAL);
	assert_int_equal(scene_n_files("fpm-"), 0);
}

static void test_complaints(void **state)
{
	(void)state;
	scene_write("www.conf", POOL("www") "nonsense = 1\n");
	run(php_fpm, scene_path("www.conf"), 5000000);
	assert_null(seen.text);
	assert_non_null(strstr(seen.why, "exited with code 78: ["));
	assert_non_null(strstr(seen.why, "www.conf:5] unknown entry \\x27nonsense\\x27"));

	scene_write("www.conf", "[www]\npm = static\npm.max_children = 1\n");
	run(php_fpm, scene_path("www.conf"), 5000000);
	assert_string_equal(seen.why,
			    "exited with code 78: [pool www] no listen address have "
			    "been defined!");
}

static bool runs(const char *pid_file)
{
	int pid = atoi(scene_read(pid_file));

	assert_true(pid > 1);
	return kill(pid, 0) == 0;
}

static void test_hanging_binary(void **state)
{
	const char *script = scene_script("hang",
					  "echo $$ >${0%hang}pid; echo some text\n"
					  "trap '' TERM; while :; do sleep 1; done\n");
	uint64_t start_ms = scene_now_ms();

	(void)state;
	run(script, "/none", 400000);
	assert_in_range(scene_now_ms() - start_ms, 390, 4000);
	assert_null(seen.text);
	assert_string_equal(seen.why, "was killed after 0.4 s");
	assert_false(runs("pid"));
}

static void test_talkative_binary(void **state)
{
	uint64_t start_ms = scene_now_ms();

	(void)state;
	run(scene_script("shout", "echo $$ >${0%shout}pid\n"
				  "head -c 10000000 /dev/zero; sleep 60\n"),
	    "/none", 5000000);
	assert_null(seen.text);
	assert_true(scene_now_ms() - start_ms < 4000);
	assert_string_equal(seen.why, "prints more than 1048576 bytes");
	assert_false(runs("pid"));

	run(scene_script("full", "head -c 1048576 /dev/zero | tr '\\0' x\n"), "/none",
	    5000000);
	assert_int_equal(seen.n, 1048576);
	assert_int_equal(strlen(seen.text), 1048576);
	run(scene_script("over", "head -c 1048577 /dev/zero | tr '\\0' x\n"), "/none",
	    5000000);
	assert_null(seen.text);
}

static void test_other_binaries(void **state)
{
	(void)state;
	run("/nonexistent/php-fpm", "/none", 5000000);
	assert_string_equal(seen.why, "exited with code 127: cannot run "
				      "/nonexistent/php-fpm: No such file or directory");
	run(scene_script("crash", "kill -SEGV $$\n"), "/none", 5000000);
	assert_string_equal(seen.why, "was killed by signal 11 (Segmentation fault)");
	run(scene_script("mute", "exit 0\n"), "/none", 5000000);
	assert_string_equal(seen.why, "exited with code 0");
	run(scene_script("odd", "printf 'a\\033[2Jb\\nc'; exit 3\n"), "/none", 5000000);
	assert_string_equal(seen.why, "exited with code 3: a\\x1b[2Jb");
	run(scene_script("long", "head -c 9999 /dev/zero | tr '\\0' x; exit 3\n"),
	    "/none", 5000000);
	assert_in_range(strlen(seen.why), 300, 511);
}

static void test_the_file_of_ours(void **state)
{
	(void)state;
	run(scene_script("show", "shift 4; stat -c '%a %u' $1; cat $1\n"), "/etc/x.conf",
	    5000000);
	assert_int_equal(scene_count(seen.text, "600 "), 1);
	assert_int_equal(atoi(seen.text + 4), (int)getuid());
	assert_non_null(strstr(seen.text, "\ninclude='/etc/x.conf'\n"));
	assert_int_equal(scene_count(seen.text, "error_log=/dev/null\n"), 2);
}

static void test_runtime_dir_that_is_not_there(void **state)
{
	char folder[sizeof(scene.folder)];
	const char *what;
	int r;

	(void)state;
	memcpy(folder, scene.folder, sizeof(folder));
	strcpy(scene.folder, "/nonexistent");
	r = start(php_fpm, "/etc/x.conf", 5000000, &what);
	memcpy(scene.folder, folder, sizeof(folder));
	assert_int_equal(r, -ENOENT);
	assert_string_equal(what, "cannot write to runtime_dir");
}

static void test_free_while_it_runs(void **state)
{
	const char *script = scene_script("hang", "echo $$ >${0%hang}pid; sleep 60\n");
	const char *what;

	(void)state;
	assert_int_equal(start(script, "/none", 5000000, &what), 0);
	scene_turn_until(strchr(scene_read("pid"), '\n'));
	seen.dump = fpm_dump_free(seen.dump);
	assert_null(seen.dump);
	assert_false(runs("pid"));
	assert_int_equal(scene_n_files("fpm-"), 0);
	scene_turn_for(50);
	assert_int_equal(seen.n_ends, 0);
	assert_null(fpm_dump_free(NULL));
}

/* The whole configuration again, by somebody who may not write its log. */
static void dump_as_nobody(void)
{
	const struct passwd *nobody = getpwnam("nobody");

	if (getuid() == 0 && (!nobody || setgroups(0, NULL) < 0 ||
			      setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0))
		_exit(2);
	loop_free(scene.loop);
	if (loop_new(&scene.loop) < 0)
		_exit(3);
	run(php_fpm, scene_path("php-fpm.conf"), 5000000);
	expect_pool("/tmp/b.sock", 4);
}

static void test_unprivileged(void **state)
{
	char global[128];
	int status;
	pid_t pid;

	(void)state;
	scene_write("private.log", "");
	assert_int_equal(chmod(scene_path("private.log"), 0400), 0);
	snprintf(global, sizeof(global), "error_log = %s", scene_path("private.log"));
	write_whole(global);
	/* a runtime_dir is its user's own */
	assert_int_equal(chmod(scene.folder, 0777), 0);
	pid = fork();
	if (pid == 0) {
		dump_as_nobody();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Looks in the folder of the scene; NULL: there is none. */
static const char *find(const char *file, size_t size)
{
	static char binary[256];
	int r = fpm_dump_find_binary_in(scene.folder, file, binary, size);

	assert_true(r == 0 || r == -ENOENT);
	return r < 0 ? NULL : binary;
}

static void test_find_binary(void **state)
{
	static const char file[] = "/etc/php/8.2/fpm/pool.d/www.conf";
	const char *const names[] = { "", "8.0", "8.1", "8.2", "8.3", "8.4", "7.44" };
	char name[32];
	size_t n;

	(void)state;
	assert_null(find(file, 256));
	scene_write("php-fpm8.4", ""); /* cannot be executed */
	assert_null(find("/etc/fpm.conf", 256));
	/* the newest */
	for (size_t i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "php-fpm%s", names[i]);
		scene_script(name, "");
		assert_string_equal(find("/etc/fpm.conf", 256), scene_path(name));
	}
	/* the version in the path, when it is there */
	scene_script("php-fpm7.44", "");
	assert_string_equal(find(file, 256), scene_path("php-fpm8.2"));
	assert_string_equal(find("/etc/php/7.44/x", 256), scene_path("php-fpm7.44"));
	assert_string_equal(find("/8.1/x", 256), scene_path("php-fpm8.1"));
	assert_string_equal(find("/etc/php/7.4/x", 256), scene_path("php-fpm8.4"));
	assert_string_equal(find("/8./.2/8.x/8.1x/8.1", 256), scene_path("php-fpm8.4"));
	assert_string_equal(find("8.1/x", 256), scene_path("php-fpm8.4"));
	/* a name that does not fit is not another name */
	n = strlen(scene_path("php-fpm7.44"));
	assert_string_equal(find("/etc/php/7.441/x", n + 1), scene_path("php-fpm8.4"));
	assert_null(find(file, 8));
}

static void test_find_installed_binary(void **state)
{
	char binary[256];

	(void)state;
	assert_int_equal(fpm_dump_find_binary("/etc/fpm.conf", binary, sizeof(binary)),
			 0);
	assert_int_equal(access(binary, X_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		dump_test(test_file_of_one_pool),
		dump_test(test_whole_configuration),
		dump_test(test_strange_paths),
		dump_test(test_complaints),
		dump_test(test_hanging_binary),
		dump_test(test_talkative_binary),
		dump_test(test_other_binaries),
		dump_test(test_the_file_of_ours),
		dump_test(test_runtime_dir_that_is_not_there),
		dump_test(test_free_while_it_runs),
		dump_test(test_unprivileged),
		dump_test(test_find_binary),
		dump_test(test_find_installed_binary),
	};

	if (fpm_dump_find_binary("", php_fpm, sizeof(php_fpm)) < 0) {
		puts("1..0 # SKIP there is no php-fpm");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
