/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Fuzz target: the CGI header, fed whole and in random cuts, against a plain reading of
 * the rules of fcgi/cgi_header.h that has all lines before it. The first input byte sets
 * the limit.
 */

#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi/cgi_header.h"

struct verdict {
	int r;
	size_t n_used;
	uint16_t status;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Feeds in windows of 1 ... n_window bytes, each a copy of exactly its size. */
static struct verdict feed(const uint8_t *data, size_t n, size_t max, size_t n_window)
{
	struct verdict verdict = { .r = CGI_HEADER_PENDING };
	uint32_t random = (uint32_t)(n + max);
	struct cgi_header header;

	cgi_header_init(&header, max);
	while (verdict.r == CGI_HEADER_PENDING && verdict.n_used < n) {
		size_t n_left = n - verdict.n_used, n_now, n_used = 0;
		uint8_t *window;

		random = random * 1664525 + 1013904223;
		n_now = 1 + (random >> 16) % n_window;
		if (n_now > n_left)
			n_now = n_left;
		window = malloc(n_now);
		assert(window != NULL);
		memcpy(window, data + verdict.n_used, n_now);
		verdict.r = cgi_header_feed(&header, window, n_now, &n_used);
		assert(n_used <= n_now);
		assert(verdict.r != CGI_HEADER_PENDING || n_used == n_now);
		verdict.n_used += n_used;
		free(window);
	}
	assert(verdict.n_used == header.n_bytes && header.n_bytes <= max);
	verdict.status = header.status;
	return verdict;
}

/* What a value of n bytes says as Status, 0 for a fault. */
static uint16_t status_of(const uint8_t *value, size_t n)
{
	unsigned int number = 0;
	size_t n_digits = 0;

	while (n > 0 && *value == ' ') {
		value++;
		n--;
	}
	while (n_digits < n && value[n_digits] >= '0' && value[n_digits] <= '9')
		number = number * 10 + value[n_digits++] - '0';
	return n_digits == 3 && number >= 100 ? (uint16_t)number : 0;
}

static bool is_name(const uint8_t *name, size_t n, const char *wanted)
{
	return n == strlen(wanted) && strncasecmp((const char *)name, wanted, n) == 0;
}

/* One line without its LF and CRs; *status is 0 as long as there was no Status. */
static bool check_line(const uint8_t *line, size_t n, uint16_t *status,
		       bool *has_location)
{
	const uint8_t *colon = memchr(line, ':', n);
	size_t n_name = colon != NULL ? (size_t)(colon - line) : n;
	const uint8_t *value = colon != NULL ? colon + 1 : line + n;

	if (n_name == 0)
		return false;
	for (size_t i = 0; i < n_name; i++)
		if (line[i] <= ' ' || line[i] == 0x7f)
			return false;
	for (const uint8_t *at = value; at < line + n; at++)
		if (*at == '\0' || *at == '\r')
			return false;
	if (is_name(line, n_name, "Location"))
		*has_location = true;
	if (*status > 0 || !is_name(line, n_name, "Status"))
		return true;
	*status = status_of(value, (size_t)(line + n - value));
	return *status > 0;
}

/* The block's end, in a block that is whole and not limited. */
static struct verdict read_lines(const uint8_t *data, size_t n)
{
	struct verdict verdict = { .r = CGI_HEADER_MALFORMED };
	bool has_location = false;
	size_t at = 0;

	for (;;) {
		const uint8_t *line = data + at, *lf = memchr(line, '\n', n - at);
		size_t n_line;

		assert(lf != NULL);
		n_line = (size_t)(lf - line);
		at += n_line + 1;
		if (n_line == 0 || (n_line == 1 && line[0] == '\r'))
			break;
		if (n_line >= 5 && memcmp(line, "HTTP/", 5) == 0)
			continue;
		while (n_line > 0 && line[n_line - 1] == '\r')
			n_line--;
		if (!check_line(line, n_line, &verdict.status, &has_location))
			return verdict;
	}
	if (verdict.status == 0)
		verdict.status = has_location ? 302 : 200;
	verdict.r = 0;
	verdict.n_used = at;
	return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct verdict whole, bytes, cuts, wanted;
	size_t max;
	uint8_t *block;

	if (n < 1)
		return 0;
	max = data[0] < 128 ? data[0] : 65536;
	data++;
	n--;
	whole = feed(data, n, max, 1u << 16);
	bytes = feed(data, n, max, 1);
	cuts = feed(data, n, max, 20);
	assert(whole.r == bytes.r && whole.r == cuts.r);
	assert(whole.n_used == bytes.n_used && whole.n_used == cuts.n_used);
	assert(whole.r != 0 || whole.status == bytes.status);
	assert(whole.r != 0 || whole.status == cuts.status);

	/* With two LFs behind it every block ends, at the latest there. */
	block = malloc(n + 2);
	assert(block != NULL);
	memcpy(block, data, n);
	memcpy(block + n, "\n\n", 2);
	whole = feed(block, n + 2, n + 2, n + 2);
	wanted = read_lines(block, n + 2);
	assert(whole.r == wanted.r);
	assert(whole.r != 0 || whole.n_used == wanted.n_used);
	assert(whole.r != 0 || whole.status == wanted.status);
	free(block);
	return 0;
}
