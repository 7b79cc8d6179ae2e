/* SPDX-License-Identifier: BSD-2-Clause */
/* One text of the configuration file -> one value, or a sentence about what is wrong. */
#include "conf/value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

/* Longer times are typing errors, and sums of a few must not overflow. */
#define DURATION_MAX_US (UINT64_C(3650) * 24 * 3600 * 1000000)

struct unit {
	const char *word;
	uint64_t factor;
};

/* Smallest first; printing takes the last that divides. */
static const struct unit duration_units[] = {
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "m", UINT64_C(60) * 1000000 },
	{ "h", UINT64_C(3600) * 1000000 },
	{ "d", UINT64_C(24) * 3600 * 1000000 },
};
static const struct unit size_units[] = {
	{ "", 1 },
	{ "k", 1024 },
	{ "m", UINT64_C(1) << 20 },
	{ "g", UINT64_C(1) << 30 },
	{ "t", UINT64_C(1) << 40 },
};

#define N_ITEMS(array) (sizeof(array) / sizeof((array)[0]))

int conf_why_set(struct conf_why *why, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(why->text, sizeof(why->text), format, list);
	va_end(list);
	return CONF_VALUE_BAD;
}

/* <ctype.h> asks the locale; configuration files don't. */
static bool value_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool value_is_alnum(char c)
{
	return value_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Are all characters letters, digits or one of `others`? */
static bool value_has_only(const char *text, const char *others)
{
	for (; *text; text++)
		if (!value_is_alnum(*text) && !strchr(others, *text))
			return false;
	return true;
}

int conf_value_text(const char *text, struct conf_why *ret_why)
{
	size_t n;

	for (n = 0; text[n]; n++)
		if ((unsigned char)text[n] < 32 || text[n] == 127)
			return conf_why_set(ret_why,
					    "the string contains a control character");
	if (n > CONF_TEXT_MAX)
		return conf_why_set(ret_why, "the string is longer than %d bytes",
				    CONF_TEXT_MAX);
	return 0;
}

/* Reads digits at *text and moves it behind them. False: none, or more than 64 bits. */
static bool value_read_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (!value_is_digit(*p))
		return false;
	for (; value_is_digit(*p); p++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	*text = p;
	*ret = n;
	return true;
}

int conf_value_integer(const char *text, int64_t *ret, struct conf_why *ret_why)
{
	const char *p = text + (*text == '-');
	uint64_t n;

	if (!value_read_digits(&p, &n) || *p || n > INT64_MAX)
		return conf_why_set(ret_why, "\"%.40s\" is not a whole number", text);
	*ret = *text == '-' ? -(int64_t)n : (int64_t)n;
	return 0;
}

/* The unit of that name, NULL when there is none. */
static const struct unit *value_find_unit(const struct unit *units, size_t n_units,
					  const char *word)
{
	for (size_t i = 0; i < n_units; i++)
		if (strcmp(units[i].word, word) == 0)
			return &units[i];
	return NULL;
}

int conf_value_duration(const char *text, uint64_t *ret_us, struct conf_why *ret_why)
{
	const struct unit *unit;
	const char *p = text;
	uint64_t n;

	*ret_us = 0;
	if (strcmp(text, "off") == 0 || strcmp(text, "0") == 0)
		return 0;
	if (!value_read_digits(&p, &n))
		return conf_why_set(ret_why,
				    "\"%.40s\" is not a time such as \"10s\", "
				    "\"500ms\", \"2m\" or \"1h\"",
				    text);
	if (!*p)
		return conf_why_set(ret_why,
				    "\"%.40s\" has no unit: write \"%.40ss\" for "
				    "seconds or \"%.40sms\" for milliseconds",
				    text, text, text);
	unit = value_find_unit(duration_units, N_ITEMS(duration_units), p);
	if (!unit)
		return conf_why_set(ret_why,
				    "\"%.40s\" has an unknown unit: the units of "
				    "time are ms, s, m, h and d, after a whole number",
				    text);
	if (__builtin_mul_overflow(n, unit->factor, ret_us) || *ret_us > DURATION_MAX_US)
		return conf_why_set(ret_why, "\"%.40s\" is too long", text);
	return 0;
}

int conf_value_size(const char *text, uint64_t *ret_bytes, struct conf_why *ret_why)
{
	const struct unit *unit;
	const char *p = text;
	char word[2] = "";
	uint64_t n;

	if (!value_read_digits(&p, &n))
		return conf_why_set(ret_why,
				    "\"%.40s\" is not a size such as \"64k\", "
				    "\"10m\" or \"10g\"",
				    text);
	if (*p >= 'A' && *p <= 'Z')
		word[0] = (char)(*p + ('a' - 'A'));
	else
		word[0] = *p;
	unit = value_find_unit(size_units, N_ITEMS(size_units), word);
	if (!unit || (*p && p[1]))
		return conf_why_set(ret_why,
				    "\"%.40s\" has an unknown unit: the units of "
				    "size are k, m, g and t, after a whole number",
				    text);
	if (__builtin_mul_overflow(n, unit->factor, ret_bytes))
		return conf_why_set(ret_why, "\"%.40s\" is too big", text);
	return 0;
}

int conf_value_mode(const char *text, int *ret_mode, struct conf_why *ret_why)
{
	const char *p = text + (*text == '0');
	int mode = 0;

	if (strlen(p) != 3 || strspn(p, "01234567") != 3)
		return conf_why_set(ret_why,
				    "\"%.40s\" is not a file mode such as "
				    "\"0660\"",
				    text);
	for (; *p; p++)
		mode = mode * 8 + (*p - '0');
	*ret_mode = mode;
	return 0;
}

int conf_value_path(const char *text, struct conf_why *ret_why)
{
	if (text[0] != '/')
		return conf_why_set(ret_why,
				    "\"%.80s\" is not an absolute path: it must "
				    "begin with /",
				    text);
	return 0;
}

int conf_value_pool_name(const char *text, struct conf_why *ret_why)
{
	if (!value_is_alnum(text[0]) || !value_has_only(text, "._-"))
		return conf_why_set(
			ret_why,
			"\"%.80s\": a pool's name consists of letters, "
			"digits, dots, underscores and hyphens and begins with "
			"a letter or digit",
			text);
	if (strlen(text) > CONF_POOL_NAME_MAX)
		return conf_why_set(ret_why, "a pool's name has at most %d bytes",
				    CONF_POOL_NAME_MAX);
	return 0;
}

int conf_value_account(const char *text, struct conf_why *ret_why)
{
	if (text[0] == '-' || !value_has_only(text, "._-$"))
		return conf_why_set(ret_why,
				    "\"%.80s\" is not the name of a user or group", text);
	return 0;
}

int conf_value_unit(const char *text, struct conf_why *ret_why)
{
	const char *dot = strrchr(text, '.');

	if (!value_has_only(text, ":_.\\@-"))
		return conf_why_set(ret_why,
				    "\"%.80s\" is not the name of a systemd unit", text);
	if (!dot || dot == text || strcmp(dot, ".service") != 0)
		return conf_why_set(ret_why,
				    "\"%.80s\" is not the name of a service unit: "
				    "it must end with .service",
				    text);
	return 0;
}

int conf_value_uri_path(const char *text, struct conf_why *ret_why)
{
	/* FPM's own rule (tested, PHP 8.2): "must contain only [alphanum]/_-.~" */
	if (text[0] != '/' || !value_has_only(text, "/_.~-"))
		return conf_why_set(
			ret_why,
			"\"%.80s\" is not a path as FPM takes it: it "
			"begins with / and contains letters, digits and /_-.~ "
			"only",
			text);
	return 0;
}

int conf_value_param(const char *text, struct conf_why *ret_why)
{
	if (!*text || !value_has_only(text, "_-."))
		return conf_why_set(ret_why,
				    "\"%.80s\" is not the name of a FastCGI "
				    "parameter such as \"PHP_VALUE\"",
				    text);
	return 0;
}

int conf_value_php_ini(const char *text, struct conf_why *ret_why)
{
	size_t n = strcspn(text, "=");
	char key[128];

	snprintf(key, sizeof(key), "%.*s", (int)(n < sizeof(key) ? n : 0), text);
	if (!text[n] || !*key || !value_has_only(key, "._-"))
		return conf_why_set(ret_why,
				    "\"%.80s\" is not of the form KEY=VALUE, such as "
				    "\"memory_limit=256M\"",
				    text);
	return 0;
}

int conf_value_fpm_line(const char *text, struct conf_why *ret_why)
{
	size_t n = strspn(text, " ");

	/* a section or an include would leave the pool's own section */
	if (text[n] == '[')
		return conf_why_set(ret_why,
				    "\"%.80s\" begins a section: only lines of the "
				    "pool's own section can be added",
				    text);
	if (strncmp(text + n, "include", 7) == 0)
		return conf_why_set(ret_why, "\"%.80s\": other files cannot be included",
				    text);
	if (!strchr(text, '=') || text[n] == '=')
		return conf_why_set(ret_why,
				    "\"%.80s\" is not of the form KEY = VALUE, such "
				    "as \"pm.max_requests = 500\"",
				    text);
	return 0;
}

/* The number in the biggest unit that leaves no rest. */
static void value_print_units(uint64_t n, const struct unit *units, size_t n_units,
			      char buffer[CONF_NUMBER_TEXT_BYTES])
{
	const struct unit *unit = &units[0];

	for (size_t i = 1; i < n_units && n % units[i].factor == 0; i++)
		unit = &units[i];
	snprintf(buffer, CONF_NUMBER_TEXT_BYTES, "%" PRIu64 "%s", n / unit->factor,
		 unit->word);
}

void conf_value_print_duration(uint64_t us, char buffer[CONF_NUMBER_TEXT_BYTES])
{
	if (us == 0)
		memcpy(buffer, "off", sizeof("off"));
	else
		value_print_units(us, duration_units, N_ITEMS(duration_units), buffer);
}

void conf_value_print_size(uint64_t bytes, char buffer[CONF_NUMBER_TEXT_BYTES])
{
	if (bytes == 0)
		memcpy(buffer, "0", sizeof("0"));
	else
		value_print_units(bytes, size_units, N_ITEMS(size_units), buffer);
}
