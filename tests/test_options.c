/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/options: what a command line means, and what is wrong with it. */
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct options options;
static char said[4096]; /* what was written to errors or out */

/* Takes the words behind the program's name, separated by a blank each. */
static int parse(const char *words)
{
	static char line[256], program[] = "fpmgate";
	char *argv[16] = { program }, *save = NULL;
	FILE *errors = fmemopen(said, sizeof(said), "w");
	int argc = 1, r;

	assert_non_null(errors);
	memset(said, 0, sizeof(said));
	memset(&options, 0xaa, sizeof(options));
	snprintf(line, sizeof(line), "%s", words);
	for (char *word = strtok_r(line, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	r = options_parse(argc, argv, errors, &options);
	fclose(errors);
	return r;
}

static void assert_parsed(const char *words, enum options_action action, bool is_quiet,
			  bool is_debug)
{
	assert_int_equal(parse(words), 0);
	assert_string_equal(said, "");
	assert_int_equal(options.action, action);
	assert_int_equal(options.is_quiet, is_quiet);
	assert_int_equal(options.is_debug, is_debug);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_parsed("", OPTIONS_RUN, false, false);
	assert_string_equal(options.file, FPMGATE_CONF_FILE);
}

static void test_each_option(void **state)
{
	(void)state;
	assert_parsed("-t", OPTIONS_CHECK, false, false);
	assert_parsed("--check", OPTIONS_CHECK, false, false);
	assert_parsed("-T", OPTIONS_DUMP, false, false);
	assert_parsed("--dump", OPTIONS_DUMP, false, false);
	assert_parsed("-V", OPTIONS_VERSION, false, false);
	assert_parsed("--version", OPTIONS_VERSION, false, false);
	assert_parsed("-h", OPTIONS_HELP, false, false);
	assert_parsed("--help", OPTIONS_HELP, false, false);
	assert_parsed("-q", OPTIONS_RUN, true, false);
	assert_parsed("--quiet", OPTIONS_RUN, true, false);
	assert_parsed("-d", OPTIONS_RUN, false, true);
	assert_parsed("--debug", OPTIONS_RUN, false, true);
	assert_parsed("-qtd", OPTIONS_CHECK, true, true);
}

/* Also that nothing of one call is left for the next. */
static void test_file(void **state)
{
	static const char *const forms[] = {
		"-c /x.conf", "-c/x.conf", "--config /x.conf", "--config=/x.conf",
		"-tc /x.conf", "-c /y.conf -c /x.conf",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_int_equal(parse(forms[i]), 0);
		assert_string_equal(options.file, "/x.conf");
		assert_int_equal(parse("-q"), 0);
		assert_string_equal(options.file, FPMGATE_CONF_FILE);
	}
}

static void assert_wrong(const char *words, const char *named)
{
	assert_int_equal(parse(words), OPTIONS_USAGE);
	if (!strstr(said, named) || strncmp(said, "fpmgate: ", 9) != 0 ||
	    said[strlen(said) - 1] != '\n')
		fail_msg("of \"%s\" is said: %s", words, said);
	assert_parsed("-t", OPTIONS_CHECK, false, false);
}

/* The message names what is wrong, not its neighbour. */
static void test_wrong(void **state)
{
	(void)state;
	assert_wrong("-x", "unknown option -x");
	assert_wrong("--nonsense", "unknown option --nonsense");
	assert_wrong("--nonsense=5", "unknown option --nonsense");
	assert_wrong("--check=5", "--check");
	assert_wrong("-t -x -q", "unknown option -x");
	assert_wrong("-c", "argument is missing for -c");
	assert_wrong("-t --config", "argument is missing for --config");
	assert_wrong("file", "unexpected argument file");
	assert_wrong("-t file -q", "unexpected argument file");
	assert_wrong("-- -t", "unexpected argument -t");
}

/* The letter stands in the middle of others. */
static void test_wrong_letter_among_others(void **state)
{
	(void)state;
	assert_wrong("-txq", "x");
	assert_wrong("-q -xt", "x");
	assert_int_equal(parse("-xt"), OPTIONS_USAGE);
	assert_null(strstr(said, "option fpmgate"));
}

static void test_help(void **state)
{
	static const char *const wanted[] = {
		"-c, --config FILE", "-t, --check",     "-T, --dump",
		"-V, --version",     "-h, --help",      "-q, --quiet",
		"-d, --debug",       FPMGATE_CONF_FILE, "Usage: fpmgate",
	};
	FILE *out = fmemopen(said, sizeof(said), "w");

	(void)state;
	assert_non_null(out);
	options_print_help(out);
	fclose(out);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(said, wanted[i]));
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80 || strstr(line, FPMGATE_CONF_FILE));
}

static void test_version(void **state)
{
	FILE *out = fmemopen(said, sizeof(said), "w");

	(void)state;
	assert_non_null(out);
	options_print_version(out);
	fclose(out);
	assert_memory_equal(said, "fpmgate " PACKAGE_VERSION "\n",
			    strlen("fpmgate " PACKAGE_VERSION "\n"));
	assert_non_null(strstr(said, "compiler:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_each_option),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_wrong_letter_among_others),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
