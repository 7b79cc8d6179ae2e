/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/request: params collected in pieces, refused for a reason, framed
 * so that PHP-FPM gets the same pairs again.
 */
#include "daemon/request.h"

#include <fastcgi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/memory.h"
#include "daemon/request_wire.h"
#include "fcgi/params.h"
#include "fcgi/reader.h"

enum {
	ID = 0x1234,
	N_BIG = 1024 * 1024,
};

static struct memory memory;
static struct request request;
static struct request_parts parts;
static char *no_names[] = { NULL };
static char no_text[] = "";
static struct conf_pool options;

/* A list of pairs, encoded: what goes in, and what is wanted. */
struct list_of_pairs {
	uint8_t bytes[N_BIG];
	size_t n;
};
static struct list_of_pairs in, wanted, out;

static int begin(void **state)
{
	(void)state;
	memory_init(&memory, NULL, 8 * N_BIG);
	request_init(&request, &memory);
	options = (struct conf_pool){
		.deny_params = no_names,
		.request_id_param = no_text,
		.status_path = no_text,
		.ping_path = no_text,
		.params_count_max = 1000,
	};
	in.n = wanted.n = out.n = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	request_done(&request);
	request_done(&request);
	return memory.used == 0 ? 0 : -1;
}

#define request_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

static void again(void)
{
	assert_int_equal(end(NULL), 0);
	request_init(&request, &memory);
	in.n = wanted.n = out.n = 0;
}

static void put_n(struct list_of_pairs *pairs, const char *name, size_t n_name,
		  const char *value, size_t n_value)
{
	assert_true(pairs->n + fcgi_params_pair_bytes(n_name, n_value) <= N_BIG);
	pairs->n += fcgi_params_put(pairs->bytes + pairs->n, name, n_name, value,
				    n_value);
}

static void put(const char *name, const char *value)
{
	put_n(&in, name, strlen(name), value, strlen(value));
}

/* Put in, and expected at PHP-FPM's side. */
static void put_both(const char *name, const char *value)
{
	put(name, value);
	put_n(&wanted, name, strlen(name), value, strlen(value));
}

static void want(const char *name, const char *value)
{
	put_n(&wanted, name, strlen(name), value, strlen(value));
}

/* In pieces of n bytes, from memory of exactly that size. */
static void add_in_pieces(size_t n_piece)
{
	for (size_t at = 0; at < in.n; at += n_piece) {
		size_t n = n_piece < in.n - at ? n_piece : in.n - at;
		uint8_t *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, in.bytes + at, n);
		assert_int_equal(request_add(&request, copy, n, N_BIG), 0);
		free(copy);
	}
}

#define check_added() request_check(&request, &options, NULL)
static enum health_reason check(void)
{
	add_in_pieces(in.n > 0 ? in.n : 1);
	return check_added();
}

/* Reads the records as PHP-FPM does: every pair whole in its record. */
static void read_records(const uint8_t *bytes, size_t n)
{
	struct fcgi_reader reader;
	struct fcgi_event event;
	const uint8_t *content = NULL;
	int r;

	fcgi_reader_init(&reader);
	while ((r = fcgi_reader_next(&reader, &bytes, &n, &event)) == 0) {
		struct fcgi_params_iter iter;
		struct fcgi_param param;

		assert_int_equal(event.record.type, FCGI_PARAMS);
		assert_int_equal(event.record.id, ID);
		assert_true(event.record.n_content > 0);
		assert_true(event.record.n_content + event.record.n_padding <= 65535);
		if (event.kind == FCGI_EVENT_CONTENT)
			content = event.data;
		if (event.kind != FCGI_EVENT_DONE)
			continue;
		fcgi_params_iter_init(&iter, content, event.record.n_content);
		while ((r = fcgi_params_next(&iter, &param)) == 0)
			put_n(&out, param.name, param.n_name, param.value, param.n_value);
		assert_int_equal(r, FCGI_PARAMS_END);
	}
	assert_int_equal(r, FCGI_READER_PENDING);
	assert_true(fcgi_reader_is_between(&reader));
}

/* Frames, and compares with what is wanted, our id added. */
static void frame_and_compare(uint64_t n_body)
{
	out.n = 0;
	want("FPMGATE_REQUEST_ID", "OUR-ID");
	memset(&parts, 0xaa, sizeof(parts));
	assert_true(request_frame(&request, n_body, "OUR-ID", ID, &parts));
	assert_int_equal(parts.id, ID);
	read_records(parts.params, parts.n_params);
	assert_int_equal(out.n, wanted.n);
	assert_memory_equal(out.bytes, wanted.bytes, out.n);
}

