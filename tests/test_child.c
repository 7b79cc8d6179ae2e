/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/child: how a process of ours starts, speaks, ends and is ended. */
#include "daemon/child.h"

#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/scene.h"

static struct {
	char output[8192];  /* its beginning */
	size_t n_output;    /* all of it, bytes */
	unsigned n_ends;
	struct child_end end;
	bool frees;         /* the child is freed in on_end */
	struct child *child;
} seen;

static void on_output(void *userdata, const char *bytes, size_t n)
{
	size_t room = sizeof(seen.output) - 1 - strlen(seen.output);

	assert_ptr_equal(userdata, &seen);
	assert_int_equal(seen.n_ends, 0);
	strncat(seen.output, bytes, n < room ? n : room);
	seen.n_output += n;
}

static void on_end(void *userdata, const struct child_end *end)
{
	assert_ptr_equal(userdata, &seen);
	seen.n_ends++;
	seen.end = *end;
	if (seen.frees)
		seen.child = child_free(seen.child);
}

static const struct child_ops ops = { .on_output = on_output, .on_end = on_end };

static void start_program(const char *const *argv, uint64_t limit_us)
{
	const struct child_params params = {
		.argv = argv, .limit_us = limit_us, .ops = &ops, .userdata = &seen,
	};

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(child_new(scene.loop, &params, &seen.child), 0);
	assert_true(child_pid(seen.child) > 0);
}

static void start(const char *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	start_program(argv, 0);
}

static void run(const char *script)
{
	start(script);
	scene_turn_until(seen.n_ends > 0);
	assert_int_equal(child_pid(seen.child), 0);
	assert_int_equal(child_kill(seen.child, SIGTERM), -ESRCH);
	seen.child = child_free(seen.child);
}

/* No more a process, not even a zombie of ours. */
static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* Dead; who reaps it is not our matter. */
static bool is_dead(pid_t pid)
{
	char path[64], text[256];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n <= 0 || strstr(text, ") Z ") || strstr(text, ") X ");
}

static void test_speaks_and_ends(void **state)
{
	(void)state;
	run("echo one; echo two >&2; exit 7");
	assert_string_equal(seen.output, "one\ntwo\n");
	assert_true(seen.end.is_known);
	assert_int_equal(seen.end.code, 7);
	assert_int_equal(seen.end.signal, 0);
	assert_false(seen.end.is_overdue);

	run("kill -SEGV $$");
	assert_true(seen.end.is_known);
	assert_int_equal(seen.end.signal, SIGSEGV);
	assert_int_equal(seen.end.code, 0);
	assert_int_equal(seen.n_ends, 1);
}

static void test_all_output_comes_before_the_end(void **state)
{
	(void)state;
	run("head -c 3000000 /dev/zero | tr '\\0' x");
	assert_int_equal(seen.n_output, 3000000);
	assert_int_equal(seen.n_ends, 1);
}

/* Starts one that writes so many bytes at once, to a pipe that was made larger; returns
 * when they are in the pipe. */
static void start_with_full_pipe(const char *then)
{
	char script[256], path[64];
	int fd, n = 0;

	snprintf(script, sizeof(script), "echo up; until [ -e %s ]; do sleep 0.01; done; "
		 "head -c 900000 /dev/zero; %s", scene_path("go"), then);
	start(script);
	scene_turn_until(seen.n_output == 3);
	snprintf(path, sizeof(path), "/proc/%d/fd/1", child_pid(seen.child));
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	assert_true(fcntl(fd, F_SETPIPE_SZ, 1024 * 1024) > 0);
	scene_write("go", "");
	for (int ms = 0; ms < SCENE_PATIENCE_MS && n < 900000; ms++) {
		usleep(1000);
		assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	}
	assert_int_equal(n, 900000);
	close(fd);
}

static void test_full_pipe_at_its_end(void **state)
{
	(void)state;
	start_with_full_pipe("exit 1");
	while (!is_dead(child_pid(seen.child)))
		usleep(1000);
	scene_turn_until(seen.n_ends > 0);
	assert_int_equal(seen.n_output, 900003);
	child_free(seen.child);
}

