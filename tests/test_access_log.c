/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/access_log: the line, its escapes and bounds, what is lost. */
#include "daemon/access_log.h"

#include "tests/scene.h"

static struct access_log access_log;

static int begin(void **state)
{
	memset(&access_log, 0, sizeof(access_log));
	access_log.fd = -1;
	return scene_begin(state);
}

static int end(void **state)
{
	access_log_done(&access_log);
	assert_int_equal(access_log.fd, -1);
	return scene_end(state);
}

#define access_log_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

static struct access_log_text text_of(const char *text)
{
	return (struct access_log_text){ text, text ? strlen(text) : 0 };
}

static struct access_log_entry entry_of(const char *uri)
{
	return (struct access_log_entry){
		.wall_us = 1700000000000042,
		.id = "ID",
		.pool = "www",
		.uri = text_of(uri),
		.reason = "none",
	};
}

static void to_file(void)
{
	assert_int_equal(
		access_log_init(&access_log, CONF_SINK_FILE, scene_path("a.log")), 0);
	assert_true(access_log_is_on(&access_log));
}

static void test_members(void **state)
{
	const struct access_log_entry entry = {
		.wall_us = 1700000000123456,
		.id = "01HF7YAT00ABCDEFGHJKMNPQRS",
		.pool = "www",
		.client = text_of("192.0.2.1"),
		.method = text_of("GET"),
		.host = text_of("example.org"),
		.uri = text_of("/index.php"),
		.script = text_of("/srv/www/index.php"),
		.status = 200,
		.n_bytes = 18446744073709551615u,
		.queue_us = 1, .connect_us = 2, .first_byte_us = 3, .total_us = 4,
		.worker = 1234,
		.n_replays = 1,
		.reason = "queue_full",
	};

	(void)state;
	setenv("TZ", "XYZ-9", 1); /* the time is UTC wherever we are */
	tzset();
	to_file();
	access_log_write(&access_log, &entry);
	unsetenv("TZ");
	tzset();
	assert_string_equal(scene_read("a.log"),
		"{\"time\":\"2023-11-14T22:13:20.123456Z\","
		"\"id\":\"01HF7YAT00ABCDEFGHJKMNPQRS\",\"pool\":\"www\","
		"\"client\":\"192.0.2.1\",\"method\":\"GET\",\"host\":\"example.org\","
		"\"uri\":\"/index.php\",\"script\":\"/srv/www/index.php\",\"status\":200,"
		"\"bytes\":18446744073709551615,\"queue_us\":1,\"connect_us\":2,"
		"\"first_byte_us\":3,\"total_us\":4,\"worker\":1234,\"replayed\":1,"
		"\"reason\":\"queue_full\"}\n");
	assert_int_equal(access_log.n_lost, 0);
}

static void test_what_is_not_there(void **state)
{
	struct access_log_entry entry = entry_of(NULL);

	(void)state;
	to_file();
	entry.host = text_of("");
	access_log_write(&access_log, &entry);
	assert_non_null(strstr(
		scene_read("a.log"),
		"\"time\":\"2023-11-14T22:13:20.000042Z\",\"id\":\"ID\",\"pool\":\"www\","
		"\"client\":null,\"method\":null,\"host\":\"\","
		"\"uri\":null,\"script\":null,"
		"\"status\":0,"));
}

