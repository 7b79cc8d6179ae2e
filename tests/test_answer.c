/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/answer: every reason in every form, escaping, the operator's page.
 */
#include "daemon/answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/macros.h"

#define ID "01HQ3M5X7N2R8T4V6W9Y0Z1A2B"

/* Everything that must be escaped or replaced somewhere, and longer than is shown. */
static const char nasty_id[] = "<a>\"&'\\\r\nSet-Cookie: x=1\t\x7f\xc3\xa9"
			       "&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&end";

static const char *const accepts[] = { "text/html", "text/plain", "application/json" };

/* The answer of the last render(), NUL-terminated, and where its body begins. */
static char text[2000000];
static size_t n_text;
static const char *body;

static struct answer_params params_of(enum health_reason reason, const char *accept)
{
	return (struct answer_params){
		.reason = reason, .request_id = ID, .retry_after_s = 7,
		.accept = accept, .n_accept = strlen(accept), .is_get = true,
	};
}

static struct answer_params with_page(const char *page)
{
	struct answer_params params = params_of(HEALTH_REASON_QUEUE_FULL, "text/html");

	params.page = page;
	params.n_page = strlen(page);
	return params;
}

static void render(const struct answer_params *params)
{
	assert_int_equal(answer_render(params, text, sizeof(text) - 1, &n_text), 0);
	assert_in_range(n_text, 1, sizeof(text) - 1);
	text[n_text] = '\0';
	assert_int_equal(strlen(text), n_text);
	body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	body += 4;
}

static void assert_body(const struct answer_params *params, const char *expected)
{
	render(params);
	assert_string_equal(body, expected);
}

/* The value of a header field that is there once, or NULL. */
static const char *field(const char *name)
{
	static char value[256];
	char start[64];
	const char *at, *end;

	snprintf(start, sizeof(start), "\r\n%s: ", name);
	at = strstr(text, start);
	if (!at || at >= body)
		return NULL;
	assert_null(strstr(at + 2, start));
	at += strlen(start);
	end = strstr(at, "\r\n");
	snprintf(value, sizeof(value), "%.*s", (int)(end - at), at);
	return value;
}

static void assert_field(const char *name, const char *value)
{
	const char *found = field(name);

	assert_non_null(found);
	assert_string_equal(found, value);
}

static bool is_answer(enum health_reason reason)
{
	return health_reason_row(reason)->status != 0;
}

static void test_plain(void **state)
{
	struct answer_params params = params_of(HEALTH_REASON_QUEUE_FULL, "text/plain");

	(void)state;
	render(&params);
	assert_string_equal(text,
			    "Status: 503 Service Unavailable\r\n"
			    "Content-Length: 134\r\n"
			    "Retry-After: 7\r\n"
			    "Content-Type: text/plain; charset=utf-8\r\n"
			    "Cache-Control: no-store\r\n"
			    "Vary: Accept\r\n"
			    "X-Fpmgate-Reason: queue_full\r\n"
			    "X-Fpmgate-Request-Id: " ID "\r\n"
			    "\r\n"
			    "503 Service Unavailable\n"
			    "\n"
			    "Too many requests are waiting already.\n"
			    "Please try again in 7 seconds.\n"
			    "\n"
			    "queue_full " ID "\n");
}

static void test_json(void **state)
{
	struct answer_params params;

	(void)state;
	params = params_of(HEALTH_REASON_REQUEST_TIMEOUT, "application/json");
	assert_body(&params, "{\"type\":\"about:blank\",\"title\":\"Gateway Timeout\","
			     "\"status\":504,"
			     "\"detail\":\"The page took longer than it may.\","
			     "\"reason\":\"request_timeout\","
			     "\"request_id\":\"" ID "\"}\n");
	assert_field("Content-Type", "application/problem+json");
}

static void test_html(void **state)
{
	struct answer_params params = params_of(HEALTH_REASON_POOL_DOWN, "text/html");

	(void)state;
	render(&params);
	assert_field("Content-Type", "text/html; charset=utf-8");
	assert_memory_equal(body, "<!doctype html>\n", 16);
	assert_non_null(strstr(body, "<title>503 Service Unavailable</title>"));
	assert_non_null(strstr(body, "<h1>Service Unavailable</h1>"));
	assert_non_null(strstr(body, "<p>PHP does not answer at the moment.</p>"));
	assert_non_null(strstr(body, "<small>503 pool_down " ID "</small>"));
	assert_non_null(strstr(body, "prefers-color-scheme:dark"));
	assert_null(strstr(body, "{{"));
	/* nothing from outside */
	assert_null(strstr(body, "//"));
	assert_null(strstr(body, "src="));
	assert_null(strstr(body, "href="));
	assert_null(strstr(body, "url("));
	assert_null(strstr(body, "@import"));
	assert_null(strstr(body, "<script"));
}

