/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf/value and conf/address: one text -> one value, and the way back.
 */
#include "tests/conf_case.h"

#include "conf/address.h"
#include "conf/nearest.h"
#include "conf/value.h"

#define BAD UINT64_MAX

struct quantity {
	const char *text;
	uint64_t value;    /* BAD: a sentence instead */
	const char *print; /* how it is printed; NULL: as it was written */
};

static void test_duration(void **state)
{
	static const struct quantity cases[] = {
		{ "0", 0, "off" },
		{ "off", 0, NULL },
		{ "1ms", 1000, NULL },
		{ "500ms", 500000, NULL },
		{ "10s", 10000000, NULL },
		{ "60s", 60000000, "1m" },
		{ "1500ms", 1500000, NULL },
		{ "2m", 120000000, NULL },
		{ "90m", UINT64_C(5400000000), NULL },
		{ "1h", UINT64_C(3600000000), NULL },
		{ "24h", UINT64_C(86400000000), "1d" },
		{ "7d", UINT64_C(604800000000), NULL },
		{ "3650d", UINT64_C(315360000000000), NULL },
		{ "3651d", BAD, NULL },
		{ "", BAD, NULL },
		{ "s", BAD, NULL },
		{ "10", BAD, NULL },
		{ "00", BAD, NULL },
		{ "-1s", BAD, NULL },
		{ "+1s", BAD, NULL },
		{ " 1s", BAD, NULL },
		{ "1 s", BAD, NULL },
		{ "1s ", BAD, NULL },
		{ "1.5s", BAD, NULL },
		{ "1S", BAD, NULL },
		{ "1us", BAD, NULL },
		{ "1sec", BAD, NULL },
		{ "Off", BAD, NULL },
		{ "18446744073709551615s", BAD, NULL },
		{ "18446744073709551616s", BAD, NULL },
		{ "184467440737095516160s", BAD, NULL },
	};
	char buffer[CONF_NUMBER_TEXT_BYTES];
	struct conf_why why;
	uint64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct quantity *test = &cases[i];
		int r = conf_value_duration(test->text, &us, &why);

		assert_int_equal(r, test->value == BAD ? CONF_VALUE_BAD : 0);
		if (r != 0) {
			assert_non_null(strchr(why.text, '"'));
			continue;
		}
		assert_int_equal(us, test->value);
		conf_value_print_duration(us, buffer);
		assert_string_equal(buffer, test->print ? test->print : test->text);
	}
}

static void test_size(void **state)
{
	static const struct quantity cases[] = {
		{ "0", 0, NULL },
		{ "1", 1, NULL },
		{ "1023", 1023, NULL },
		{ "1024", 1024, "1k" },
		{ "64k", 65536, NULL },
		{ "64K", 65536, "64k" },
		{ "1025k", 1049600, NULL },
		{ "10m", 10485760, NULL },
		{ "10g", UINT64_C(10737418240), NULL },
		{ "1t", UINT64_C(1099511627776), NULL },
		{ "16777215t", UINT64_C(18446742974197923840), NULL },
		{ "16777216t", BAD, NULL },
		{ "", BAD, NULL },
		{ "k", BAD, NULL },
		{ "-1", BAD, NULL },
		{ "1kb", BAD, NULL },
		{ "1p", BAD, NULL },
		{ "1 k", BAD, NULL },
		{ "1.5m", BAD, NULL },
		{ "18446744073709551616", BAD, NULL },
	};
	char buffer[CONF_NUMBER_TEXT_BYTES];
	struct conf_why why;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct quantity *test = &cases[i];
		int r = conf_value_size(test->text, &bytes, &why);

		assert_int_equal(r, test->value == BAD ? CONF_VALUE_BAD : 0);
		if (r != 0)
			continue;
		assert_int_equal(bytes, test->value);
		conf_value_print_size(bytes, buffer);
		assert_string_equal(buffer, test->print ? test->print : test->text);
	}
}

