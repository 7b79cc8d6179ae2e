/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses PHP-FPM's configuration text: a pool file, or the dump of `php-fpm -tt`.
 *
 * A pool file is read by PHP's ini scanner, a dump is FPM's own print of what it read.
 * Lines of a dump are recognised by their log prefix and taken as they are; other lines
 * follow the scanner as far as it matters here (tested, PHP 8.2): a ';' outside of quotes
 * begins a comment, quotes of both kinds vanish, \" and \\ are escapes inside double
 * ones, the last of two equal keys counts, and sections of the same name, in any case,
 * are one.
 *
 * Two passes: the first looks for the section that listens where the backend is, the
 * second collects what all sections of that name say.
 */
#include "conf/fpm_conf.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/address.h"
#include "conf/value.h"

/* What FPM puts before relative paths when nothing else is given: the --prefix it was
 * built with, which is this one in distributions. */
#define FPM_PREFIX "/usr"

enum {
	FPM_KEY_BYTES = 64, /* longer keys mean nothing to us */
	FPM_VALUE_BYTES = 512,
};

/* Bytes of the text. */
struct slice {
	const char *p;
	size_t n;
};

struct scanner {
	const char *p, *end;
	struct slice section; /* of the latest line; empty before the first */
	bool is_new_section;  /* the latest line began one */
	char key[FPM_KEY_BYTES], value[FPM_VALUE_BYTES];
};

static const struct slice global = { "global", 6 };

static bool slice_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice slice_trim(struct slice slice)
{
	while (slice.n > 0 && slice_is_blank(slice.p[0])) {
		slice.p++;
		slice.n--;
	}
	while (slice.n > 0 && slice_is_blank(slice.p[slice.n - 1]))
		slice.n--;
	return slice;
}

static bool slice_begins_with(struct slice slice, const char *word)
{
	size_t n = strlen(word);

	return slice.n >= n && memcmp(slice.p, word, n) == 0;
}

/* The slice behind the first `word`; p is NULL when it is not there. */
static struct slice slice_behind(struct slice slice, const char *word)
{
	size_t n = strlen(word);
	const char *found = memmem(slice.p, slice.n, word, n);

	if (!found)
		return (struct slice){ 0 };
	return (struct slice){ found + n, (size_t)(slice.p + slice.n - found) - n };
}

static bool slice_is_equal(struct slice a, struct slice b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* --- lines --- */

/* "[20-Jan-2026 10:40:42] NOTICE: " and at log level debug "pid 7, f(), line 9: " away;
 * false: the line has no such prefix. */
static bool scanner_strip_prefix(struct slice *line)
{
	struct slice rest;

	if (line->n < 13 || line->p[0] != '[' || line->p[3] != '-' || line->p[7] != '-' ||
	    line->p[12] != ' ')
		return false;
	rest = slice_behind(*line, "] ");
	if (!rest.p)
		return false;
	rest = slice_behind(rest, ": ");
	if (!rest.p)
		return false;
	if (slice_begins_with(rest, "pid ")) {
		struct slice behind = slice_behind(rest, ": ");

		rest = behind.p ? behind : rest;
	}
	*line = rest;
	return true;
}

/* Copies what fits; a value that does not fit, or that has a control character or a
 * ${variable}, becomes "". */
static void scanner_keep(char *buffer, size_t n_bytes, struct slice slice)
{
	*buffer = 0;
	if (slice.n >= n_bytes || memmem(slice.p, slice.n, "${", 2))
		return;
	for (size_t i = 0; i < slice.n; i++)
		if ((unsigned char)slice.p[i] < 32)
			return;
	memcpy(buffer, slice.p, slice.n);
	buffer[slice.n] = 0;
}

/* A value of a dump: as it is. */
static void scanner_read_dumped(struct scanner *scanner, struct slice value)
{
	scanner_keep(scanner->value, sizeof(scanner->value), slice_trim(value));
	if (strcmp(scanner->value, "undefined") == 0)
		*scanner->value = 0;
}

/* A value of a file: without quotes, escapes and comment. */
static void scanner_read_written(struct scanner *scanner, struct slice value)
{
	char plain[FPM_VALUE_BYTES];
	size_t n = 0, n_kept = 0; /* blanks behind n_kept are outside of quotes */
	char quote = 0;

	value = slice_trim(value);
	for (size_t i = 0; i < value.n && n < sizeof(plain); i++) {
		char c = value.p[i];

		if (!quote && c == ';')
			break;
		if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? 0 : c;
			n_kept = n;
			continue;
		}
		if (quote == '"' && c == '\\' && i + 1 < value.n &&
		    (value.p[i + 1] == '"' || value.p[i + 1] == '\\'))
			c = value.p[++i];
		plain[n++] = c;
		if (quote || !slice_is_blank(c))
			n_kept = n;
	}
	scanner_keep(scanner->value, sizeof(scanner->value),
		     (struct slice){ plain, n_kept });
}

