/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/schema and conf/option: what every row of the option tables must fulfil, and what
 * the functions that serve all rows do.
 */
#include "tests/conf_case.h"

#include <errno.h>

#include "conf/address.h"
#include "conf/memory.h"
#include "conf/option_text.h"
#include "conf/origin.h"
#include "conf/schema.h"

static const struct conf_schema *const schemas[] = { &conf_schema_top,
						     &conf_schema_pool };

/* Calls f for every row, with an object that has room for it. */
static void for_all(void (*f)(const struct conf_option *option,
			      struct conf_memory *memory, void *object, void *other))
{
	for (size_t s = 0; s < 2; s++) {
		const struct conf_option *option;

		for (size_t i = 0; (option = conf_schema_at(schemas[s], i)); i++) {
			struct conf_memory *memory = conf_memory_new();
			struct conf_pool object = { 0 }, other = { 0 };

			assert_non_null(memory);
			assert_true(option->offset + option->width <= sizeof(object));
			f(option, memory, &object, &other);
			assert_null(conf_memory_free(memory));
		}
	}
}

static int set(const struct conf_option *option, struct conf_memory *memory, void *object,
	       const char *text, struct conf_why *why)
{
	size_t bad;

	return conf_option_set(option, memory, object, &text, 1, &bad, why);
}

static void check_row(const struct conf_option *option, struct conf_memory *memory,
		      void *object, void *other)
{
	char expected[200];
	size_t n_help = strlen(option->help);

	(void)memory;
	(void)object;
	(void)other;
	assert_non_null(option->preset);
	assert_true(n_help > 10 && option->help[n_help - 1] == '.');
	assert_true(option->min <= option->max);
	if (option->type == CONF_INTEGER)
		assert_non_null(option->unit);
	if (option->type == CONF_INTEGER || option->type == CONF_DURATION ||
	    option->type == CONF_SIZE)
		assert_true(option->max > 0);
	if (option->type == CONF_ENUM || option->type == CONF_SINK)
		assert_non_null(option->words);
	if (option->type == CONF_ADDRESS || option->type == CONF_ADDRESSES)
		assert_true(option->kinds > 1);
	conf_option_describe(option, expected, sizeof(expected));
	assert_true(strlen(expected) > 5 && strlen(expected) < sizeof(expected) - 1);
	assert_non_null(conf_type_word(option->type));
}

static void test_rows(void **state)
{
	(void)state;
	for_all(check_row);
}

static char *print_option(const struct conf_option *option, const void *object)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	conf_option_print(option, object, out);
	fclose(out);
	return text;
}

/* The default is a value that can be stored, and prints as itself or as the same. */
static void check_preset(const struct conf_option *option, struct conf_memory *memory,
			 void *object, void *other)
{
	struct conf_why why;
	char *text, *plain;

	assert_int_equal(conf_option_set_preset(option, memory, object), 0);
	assert_int_equal(conf_option_set_preset(option, memory, other), 0);
	assert_true(conf_option_is_equal(option, object, other));
	text = print_option(option, object);
	plain = text;
	if (conf_option_is_list(option)) {
		assert_string_equal(text, "[ ]");
		free(text);
		return;
	}
	if (*text == '"') {
		plain++;
		plain[strlen(plain) - 1] = 0;
	}
	if (!(option->flags & CONF_OPTION_FILLED && !*plain))
		assert_int_equal(set(option, memory, other, plain, &why), 0);
	assert_true(conf_option_is_equal(option, object, other));
	if (option->type != CONF_DURATION)
		assert_string_equal(plain, option->preset);
	free(text);
}

static void test_presets(void **state)
{
	(void)state;
	for_all(check_preset);
}

/* The ends of each range are in it and what is next to them is not. */
static void check_range(const struct conf_option *option, struct conf_memory *memory,
			void *object, void *other)
{
	char text[CONF_NUMBER_TEXT_BYTES];
	struct conf_why why;
	bool is_duration = option->type == CONF_DURATION;
	uint64_t step = is_duration ? 1000 : 1;
	int zero;

	(void)other;
	if (option->max == 0)
		return;
	conf_option_print_number(option, option->min, text);
	if (option->min > 0)
		assert_int_equal(set(option, memory, object, text, &why), 0);
	assert_true(conf_option_number(option, object) == option->min);
	conf_option_print_number(option, option->max, text);
	assert_int_equal(set(option, memory, object, text, &why), 0);
	assert_true(conf_option_number(option, object) == option->max);
	conf_option_print_number(option, option->max + step, text);
	assert_int_equal(set(option, memory, object, text, &why), CONF_VALUE_BAD);
	assert_non_null(strstr(why.text, "out of range"));
	zero = set(option, memory, object, "0", &why);
	assert_int_equal(zero, option->min == 0 || option->flags & CONF_OPTION_ZERO ?
				       0 :
				       CONF_VALUE_BAD);
	if (option->min > step) {
		conf_option_print_number(option, option->min - step, text);
		assert_int_equal(set(option, memory, object, text, &why), CONF_VALUE_BAD);
	}
	assert_int_equal(set(option, memory, object, "auto", &why),
			 option->flags & CONF_OPTION_AUTO ? 0 : CONF_VALUE_BAD);
}

