/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of the two schemas, and how to find an option in them. */
#include "conf/schema.h"

#include <stdint.h>
#include <string.h>

#define N_ITEMS(array) (sizeof(array) / sizeof((array)[0]))

static const struct conf_group *const top_groups[] = {
	&conf_group_top,
	&conf_group_status,
};
static const struct conf_group *const pool_groups[] = {
	&conf_group_pool,
	&conf_group_queue,
	&conf_group_fpm,
};

const struct conf_schema conf_schema_top = { top_groups, N_ITEMS(top_groups) };
const struct conf_schema conf_schema_pool = { pool_groups, N_ITEMS(pool_groups) };

const struct conf_option *conf_schema_at(const struct conf_schema *schema, size_t index)
{
	for (size_t i = 0; i < schema->n_groups; i++) {
		const struct conf_group *group = schema->groups[i];

		if (index < group->n_options)
			return &group->options[index];
		index -= group->n_options;
	}
	return NULL;
}

size_t conf_schema_count(const struct conf_schema *schema)
{
	size_t n = 0;

	for (size_t i = 0; i < schema->n_groups; i++)
		n += schema->groups[i]->n_options;
	return n;
}

size_t conf_schema_find(const struct conf_schema *schema, const char *name)
{
	const struct conf_option *option;

	for (size_t i = 0; (option = conf_schema_at(schema, i)); i++)
		if (strcmp(option->name, name) == 0)
			return i;
	return SIZE_MAX;
}

const struct conf_group *conf_schema_find_group(const struct conf_schema *schema,
						const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 1; i < schema->n_groups; i++) {
		const char *prefix = schema->groups[i]->prefix;

		if (strlen(prefix) == n + 1 && strncmp(prefix, name, n) == 0)
			return schema->groups[i];
	}
	return NULL;
}
