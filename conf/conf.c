/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a file to a struct conf.
 *
 * A file goes through four stages: conf/text.h reads it, conf/lex.h looks for what
 * libconfig would misunderstand, libconfig makes a tree of it, conf/read.h makes values
 * of the tree. When all files are read, conf/check.h looks at the whole. Each stage adds
 * what it finds to the list of diagnostics, and only a file that has no tree is left out
 * of what follows: an operator sees as many mistakes as possible at once.
 */
#include "conf/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "conf/check.h"
#include "conf/diag.h"
#include "conf/lex.h"
#include "conf/memory.h"
#include "conf/origin.h"
#include "conf/read.h"
#include "conf/schema.h"
#include "conf/text.h"
#include "conf/value.h"

struct conf *conf_ref(struct conf *conf)
{
	conf->n_refs++;
	return conf;
}

struct conf *conf_unref(struct conf *conf)
{
	if (!conf || --conf->n_refs > 0)
		return NULL;
	free(conf->pools);
	conf_memory_free(conf->memory);
	free(conf);
	return NULL;
}

/* One reference, no option set. NULL: no memory. */
static struct conf *conf_new(const char *file)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (!conf)
		return NULL;
	conf->n_refs = 1;
	conf->memory = conf_memory_new();
	if (conf->memory)
		conf->file = conf_memory_copy(conf->memory, file);
	return conf->file ? conf : conf_unref(conf);
}

const struct conf_pool *conf_find_pool(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_pools; i++)
		if (strcmp(conf->pools[i]->name, name) == 0)
			return conf->pools[i];
	return NULL;
}

/* False: there is no tree, the reason is in diags. */
static bool conf_parse(const struct conf_text *text, config_t *tree,
		       struct conf_diags *diags)
{
	if (!conf_lex_check(text, diags))
		return false;
	if (config_read_string(tree, text->bytes))
		return true;
	conf_text_complain(text, diags, (unsigned)config_error_line(tree), "%s",
			   config_error_text(tree));
	return false;
}

/* 0 or -ENOMEM. */
static int conf_read_included_text(struct conf_read *read, const struct conf_text *text)
{
	config_t tree;
	int r = 0;

	config_init(&tree);
	if (conf_parse(text, &tree, read->diags))
		r = conf_read_included(read, &tree);
	config_destroy(&tree);
	return r;
}

static int conf_read_included_file(struct conf_read *read, const char *name)
{
	const char *folder = read->conf->include_dir;
	size_t n_bytes = strlen(folder) + strlen(name) + 2;
	char *path = conf_memory_take(read->memory, n_bytes);
	struct conf_text text;
	int r;

	if (!path)
		return -ENOMEM;
	snprintf(path, n_bytes, "%s/%s", folder, name);
	read->file = path;
	r = conf_text_read(&text, path, read->diags);
	if (r == 0)
		r = conf_read_included_text(read, &text);
	conf_text_done(&text);
	return r == -EINVAL ? 0 : r;
}

