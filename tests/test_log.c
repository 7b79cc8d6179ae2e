/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Tests of daemon/log.h. stderr becomes a pipe, a socket or a terminal of the test's own
 * while one runs; a datagram socket stands in for journald.
 */

#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A journal entry without fields of its own, and the text that reports lost lines. */
#define ENTRY(priority, text) \
	"PRIORITY=" priority "\nSYSLOG_IDENTIFIER=fpmgate\nMESSAGE=" text "\n"
#define LOST(n) "log: lines lost because they were not read in time: " #n

static int real_stderr = -1; /* kept while a test has another one */
static int reader = -1;      /* the other end of the one under test */
static int journal_fd = -1;
static char directory[] = "/tmp/fpmgate-log-XXXXXX";
static char journal_path[64];

static void replace_stderr(int fd)
{
	assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(fd);
}

static int setup(void **test_state)
{
	(void)test_state;
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	return real_stderr < 0 ? -1 : 0;
}

static int teardown(void **test_state)
{
	(void)test_state;
	log_done();
	log_set_journal_path(NULL);
	if (dup2(real_stderr, STDERR_FILENO) < 0)
		return -1;
	real_stderr = close_fd(real_stderr);
	reader = close_fd(reader);
	journal_fd = close_fd(journal_fd);
	(void)unlink(journal_path);
	return 0;
}

static void use_pipe(enum log_level level)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	reader = fds[0];
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	replace_stderr(fds[1]);
	log_init(LOG_TARGET_STDERR, level);
}

static void use_socket(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	reader = fds[0];
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	replace_stderr(fds[1]);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
}

static void bind_journal(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal_path);
	journal_fd = close_fd(journal_fd);
	(void)unlink(journal_path);
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(journal_fd, (const struct sockaddr *)&address,
			      sizeof(address)), 0);
}

static void use_journal(void)
{
	bind_journal();
	log_set_journal_path(journal_path);
	log_init(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO);
}

static size_t read_some(int fd, char *text, size_t size)
{
	ssize_t n = read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void assert_read(int fd, const char *expected)
{
	char text[16384];

	(void)read_some(fd, text, sizeof(text));
	assert_string_equal(text, expected);
}

static size_t drain(int fd)
{
	char text[65536];
	size_t n = 0, n_now;

	while ((n_now = read_some(fd, text, sizeof(text))) > 0)
		n += n_now;
	return n;
}

static void test_levels(void **test_state)
{
	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	log_error("error %d", 1);
	log_warning("warning");
	log_notice("notice");
	log_info("info");
	log_debug("debug");
	assert_read(reader, "<3>error 1\n<4>warning\n<5>notice\n<6>info\n");
	assert_false(log_is_enabled(LOG_LEVEL_DEBUG));
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_DEBUG);
	assert_true(log_is_enabled(LOG_LEVEL_DEBUG));
	log_debug("debug");
	assert_read(reader, "<7>debug\n");
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	log_warning("warning");
	assert_read(reader, "");
}

static void test_pool_and_fields(void **test_state)
{
	const struct log_field fields[] = { { "FPMGATE_REASON", "queue_full" } };

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	log_pool(LOG_LEVEL_NOTICE, "www", "member 1 up -> down");
	log_fields(LOG_LEVEL_INFO, fields, 1, "answered 503");
	assert_read(reader, "<5>pool www: member 1 up -> down\n<6>answered 503\n");
}

static void test_errno_is_kept(void **test_state)
{
	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	reader = close_fd(reader); /* so that the write fails as well */
	errno = ENOTDIR;
	log_error("x");
	assert_int_equal(errno, ENOTDIR);
}

