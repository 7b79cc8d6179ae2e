/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of health/reason: the table is whole, and says what was agreed.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "health/reason.h"

/* The agreed words and statuses, written down once more on purpose: other programs match
 * them in logs, metrics and headers. */
static const struct {
	enum health_reason reason;
	const char *word;
	enum health_reason_class class;
	unsigned status;
} agreed[] = {
	{ HEALTH_REASON_NONE, "none", HEALTH_REASON_OWN, 0 },
	{ HEALTH_REASON_QUEUE_FULL, "queue_full", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_QUEUE_TIMEOUT, "queue_timeout", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_SHED, "shed", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_DRAINING, "draining", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_PAUSED, "paused", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_DESCRIPTORS, "descriptors", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_MEMORY_FULL, "memory_full", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_SPOOL_FULL, "spool_full", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_QUARANTINED, "quarantined", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_BLOCKED, "blocked", HEALTH_REASON_OWN, 503 },
	{ HEALTH_REASON_KEY_OVER_CAP, "key_over_cap", HEALTH_REASON_OWN, 429 },
	{ HEALTH_REASON_POOL_DOWN, "pool_down", HEALTH_REASON_BACKEND, 503 },
	{ HEALTH_REASON_BACKEND_ABSENT, "backend_absent", HEALTH_REASON_BACKEND, 0 },
	{ HEALTH_REASON_BACKEND_REFUSED, "backend_refused", HEALTH_REASON_BACKEND, 0 },
	{ HEALTH_REASON_BACKEND_PERMISSION, "backend_permission", HEALTH_REASON_BACKEND,
	  0 },
	{ HEALTH_REASON_BACKEND_NOT_SOCKET, "backend_not_socket", HEALTH_REASON_BACKEND,
	  0 },
	{ HEALTH_REASON_BACKEND_FULL, "backend_full", HEALTH_REASON_BACKEND, 0 },
	{ HEALTH_REASON_BACKEND_UNREACHABLE, "backend_unreachable",
	  HEALTH_REASON_BACKEND, 0 },
	{ HEALTH_REASON_WORKERS_MISSING, "workers_missing", HEALTH_REASON_BACKEND, 0 },
	{ HEALTH_REASON_WORKER_DIED, "worker_died", HEALTH_REASON_WORKER, 503 },
	{ HEALTH_REASON_RESPONSE_MALFORMED, "response_malformed", HEALTH_REASON_WORKER,
	  503 },
	{ HEALTH_REASON_RESPONSE_HEADER_TOO_BIG, "response_header_too_big",
	  HEALTH_REASON_WORKER, 503 },
	{ HEALTH_REASON_FPM_TERMINATED, "fpm_terminated", HEALTH_REASON_WORKER, 504 },
	{ HEALTH_REASON_REQUEST_TIMEOUT, "request_timeout", HEALTH_REASON_WORKER, 504 },
	{ HEALTH_REASON_READ_TIMEOUT, "read_timeout", HEALTH_REASON_WORKER, 504 },
	{ HEALTH_REASON_ANSWER_BY, "answer_by", HEALTH_REASON_WORKER, 504 },
	{ HEALTH_REASON_BODY_TIMEOUT, "body_timeout", HEALTH_REASON_PEER, 408 },
	{ HEALTH_REASON_BODY_TOO_BIG, "body_too_big", HEALTH_REASON_PEER, 413 },
	{ HEALTH_REASON_PARAMS_TOO_BIG, "params_too_big", HEALTH_REASON_PEER, 431 },
	{ HEALTH_REASON_REQUEST_MALFORMED, "request_malformed", HEALTH_REASON_PEER, 400 },
	{ HEALTH_REASON_BODY_LENGTH, "body_length", HEALTH_REASON_PEER, 400 },
	{ HEALTH_REASON_PATH_REFUSED, "path_refused", HEALTH_REASON_PEER, 403 },
	{ HEALTH_REASON_PARAM_DENIED, "param_denied", HEALTH_REASON_PEER, 403 },
	{ HEALTH_REASON_CLIENT_LEFT, "client_left", HEALTH_REASON_PEER, 0 },
	{ HEALTH_REASON_SLOW_CLIENT, "slow_client", HEALTH_REASON_PEER, 0 },
};

static void test_agreed_rows(void **state)
{
	(void)state;
	assert_int_equal(sizeof(agreed) / sizeof(agreed[0]), HEALTH_REASON_N);
	for (size_t i = 0; i < HEALTH_REASON_N; i++) {
		const struct health_reason_row *row;

		row = health_reason_row(agreed[i].reason);
		assert_int_equal(agreed[i].reason, i);
		assert_string_equal(row->word, agreed[i].word);
		assert_int_equal(row->class, agreed[i].class);
		assert_int_equal(row->status, agreed[i].status);
	}
}

static void test_words_are_labels(void **state)
{
	(void)state;
	for (int i = 0; i < HEALTH_REASON_N; i++) {
		const char *word = health_reason_row((enum health_reason)i)->word;

		assert_in_range(strlen(word), 1, 32);
		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(word));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
				word, health_reason_row((enum health_reason)j)->word);
	}
}

/* Printable ASCII in one line, no full stop, no space at either end or doubled. */
static void assert_phrase(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		assert_in_range(text[i], 0x20, 0x7e);
		if (text[i] == ' ')
			assert_true(i > 0 && i + 1 < n && text[i + 1] != ' ');
	}
	if (n > 0)
		assert_true(text[n - 1] != '.');
}

static void test_texts(void **state)
{
	(void)state;
	for (int i = 0; i < HEALTH_REASON_N; i++) {
		const struct health_reason_row *row;

		row = health_reason_row((enum health_reason)i);
		assert_phrase(row->sentence);
		assert_in_range(strlen(row->sentence), 10, 80);
		assert_true(islower((unsigned char)row->sentence[0]) ||
			    strncmp(row->sentence, "PHP", 3) == 0);
		assert_null(strchr(row->sentence, '/'));
		assert_null(strchr(row->sentence, '_'));
		assert_non_null(row->advice);
		assert_phrase(row->advice);
		assert_in_range(strlen(row->advice), 0, 160);
	}
}

/* Where somebody of the site can act, something is said. */
static void test_advice(void **state)
{
	(void)state;
	for (int i = 0; i < HEALTH_REASON_N; i++) {
		const struct health_reason_row *row;

		row = health_reason_row((enum health_reason)i);
		if (row->class == HEALTH_REASON_BACKEND ||
		    row->class == HEALTH_REASON_WORKER)
			assert_true(row->advice[0] != '\0');
	}
}

static void test_outside_the_enum(void **state)
{
	const struct health_reason_row *none = health_reason_row(HEALTH_REASON_NONE);

	(void)state;
	assert_ptr_equal(health_reason_row(HEALTH_REASON_N), none);
	assert_ptr_equal(health_reason_row((enum health_reason)1000), none);
	assert_ptr_equal(health_reason_row((enum health_reason)-1), none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreed_rows),
		cmocka_unit_test(test_words_are_labels),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_outside_the_enum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