/* Read over several turns, none of which it can fill alone. */
static void test_full_pipe(void **state)
{
	(void)state;
	start_with_full_pipe("sleep 60");
	assert_true(loop_turn(scene.loop, 0) >= 0);
	assert_true(seen.n_output < 900000);
	scene_turn_until(seen.n_output == 900003);
	child_free(seen.child);
}

static void test_free_with_a_full_pipe(void **state)
{
	(void)state;
	start_with_full_pipe("sleep 60");
	assert_true(loop_turn(scene.loop, 0) >= 0);
	assert_true(seen.n_output < 900000);
	child_free(seen.child);
	assert_true(loop_turn(scene.loop, 0) >= 0);
}

static void test_closing_its_output_is_not_its_end(void **state)
{
	uint64_t n_turns;

	(void)state;
	start("echo all; exec >&- 2>&-; sleep 0.3; exit 3");
	scene_turn_for(100);
	(void)loop_take_stats(scene.loop);
	n_turns = loop_take_stats(scene.loop).n_turns;
	scene_turn_for(100);
	assert_true(loop_take_stats(scene.loop).n_turns - n_turns < 60);
	assert_string_equal(seen.output, "all\n");
	assert_int_equal(seen.n_ends, 0);
	scene_turn_until(seen.n_ends > 0);
	assert_int_equal(seen.end.code, 3);
	child_free(seen.child);
}

static void test_starts_with_clean_signals(void **state)
{
	/* not in a shell, which has ideas of its own about its mask */
	static const char *const argv[] = {
		"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", NULL,
	};
	struct sigaction old;
	sigset_t set, old_set;
	uint64_t blocked, ignored;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old_set);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, &old);
	start_program(argv, 0);
	scene_turn_until(seen.n_ends > 0);
	child_free(seen.child);
	sigaction(SIGPIPE, &old, NULL);
	sigprocmask(SIG_SETMASK, &old_set, NULL);
	assert_int_equal(sscanf(seen.output, "SigBlk: %" SCNx64 " SigIgn: %" SCNx64,
				&blocked, &ignored),
			 2);
	assert_int_equal(blocked, 0);
	/* 32 and 33 are the C library's own, which nobody can set through it */
	assert_int_equal(ignored & ~UINT64_C(0x180000000), 0);
}

static void test_has_no_descriptor_of_ours(void **state)
{
	/* a library's, without O_CLOEXEC */
	int fd = open("/dev/null", O_RDONLY), leak = fcntl(fd, F_DUPFD, 57);
	char script[128];

	(void)state;
	snprintf(script, sizeof(script), "cd /proc/$$/fd; readlink 0 1 2; readlink %d %d",
		 fd, leak);
	run(script);
	close(fd);
	close(leak);
	assert_memory_equal(seen.output, "/dev/null\npipe:[", 16);
	assert_int_equal(scene_count(seen.output, "pipe:["), 2);
	assert_int_equal(scene_count(seen.output, "\n"), 3);
}

static unsigned count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static void test_gives_its_descriptors_back(void **state)
{
	unsigned n = count_descriptors();

	(void)state;
	run("echo");
	start("sleep 60");
	child_free(seen.child);
	assert_int_equal(count_descriptors(), n);
}

