/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Tests of daemon/master.h, and with it of fpm_run and guardian, against the php-fpm of
 * this machine: how it starts, and what its options do.
 */

#include "tests/master_scene.h"

static void copy_file(FILE *out, const char *path)
{
	FILE *in = fopen(path, "re");
	int byte;

	while (in && (byte = getc(in)) != EOF)
		putc(byte == '\0' ? '\n' : byte, out);
	if (in)
		fclose(in);
}

/* Runs in place of php-fpm, and writes what it was started with: FILE.witness for
 * -F -O -y FILE. */
static int witness(char **argv)
{
	char path[256], done[256], link[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s.new", argv[4]);
	snprintf(done, sizeof(done), "%s.witness", argv[4]);
	out = fopen(path, "we");
	if (strcmp(argv[1], "-F") != 0 || !out)
		return strcmp(argv[1], "-t") != 0;
	copy_file(out, "/proc/self/status");
	copy_file(out, "/proc/self/limits");
	copy_file(out, "/proc/self/environ");
	fprintf(out, "oom ");
	copy_file(out, "/proc/self/oom_score_adj");
	for (int fd = 0; fd < 1000; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, link, sizeof(link));
		if (n > 0 && fd != fileno(out))
			fprintf(out, "fd %d %.*s\n", fd, (int)n, link);
	}
	fclose(out);
	snprintf(path, sizeof(path), "%s.new", argv[4]);
	if (rename(path, done) < 0)
		return 1;
	return pause();
}

static void be_like_fpmgate(void)
{
	FILE *score = fopen("/proc/self/oom_score_adj", "re+");
	struct rlimit limit;

	assert_non_null(score);
	if (geteuid() == 0)
		fprintf(score, "-17\n");
	fclose(score);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(setenv("SECRET", "1", 1), 0);
	assert_int_equal(setenv("LISTEN_FDS", "1", 1), 0);
	umask(077);
}

static void test_serves(void **state)
{
	const struct conf_address *backend;
	struct conf_fpm_values values;

	(void)state;
	start(program, "pm = \"dynamic\"; php_ini = [ \"memory_limit=77M\" ];");
	backend = master_backend(master); /* known before it exists */
	assert_int_equal(backend->kind, CONF_ADDRESS_UNIX);
	assert_string_equal(backend->text, backend->name);
	WAIT_FOR(n_up == 1, LONG_MS);
	assert_string_equal(ask_php("ini", "memory_limit"), "77M");
	assert_int_equal(conf_fpm_parse(master_fpm_text(master),
					strlen(master_fpm_text(master)),
					master_backend(master), &values),
			 0);
	assert_int_equal(values.pm, CONF_PM_DYNAMIC);
	assert_int_equal(values.max_children, 2);
	/* the status page is where the configuration says, and nowhere else */
	assert_non_null(strstr(
		answer(ask(master_status(master), values.status_path, "", "")), "pool:"));
	assert_null(strstr(answer(ask(master_backend(master), "/", "", "")), "pool:"));
	assert_int_equal(mode_of("fpm"), 0700);
	assert_int_equal(mode_of("fpm/www.conf"), 0600);
	assert_int_equal(mode_of("fpm/www.sock"), 0600);
	assert_int_equal(mode_of("fpm/www.status"), 0600);
	stop();
	assert_int_equal(n_down, 0);
	assert_int_equal(mode_of("fpm/www.conf"), 0);
	assert_int_equal(mode_of("fpm/www.sock"), 0);
	assert_int_equal(mode_of("fpm/www.notify"), 0);
}

/* What fpmgate is like must not show in PHP. */
static void test_starts_clean(void **state)
{
	int fd = open(log_path, O_RDONLY); /* without O_CLOEXEC */
	char self[256] = "", path[128], text[16384];
	sigset_t set, old;

	(void)state;
	assert_true(fd >= 0 && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	be_like_fpmgate();
	sigfillset(&set);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	start(self, "");
	snprintf(path, sizeof(path), "%s/run/fpm/www.conf.witness", dir);
	WAIT_FOR(access(path, F_OK) == 0, LONG_MS);
	read_file(path, text, sizeof(text));
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
	assert_non_null(strstr(text, "SigIgn:\t"));
	/* 32 and 33 are the C library's own, which nobody can set through it */
	assert_int_equal(strtoull(strstr(text, "SigIgn:\t") + 8, NULL, 16) &
				 ~UINT64_C(0x180000000), 0);
	assert_non_null(strstr(text, "Umask:\t0022\n"));
	assert_non_null(strstr(text, "Max open files            1024 "));
	assert_non_null(strstr(text, "oom 0\n"));
	assert_non_null(strstr(text, "\nSECRET=1\n"));
	assert_non_null(strstr(text, "/fpm/www.notify\n"));
	assert_null(strstr(text, "LISTEN_FDS"));
	/* stdin, the log twice, the lifeline, and nothing of ours */
	assert_non_null(strstr(text, "fd 0 /dev/null\nfd 1 pipe:"));
	assert_null(strstr(text, log_path));
	assert_null(strstr(text, "socket:"));
	/* a terminal's Ctrl-C goes to a process group of its session */
	assert_int_not_equal(getsid(master_pid(master)), getsid(0));
	assert_int_equal(getpgid(master_pid(master)), master_pid(master));
	stop();
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	assert_int_equal(unsetenv("LISTEN_FDS"), 0);
	umask(022);
	close(fd);
}

static void test_hides_environment(void **state)
{
	(void)state;
	assert_int_equal(setenv("SECRET", "1", 1), 0);
	start_up("");
	assert_string_equal(ask_php("env", "SECRET"), "none");
	stop();
}

/* An FPM that was built without systemd never says READY=1. */
static void test_serves_without_ready(void **state)
{
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "#!/bin/sh\nunset NOTIFY_SOCKET\nexec %s \"$@\"\n",
		 program);
	write_file(fake_path, text, 0755);
	start(fake_path, "");
	WAIT_FOR(n_up == 1, LONG_MS);
	assert_true(atoi(ask_php("pid", "")) > 0);
	stop();
}

