/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/cgi_header.h. Every block is fed whole, in pieces of 1, 2, 3 ... bytes,
 * and in two pieces with the cut at each byte. */

#include "fcgi/cgi_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) literal, sizeof(literal) - 1

enum {
	MORE = CGI_HEADER_PENDING,
	BAD = CGI_HEADER_MALFORMED,
};

/* r is 0 and the status, or the other result and 0. Of a block that ends, all bytes
 * belong to the header; the tests add a body. */
static const struct {
	const char *bytes;
	size_t n;
	int r;
	int status;
} blocks[] = {
	/* ends */
	{ BYTES("A: b\r\n\r\n"), 0, 200 },
	{ BYTES("A: b\n\n"), 0, 200 },
	{ BYTES("A: b\r\nC: d\n\r\n"), 0, 200 },
	{ BYTES("A: b\nC: d\r\n\n"), 0, 200 },
	{ BYTES("X-Powered-By: PHP/8.2.35\r\nContent-type: text/html; "
		"charset=UTF-8\r\n\r\n"),
	  0, 200 },
	{ BYTES("\r\n"), 0, 200 },
	{ BYTES("\n"), 0, 200 },
	/* goes on */
	{ BYTES("\r"), MORE, 0 },
	{ BYTES("A"), MORE, 0 },
	{ BYTES("A:"), MORE, 0 },
	{ BYTES("A: b"), MORE, 0 },
	{ BYTES("A: b\r"), MORE, 0 },
	{ BYTES("A: b\r\n"), MORE, 0 },
	{ BYTES("A: b\r\n\r"), MORE, 0 },
	{ BYTES("Status: 404"), MORE, 0 },
	{ BYTES("HTTP/1.1 404 Not Found"), MORE, 0 },
	/* names */
	{ BYTES("A:\r\n\r\n"), 0, 200 },
	{ BYTES("A:\n\n"), 0, 200 },
	{ BYTES("A\r\nB: c\r\n\r\n"), 0, 200 },
	{ BYTES("A\n\n"), 0, 200 },
	{ BYTES("X[1](2)/3,\"4\"=<\xc3\xa9>: b\r\n\r\n"), 0, 200 },
	{ BYTES(": b\r\n\r\n"), BAD, 0 },
	{ BYTES(" A: b\r\n\r\n"), BAD, 0 },
	{ BYTES("A: b\r\n c\r\n\r\n"), BAD, 0 },
	{ BYTES("A: b\r\n\tc\r\n\r\n"), BAD, 0 },
	{ BYTES("A: b\r\n\0: c\r\n\r\n"), BAD, 0 },
	{ BYTES("A b: c\r\n\r\n"), BAD, 0 },
	{ BYTES("A : c\r\n\r\n"), BAD, 0 },
	{ BYTES("A\t: c\r\n\r\n"), BAD, 0 },
	{ BYTES("A\x1f: c\r\n\r\n"), BAD, 0 },
	{ BYTES("A\x7f: c\r\n\r\n"), BAD, 0 },
	{ BYTES("A\0: c\r\n\r\n"), BAD, 0 },
	{ BYTES("A\rB: c\r\n\r\n"), BAD, 0 },
	{ BYTES("<html>\r\n\r\n"), 0, 200 },
	{ BYTES("<html lang=en>no header</html>\r\n\r\n"), BAD, 0 },
	/* values */
	{ BYTES("A: b: c:\r\n\r\n"), 0, 200 },
	{ BYTES("A: \1\t\x0b\x0c\x1f\x7f\x80\xff\r\n\r\n"), 0, 200 },
	{ BYTES("A: b\0c\r\n\r\n"), BAD, 0 },
	{ BYTES("A:\0\r\n\r\n"), BAD, 0 },
	{ BYTES("A: b\rc\r\n\r\n"), BAD, 0 },
	{ BYTES("A: b\r\r\r\n\r\n"), 0, 200 },
	{ BYTES("A: b\r\n\r\r\n"), BAD, 0 },
	{ BYTES("A: b\r\n\rc\r\n\r\n"), BAD, 0 },
	/* Status */
	{ BYTES("Status: 404 Not Found\r\nA: b\r\n\r\n"), 0, 404 },
	{ BYTES("A: b\r\nStatus: 404 Not Found\r\n\r\n"), 0, 404 },
	{ BYTES("sTATUS:503\n\n"), 0, 503 },
	{ BYTES("Status:    100\r\n\r\n"), 0, 100 },
	{ BYTES("Status: 999\r\n\r\n"), 0, 999 },
	{ BYTES("Status: 404x\r\n\r\n"), 0, 404 },
	{ BYTES("Status: 201 a\r\nStatus: 500 b\r\n\r\n"), 0, 201 },
	{ BYTES("Status: 201 a\r\nStatus: x\r\n\r\n"), 0, 201 },
	{ BYTES("Statu: 404\r\nStatuss: 404\r\nX-Status: 404\r\nStatus-X: 404\r\n\r\n"),
	  0, 200 },
	{ BYTES("X-Powered-Status: 404\r\nX-Powered-Location: a\r\n\r\n"), 0, 200 },
	{ BYTES("Status: 4040\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: 99\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: 099\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: 000\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: 4 04\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: abc\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: /04\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: :04\r\n\r\n"), BAD, 0 },
	{ BYTES("Status:\t404\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: 404\0\r\n\r\n"), BAD, 0 },
	{ BYTES("Status:\r\n\r\n"), BAD, 0 },
	{ BYTES("Status: \n\n"), BAD, 0 },
	{ BYTES("Status\r\n\r\n"), BAD, 0 },
	/* Location */
	{ BYTES("Location: http://a/b\r\n\r\n"), 0, 302 },
	{ BYTES("location: /b\r\nA: b\r\n\r\n"), 0, 302 },
	{ BYTES("Location\r\n\r\n"), 0, 302 },
	{ BYTES("Location: http://a/b\r\nStatus: 201 x\r\n\r\n"), 0, 201 },
	{ BYTES("Status: 201 x\r\nLocation: http://a/b\r\n\r\n"), 0, 201 },
	{ BYTES("Locatio: a\r\nLocations: a\r\nX-Location: a\r\n\r\n"), 0, 200 },
	{ BYTES("Content-Location: a\r\n\r\n"), 0, 200 },
	/* a status line of HTTP */
	{ BYTES("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n"), 0, 200 },
	{ BYTES("A: b\r\nHTTP/ \0\r\t\nC: d\r\n\r\n"), 0, 200 },
	{ BYTES("HTTP/abcdefghijkl: b\n\n"), 0, 200 },
	{ BYTES("HTTP/1.1 200 OK\nStatus: 404\n\n"), 0, 404 },
	{ BYTES("http/1.1 404 Not Found\r\n\r\n"), BAD, 0 },
	{ BYTES("HTTP/1.1 404 Not Found\r\n A: b\r\n\r\n"), BAD, 0 },
	{ BYTES("HTTP/1.1 404 Not Found\r\nH b: c\r\n\r\n"), BAD, 0 },
	{ BYTES("HTTP: b\r\nHTTPS/1: c\r\n\r\n"), 0, 200 },
	{ BYTES("HTTPS/1.1 404\r\n\r\n"), BAD, 0 },
};

