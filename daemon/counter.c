/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted, and the words for it. */

#include "daemon/counter.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/macros.h"

static const char *const counter_words[COUNTER_N] = {
	[COUNTER_CLIENTS] = "clients",
	[COUNTER_CLIENTS_DENIED] = "clients_denied",
	[COUNTER_CLIENTS_CROWDED] = "clients_crowded",
	[COUNTER_CLIENTS_PAUSED] = "clients_paused",
	[COUNTER_REQUESTS] = "requests",
	[COUNTER_SERVED] = "served",
	[COUNTER_QUEUED] = "queued",
	[COUNTER_CONNECTS] = "connects",
	[COUNTER_HANDED_OVER] = "handed_over",
	[COUNTER_HELLOS] = "hellos",
	[COUNTER_WITHDRAWN] = "withdrawn",
	[COUNTER_BACKGROUND] = "background",
	[COUNTER_ABANDONED] = "abandoned",
	[COUNTER_REPLAYED] = "replayed",
	[COUNTER_RETURNED] = "returned",
	[COUNTER_BROKEN] = "broken",
	[COUNTER_FOREIGN_RECORDS] = "foreign_records",
	[COUNTER_CLIENT_VERSION] = "client_version",
	[COUNTER_CLIENT_PROTOCOL] = "client_protocol",
	[COUNTER_CANT_MPX] = "cant_mpx",
	[COUNTER_UNKNOWN_ROLE] = "unknown_role",
	[COUNTER_UNKNOWN_TYPE] = "unknown_type",
	[COUNTER_GET_VALUES] = "get_values",
	[COUNTER_ABORTED] = "aborted",
	[COUNTER_PHP_LINES] = "php_lines",
	[COUNTER_PHP_LINES_LOST] = "php_lines_lost",
	[COUNTER_ACCESS_LINES_LOST] = "access_lines_lost",
};

const char *counter_word(enum counter counter)
{
	return counter_words[counter];
}

static size_t counters_add(char *text, size_t size, size_t at, const char *word,
			   uint64_t n)
{
	int r;

	if (n == 0 || at >= size)
		return at;
	r = snprintf(text + at, size - at, " %s=%" PRIu64, word, n);
	if (r >= 0 && (size_t)r < size - at)
		return at + (size_t)r;
	text[at] = '\0'; /* not a part of a number, and nothing behind it */
	return size;
}

const char *counters_print(const struct counters *counters, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (int i = 0; i < COUNTER_N; i++)
		at = counters_add(text, size, at, counter_words[i], counters->n[i]);
	for (int i = HEALTH_REASON_NONE + 1; i < HEALTH_REASON_N; i++)
		at = counters_add(text, size, at,
				  health_reason_row((enum health_reason)i)->word,
				  counters->reasons[i]);
	return text;
}
