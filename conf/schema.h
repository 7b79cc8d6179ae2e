/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The option tables: one row says everything about an option.
 *
 * The parser, the range checks, fpmgate -T, the comparison at a reload and the test of
 * the manual and the example file all read these rows, so that an option is added by one
 * row and one paragraph of the manual.
 *
 * A schema belongs to one kind of object (struct conf, struct conf_pool). Its first group
 * stands for the object itself, the others for the libconfig groups inside it: option
 * "queue.size" is written `queue = { size = 1000; };`.
 */

#include <stddef.h>

#include "conf/option.h"

struct conf_group {
	const char *prefix; /* "" or the group's name with a dot: "queue." */
	const struct conf_option *options;
	size_t n_options;
};

struct conf_schema {
	const struct conf_group *const *groups; /* the first is the object itself */
	size_t n_groups;
};

extern const struct conf_group conf_group_top, conf_group_status; /* schema_top.c */
extern const struct conf_group conf_group_pool;                   /* schema_pool.c */
extern const struct conf_group conf_group_queue;                  /* schema_queue.c */
extern const struct conf_group conf_group_fpm;                    /* schema_fpm.c */

extern const struct conf_schema conf_schema_top;  /* of struct conf */
extern const struct conf_schema conf_schema_pool; /* of struct conf_pool */

/* Options count through all groups of a schema; NULL behind the last. */
const struct conf_option *conf_schema_at(const struct conf_schema *schema, size_t index);
size_t conf_schema_count(const struct conf_schema *schema);
/* The index of "queue.size"; SIZE_MAX when there is none. */
size_t conf_schema_find(const struct conf_schema *schema, const char *name);
/* The group that stands for `queue = { ... }`; NULL when there is none of that name. */
const struct conf_group *conf_schema_find_group(const struct conf_schema *schema,
						const char *name);
