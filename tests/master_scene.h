/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What the tests of daemon/master.h stand on: a php-fpm of this machine, a pool for it, a
 * FastCGI client, and a look at processes. The test program is its own guardian, as
 * fpmgate is.
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/fpm_conf.h"
#include "daemon/address.h"
#include "daemon/guardian.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/macros.h"
#include "daemon/master.h"
#include "fcgi/record.h"
#include "fcgi/writer.h"

enum {
	LONG_MS =
		30000, /* for what must happen; on a machine that does other things too */
	NOBODY = 65534,
};

static const char script_text[] =
	"<?php\n"
	"$arg = $_SERVER['ARG'];\n"
	"switch ($_SERVER['TO_DO']) {\n"
	"case 'ini': echo ini_get($arg); break;\n"
	"case 'env': echo getenv($arg) === false ? 'none' : getenv($arg); break;\n"
	"case 'file': echo file_get_contents($arg); break;\n"
	"case 'spin': touch(__DIR__ . '/spins');\n"
	"	$end = microtime(true) + (float)$arg;\n"
	"	while (microtime(true) < $end) {}\n"
	"	echo 'done'; break;\n"
	/* a process in a session of its own, which no process group reaches */
	"case 'stray': echo exec('setsid sleep 1000 >/dev/null 2>&1 & echo $!'); break;\n"
	"case 'pid': echo getmypid(); break;\n"
	"}\n";

static char program[256]; /* php-fpm */
static char dir[] = "/tmp/fpmgate-master-XXXXXX";
static char script[64], log_path[64], fake_path[64];
static struct loop *loop;
static struct conf *conf;
static struct master *master;
static unsigned n_up, n_down, n_stopped;

static inline void on_up(struct master *which, void *userdata)
{
	(void)which;
	(void)userdata;
	n_up++;
}

static inline void on_down(struct master *which, void *userdata)
{
	(void)which;
	(void)userdata;
	n_down++;
}

static inline void on_stopped(struct master *which, void *userdata)
{
	assert_ptr_equal(userdata, &n_stopped);
	assert_ptr_equal(which, master);
	n_stopped++;
	master = master_free(master);
}

static const struct master_ops ops = {
	.on_up = on_up,
	.on_down = on_down,
	.on_stopped = on_stopped,
};

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* processes */

struct process {
	pid_t pid, parent, group;
	char state;
};

static inline bool find_process(const char *path, struct process *ret)
{
	FILE *file = fopen(path, "re");
	int n = 0;

	if (!file)
		return false;
	/* the name is in parentheses, and none here has a blank in it but "php-fpm: ..."
	 */
	n = fscanf(file, "%d (%*[^)]) %c %d %d", &ret->pid, &ret->state, &ret->parent,
		   &ret->group);
	fclose(file);
	return n == 4;
}

static inline bool get_process(pid_t pid, struct process *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return find_process(path, ret);
}

static inline bool is_alive(pid_t pid)
{
	struct process process;

	return get_process(pid, &process) && process.state != 'Z' && process.state != 'X';
}

