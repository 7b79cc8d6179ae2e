/* SPDX-License-Identifier: BSD-2-Clause */
/* libconfig's tree of one file -> values of a struct conf, by the option tables. */
#include "conf/read.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/memory.h"
#include "conf/nearest.h"
#include "conf/option_text.h"
#include "conf/origin.h"
#include "conf/schema.h"
#include "conf/value.h"

enum read_result {
	READ_BAD =
		1, /* the setting cannot be used; complained about unless it is quiet */
};

/* A setting as the texts that an option is stored from. */
struct read_texts {
	const char **items;
	size_t n;
	const char *one; /* what items points to when there is no list */
	char number[CONF_NUMBER_TEXT_BYTES];
};

/* What is read: where it stands and whether it was complained about before. */
struct read_place {
	const config_setting_t *group; /* NULL: not there */
	const char *file;
	bool is_shared; /* the group `defaults`, checked once by itself */
};

/* --- the type of a setting --- */

static void read_describe_found(const config_setting_t *setting, char *buffer,
				size_t n_bytes)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
		snprintf(buffer, n_bytes, "the number %d",
			 config_setting_get_int(setting));
		break;
	case CONFIG_TYPE_INT64:
		snprintf(buffer, n_bytes, "the number %lld",
			 config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(buffer, n_bytes, "a number with a fraction");
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(buffer, n_bytes, "%s",
			 config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		snprintf(buffer, n_bytes, "a string");
		break;
	case CONFIG_TYPE_GROUP:
		snprintf(buffer, n_bytes, "a group");
		break;
	default:
		snprintf(buffer, n_bytes, "a list");
	}
}

/* Does the option take what the setting is, a list left aside? */
static bool read_has_type(const struct conf_option *option,
			  const config_setting_t *setting)
{
	int type = config_setting_type(setting);
	const char *text = config_setting_get_string(setting);

	switch (option->type) {
	case CONF_BOOL:
		return type == CONFIG_TYPE_BOOL;
	case CONF_INTEGER:
		if (type == CONFIG_TYPE_STRING && option->flags & CONF_OPTION_AUTO)
			return strcmp(text, "auto") == 0;
		return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
	default:
		return type == CONFIG_TYPE_STRING;
	}
}

static bool read_is_list(const config_setting_t *setting)
{
	return config_setting_is_list(setting) || config_setting_is_array(setting);
}

/* About the setting or one of its elements. The place is the setting's own: libconfig has
 * read the next token, perhaps lines later, when it notes the line of an element. */
static void read_complain_type(struct conf_read *read, const struct read_place *place,
			       const struct conf_option *option,
			       const config_setting_t *setting,
			       const config_setting_t *element)
{
	unsigned line = config_setting_source_line(setting);
	char expected[200], found[64];

	if (place->is_shared)
		return;
	if (strcmp(option->name, "backend") == 0 && read_is_list(element)) {
		conf_diags_add(
			read->diags, CONF_DIAG_ERROR, place->file, line,
			"backend: a pool has one backend for now, not a list: make "
			"a pool for each of them");
		return;
	}
	conf_option_describe(option, expected, sizeof(expected));
	read_describe_found(element, found, sizeof(found));
	conf_diags_add(read->diags, CONF_DIAG_ERROR, place->file, line,
		       "%s: expected %s, found %s", option->name, expected, found);
}

/* --- a setting as texts --- */

static int read_list_texts(struct conf_read *read, const struct read_place *place,
			   const struct conf_option *option,
			   const config_setting_t *setting, struct read_texts *ret)
{
	ret->n = (size_t)config_setting_length(setting);
	ret->items = conf_memory_take(read->memory, ret->n * sizeof(ret->items[0]));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < ret->n; i++) {
		const config_setting_t *element =
			config_setting_get_elem(setting, (unsigned)i);

		ret->items[i] = config_setting_get_string(element);
		if (!ret->items[i]) {
			read_complain_type(read, place, option, setting, element);
			return READ_BAD;
		}
	}
	return 0;
}