static const char body[] = "\r\n\0body: x";

/* Feeds [at, end) in pieces of n_piece bytes until there is a result; gives it and in
 * *ret_at where the header ended. Each piece is a copy of exactly its size. */
static int feed(struct cgi_header *header, const char *bytes, size_t at, size_t end,
		size_t n_piece, size_t *ret_at)
{
	int r = CGI_HEADER_PENDING;
	size_t n, n_used;
	uint8_t *piece;

	while (r == CGI_HEADER_PENDING && at < end) {
		n = n_piece < end - at ? n_piece : end - at;
		piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, bytes + at, n);
		r = cgi_header_feed(header, piece, n, &n_used);
		assert_true(n_used <= n);
		if (r == CGI_HEADER_PENDING)
			assert_int_equal(n_used, n);
		at += n_used;
		free(piece);
	}
	*ret_at = at;
	return r;
}

static void assert_block(size_t i, const struct cgi_header *header, int r, size_t at)
{
	assert_int_equal(r, blocks[i].r);
	if (r == CGI_HEADER_MALFORMED)
		return;
	assert_int_equal(at, blocks[i].n);
	assert_int_equal(header->n_bytes, blocks[i].n);
	if (r == 0)
		assert_int_equal(header->status, blocks[i].status);
}

static void test_pieces(void **state)
{
	struct cgi_header header;
	char bytes[256];
	size_t n, at;
	int r;

	(void)state;
	for (size_t i = 0; i < N_OF(blocks); i++) {
		n = blocks[i].n;
		memcpy(bytes, blocks[i].bytes, n);
		if (blocks[i].r == 0) {
			memcpy(bytes + n, body, sizeof(body));
			n += sizeof(body);
		}
		for (size_t n_piece = 1; n_piece <= n; n_piece++) {
			cgi_header_init(&header, 1000);
			r = feed(&header, bytes, 0, n, n_piece, &at);
			assert_block(i, &header, r, at);
		}
	}
}

