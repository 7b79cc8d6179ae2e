/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/conf, conf/read, conf/lex, conf/text, conf/diag: files -> struct conf. Each file
 * tests/data/conf/bad-NAME.conf has what must be said about it beside it, in
 * bad-NAME.expected.
 */
#include "tests/conf_case.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/address.h"
#include "conf/origin.h"
#include "conf/read.h"
#include "conf/text.h"

/* --- the bad files --- */

static int is_bad_file(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return strncmp(entry->d_name, "bad-", 4) == 0 && n > 9 &&
	       strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static void check_bad_file(const char *folder, const char *name)
{
	char path[4400]; /* the folder, and a name of at most 255 bytes */
	size_t n;
	char *text, *expected;
	struct conf_case test;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	text = case_read_file(path, &n);
	snprintf(path, sizeof(path), "%s/%.*s.expected", folder, (int)strlen(name) - 5,
		 name);
	expected = case_read_file(path, NULL);
	test = case_load_bytes(text, n, name);
	assert_int_equal(test.r, -EINVAL);
	assert_string_equal(test.said, expected);
	case_done(&test);
	free(text);
	free(expected);
}

static void test_bad_files(void **state)
{
	struct dirent **entries;
	char folder[4096];
	int n;

	(void)state;
	case_data_path("", folder, sizeof(folder));
	n = scandir(folder, &entries, is_bad_file, alphasort);
	assert_true(n >= 25);
	for (int i = 0; i < n; i++) {
		check_bad_file(folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* --- good texts --- */

static void test_least(void **state)
{
	struct conf *conf = case_load_good(CASE_ONE(CASE_BACKEND));
	const struct conf_pool *pool = conf->pools[0];

	(void)state;
	assert_string_equal(conf->file, "t");
	assert_string_equal(conf->include_dir, "/etc/fpmgate/pools.d");
	assert_string_equal(conf->status_control.text, "/run/fpmgate/control.sock");
	assert_int_equal(conf->status_control.kind, CONF_ADDRESS_UNIX);
	assert_int_equal(conf->status_http.kind, CONF_ADDRESS_NONE);
	assert_string_equal(conf->status_http.text, "");
	assert_int_equal(conf->clients_max, 0);
	assert_int_equal(conf->spool_max_bytes, UINT64_C(10) << 30);
	assert_int_equal(conf->drain_timeout_us, 60000000);
	assert_int_equal(conf->log_level, CONF_LOG_INFO);
	assert_int_equal(conf->n_pools, 1);
	assert_int_equal(pool->n_listen, 1);
	assert_string_equal(pool->listen[0].text, "/run/www.sock");
	assert_string_equal(pool->listen[0].name, "/run/www.sock");
	assert_int_equal(pool->listen_mode, -1);
	assert_string_equal(pool->listen_owner, "");
	assert_int_equal(pool->n_allow, 0);
	assert_int_equal(pool->backend.kind, CONF_ADDRESS_UNIX);
	assert_string_equal(pool->php_fpm, "");
	assert_int_equal(pool->queue.size, 1000);
	assert_int_equal(pool->queue.max_wait_us, 5000000);
	assert_int_equal(pool->queue.target_us, 0);
	assert_int_equal(pool->request_timeout_us, 0);
	assert_int_equal(pool->body_memory_bytes, 65536);
	assert_int_equal(pool->body_max_bytes, 0);
	assert_true(pool->replay && pool->hand_over && !pool->half_close);
	assert_null(pool->deny_params[0]);
	assert_int_equal(pool->access_log, CONF_SINK_OFF);
	assert_string_equal(pool->access_log_file, "");
	assert_int_equal(pool->php_log, CONF_SINK_JOURNAL);
	assert_int_equal(pool->fpm.pm, CONF_PM_STATIC);
	assert_true(pool->fpm.clear_env);
	conf_unref(conf);
}

static void test_everything(void **state)
{
	struct conf *conf = case_load_good(
		"include_dir = \"\"; runtime_dir = \"/tmp/r\"; clients_max = 17;\n"
		"log = \"stderr\"; log_level = \"debug\"; memory_max = \"1g\";\n"
		"status = { control = \"/tmp/c\"; http = \"[::1]:80\"; };\n"
		"pools = ( { name = \"a.b-c_1\";\n"
		"listen = ( \"@x\", \"systemd:y\", \"10.0.0.1:9000\", \"/z\" );\n"
		"listen_owner = \"root\"; listen_mode = \"0600\"; backlog = 5L;\n"
		"allow = [ \"10.0.0.0/8\", \"fd00::/8\" ]; half_close = true;\n"
		"php_fpm = \"/usr/sbin/php-fpm8.2\"; max_children = 8;\n"
		"queue = { size = 0; order = \"fifo\"; target = \"1s\"; };\n"
		"request_timeout = \"1h\"; body_max = \"1500\"; hello = \"off\";\n"
		"deny_params = \"PHP_VALUE\"; access_log = \"/var/log/a.log\";\n"
		"php_log = \"off\"; status_access = \"refuse\";\n"
		"fpm = { user = \"u\"; pm = \"ondemand\";\n"
		"  php_ini = [ \"a=1\", \"b=2\" ];\n"
		"  slowlog = \"/s\"; request_slowlog_timeout = \"5s\"; };\n"
		"} );");
	const struct conf_pool *pool = conf->pools[0];

	(void)state;
	assert_string_equal(conf->status_control.text, "/tmp/c");
	assert_int_equal(conf->clients_max, 17);
	assert_int_equal(conf->log, CONF_LOG_STDERR);
	assert_int_equal(pool->n_listen, 4);
	assert_string_equal(pool->listen[0].name, "x");
	assert_string_equal(pool->listen[1].name, "y");
	assert_int_equal(pool->listen[2].port, 9000);
	assert_memory_equal(pool->listen[2].ip, "\x0a\0\0\1", 4);
	assert_int_equal(pool->listen_mode, 0600);
	assert_int_equal(pool->backlog, 5);
	assert_int_equal(pool->n_allow, 2);
	assert_true(pool->allow[1].is_ipv6);
	assert_int_equal(pool->allow[1].n_bits, 8);
	assert_int_equal(pool->backend.kind, CONF_ADDRESS_NONE);
	assert_string_equal(pool->backend.text, "");
	assert_int_equal(pool->queue.size, 0);
	assert_int_equal(pool->queue.order, CONF_ORDER_FIFO);
	/* the default, which is no reason to refuse a small body_max */
	assert_int_equal(pool->body_memory_bytes, 1500);
	assert_string_equal(pool->deny_params[0], "PHP_VALUE");
	assert_null(pool->deny_params[1]);
	assert_int_equal(pool->access_log, CONF_SINK_FILE);
	assert_string_equal(pool->access_log_file, "/var/log/a.log");
	assert_int_equal(pool->status_access, CONF_STATUS_REFUSE);
	assert_string_equal(pool->fpm.php_ini[1], "b=2");
	assert_int_equal(pool->fpm.request_slowlog_timeout_us, 5000000);
	conf_unref(conf);
}

static void test_defaults(void **state)
{
	struct conf *conf = case_load_good(
		"defaults = { backlog = 7; allow = [ \"10.0.0.0/8\" ];\n"
		"queue = { size = 3; max_wait = \"3s\"; }; fpm = { user = \"u\"; };\n"
		"deny_params = [ \"A\" ]; };\n"
		"pools = (\n"
		"{ name = \"a\"; listen = \"/a\"; backend = \"/pa\"; max_children = 1;\n"
		"  backlog = 8; queue = { size = 4; }; deny_params = [ ]; },\n"
		"{ name = \"b\"; listen = \"/b\"; php_fpm = \"/p\"; max_children = 1; }\n"
		");\n");
	const struct conf_pool *a = conf_find_pool(conf, "a");
	const struct conf_pool *b = conf_find_pool(conf, "b");

	(void)state;
	assert_int_equal(a->backlog, 8);
	assert_int_equal(b->backlog, 7);
	assert_int_equal(a->queue.size, 4);
	assert_int_equal(a->queue.max_wait_us, 3000000);
	assert_int_equal(b->queue.size, 3);
	assert_int_equal(a->n_allow, 1);
	assert_null(a->deny_params[0]);
	assert_string_equal(b->deny_params[0], "A");
	assert_string_equal(b->fpm.user, "u");
	/* a backend's FPM is not ours */
	assert_string_equal(a->fpm.user, "");
	assert_null(conf_origin_in_pool(a, "fpm.user")->file);
	assert_null(conf_find_pool(conf, "c"));
	conf_unref(conf);
}

static void test_refs(void **state)
{
	struct conf *conf = case_load_good(CASE_ONE(CASE_PHP_FPM));

	(void)state;
	assert_ptr_equal(conf_ref(conf), conf);
	assert_null(conf_unref(conf));
	assert_string_equal(conf->pools[0]->name, "www");
	assert_null(conf_unref(conf));
	assert_null(conf_unref(NULL));
}

/* What a text may look like at its edges. */
static void test_forms_of_text(void **state)
{
	static const char *const good[] = {
		CASE_ONE(CASE_BACKEND) "# no newline",
		CASE_ONE(CASE_BACKEND) "// no newline, \" and = on (",
		CASE_ONE(CASE_BACKEND) "/* # // \" { */",
		"# \" ( {\r\n" CASE_ONE(CASE_BACKEND) "\r\n",
		"/* a\n * b */" CASE_ONE(CASE_BACKEND),
		"log : \"stderr\", log_level = \"info\"\n" CASE_ONE(CASE_BACKEND),
		"defaults = { backlog = 5, }\n" CASE_ONE(CASE_BACKEND),
		CASE_ONE(CASE_BACKEND "error_page = \"/a\\\\\"; backlog = 0x10;"),
		CASE_ONE(CASE_BACKEND "error_page = \"/a # // /* \\\" b\";"),
		CASE_ONE(CASE_BACKEND "replay = TRUE; half_close = False;"),
		CASE_ONE(CASE_BACKEND "error_page = \"/\xc3\xbc\";"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		conf_unref(case_load_good(good[i]));
}

static void check_said(const char *bytes, size_t n, const char *wanted)
{
	struct conf_case test = case_load_bytes(bytes, n, "t");

	assert_int_equal(test.r, -EINVAL);
	if (!strstr(test.said, wanted))
		print_error("%s instead of %s\n", test.said, wanted);
	assert_non_null(strstr(test.said, wanted));
	case_done(&test);
}

/* Texts that do not go into a file of tests/data. */
static void test_bad_bytes(void **state)
{
	static const char nul[] = CASE_ONE(CASE_BACKEND) "\0"
							 "log = \"stderr\";";
	static const char in_string[] = CASE_ONE(CASE_BACKEND "unit = \"a\0b\";");
	char *big = malloc(CONF_FILE_MAX + 1);

	(void)state;
	check_said(nul, sizeof(nul) - 1, "t:2: error: the file contains a NUL byte");
	check_said(in_string, sizeof(in_string) - 1,
		   "t:1: error: the string contains a NUL");
	check_said("", 0, "there is no pool");
	check_said("a = \"\x01\";", 8, "unknown option a");
	check_said("log = \"\\x01\";", 13,
		   "log: the string contains a control character");
	check_said("log = \"\\X00\";", 13, "contains a NUL");
	check_said("log = 1.5e", 10, "is not a number");
	check_said("drain_timeout = 10L;", 20, "found the number 10");
	check_said("status = ( 1 );", 15, "t:1: error: status is a group: write status");
	check_said("\"", 1, "is not closed");
	check_said("\"\\", 2, "is not closed");
	check_said("/*", 2, "never closed");
	check_said("\"x\"", 3, "this string belongs to no option");
	check_said("a \"x\"", 5, "this string belongs to no option");
	check_said("a = 1 \"x\"", 9, "this string belongs to no option");
	check_said("a = { \"x\" }", 11, "this string belongs to no option");
	check_said("a = { b = 1, \"x\" }", 18, "this string belongs to no option");
	check_said("a = ( 1 \"x\" )", 13, "this string belongs to no option");
	check_said("a = \"x\" \"y\"", 11, "a comma or semicolon is missing before");
	check_said("/", 1, "syntax error");
	check_said("\x1bX\t= 1", 6, "t:1: error: syntax error\n      1 | ?X = 1");
	assert_non_null(big);
	memset(big, '\n', CONF_FILE_MAX + 1);
	check_said(big, CONF_FILE_MAX + 1, "t: error: the file is bigger than 4194304");
	check_said(big, CONF_FILE_MAX, "there is no pool");
	memset(big, '(', 3000);
	check_said(big, 3000, "nested too deeply");
	free(big);
}

/* A complaint shows no more than a part of a long line. */
static void test_long_line(void **state)
{
	char text[2000];
	struct conf_case test;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text + sizeof(text) - 6, "= = 1;", 6);
	test = case_load_bytes(text, sizeof(text), "t");
	assert_int_equal(test.r, -EINVAL);
	assert_true(strlen(test.said) < 200);
	case_done(&test);
}

static void test_too_many_pools(void **state)
{
	char *text = NULL;
	struct conf_case test;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	fputs("pools = (\n", out);
	for (int i = 0; i < CONF_POOLS_MAX; i++)
		fprintf(out,
			"{ name = \"p%d\"; listen = \"/l%d\"; backend = \"/b%d\"; "
			"max_children = 1; },\n",
			i, i, i);
	fputs("{ name = \"one more\"; } );\n", out);
	fclose(out);
	test = case_load_bytes(text, n, "t");
	assert_string_equal(test.said,
			    "t:10002: error: there are more than 10000 pools\n");
	case_done(&test);
	free(text);
}

/* --- diagnostics --- */

static void test_diags(void **state)
{
	struct conf_diags diags;
	char *text;

	(void)state;
	conf_diags_init(&diags);
	conf_diags_add(&diags, CONF_DIAG_ERROR, "a", 3, "%s %d", "x", 1);
	conf_diags_add(&diags, CONF_DIAG_WARNING, "b", 0, "y");
	conf_diags_add(&diags, CONF_DIAG_WARNING, NULL, 7, "z");
	assert_int_equal(diags.n, 3);
	assert_int_equal(diags.n_errors, 1);
	text = case_print_diags(&diags);
	assert_string_equal(text, "a:3: error: x 1\nb: warning: y\nwarning: z\n");
	free(text);
	for (int i = 0; i < CONF_DIAGS_MAX; i++)
		conf_diags_add(&diags, CONF_DIAG_ERROR, "a", 1, "more");
	assert_int_equal(diags.n, CONF_DIAGS_MAX);
	assert_int_equal(diags.n_errors, CONF_DIAGS_MAX + 1);
	assert_int_equal(diags.n_dropped, 3);
	text = case_print_diags(&diags);
	assert_non_null(strstr(text, "error: more\n... and 3 more\n"));
	free(text);
	conf_diags_done(&diags);
	assert_int_equal(diags.n, 0);
	conf_diags_done(&diags);
}

/* --- files --- */

struct tree {
	char path[64];
};

static int setup(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return -1;
	strcpy(tree->path, "/tmp/confXXXXXX");
	*state = tree;
	return mkdtemp(tree->path) ? 0 : -1;
}

static int teardown(void **state)
{
	struct tree *tree = *state;
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf %s", tree->path);
	r = system(command);
	free(tree);
	return r;
}

/* Writes a file of the tree; each %s of the text is the tree's path. */
static void put(const struct tree *tree, const char *name, const char *text)
{
	char path[300];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", tree->path, name);
	out = fopen(path, "we");
	assert_non_null(out);
	for (; *text; text++) {
		if (strncmp(text, "%s", 2) == 0) {
			fputs(tree->path, out);
			text++;
		} else {
			putc(*text, out);
		}
	}
	fclose(out);
}

static void make_folder(const struct tree *tree, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", tree->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* Loads "main" of the tree; in what is said the tree's path becomes "T". */
static struct conf_case load_main(const struct tree *tree)
{
	struct conf_case test = { 0 };
	struct conf_diags diags;
	char path[300], *p;

	snprintf(path, sizeof(path), "%s/main", tree->path);
	conf_diags_init(&diags);
	test.r = conf_load(path, &diags, &test.conf);
	test.said = case_print_diags(&diags);
	conf_diags_done(&diags);
	while ((p = strstr(test.said, tree->path))) {
		*p = 'T';
		memmove(p + 1, p + strlen(tree->path),
			strlen(p + strlen(tree->path)) + 1);
	}
	return test;
}

static void test_folder(void **state)
{
	const struct tree *tree = *state;
	struct conf_case test;

	put(tree, "main",
	    "include_dir = \"%s/d\"; defaults = { backlog = 9; };\n" CASE_ONE(
		    CASE_BACKEND));
	make_folder(tree, "d");
	put(tree, "d/b.conf",
	    "pools = ( { name = \"b\"; listen = \"/b\"; backend = \"/pb\"; "
	    "max_children = 1; } )");
	put(tree, "d/Z.conf",
	    "pools = ( { name = \"Z\"; listen = \"/Z\"; backend = \"/pZ\"; "
	    "max_children = 1; } )");
	put(tree, "d/a.conf", "# nothing");
	put(tree, "d/.hidden.conf", "nonsense");
	put(tree, "d/c.conf~", "nonsense");
	put(tree, "d/.conf", "nonsense");
	test = load_main(tree);
	assert_string_equal(test.said, "");
	assert_int_equal(test.conf->n_pools, 3);
	assert_string_equal(test.conf->pools[0]->name, "www");
	/* by bytes, in every locale */
	assert_string_equal(test.conf->pools[1]->name, "Z");
	assert_string_equal(test.conf->pools[2]->name, "b");
	assert_int_equal(test.conf->pools[2]->backlog, 9);
	assert_non_null(strstr(test.conf->pools[2]->file, "/d/b.conf"));
	case_done(&test);
}

static void test_folder_errors(void **state)
{
	const struct tree *tree = *state;
	struct conf_case test;

	put(tree, "main", "include_dir = \"%s/d\";\n" CASE_ONE(CASE_BACKEND));
	make_folder(tree, "d");
	make_folder(tree, "d/1.conf");
	put(tree, "d/2.conf", "pools = ( {\n" CASE_BACKEND "\n} )");
	put(tree, "d/3.conf", "log = \"stderr\";\ndefaults = { };\nnonsense = 1;");
	put(tree, "d/4.conf", "\n\nbad = = 1");
	put(tree, "d/5.conf", "pools = ( { lisen = \"/a\"; } )");
	put(tree, "d/6.conf", "on = on");
	test = load_main(tree);
	assert_string_equal(
		test.said,
		"T/d/1.conf: error: cannot read the file: Is a directory\n"
		"T/d/3.conf:1: error: log cannot be here: files of include_dir contain "
		"pools only\n"
		"T/d/3.conf:2: error: defaults cannot be here: files of include_dir "
		"contain pools only\n"
		"T/d/3.conf:3: error: nonsense cannot be here: files of include_dir "
		"contain pools only\n"
		"T/d/4.conf:3: error: syntax error\n      2 | \n      3 | bad = = 1\n"
		"T/d/5.conf:1: error: unknown option lisen; did you mean listen?\n"
		"T/d/6.conf:1: error: write true, or \"on\" in quotes\n"
		"      1 | on = on\n"
		"T/d/5.conf:1: error: pool: it needs a name\n"
		"T/d/5.conf:1: error: pool: it needs an address to listen on: listen = "
		"\"/run/fpmgate/NAME.sock\"\n"
		"T/d/5.conf:1: error: pool: it needs backend (the socket of an FPM that "
		"runs already) or php_fpm (the FPM that fpmgate shall run)\n"
		"T/d/2.conf:2: error: pool www: backend /run/php.sock is also the "
		"backend of pool www (T/main:2)\n"
		"T/d/2.conf:2: error: pool www: listen /run/www.sock is also the "
		"listen of pool www (T/main:2)\n"
		"T/d/2.conf:2: error: pool www: name www is also the name of pool www "
		"(T/main:2)\n");
	case_done(&test);
}

static void test_folder_missing(void **state)
{
	const struct tree *tree = *state;
	struct conf_case test;

	put(tree, "main", "include_dir = \"%s/d\";\n" CASE_ONE(CASE_BACKEND));
	test = load_main(tree);
	assert_string_equal(test.said,
			    "T/main:1: error: include_dir: cannot read T/d: No such "
			    "file or directory\n");
	case_done(&test);
	put(tree, "d", "a file");
	test = load_main(tree);
	assert_string_equal(
		test.said,
		"T/main:1: error: include_dir: cannot read T/d: Not a directory\n");
	case_done(&test);
	put(tree, "main", "include_dir = \"\";\n" CASE_ONE(CASE_BACKEND));
	test = load_main(tree);
	assert_string_equal(test.said, "");
	case_done(&test);
}

/* The default folder need not be there, whether it is named or not. */
static void test_folder_default(void **state)
{
	const struct tree *tree = *state;
	struct conf_case test;

	if (access("/etc/fpmgate/pools.d", F_OK) == 0)
		return; /* the machine has an fpmgate of its own */
	put(tree, "main", CASE_ONE(CASE_BACKEND));
	test = load_main(tree);
	assert_string_equal(test.said, "");
	case_done(&test);
	put(tree, "main",
	    "include_dir = \"/etc/fpmgate/pools.d\";\n" CASE_ONE(CASE_BACKEND));
	test = load_main(tree);
	assert_string_equal(test.said, "");
	case_done(&test);
}

static void test_file_errors(void **state)
{
	const struct tree *tree = *state;
	struct conf_case test = load_main(tree);

	assert_int_equal(test.r, -EINVAL);
	assert_null(test.conf);
	assert_string_equal(test.said,
			    "T/main: error: cannot read the file: No such file or "
			    "directory\n");
	case_done(&test);
	make_folder(tree, "main");
	test = load_main(tree);
	assert_string_equal(test.said,
			    "T/main: error: cannot read the file: Is a directory\n");
	case_done(&test);
}

/* A device that never ends. */
static void test_endless_file(void **state)
{
	struct conf_diags diags;
	struct conf *conf;

	(void)state;
	conf_diags_init(&diags);
	assert_int_equal(conf_load("/dev/zero", &diags, &conf), -EINVAL);
	assert_null(conf);
	assert_int_equal(diags.n, 1);
	assert_non_null(strstr(diags.items[0].sentence, "bigger than"));
	conf_diags_done(&diags);
}

/* What was said before does not make a good file bad. */
static void test_diags_are_kept(void **state)
{
	static const char text[] = CASE_ONE(CASE_BACKEND);
	struct conf_diags diags;
	struct conf *conf;

	(void)state;
	conf_diags_init(&diags);
	conf_diags_add(&diags, CONF_DIAG_ERROR, NULL, 0, "before");
	assert_int_equal(conf_load_text(text, sizeof(text) - 1, "t", &diags, &conf), 0);
	assert_int_equal(diags.n_errors, 1);
	conf_unref(conf);
	conf_diags_done(&diags);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_forms_of_text),
		cmocka_unit_test(test_bad_bytes),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_too_many_pools),
		cmocka_unit_test(test_diags),
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_default, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_errors, setup, teardown),
		cmocka_unit_test(test_endless_file),
		cmocka_unit_test(test_diags_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