static void test_integer(void **state)
{
	struct conf_why why;
	int64_t n;

	(void)state;
	assert_int_equal(conf_value_integer("0", &n, &why), 0);
	assert_int_equal(n, 0);
	assert_int_equal(conf_value_integer("-5", &n, &why), 0);
	assert_int_equal(n, -5);
	assert_int_equal(conf_value_integer("9223372036854775807", &n, &why), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(conf_value_integer("9223372036854775808", &n, &why), 1);
	assert_int_equal(conf_value_integer("", &n, &why), CONF_VALUE_BAD);
	assert_int_equal(conf_value_integer("-", &n, &why), CONF_VALUE_BAD);
	assert_int_equal(conf_value_integer("1x", &n, &why), CONF_VALUE_BAD);
}

static void test_mode(void **state)
{
	static const char *const bad[] = {
		"", "0", "66", "0066a", "06600", "00660", "0888", "1777", "rw-", "-660",
	};
	struct conf_why why;
	int mode;

	(void)state;
	assert_int_equal(conf_value_mode("0660", &mode, &why), 0);
	assert_int_equal(mode, 0660);
	assert_int_equal(conf_value_mode("777", &mode, &why), 0);
	assert_int_equal(mode, 0777);
	assert_int_equal(conf_value_mode("0000", &mode, &why), 0);
	assert_int_equal(mode, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(conf_value_mode(bad[i], &mode, &why), CONF_VALUE_BAD);
}

static void test_text(void **state)
{
	static char text[CONF_TEXT_MAX + 2];
	struct conf_why why;

	(void)state;
	assert_int_equal(conf_value_text("", &why), 0);
	assert_int_equal(conf_value_text("a b \"\\ \xc3\xbc \xff", &why), 0);
	assert_int_equal(conf_value_text("a\tb", &why), CONF_VALUE_BAD);
	assert_int_equal(conf_value_text("\x1f", &why), CONF_VALUE_BAD);
	assert_int_equal(conf_value_text("\x7f", &why), CONF_VALUE_BAD);
	memset(text, 'a', CONF_TEXT_MAX);
	assert_int_equal(conf_value_text(text, &why), 0);
	text[CONF_TEXT_MAX] = 'a';
	assert_int_equal(conf_value_text(text, &why), CONF_VALUE_BAD);
}

/* Forms of strings: texts that are right, then texts that are not. */
struct form {
	int (*check)(const char *text, struct conf_why *ret_why);
	const char *good[6], *bad[8];
};

static void test_forms(void **state)
{
	static const struct form forms[] = {
		{ conf_value_path, { "/", "/a b" }, { "a", "./a", "~/a" } },
		{ conf_value_pool_name,
		  { "www", "Example.com", "8-a_b." },
		  { "", ".a", "-a", "_a", "a b", "a/b", "\xc3\xbc" } },
		{ conf_value_account,
		  { "www-data", "1000", "a.b_c$" },
		  { "-a", "a b", "a:b", "a/b" } },
		{ conf_value_unit,
		  { "php8.2-fpm.service", "a@b.service", "a\\x2d.service",
		    "a:b.service" },
		  { "", ".service", "a", "a.socket", "a.service.d", "a b.service",
		    "a/b.service" } },
		{ conf_value_uri_path,
		  { "/", "/status", "/a/b_c.d~e-f" },
		  { "status", "/a?b", "/a b", "/a%20" } },
		{ conf_value_param,
		  { "PHP_VALUE", "HTTP_X-Y.z" },
		  { "", "A B", "A=B", "\xc3\xbc" } },
		{ conf_value_php_ini,
		  { "memory_limit=256M", "a.b=", "x-debug=1 2=3" },
		  { "", "memory_limit", "=1", "a b=1", "a[b]=1" } },
		{ conf_value_fpm_line,
		  { "pm.max_requests = 500", "env[A]=b", "  chdir = /" },
		  { "", "a", "=b", "[www]", "  [www]", "include=/a", " include = b" } },
	};
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *form = &forms[i];

		for (size_t j = 0; j < 6 && form->good[j]; j++)
			assert_int_equal(form->check(form->good[j], &why), 0);
		for (size_t j = 0; j < 8 && form->bad[j]; j++)
			assert_int_equal(form->check(form->bad[j], &why), CONF_VALUE_BAD);
	}
}

static void test_form_lengths(void **state)
{
	char name[80] = "", ini[200] = "";
	struct conf_why why;

	(void)state;
	memset(name, 'a', CONF_POOL_NAME_MAX);
	assert_int_equal(conf_value_pool_name(name, &why), 0);
	name[CONF_POOL_NAME_MAX] = 'a';
	assert_int_equal(conf_value_pool_name(name, &why), CONF_VALUE_BAD);
	memset(ini, 'a', 127);
	strcat(ini, "=1");
	assert_int_equal(conf_value_php_ini(ini, &why), 0);
	memset(ini, 'a', 128);
	strcpy(ini + 128, "=1");
	assert_int_equal(conf_value_php_ini(ini, &why), CONF_VALUE_BAD);
}

struct address_case {
	const char *text;
	enum conf_address_kind kind; /* NONE: an error */
	const char *canonical;       /* NULL: as written */
	const char *name;            /* NULL: the whole canonical text */
	uint16_t port;
	bool is_loopback, is_any;
};

static const struct address_case address_cases[] = {
	{ "/run/a.sock", CONF_ADDRESS_UNIX, NULL, NULL, 0, false, false },
	{ "//run///a.sock", CONF_ADDRESS_UNIX, "/run/a.sock", NULL, 0, false, false },
	{ "/./run/./a.sock", CONF_ADDRESS_UNIX, "/run/a.sock", NULL, 0, false, false },
	{ "/run/../a.sock", CONF_ADDRESS_UNIX, NULL, NULL, 0, false, false },
	{ "/run/.a", CONF_ADDRESS_UNIX, NULL, NULL, 0, false, false },
	{ "@fpmgate", CONF_ADDRESS_ABSTRACT, NULL, "fpmgate", 0, false, false },
	{ "@/a//b", CONF_ADDRESS_ABSTRACT, NULL, "/a//b", 0, false, false },
	{ "systemd:www", CONF_ADDRESS_SYSTEMD, NULL, "www", 0, false, false },
	{ "127.0.0.1:9000", CONF_ADDRESS_IPV4, NULL, NULL, 9000, true, false },
	{ "127.255.0.1:1", CONF_ADDRESS_IPV4, NULL, NULL, 1, true, false },
	{ "0.0.0.0:65535", CONF_ADDRESS_IPV4, NULL, NULL, 65535, false, true },
	{ "10.0.0.1:80", CONF_ADDRESS_IPV4, NULL, NULL, 80, false, false },
	{ "[::1]:9000", CONF_ADDRESS_IPV6, NULL, NULL, 9000, true, false },
	{ "[0:0:0:0:0:0:0:1]:9000", CONF_ADDRESS_IPV6, "[::1]:9000", NULL, 9000, true,
	  false },
	{ "[::]:9000", CONF_ADDRESS_IPV6, NULL, NULL, 9000, false, true },
	{ "[FD00::A]:9000", CONF_ADDRESS_IPV6, "[fd00::a]:9000", NULL, 9000, false,
	  false },
	{ "[::ffff:127.0.0.1]:9", CONF_ADDRESS_IPV6, NULL, NULL, 9, true, false },
	{ "[::ffff:10.0.0.1]:9", CONF_ADDRESS_IPV6, NULL, NULL, 9, false, false },
	{ "", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "/", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "/run/.", CONF_ADDRESS_UNIX, "/run", NULL, 0, false, false },
	{ "127.0.0.1:+80", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "127.0.0.1:8 0", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "127.0.0.1:", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ ":9000", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "[127.0.0.1]:80", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "127.1:80", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "[", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "[:80", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "]:80", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
	{ "example.com:80", CONF_ADDRESS_NONE, NULL, NULL, 0, false, false },
};

static void test_address(void **state)
{
	char buffer[CONF_ADDRESS_TEXT_BYTES];
	struct conf_address address;
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(address_cases) / sizeof(address_cases[0]); i++) {
		const struct address_case *test = &address_cases[i];
		int r = conf_address_parse(test->text, buffer, &address, &why);
		bool is_tcp = test->kind == CONF_ADDRESS_IPV4 ||
			      test->kind == CONF_ADDRESS_IPV6;

		if (test->kind == CONF_ADDRESS_NONE) {
			assert_int_equal(r, CONF_VALUE_BAD);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(address.kind, test->kind);
		assert_ptr_equal(address.text, buffer);
		assert_string_equal(buffer,
				    test->canonical ? test->canonical : test->text);
		assert_string_equal(address.name, test->name ? test->name : buffer);
		assert_int_equal(address.port, test->port);
		assert_int_equal(conf_address_is_tcp(&address), is_tcp);
		assert_int_equal(conf_address_is_loopback(&address), test->is_loopback);
		assert_int_equal(conf_address_is_any(&address), test->is_any);
	}
}

/* The longest of each kind, and one byte more. */
static void test_address_lengths(void **state)
{
	static const struct {
		const char *prefix;
		size_t n_max;
	} cases[] = {
		{ "/", CONF_UNIX_PATH_MAX },
		{ "@", CONF_UNIX_PATH_MAX + 1 },
		{ "systemd:", 8 + 255 },
	};
	char buffer[CONF_ADDRESS_TEXT_BYTES], text[4000];
	struct conf_address address;
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(text, 'a', sizeof(text));
		memcpy(text, cases[i].prefix, strlen(cases[i].prefix));
		text[cases[i].n_max] = 0;
		assert_int_equal(conf_address_parse(text, buffer, &address, &why), 0);
		assert_string_equal(buffer, text);
		text[cases[i].n_max] = 'a';
		text[cases[i].n_max + 1] = 0;
		assert_int_equal(conf_address_parse(text, buffer, &address, &why), 1);
		text[cases[i].n_max + 1] = 'a';
		text[sizeof(text) - 1] = 0;
		assert_int_equal(conf_address_parse(text, buffer, &address, &why), 1);
	}
	/* slashes that vanish do not count */
	memset(text, '/', sizeof(text));
	strcpy(text + sizeof(text) - 5, "/run");
	assert_int_equal(conf_address_parse(text, buffer, &address, &why), 0);
	assert_string_equal(buffer, "/run");
}

static void test_network(void **state)
{
	static const struct {
		const char *text, *print; /* NULL: an error */
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0/8" },
		{ "192.0.2.7", "192.0.2.7/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "192.0.2.128/25", "192.0.2.128/25" },
		{ "fd00::/8", "fd00::/8" },
		{ "::1", "::1/128" },
		{ "::/0", "::/0" },
		{ "10.0.0.1/8", NULL },
		{ "192.0.2.128/24", NULL },
		{ "fd00::1/8", NULL },
		{ "10.0.0.0/33", NULL },
		{ "::/129", NULL },
		{ "10.0.0.0/", NULL },
		{ "10.0.0.0/8x", NULL },
		{ "10.0.0.0/-1", NULL },
		{ "10.0.0.0/99999999999999999999", NULL },
		{ "10.0.0/8", NULL },
		{ "", NULL },
		{ "/8", NULL },
		{ "[::1]/128", NULL },
		{ "localhost", NULL },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8", NULL },
	};
	char buffer[CONF_ADDRESS_TEXT_BYTES];
	struct conf_network network;
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = conf_network_parse(cases[i].text, &network, &why);

		assert_int_equal(r, cases[i].print ? 0 : CONF_VALUE_BAD);
		if (r != 0)
			continue;
		conf_network_print(&network, buffer);
		assert_string_equal(buffer, cases[i].print);
		assert_int_equal(network.is_ipv6, strchr(cases[i].text, ':') != NULL);
	}
	conf_network_parse("10.77.1.2/8", &network, &why);
	assert_non_null(strstr(why.text, "write \"10.0.0.0/8\""));
}

static void test_nearest(void **state)
{
	static const struct {
		const char *word, *near; /* NULL: nothing */
	} cases[] = {
		{ "lisen", "listen" },
		{ "listne", "listen" },
		{ "LISTEN", "listen" },
		{ "listen", "listen" },
		{ "bakcend", "backend" },
		{ "backnd", "backend" },
		{ "backloq", "backlog" },
		{ "lst", NULL },
		{ "zzzzzz", NULL },
		{ "", NULL },
		{ "x", NULL },
		{ "a_word_of_more_than_forty_letters_that_ends_here", NULL },
	};
	static const char *const words[] = { "backend", "listen", "name", "backlog" };
	struct conf_nearest nearest;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conf_nearest_init(&nearest, cases[i].word);
		conf_nearest_offer(&nearest, NULL);
		for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++)
			conf_nearest_offer(&nearest, words[j]);
		assert_int_equal(nearest.best != NULL, cases[i].near != NULL);
		if (nearest.best)
			assert_string_equal(nearest.best, cases[i].near);
	}
	/* two letters that are swapped are one mistake, and the first of equals wins */
	conf_nearest_init(&nearest, "bakc");
	conf_nearest_offer(&nearest, "back");
	conf_nearest_offer(&nearest, "bak");
	assert_string_equal(nearest.best, "back");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_integer),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_form_lengths),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_address_lengths),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