/* Only the master itself is believed, and the guardian. */
static void test_ready_of_others(void **state)
{
	pid_t pid;

	(void)state;
	start_stubborn();
	pid = master_pid(master);
	forge("READY=1");
	forge("GUARDIAN=3 1");
	turn_for(100);
	assert_int_equal(n_up, 0);
	assert_int_equal(master_pid(master), pid);
	stop();
}

static void test_values_stay_values(void **state)
{
	static const struct {
		const char *in_conf, *value;
	} rows[] = {
		{ "it's \\\"x\\\" '' \\\\", "it's \"x\" '' \\" },
		{ "'", "'" },
		{ "${HOME} $HOME %HOME%", "${HOME} $HOME %HOME%" },
		{ "; x", "; x" },
		{ "x\\\" ] [global]", "x\" ] [global]" },
		{ "E_ALL & ~E_NOTICE; x", "E_ALL & ~E_NOTICE; x" },
		{ "a = b | !c ^ (d)", "a = b | !c ^ (d)" },
		{ "off", "off" },
		{ "", "" },
	};
	char fpm[256];
	uint64_t start_ms;

	(void)state;
	start_up("php_ini = [ \"error_reporting=E_ALL & ~(E_NOTICE|E_WARNING)\" ];");
	assert_string_equal(ask_php("ini", "error_reporting"), "32757");
	start_ms = now_ms();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(fpm, sizeof(fpm), "php_ini = [ \"user_agent=%s\" ];",
			 rows[i].in_conf);
		assert_int_equal(set_options(program, fpm), 0);
		WAIT_FOR(n_up == i + 2, LONG_MS);
		assert_string_equal(ask_php("ini", "user_agent"), rows[i].value);
	}
	/* a silent one would have taken three seconds each time: these say READY=1 */
	assert_in_range(now_ms() - start_ms, 0, ARRAY_SIZE(rows) * 3000 - 1);
	stop();
}

static void test_bad_configuration(void **state)
{
	uint64_t start_ms = now_ms();

	(void)state;
	start(program, "extra = [ \"pm.max_requests = many\" ];");
	WAIT_FOR(has_log("refuses its configuration, -t exited with code 78, "
			 "starting it again in 1 s"),
		 LONG_MS);
	assert_true(has_log("<3>pool www: php-fpm: ["));
	WAIT_FOR(has_log("starting it again in 2 s"), LONG_MS);
	assert_true(now_ms() - start_ms >= 1000);
	assert_int_equal(n_up + n_down, 0);
	assert_int_equal(set_options(program, ""), 0);
	WAIT_FOR(n_up == 1, LONG_MS);
	assert_true(atoi(ask_php("pid", "")) > 0);
	turn_for(2200); /* the pause of the bad one ends with it */
	assert_int_equal(n_up, 1);
	assert_false(has_log("starting it again in 4 s"));
	stop();
}

/* What master_new() refuses, and that it leaves nothing. */
static void test_refuses(void **state)
{
	static char empty[] = "", line[] = "a=b\nc";
	struct conf_pool *pool;
	char *user, **list, *bad[] = { line, NULL };

	(void)state;
	conf = make_conf(program, "");
	pool = conf->pools[0];
	user = pool->fpm.user;
	pool->fpm.user = empty;
	if (geteuid() == 0)
		assert_int_equal(master_new(loop, conf, pool, &ops, NULL, &master),
				 MASTER_NO_USER);
	pool->fpm.user = user;
	list = pool->fpm.php_ini;
	pool->fpm.php_ini = bad;
	assert_int_equal(master_new(loop, conf, pool, &ops, NULL, &master),
			 MASTER_BAD_TEXT);
	pool->fpm.php_ini = list;
	assert_null(master);
	assert_int_equal(mode_of(""), 0);
	conf_unref(conf);
	start_up("");
	pool = conf->pools[0];
	list = pool->fpm.php_ini;
	pool->fpm.php_ini = bad;
	assert_int_equal(master_set_options(master, conf, pool), MASTER_BAD_TEXT);
	pool->fpm.php_ini = list;
	turn_for(100);
	assert_true(master_is_up(master));
	stop();
}