static void test_every_reason_in_every_form(void **state)
{
	(void)state;
	for (enum health_reason reason = 0; reason < HEALTH_REASON_N; reason++) {
		const struct health_reason_row *row = health_reason_row(reason);

		for (size_t i = 0; i < ARRAY_SIZE(accepts) && row->status != 0; i++) {
			struct answer_params params = params_of(reason, accepts[i]);
			char start[32];

			render(&params);
			snprintf(start, sizeof(start), "Status: %u ", row->status);
			assert_memory_equal(text, start, strlen(start));
			assert_int_equal(strtoul(field("Content-Length"), NULL, 10),
					 strlen(body));
			assert_in_range(strlen(body), 1, 2047);
			assert_field("Cache-Control", "no-store");
			assert_field("Vary", "Accept");
			assert_field("X-Fpmgate-Reason", row->word);
			assert_field("X-Fpmgate-Request-Id", ID);
			assert_non_null(strstr(body, row->word));
			assert_non_null(strstr(body, row->sentence + 1));
			assert_non_null(strstr(body, ID));
		}
	}
}

static void test_log_only_reasons_are_no_answers(void **state)
{
	(void)state;
	for (enum health_reason reason = 0; reason < HEALTH_REASON_N; reason++) {
		struct answer_params params = params_of(reason, "");
		size_t n = 4711;

		if (is_answer(reason))
			continue;
		assert_int_equal(answer_render(&params, text, sizeof(text), &n), -EINVAL);
		assert_int_equal(n, 4711);
	}
}

