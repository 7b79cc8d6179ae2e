/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Old configuration against new: what a reload has to do. */

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

enum conf_change { CONF_SAME, CONF_CHANGED, CONF_ADDED, CONF_REMOVED };

struct conf_pool_change {
	enum conf_change change;
	const struct conf_pool *old; /* NULL when added */
	const struct conf_pool *new; /* NULL when removed */
	/* CONF_CHANGED: which option differs first, for the log line; a static word such
	 * as "queue.size". NULL otherwise. */
	const char *option;
	unsigned n_options;          /* how many differ */
};

struct conf_diff {
	/* one per name: the removed first, then the others in the order of new */
	struct conf_pool_change *pools;
	size_t n_pools;
	/* A top-level option that only a restart can change (runtime_dir, spool_dir,
	 * status.*, memory_max, spool_max, clients_max), NULL: none changed. */
	const char *needs_restart;
	/* Any other top-level option that changed; NULL: none. */
	const char *top_option;
};

/* Compares values; where they were given does not count. 0, or -ENOMEM. Both
 * configurations must outlive *ret. */
int conf_diff(const struct conf *old, const struct conf *new, struct conf_diff *ret);
void conf_diff_done(struct conf_diff *diff);
