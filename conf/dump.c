/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration as a file again, each value with its origin: fpmgate -T. */
#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/address.h"
#include "conf/fpm_conf.h"
#include "conf/option_text.h"
#include "conf/origin.h"
#include "conf/schema.h"

/* One object that is printed. */
struct dump {
	FILE *out;
	const struct conf_schema *schema;
	const void *object;
	const struct conf_origin *origin;  /* of the next option */
	const struct conf_fpm_values *fpm; /* of a pool; may be NULL */
	unsigned depth;                    /* of tabs */
};

static void dump_indent(const struct dump *dump)
{
	for (unsigned i = 0; i < dump->depth; i++)
		putc('\t', dump->out);
}

/* A file's name inside a comment, which a newline in it must not end. */
static void dump_file_name(const char *file, FILE *out)
{
	for (; *file; file++)
		putc((unsigned char)*file < 32 ? '?' : *file, out);
}

static void dump_origin(const struct conf_origin *origin, FILE *out)
{
	if (!origin->file) {
		fputs("default", out);
		return;
	}
	dump_file_name(origin->file, out);
	fprintf(out, ":%u", origin->line);
}

/* What FPM's file says for this option of a pool, when the option was not given; "" when
 * it says nothing that conf_load() would take. */
static void dump_fpm_text(const struct dump *dump, const char *name,
			  char buffer[CONF_ADDRESS_TEXT_BYTES])
{
	const struct conf_fpm_values *fpm = dump->fpm;
	const struct conf_pool *pool = dump->object;
	const char *path = NULL;
	struct conf_address address;
	struct conf_why why = { 0 };

	*buffer = 0;
	if (!fpm)
		return;
	if (strcmp(name, "status_path") == 0 && !*pool->status_path)
		path = fpm->status_path;
	if (strcmp(name, "ping_path") == 0 && !*pool->ping_path)
		path = fpm->ping_path;
	if (path && conf_value_uri_path(path, &why) == 0)
		snprintf(buffer, CONF_ADDRESS_TEXT_BYTES, "%s", path);
	if (strcmp(name, "status_listen") == 0 && !*pool->status_listen.text &&
	    (conf_address_parse(fpm->status_listen, buffer, &address, &why) != 0 ||
	     address.kind == CONF_ADDRESS_SYSTEMD))
		*buffer = 0;
}

static void dump_option(struct dump *dump, const struct conf_option *option)
{
	const struct conf_origin *origin = dump->origin++;
	const struct conf_pool *pool = dump->object;
	char fpm_text[CONF_ADDRESS_TEXT_BYTES];
	FILE *out = dump->out;

	dump_indent(dump);
	fprintf(out, "%s = ", conf_option_local_name(option));
	dump_fpm_text(dump, option->name, fpm_text);
	if (*fpm_text) {
		conf_string_print(fpm_text, out);
		fputs(";  # fpm_conf\n", out);
	} else if (dump->fpm && dump->fpm->max_children > 0 &&
		   dump->fpm->max_children <= option->max && pool->max_children == 0 &&
		   strcmp(option->name, "max_children") == 0) {
		fprintf(out, "%u;  # fpm_conf\n", dump->fpm->max_children);
	} else if (strcmp(option->name, "include_dir") == 0) {
		/* its pools are printed below: read again, they would be twice */
		fputs("\"\";  # in this file; was ", out);
		conf_option_print(option, dump->object, out);
		fputs(", ", out);
		dump_origin(origin, out);
		putc('\n', out);
	} else {
		conf_option_print(option, dump->object, out);
		fputs(";  # ", out);
		dump_origin(origin, out);
		putc('\n', out);
	}
}

static void dump_group(struct dump *dump, const struct conf_group *group)
{
	int n_name = (int)strlen(group->prefix) - 1; /* less the dot */

	if (n_name > 0) {
		dump_indent(dump);
		fprintf(dump->out, "%.*s = {\n", n_name, group->prefix);
		dump->depth++;
	}
	for (size_t i = 0; i < group->n_options; i++)
		dump_option(dump, &group->options[i]);
	if (n_name > 0) {
		dump->depth--;
		dump_indent(dump);
		fputs("};\n", dump->out);
	}
}

/* With a backend, the options of a master of our own would be an error. */
static void dump_object(struct dump *dump, bool has_master)
{
	for (size_t g = 0; g < dump->schema->n_groups; g++) {
		const struct conf_group *group = dump->schema->groups[g];

		if (group == &conf_group_fpm && !has_master)
			dump->origin += group->n_options;
		else
			dump_group(dump, group);
	}
}

int conf_dump(const struct conf *conf, const struct conf_fpm_values *const *fpm_values,
	      FILE *out)
{
	struct dump top = {
		.out = out,
		.schema = &conf_schema_top,
		.object = conf,
		.origin = conf->origins,
	};

	dump_object(&top, false);
	fputs("\npools = (\n", out);
	for (size_t i = 0; i < conf->n_pools; i++) {
		struct dump dump = {
			.out = out,
			.schema = &conf_schema_pool,
			.object = conf->pools[i],
			.origin = conf->pools[i]->origins,
			.fpm = fpm_values ? fpm_values[i] : NULL,
			.depth = 2,
		};

		fputs("\t{\n", out);
		dump_object(&dump, *conf->pools[i]->php_fpm);
		fputs(i + 1 < conf->n_pools ? "\t},\n" : "\t}\n", out);
	}
	fputs(");\n", out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