static void test_titles(void **state)
{
	const struct {
		enum health_reason reason;
		const char *status;
	} titles[] = {
		{ HEALTH_REASON_QUEUE_FULL, "503 Service Unavailable" },
		{ HEALTH_REASON_ANSWER_BY, "504 Gateway Timeout" },
		{ HEALTH_REASON_KEY_OVER_CAP, "429 Too Many Requests" },
		{ HEALTH_REASON_BODY_TIMEOUT, "408 Request Timeout" },
		{ HEALTH_REASON_BODY_TOO_BIG, "413 Content Too Large" },
		{ HEALTH_REASON_PARAMS_TOO_BIG, "431 Request Header Fields Too Large" },
		{ HEALTH_REASON_REQUEST_MALFORMED, "400 Bad Request" },
		{ HEALTH_REASON_PATH_REFUSED, "403 Forbidden" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
		struct answer_params params = params_of(titles[i].reason, "text/plain");
		size_t n = strlen(titles[i].status);

		render(&params);
		assert_memory_equal(text + 8, titles[i].status, n);
		assert_memory_equal(text + 8 + n, "\r\n", 2);
		assert_memory_equal(body, titles[i].status, n);
	}
}

static void test_retry_after_only_with_503_and_429(void **state)
{
	(void)state;
	for (enum health_reason reason = 0; reason < HEALTH_REASON_N; reason++) {
		unsigned status = health_reason_row(reason)->status;
		struct answer_params params = params_of(reason, "text/html");

		if (!is_answer(reason))
			continue;
		render(&params);
		if (status == 503 || status == 429) {
			assert_field("Retry-After", "7");
			assert_non_null(strstr(body, "content=\"7\""));
		} else {
			assert_null(field("Retry-After"));
			assert_null(strstr(body, "refresh"));
			assert_null(strstr(body, "again"));
		}
		params.retry_after_s = 0;
		render(&params);
		assert_null(field("Retry-After"));
		assert_null(strstr(body, "refresh"));
	}
}

static void test_page_reloads_only_after_get(void **state)
{
	struct answer_params params = params_of(HEALTH_REASON_SHED, "text/html");

	(void)state;
	params.retry_after_s = 1;
	render(&params);
	assert_non_null(strstr(body, "<meta http-equiv=\"refresh\" content=\"1\">\n"));
	assert_non_null(
		strstr(body, "<p>This page tries again by itself in 1 second.</p>\n"));
	params.is_get = false;
	params.retry_after_s = 12;
	render(&params);
	assert_field("Retry-After", "12");
	assert_null(strstr(body, "refresh"));
	assert_non_null(strstr(body, "<p>Please try again in 12 seconds.</p>\n"));
}

static void test_head_is_get_without_body(void **state)
{
	static char get[5000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(accepts); i++) {
		struct answer_params params;

		params = params_of(HEALTH_REASON_QUEUE_TIMEOUT, accepts[i]);
		render(&params);
		memcpy(get, text, n_text + 1);
		get[body - text] = '\0';
		params.is_get = false;
		params.is_head = true;
		render(&params);
		assert_string_equal(text, get);
		assert_string_equal(body, "");
	}
}

static void test_no_request_id(void **state)
{
	struct answer_params params;
	const char *const ids[] = { NULL, "" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		params = params_of(HEALTH_REASON_PATH_REFUSED, "application/json");
		params.request_id = ids[i];
		render(&params);
		assert_null(field("X-Fpmgate-Request-Id"));
		assert_non_null(strstr(body, "\"request_id\":\"\"}"));
	}
}

static void test_request_id_is_escaped(void **state)
{
	struct answer_params params = params_of(HEALTH_REASON_SHED, "text/html");

	(void)state;
	params.request_id = nasty_id;
	render(&params);
	assert_non_null(strstr(body, "&lt;a&gt;&quot;&amp;&#39;\\??Set-Cookie: x=1????"));
	assert_null(strstr(body, "<a>"));
	assert_null(strstr(text, "end"));
	assert_null(field("Set-Cookie"));
	assert_memory_equal(field("X-Fpmgate-Request-Id"),
			    "<a>\"&'\\??Set-Cookie: x=1????&", 29);
	assert_int_equal(strlen(field("X-Fpmgate-Request-Id")), ANSWER_ID_MAX_BYTES);

	params = params_of(HEALTH_REASON_SHED, "application/json");
	params.request_id = nasty_id;
	render(&params);
	assert_non_null(strstr(body, "\"<a>\\\"&'\\\\??Set-Cookie: x=1????&&"));
	params = params_of(HEALTH_REASON_SHED, "text/plain");
	params.request_id = nasty_id;
	render(&params);
	assert_non_null(strstr(body, "shed <a>\"&'\\??Set-Cookie"));
}

static void test_operators_page(void **state)
{
	struct answer_params params;

	(void)state;
	params = with_page("<b>{{status}}|{{title}}|{{reason}}|{{sentence}}|"
			   "{{retry_after}}|{{request_id}}</b>");
	assert_body(&params, "<b>503|Service Unavailable|queue_full|"
			     "Too many requests are waiting already.|7|" ID "</b>");
	assert_field("Content-Type", "text/html; charset=utf-8");
	assert_field("Content-Length", "109");
	params = with_page("{{refresh}}{{again}}");
	assert_body(&params, "<meta http-equiv=\"refresh\" content=\"7\">\n"
			     "<p>This page tries again by itself in 7 seconds.</p>\n");
	params = with_page("[{{retry_after}}{{refresh}}{{again}}{{request_id}}]");
	params.reason = HEALTH_REASON_PARAM_DENIED;
	params.request_id = NULL;
	assert_body(&params, "[]");
	params = with_page("\x80 {{request_id}} <&>");
	params.request_id = "<&>";
	assert_body(&params, "\x80 &lt;&amp;&gt; <&>");
	/* only in place of HTML */
	params = with_page("mine");
	params.accept = "text/plain";
	params.n_accept = strlen(params.accept);
	render(&params);
	assert_memory_equal(body, "503 Service Unavailable\n", 24);
	params = with_page("");
	render(&params);
	assert_memory_equal(body, "<!doctype html>", 15);
}

static void test_braces_that_are_no_words(void **state)
{
	const struct {
		const char *page, *body;
	} pages[] = {
		{ "{{unknown}} {{ reason }} {{Reason}}",
		  "{{unknown}} {{ reason }} {{Reason}}" },
		{ "{{}} {} }} {reason}", "{{}} {} }} {reason}" },
		{ "{{{reason}}}", "{queue_full}" },
		{ "{{{{reason}}", "{{queue_full" },
		{ "a{{reason", "a{{reason" },
		{ "a{{reason}", "a{{reason}" },
		{ "{{", "{{" },
		{ "{", "{" },
		{ "{{a word that is far too long {{reason}}",
		  "{{a word that is far too long queue_full" },
		{ "a{b:c}@media{d{e:f}}{{reason}}", "a{b:c}@media{d{e:f}}queue_full" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		struct answer_params params = with_page(pages[i].page);

		assert_body(&params, pages[i].body);
	}
}

/* A search to the page's end at each brace would take minutes; this takes a moment. */
static void test_page_of_braces(void **state)
{
	static char page[1000000];
	struct answer_params params;

	(void)state;
	memset(page, '{', sizeof(page) - 1);
	params = with_page(page);
	alarm(60);
	render(&params);
	alarm(0);
	assert_int_equal(strlen(body), strlen(page));
}

static void test_page_that_does_not_fit(void **state)
{
	static char page[6000];
	struct answer_params params;
	char buf[ANSWER_MAX_BYTES], *length;
	size_t n, n_get;

	(void)state;
	memset(page, 'x', sizeof(page) - 1);
	params = with_page(page);
	assert_int_equal(answer_render(&params, buf, sizeof(buf), &n), 0);
	assert_non_null(memmem(buf, n, "<!doctype html>", 15));
	length = memmem(buf, n, "Content-Length: ", 16);
	assert_non_null(length);
	n_get = strtoul(length + 16, NULL, 10);
	/* HEAD tells the same */
	params.is_head = true;
	params.is_get = false;
	assert_int_equal(answer_render(&params, buf, sizeof(buf), &n), 0);
	assert_int_equal(strtoul(length + 16, NULL, 10), n_get);
	assert_memory_equal(buf + n - 4, "\r\n\r\n", 4);
}

/* Into every buffer that is too small, of exactly that size. */
static void test_small_buffers(void **state)
{
	struct answer_params params = params_of(HEALTH_REASON_SHED, "text/html");

	(void)state;
	render(&params);
	for (size_t size = 0; size <= n_text; size++) {
		char *buf = malloc(size + (size == 0));
		size_t n = 4711;
		int r = answer_render(&params, buf, size, &n);

		assert_int_equal(r, size < n_text ? -ENOBUFS : 0);
		assert_int_equal(n, size < n_text ? 4711 : n_text);
		if (r == 0)
			assert_memory_equal(buf, text, n);
		free(buf);
	}
}

/* No reason, form or request id makes an answer longer than was promised. */
static void test_promised_sizes(void **state)
{
	static const char words[] = "{{status}}{{title}}{{reason}}{{sentence}}"
				    "{{retry_after}}{{request_id}}{{refresh}}{{again}}";
	char id[ANSWER_ID_MAX_BYTES + 1] = "";
	size_t max = answer_max_bytes(words, strlen(words));

	(void)state;
	memset(id, '"', ANSWER_ID_MAX_BYTES);
	assert_int_equal(answer_max_bytes(NULL, 0), ANSWER_MAX_BYTES);
	assert_in_range(max, ANSWER_MAX_BYTES, 10000);
	for (enum health_reason reason = 0; reason < HEALTH_REASON_N; reason++) {
		for (size_t i = 0; i < ARRAY_SIZE(accepts) && is_answer(reason); i++) {
			struct answer_params params = params_of(reason, accepts[i]);

			params.request_id = id;
			params.retry_after_s = UINT32_MAX;
			assert_int_equal(answer_render(&params, text, ANSWER_MAX_BYTES,
						       &n_text), 0);
			params.page = words;
			params.n_page = strlen(words);
			assert_int_equal(answer_render(&params, text, max, &n_text), 0);
			if (i == 0)
				assert_null(memmem(text, n_text, "<!doctype", 9));
		}
	}
}

/* The same for a page of one word many times over, where a bound per word shows. */
static void test_promised_size_of_many_words(void **state)
{
	static const char *const words[] = {
		"{{status}}", "{{title}}", "{{reason}}", "{{sentence}}",
		"{{retry_after}}", "{{request_id}}", "{{refresh}}", "{{again}}",
	};
	char id[ANSWER_ID_MAX_BYTES + 1] = "", page[2000];

	(void)state;
	memset(id, '"', ANSWER_ID_MAX_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct answer_params params;
		size_t max;

		page[0] = '\0';
		for (size_t j = 0; j < 100; j++)
			strcat(page, words[i]);
		params = with_page(page);
		params.request_id = id;
		params.retry_after_s = UINT32_MAX;
		max = answer_max_bytes(page, strlen(page));
		assert_in_range(max, 1, sizeof(text));
		assert_int_equal(answer_render(&params, text, max, &n_text), 0);
		assert_null(memmem(text, n_text, "<!doctype", 9));
	}
}

static void test_promised_size_without_words(void **state)
{
	static char page[10000];
	struct answer_params params;
	size_t max;

	(void)state;
	assert_int_equal(answer_max_bytes("x", 1), ANSWER_MAX_BYTES);
	memset(page, 'x', sizeof(page) - 1);
	params = with_page(page);
	max = answer_max_bytes(page, strlen(page));
	assert_int_equal(answer_render(&params, text, max, &n_text), 0);
	assert_true(n_text > strlen(page));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_every_reason_in_every_form),
		cmocka_unit_test(test_log_only_reasons_are_no_answers),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_retry_after_only_with_503_and_429),
		cmocka_unit_test(test_page_reloads_only_after_get),
		cmocka_unit_test(test_head_is_get_without_body),
		cmocka_unit_test(test_no_request_id),
		cmocka_unit_test(test_request_id_is_escaped),
		cmocka_unit_test(test_operators_page),
		cmocka_unit_test(test_braces_that_are_no_words),
		cmocka_unit_test(test_page_of_braces),
		cmocka_unit_test(test_page_that_does_not_fit),
		cmocka_unit_test(test_small_buffers),
		cmocka_unit_test(test_promised_sizes),
		cmocka_unit_test(test_promised_size_of_many_words),
		cmocka_unit_test(test_promised_size_without_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