static void assert_value(enum request_value value, const char *text)
{
	struct request_text got = request_get(&request, value);

	if (!text) {
		assert_null(got.text);
		assert_int_equal(got.n, 0);
		return;
	}
	assert_non_null(got.text);
	assert_int_equal(got.n, strlen(text));
	assert_memory_equal(got.text, text, got.n);
}

static void put_usual(void)
{
	put_both("QUERY_STRING", "a=b&c=d");
	put_both("REQUEST_METHOD", "GET");
	put_both("CONTENT_TYPE", "");
	put_both("CONTENT_LENGTH", "");
	put_both("SCRIPT_NAME", "/index.php");
	put_both("REQUEST_URI", "/shop?a=b&c=d");
	put_both("SCRIPT_FILENAME", "/srv/www/index.php");
	put_both("REMOTE_ADDR", "192.0.2.1");
	put_both("SERVER_NAME", "example.org");
	put_both("HTTP_ACCEPT", "text/html");
	put_both("HTTP_X_REQUEST_ID", "0123456789");
}

static void assert_usual(void)
{
	assert_value(REQUEST_QUERY_STRING, "a=b&c=d");
	assert_value(REQUEST_METHOD, "GET");
	assert_value(REQUEST_SCRIPT_NAME, "/index.php");
	assert_value(REQUEST_URI, "/shop?a=b&c=d");
	assert_value(REQUEST_SCRIPT_FILENAME, "/srv/www/index.php");
	assert_value(REQUEST_REMOTE_ADDR, "192.0.2.1");
	assert_value(REQUEST_SERVER_NAME, "example.org");
	assert_value(REQUEST_ACCEPT, "text/html");
	assert_value(REQUEST_CONTENT_LENGTH, "");
}

static void test_usual_request(void **state)
{
	(void)state;
	put_usual();
	for (size_t n_piece = 1; n_piece <= in.n; n_piece++) {
		add_in_pieces(n_piece);
		assert_int_equal(check_added(), HEALTH_REASON_NONE);
		assert_usual();
		assert_value(REQUEST_ID, NULL);
		assert_false(request.has_length);
		assert_true(request.is_safe_method);
		frame_and_compare(0);
		assert_usual();
		again();
		put_usual();
	}
}

static void test_no_params(void **state)
{
	(void)state;
	assert_int_equal(check_added(), HEALTH_REASON_NONE);
	for (int i = 0; i < REQUEST_N_VALUES; i++)
		assert_value(i, NULL);
	assert_false(request.is_safe_method);
	frame_and_compare(0);
}

