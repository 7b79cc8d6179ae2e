/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of one configuration file, and complaints that show the place in it. */
#include "conf/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/diag.h"

/* Of a line that is shown; more would fill the screen. */
enum { SHOWN_MAX = 120 };

int conf_text_copy(struct conf_text *text, const char *file, const char *bytes, size_t n,
		   struct conf_diags *diags)
{
	*text = (struct conf_text){ .file = file };
	if (n > CONF_FILE_MAX) {
		conf_diags_add(diags, CONF_DIAG_ERROR, file, 0,
			       "the file is bigger than %d bytes", CONF_FILE_MAX);
		return -EINVAL;
	}
	text->bytes = malloc(n + 2);
	if (!text->bytes)
		return -ENOMEM;
	if (n > 0)
		memcpy(text->bytes, bytes, n);
	/* libconfig takes a comment for garbage when no newline follows it */
	if (n > 0 && bytes[n - 1] != '\n')
		text->bytes[n++] = '\n';
	text->bytes[n] = 0;
	text->n = n;
	return 0;
}

/* Reads up to CONF_FILE_MAX + 1 bytes. 0 or an errno as fread(3) left it. */
static int text_fill(FILE *stream, char *buffer, size_t *ret_n)
{
	errno = 0;
	*ret_n = fread(buffer, 1, CONF_FILE_MAX + 1, stream);
	if (ferror(stream))
		return errno ? -errno : -EIO;
	return 0;
}

int conf_text_read(struct conf_text *text, const char *file, struct conf_diags *diags)
{
	char *buffer = malloc(CONF_FILE_MAX + 1);
	FILE *stream = NULL;
	size_t n = 0;
	int r;

	*text = (struct conf_text){ .file = file };
	if (!buffer)
		return -ENOMEM;
	stream = fopen(file, "re");
	r = stream ? text_fill(stream, buffer, &n) : -errno;
	if (r < 0) {
		conf_diags_add(diags, CONF_DIAG_ERROR, file, 0,
			       "cannot read the file: %s", strerror(-r));
		r = -EINVAL;
	} else {
		r = conf_text_copy(text, file, buffer, n, diags);
	}
	if (stream)
		fclose(stream);
	free(buffer);
	return r;
}

void conf_text_done(struct conf_text *text)
{
	free(text->bytes);
	*text = (struct conf_text){ 0 };
}

/* "\n   12 | the line", without what could upset a terminal. Nothing when there is no
 * such line. */
static void text_show_line(const struct conf_text *text, unsigned line, char *buffer,
			   size_t n_bytes)
{
	const char *p = text->bytes, *end = text->bytes + text->n;
	size_t n;
	int n_head;

	for (unsigned i = 1; i < line && p < end; i++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	*buffer = 0;
	if (line == 0 || p >= end)
		return;
	n_head = snprintf(buffer, n_bytes, "\n%7u | ", line);
	buffer += n_head;
	for (n = 0; n < SHOWN_MAX && p + n < end && p[n] != '\n'; n++) {
		unsigned char byte = (unsigned char)p[n];

		buffer[n] = byte == '\t' ? ' ' : byte < 32 || byte == 127 ? '?' : p[n];
	}
	buffer[n] = 0;
}

void conf_text_complain(const struct conf_text *text, struct conf_diags *diags,
			unsigned line, const char *format, ...)
{
	char sentence[400];
	char before[SHOWN_MAX + 32], at[SHOWN_MAX + 32];
	va_list list;

	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	text_show_line(text, line - 1, before, sizeof(before));
	text_show_line(text, line, at, sizeof(at));
	conf_diags_add(diags, CONF_DIAG_ERROR, text->file, line, "%s%s%s", sentence,
		       before, at);
}
