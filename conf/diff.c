/* SPDX-License-Identifier: BSD-2-Clause */
/* Old configuration against new: what a reload has to do. */
#include "conf/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"

/* The names of a configuration in order: thousands of pools must not be compared each
 * with each. */
struct names {
	const struct conf_pool **pools;
	size_t n;
};

static int names_compare(const void *a, const void *b)
{
	const struct conf_pool *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int names_init(struct names *names, const struct conf *conf)
{
	names->n = conf->n_pools;
	names->pools = calloc(names->n + 1, sizeof(names->pools[0]));
	if (!names->pools)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++)
		names->pools[i] = conf->pools[i];
	qsort(names->pools, names->n, sizeof(names->pools[0]), names_compare);
	return 0;
}

static const struct conf_pool *names_find(const struct names *names,
					  const struct conf_pool *like)
{
	const struct conf_pool **found = bsearch(&like, names->pools, names->n,
						 sizeof(names->pools[0]), names_compare);

	return found ? *found : NULL;
}

static struct conf_pool_change diff_pools(const struct conf_pool *old,
					  const struct conf_pool *new)
{
	struct conf_pool_change change = { .change = CONF_SAME, .old = old, .new = new };
	const struct conf_option *option;

	for (size_t i = 0; (option = conf_schema_at(&conf_schema_pool, i)); i++) {
		if (conf_option_is_equal(option, old, new))
			continue;
		change.change = CONF_CHANGED;
		if (change.n_options++ == 0)
			change.option = option->name;
	}
	return change;
}

static void diff_top(const struct conf *old, const struct conf *new,
		     struct conf_diff *diff)
{
	const struct conf_option *option;

	for (size_t i = 0; (option = conf_schema_at(&conf_schema_top, i)); i++) {
		const char **first = option->flags & CONF_OPTION_RESTART ?
					     &diff->needs_restart :
					     &diff->top_option;

		if (!*first && !conf_option_is_equal(option, old, new))
			*first = option->name;
	}
}

static void diff_add(struct conf_diff *diff, struct conf_pool_change change)
{
	diff->pools[diff->n_pools++] = change;
}

int conf_diff(const struct conf *old, const struct conf *new, struct conf_diff *ret)
{
	struct names old_names = { 0 }, new_names = { 0 };
	int r;

	*ret = (struct conf_diff){ 0 };
	r = names_init(&old_names, old);
	if (r == 0)
		r = names_init(&new_names, new);
	ret->pools = calloc(old->n_pools + new->n_pools + 1, sizeof(ret->pools[0]));
	if (r < 0 || !ret->pools) {
		r = -ENOMEM;
		goto out;
	}
	diff_top(old, new, ret);
	for (size_t i = 0; i < old->n_pools; i++)
		if (!names_find(&new_names, old->pools[i]))
			diff_add(ret, (struct conf_pool_change){ .change = CONF_REMOVED,
								 .old = old->pools[i] });
	for (size_t i = 0; i < new->n_pools; i++) {
		const struct conf_pool *pool = names_find(&old_names, new->pools[i]);

		if (pool)
			diff_add(ret, diff_pools(pool, new->pools[i]));
		else
			diff_add(ret, (struct conf_pool_change){ .change = CONF_ADDED,
								 .new = new->pools[i] });
	}
out:
	free(old_names.pools);
	free(new_names.pools);
	if (r < 0)
		conf_diff_done(ret);
	return r;
}

void conf_diff_done(struct conf_diff *diff)
{
	free(diff->pools);
	*diff = (struct conf_diff){ 0 };
}
