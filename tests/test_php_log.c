/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/php_log: PHP's lines in a file and in the log, their limits. */
#include "daemon/php_log.h"

#include "tests/scene.h"

static struct php_log php_log;

static int begin(void **state)
{
	memset(&php_log, 0, sizeof(php_log));
	php_log.fd = -1;
	return scene_begin(state);
}

static int end(void **state)
{
	php_log_done(&php_log);
	assert_int_equal(php_log.fd, -1);
	return scene_end(state);
}

#define php_log_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

static void write_at(const char *text, uint64_t now_us)
{
	php_log_write(&php_log, "www", "ID", (const uint8_t *)text, strlen(text), now_us);
}

static void to_file(void)
{
	assert_int_equal(php_log_init(&php_log, CONF_SINK_FILE, scene_path("php.log")),
			 0);
}

static void test_lines(void **state)
{
	(void)state;
	to_file();
	write_at("one", 1);
	write_at("two\nthree\n", 1);
	write_at("\n\n\nfour\n\n", 1);
	write_at("", 1);
	write_at("\n", 1);
	assert_string_equal(scene_read("php.log"),
			    "www ID one\nwww ID two\nwww ID three\nwww ID four\n");
	assert_int_equal(php_log.n_lines, 4);
	assert_int_equal(php_log.n_lost, 0);
	assert_string_equal(scene_log(), "");
}

static void test_escaped_and_bounded(void **state)
{
	static char text[5000];
	const char *line;

	(void)state;
	to_file();
	php_log_write(&php_log, "www", "ID", (const uint8_t *)"a\0b\x1b[2J\"\xff\r\n", 11,
		      1);
	assert_string_equal(scene_read("php.log"),
			    "www ID a\\x00b\\x1b[2J\\x22\\xff\\x0d\n");
	memset(text, 'x', sizeof(text));
	php_log_write(&php_log, "www", "ID", (const uint8_t *)text, sizeof(text), 1);
	line = strchr(scene_read("php.log"), '\n') + 1;
	assert_in_range(strlen(line), 1000, 4096);
	assert_string_equal(line + strlen(line) - 4, "...\n");
	assert_int_equal(php_log.n_lines, 2);
}

static void test_appends(void **state)
{
	struct stat st;

	(void)state;
	to_file();
	write_at("one", 1);
	php_log_done(&php_log);
	to_file();
	write_at("two", 1);
	assert_string_equal(scene_read("php.log"), "www ID one\nwww ID two\n");
	assert_int_equal(stat(scene_path("php.log"), &st), 0);
	assert_int_equal(st.st_mode & 07007, 0);
}

static void test_so_many_a_second(void **state)
{
	char text[512] = "";

	(void)state;
	to_file();
	for (int i = 0; i < 50; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "line %d\n",
			 i);
	write_at(text, 5000000);
	write_at("one more", 5999999);
	assert_int_equal(php_log.n_lines, 51);
	assert_int_equal(php_log.n_lost, 31);
	assert_int_equal(scene_count(scene_read("php.log"), "\n"), 20);
	assert_non_null(strstr(scene.text, "line 19\n"));
	/* the next second, and what was not logged is told once */
	write_at("later\nand more", 6000000);
	assert_int_equal(scene_count(scene_read("php.log"), "\n"), 23);
	assert_int_equal(scene_count(scene.text, "(31 lines were not logged)"), 1);
	assert_true(strstr(scene.text, "(31") < strstr(scene.text, "later"));
	assert_int_equal(php_log.n_lines, 53);
	assert_int_equal(php_log.n_lost, 31);
}

static void test_to_the_log(void **state)
{
	(void)state;
	assert_int_equal(php_log_init(&php_log, CONF_SINK_JOURNAL, ""), 0);
	write_at("PHP Warning:  Undefined variable $x\n", 1);
	assert_string_equal(scene_log(),
			    "<4>pool www: php ID: PHP Warning:  Undefined variable $x\n");
	assert_int_equal(php_log.n_lines, 1);
	php_log_done(&php_log);
	assert_int_equal(php_log_init(&php_log, CONF_SINK_STDERR, ""), 0);
	write_at("x", 1);
	assert_non_null(strstr(scene_log(), "pool www: php ID: x\n"));
}

static void test_off(void **state)
{
	(void)state;
	assert_int_equal(php_log_init(&php_log, CONF_SINK_OFF, ""), 0);
	write_at("one\ntwo\n", 1);
	assert_string_equal(scene_log(), "");
	assert_int_equal(php_log.n_lost, 0);
}

static void test_file_that_cannot_be_opened(void **state)
{
	(void)state;
	assert_int_equal(php_log_init(&php_log, CONF_SINK_FILE, "/nonexistent/x"),
			 -ENOENT);
	write_at("one\ntwo\n", 1);
	assert_int_equal(php_log.n_lines, 2);
	assert_int_equal(php_log.n_lost, 2);
}

static void test_full_disk(void **state)
{
	(void)state;
	assert_int_equal(php_log_init(&php_log, CONF_SINK_FILE, "/dev/full"), 0);
	write_at("one\ntwo\n", 1);
	assert_int_equal(php_log.n_lines, 2);
	assert_int_equal(php_log.n_lost, 2);
}

/* A FIFO whose reader has stopped must not stop us. */
static void test_full_fifo(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkfifo(scene_path("fifo"), 0600), 0);
	assert_int_equal(php_log_init(&php_log, CONF_SINK_FILE, scene_path("fifo")),
			 -ENXIO);
	fd = open(scene_path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(php_log_init(&php_log, CONF_SINK_FILE, scene_path("fifo")), 0);
	for (unsigned i = 0; i < 10000; i++)
		write_at("some text of some length, many times", i * 1000000UL);
	assert_true(php_log.n_lost > 0);
	assert_true(php_log.n_lost < 10000);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		php_log_test(test_lines),
		php_log_test(test_escaped_and_bounded),
		php_log_test(test_appends),
		php_log_test(test_so_many_a_second),
		php_log_test(test_to_the_log),
		php_log_test(test_off),
		php_log_test(test_file_that_cannot_be_opened),
		php_log_test(test_full_disk),
		php_log_test(test_full_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