static void test_methods(void **state)
{
	static const struct {
		const char *method;
		bool is_safe;
	} methods[] = {
		{ "GET", true }, { "HEAD", true }, { "OPTIONS", true },
		{ "POST", false }, { "PUT", false }, { "DELETE", false },
		{ "PATCH", false }, { "get", false }, { "", false }, { "GETS", false },
		{ "GE", false }, { "TRACE", false }, { "PROPFIND", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		put("REQUEST_METHOD", methods[i].method);
		assert_int_equal(check(), HEALTH_REASON_NONE);
		assert_int_equal(request.is_safe_method, methods[i].is_safe);
		again();
	}
}

/* Of two params of one name PHP takes the second. */
static void test_given_twice(void **state)
{
	(void)state;
	put_both("REQUEST_METHOD", "GET");
	put_both("CONTENT_LENGTH", "5");
	put_both("REQUEST_METHOD", "POST");
	put_both("CONTENT_LENGTH", "7");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_value(REQUEST_METHOD, "POST");
	assert_false(request.is_safe_method);
	assert_int_equal(request.content_length, 7);
	frame_and_compare(7);
}

static void test_names_that_are_similar(void **state)
{
	(void)state;
	put_both("REQUEST_METHOD2", "GET");
	put_both("REQUEST_METHO", "GET");
	put_both("request_method", "GET");
	put_both("HTTP_REQUEST_METHOD", "GET");
	put_both("", "GET");
	put_both("FPMGATE", "x");
	put_both("fpmgate_x", "x");
	put_both("XFPMGATE_X", "x");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_value(REQUEST_METHOD, NULL);
	frame_and_compare(0);
}

static void test_request_id_param(void **state)
{
	char name[] = "HTTP_X_REQUEST_ID";

	(void)state;
	options.request_id_param = name;
	put_usual();
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_value(REQUEST_ID, "0123456789");
	frame_and_compare(0);
	assert_value(REQUEST_ID, "0123456789");
	again();
	/* one that we look at anyway */
	memcpy(name, "REMOTE_ADDR", sizeof("REMOTE_ADDR"));
	put_usual();
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_value(REQUEST_ID, "192.0.2.1");
	assert_value(REQUEST_REMOTE_ADDR, "192.0.2.1");
}

static void test_ours_are_removed(void **state)
{
	(void)state;
	put("FPMGATE_REQUEST_ID", "forged");
	put_both("REQUEST_METHOD", "GET");
	put("FPMGATE_", "");
	put("FPMGATE_QUEUE_USEC", "0");
	put_both("SCRIPT_NAME", "/a.php");
	put("FPMGATE_ANYTHING", "x");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_value(REQUEST_METHOD, "GET");
	assert_value(REQUEST_SCRIPT_NAME, "/a.php");
	frame_and_compare(0);
	assert_value(REQUEST_METHOD, "GET");
	assert_value(REQUEST_SCRIPT_NAME, "/a.php");
	again();
	/* all of them */
	put("FPMGATE_A", "x");
	put("FPMGATE_B", "x");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	frame_and_compare(0);
}

static void test_denied(void **state)
{
	char value[] = "PHP_VALUE", admin[] = "PHP_ADMIN_VALUE";
	char *names[] = { value, admin, NULL };

	(void)state;
	put_usual();
	put("REQUEST_BODY_FILE", "/etc/passwd");
	assert_int_equal(check(), HEALTH_REASON_PARAM_DENIED);
	again();
	put("REQUEST_BODY_FILE", "");
	assert_int_equal(check(), HEALTH_REASON_PARAM_DENIED);
	again();
	put_both("PHP_ADMIN_VALUE", "open_basedir=/srv");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	frame_and_compare(0);
	again();
	options.deny_params = names;
	put("PHP_ADMIN_VALUE", "open_basedir=/srv");
	assert_int_equal(check(), HEALTH_REASON_PARAM_DENIED);
	again();
	put("PHP_VALUE", "");
	assert_int_equal(check(), HEALTH_REASON_PARAM_DENIED);
	again();
	put("REQUEST_BODY_FILE", "x");
	assert_int_equal(check(), HEALTH_REASON_PARAM_DENIED);
	again();
	put_both("PHP_VALUES", "x");
	put_both("HTTP_PHP_VALUE", "x");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	frame_and_compare(0);
}

static void test_content_length(void **state)
{
	static const struct {
		const char *text;
		enum health_reason reason;
		uint64_t length;
	} cases[] = {
		{ "0", HEALTH_REASON_NONE, 0 },
		{ "1", HEALTH_REASON_NONE, 1 },
		{ "0000012", HEALTH_REASON_NONE, 12 },
		{ "4294967296", HEALTH_REASON_NONE, 4294967296 },
		{ "999999999999999999", HEALTH_REASON_NONE, 999999999999999999 },
		{ "1000000000000000000", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "18446744073709551617", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "-2", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "-0", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "+1", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "1e3", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "0x10", HEALTH_REASON_BODY_LENGTH, 0 },
		{ " 1", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "1 ", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "1,1", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "1.0", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "12/", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "12:", HEALTH_REASON_BODY_LENGTH, 0 },
		{ "x", HEALTH_REASON_BODY_LENGTH, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_both("CONTENT_LENGTH", cases[i].text);
		assert_int_equal(check(), cases[i].reason);
		if (cases[i].reason == HEALTH_REASON_NONE) {
			assert_true(request.has_length);
			assert_int_equal(request.content_length, cases[i].length);
			frame_and_compare(cases[i].length);
		}
		again();
	}
}

static void test_body_max(void **state)
{
	(void)state;
	options.body_max_bytes = 1000;
	put("CONTENT_LENGTH", "1000");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	again();
	put("CONTENT_LENGTH", "1001");
	assert_int_equal(check(), HEALTH_REASON_BODY_TOO_BIG);
	again();
	put("CONTENT_LENGTH", "");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_false(request.has_length);
}

/* Not given, or given empty (nginx): PHP is told what was counted, once. */
static void test_length_is_added(void **state)
{
	(void)state;
	put_both("REQUEST_METHOD", "POST");
	put_both("SCRIPT_NAME", "/a.php");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	want("CONTENT_LENGTH", "18446744073709551615");
	frame_and_compare(UINT64_MAX);
	assert_value(REQUEST_SCRIPT_NAME, "/a.php");
	again();

	put_both("REQUEST_METHOD", "POST");
	put("CONTENT_LENGTH", "");
	put_both("SCRIPT_NAME", "/a.php");
	put_both("REQUEST_URI", "/a");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	want("CONTENT_LENGTH", "12");
	frame_and_compare(12);
	assert_value(REQUEST_METHOD, "POST");
	assert_value(REQUEST_SCRIPT_NAME, "/a.php");
	assert_value(REQUEST_URI, "/a");
	again();

	/* the first and only one */
	put("CONTENT_LENGTH", "");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	want("CONTENT_LENGTH", "1");
	frame_and_compare(1);
	again();
	/* Caddy: -1 when it is chunked */
	put("CONTENT_LENGTH", "-1");
	put_both("SCRIPT_NAME", "/a.php");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_false(request.has_length);
	want("CONTENT_LENGTH", "12");
	frame_and_compare(12);
	again();
	put("CONTENT_LENGTH", "-1");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	want("CONTENT_LENGTH", "0");
	frame_and_compare(0);
	again();
	/* no body: nothing to add */
	put_both("CONTENT_LENGTH", "");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	frame_and_compare(0);
}

static void test_paths(void **state)
{
	char status[] = "/status", ping[] = "/ping";
	static const struct {
		const char *script;
		bool is_refused;
	} cases[] = {
		{ "/status", true }, { "/ping", true }, { "/status/", false },
		{ "", false }, { "/", false }, { "/Status", false },
		{ "/status?full", false }, { "/index.php", false },
	};

	(void)state;
	options.status_path = status;
	options.ping_path = ping;
	for (int access = CONF_STATUS_PASS; access <= CONF_STATUS_REFUSE; access++) {
		options.status_access = (enum conf_status_access)access;
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			put("SCRIPT_NAME", cases[i].script);
			if (cases[i].is_refused && access == CONF_STATUS_REFUSE)
				assert_int_equal(check(), HEALTH_REASON_PATH_REFUSED);
			else
				assert_int_equal(check(), HEALTH_REASON_NONE);
			again();
		}
	}
	/* no such paths: an empty SCRIPT_NAME is none of them */
	options.status_path = options.ping_path = no_text;
	put("SCRIPT_NAME", "");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	again();
	assert_int_equal(check(), HEALTH_REASON_NONE);
}

static void test_too_many(void **state)
{
	(void)state;
	options.params_count_max = 3;
	put("A", "");
	put("A", "");
	put("A", "");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	again();
	put("A", "");
	put("A", "");
	put("A", "");
	put("A", "");
	assert_int_equal(check(), HEALTH_REASON_PARAMS_TOO_BIG);
}

static void test_too_many_bytes(void **state)
{
	static uint8_t bytes[3000];

	(void)state;
	assert_int_equal(request_add(&request, bytes, 1001, 1000), REQUEST_TOO_BIG);
	assert_int_equal(request_add(&request, bytes, 600, 1000), 0);
	assert_int_equal(request_add(&request, bytes, 401, 1000), REQUEST_TOO_BIG);
	assert_int_equal(request_add(&request, bytes, 400, 1000), 0);
	assert_int_equal(request_add(&request, bytes, 1, 1000), REQUEST_TOO_BIG);
	/* a limit that a reload has lowered */
	assert_int_equal(request_add(&request, bytes, 1, 10), REQUEST_TOO_BIG);
}

static void test_account_that_is_full(void **state)
{
	static uint8_t bytes[50000];
	size_t n = 0;

	(void)state;
	memory_init(&memory, NULL, 100000);
	while (request_add(&request, bytes, sizeof(bytes), N_BIG) == 0)
		n += sizeof(bytes);
	assert_in_range(n, 50000, 99999);
	assert_true(memory.used <= 100000);
	/* room for these, not for twice as many */
	assert_int_equal(request_add(&request, bytes, 30000, N_BIG), 0);
	again();
	memory_init(&memory, NULL, 10);
	assert_int_equal(request_add(&request, bytes, 1, N_BIG), REQUEST_MEMORY_FULL);
	assert_int_equal(memory.used, 0);
}

/* Memory may be gone when it comes to framing, which adds a record header or two. */
static void test_no_memory_for_framing(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "HTTP_X_%d", i);
		put_n(&in, name, strlen(name), (const char *)wanted.bytes, 16000);
	}
	assert_int_equal(check(), HEALTH_REASON_NONE);
	memory.max = memory.used;
	if (request_frame(&request, 0, "OUR-ID", ID, &parts))
		read_records(parts.params, parts.n_params);
	assert_true(memory.used <= memory.max);
}