static void test_ranges(void **state)
{
	(void)state;
	for_all(check_range);
}

/* Every word of an enum or sink is stored as its value and printed as the word. */
static void check_words(const struct conf_option *option, struct conf_memory *memory,
			void *object, void *other)
{
	struct conf_why why;

	(void)other;
	if (!option->words)
		return;
	for (const struct conf_word *word = option->words; word->word; word++) {
		char *text, wanted[40];

		snprintf(wanted, sizeof(wanted), "\"%s\"", word->word);
		assert_int_equal(set(option, memory, object, word->word, &why), 0);
		assert_int_equal(conf_option_number(option, object), word->value);
		text = print_option(option, object);
		assert_string_equal(text, wanted);
		free(text);
	}
	assert_int_equal(set(option, memory, object, "", &why), CONF_VALUE_BAD);
	assert_int_equal(set(option, memory, object, "nonsense", &why), CONF_VALUE_BAD);
}

static void test_words(void **state)
{
	(void)state;
	for_all(check_words);
}

static void test_find(void **state)
{
	const struct conf_option *option;
	size_t n = 0;

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		for (size_t i = 0; (option = conf_schema_at(schemas[s], i)); i++, n++)
			assert_int_equal(conf_schema_find(schemas[s], option->name), i);
		assert_int_equal(conf_schema_count(schemas[s]), n);
		assert_null(conf_schema_at(schemas[s], n));
		n = 0;
	}
	assert_true(conf_schema_find(&conf_schema_top, "backend") == SIZE_MAX);
	assert_true(conf_schema_find(&conf_schema_pool, "size") == SIZE_MAX);
	assert_ptr_equal(conf_schema_find_group(&conf_schema_pool, "queue"),
			 &conf_group_queue);
	assert_null(conf_schema_find_group(&conf_schema_pool, "queue."));
	assert_null(conf_schema_find_group(&conf_schema_pool, "que"));
	assert_null(conf_schema_find_group(&conf_schema_pool, ""));
	assert_null(conf_schema_find_group(&conf_schema_top, "queue"));
	option = conf_schema_at(&conf_schema_pool,
				conf_schema_find(&conf_schema_pool, "queue.size"));
	assert_string_equal(conf_option_local_name(option), "size");
}

static const struct conf_option *pool_option(const char *name)
{
	return conf_schema_at(&conf_schema_pool,
			      conf_schema_find(&conf_schema_pool, name));
}

/* A value that cannot be stored leaves the one before alone. */
static void test_bad_leaves_value(void **state)
{
	static const struct {
		const char *option, *good, *bad;
	} cases[] = {
		{ "backlog", "7", "0" },
		{ "half_close", "true", "a\nb" },
		{ "queue.max_wait", "3s", "3" },
		{ "queue.size", "9", "-1" },
		{ "listen_mode", "0600", "0" },
		{ "hello", "always", "never" },
		{ "unit", "a.service", "a" },
		{ "fpm_conf", "/a", "a" },
		{ "backend", "/run/a.sock", "systemd:a" },
		{ "php_log", "/var/log/php.log", "stderr" },
		{ "deny_params", "A", "A B" },
		{ "allow", "10.0.0.0/8", "10" },
		{ "listen", "@a", "9000" },
	};
	struct conf_memory *memory = conf_memory_new();
	struct conf_pool pool = { 0 }, copy;
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct conf_option *option = pool_option(cases[i].option);

		assert_int_equal(set(option, memory, &pool, cases[i].good, &why), 0);
		copy = pool;
		assert_int_equal(set(option, memory, &pool, cases[i].bad, &why), 1);
		assert_memory_equal(&copy, &pool, sizeof(pool));
	}
	conf_memory_free(memory);
}