static struct scanner scanner_begin(const char *text, size_t n)
{
	return (struct scanner){ .p = text, .end = text + n, .section = { "", 0 } };
}

/* The next line without its newline. */
static struct slice scanner_take_line(struct scanner *scanner)
{
	struct slice line = { scanner->p, (size_t)(scanner->end - scanner->p) };
	const char *newline = memchr(line.p, '\n', line.n);

	if (newline)
		line.n = (size_t)(newline - line.p);
	scanner->p = line.p + line.n + (newline ? 1 : 0);
	return line;
}

/* The line "[NAME]". */
static void scanner_begin_section(struct scanner *scanner, struct slice line)
{
	const char *bracket = memchr(line.p, ']', line.n);

	scanner->section.p = line.p + 1;
	scanner->section.n = (bracket ? (size_t)(bracket - line.p) : line.n) - 1;
}

/* The line "KEY = VALUE"; false: it is none. The key of a comment keeps its ';', and so
 * means nothing. */
static bool scanner_read_pair(struct scanner *scanner, struct slice line, bool is_dumped)
{
	const char *sign = memchr(line.p, '=', line.n);
	struct slice key = { line.p, sign ? (size_t)(sign - line.p) : 0 };
	struct slice value;

	if (!sign)
		return false;
	value = slice_behind(line, "=");
	scanner_keep(scanner->key, sizeof(scanner->key), slice_trim(key));
	if (is_dumped)
		scanner_read_dumped(scanner, value);
	else
		scanner_read_written(scanner, value);
	return true;
}

/* The next "KEY = VALUE" or "[SECTION]" (then the key is ""); false at the end. */
static bool scanner_next(struct scanner *scanner)
{
	while (scanner->p < scanner->end) {
		struct slice line = scanner_take_line(scanner);
		bool is_dumped = scanner_strip_prefix(&line);

		line = slice_trim(line);
		*scanner->key = 0;
		scanner->is_new_section = line.n > 0 && line.p[0] == '[';
		if (scanner->is_new_section) {
			scanner_begin_section(scanner, line);
			return true;
		}
		if (scanner_read_pair(scanner, line, is_dumped))
			return true;
	}
	return false;
}

/* --- values --- */

/* The text with each $pool replaced; "" when that does not fit. */
static void fpm_expand(const char *text, struct slice section, char *buffer,
		       size_t n_bytes)
{
	size_t n = 0;

	while (*text) {
		bool is_pool = strncmp(text, "$pool", 5) == 0;
		struct slice piece = { text, 1 };

		if (is_pool)
			piece = section;
		text += is_pool ? 5 : 1;
		if (n + piece.n >= n_bytes) {
			n = 0;
			break;
		}
		memcpy(buffer + n, piece.p, piece.n);
		n += piece.n;
	}
	buffer[n] = 0;
}

/* A path as FPM completes it; what does not fit becomes "". */
static void fpm_complete_path(const char *text, const char *prefix, char *buffer,
			      size_t n_bytes)
{
	int n;

	if (text[0] == '/' || !*text)
		n = snprintf(buffer, n_bytes, "%s", text);
	else if (prefix[0] == '/')
		n = snprintf(buffer, n_bytes, "%s/%s", prefix, text);
	else
		n = snprintf(buffer, n_bytes, FPM_PREFIX "/%s%s%s", prefix,
			     *prefix ? "/" : "", text);
	if (n < 0 || (size_t)n >= n_bytes)
		*buffer = 0;
}

/* What FPM takes for TCP (fpm_sockets_domain_from_address): a colon, or digits only. */
static bool fpm_is_tcp(const char *listen)
{
	return strchr(listen, ':') || !listen[strspn(listen, "0123456789")];
}