static void test_malformed(void **state)
{
	(void)state;
	put_usual();
	/* cut at every byte: either it is noticed, or it was between two pairs */
	for (size_t n = 1; n < in.n; n++) {
		struct fcgi_params_iter iter;
		struct fcgi_param param;
		int r;

		request_init(&request, &memory);
		assert_int_equal(request_add(&request, in.bytes, n, N_BIG), 0);
		fcgi_params_iter_init(&iter, in.bytes, n);
		while ((r = fcgi_params_next(&iter, &param)) == 0)
			;
		assert_int_equal(check_added(), r == FCGI_PARAMS_END ?
				 HEALTH_REASON_NONE : HEALTH_REASON_REQUEST_MALFORMED);
		request_done(&request);
	}
}

static char large_text[N_BIG];

static int make_large_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_BIG; i++)
		large_text[i] = (char)('a' + i % 26);
	return 0;
}

/* The largest pair that a record can hold, and one byte more. */
static void test_large_pair(void **state)
{
	const size_t n_max = 65535 - 1 - 4 - 1; /* its lengths, a name of one byte */

	(void)state;
	put_usual();
	put_n(&in, "A", 1, large_text, n_max);
	put_n(&wanted, "A", 1, large_text, n_max);
	put_both("B", "last");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	frame_and_compare(0);
	assert_usual();
	again();
	put_n(&in, "A", 1, large_text, n_max + 1);
	assert_int_equal(check(), HEALTH_REASON_PARAMS_TOO_BIG);
	again();
	put_usual();
	put_n(&in, "A", 1, large_text, 70000);
	assert_int_equal(check(), HEALTH_REASON_PARAMS_TOO_BIG);
	again();
	/* one that is taken out anyway may be of any size */
	put_n(&in, "FPMGATE_X", 9, large_text, 70000);
	put_both("REQUEST_METHOD", "GET");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	frame_and_compare(0);
	assert_value(REQUEST_METHOD, "GET");
}

