/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/fpm_probe with the real php-fpm of this machine: what is told at
 * start, what after changes, and what is logged.
 */
#include "daemon/fpm_probe.h"

#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/fpm_dump.h"
#include "tests/scene.h"

/* As Debian's, shorter. */
#define DEBIAN_POOL \
	"; Start a new pool named 'www'.\n" \
	"; the variable $pool can be used in any directive and will be " \
	"replaced by the\n" \
	"; pool name ('www' here)\n" \
	"[www]\n\n" \
	";prefix = /path/to/pools/$pool\n\n" \
	"user = www-data\n" \
	"group = www-data\n\n" \
	"listen = /run/php/php8.2-fpm.sock\n" \
	";listen.backlog = 511\n" \
	"listen.owner = www-data\n" \
	"listen.group = www-data\n\n" \
	"pm = dynamic\n" \
	"; Note: This value is mandatory.\n" \
	"pm.max_children = 5\n" \
	"pm.start_servers = 2\n" \
	"pm.min_spare_servers = 1\n" \
	"pm.max_spare_servers = 3\n" \
	";pm.max_requests = 500\n" \
	"pm.status_path = /status\n"

static char php_fpm[256];
static struct fpm_probe *probe;
static unsigned n_told;
static struct conf_fpm_values told;

static void on_values(void *userdata, const struct conf_fpm_values *values)
{
	assert_ptr_equal(userdata, &told);
	told = *values;
	n_told++;
}

static const struct fpm_probe_ops ops = { .on_values = on_values };

/* Begins with a file of the folder, for a pool that listens on the path. True: the values
 * are known at once. */
static bool begin(const char *file, const char *binary, const char *backend_path)
{
	char name[] = "shop", conf[256], fpm_binary[256], text[128];
	const struct conf_pool options = {
		.name = name, .fpm_conf = conf, .fpm_binary = fpm_binary,
	};
	const struct conf_address backend = {
		.kind = CONF_ADDRESS_UNIX, .text = text, .name = text,
	};
	int r;

	snprintf(conf, sizeof(conf), "%s", scene_path(file));
	snprintf(fpm_binary, sizeof(fpm_binary), "%s", binary);
	snprintf(text, sizeof(text), "%s", backend_path);
	n_told = 0;
	memset(&told, 0, sizeof(told));
	r = fpm_probe_new(scene.loop, scene.folder, &options, &backend, &ops, &told,
			  &probe);
	assert_int_equal(r, 0);
	/* nothing of these is needed any more */
	memset(name, 'x', sizeof(name) - 1);
	memset(conf, 'x', sizeof(conf));
	memset(fpm_binary, 'x', sizeof(fpm_binary));
	memset(text, 'x', sizeof(text));
	return fpm_probe_read_now(probe);
}

static int end(void **state)
{
	probe = fpm_probe_free(probe);
	return scene_end(state);
}

#define probe_test(function) cmocka_unit_test_setup_teardown(function, scene_begin, end)

static void write_pool(const char *name, const char *pool, unsigned max_children)
{
	char text[512];

	snprintf(text, sizeof(text), "[%s]\nlisten = /tmp/$pool.sock\npm = static\n"
		 "pm.max_children = %u\n", pool, max_children);
	scene_write(name, text);
}

/* php-fpm.conf, which includes pool.d/, two pools in it. */
static void write_whole(const char *global)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[global]\n%s\ninclude = \"%s/pool.d/*.conf\" ; all\n", global,
		 scene.folder);
	(void)mkdir(scene_path("pool.d"), 0755);
	scene_write("php-fpm.conf", text);
	write_pool("pool.d/a.conf", "a", 3);
	write_pool("pool.d/b.conf", "b", 4);
}

static bool has_logged(const char *text)
{
	return strstr(scene_log(), text) != NULL;
}

/* The file alone is enough: php-fpm is not asked. */
static void test_debian_pool(void **state)
{
	const char *script = scene_script("fpm", "echo >${0%fpm}asked\n");

	(void)state;
	scene_write("www.conf", DEBIAN_POOL);
	assert_true(begin("www.conf", script, "/run/php/php8.2-fpm.sock"));
	assert_int_equal(n_told, 1);
	assert_string_equal(told.pool, "www");
	assert_int_equal(told.pm, CONF_PM_DYNAMIC);
	assert_int_equal(told.max_children, 5);
	assert_int_equal(told.min_spare_servers, 1);
	assert_string_equal(told.status_path, "/status");
	scene_turn_for(100);
	assert_int_equal(scene_n_files("asked"), 0);
	assert_int_equal(n_told, 1);
	assert_true(has_logged("pool shop: fpm_conf "));
	assert_true(has_logged("www.conf: section [www], pm dynamic, max_children 5\n"));
}