static void test_environment(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "/run/theirs", 1);
	setenv("WATCHDOG_USEC", "5", 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("FPMGATE_KEPT", "kept", 1);
	run("/usr/bin/env");
	assert_null(strstr(seen.output, "NOTIFY_SOCKET"));
	assert_null(strstr(seen.output, "WATCHDOG_USEC"));
	assert_null(strstr(seen.output, "LISTEN_FDS"));
	assert_non_null(strstr(seen.output, "FPMGATE_KEPT=kept\n"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("LISTEN_FDS");
	unsetenv("FPMGATE_KEPT");
}

static void test_own_session(void **state)
{
	(void)state;
	start("ps -o sid= -p $$; sleep 60");
	scene_turn_until(strchr(seen.output, '\n'));
	assert_int_equal(atoi(seen.output), child_pid(seen.child));
	child_free(seen.child);
}

static void test_program_that_cannot_be_run(void **state)
{
	static const char *const argv[] = { "/nonexistent/php-fpm", "-t", NULL };

	(void)state;
	start_program(argv, 0);
	scene_turn_until(seen.n_ends > 0);
	assert_int_equal(seen.end.code, 127);
	assert_string_equal(seen.output, "cannot run /nonexistent/php-fpm: "
					 "No such file or directory\n");
	child_free(seen.child);
}

/* The script's own child, which has its output, goes too. */
static void test_limit(void **state)
{
	static const char *const argv[] = {
		"/bin/sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; sleep 60", NULL,
	};
	uint64_t start_ms = scene_now_ms();
	char text[64];
	pid_t pid, grandchild;

	(void)state;
	start_program(argv, 300000);
	pid = child_pid(seen.child);
	scene_turn_until(seen.n_ends > 0);
	assert_in_range(scene_now_ms() - start_ms, 290, 3000);
	assert_true(seen.end.is_overdue);
	assert_int_equal(seen.end.signal, SIGKILL);
	assert_true(is_gone(pid));
	grandchild = atoi(seen.output);
	assert_true(grandchild > 1);
	scene_turn_until(is_dead(grandchild));
	assert_string_equal(child_describe(&seen.end, 300000, text, sizeof(text)),
			    "was killed after 0.3 s");
	child_free(seen.child);
}

static void test_limit_that_is_not_reached(void **state)
{
	static const char *const argv[] = { "/bin/true", NULL };

	(void)state;
	start_program(argv, 200000);
	scene_turn_until(seen.n_ends > 0);
	scene_turn_for(300);
	assert_int_equal(seen.n_ends, 1);
	assert_false(seen.end.is_overdue);
	child_free(seen.child);

	start_program(argv, 50000);
	child_free(seen.child);
	scene_turn_for(100);
}

/* A master that is killed leaves its workers in its group. */
static void test_what_is_left_of_the_group_is_killed(void **state)
{
	pid_t orphan;

	(void)state;
	run("sleep 60 & echo $!; kill -KILL $$");
	assert_int_equal(seen.end.signal, SIGKILL);
	orphan = atoi(seen.output);
	assert_true(orphan > 1);
	scene_turn_until(is_dead(orphan));
}

static void test_free_while_it_runs(void **state)
{
	uint64_t start_ms;
	pid_t pid, grandchild;

	(void)state;
	start("trap '' TERM INT; sleep 60 & echo $!; wait; sleep 60");
	scene_turn_until(strchr(seen.output, '\n'));
	pid = child_pid(seen.child);
	grandchild = atoi(seen.output);
	start_ms = scene_now_ms();
	assert_null(child_free(seen.child));
	assert_true(scene_now_ms() - start_ms < 150);
	assert_true(is_gone(pid));
	scene_turn_until(is_dead(grandchild));
	assert_int_equal(seen.n_ends, 0);
	assert_null(child_free(NULL));
}

static void test_free_at_its_end(void **state)
{
	(void)state;
	start("echo; exit 1");
	seen.frees = true;
	scene_turn_until(seen.n_ends > 0);
	assert_null(seen.child);
	assert_int_equal(loop_turn(scene.loop, 0), 0);
}

static void on_end_of_first(void *userdata, const struct child_end *child_end)
{
	struct child **others = userdata;

	(void)child_end;
	seen.n_ends++;
	for (int i = 0; i < 2; i++)
		others[i] = child_free(others[i]);
}

static void on_no_output(void *userdata, const char *bytes, size_t n)
{
	(void)userdata;
	(void)bytes;
	(void)n;
}

/* All have written and ended when the loop hears of it: the first one's end frees all. */
static void test_freed_in_the_turn_of_another(void **state)
{
	static const char *const argv[] = { "/bin/echo", NULL };
	static const struct child_ops first_ops = { on_no_output, on_end_of_first };
	struct child *children[2];
	const struct child_params params = {
		.argv = argv, .ops = &first_ops, .userdata = children,
	};

	(void)state;
	memset(&seen, 0, sizeof(seen));
	for (int i = 0; i < 2; i++)
		assert_int_equal(child_new(scene.loop, &params, &children[i]), 0);
	while (!is_dead(child_pid(children[0])) || !is_dead(child_pid(children[1])))
		usleep(1000);
	assert_true(loop_turn(scene.loop, 100) >= 0);
	assert_true(loop_turn(scene.loop, 0) >= 0);
	assert_int_equal(seen.n_ends, 1);
}

static void test_kill(void **state)
{
	(void)state;
	start("trap 'echo quit; exit 5' QUIT; echo up; while :; do sleep 0.05; done");
	scene_turn_until(strstr(seen.output, "up\n"));
	assert_int_equal(child_kill(seen.child, SIGQUIT), 0);
	scene_turn_until(seen.n_ends > 0);
	assert_string_equal(seen.output, "up\nquit\n");
	assert_int_equal(seen.end.code, 5);
	child_free(seen.child);
}

static void test_reaped_by_somebody_else(void **state)
{
	char text[64];

	(void)state;
	start("exit 4");
	assert_int_equal(waitpid(child_pid(seen.child), NULL, 0), child_pid(seen.child));
	scene_turn_until(seen.n_ends > 0);
	assert_false(seen.end.is_known);
	assert_string_equal(child_describe(&seen.end, 0, text, sizeof(text)),
			    "has ended");
	child_free(seen.child);
}

/* One that never stops printing leaves the others their turns, and can be killed. */
static void test_endless_output(void **state)
{
	(void)state;
	start("exec yes");
	for (int i = 0; i < 100; i++)
		assert_true(loop_turn(scene.loop, 20) >= 0);
	assert_true(seen.n_output > 0);
	assert_true(seen.n_output <= 200UL * LOOP_SCRATCH_BYTES);
	child_free(seen.child);
	assert_true(loop_turn(scene.loop, 0) >= 0);
}

/* In a process of its own, which is killed like a daemon. */
static void test_death_signal(void **state)
{
	static const char *const argv[] = { "/bin/sleep", "60", NULL };
	int fds[2];
	pid_t daemon_pid, pid;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		start_program(argv, 0);
		pid = child_pid(seen.child);
		usleep(100000);
		(void)!write(fds[1], &pid, sizeof(pid));
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	assert_false(is_dead(pid));
	kill(daemon_pid, SIGKILL);
	assert_int_equal(waitpid(daemon_pid, NULL, 0), daemon_pid);
	scene_turn_until(is_dead(pid));
	close(fds[0]);
	close(fds[1]);
}

static void test_describe(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(
		child_describe(&(struct child_end){ .is_known = true, .code = 78 }, 0,
			       text, sizeof(text)),
		"exited with code 78");
	assert_string_equal(child_describe(&(struct child_end){ .is_known = true,
								.signal = SIGKILL },
					   0, text, sizeof(text)),
			    "was killed by signal 9 (Killed)");
	assert_string_equal(child_describe(&(struct child_end){ .is_known = true,
								.signal = 9,
								.is_overdue = true },
					   5000000, text, sizeof(text)),
			    "was killed after 5 s");
}

static void test_no_descriptors_left(void **state)
{
	static const char *const argv[] = { "/bin/true", NULL };
	const struct child_params params = { .argv = argv,
					     .ops = &ops,
					     .userdata = &seen };
	struct rlimit old, none;
	struct child *child = NULL;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	for (rlim_t n = 3; n < 64; n++) {
		int r;

		none.rlim_cur = n;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		r = child_new(scene.loop, &params, &child);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_true(r == 0 || r == -EMFILE);
		if (r == 0)
			child = child_free(child);
		assert_null(child);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(test_speaks_and_ends),
		scene_test(test_all_output_comes_before_the_end),
		scene_test(test_full_pipe_at_its_end),
		scene_test(test_full_pipe),
		scene_test(test_free_with_a_full_pipe),
		scene_test(test_closing_its_output_is_not_its_end),
		scene_test(test_starts_with_clean_signals),
		scene_test(test_has_no_descriptor_of_ours),
		scene_test(test_gives_its_descriptors_back),
		scene_test(test_environment),
		scene_test(test_own_session),
		scene_test(test_program_that_cannot_be_run),
		scene_test(test_limit),
		scene_test(test_limit_that_is_not_reached),
		scene_test(test_what_is_left_of_the_group_is_killed),
		scene_test(test_free_while_it_runs),
		scene_test(test_free_at_its_end),
		scene_test(test_freed_in_the_turn_of_another),
		scene_test(test_kill),
		scene_test(test_reaped_by_somebody_else),
		scene_test(test_endless_output),
		scene_test(test_death_signal),
		scene_test(test_describe),
		scene_test(test_no_descriptors_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
