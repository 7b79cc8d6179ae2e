/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The line that `systemctl status` shows: what all pools do at the moment, and which are
 * not well.
 */

#include <stddef.h>

#include "daemon/list.h"
#include "daemon/loop.h"

enum {
	SUMMARY_MAX_BYTES = 400, /* with its end; longer ones say how many are left out */
};

struct summary {
	struct loop *loop;
	const struct list *pools;
	const char *note;          /* static: how the last reload ended; NULL: well */
	struct loop_deadline look; /* runs when there is a service manager */
	char text[SUMMARY_MAX_BYTES]; /* as sent last */
};

/* From now on the manager gets the line whenever it has changed, every two seconds at
 * most. Both borrowed until summary_done(). */
void summary_init(struct summary *summary, struct loop *loop, const struct list *pools);
/* Another note (static, or NULL), and the line is sent anew. */
void summary_set_note(struct summary *summary, const char *note);
/* Harmless on one that is zero. */
void summary_done(struct summary *summary);

/* Writes the line of these pools to text, bounded by size; returns text. */
const char *summary_print(const struct list *pools, const char *note, char *text,
			  size_t size);
