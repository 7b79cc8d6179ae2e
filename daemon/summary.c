/* SPDX-License-Identifier: BSD-2-Clause */
/* The line that `systemctl status` shows. */

#include "daemon/summary.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pool.h"
#include "systemd/notify.h"

enum {
	SUMMARY_LOOK_US = 2000000,
	SUMMARY_REST_BYTES = 24, /* for "; 4294967295 more" */
};

static enum health_reason summary_reason(const struct pool *pool)
{
	if (pool->member.down != HEALTH_REASON_NONE)
		return pool->member.down;
	return pool->member.limit < pool->member.params.max_children ?
		       HEALTH_REASON_WORKERS_MISSING : HEALTH_REASON_NONE;
}

/* Adds to text what fits as a whole. False: nothing was added. */
__attribute__((format(printf, 3, 4))) static bool summary_add(char *text, size_t size,
							      const char *format, ...)
{
	size_t at = strlen(text);
	va_list args;
	int r;

	if (at >= size)
		return false;
	va_start(args, format);
	r = vsnprintf(text + at, size - at, format, args);
	va_end(args);
	if (r >= 0 && (size_t)r < size - at)
		return true;
	text[at] = '\0';
	return false;
}

static void summary_add_ill(const struct list *pools, char *text, size_t size)
{
	enum health_reason reason;
	unsigned n_left_out = 0;
	struct pool *pool;

	LIST_FOREACH(pool, pools, node) {
		reason = summary_reason(pool);
		if (reason != HEALTH_REASON_NONE &&
		    !summary_add(text, size - MIN(size, (size_t)SUMMARY_REST_BYTES),
				 "; %s: %s", pool_name(pool),
				 health_reason_row(reason)->word))
			n_left_out++;
	}
	if (n_left_out > 0)
		(void)summary_add(text, size, "; %u more", n_left_out);
}

const char *summary_print(const struct list *pools, const char *note, char *text,
			  size_t size)
{
	unsigned n_pools = 0, n_exchanges = 0;
	size_t n_waiting = 0;
	struct pool *pool;

	LIST_FOREACH(pool, pools, node) {
		n_pools++;
		n_exchanges += pool->n_exchanges;
		n_waiting += pool->queue.n_waiting;
	}
	text[0] = '\0';
	(void)summary_add(text, size, "%u pool%s, %u request%s, %zu of them waiting",
			  n_pools, n_pools == 1 ? "" : "s", n_exchanges,
			  n_exchanges == 1 ? "" : "s", n_waiting);
	if (note)
		(void)summary_add(text, size, "; %s", note);
	summary_add_ill(pools, text, size);
	return text;
}

static void summary_on_look(struct loop_deadline *deadline)
{
	struct summary *summary = container_of(deadline, struct summary, look);
	char text[SUMMARY_MAX_BYTES];

	loop_deadline_start(loop_deadline_list(summary->loop, SUMMARY_LOOK_US), deadline);
	summary_print(summary->pools, summary->note, text, sizeof(text));
	if (strcmp(text, summary->text) == 0)
		return;
	memcpy(summary->text, text, sizeof(text));
	(void)notify_status(text);
}

void summary_init(struct summary *summary, struct loop *loop, const struct list *pools)
{
	*summary = (struct summary){
		.loop = loop,
		.pools = pools,
		.look = { .on_due = summary_on_look },
	};
	if (getenv("NOTIFY_SOCKET"))
		summary_on_look(&summary->look);
}

void summary_set_note(struct summary *summary, const char *note)
{
	summary->note = note;
	summary->text[0] = '\0'; /* whoever calls has told the manager something else */
}

void summary_done(struct summary *summary)
{
	loop_deadline_clear(&summary->look);
}