/* 0, READ_BAD or -ENOMEM. */
static int read_texts(struct conf_read *read, const struct read_place *place,
		      const struct conf_option *option, const config_setting_t *setting,
		      struct read_texts *ret)
{
	if (conf_option_is_list(option) && read_is_list(setting))
		return read_list_texts(read, place, option, setting, ret);
	if (!read_has_type(option, setting)) {
		read_complain_type(read, place, option, setting, setting);
		return READ_BAD;
	}
	ret->n = 1;
	ret->items = &ret->one;
	if (option->type == CONF_BOOL) {
		ret->one = config_setting_get_bool(setting) ? "true" : "false";
	} else if (config_setting_type(setting) == CONFIG_TYPE_STRING) {
		ret->one = config_setting_get_string(setting);
		/* "" is the empty list too */
		if (conf_option_is_list(option) && !*ret->one)
			ret->n = 0;
	} else {
		snprintf(ret->number, sizeof(ret->number), "%lld",
			 config_setting_get_int64(setting));
		ret->one = ret->number;
	}
	return 0;
}

/* --- options --- */

/* 0, READ_BAD or -ENOMEM. */
static int read_setting(struct conf_read *read, const struct read_place *place,
			const struct conf_option *option, const config_setting_t *setting,
			void *object)
{
	struct read_texts texts;
	struct conf_why why;
	size_t first = 0, bad = 0;
	int r, result = 0;

	r = read_texts(read, place, option, setting, &texts);
	if (r != 0)
		return r;
	/* behind a bad element the list is read on: each one is complained about */
	do {
		r = conf_option_set(option, read->memory, object, texts.items + first,
				    texts.n - first, &bad, &why);
		if (r < 0)
			return r;
		first += bad;
		if (r > 0 && !place->is_shared)
			conf_diags_add(read->diags, CONF_DIAG_ERROR, place->file,
				       config_setting_source_line(setting), "%s: %s",
				       option->name, why.text);
		if (r > 0)
			result = READ_BAD;
		first++;
	} while (r > 0 && first < texts.n);
	return result;
}

/* The nearest of two places where an option may stand; NULL: in neither. */
static const config_setting_t *read_find(const struct conf_option *option,
					 const struct read_place *places, size_t n_places,
					 const struct read_place **ret_place)
{
	const char *name = conf_option_local_name(option);

	for (size_t i = 0; i < n_places; i++) {
		const config_setting_t *setting;

		if (!places[i].group ||
		    (places[i].is_shared && option->flags & CONF_OPTION_OWN))
			continue;
		setting = config_setting_get_member(places[i].group, name);
		*ret_place = &places[i];
		if (setting)
			return setting;
	}
	return NULL;
}

static int read_option(struct conf_read *read, const struct conf_option *option,
		       const struct read_place *places, size_t n_places, void *object,
		       struct conf_origin *origin)
{
	const struct read_place *place = NULL;
	const config_setting_t *setting = read_find(option, places, n_places, &place);
	int r;

	if (setting) {
		*origin = (struct conf_origin){
			.file = place->file,
			.line = config_setting_source_line(setting),
			.is_shared = place->is_shared,
		};
		r = read_setting(read, place, option, setting, object);
		if (r <= 0)
			return r;
		origin->is_bad = true;
	}
	return conf_option_set_preset(option, read->memory, object);
}

/* The group inside `place` that a prefix such as "queue." stands for. */
static struct read_place read_enter(struct conf_read *read,
				    const struct read_place *place, const char *prefix)
{
	struct read_place inner = *place;
	char name[32];

	if (!*prefix || !place->group)
		return inner;
	snprintf(name, sizeof(name), "%.*s", (int)strlen(prefix) - 1, prefix);
	inner.group = config_setting_get_member(place->group, name);
	if (!inner.group || config_setting_is_group(inner.group))
		return inner;
	if (!place->is_shared)
		conf_diags_add(read->diags, CONF_DIAG_ERROR, place->file,
			       config_setting_source_line(inner.group),
			       "%s is a group: write %s = { ... }", name, name);
	inner.group = NULL;
	return inner;
}

/* --- names that no table has --- */

static bool read_is_in_group(const struct conf_group *group, const char *name)
{
	for (size_t i = 0; i < group->n_options; i++)
		if (strcmp(conf_option_local_name(&group->options[i]), name) == 0)
			return true;
	return false;
}

/* The group of the schema that has an option of that name; NULL: none. */
static const struct conf_group *read_find_home(const struct conf_schema *schema,
					       const char *name)
{
	for (size_t i = 0; i < schema->n_groups; i++)
		if (read_is_in_group(schema->groups[i], name))
			return schema->groups[i];
	return NULL;
}