static void fpm_complete_listen(const char *text, const char *prefix, char *buffer,
				size_t n_bytes)
{
	if (!fpm_is_tcp(text))
		fpm_complete_path(text, prefix, buffer, n_bytes);
	else if ((size_t)snprintf(buffer, n_bytes, "%s", text) >= n_bytes)
		*buffer = 0;
}

/* Digits only, as FPM takes them; false: something else. */
static bool fpm_read_number(const char *text, size_t n_digits, unsigned *ret)
{
	unsigned n = 0;

	if (n_digits == 0 || n_digits > 9 || strspn(text, "0123456789") < n_digits)
		return false;
	for (size_t i = 0; i < n_digits; i++)
		n = n * 10 + (unsigned)(text[i] - '0');
	*ret = n;
	return true;
}

static void fpm_set_number(const char *text, unsigned *number)
{
	if (!fpm_read_number(text, strlen(text), number))
		*number = 0;
}

/* "10", "10s", "2m", "1h", "1d" (fpm_conf_set_time). */
static void fpm_set_time(const char *text, uint64_t *us)
{
	size_t n_digits = strspn(text, "0123456789");
	uint64_t factor = 0;
	unsigned n;

	switch (text[n_digits]) {
	case 0:
	case 's':
		factor = 1;
		break;
	case 'm':
		factor = 60;
		break;
	case 'h':
		factor = UINT64_C(60) * 60;
		break;
	case 'd':
		factor = UINT64_C(24) * 60 * 60;
		break;
	}
	if (!fpm_read_number(text, n_digits, &n) ||
	    (text[n_digits] && text[n_digits + 1]))
		factor = 0;
	*us = factor ? n * factor * 1000000 : 0;
}

static void fpm_set_pm(const char *text, enum conf_pm *pm)
{
	if (strcasecmp(text, "static") == 0)
		*pm = CONF_PM_STATIC;
	else if (strcasecmp(text, "dynamic") == 0)
		*pm = CONF_PM_DYNAMIC;
	else if (strcasecmp(text, "ondemand") == 0)
		*pm = CONF_PM_ONDEMAND;
	else
		*pm = CONF_PM_UNKNOWN;
}

/* --- sections --- */

/* What a section says about where it listens, as written. */
struct section {
	struct slice name;
	char prefix[FPM_VALUE_BYTES], listen[FPM_VALUE_BYTES];
	char status_listen[FPM_VALUE_BYTES], slowlog[FPM_VALUE_BYTES];
};

static void section_begin(struct section *section, struct slice name)
{
	*section = (struct section){ .name = name };
}

/* Takes one of the texts that are resolved when all of them are known. */
static void section_take(struct section *section, const struct scanner *scanner)
{
	char *target = NULL;

	if (strcmp(scanner->key, "prefix") == 0)
		target = section->prefix;
	else if (strcmp(scanner->key, "listen") == 0)
		target = section->listen;
	else if (strcmp(scanner->key, "pm.status_listen") == 0)
		target = section->status_listen;
	else if (strcmp(scanner->key, "slowlog") == 0)
		target = section->slowlog;
	if (target)
		fpm_expand(scanner->value, section->name, target, FPM_VALUE_BYTES);
}

/* /var/run is a link to /run wherever there is a systemd. */
static const char *fpm_skip_var(const char *path)
{
	return strncmp(path, "/var/run/", 9) == 0 ? path + 4 : path;
}

static bool fpm_matches_tcp(const char *listen, const struct conf_address *backend)
{
	const char *colon = strrchr(listen, ':');
	const char *port_text = colon ? colon + 1 : listen;
	char buffer[CONF_ADDRESS_TEXT_BYTES];
	struct conf_address address;
	struct conf_why why;
	unsigned port;

	if (!fpm_read_number(port_text, strlen(port_text), &port) ||
	    port != backend->port)
		return false;
	if (!colon || strncmp(listen, "*:", 2) == 0)
		return true;
	if (strncasecmp(listen, "localhost:", 10) == 0)
		return conf_address_is_loopback(backend);
	if (conf_address_parse(listen, buffer, &address, &why) != 0)
		return false;
	/* [::] takes IPv4 too */
	if (conf_address_is_any(&address))
		return address.kind == CONF_ADDRESS_IPV6 || address.kind == backend->kind;
	return strcmp(buffer, backend->text) == 0;
}

