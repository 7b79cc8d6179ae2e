/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of daemon/fpm_log.h; stderr is a file while they run. */

#include "daemon/fpm_log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/macros.h"

#define NOTICE "[20-Jan-2026 10:40:42] NOTICE: "
#define WARNING "[20-Jan-2026 10:40:42] WARNING: "

static char path[] = "/tmp/fpmgate-fpm-log-XXXXXX";
static int real_stderr = -1;
static struct fpm_log fpm_log;

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/fpmgate-fpm-log-XXXXXX");
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	fd = mkostemp(path, O_APPEND);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return -1;
	close(fd);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	fpm_log_init(&fpm_log, "www");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_done();
	(void)dup2(real_stderr, STDERR_FILENO);
	real_stderr = close_fd(real_stderr);
	return unlink(path);
}

static const char *logged(void)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void feed(const char *text, uint64_t now_us)
{
	fpm_log_feed(&fpm_log, text, strlen(text), now_us);
}

static void test_levels(void **state)
{
	static const struct {
		const char *line, *rest;
		enum log_level level;
	} rows[] = {
		{ WARNING "x", "x", LOG_LEVEL_WARNING },
		{ NOTICE "x", "x", LOG_LEVEL_INFO },
		{ NOTICE "", "", LOG_LEVEL_INFO },
		{ "[20-Jan-2026 10:40:42.123456] DEBUG: x", "x", LOG_LEVEL_DEBUG },
		{ "[20-Jan-2026 10:40:42] ERROR: x", "x", LOG_LEVEL_ERROR },
		{ "[20-Jan-2026 10:40:42] ALERT: x", "x", LOG_LEVEL_ERROR },
		{ "PHP Warning:  x", "PHP Warning:  x", LOG_LEVEL_WARNING },
		{ "[20-Jan-2026 10:40:42] OTHER: x", "[20-Jan-2026 10:40:42] OTHER: x",
		  LOG_LEVEL_WARNING },
		{ "ERROR: x", "ERROR: x", LOG_LEVEL_WARNING },
		{ "[pool www] x", "[pool www] x", LOG_LEVEL_WARNING },
		{ "[", "[", LOG_LEVEL_WARNING },
		{ "[]", "[]", LOG_LEVEL_WARNING },
		{ "[] ", "[] ", LOG_LEVEL_WARNING },
		{ "[] E", "[] E", LOG_LEVEL_WARNING },
		{ "", "", LOG_LEVEL_WARNING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].line);
		char *copy = malloc(n + 1); /* no byte behind the end may be looked at */
		const char *line = memcpy(copy, rows[i].line, n);

		assert_int_equal(fpm_log_parse(&line, &n), rows[i].level);
		assert_int_equal(n, strlen(rows[i].rest));
		assert_memory_equal(line, rows[i].rest, n);
		free(copy);
	}
}

static void test_lines(void **state)
{
	(void)state;
	feed(NOTICE "ready", 1);
	assert_string_equal(logged(), "");
	feed(" to handle\n\n" WARNING "\x1b[1m it's\n", 1);
	feed("PHP dies", 1);
	fpm_log_finish(&fpm_log, 1);
	assert_string_equal(logged(), "<6>pool www: php-fpm: ready to handle\n"
				      "<4>pool www: php-fpm: \\x1b[1m it\\x27s\n"
				      "<4>pool www: php-fpm: PHP dies\n");
}

static void test_long_lines(void **state)
{
	char line[FPM_LOG_LINE_BYTES * 3];
	const char *text;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	feed(line, 1);
	feed(line, 1);
	feed("\nshort\n", 1);
	text = logged();
	assert_in_range(strcspn(text, "\n"), FPM_LOG_LINE_BYTES / 2,
			FPM_LOG_LINE_BYTES + 32);
	assert_non_null(strstr(text, "xxx...\n<4>pool www: php-fpm: short\n"));
	/* exactly full, and one more */
	line[FPM_LOG_LINE_BYTES - 1] = '\0';
	feed(line, 1);
	feed("\nnext\n", 1);
	assert_non_null(strstr(logged(), "xxxx\n<4>pool www: php-fpm: next\n"));
	line[FPM_LOG_LINE_BYTES - 1] = 'x';
	line[FPM_LOG_LINE_BYTES] = '\0';
	feed(line, 1);
	feed("\nlast\n", 1);
	assert_non_null(strstr(logged(), "...\n<4>pool www: php-fpm: last\n"));
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static void test_floods(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		feed("flood\n", 1000);
	assert_int_equal(count(logged(), "flood"), 20);
	feed("later\n", 2000000);
	assert_non_null(strstr(logged(), "php-fpm: 980 lines were not logged\n"
					 "<4>pool www: php-fpm: later\n"));
	for (unsigned i = 0; i < 100; i++)
		feed("flood\n", 2000001);
	fpm_log_finish(&fpm_log, 2000002);
	assert_non_null(strstr(logged(), "php-fpm: 81 lines were not logged\n"));
	fpm_log_finish(&fpm_log, 2000003);
	assert_int_equal(count(logged(), "were not logged"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_levels),
		TEST(test_lines),
		TEST(test_long_lines),
		TEST(test_floods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