/* Nobody waits while php-fpm -t does, and a stop does not wait for it either. */
static void test_check_hangs(void **state)
{
	uint64_t start_ms;

	(void)state;
	write_file(fake_path, "#!/bin/sh\nexec sleep 1000\n", 0755);
	start(fake_path, "");
	(void)loop_take_stats(loop);
	turn_for(500);
	assert_in_range(loop_take_stats(loop).longest_turn_us, 0, 450000);
	forge("READY=1");
	turn_for(50);
	assert_int_equal(n_up, 0);
	assert_int_equal(master_pid(master), 0);
	start_ms = now_ms();
	stop();
	assert_in_range(now_ms() - start_ms, 0, LONG_MS / 2);
}

static void test_no_program(void **state)
{
	(void)state;
	start("/nonexistent/php-fpm", "");
	WAIT_FOR(has_log("cannot be executed as /nonexistent/php-fpm: No such file"),
		 LONG_MS);
	stop();
}

static void test_replaces(void **state)
{
	char first[128];
	pid_t pid;
	int fd;

	(void)state;
	start_up("php_ini = [ \"memory_limit=70M\" ];");
	pid = master_pid(master);
	snprintf(first, sizeof(first), "%s", master_backend(master)->name);
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=70M\" ];"), 0);
	assert_int_equal(mode_of("fpm/www+1.conf"), 0);
	/* there, once more the same, and back again before it is up */
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=71M\" ];"), 0);
	assert_int_equal(mode_of("fpm/www+2.conf"), 0600);
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=71M\" ];"), 0);
	assert_int_equal(mode_of("fpm/www+3.conf"), 0);
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=70M\" ];"), 0);
	WAIT_FOR(mode_of("fpm/www+2.conf") == 0, LONG_MS);
	assert_int_equal(mode_of("fpm/www+4.conf"), 0);
	turn_for(200);
	assert_int_equal(master_pid(master), pid);
	assert_int_equal(n_up, 1);
	fd = ask_to_spin(master_backend(master), "1.5");
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=71M\" ];"), 0);
	assert_string_equal(ask_php("ini", "memory_limit"),
			    "70M"); /* until the other is up */
	WAIT_FOR(n_up == 2, LONG_MS);
	assert_string_not_equal(master_backend(master)->name, first);
	assert_string_equal(ask_php("ini", "memory_limit"), "71M");
	assert_string_equal(answer(fd), "done");
	WAIT_FOR(n_alive_in_group(pid) == 0, LONG_MS);
	WAIT_FOR(access(first, F_OK) < 0, LONG_MS);
	assert_int_equal(n_down, 0);
	stop();
}

static void test_keeps_the_old(void **state)
{
	pid_t pid;

	(void)state;
	start_up("");
	pid = master_pid(master);
	assert_int_equal(set_options(program, "extra = [ \"pm.max_requests = many\" ];"),
			 0);
	WAIT_FOR(has_log("the old ones stay in force"), LONG_MS);
	assert_int_equal(master_pid(master), pid);
	assert_int_equal(atoi(ask_php("pid", "")) > 0, 1);
	assert_int_equal(n_up, 1);
	assert_int_equal(n_down, 0);
	stop();
}

static void test_stops_while_it_replaces(void **state)
{
	pid_t pid;

	(void)state;
	start_up("");
	pid = master_pid(master);
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=71M\" ];"), 0);
	turn_for(10);
	assert_int_equal(set_options(program, "php_ini = [ \"memory_limit=72M\" ];"), 0);
	stop();
	assert_int_equal(n_alive_in_group(pid), 0);
	assert_int_equal(mode_of("fpm/www+2.conf"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_serves),
		TEST(test_starts_clean),
		TEST(test_hides_environment),
		TEST(test_serves_without_ready),
		TEST(test_ready_of_others),
		TEST(test_values_stay_values),
		TEST(test_bad_configuration),
		TEST(test_refuses),
		TEST(test_check_hangs),
		TEST(test_no_program),
		TEST(test_replaces),
		TEST(test_keeps_the_old),
		TEST(test_stops_while_it_replaces),
	};

	if (argc > 4 && argv[1][0] == '-')
		return witness(argv);
	return scene_run(argc, argv, tests, ARRAY_SIZE(tests));
}