static bool section_matches(const struct section *section,
			    const struct conf_address *backend)
{
	char path[FPM_VALUE_BYTES * 2], buffer[CONF_ADDRESS_TEXT_BYTES];
	struct conf_address address;
	struct conf_why why;

	if (!*section->listen || section->name.n == 0 ||
	    slice_is_equal(section->name, global))
		return false;
	if (fpm_is_tcp(section->listen))
		return conf_address_is_tcp(backend) &&
		       fpm_matches_tcp(section->listen, backend);
	fpm_complete_path(section->listen, section->prefix, path, sizeof(path));
	if (backend->kind != CONF_ADDRESS_UNIX ||
	    conf_address_parse(path, buffer, &address, &why) != 0)
		return false;
	return strcmp(fpm_skip_var(buffer), fpm_skip_var(backend->text)) == 0;
}

/* --- collecting --- */

static void fpm_take(struct conf_fpm_values *values, const struct scanner *scanner)
{
	const struct {
		const char *key;
		unsigned *number;
		uint64_t *us;
		char *path;
	} keys[] = {
		{ "pm.max_children", .number = &values->max_children },
		{ "pm.min_spare_servers", .number = &values->min_spare_servers },
		{ "pm.start_servers", .number = &values->start_servers },
		{ "pm.max_requests", .number = &values->max_requests },
		{ "request_terminate_timeout",
		  .us = &values->request_terminate_timeout_us },
		{ "request_slowlog_timeout", .us = &values->request_slowlog_timeout_us },
		{ "pm.status_path", .path = values->status_path },
		{ "ping.path", .path = values->ping_path },
	};

	if (strcmp(scanner->key, "pm") == 0)
		fpm_set_pm(scanner->value, &values->pm);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(scanner->key, keys[i].key) != 0)
			continue;
		if (keys[i].number)
			fpm_set_number(scanner->value, keys[i].number);
		if (keys[i].us)
			fpm_set_time(scanner->value, keys[i].us);
		if (keys[i].path)
			fpm_expand(scanner->value, scanner->section, keys[i].path,
				   sizeof(values->status_path));
	}
}

/* Everything that the sections of this name, and [global], say; false: what they say
 * together is not the backend's any more. */
static bool fpm_collect(const char *text, size_t n, struct slice name,
			const struct conf_address *backend,
			struct conf_fpm_values *values)
{
	struct scanner scanner = scanner_begin(text, n);
	struct section section;

	*values = (struct conf_fpm_values){ 0 };
	scanner_keep(values->pool, sizeof(values->pool), name);
	section_begin(&section, name);
	while (scanner_next(&scanner)) {
		if (slice_is_equal(scanner.section, name)) {
			section_take(&section, &scanner);
			fpm_take(values, &scanner);
		} else if (slice_is_equal(scanner.section, global) &&
			   strcmp(scanner.key, "process_control_timeout") == 0) {
			fpm_set_time(scanner.value, &values->process_control_timeout_us);
		}
	}
	fpm_complete_listen(section.status_listen, section.prefix, values->status_listen,
			    sizeof(values->status_listen));
	fpm_complete_path(section.slowlog, section.prefix, values->slowlog,
			  sizeof(values->slowlog));
	return section_matches(&section, backend);
}

int conf_fpm_parse(const char *text, size_t n, const struct conf_address *backend,
		   struct conf_fpm_values *ret)
{
	struct scanner scanner = scanner_begin(text, n);
	struct section section;
	bool has_next;

	section_begin(&section, scanner.section);
	do {
		has_next = scanner_next(&scanner);
		if (has_next && !scanner.is_new_section) {
			section_take(&section, &scanner);
			continue;
		}
		if (section_matches(&section, backend) &&
		    fpm_collect(text, n, section.name, backend, ret))
			return 0;
		section_begin(&section, scanner.section);
	} while (has_next);
	*ret = (struct conf_fpm_values){ 0 };
	return conf_fpm_has_includes(text, n) ? CONF_FPM_INCLUDES : CONF_FPM_NO_SECTION;
}

bool conf_fpm_has_includes(const char *text, size_t n)
{
	struct scanner scanner = scanner_begin(text, n);

	while (scanner_next(&scanner))
		if (strcmp(scanner.key, "include") == 0)
			return true;
	return false;
}
