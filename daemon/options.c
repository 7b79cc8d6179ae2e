/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. */

#include "daemon/options.h"

#include <getopt.h>
#include <string.h>

#include "daemon/macros.h"

static const struct {
	char letter;
	const char *name;
	const char *argument;
	const char *help;
} options_table[] = {
	{ 'c', "config", "FILE", "read FILE instead of " FPMGATE_CONF_FILE },
	{ 't', "check", NULL,
	  "check the configuration and exit: 0, or 78 with what is wrong" },
	{ 'T', "dump", NULL, "print the configuration with where each value comes from" },
	{ 'V', "version", NULL, "print the version and how it was built" },
	{ 'h', "help", NULL, "print this" },
	{ 'q', "quiet", NULL, "with --check: say nothing when all is well" },
	{ 'd', "debug", NULL, "log at level debug" },
};

enum {
	OPTIONS_N = ARRAY_SIZE(options_table),
};

void options_print_help(FILE *out)
{
	fprintf(out,
		"Usage: fpmgate [OPTION...]\n"
		"FastCGI gateway and PHP-FPM supervisor; stays in the foreground.\n\n");
	for (size_t i = 0; i < OPTIONS_N; i++)
		fprintf(out, "  -%c, --%s%s%-*s %s\n", options_table[i].letter,
			options_table[i].name, options_table[i].argument ? " " : "",
			options_table[i].argument ? 4 : 0, options_table[i].argument ?
				options_table[i].argument : "", options_table[i].help);
	fprintf(out, "\nSee fpmgate(8) and fpmgate.conf(5).\n");
}

void options_print_version(FILE *out)
{
	fprintf(out, "fpmgate %s\n%s\n", PACKAGE_VERSION, CONFIGURE_SUMMARY);
}

/* What a letter means; false: there is no such letter. */
static bool options_apply(struct options *options, int letter)
{
	switch (letter) {
	case 'c':
		options->file = optarg;
		return true;
	case 't':
		options->action = OPTIONS_CHECK;
		return true;
	case 'T':
		options->action = OPTIONS_DUMP;
		return true;
	case 'V':
		options->action = OPTIONS_VERSION;
		return true;
	case 'h':
		options->action = OPTIONS_HELP;
		return true;
	case 'q':
		options->is_quiet = true;
		return true;
	case 'd':
		options->is_debug = true;
		return true;
	default:
		return false;
	}
}

/* Of several letters behind one dash getopt names the one that is wrong. */
static void options_complain(FILE *errors, int letter, const char *argument)
{
	const char *what = letter == ':' ? "an argument is missing for" :
					   "unknown option";

	if (optopt > 0 && strncmp(argument, "--", 2) != 0)
		fprintf(errors, "fpmgate: %s -%c\n", what, optopt);
	else
		fprintf(errors, "fpmgate: %s %s\n", what, argument);
}

int options_parse(int argc, char **argv, FILE *errors, struct options *ret)
{
	struct option longs[OPTIONS_N + 1] = { 0 };
	char letters[2 * OPTIONS_N + 2] = ":";
	size_t n = 1;
	int letter;

	*ret = (struct options){ .file = FPMGATE_CONF_FILE };
	for (size_t i = 0; i < OPTIONS_N; i++) {
		longs[i].name = options_table[i].name;
		longs[i].has_arg = options_table[i].argument ? required_argument :
							       no_argument;
		longs[i].val = options_table[i].letter;
		letters[n++] = options_table[i].letter;
		if (options_table[i].argument)
			letters[n++] = ':';
	}
	letters[n] = '\0';
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) >= 0) {
		if (options_apply(ret, letter))
			continue;
		options_complain(errors, letter, argv[optind - 1]);
		return OPTIONS_USAGE;
	}
	if (optind < argc) {
		fprintf(errors, "fpmgate: unexpected argument %s\n", argv[optind]);
		return OPTIONS_USAGE;
	}
	return 0;
}
