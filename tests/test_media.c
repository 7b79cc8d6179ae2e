/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/media: Accept headers of browsers and programs, and malformed
 * ones.
 */
#include "daemon/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *accept;
	enum media_kind kind;
} cases[] = {
	/* nothing said */
	{ "", MEDIA_HTML },
	{ " , ,\t", MEDIA_HTML },
	/* Firefox, Chrome, Safari; curl, wget, fetch() */
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", MEDIA_HTML },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
	  "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7", MEDIA_HTML },
	{ "*/*", MEDIA_HTML },
	/* axios, jQuery, API clients */
	{ "application/json, text/plain, */*", MEDIA_JSON },
	{ "application/json, text/javascript, */*; q=0.01", MEDIA_JSON },
	{ "application/json", MEDIA_JSON },
	{ "application/problem+json", MEDIA_JSON },
	{ "application/vnd.github+json", MEDIA_JSON },
	{ "application/ld+json;profile=\"a,b;q=0\", */*;q=0.1", MEDIA_JSON },
	{ "Application/JSON", MEDIA_JSON },
	{ "application/*", MEDIA_JSON },
	/* both named: the weight, then the order */
	{ "application/json, text/html", MEDIA_JSON },
	{ "text/html, application/json", MEDIA_HTML },
	{ "text/html;q=0.5, application/json", MEDIA_JSON },
	{ "application/json;q=0.5, text/html", MEDIA_HTML },
	{ "application/json;q=0.999, text/html;q=1.000", MEDIA_HTML },
	{ "text/html;q=0.12, application/json;q=0.123", MEDIA_JSON },
	{ "text/html ; Q = 0.5 , application/json", MEDIA_JSON },
	{ "application/json;q=0.2, application/ld+json, text/html;q=0.9", MEDIA_JSON },
	{ "application/json, application/ld+json;q=0.2, text/html;q=0.9", MEDIA_JSON },
	{ "application/xhtml+xml, application/json", MEDIA_HTML },
	{ "application/json ;q=0.5, text/html ;q=0.4", MEDIA_JSON },
	/* quoted: no separators, and no end at \" */
	{ "text/html;x=\",text/plain,\";q=0.1, application/json;q=0.5", MEDIA_JSON },
	{ "text/html;x=\"\\\",y\";q=0.1, application/json;q=0.5", MEDIA_JSON },
	/* named beats wildcard, whatever the order */
	{ "*/*, application/json", MEDIA_JSON },
	{ "*/*, text/plain", MEDIA_PLAIN },
	{ "text/*, application/json", MEDIA_JSON },
	{ "*/*, application/*", MEDIA_JSON },
	/* plain */
	{ "text/plain", MEDIA_PLAIN },
	{ "text/plain, text/html;q=0.9", MEDIA_PLAIN },
	{ "text/*", MEDIA_HTML },
	/* the more specific range says no */
	{ "text/html;q=0, */*", MEDIA_PLAIN },
	{ "text/*;q=0, */*", MEDIA_JSON },
	{ "*/*;q=0.9, text/*;q=0.1", MEDIA_JSON },
	{ "text/html;q=0, text/plain;q=0.0, application/json;q=0.000, */*", MEDIA_PLAIN },
	/* none of ours */
	{ "image/avif,image/webp", MEDIA_PLAIN },
	{ "image/*", MEDIA_PLAIN },
	{ "text/event-stream", MEDIA_PLAIN },
	{ "text/css,*/*;q=0.1", MEDIA_HTML },
	{ "*/*;q=0", MEDIA_PLAIN },
	{ "text/json", MEDIA_PLAIN },
	{ "text/html+json", MEDIA_PLAIN },
	/* malformed elements are passed over */
	{ "html, application/json", MEDIA_JSON },
	{ "/html, application/json", MEDIA_JSON },
	{ "text/, application/json", MEDIA_JSON },
	{ "text/html;q=2, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=1.001, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=x, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=0x, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=0.1234, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=0.1a, application/json;q=0.01", MEDIA_JSON },
	{ "text/html;q=-1, application/json;q=0.1", MEDIA_JSON },
	{ "text/html;q=0x5, application/json;q=0.1", MEDIA_JSON },
	{ "application/json;q=0.1, text/html;q=", MEDIA_JSON },
	{ "*/*, text/html;q=2", MEDIA_HTML },
	{ "/html", MEDIA_HTML },
	{ "text/", MEDIA_HTML },
	{ "text/html;;, application/json", MEDIA_HTML },
	{ "text/html;q, application/json", MEDIA_JSON },
	{ "text/html;a=\"x\\\",application/json;q=0.9", MEDIA_HTML },
	{ "text/html;a=\"\\", MEDIA_HTML },
	{ ";;;", MEDIA_HTML },
};

/* From memory of exactly that length, so that a byte read behind it is noticed. */
static enum media_kind choose(const char *accept)
{
	size_t n = strlen(accept);
	char *copy = malloc(n + (n == 0));
	enum media_kind kind;

	assert_non_null(copy);
	memcpy(copy, accept, n);
	kind = media_choose(copy, n);
	free(copy);
	return kind;
}

static void test_choices(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (choose(cases[i].accept) != cases[i].kind)
			fail_msg("\"%s\": not kind %d", cases[i].accept, cases[i].kind);
}

static void test_no_header(void **state)
{
	(void)state;
	assert_int_equal(media_choose(NULL, 0), MEDIA_HTML);
}

static void test_long_header_is_cut(void **state)
{
	static char accept[100000];

	(void)state;
	memset(accept, ',', sizeof(accept));
	memcpy(accept, "image/x", 7);
	memcpy(accept + 2000, "text/plain", 10);
	memcpy(accept + 3000, "application/json", 16);
	assert_int_equal(media_choose(accept, sizeof(accept)), MEDIA_PLAIN);
	memset(accept + 2000, ',', 10);
	memcpy(accept + 10, "text/html;q=0.1", 15);
	assert_int_equal(media_choose(accept, sizeof(accept)), MEDIA_HTML);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_no_header),
		cmocka_unit_test(test_long_header_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
