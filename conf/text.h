/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The text of one configuration file, and complaints that show the place in it. */

#include <stddef.h>

struct conf_diags;

/* A bigger file is a mistake, and a pipe or /dev/zero must end some time. */
enum { CONF_FILE_MAX = 4 * 1024 * 1024 };

struct conf_text {
	const char *file; /* its name in diagnostics; not owned */
	char *bytes;      /* n of them and a final 0; ends with a newline unless empty */
	size_t n;
};

/* Reads the file. 0; -EINVAL and an error in diags; -ENOMEM. */
int conf_text_read(struct conf_text *text, const char *file, struct conf_diags *diags);
/* Copies the bytes. 0, -EINVAL and an error in diags (too many), or -ENOMEM. */
int conf_text_copy(struct conf_text *text, const char *file, const char *bytes, size_t n,
		   struct conf_diags *diags);
void conf_text_done(struct conf_text *text);

/* Adds an error whose sentence is followed by the line and the one before it. */
void conf_text_complain(const struct conf_text *text, struct conf_diags *diags,
			unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
