/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of diagnostics: collected, then printed. */
#include "conf/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void conf_diags_init(struct conf_diags *diags)
{
	*diags = (struct conf_diags){ 0 };
}

void conf_diags_done(struct conf_diags *diags)
{
	for (size_t i = 0; i < diags->n; i++) {
		free(diags->items[i].file);
		free(diags->items[i].sentence);
	}
	free(diags->items);
	conf_diags_init(diags);
}

/* Makes room for one more; false when there is none. */
static bool diags_has_room(struct conf_diags *diags)
{
	struct conf_diag *items;

	if (diags->n == CONF_DIAGS_MAX)
		return false;
	items = reallocarray(diags->items, diags->n + 1, sizeof(*items));
	if (!items)
		return false;
	diags->items = items;
	return true;
}

void conf_diags_add(struct conf_diags *diags, enum conf_diag_level level,
		    const char *file, unsigned line, const char *format, ...)
{
	struct conf_diag diag = { .level = level, .line = line };
	va_list list;
	int n;

	if (level == CONF_DIAG_ERROR)
		diags->n_errors++;
	va_start(list, format);
	n = vasprintf(&diag.sentence, format, list);
	va_end(list);
	if (n < 0)
		diag.sentence = NULL;
	if (file)
		diag.file = strdup(file);
	if (!diag.sentence || (file && !diag.file) || !diags_has_room(diags)) {
		free(diag.sentence);
		free(diag.file);
		diags->n_dropped++;
		return;
	}
	diags->items[diags->n++] = diag;
}

void conf_diags_print(const struct conf_diags *diags, FILE *out)
{
	for (size_t i = 0; i < diags->n; i++) {
		const struct conf_diag *diag = &diags->items[i];

		if (diag->file)
			fprintf(out, "%s:", diag->file);
		if (diag->file && diag->line)
			fprintf(out, "%u:", diag->line);
		fprintf(out, "%s%s: %s\n", diag->file ? " " : "",
			diag->level == CONF_DIAG_ERROR ? "error" : "warning",
			diag->sentence);
	}
	if (diags->n_dropped)
		fprintf(out, "... and %zu more\n", diags->n_dropped);
}