static inline unsigned n_alive_in_group(pid_t group)
{
	struct process process;
	unsigned n = 0;
	glob_t found;

	assert_int_equal(glob("/proc/[0-9]*/stat", GLOB_NOSORT, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		n += find_process(found.gl_pathv[i], &process) &&
		     process.group == group && process.state != 'Z' &&
		     process.state != 'X';
	globfree(&found);
	return n;
}

static inline pid_t parent_of(pid_t pid)
{
	struct process process;

	assert_true(get_process(pid, &process));
	return process.parent;
}

/* the loop, and what is waited for */

static inline void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
}

static inline bool has_log(const char *text)
{
	static char bytes[65536];

	read_file(log_path, bytes, sizeof(bytes));
	return strstr(bytes, text) != NULL;
}

static inline void show_log(void)
{
	static char bytes[65536];

	read_file(log_path, bytes, sizeof(bytes));
	printf("# the log:\n%s\n", bytes);
}

/* Turns the loop until `condition` holds; fails after `ms`. */
#define WAIT_FOR(condition, ms) \
	do { \
		uint64_t end_ms = now_ms() + (ms); \
		while (!(condition)) { \
			if (now_ms() >= end_ms) { \
				show_log(); \
				fail_msg("not within %d ms: %s", (int)(ms), #condition); \
			} \
			assert_true(loop_turn(loop, 10) >= 0); \
		} \
	} while (0)

static inline void turn_for(unsigned ms)
{
	uint64_t end_ms = now_ms() + ms;

	while (now_ms() < end_ms)
		assert_true(loop_turn(loop, 10) >= 0);
}

/* a FastCGI client */

static inline int ask(const struct conf_address *backend, const char *name,
		      const char *to_do, const char *arg)
{
	const struct timeval timeout = { .tv_sec = LONG_MS / 1000 };
	const char *params[] = {
		"SCRIPT_FILENAME", script, "SCRIPT_NAME", name, "REQUEST_METHOD", "GET",
		"TO_DO",           to_do,  "ARG",         arg,
	};
	struct fcgi_writer writer;
	struct address address;
	uint8_t bytes[2048];
	int fd;

	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	assert_int_equal(fcgi_writer_begin(&writer, 1, 1, 0), 0);
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i += 2)
		assert_int_equal(fcgi_writer_param(&writer, 1, params[i], params[i + 1]),
				 0);
	assert_int_equal(fcgi_writer_stream_end(&writer, 4, 1), 0);
	assert_int_equal(fcgi_writer_stream_end(&writer, 5, 1), 0);
	address_set(&address, backend);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	assert_int_equal(connect(fd, &address.any, address.n), 0);
	assert_int_equal(send(fd, bytes, writer.n, MSG_NOSIGNAL), writer.n);
	return fd;
}

/* The body of the answer, "" if there is none; closes. */
static inline const char *answer(int fd)
{
	static char text[65536], bytes[65536];
	size_t n = 0, n_text = 0, n_content;
	char *body;
	ssize_t r;

	while (n < sizeof(bytes) && (r = recv(fd, bytes + n, sizeof(bytes) - n, 0)) > 0)
		n += (size_t)r;
	close(fd);
	for (size_t i = 0; i + 8 <= n; i += 8 + n_content + (uint8_t)bytes[i + 6]) {
		n_content = (size_t)((uint8_t)bytes[i + 4] << 8 | (uint8_t)bytes[i + 5]);
		if (bytes[i + 1] != 6 || i + 8 + n_content > n)
			continue;
		memcpy(text + n_text, bytes + i + 8, n_content);
		n_text += n_content;
	}
	text[n_text] = '\0';
	body = strstr(text, "\r\n\r\n");
	return body ? body + 4 : "";
}

static inline const char *ask_php(const char *to_do, const char *arg)
{
	return answer(ask(master_backend(master), "/x.php", to_do, arg));
}

/* A request that keeps its worker busy; a worker has it when this returns. */
static inline int ask_to_spin(const struct conf_address *backend, const char *seconds)
{
	char path[64];
	int fd = ask(backend, "/x.php", "spin", seconds);

	snprintf(path, sizeof(path), "%s/spins", dir);
	WAIT_FOR(unlink(path) == 0, LONG_MS);
	return fd;
}

/* a pool */

static inline void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* A configuration with one pool; `fpm` is what its group `fpm` holds beside the user. */
static inline struct conf *make_conf(const char *php_fpm, const char *fpm)
{
	struct conf_diags diags;
	struct conf *made = NULL;
	char *text;

	assert_true(asprintf(&text,
			     "runtime_dir = \"%s/run\";\n"
			     "pools = ({ name = \"www\"; listen = \"%s/www.sock\";\n"
			     "php_fpm = \"%s\"; max_children = 2;\n"
			     "fpm = { %s %s }; });\n",
			     dir, dir, php_fpm,
			     geteuid() == 0 ? "user = \"www-data\";" : "", fpm) > 0);
	conf_diags_init(&diags);
	if (conf_load_text(text, strlen(text), "test.conf", &diags, &made) < 0)
		conf_diags_print(&diags, stdout);
	conf_diags_done(&diags);
	free(text);
	assert_non_null(made);
	return made;
}

static inline void start(const char *php_fpm, const char *fpm)
{
	conf = make_conf(php_fpm, fpm);
	assert_int_equal(
		master_new(loop, conf, conf->pools[0], &ops, &n_stopped, &master), 0);
	assert_false(master_is_up(master));
}

static inline void start_up(const char *fpm)
{
	start(program, fpm);
	WAIT_FOR(n_up == 1, LONG_MS);
	assert_true(master_is_up(master));
}

static inline int set_options(const char *php_fpm, const char *fpm)
{
	struct conf *made = make_conf(php_fpm, fpm);
	int r = master_set_options(master, made, made->pools[0]);

	conf_unref(made);
	return r;
}

static inline void stop(void)
{
	pid_t pid = master_pid(master);

	master_stop(master);
	assert_int_equal(n_stopped, 0);
	WAIT_FOR(n_stopped == 1, LONG_MS);
	assert_null(master);
	if (pid > 0)
		assert_int_equal(n_alive_in_group(pid), 0);
}

static inline int setup(void **state)
{
	int fd;

	(void)state;
	n_up = n_down = n_stopped = 0;
	snprintf(dir, sizeof(dir), "/tmp/fpmgate-master-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0777) < 0)
		return -1;
	snprintf(script, sizeof(script), "%s/x.php", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	snprintf(fake_path, sizeof(fake_path), "%s/fake-fpm", dir);
	write_file(script, script_text, 0644);
	fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || fchmod(fd, 0666) < 0 || dup2(fd, STDERR_FILENO) < 0)
		return -1;
	close(fd);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	return loop_new(&loop);
}

static inline void remove_tree(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static inline int teardown(void **state)
{
	(void)state;
	master = master_free(master);
	conf = conf_unref(conf);
	loop = loop_free(loop);
	log_done();
	remove_tree();
	return 0;
}

static inline unsigned mode_of(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/run/%s", dir, name);
	return lstat(path, &st) < 0 ? 0 : (unsigned)(st.st_mode & 07777);
}

/* Says something to fpmgate that is not for this process to say. */
static inline void forge(const char *message)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/fpm/www.notify",
		 dir);
	assert_int_equal(sendto(fd, message, strlen(message), 0,
				(const struct sockaddr *)&address, sizeof(address)),
			 strlen(message));
	close(fd);
}

/* Ignores what can be ignored, and never serves. */
static inline void start_stubborn(void)
{
	write_file(fake_path,
		   "#!/bin/sh\n[ \"$1\" != -t ] || exit 0\n"
		   "trap '' QUIT TERM IO\nexec sleep 1000\n",
		   0755);
	start(fake_path, "stop_timeout = \"300ms\";");
	WAIT_FOR(master_pid(master) > 0, LONG_MS);
}

static inline bool find_program(void)
{
	static const char *const patterns[] = {
		"/usr/sbin/php-fpm*",
		"/usr/local/sbin/php-fpm*",
		"/usr/bin/php-fpm*",
	};
	glob_t found;
	bool is_found = false;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && !is_found; i++) {
		if (glob(patterns[i], 0, NULL, &found) != 0)
			continue;
		snprintf(program, sizeof(program), "%s",
			 found.gl_pathv[found.gl_pathc - 1]);
		is_found = access(program, X_OK) == 0;
		globfree(&found);
	}
	return is_found;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline int scene_run(int argc, char **argv, const struct CMUnitTest *tests,
			    size_t n)
{
	if (guardian_is_called(argc, argv))
		return guardian_run(argv);
	if (!find_program()) {
		puts("1..0 # SKIP there is no php-fpm");
		return 0;
	}
	return _cmocka_run_group_tests("tests", tests, n, NULL, NULL) != 0;
}