/* Values that we look at stand in the first, the middle and the last of some records. */
static void test_several_records(void **state)
{
	(void)state;
	for (size_t n_value = 3000; n_value < 66000; n_value += 2999) {
		put_both("REQUEST_METHOD", "GET");
		for (int i = 0; i < 7; i++) {
			size_t n = n_value - (size_t)i * 100;

			put_n(&in, "HTTP_COOKIE", 11, large_text, n);
			put_n(&wanted, "HTTP_COOKIE", 11, large_text, n);
			if (i == 3)
				put_both("SCRIPT_NAME", "/index.php");
			if (i == 4)
				put("CONTENT_LENGTH", "");
		}
		put_both("SERVER_NAME", "example.org");
		put_both("REQUEST_URI", "");
		want("CONTENT_LENGTH", "5");
		if (check() == HEALTH_REASON_NONE) {
			frame_and_compare(5);
			assert_true(parts.n_params > 3 * n_value);
		} else {
			assert_true(n_value + 4 + 1 + 11 > 65535);
		}
		assert_value(REQUEST_METHOD, "GET");
		if (n_value < 65000) {
			assert_value(REQUEST_SCRIPT_NAME, "/index.php");
			assert_value(REQUEST_SERVER_NAME, "example.org");
			assert_value(REQUEST_URI, "");
		}
		again();
	}
}

static const char *const some_names[] = {
	"REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "SCRIPT_NAME", "SCRIPT_FILENAME",
	"SERVER_NAME", "REMOTE_ADDR", "HTTP_ACCEPT", "HTTP_COOKIE", "FPMGATE_X", "",
};

