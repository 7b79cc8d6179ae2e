/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Where each option of an object was given: one entry per option of its schema. */

#include <stdbool.h>

struct conf;
struct conf_pool;

struct conf_origin {
	const char *file; /* NULL: not given, the value is the default */
	unsigned line;
	bool is_shared;   /* given in `defaults` */
	bool is_bad;      /* an error was found; the value is the default */
};

/* By the option's name in its table ("queue.size"), which must exist. */
const struct conf_origin *conf_origin_in_pool(const struct conf_pool *pool,
					      const char *name);
const struct conf_origin *conf_origin_in_top(const struct conf *conf, const char *name);
