/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* What the tests of conf/ share: load a text, see its diagnostics as one text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/diag.h"

/* The least that makes a pool, without braces. */
#define CASE_POOL "name = \"www\"; listen = \"/run/www.sock\"; "
#define CASE_BACKEND CASE_POOL "backend = \"/run/php.sock\"; max_children = 4; "
#define CASE_PHP_FPM CASE_POOL "php_fpm = \"/usr/sbin/php-fpm8.2\"; max_children = 4; "
/* A configuration of one pool. */
#define CASE_ONE(options) "pools = ( { " options " } );\n"

struct conf_case {
	struct conf *conf; /* NULL: there were errors */
	char *said;        /* all diagnostics as they are printed, "" for none */
	int r;
};

static inline char *case_print_diags(const struct conf_diags *diags)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	conf_diags_print(diags, out);
	fclose(out);
	return text;
}

static inline struct conf_case case_load_bytes(const char *bytes, size_t n,
					       const char *file)
{
	struct conf_case test = { 0 };
	struct conf_diags diags;

	conf_diags_init(&diags);
	test.r = conf_load_text(bytes, n, file, &diags, &test.conf);
	assert_true((test.r == 0) == (test.conf != NULL));
	assert_true((test.r == 0) == (diags.n_errors == 0));
	test.said = case_print_diags(&diags);
	conf_diags_done(&diags);
	return test;
}

/* As file "t". */
static inline struct conf_case case_load(const char *text)
{
	return case_load_bytes(text, strlen(text), "t");
}

/* Loads what must be right and gives the configuration, with one reference. */
static inline struct conf *case_load_good(const char *text)
{
	struct conf_case test = case_load(text);

	if (*test.said)
		print_error("%s%s", text, test.said);
	assert_string_equal(test.said, "");
	assert_int_equal(test.r, 0);
	free(test.said);
	return test.conf;
}

static inline void case_done(struct conf_case *test)
{
	test->conf = conf_unref(test->conf);
	free(test->said);
	test->said = NULL;
}

/* A whole file, terminated; *ret_n may be NULL. */
static inline char *case_read_file(const char *path, size_t *ret_n)
{
	FILE *in = fopen(path, "re");
	char *text = calloc(1, 1 << 20);
	size_t n;

	if (!in)
		print_error("cannot open %s\n", path);
	assert_non_null(in);
	assert_non_null(text);
	n = fread(text, 1, (1 << 20) - 1, in);
	fclose(in);
	if (ret_n)
		*ret_n = n;
	return text;
}

/* tests/data/conf/NAME in the source tree. */
static inline void case_data_path(const char *name, char *buffer, size_t n_bytes)
{
	const char *srcdir = getenv("srcdir");

	snprintf(buffer, n_bytes, "%s/tests/data/conf/%s", srcdir ? srcdir : ".", name);
}