static const struct {
	const char *text;
	size_t n;
	const char *json;
} escapes[] = {
#define ESCAPE(text, json) { text, sizeof(text) - 1, "\"uri\":\"" json "\"," }
	ESCAPE("plain /?&=%20", "plain /?&=%20"),
	ESCAPE("\"\\", "\\u0022\\u005c"),
	ESCAPE("\0\1\n\r\t\x1f\x7f", "\\u0000\\u0001\\u000a\\u000d\\u0009\\u001f\\u007f"),
	/* of 2, 3 and 4 bytes, the first and the last of each */
	ESCAPE("\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf"),
	ESCAPE("\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf"),
	ESCAPE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
	ESCAPE("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"),
	/* bytes that are none: alone, overlong, surrogates, too large, cut */
	ESCAPE("\x80", "\\u0080"),
	ESCAPE("\xff\xfe", "\\u00ff\\u00fe"),
	ESCAPE("\xc0\xaf", "\\u00c0\\u00af"),
	ESCAPE("\xc1\xbf", "\\u00c1\\u00bf"),
	ESCAPE("\xe0\x9f\xbf", "\\u00e0\\u009f\\u00bf"),
	ESCAPE("\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"),
	ESCAPE("\xed\xbf\xbf", "\\u00ed\\u00bf\\u00bf"),
	ESCAPE("\xf0\x8f\xbf\xbf", "\\u00f0\\u008f\\u00bf\\u00bf"),
	ESCAPE("\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"),
	ESCAPE("\xf5\x80\x80\x80", "\\u00f5\\u0080\\u0080\\u0080"),
	ESCAPE("a\xc3", "a\\u00c3"),
	ESCAPE("\xc3\xc3\xa9", "\\u00c3\xc3\xa9"),
	ESCAPE("\xe2\x82", "\\u00e2\\u0082"),
	ESCAPE("\xf0\x9f\x98", "\\u00f0\\u009f\\u0098"),
	ESCAPE("\xc3""a\xe2\x82""b", "\\u00c3a\\u00e2\\u0082b"),
#undef ESCAPE
};

static void test_escapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		struct access_log_entry entry = entry_of("");
		/* of exactly this size, so that reading on is noticed */
		char *copy = malloc(escapes[i].n);

		assert_non_null(copy);
		memcpy(copy, escapes[i].text, escapes[i].n);
		entry.uri = (struct access_log_text){ copy, escapes[i].n };
		(void)unlink(scene_path("a.log"));
		access_log_done(&access_log);
		to_file();
		access_log_write(&access_log, &entry);
		free(copy);
		if (!strstr(scene_read("a.log"), escapes[i].json))
			fail_msg("%zu: wanted %s, is %s", i, escapes[i].json, scene.text);
	}
}

/* Is it a string that ends as it should: no half escape or character? */
static void assert_cut_well(const char *line, const char *member)
{
	const char *at = strstr(line, member);

	assert_non_null(at);
	at += strlen(member);
	assert_int_equal(*at++, '"');
	while (*at != '"') {
		size_t n = 1;

		if (*at == '\\')
			n = 6;
		else if ((unsigned char)*at >= 0xf0)
			n = 4;
		for (size_t i = 1; i < n; i++)
			assert_true(n == 6 ? strchr("u0123456789abcdef", at[i]) != NULL :
					     ((unsigned char)at[i] & 0xc0) == 0x80);
		at += n;
	}
	assert_int_equal(at[1], ',');
}

/* All texts at their longest, each of another kind of character. */
static void test_long_texts(void **state)
{
	static char controls[5000], plain[5000], wide[5000];
	struct access_log_entry entry = entry_of(NULL);
	const char *line;

	(void)state;
	memset(controls, '\x01', sizeof(controls));
	memset(plain, 'p', sizeof(plain));
	for (size_t i = 0; i < sizeof(wide); i += 4)
		memcpy(wide + i, "\xf0\x9f\x98\x80", 4);
	entry.client = (struct access_log_text){ plain, sizeof(plain) };
	entry.method = (struct access_log_text){ wide, sizeof(wide) };
	entry.host = (struct access_log_text){ controls, sizeof(controls) };
	entry.uri = (struct access_log_text){ plain, sizeof(plain) };
	entry.script = (struct access_log_text){ controls + 1, sizeof(controls) - 1 };
	entry.id = "0123456789012345678901234567890123456789012345678901234567890123";
	entry.pool = "012345678901234567890123456789012345678901234567890123456789012";
	entry.reason = "response_header_too_big";
	entry.wall_us = entry.n_bytes = entry.queue_us = entry.connect_us = UINT64_MAX;
	entry.first_byte_us = entry.total_us = UINT64_MAX;
	entry.status = entry.n_replays = UINT32_MAX;
	entry.worker = INT32_MIN;
	to_file();
	access_log_write(&access_log, &entry);
	assert_int_equal(access_log.n_lost, 0);
	line = scene_read("a.log");
	assert_in_range(strlen(line), 2000, 4096);
	assert_int_equal(scene_count(line, "\n"), 1);
	assert_cut_well(line, "\"client\":");
	assert_cut_well(line, "\"method\":");
	assert_cut_well(line, "\"host\":");
	assert_cut_well(line, "\"uri\":");
	assert_cut_well(line, "\"script\":");
	assert_non_null(strstr(line, ",\"reason\":\"response_header_too_big\"}\n"));
}