static void test_two_pieces(void **state)
{
	struct cgi_header header;
	size_t at;
	int r;

	(void)state;
	for (size_t i = 0; i < N_OF(blocks); i++) {
		for (size_t cut = 1; cut < blocks[i].n; cut++) {
			cgi_header_init(&header, 1000);
			r = feed(&header, blocks[i].bytes, 0, cut, 1000, &at);
			if (r == CGI_HEADER_PENDING)
				r = feed(&header, blocks[i].bytes, cut, blocks[i].n, 1000,
					 &at);
			assert_block(i, &header, r, at);
		}
	}
}

/* With a limit of each size: what ends within it ends, what is malformed within it is
 * malformed, all else is too big as soon as the limit is reached. */
static void test_too_big(void **state)
{
	static const char bytes[] = "Status: 404 x\r\nA: b\r\n\r\nbody";
	const size_t n_header = sizeof(bytes) - 1 - 4;
	struct cgi_header header;
	size_t at;

	(void)state;
	for (size_t max = 1; max < n_header + 3; max++) {
		int wanted = max < n_header ? CGI_HEADER_TOO_BIG : 0;

		for (size_t n_piece = 1; n_piece < sizeof(bytes); n_piece++) {
			cgi_header_init(&header, max);
			assert_int_equal(
				feed(&header, bytes, 0, sizeof(bytes) - 1, n_piece, &at),
				wanted);
			assert_int_equal(header.n_bytes, max < n_header ? max : n_header);
		}
	}
	cgi_header_init(&header, 5);
	assert_int_equal(cgi_header_feed(&header, (const uint8_t *)"A: bc", 5, &at),
			 CGI_HEADER_TOO_BIG);
	cgi_header_init(&header, 5);
	assert_int_equal(cgi_header_feed(&header, (const uint8_t *)"A: b", 4, &at),
			 CGI_HEADER_PENDING);
	cgi_header_init(&header, 5);
	assert_int_equal(cgi_header_feed(&header, (const uint8_t *)"A: b\0", 5, &at),
			 CGI_HEADER_MALFORMED);
	cgi_header_init(&header, 4);
	assert_int_equal(cgi_header_feed(&header, (const uint8_t *)"A: b\0", 5, &at),
			 CGI_HEADER_TOO_BIG);
	cgi_header_init(&header, 0);
	assert_int_equal(cgi_header_feed(&header, (const uint8_t *)"\n", 1, &at),
			 CGI_HEADER_TOO_BIG);
}

static void test_final_results_stay(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int r;
	} ends[] = {
		{ BYTES("A: b\r\n\r\n"), 0 },
		{ BYTES("A b\r\n\r\n"), CGI_HEADER_MALFORMED },
		{ BYTES("A: 34567890123456789"), CGI_HEADER_TOO_BIG },
	};
	struct cgi_header header;
	size_t at, n_bytes;

	(void)state;
	for (size_t i = 0; i < N_OF(ends); i++) {
		cgi_header_init(&header, 20);
		assert_int_equal(feed(&header, ends[i].bytes, 0, ends[i].n, 1000, &at),
				 ends[i].r);
		n_bytes = header.n_bytes;
		for (size_t n = 0; n < 4; n++) {
			at = 9;
			assert_int_equal(cgi_header_feed(&header,
							 (const uint8_t *)"\n\n\n", n,
							 &at),
					 ends[i].r);
			assert_int_equal(at, 0);
			assert_int_equal(header.n_bytes, n_bytes);
		}
	}
}

/* Nothing fed changes nothing, at each byte. */
static void test_empty_piece(void **state)
{
	static const char bytes[] = "Status: 404 x\r\nA: b\r\n\r\n";
	struct cgi_header header;
	size_t used = 9;
	int r;

	(void)state;
	cgi_header_init(&header, 1000);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		assert_int_equal(cgi_header_feed(&header, NULL, 0, &used),
				 CGI_HEADER_PENDING);
		assert_int_equal(used, 0);
		r = cgi_header_feed(&header, (const uint8_t *)bytes + i, 1, &used);
		assert_int_equal(r, i + 2 < sizeof(bytes) ? CGI_HEADER_PENDING : 0);
	}
	assert_int_equal(header.status, 404);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_two_pieces),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_final_results_stay),
		cmocka_unit_test(test_empty_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