/* Everything that may stand in this group. */
static void read_offer_names(struct conf_nearest *nearest,
			     const struct conf_schema *schema,
			     const struct conf_group *group)
{
	static const char *const group_names[] = { "status", "queue", "fpm" };

	for (size_t i = 0; i < group->n_options; i++)
		conf_nearest_offer(nearest, conf_option_local_name(&group->options[i]));
	if (group != schema->groups[0])
		return;
	for (size_t i = 0; i < sizeof(group_names) / sizeof(group_names[0]); i++)
		if (conf_schema_find_group(schema, group_names[i]))
			conf_nearest_offer(nearest, group_names[i]);
	if (schema == &conf_schema_top) {
		conf_nearest_offer(nearest, "pools");
		conf_nearest_offer(nearest, "defaults");
	}
}

/* Where a name that does not belong here belongs; false: nowhere. */
static bool read_find_place(const struct conf_schema *schema, const char *name,
			    char *buffer, size_t n_bytes)
{
	const struct conf_group *home = read_find_home(schema, name);

	if (home && *home->prefix) {
		snprintf(buffer, n_bytes, "write %.*s = { %s = ...; }",
			 (int)strlen(home->prefix) - 1, home->prefix, name);
		return true;
	}
	if (read_find_home(&conf_schema_pool, name)) {
		snprintf(buffer, n_bytes,
			 "it is an option of a pool, for "
			 "pools = ( { ... } ) or defaults = { ... }");
		return true;
	}
	if (read_find_home(&conf_schema_top, name)) {
		snprintf(buffer, n_bytes, "it is an option for the top of the main file");
		return true;
	}
	return false;
}

static void read_complain_name(struct conf_read *read, const config_setting_t *setting,
			       const struct conf_schema *schema,
			       const struct conf_group *group)
{
	const char *name = config_setting_name(setting);
	struct conf_nearest nearest;
	char place[160];

	if (read_find_place(schema, name, place, sizeof(place))) {
		conf_diags_add(read->diags, CONF_DIAG_ERROR, read->file,
			       config_setting_source_line(setting),
			       "%s does not belong here: %s", name, place);
		return;
	}
	conf_nearest_init(&nearest, name);
	read_offer_names(&nearest, schema, group);
	conf_diags_add(read->diags, CONF_DIAG_ERROR, read->file,
		       config_setting_source_line(setting), "unknown option %.60s%s%s%s",
		       name, nearest.best ? "; did you mean " : "",
		       nearest.best ? nearest.best : "", nearest.best ? "?" : "");
}

/* Complains about every name in the setting that the group does not know. */
static void read_check_names(struct conf_read *read, const config_setting_t *setting,
			     const struct conf_schema *schema,
			     const struct conf_group *group)
{
	bool is_first = group == schema->groups[0];
	const config_setting_t *member;

	for (unsigned i = 0; (member = config_setting_get_elem(setting, i)); i++) {
		const char *name = config_setting_name(member);

		if (read_is_in_group(group, name))
			continue;
		if (is_first && conf_schema_find_group(schema, name))
			continue;
		if (is_first && schema == &conf_schema_top &&
		    (strcmp(name, "pools") == 0 || strcmp(name, "defaults") == 0))
			continue;
		read_complain_name(read, member, schema, group);
	}
}

/* --- objects --- */

/* All options of an object: from the first place that has them, else their defaults. The
 * names of the first place are checked. 0 or -ENOMEM. */
static int read_object(struct conf_read *read, const struct conf_schema *schema,
		       const struct read_place *places, size_t n_places, void *object,
		       struct conf_origin **ret_origins)
{
	struct conf_origin *origin;
	int r = 0;

	assert(n_places <= 2);
	origin = conf_memory_take(read->memory,
				  conf_schema_count(schema) * sizeof(*origin));
	if (!origin)
		return -ENOMEM;
	*ret_origins = origin;
	for (size_t g = 0; g < schema->n_groups; g++) {
		const struct conf_group *group = schema->groups[g];
		struct read_place inner[2] = { { 0 } };

		for (size_t i = 0; i < n_places; i++)
			inner[i] = read_enter(read, &places[i], group->prefix);
		if (inner[0].group)
			read_check_names(read, inner[0].group, schema, group);
		for (size_t i = 0; i < group->n_options && r == 0; i++)
			r = read_option(read, &group->options[i], inner, n_places, object,
					origin++);
	}
	return r;
}

