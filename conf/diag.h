/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* A list of diagnostics, `file:line: level: sentence`: all are collected. */

#include <stddef.h>
#include <stdio.h>

/* More are counted but not kept: nobody reads them, and a file of 4 MB of nonsense must
 * not cost 400 MB. */
enum { CONF_DIAGS_MAX = 200 };

enum conf_diag_level { CONF_DIAG_ERROR, CONF_DIAG_WARNING };

struct conf_diag {
	enum conf_diag_level level;
	char *file;     /* may be NULL: no place */
	unsigned line;  /* 0: the file as a whole */
	char *sentence; /* one or more lines, no final newline */
};

struct conf_diags {
	struct conf_diag *items; /* in the order in which they were found */
	size_t n, n_errors;
	size_t n_dropped; /* errors and warnings that are counted but not kept */
};

void conf_diags_init(struct conf_diags *diags);
void conf_diags_done(struct conf_diags *diags);
/* Adds one; copies its texts. Out of memory: n_errors still grows, so that an error is
 * never lost. */
void conf_diags_add(struct conf_diags *diags, enum conf_diag_level level,
		    const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* "FILE:LINE: error: SENTENCE", or "FILE: warning: SENTENCE" when the line is 0, or
 * "error: SENTENCE" without a file; each with a newline. At the end how many were
 * dropped. */
void conf_diags_print(const struct conf_diags *diags, FILE *out);
