/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any text is a configuration or has an error that is said, and what is
 * printed of a configuration is loaded again and means the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the process: the fuzzer keeps the input. */
static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "fuzz_conf: %s\n", what);
	abort();
}

static struct conf *load(const char *text, size_t n)
{
	struct conf_diags diags;
	struct conf *conf;
	FILE *null = fopen("/dev/null", "we");
	int r;

	conf_diags_init(&diags);
	r = conf_load_text(text, n, "input", &diags, &conf);
	require((r == 0) == (conf != NULL), "a result without a configuration");
	require((r == 0) == (diags.n_errors == 0), "an error that is not said");
	require(diags.n + diags.n_dropped >= diags.n_errors, "a lost diagnostic");
	if (null) {
		conf_diags_print(&diags, null);
		fclose(null);
	}
	conf_diags_done(&diags);
	return conf;
}

static void require_same(const struct conf *conf, const struct conf *again)
{
	struct conf_diff diff;

	require(conf_diff(conf, again, &diff) == 0, "no memory");
	require(diff.n_pools == conf->n_pools, "a pool more or less");
	for (size_t i = 0; i < diff.n_pools; i++)
		require(diff.pools[i].change == CONF_SAME, "a pool that changed");
	require(!diff.needs_restart, "an option that changed");
	conf_diff_done(&diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct conf *conf = load((const char *)data, n), *again;
	char *text = NULL;
	size_t n_text;
	FILE *out;

	if (!conf)
		return 0;
	out = open_memstream(&text, &n_text);
	require(out && conf_dump(conf, NULL, out) == 0, "a dump that failed");
	fclose(out);
	again = load(text, n_text);
	require(again, "a dump that is not a configuration");
	require_same(conf, again);
	free(text);
	conf_unref(again);
	conf_unref(conf);
	return 0;
}