static int read_pool(struct conf_read *read, const config_setting_t *setting)
{
	const struct read_place places[] = {
		{ setting, read->file, false },
		{ read->defaults, read->defaults_file, true },
	};
	struct conf *conf = read->conf;
	struct conf_pool **pools;
	struct conf_pool *pool;

	pool = conf_memory_take(read->memory, sizeof(*pool));
	pools = reallocarray(conf->pools, conf->n_pools + 1, sizeof(*pools));
	if (pools)
		conf->pools = pools;
	if (!pool || !pools)
		return -ENOMEM;
	pool->file = read->file;
	pool->line = config_setting_source_line(setting);
	pools[conf->n_pools++] = pool;
	return read_object(read, &conf_schema_pool, places, 2, pool, &pool->origins);
}

static int read_pools(struct conf_read *read, const config_setting_t *setting)
{
	const config_setting_t *element;
	int r = 0;

	if (!read_is_list(setting)) {
		conf_diags_add(
			read->diags, CONF_DIAG_ERROR, read->file,
			config_setting_source_line(setting),
			"pools is a list of groups: write pools = ( { name = ...; }, "
			"{ name = ...; } )");
		return 0;
	}
	for (unsigned i = 0; r == 0 && (element = config_setting_get_elem(setting, i));
	     i++) {
		if (!config_setting_is_group(element)) {
			conf_diags_add(read->diags, CONF_DIAG_ERROR, read->file,
				       config_setting_source_line(element),
				       "a pool is a group: write { name = ...; }");
			continue;
		}
		if (read->conf->n_pools == CONF_POOLS_MAX) {
			conf_diags_add(read->diags, CONF_DIAG_ERROR, read->file,
				       config_setting_source_line(element),
				       "there are more than %d pools", CONF_POOLS_MAX);
			return 0;
		}
		r = read_pool(read, element);
	}
	return r;
}

/* The group `defaults`, read into a pool that is never used: so each of its faults is
 * complained about once and not for every pool. */
static int read_defaults(struct conf_read *read, const config_setting_t *setting)
{
	const struct read_place place = { setting, read->file, false };
	struct conf_origin *origins;
	struct conf_pool scratch = { 0 };
	int r;

	if (!config_setting_is_group(setting)) {
		conf_diags_add(read->diags, CONF_DIAG_ERROR, read->file,
			       config_setting_source_line(setting),
			       "defaults is a group: write defaults = { ... }");
		return 0;
	}
	r = read_object(read, &conf_schema_pool, &place, 1, &scratch, &origins);
	if (r < 0)
		return r;
	for (size_t i = 0; i < conf_schema_count(&conf_schema_pool); i++) {
		const struct conf_option *option = conf_schema_at(&conf_schema_pool, i);

		if (option->flags & CONF_OPTION_OWN && origins[i].file)
			conf_diags_add(read->diags, CONF_DIAG_ERROR, read->file,
				       origins[i].line,
				       "%s cannot be in defaults: each pool has its own",
				       option->name);
	}
	read->defaults = setting;
	read->defaults_file = read->file;
	return 0;
}

int conf_read_main(struct conf_read *read, const config_t *tree)
{
	const config_setting_t *root = config_root_setting(tree);
	const struct read_place place = { root, read->file, false };
	const config_setting_t *setting;
	int r;

	r = read_object(read, &conf_schema_top, &place, 1, read->conf,
			&read->conf->origins);
	setting = config_setting_get_member(root, "defaults");
	if (r == 0 && setting)
		r = read_defaults(read, setting);
	setting = config_setting_get_member(root, "pools");
	if (r == 0 && setting)
		r = read_pools(read, setting);
	return r;
}

int conf_read_included(struct conf_read *read, const config_t *tree)
{
	const config_setting_t *root = config_root_setting(tree);
	const config_setting_t *setting;

	for (unsigned i = 0; (setting = config_setting_get_elem(root, i)); i++)
		if (strcmp(config_setting_name(setting), "pools") != 0)
			conf_diags_add(
				read->diags, CONF_DIAG_ERROR, read->file,
				config_setting_source_line(setting),
				"%.60s cannot be here: files of include_dir contain "
				"pools only",
				config_setting_name(setting));
	setting = config_setting_get_member(root, "pools");
	return setting ? read_pools(read, setting) : 0;
}