static void test_cuts_of_every_length(void **state)
{
	static char text[700];

	(void)state;
	to_file();
	for (size_t n_front = 560; n_front < 610; n_front++) {
		struct access_log_entry entry = entry_of("");

		memset(text, 'x', n_front);
		memcpy(text + n_front, "\xf0\x9f\x98\x80\x01\x01\x01\x01\x01\x01", 10);
		entry.uri = (struct access_log_text){ text, n_front + 10 };
		assert_int_equal(ftruncate(access_log.fd, 0), 0);
		access_log_write(&access_log, &entry);
		assert_cut_well(scene_read("a.log"), "\"uri\":");
	}
}

static void test_sinks(void **state)
{
	const struct access_log_entry entry = entry_of("/x");
	struct stat st;

	(void)state;
	assert_int_equal(access_log_init(&access_log, CONF_SINK_OFF, ""), 0);
	assert_false(access_log_is_on(&access_log));
	access_log_done(&access_log);
	assert_int_equal(access_log_init(&access_log, CONF_SINK_STDERR, ""), 0);
	assert_true(access_log_is_on(&access_log));
	access_log_write(&access_log, &entry);
	assert_non_null(strstr(scene_log(), "\"uri\":\"/x\""));
	access_log_done(&access_log);
	/* stderr itself stays open, and a file is appended to */
	assert_true(fcntl(STDERR_FILENO, F_GETFD) >= 0);
	for (int i = 0; i < 2; i++) {
		to_file();
		access_log_write(&access_log, &entry);
		access_log_done(&access_log);
	}
	assert_int_equal(scene_count(scene_read("a.log"), "\n"), 2);
	assert_int_equal(stat(scene_path("a.log"), &st), 0);
	assert_int_equal(st.st_mode & 07007, 0);
}

static void test_lost_lines(void **state)
{
	const struct access_log_entry entry = entry_of("/x");

	(void)state;
	assert_int_equal(access_log_init(&access_log, CONF_SINK_FILE, "/nonexistent/x"),
			 -ENOENT);
	assert_true(access_log_is_on(&access_log));
	access_log_write(&access_log, &entry);
	assert_int_equal(access_log.n_lost, 1);
	access_log_done(&access_log);
	access_log.n_lost = 0;
	assert_int_equal(access_log_init(&access_log, CONF_SINK_FILE, "/dev/full"), 0);
	access_log_write(&access_log, &entry);
	access_log_write(&access_log, &entry);
	assert_int_equal(access_log.n_lost, 2);
}

/* Whose reader has stopped: nothing blocks, and no line is written in part. */
static void test_full_fifo(void **state)
{
	static char bytes[1024 * 1024];
	const struct access_log_entry entry = entry_of("/x");
	ssize_t n;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(scene_path("fifo"), 0600), 0);
	fd = open(scene_path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(access_log_init(&access_log, CONF_SINK_FILE, scene_path("fifo")),
			 0);
	for (unsigned i = 0; i < 2000; i++)
		access_log_write(&access_log, &entry);
	n = read(fd, bytes, sizeof(bytes) - 1);
	assert_true(n > 0);
	bytes[n] = '\0';
	assert_int_equal(bytes[n - 1], '\n');
	assert_int_equal(scene_count(bytes, "\n") + access_log.n_lost, 2000);
	assert_int_equal(scene_count(bytes, "{\"time\""), scene_count(bytes, "\n"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		access_log_test(test_members),
		access_log_test(test_what_is_not_there),
		access_log_test(test_escapes),
		access_log_test(test_long_texts),
		access_log_test(test_cuts_of_every_length),
		access_log_test(test_sinks),
		access_log_test(test_lost_lines),
		access_log_test(test_full_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
