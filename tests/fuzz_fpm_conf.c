/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any text as PHP-FPM's configuration. The first line of the input is the
 * backend that is looked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/address.h"
#include "conf/fpm_conf.h"
#include "conf/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "fuzz_fpm_conf: %s\n", what);
	abort();
}

/* Terminated, and without what could upset a log. */
static void require_text(const char *text, size_t n_bytes)
{
	require(memchr(text, 0, n_bytes), "a text without an end");
	for (; *text; text++)
		require((unsigned char)*text >= 32, "a text with a control character");
}

static void require_values(const struct conf_fpm_values *values)
{
	require_text(values->pool, sizeof(values->pool));
	require_text(values->status_path, sizeof(values->status_path));
	require_text(values->ping_path, sizeof(values->ping_path));
	require_text(values->status_listen, sizeof(values->status_listen));
	require_text(values->slowlog, sizeof(values->slowlog));
	require(values->slowlog[0] == 0 || values->slowlog[0] == '/',
		"a relative slowlog");
	require(values->max_children <= 999999999, "a number that is too big");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *newline = n ? memchr(data, '\n', n) : NULL;
	char buffer[CONF_ADDRESS_TEXT_BYTES], line[200];
	struct conf_fpm_values values;
	struct conf_address backend;
	struct conf_why why;
	size_t n_line = newline ? (size_t)(newline - data) : n;
	const char *text = (const char *)data + n_line;
	int r;

	if (n_line >= sizeof(line) || n == 0)
		return 0;
	memcpy(line, data, n_line);
	line[n_line] = 0;
	if (conf_address_parse(line, buffer, &backend, &why) != 0)
		return 0;
	r = conf_fpm_parse(text, n - n_line, &backend, &values);
	require(r == 0 || r == CONF_FPM_NO_SECTION || r == CONF_FPM_INCLUDES, "a result");
	require((r == CONF_FPM_INCLUDES) <= conf_fpm_has_includes(text, n - n_line),
		"an include that is not there");
	require_values(&values);
	return 0;
}