static void test_whole_configuration(void **state)
{
	(void)state;
	write_whole("process_control_timeout = 10s");
	assert_false(begin("php-fpm.conf", php_fpm, "/tmp/b.sock"));
	scene_turn_until(n_told > 0);
	assert_string_equal(told.pool, "b");
	assert_int_equal(told.max_children, 4);
	assert_int_equal(told.process_control_timeout_us, 10000000);
	assert_int_equal(scene_n_files("fpm-"), 0);
	assert_false(has_logged("<4>"));
}

/* The binary is found by itself. */
static void test_guessed_binary(void **state)
{
	(void)state;
	write_whole("");
	assert_false(begin("php-fpm.conf", "", "/tmp/a.sock"));
	scene_turn_until(n_told > 0);
	assert_int_equal(told.max_children, 3);
}

static void test_change_is_seen(void **state)
{
	(void)state;
	write_pool("www.conf", "www", 5);
	assert_true(begin("www.conf", php_fpm, "/tmp/www.sock"));
	write_pool("www.conf", "www", 6);
	scene_turn_until(n_told > 1);
	assert_int_equal(told.max_children, 6);
	/* by an editor that renames, twice */
	for (unsigned n = 7; n < 9; n++) {
		write_pool("www.conf.new", "www", n);
		assert_int_equal(
			rename(scene_path("www.conf.new"), scene_path("www.conf")), 0);
		scene_turn_until(told.max_children == n);
	}
	assert_int_equal(n_told, 4);
	/* what says the same is not told again */
	write_pool("www.conf", "www", 8);
	scene_turn_for(400);
	assert_int_equal(n_told, 4);
	assert_int_equal(scene_count(scene_log(), "max_children 8"), 1);
}

static void test_change_of_an_included_file_is_seen(void **state)
{
	(void)state;
	write_whole("");
	assert_false(begin("php-fpm.conf", php_fpm, "/tmp/b.sock"));
	scene_turn_until(told.max_children == 4);
	write_pool("pool.d/b.conf", "b", 9);
	scene_turn_until(told.max_children == 9);
	/* one more, which FPM reads as a second half of the section */
	scene_write("pool.d/c.conf", "[b]\npm.max_children = 2\n");
	scene_turn_until(told.max_children == 2);
	assert_int_equal(unlink(scene_path("pool.d/c.conf")), 0);
	scene_turn_until(told.max_children == 9);
	assert_int_equal(n_told, 4);
}

/* The section is in the file, and an included one changes it: told at once and then
 * better; after a change without going back on the way. */
static void test_section_and_includes(void **state)
{
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "[www]\nlisten = /tmp/www.sock\npm = static\n"
		 "pm.max_children = 5\ninclude=%s/more.d/*\n", scene.folder);
	scene_write("www.conf", text);
	assert_int_equal(mkdir(scene_path("more.d"), 0755), 0);
	scene_write("more.d/1", "pm.max_children = 7\n");
	assert_true(begin("www.conf", php_fpm, "/tmp/www.sock"));
	assert_int_equal(told.max_children, 5);
	scene_turn_until(n_told > 1);
	assert_int_equal(told.max_children, 7);
	scene_write("more.d/1", "pm.max_children = 8\n");
	scene_turn_until(n_told > 2);
	assert_int_equal(told.max_children, 8);
	/* without php-fpm's answer the file has the say */
	scene_write("more.d/1", "nonsense = 8\n");
	scene_turn_until(n_told > 3);
	assert_int_equal(told.max_children, 5);
	assert_true(
		has_logged("what it includes is not known: php-fpm -tt exited with code "
			   "78: ["));
}

