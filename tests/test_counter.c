/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/counter: the words, and the line that shows them. */
#include "daemon/counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_is_word(const char *word)
{
	assert_non_null(word);
	assert_true(strlen(word) > 2);
	assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
}

/* Also no counter has a reason's word: they stand in one line. */
static void test_words(void **state)
{
	(void)state;
	for (int i = 0; i < COUNTER_N; i++) {
		assert_is_word(counter_word(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(counter_word(i), counter_word(j));
		for (int j = HEALTH_REASON_NONE + 1; j < HEALTH_REASON_N; j++)
			assert_string_not_equal(counter_word(i),
						health_reason_row(j)->word);
	}
	assert_string_equal(counter_word(COUNTER_CLIENTS), "clients");
	assert_string_equal(counter_word(COUNTER_REQUESTS), "requests");
	assert_string_equal(counter_word(COUNTER_HANDED_OVER), "handed_over");
	assert_string_equal(counter_word(COUNTER_ACCESS_LINES_LOST), "access_lines_lost");
}

static void test_print(void **state)
{
	struct counters counters = { 0 };
	char text[4096] = "x", printed[4096];

	(void)state;
	assert_ptr_equal(counters_print(&counters, text, sizeof(text)), text);
	assert_string_equal(text, "");
	counters.n[COUNTER_REQUESTS] = 12;
	counters.n[COUNTER_ACCESS_LINES_LOST] = UINT64_MAX;
	counters.reasons[HEALTH_REASON_NONE] = 3; /* not a reason */
	counters.reasons[HEALTH_REASON_NONE + 1] = 4;
	counters.reasons[HEALTH_REASON_N - 1] = 5;
	snprintf(text, sizeof(text),
		 " requests=12 access_lines_lost=18446744073709551615 %s=4 %s=5",
		 health_reason_row(HEALTH_REASON_NONE + 1)->word,
		 health_reason_row(HEALTH_REASON_N - 1)->word);
	assert_string_equal(counters_print(&counters, printed, sizeof(printed)), text);
}

/* All of them, in every size of buffer: as much as there is room for, nothing behind. */
static void test_print_is_bounded(void **state)
{
	static char whole[8192], part[8192];
	struct counters counters;
	size_t n;

	(void)state;
	memset(&counters, 0xff, sizeof(counters));
	counters_print(&counters, whole, sizeof(whole));
	n = strlen(whole);
	assert_true(n < sizeof(whole) - 1);
	for (size_t size = 1; size <= n + 2; size++) {
		size_t n_kept = size - 1 < n ? size - 1 : n;

		memset(part, '#', sizeof(part));
		counters_print(&counters, part, size);
		assert_true(strlen(part) <= n_kept);
		assert_memory_equal(part, whole, strlen(part));
		assert_true(part[0] == '\0' || whole[strlen(part)] == ' ' ||
			    whole[strlen(part)] == '\0');
		for (size_t i = size; i < size + 64; i++)
			assert_int_equal(part[i], '#');
	}
	assert_string_equal(part, whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
