/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Tests of daemon/master.h, and with it of fpm_run and guardian, against the php-fpm of
 * this machine: who dies, who is stopped, and that nothing is left. Run as root it also
 * tries what it can as nobody.
 */

#include "tests/master_scene.h"

/* Another process, as fpmgate is one. Writes the master's pid once it serves. */
static pid_t fork_parent(uid_t uid, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(fds[1]);
		*ret_fd = fds[0];
		return pid;
	}
	if (uid != geteuid() &&
	    (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0))
		_exit(1);
	start_up("");
	pid = master_pid(master);
	if (write(fds[1], &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	for (;;)
		loop_turn(loop, -1);
}

/* fpmgate is killed; with_guardian: and its guardian, before it can do anything. */
static void kill_parent(uid_t uid, bool with_guardian)
{
	struct conf_address backend = { .kind = CONF_ADDRESS_UNIX };
	pid_t parent, pid = 0, guardian, stray;
	char path[128];
	int fd, busy;

	parent = fork_parent(uid, &fd);
	assert_int_equal(read(fd, &pid, sizeof(pid)), sizeof(pid));
	close(fd);
	guardian = parent_of(pid);
	assert_int_equal(parent_of(guardian), parent);
	snprintf(path, sizeof(path), "%s/run/fpm/www.sock", dir);
	backend.name = path;
	stray = atoi(answer(ask(&backend, "/x.php", "stray", "")));
	WAIT_FOR(getpgid(stray) != pid, LONG_MS);
	busy = ask_to_spin(&backend, "600");
	assert_int_equal(n_alive_in_group(pid), 3);
	if (with_guardian)
		assert_int_equal(kill(guardian, SIGSTOP), 0);
	assert_int_equal(kill(parent, SIGKILL), 0);
	if (with_guardian)
		assert_int_equal(kill(guardian, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	WAIT_FOR(n_alive_in_group(pid) == 0, LONG_MS);
	WAIT_FOR(!is_alive(guardian), LONG_MS);
	if (with_guardian) /* what nothing covers: a session of its own */
		(void)kill(stray, SIGKILL);
	else
		assert_false(is_alive(stray));
	assert_string_equal(answer(busy), "");
}

static void test_restarts(void **state)
{
	pid_t pid, guardian, stray;
	uint64_t killed_ms;
	int fds[2];

	(void)state;
	start_up("");
	pid = master_pid(master);
	guardian = parent_of(pid);
	assert_int_equal(parent_of(guardian), getpid());
	stray = atoi(ask_php("stray", ""));
	WAIT_FOR(getpgid(stray) != pid, LONG_MS);
	for (size_t i = 0; i < 2; i++)
		fds[i] = ask_to_spin(master_backend(master), "600");
	assert_int_equal(n_alive_in_group(pid), 3);
	assert_int_equal(kill(pid, SIGKILL), 0);
	killed_ms = now_ms();
	WAIT_FOR(n_down == 1, LONG_MS);
	assert_false(master_is_up(master));
	assert_int_equal(n_alive_in_group(pid), 0);
	assert_false(is_alive(stray));
	assert_true(has_log("was killed by signal 9"));
	assert_true(has_log("starting it again in 1 s"));
	WAIT_FOR(n_up == 2, LONG_MS);
	assert_true(now_ms() - killed_ms >= 1000);
	assert_int_not_equal(master_pid(master), pid);
	assert_true(atoi(ask_php("pid", "")) > 0);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(answer(fds[i]), "");
	/* it has not been up for long: the next pause is longer */
	assert_int_equal(kill(master_pid(master), SIGTERM), 0);
	WAIT_FOR(n_down == 2, LONG_MS);
	assert_true(has_log("starting it again in 2 s"));
	stop();
}

static bool ignores(pid_t pid, int signo)
{
	char path[64], text[4096];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	read_file(path, text, sizeof(text));
	line = strstr(text, "SigIgn:");
	return line && strtoull(line + 7, NULL, 16) & (uint64_t)1 << (signo - 1);
}

static void test_guardian_killed(void **state)
{
	pid_t pid, guardian;
	int fd;

	(void)state;
	start_up("");
	pid = master_pid(master);
	guardian = parent_of(pid);
	fd = ask_to_spin(master_backend(master), "600");
	assert_int_equal(kill(guardian, SIGKILL), 0);
	WAIT_FOR(n_alive_in_group(pid) == 0, LONG_MS);
	WAIT_FOR(n_down == 1, LONG_MS);
	WAIT_FOR(n_up == 2, LONG_MS);
	assert_string_equal(answer(fd), "");
	stop();
}

/* What keeps it alive is no handler of its own. */
static void test_guardian_of_the_stubborn_killed(void **state)
{
	pid_t pid;

	(void)state;
	start_stubborn();
	pid = master_pid(master);
	WAIT_FOR(ignores(pid, SIGIO), LONG_MS);
	assert_int_equal(kill(parent_of(pid), SIGKILL), 0);
	WAIT_FOR(n_alive_in_group(pid) == 0, LONG_MS);
	stop();
}

static void test_parent_killed(void **state)
{
	(void)state;
	kill_parent(geteuid(), false);
}

static void test_parent_killed_as_nobody(void **state)
{
	(void)state;
	if (geteuid() == 0)
		kill_parent(NOBODY, false);
}

static void test_parent_and_guardian_killed(void **state)
{
	(void)state;
	kill_parent(geteuid(), true);
}

static void test_stop_lets_requests_end(void **state)
{
	pid_t pid, stray;
	int fd;

	(void)state;
	start_up("");
	pid = master_pid(master);
	stray = atoi(ask_php("stray", ""));
	fd = ask_to_spin(master_backend(master), "0.5");
	master_stop(master);
	assert_string_equal(answer(fd),
			    "done"); /* read here: FPM waits for our close() */
	assert_int_equal(n_stopped, 0);
	WAIT_FOR(n_stopped == 1, LONG_MS);
	assert_int_equal(n_alive_in_group(pid), 0);
	assert_false(is_alive(stray));
	assert_true(has_log("php-fpm is stopped"));
}

static void test_stop_is_bounded(void **state)
{
	uint64_t start_ms;
	int fd;

	(void)state;
	start_up("stop_timeout = \"300ms\";");
	fd = ask_to_spin(master_backend(master), "600");
	start_ms = now_ms();
	stop();
	assert_in_range(now_ms() - start_ms, 300, LONG_MS);
	assert_true(has_log("still has requests after stop_timeout"));
	assert_string_equal(answer(fd), "");
}

static void test_stop_of_the_stubborn(void **state)
{
	uint64_t start_ms;

	(void)state;
	start_stubborn();
	turn_for(100);
	start_ms = now_ms();
	stop();
	assert_in_range(now_ms() - start_ms, 2300, LONG_MS);
	assert_int_equal(n_up, 0);
}

static void test_stop_before_start(void **state)
{
	(void)state;
	start(program, "");
	stop();
	assert_int_equal(n_up, 0);
	assert_int_equal(mode_of(""), 0); /* nor has it begun */
}

static void test_free_kills(void **state)
{
	pid_t pid, stray;

	(void)state;
	start_up("");
	pid = master_pid(master);
	stray = atoi(ask_php("stray", ""));
	WAIT_FOR(getpgid(stray) != pid, LONG_MS);
	master = master_free(master);
	WAIT_FOR(n_alive_in_group(pid) == 0, LONG_MS);
	assert_false(is_alive(stray));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_restarts),
		TEST(test_guardian_killed),
		TEST(test_guardian_of_the_stubborn_killed),
		TEST(test_parent_killed),
		TEST(test_parent_killed_as_nobody),
		TEST(test_parent_and_guardian_killed),
		TEST(test_stop_lets_requests_end),
		TEST(test_stop_is_bounded),
		TEST(test_stop_of_the_stubborn),
		TEST(test_stop_before_start),
		TEST(test_free_kills),
	};

	return scene_run(argc, argv, tests, ARRAY_SIZE(tests));
}