static void test_file_that_vanishes(void **state)
{
	(void)state;
	write_pool("www.conf", "www", 5);
	assert_true(begin("www.conf", php_fpm, "/tmp/www.sock"));
	assert_int_equal(unlink(scene_path("www.conf")), 0);
	scene_turn_until(has_logged("cannot be read: No such file or directory; the last "
				    "values stay"));
	/* more noise about the same name */
	assert_int_equal(mkdir(scene_path("www.conf"), 0755), 0);
	assert_int_equal(rmdir(scene_path("www.conf")), 0);
	scene_turn_for(450);
	assert_int_equal(n_told, 1);
	assert_int_equal(scene_count(scene_log(), "cannot be read"), 1);
	write_pool("www.conf", "www", 5);
	scene_turn_until(has_logged("can be read again"));
	assert_int_equal(n_told, 1);
	write_pool("www.conf", "www", 6);
	scene_turn_until(n_told > 1);
}

static void test_file_that_comes_later(void **state)
{
	(void)state;
	assert_false(begin("www.conf", php_fpm, "/tmp/www.sock"));
	assert_true(has_logged("cannot be read: No such file or directory\n"));
	write_pool("www.conf", "www", 6);
	scene_turn_until(n_told > 0);
}

static void test_what_is_no_file(void **state)
{
	char *large = malloc(1024 * 1024 + 2);

	(void)state;
	assert_int_equal(mkfifo(scene_path("fifo"), 0644), 0);
	assert_false(begin("fifo", php_fpm, "/tmp/www.sock"));
	assert_true(has_logged("fifo: cannot be read: not a regular file"));
	probe = fpm_probe_free(probe);

	assert_false(begin("", php_fpm, "/tmp/www.sock"));
	assert_int_equal(scene_count(scene_log(), "not a regular file"), 2);
	probe = fpm_probe_free(probe);

	assert_non_null(large);
	memset(large, ' ', 1024 * 1024 + 1);
	large[1024 * 1024 + 1] = '\0';
	scene_write("large", large);
	free(large);
	assert_false(begin("large", php_fpm, "/tmp/www.sock"));
	assert_true(has_logged("large: cannot be read: larger than 1 MiB"));
}

static void test_no_section(void **state)
{
	(void)state;
	write_whole("");
	assert_false(begin("php-fpm.conf", php_fpm, "/tmp/c.sock"));
	scene_turn_until(
		has_logged("no section listens on /tmp/c.sock; nor does one that it "
			   "includes\n"));
	assert_int_equal(n_told, 0);
	/* the same again says nothing; another problem does; then all is well */
	write_pool("pool.d/b.conf", "b", 5);
	scene_turn_for(600);
	assert_int_equal(scene_count(scene_log(), "no section"), 1);
	scene_write("pool.d/b.conf", "[b]\nnonsense\n");
	scene_turn_until(scene_count(scene_log(), "no section") == 2);
	write_pool("pool.d/b.conf", "c", 5);
	scene_turn_until(n_told > 0);
	assert_true(has_logged("can be read again"));
	assert_int_equal(told.max_children, 5);
	/* and gone again */
	write_pool("pool.d/b.conf", "b", 5);
	scene_turn_until(
		has_logged("nor does one that it includes; the last values stay"));
	assert_int_equal(n_told, 1);
}

static void test_no_binary(void **state)
{
	(void)state;
	write_whole("");
	assert_false(begin("php-fpm.conf", "/nonexistent/php-fpm", "/tmp/b.sock"));
	scene_turn_until(
		has_logged("no section listens on /tmp/b.sock; php-fpm -tt exited "
			   "with code 127: cannot run /nonexistent/php-fpm"));
	assert_int_equal(n_told, 0);
}

static bool runs(const char *pid_file)
{
	int pid = atoi(scene_read(pid_file));

	assert_true(pid > 1);
	return kill(pid, 0) == 0;
}

/* The loop goes on meanwhile, and a change while it hangs is looked at afterwards. */
static void test_hanging_binary(void **state)
{
	const char *script = scene_script("fpm", "echo $$ >${0%fpm}pid; while :; do "
						 "sleep 60; done\n");

	(void)state;
	write_whole("");
	assert_false(begin("php-fpm.conf", script, "/tmp/b.sock"));
	probe = fpm_probe_free(probe);
	assert_int_equal(scene_n_files("fpm-"), 0);

	assert_false(begin("php-fpm.conf", script, "/tmp/b.sock"));
	(void)loop_take_stats(scene.loop);
	scene_turn_until(scene_n_files("pid") == 1);
	assert_true(loop_take_stats(scene.loop).longest_turn_us < 200000);
	scene_turn_until(strchr(scene_read("pid"), '\n'));
	assert_true(runs("pid"));
	probe = fpm_probe_free(probe);
	assert_false(runs("pid"));
	assert_int_equal(scene_n_files("fpm-"), 0);
}