/* What is to be found under the names that we look at: what was given last counts. They
 * stand in the order of enum request_value. */
static struct request_text random_values[REQUEST_CONTENT_LENGTH];

static void put_random_pair(size_t n_max)
{
	size_t k = (size_t)random() % (sizeof(some_names) / sizeof(some_names[0]));
	const char *name = some_names[k], *value = large_text + random() % 26;
	size_t n = (size_t)random() % n_max;

	put_n(&in, name, strlen(name), value, n);
	if (strcmp(name, "FPMGATE_X") != 0)
		put_n(&wanted, name, strlen(name), value, n);
	if (k < REQUEST_CONTENT_LENGTH)
		random_values[k] = (struct request_text){ value, n };
}

static void assert_random_values(void)
{
	for (int k = 0; k < REQUEST_CONTENT_LENGTH; k++) {
		struct request_text got = request_get(&request, k);

		assert_int_equal(got.text == NULL, random_values[k].text == NULL);
		assert_int_equal(got.n, random_values[k].n);
		if (got.n > 0)
			assert_memory_equal(got.text, random_values[k].text, got.n);
	}
}

static void test_random_params(void **state)
{
	static const size_t sizes[] = { 20000, 300, 3 };

	(void)state;
	srandom(1);
	for (int round = 0; round < 600; round++) {
		memset(random_values, 0, sizeof(random_values));
		for (long i = random() % 50; i >= 0; i--)
			put_random_pair(sizes[round % 3]);
		add_in_pieces(1 + (size_t)random() % (in.n + 100));
		assert_int_equal(check_added(), HEALTH_REASON_NONE);
		assert_random_values();
		frame_and_compare(0);
		assert_random_values();
		again();
	}
}

/* Any bytes: a reason, or something that can be framed. */
static void test_random_bytes(void **state)
{
	unsigned n_good = 0;

	(void)state;
	srandom(2);
	for (int round = 0; round < 30000; round++) {
		in.n = (size_t)random() % 40;
		for (size_t i = 0; i < in.n; i++)
			in.bytes[i] = (uint8_t)(random() % 4 ? random() % 4 : random());
		if (check() == HEALTH_REASON_NONE) {
			n_good++;
			assert_true(request_frame(&request, (uint64_t)random() % 2,
						  "OUR-ID", ID, &parts));
			read_records(parts.params, parts.n_params);
		}
		again();
	}
	assert_in_range(n_good, 100, 29000);
}

static uint64_t route_of(const char *server, const char *file, const char *script)
{
	uint64_t route;

	again();
	put("SERVER_NAME", server);
	put("SCRIPT_FILENAME", file);
	put("SCRIPT_NAME", script);
	put("REQUEST_URI", "/any");
	assert_int_equal(check(), HEALTH_REASON_NONE);
	route = request_route(&request);
	assert_true(route != 0);
	assert_true(request_frame(&request, 0, "x", ID, &parts));
	assert_true(request_route(&request) == route);
	return route;
}

static void test_route(void **state)
{
	uint64_t route = route_of("a", "b", "c");

	(void)state;
	assert_true(route == route_of("a", "b", "c"));
	assert_true(route != route_of("x", "b", "c"));
	assert_true(route != route_of("a", "x", "c"));
	assert_true(route != route_of("a", "b", "x"));
	assert_true(route_of("ab", "", "c") != route_of("a", "b", "c"));
	assert_true(route_of("", "", "") != 0);
	again();
	assert_int_equal(check(), HEALTH_REASON_NONE);
	assert_true(request_route(&request) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		request_test(test_usual_request),
		request_test(test_no_params),
		request_test(test_methods),
		request_test(test_given_twice),
		request_test(test_names_that_are_similar),
		request_test(test_request_id_param),
		request_test(test_ours_are_removed),
		request_test(test_denied),
		request_test(test_content_length),
		request_test(test_body_max),
		request_test(test_length_is_added),
		request_test(test_paths),
		request_test(test_too_many),
		request_test(test_too_many_bytes),
		request_test(test_account_that_is_full),
		request_test(test_no_memory_for_framing),
		request_test(test_malformed),
		request_test(test_large_pair),
		request_test(test_several_records),
		request_test(test_random_params),
		request_test(test_random_bytes),
		request_test(test_route),
	};

	return cmocka_run_group_tests(tests, make_large_text, NULL) != 0;
}
