/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints the option tables for check_options.sh, one option a line with tabs between:
 * name, type, default, least and greatest value, where it belongs (top, pool or master)
 * and its flags. Then "given FILE" prints the options that a configuration file gives.
 */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/option_text.h"
#include "conf/origin.h"
#include "conf/schema.h"

static void print_range(const struct conf_option *option)
{
	char min[CONF_NUMBER_TEXT_BYTES], max[CONF_NUMBER_TEXT_BYTES];

	if (option->max == 0) {
		printf("\t\t");
		return;
	}
	conf_option_print_number(option, option->min, min);
	conf_option_print_number(option, option->max, max);
	printf("\t%s\t%s", min, max);
}

static void print_tables(void)
{
	static const struct conf_group *const groups[] = {
		&conf_group_top,   &conf_group_status, &conf_group_pool,
		&conf_group_queue, &conf_group_fpm,
	};

	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		const char *home = g < 2                        ? "top" :
				   groups[g] == &conf_group_fpm ? "master" :
								  "pool";

		for (size_t i = 0; i < groups[g]->n_options; i++) {
			const struct conf_option *option = &groups[g]->options[i];

			printf("%s\t%s\t%s", option->name, conf_type_word(option->type),
			       option->preset);
			print_range(option);
			printf("\t%s\t%s\n", home,
			       option->flags & CONF_OPTION_RESTART ? "restart" : "");
		}
	}
}

static void print_given(const struct conf_schema *schema,
			const struct conf_origin *origins)
{
	for (size_t i = 0; i < conf_schema_count(schema); i++)
		if (origins[i].file)
			printf("%s\n", conf_schema_at(schema, i)->name);
}

int main(int argc, char **argv)
{
	struct conf_diags diags;
	struct conf *conf = NULL;

	if (argc < 3 || strcmp(argv[1], "given") != 0) {
		print_tables();
		return 0;
	}
	conf_diags_init(&diags);
	conf_load(argv[2], &diags, &conf);
	conf_diags_print(&diags, stderr);
	conf_diags_done(&diags);
	if (!conf)
		return 1;
	print_given(&conf_schema_top, conf->origins);
	for (size_t i = 0; i < conf->n_pools; i++)
		print_given(&conf_schema_pool, conf->pools[i]->origins);
	conf_unref(conf);
	return 0;
}