/* Two objects that differ in one element, the number or the order of a list. */
static void test_lists(void **state)
{
	static const struct {
		const char *option, *texts[3];
		const char *print;
	} cases[] = {
		{ "listen",
		  { "/run/a.sock", "127.0.0.1:9000", "systemd:www" },
		  "[ \"/run/a.sock\", \"127.0.0.1:9000\", \"systemd:www\" ]" },
		{ "allow",
		  { "10.0.0.0/8", "::1", "10.0.0.0/16" },
		  "[ \"10.0.0.0/8\", \"::1/128\", \"10.0.0.0/16\" ]" },
		{ "deny_params", { "A", "B", "AB" }, "[ \"A\", \"B\", \"AB\" ]" },
	};
	struct conf_memory *memory = conf_memory_new();
	struct conf_why why;
	size_t bad;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct conf_option *option = pool_option(cases[i].option);
		const char *other[] = { cases[i].texts[0], cases[i].texts[2],
					cases[i].texts[1] };
		struct conf_pool a = { 0 }, b = { 0 };
		char *text;

		assert_int_equal(conf_option_set(option, memory, &a, cases[i].texts, 3,
						 &bad, &why),
				 0);
		text = print_option(option, &a);
		assert_string_equal(text, cases[i].print);
		free(text);
		conf_option_set(option, memory, &b, cases[i].texts, 3, &bad, &why);
		assert_true(conf_option_is_equal(option, &a, &b));
		conf_option_set(option, memory, &b, cases[i].texts, 2, &bad, &why);
		assert_false(conf_option_is_equal(option, &a, &b));
		assert_false(conf_option_is_equal(option, &b, &a));
		conf_option_set(option, memory, &b, other, 3, &bad, &why);
		assert_false(conf_option_is_equal(option, &a, &b));
		other[1] = "";
		assert_int_equal(conf_option_set(option, memory, &b, other, 3, &bad,
						 &why),
				 CONF_VALUE_BAD);
		assert_int_equal(bad, 1);
	}
	conf_memory_free(memory);
}

/* What has the same number but not the same text. */
static void test_not_equal(void **state)
{
	static const struct {
		const char *option, *a, *b;
	} cases[] = {
		{ "php_log", "/a", "/b" },
		{ "php_log", "/a", "off" },
		{ "name", "a", "b" },
		{ "backend", "/a", "/b" },
		{ "backend", "", "/b" },
		{ "backend", "127.0.0.1:1", "127.0.0.1:2" },
		{ "half_close", "true", "false" },
		{ "listen_mode", "", "0777" },
		{ "allow", "10.0.0.0/8", "10.0.0.0/16" },
		{ "allow", "10.0.0.0/8", "11.0.0.0/8" },
		{ "allow", "0.0.0.0/0", "::/0" },
	};
	struct conf_memory *memory = conf_memory_new();
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct conf_option *option = pool_option(cases[i].option);
		struct conf_pool a = { 0 }, b = { 0 };

		assert_int_equal(set(option, memory, &a, cases[i].a, &why), 0);
		assert_int_equal(set(option, memory, &b, cases[i].b, &why), 0);
		assert_false(conf_option_is_equal(option, &a, &b));
		assert_true(conf_option_is_equal(option, &a, &a));
	}
	conf_memory_free(memory);
}

static void test_print(void **state)
{
	const struct conf_option *option = pool_option("error_page");
	struct conf_memory *memory = conf_memory_new();
	struct conf_pool pool = { 0 };
	struct conf_why why;
	char *text;

	(void)state;
	assert_int_equal(set(option, memory, &pool, "/a \"b\" \\n", &why), 0);
	text = print_option(option, &pool);
	assert_string_equal(text, "\"/a \\\"b\\\" \\\\n\"");
	free(text);
	option = pool_option("listen_mode");
	assert_int_equal(set(option, memory, &pool, "007", &why), 1);
	assert_int_equal(set(option, memory, &pool, "0007", &why), 0);
	text = print_option(option, &pool);
	assert_string_equal(text, "\"0007\"");
	free(text);
	conf_memory_free(memory);
}

static void test_origin(void **state)
{
	struct conf *conf = case_load_good("log = \"stderr\";\n"
					   "defaults = { replay = false; };\n"
					   "pools = ( { " CASE_BACKEND "\n"
					   "queue = {\n"
					   "size = 3;\n"
					   "}; } );\n");
	const struct conf_pool *pool = conf->pools[0];

	(void)state;
	assert_string_equal(conf_origin_in_top(conf, "log")->file, "t");
	assert_int_equal(conf_origin_in_top(conf, "log")->line, 1);
	assert_null(conf_origin_in_top(conf, "log_level")->file);
	assert_int_equal(conf_origin_in_pool(pool, "replay")->line, 2);
	assert_true(conf_origin_in_pool(pool, "replay")->is_shared);
	assert_int_equal(conf_origin_in_pool(pool, "queue.size")->line, 5);
	assert_false(conf_origin_in_pool(pool, "queue.size")->is_shared);
	assert_null(conf_origin_in_pool(pool, "queue.order")->file);
	assert_string_equal(pool->file, "t");
	assert_int_equal(pool->line, 3);
	conf_unref(conf);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),   cmocka_unit_test(test_presets),
		cmocka_unit_test(test_ranges), cmocka_unit_test(test_words),
		cmocka_unit_test(test_find),   cmocka_unit_test(test_bad_leaves_value),
		cmocka_unit_test(test_lists),  cmocka_unit_test(test_not_equal),
		cmocka_unit_test(test_print),  cmocka_unit_test(test_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