static void test_terminal_has_no_prefix(void **test_state)
{
	int terminal_fd;

	(void)test_state;
	reader = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0 && grantpt(reader) == 0 && unlockpt(reader) == 0);
	terminal_fd = open(ptsname(reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(terminal_fd >= 0);
	replace_stderr(terminal_fd);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_info("hello");
	assert_read(reader, "hello\r\n");
}

static void test_file(void **test_state)
{
	char path[] = "/tmp/fpmgate-log-file-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	(void)test_state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "before\n", 7), 7);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	replace_stderr(fd);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_info("hello");
	assert_read(reader, "before\n<6>hello\n");
}

static void test_long_line(void **test_state)
{
	char text[3 * LOG_LINE_MAX_BYTES], line[2 * LOG_LINE_MAX_BYTES];
	size_t n;

	(void)test_state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	use_pipe(LOG_LEVEL_INFO);
	log_info("%s", text);
	n = read_some(reader, line, sizeof(line));
	assert_int_equal(n, LOG_LINE_MAX_BYTES);
	assert_memory_equal(line, "<6>xxx", 6);
	assert_string_equal(line + n - 5, "x...\n");
	/* The longest one that fits is whole. */
	log_info("%.*s", LOG_LINE_MAX_BYTES - 4, text);
	n = read_some(reader, line, sizeof(line));
	assert_int_equal(n, LOG_LINE_MAX_BYTES);
	assert_string_equal(line + n - 5, "xxxx\n");
	log_info("%.*s", LOG_LINE_MAX_BYTES - 3, text);
	n = read_some(reader, line, sizeof(line));
	assert_int_equal(n, LOG_LINE_MAX_BYTES);
	assert_string_equal(line + n - 5, "x...\n");
}

/* Logs a line that is too long and has `tail` where it is cut, n_before bytes of it in
 * front of the cut: it shows in full or not at all. */
static void assert_cut(const char *tail, size_t n_before)
{
	enum { CUT_AT = LOG_LINE_MAX_BYTES - 4 - 3 };
	char text[LOG_LINE_MAX_BYTES + 64], line[2 * LOG_LINE_MAX_BYTES];
	size_t n, n_tail = strlen(tail);

	memset(text, 'x', sizeof(text));
	memcpy(text + CUT_AT - n_before, tail, n_tail);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	n = read_some(reader, line, sizeof(line));
	assert_string_equal(line + n - 4, "...\n");
	if (n_before < n_tail)
		assert_int_equal(n, 3 + CUT_AT - n_before + 4);
	else
		assert_memory_equal(line + n - 4 - n_tail, tail, n_tail);
}

/* Neither a character nor an escape loses its tail where a line is cut. */
static void test_long_line_ends_well(void **test_state)
{
	static const char *const tails[] = { "\xe2\x82\xac", "\\xc3" };

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		for (size_t n_before = 0; n_before <= strlen(tails[i]); n_before++)
			assert_cut(tails[i], n_before);
	}
}

static void test_no_second_line(void **test_state)
{
	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	log_info("a\nb\x1b[31m\x7f\tc");
	assert_read(reader, "<6>a?b?[31m??c\n");
}

/* The shell that shares our stderr must not find its writes failing. */
static void test_flags_of_stderr_stay(void **test_state)
{
	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	log_info("x");
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	teardown(NULL);
	setup(NULL);
	use_socket();
	log_info("x");
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	assert_read(reader, "<6>x\n");
}

/* An alarm ends the program if a write should wait after all. */
static void fill_until_dropped(uint64_t before)
{
	alarm(20);
	for (int i = 0; i < 1000000 && log_n_dropped() < before + 7; i++)
		log_info("line %d", i);
	alarm(0);
	assert_int_equal(log_n_dropped(), before + 7);
}

static void test_stopped_reader_of_pipe(void **test_state)
{
	uint64_t before = log_n_dropped();

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	fill_until_dropped(before);
	assert_true(drain(reader) > 4096);
	log_info("again");
	assert_read(reader, "<4>" LOST(7) "\n<6>again\n");
	log_info("once");
	assert_read(reader, "<6>once\n");
	assert_int_equal(log_n_dropped(), before + 7);
}

static void test_stopped_reader_of_socket(void **test_state)
{
	uint64_t before = log_n_dropped();

	(void)test_state;
	use_socket();
	fill_until_dropped(before);
	assert_true(drain(reader) > 1024);
	log_info("again");
	assert_read(reader, "<4>" LOST(7) "\n<6>again\n");
}

