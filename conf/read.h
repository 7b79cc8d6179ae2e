/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * libconfig's tree of one file -> values of a struct conf, by the option tables.
 *
 * Complains about everything that a tree alone can have wrong: names that no table has,
 * types, forms and ranges. Rules that look at two options are conf/check.h.
 */

#include <libconfig.h>

struct conf;
struct conf_diags;
struct conf_memory;

/* More pools are a mistake in what generates the file. */
enum { CONF_POOLS_MAX = 10000 };

struct conf_read {
	struct conf *conf;
	struct conf_memory *memory; /* of conf */
	struct conf_diags *diags;
	const char *file;           /* that is being read; lives in memory */
	/* the group `defaults` of the main file, NULL when there is none */
	const config_setting_t *defaults;
	const char *defaults_file;
};

/* The main file: top options, then defaults, then its pools. 0 (complaints are in diags)
 * or -ENOMEM. Sets read->defaults: the tree must live until the last file is read. */
int conf_read_main(struct conf_read *read, const config_t *tree);
/* A file of include_dir, which may contain pools only. 0 or -ENOMEM. */
int conf_read_included(struct conf_read *read, const config_t *tree);
