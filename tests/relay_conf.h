/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* A configuration of one pool, whose backend is the socket of the relay's directory. */

#include "conf/diag.h"
#include "tests/relay_fixture.h"

/* `top` and `pool`: more options, as configuration text. */
static inline struct conf *relay_conf(const struct relay *relay, const char *top,
				      const char *pool)
{
	struct conf_diags diags;
	struct conf *conf = NULL;
	char text[2048];
	int n;

	n = snprintf(text, sizeof(text),
		     "include_dir = \"\"; runtime_dir = \"%s\"; spool_dir = \"%s\"; %s\n"
		     "pools = ( { name = \"www\"; listen = \"%s/web.sock\";\n"
		     "backend = \"%s\"; php_log = \"off\"; %s } );\n",
		     relay->dir, relay->dir, top, relay->dir, relay->path, pool);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	conf_diags_init(&diags);
	if (conf_load_text(text, (size_t)n, "test.conf", &diags, &conf) != 0)
		conf_diags_print(&diags, stderr);
	conf_diags_done(&diags);
	assert_non_null(conf);
	return conf;
}