/* Where no second open file can be had, as with the pipe of another user. */
static void test_stopped_reader_of_shared_pipe(void **test_state)
{
	uint64_t before = log_n_dropped();
	struct rlimit limit, none;

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 3, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	log_reopen();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fill_until_dropped(before);
	assert_true(drain(reader) > 4096);
	log_info("again");
	assert_read(reader, "<4>" LOST(7) "\n<6>again\n");
}

/* As a terminal behind Ctrl-S: poll() says writable while there is room for a part. */
static void test_stopped_terminal(void **test_state)
{
	uint64_t before = log_n_dropped();
	char text[1024];
	int terminal_fd;

	(void)test_state;
	memset(text, 'x', sizeof(text));
	reader = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0 && grantpt(reader) == 0 && unlockpt(reader) == 0);
	terminal_fd = open(ptsname(reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
	replace_stderr(terminal_fd);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	alarm(20);
	for (int i = 0; i < 10000 && log_n_dropped() == before; i++)
		log_info("%.*s", (int)sizeof(text), text);
	alarm(0);
	assert_true(log_n_dropped() > before);
}

static void test_reader_is_gone(void **test_state)
{
	uint64_t before = log_n_dropped();

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	reader = close_fd(reader);
	log_info("x");
	assert_int_equal(log_n_dropped(), before + 1);
}

static void test_journal(void **test_state)
{
	const struct log_field fields[] = {
		{ "FPMGATE_POOL", "www" },
		{ "FPMGATE_SCRIPT", NULL },
		{ "FPMGATE_REASON", "queue_full" },
	};

	(void)test_state;
	use_journal();
	log_warning("disk of %d%%", 5);
	assert_read(journal_fd, ENTRY("4", "disk of 5%"));
	log_pool(LOG_LEVEL_NOTICE, "www", "paused");
	assert_read(journal_fd, ENTRY("5", "pool www: paused") "FPMGATE_POOL=www\n");
	log_fields(LOG_LEVEL_INFO, fields, ARRAY_SIZE(fields), "answered");
	assert_read(journal_fd, ENTRY("6", "answered")
				"FPMGATE_POOL=www\nFPMGATE_REASON=queue_full\n");
}

static void test_journal_field_forging(void **test_state)
{
	const struct log_field field = { "FPMGATE_SITE", "a\nPRIORITY=0" };

	(void)test_state;
	use_journal();
	log_fields(LOG_LEVEL_INFO, &field, 1, "x\nPRIORITY=1");
	assert_read(journal_fd, ENTRY("6", "x?PRIORITY=1") "FPMGATE_SITE=a?PRIORITY=0\n");
}

static void test_journal_field_limits(void **test_state)
{
	struct log_field fields[9];
	char value[5000], text[16384], exact[LOG_FIELD_MAX_BYTES + 1];
	size_t n_fields = 0;

	(void)test_state;
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	use_journal();
	fields[0] = (struct log_field){ "FPMGATE_SITE", value };
	log_fields(LOG_LEVEL_INFO, fields, 1, "x");
	assert_int_equal(read_some(journal_fd, text, sizeof(text)),
			 strlen(ENTRY("6", "x")
				"FPMGATE_SITE=\n") + LOG_FIELD_MAX_BYTES);
	assert_string_equal(text + strlen(text) - 5, "v...\n");
	memset(exact, 'e', sizeof(exact));
	exact[LOG_FIELD_MAX_BYTES] = '\0';
	fields[0].value = exact;
	log_fields(LOG_LEVEL_INFO, fields, 1, "x");
	(void)read_some(journal_fd, text, sizeof(text));
	assert_string_equal(text + strlen(text) - 5, "eeee\n");
	/* More than an entry holds: some fields are missing, the rest is whole. */
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = (struct log_field){ "FPMGATE_SITE", exact };
	log_fields(LOG_LEVEL_INFO, fields, ARRAY_SIZE(fields), "%s", value);
	assert_true(read_some(journal_fd, text, sizeof(text)) <= 2 * LOG_LINE_MAX_BYTES);
	for (const char *p = text; (p = strstr(p, "\nFPMGATE_SITE=")); p++)
		n_fields++;
	assert_int_equal(n_fields, 3);
	assert_string_equal(text + strlen(text) - 2, "e\n");
}

static void test_stopped_journal(void **test_state)
{
	uint64_t before = log_n_dropped();
	char text[4096];

	(void)test_state;
	use_journal();
	fill_until_dropped(before);
	while (read_some(journal_fd, text, sizeof(text)) > 0)
		;
	log_info("again");
	assert_read(journal_fd, ENTRY("4", LOST(7)));
	assert_read(journal_fd, ENTRY("6", "again"));
}

/* A report that cannot be written keeps its count. */
static void test_report_is_not_lost(void **test_state)
{
	uint64_t before = log_n_dropped();
	char text[LOG_LINE_MAX_BYTES + 1];

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	fill_until_dropped(before);
	log_info("still full");
	assert_int_equal(log_n_dropped(), before + 8);
	while (read_some(reader, text, sizeof(text)) > 0)
		;
	log_info("again");
	assert_read(reader, "<4>" LOST(8) "\n<6>again\n");
}

static void test_journal_comes_back(void **test_state)
{
	uint64_t before = log_n_dropped();

	(void)test_state;
	use_journal();
	journal_fd = close_fd(journal_fd);
	(void)unlink(journal_path);
	log_info("lost");
	assert_int_equal(log_n_dropped(), before + 1);
	bind_journal();
	log_info("found");
	assert_read(journal_fd, ENTRY("4", LOST(1)));
	assert_read(journal_fd, ENTRY("6", "found"));
	/* Restarted, and nothing is lost. */
	bind_journal();
	log_info("on");
	assert_read(journal_fd, ENTRY("6", "on"));
	assert_int_equal(log_n_dropped(), before + 1);
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The end waits for a journal that is behind, but not for ever. */
static void test_last_line_is_read(void **test_state)
{
	uint64_t start_ms;
	char text[4096];
	int status;
	pid_t pid;

	(void)test_state;
	use_journal();
	log_info("the last");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		usleep(100 * 1000);
		_exit(read(journal_fd, text, sizeof(text)) <= 0);
	}
	log_done();
	assert_int_equal(recv(journal_fd, text, sizeof(text), 0), -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	log_init(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO);
	log_info("never read");
	start_ms = clock_ms();
	log_done();
	assert_in_range(clock_ms() - start_ms, 100, 5000);
}

static void test_no_journal(void **test_state)
{
	int fds[2];

	(void)test_state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	reader = fds[0];
	replace_stderr(fds[1]);
	log_set_journal_path("/nonexistent/socket");
	log_init(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO);
	log_info("hello");
	assert_read(reader, "<6>hello\n");
}

static void test_reopen(void **test_state)
{
	int fds[2];

	(void)test_state;
	use_pipe(LOG_LEVEL_INFO);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	replace_stderr(fds[1]);
	log_reopen();
	log_info("hello");
	assert_read(fds[0], "<6>hello\n");
	assert_read(reader, "");
	close(fds[0]);
}

static void test_escape(void **test_state)
{
	static const struct {
		const char *text, *escaped;
	} cases[] = {
		{ "", "" },
		{ "/index.php?a=b c", "/index.php?a=b c" },
		{ "a\nb\r\t\x1b[0m", "a\\x0ab\\x0d\\x09\\x1b[0m" },
		{ "\"it's\" \\", "\\x22it\\x27s\\x22 \\x5c" },
		{ "\x7f", "\\x7f" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98" },
		{ "\xff\xfe", "\\xff\\xfe" },                 /* never UTF-8 */
		{ "\xc3", "\\xc3" },                          /* cut at the end */
		{ "\xe2\x82", "\\xe2\\x82" },
		{ "\xc3(", "\\xc3(" },                        /* cut inside */
		{ "\xbc", "\\xbc" },                          /* a tail alone */
		{ "\xc0\xaf", "\\xc0\\xaf" },                 /* overlong */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },        /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b" "31m" },     /* C1: CSI */
		{ "\xe2\x80\xae" "gpj", "\\xe2\\x80\\xae" "gpj" }, /* right to left */
		{ "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
	};
	char out[128];

	(void)test_state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;
		size_t n = log_escape(out, sizeof(out), text, strlen(text));

		assert_string_equal(out, cases[i].escaped);
		assert_int_equal(n, strlen(out));
	}
	assert_int_equal(log_escape(out, sizeof(out), "a\0b", 3), 6);
	assert_string_equal(out, "a\\x00b");
	assert_int_equal(log_escape(out, sizeof(out), "\xc3\xbc", 1), 4);
	assert_string_equal(out, "\\xc3");
}

/* Every size from nothing to enough: in bounds, ended, and only whole pieces. */
static void test_escape_sizes(void **test_state)
{
	static const char text[] = "ab\ncd\xe2\x82\xac" "ef\xff";
	static const char full[] = "ab\\x0acd\xe2\x82\xac" "ef\\xff";
	static const char *const cut[] = {
		NULL, "", "", "", "...", "a...", "ab...", "ab...", "ab...", "ab...",
		"ab\\x0a...", "ab\\x0ac...",
		"ab\\x0acd...", "ab\\x0acd...", "ab\\x0acd...",
		"ab\\x0acd\xe2\x82\xac...", "ab\\x0acd\xe2\x82\xac" "e...",
		"ab\\x0acd\xe2\x82\xac" "ef...", full,
	};

	(void)test_state;
	for (size_t size = 1; size < ARRAY_SIZE(cut); size++) {
		char *out = malloc(size); /* ASan guards its end */
		size_t n = log_escape(out, size, text, sizeof(text) - 1);

		assert_string_equal(out, cut[size]);
		assert_int_equal(n, strlen(out));
		free(out);
	}
	assert_int_equal(log_escape(NULL, 0, text, sizeof(text) - 1), 0);
}

static void test_limit(void **test_state)
{
	struct log_limit limit = { .interval_us = 1000000, .burst = 2 };
	uint64_t n = 99;

	(void)test_state;
	assert_true(log_limit_pass(&limit, 5000000, &n));
	assert_int_equal(n, 0);
	assert_true(log_limit_pass(&limit, 5100000, &n));
	n = 99;
	assert_false(log_limit_pass(&limit, 5200000, &n));
	assert_int_equal(n, 0);
	assert_false(log_limit_pass(&limit, 5999999, &n));
	assert_int_equal(log_limit_take_rest(&limit, 5999999), 0);
	assert_true(log_limit_pass(&limit, 6000000, &n));
	assert_int_equal(n, 2);
	assert_true(log_limit_pass(&limit, 6000001, &n));
	assert_int_equal(n, 0);
	/* The interval starts with a line, not by the clock's second. */
	assert_false(log_limit_pass(&limit, 6999999, &n));
	assert_int_equal(log_limit_take_rest(&limit, 7000000), 1);
	assert_int_equal(log_limit_take_rest(&limit, 8000000), 0);
}

#define with_stderr(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_stderr(test_levels),
		with_stderr(test_pool_and_fields),
		with_stderr(test_errno_is_kept),
		with_stderr(test_terminal_has_no_prefix),
		with_stderr(test_file),
		with_stderr(test_long_line),
		with_stderr(test_long_line_ends_well),
		with_stderr(test_no_second_line),
		with_stderr(test_flags_of_stderr_stay),
		with_stderr(test_stopped_reader_of_pipe),
		with_stderr(test_stopped_reader_of_socket),
		with_stderr(test_stopped_reader_of_shared_pipe),
		with_stderr(test_stopped_terminal),
		with_stderr(test_reader_is_gone),
		with_stderr(test_report_is_not_lost),
		with_stderr(test_journal),
		with_stderr(test_journal_field_forging),
		with_stderr(test_journal_field_limits),
		with_stderr(test_stopped_journal),
		with_stderr(test_journal_comes_back),
		with_stderr(test_last_line_is_read),
		with_stderr(test_no_journal),
		with_stderr(test_reopen),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_sizes),
		cmocka_unit_test(test_limit),
	};
	int n_failed;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(directory))
		return 1;
	snprintf(journal_path, sizeof(journal_path), "%s/socket", directory);
	n_failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(directory);
	return n_failed != 0;
}