static void test_limit(void **state)
{
	char name[] = "shop", conf[256], binary[256], text[] = "/tmp/b.sock";
	const struct conf_pool options = {
		.name = name, .fpm_conf = conf, .fpm_binary = binary,
	};
	const struct conf_address backend = {
		.kind = CONF_ADDRESS_UNIX, .text = text, .name = text,
	};

	(void)state;
	write_whole("");
	snprintf(conf, sizeof(conf), "%s", scene_path("php-fpm.conf"));
	snprintf(binary, sizeof(binary), "%s",
		 scene_script("fpm", "echo x >>${0%fpm}runs; echo $$ >${0%fpm}pid\n"
				     "while :; do sleep 60; done\n"));
	n_told = 0;
	assert_int_equal(fpm_probe_new(scene.loop, scene.folder, &options, &backend, &ops,
				       &told, &probe),
			 0);
	fpm_probe_set_limit(probe, 700000);
	assert_false(fpm_probe_read_now(probe));
	scene_turn_until(strchr(scene_read("pid"), '\n'));
	write_pool("pool.d/b.conf", "b", 9);
	scene_turn_until(has_logged("php-fpm -tt was killed after 0.7 s"));
	/* the change asked for a second one */
	scene_turn_until(scene_count(scene_read("runs"), "x") == 2);
	scene_turn_for(1000);
	assert_int_equal(scene_count(scene_read("runs"), "x"), 2);
	assert_int_equal(scene_count(scene_log(), "was killed after"), 1);
	assert_false(runs("pid"));
}

static void test_talkative_binary(void **state)
{
	(void)state;
	write_whole("");
	assert_false(begin("php-fpm.conf",
			   scene_script("fpm", "exec head -c 10000000 /dev/zero\n"),
			   "/tmp/b.sock"));
	scene_turn_until(has_logged("php-fpm -tt prints more than 1048576 bytes"));
	assert_int_equal(n_told, 0);
}

static void probe_as_nobody(void)
{
	const struct passwd *nobody = getpwnam("nobody");

	if (getuid() == 0 && (!nobody || setgroups(0, NULL) < 0 ||
			      setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0))
		_exit(2);
	scene.loop = loop_free(scene.loop);
	if (loop_new(&scene.loop) < 0)
		_exit(3);
	assert_false(begin("php-fpm.conf", php_fpm, "/tmp/b.sock"));
	scene_turn_until(n_told > 0);
	assert_int_equal(told.max_children, 4);
	probe = fpm_probe_free(probe);
	/* a pool's file that is another user's secret */
	assert_false(begin("secret.conf", php_fpm, "/tmp/b.sock"));
	assert_true(has_logged("secret.conf: cannot be read: Permission denied"));
	probe = fpm_probe_free(probe);
	scene.loop = loop_free(scene.loop);
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
	write_pool("secret.conf", "b", 3);
	assert_int_equal(chmod(scene_path("secret.conf"), 0), 0);
	/* a runtime_dir is its user's own */
	assert_int_equal(chmod(scene.folder, 0777), 0);
	pid = fork();
	if (pid == 0) {
		probe_as_nobody();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		probe_test(test_debian_pool),
		probe_test(test_whole_configuration),
		probe_test(test_guessed_binary),
		probe_test(test_change_is_seen),
		probe_test(test_change_of_an_included_file_is_seen),
		probe_test(test_section_and_includes),
		probe_test(test_file_that_vanishes),
		probe_test(test_file_that_comes_later),
		probe_test(test_what_is_no_file),
		probe_test(test_no_section),
		probe_test(test_no_binary),
		probe_test(test_hanging_binary),
		probe_test(test_limit),
		probe_test(test_talkative_binary),
		probe_test(test_unprivileged),
	};

	if (fpm_dump_find_binary("", php_fpm, sizeof(php_fpm)) < 0) {
		puts("1..0 # SKIP there is no php-fpm");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