/* *.conf, but not what editors and packagers hide behind a dot. */
static int conf_is_included(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 &&
	       strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* By bytes: the order must not hang on a locale. */
static int conf_compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int conf_read_folder(struct conf_read *read)
{
	const struct conf_origin *origin = conf_origin_in_top(read->conf, "include_dir");
	size_t i_option = conf_schema_find(&conf_schema_top, "include_dir");
	const struct conf_option *option = conf_schema_at(&conf_schema_top, i_option);
	const char *folder = read->conf->include_dir;
	struct dirent **entries = NULL;
	int n, r = 0;

	if (!*folder)
		return 0;
	n = scandir(folder, &entries, conf_is_included, conf_compare_names);
	if (n < 0 && errno == ENOMEM)
		return -ENOMEM;
	/* nobody has to make the default folder; its name decides, given or not */
	if (n < 0 && !(errno == ENOENT && strcmp(folder, option->preset) == 0))
		conf_diags_add(read->diags, CONF_DIAG_ERROR,
			       origin->file ? origin->file : read->conf->file,
			       origin->line, "include_dir: cannot read %s: %s", folder,
			       strerror(errno));
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = conf_read_included_file(read, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* --- values that hang on other values --- */

/* status.control, when it is not given, stands in runtime_dir. */
static int conf_settle_control(struct conf *conf, struct conf_diags *diags)
{
	const struct conf_origin *origin = conf_origin_in_top(conf, "runtime_dir");
	size_t i_option = conf_schema_find(&conf_schema_top, "status.control");
	char path[CONF_TEXT_MAX + 32];
	const char *text = path;
	struct conf_why why;
	size_t bad;
	int r;

	if (conf->status_control.kind != CONF_ADDRESS_NONE)
		return 0;
	snprintf(path, sizeof(path), "%s/control.sock", conf->runtime_dir);
	r = conf_option_set(conf_schema_at(&conf_schema_top, i_option), conf->memory,
			    conf, &text, 1, &bad, &why);
	if (r > 0) {
		conf_diags_add(diags, CONF_DIAG_ERROR, origin->file, origin->line,
			       "runtime_dir: its control.sock cannot be a socket: %s",
			       why.text);
		r = 0;
	}
	return r;
}

/* The default of body_memory is no reason to refuse a small body_max. */
static void conf_settle_body_memory(struct conf_pool *pool)
{
	if (!conf_origin_in_pool(pool, "body_memory")->file && pool->body_max_bytes > 0 &&
	    pool->body_memory_bytes > pool->body_max_bytes)
		pool->body_memory_bytes = pool->body_max_bytes;
}

/* What `defaults` says of masters of our own means nothing to a pool with a backend. 0 or
 * -ENOMEM. */
static int conf_settle_master(struct conf *conf, struct conf_pool *pool)
{
	const struct conf_option *option;
	int r = 0;

	for (size_t i = 0; r == 0 && (option = conf_schema_at(&conf_schema_pool, i));
	     i++) {
		if (strncmp(option->name, "fpm.", 4) != 0 || *pool->php_fpm ||
		    !pool->origins[i].is_shared)
			continue;
		r = conf_option_set_preset(option, conf->memory, pool);
		pool->origins[i] = (struct conf_origin){ 0 };
	}
	return r;
}

/* --- loading --- */

/* `is_file`: the folders that it names may be looked at. 0 also when diags have got
 * errors; -ENOMEM. */
static int conf_build(struct conf *conf, const struct conf_text *text, bool is_file,
		      struct conf_diags *diags)
{
	struct conf_read read = {
		.conf = conf,
		.memory = conf->memory,
		.diags = diags,
		.file = conf->file,
	};
	config_t tree;
	int r = 0;

	config_init(&tree);
	if (!conf_parse(text, &tree, diags))
		goto out;
	r = conf_read_main(&read, &tree);
	if (r == 0 && is_file)
		r = conf_read_folder(&read);
	if (r == 0)
		r = conf_settle_control(conf, diags);
	for (size_t i = 0; r == 0 && i < conf->n_pools; i++) {
		conf_settle_body_memory(conf->pools[i]);
		r = conf_settle_master(conf, conf->pools[i]);
	}
	if (r == 0)
		r = conf_check(conf, diags);
	if (r == 0 && is_file)
		conf_check_spool(conf, diags);
out:
	config_destroy(&tree);
	return r;
}

static int conf_load_from(const struct conf_text *text, bool is_file,
			  struct conf_diags *diags, struct conf **ret_conf)
{
	size_t n_errors = diags->n_errors;
	struct conf *conf = conf_new(text->file);
	int r;

	if (!conf)
		return -ENOMEM;
	r = conf_build(conf, text, is_file, diags);
	if (r == 0 && diags->n_errors > n_errors)
		r = -EINVAL;
	if (r < 0) {
		conf_unref(conf);
		return r;
	}
	*ret_conf = conf;
	return 0;
}

int conf_load(const char *file, struct conf_diags *diags, struct conf **ret_conf)
{
	struct conf_text text;
	int r;

	*ret_conf = NULL;
	r = conf_text_read(&text, file, diags);
	if (r == 0)
		r = conf_load_from(&text, true, diags, ret_conf);
	conf_text_done(&text);
	return r;
}

int conf_load_text(const char *bytes, size_t n, const char *file,
		   struct conf_diags *diags, struct conf **ret_conf)
{
	struct conf_text text;
	int r;

	*ret_conf = NULL;
	r = conf_text_copy(&text, file, bytes, n, diags);
	if (r == 0)
		r = conf_load_from(&text, false, diags, ret_conf);
	conf_text_done(&text);
	return r;
}
