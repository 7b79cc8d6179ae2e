/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The command line. */

#include <stdbool.h>
#include <stdio.h>

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK,   /* -t */
	OPTIONS_DUMP,    /* -T */
	OPTIONS_VERSION, /* -V */
	OPTIONS_HELP,    /* -h */
};

struct options {
	enum options_action action;
	const char *file;
	bool is_quiet;
	bool is_debug;
};

enum options_result {
	OPTIONS_USAGE = 1, /* what is wrong has been written to `errors` */
};

/* 0 or OPTIONS_USAGE. The strings point into argv. */
int options_parse(int argc, char **argv, FILE *errors, struct options *ret);
void options_print_help(FILE *out);
void options_print_version(FILE *out);
