/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends one HTTP request to two servers and compares the answers byte for byte. */

/*
 * compare [options] A B URI        compare the answers of A and B
 * compare -s [options] A URI       time the server-sent events of A
 *
 * A and B: PORT, HOST:PORT or unix:PATH. Both requests are under way at the same time
 * and the answers are read in step, in constant memory: there must be a worker for each.
 *
 *   -X METHOD    (GET, with a body POST)    -H LINE   a further header line
 *   -d FILE -b N body from a file, N bytes  -c N      upload in chunks of N bytes
 *   -D MS        pause behind each chunk (0)
 *   -i NAME      ignore this header, a trailing * stands for any rest; Date and
 *                X-Fpmgate-* always are
 *   -T MS        give up when nothing moves for so long (20000)
 *   -n N         -s: stop after N events
 *
 * Prints "same STATUS BYTES" or the first difference, and exits 0 or 1; 2 if an answer
 * did not come or was cut off. -s: for each event "data: T", T being CLOCK_REALTIME in
 * us, a line "offset US" (arrival - T), at the end "events N" and "median US"; exit 1 if
 * there was none.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/http.h"
#include "tests/tools/net.h"
#include "tests/tools/samples.h"

#define READ_BYTES 65536
#define IGNORED_MAX 32

/* The request, the same for both sides. */
struct request {
	const char *method;
	const char *uri;
	char headers[4096];
	const char *path;	/* of the body's file, NULL: a pattern */
	uint64_t n_body;
	uint64_t n_chunk;	/* 0: with a Content-Length */
	uint64_t delay_ms;
	bool has_body;
	uint64_t patience_us;
	const char *ignored[IGNORED_MAX];
	size_t n_ignored;
	uint64_t n_events;
};

/* One server and the part of its answer that is here. */
struct side {
	const char *name;
	int fd;
	struct http_reader reader;
	char data[READ_BYTES];
	size_t at;
	size_t n_data;
	const char *body;
	size_t n_body;
	uint64_t arrival_us;
};

__attribute__((noreturn, format(printf, 2, 3)))
static void side_fail(const struct side *side, const char *format, ...)
{
	va_list list;

	printf("%s: ", side->name);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
	exit(2);
}

static void side_connect(struct side *side, const struct request *request)
{
	struct net_address address;

	if (net_address_any(side->name, &address) < 0)
		net_usage("'%s' is no address", side->name);
	side->fd = net_connect(&address, net_now_us() + request->patience_us);
	if (side->fd < 0)
		side_fail(side, "connect: %s", strerror(-side->fd));
}

/* A server may answer and close before it has read all: its answer counts then. */
static bool side_write(struct side *side, const struct request *request, const void *data,
		       size_t n_bytes)
{
	int r = net_write(side->fd, data, n_bytes, net_now_us() + request->patience_us);

	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		side_fail(side, "write: %s", strerror(-r));
	return r == 0;
}

static void side_write_head(struct side *side, const struct request *request)
{
	char head[8192], framing[64] = "";
	int n;

	if (request->has_body && request->n_chunk)
		snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked\r\n");
	else if (request->has_body)
		snprintf(framing, sizeof(framing), "Content-Length: %llu\r\n",
			 (unsigned long long) request->n_body);
	n = snprintf(head, sizeof(head),
		     "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%sConnection: close\r\n\r\n",
		     request->method, request->uri, framing, request->headers);
	if (n >= (int) sizeof(head))
		net_usage("the request's header is too long");
	side_write(side, request, head, (size_t) n);
}

static bool side_write_piece(struct side *side, const struct request *request,
			     const char *data, size_t n)
{
	char size[32];

	if (!request->n_chunk)
		return side_write(side, request, data, n);
	snprintf(size, sizeof(size), "%zx\r\n", n);
	if (!side_write(side, request, size, strlen(size)) ||
	    !side_write(side, request, data, n) || !side_write(side, request, "\r\n", 2))
		return false;
	net_sleep_us(request->delay_ms * 1000);
	return true;
}

static void side_write_body(struct side *side, const struct request *request)
{
	FILE *file = request->path ? fopen(request->path, "re") : NULL;
	uint64_t left = request->n_body;
	char data[READ_BYTES];

	memset(data, 'b', sizeof(data));
	while (left > 0) {
		size_t n = request->n_chunk ? (size_t) request->n_chunk : sizeof(data);

		if (n > left)
			n = (size_t) left;
		if (file && fread(data, 1, n, file) != n)
			net_usage("%s: became shorter", request->path);
		if (!side_write_piece(side, request, data, n))
			break;
		left -= n;
	}
	if (left == 0 && request->n_chunk)
		side_write(side, request, "0\r\n\r\n", 5);
	if (file)
		fclose(file);
}

static void side_ask(struct side *side, const struct request *request)
{
	side_connect(side, request);
	http_reader_init(&side->reader, strcmp(request->method, "HEAD") == 0);
	side_write_head(side, request);
	if (request->has_body)
		side_write_body(side, request);
}

/* Reads more. Returns false at the end of the stream. */
static bool side_read(struct side *side, const struct request *request)
{
	ssize_t n = net_read(side->fd, side->data, sizeof(side->data),
			     net_now_us() + request->patience_us);

	if (n < 0)
		side_fail(side, "%s", strerror((int) -n));
	side->arrival_us = net_wall_us();
	side->at = 0;
	side->n_data = (size_t) n;
	return n > 0;
}

/*
 * Makes the next piece of body be there, or with until_head the header. Returns false at
 * the answer's end.
 */
static bool side_next(struct side *side, const struct request *request, bool until_head)
{
	while (side->n_body == 0 && !(until_head && side->reader.status)) {
		ssize_t n;

		if (side->reader.state == HTTP_DONE)
			return false;
		if (side->at == side->n_data && !side_read(side, request)) {
			if (!http_reader_is_complete_at_eof(&side->reader))
				side_fail(side, "the answer is cut off (status %d)",
					  side->reader.status);
			side->reader.state = HTTP_DONE;
			return false;
		}
		n = http_reader_feed(&side->reader, side->data + side->at,
				     side->n_data - side->at, &side->body, &side->n_body);
		if (n < 0)
			side_fail(side, "not HTTP: %s", strerror((int) -n));
		side->at += (size_t) n;
	}
	return true;
}

static bool header_is_ignored(const struct request *request, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	size_t n_name = colon ? (size_t) (colon - line) : n;

	for (size_t i = 0; i < request->n_ignored; i++) {
		const char *name = request->ignored[i];
		size_t m = strlen(name);

		if (name[m - 1] == '*' && n_name >= m - 1 &&
		    strncasecmp(name, line, m - 1) == 0)
			return true;
		if (m == n_name && strncasecmp(name, line, m) == 0)
			return true;
	}
	return false;
}

static const char *side_next_line(const struct side *side, const struct request *request,
				  const char *line, size_t *ret_n)
{
	do {
		line = http_reader_line(&side->reader, line, ret_n);
	} while (line && header_is_ignored(request, line, *ret_n));
	return line;
}

static void print_line(const struct side *side, const char *line, size_t n)
{
	printf("%s: ", side->name);
	if (line)
		net_put_escaped(stdout, line, n);
	else
		printf("(no further header)");
	printf("\n");
}

static bool compare_heads(struct side *a, struct side *b, const struct request *request)
{
	const char *line_a = NULL, *line_b = NULL;

	for (;;) {
		size_t n_a = 0, n_b = 0;

		line_a = side_next_line(a, request, line_a, &n_a);
		line_b = side_next_line(b, request, line_b, &n_b);
		if (!line_a && !line_b)
			return true;
		if (!line_a || !line_b || n_a != n_b ||
		    memcmp(line_a, line_b, n_a) != 0) {
			printf("different headers\n");
			print_line(a, line_a, n_a);
			print_line(b, line_b, n_b);
			return false;
		}
	}
}

static void print_body_difference(const struct side *a, const struct side *b,
				  uint64_t offset, size_t at)
{
	const struct side *sides[2] = { a, b };

	printf("different bodies at byte %llu\n", (unsigned long long) (offset + at));
	for (int i = 0; i < 2; i++) {
		size_t n = sides[i]->n_body > at ? sides[i]->n_body - at : 0;

		printf("%s: ", sides[i]->name);
		net_put_escaped(stdout, n ? sides[i]->body + at : "", n < 60 ? n : 60);
		printf("%s\n", n ? "" : "(the end)");
	}
}

static size_t first_difference(const char *a, const char *b, size_t n)
{
	size_t at = 0;

	if (memcmp(a, b, n) == 0)
		return n;
	while (a[at] == b[at])
		at++;
	return at;
}

static bool compare_bodies(struct side *a, struct side *b, const struct request *request,
			   uint64_t *ret_n_bytes)
{
	uint64_t offset = 0;

	for (;;) {
		bool more_a = side_next(a, request, false);
		bool more_b = side_next(b, request, false);
		size_t n = a->n_body < b->n_body ? a->n_body : b->n_body, same;

		*ret_n_bytes = offset;
		if (!more_a && !more_b)
			return true;
		same = n ? first_difference(a->body, b->body, n) : 0;
		if (!more_a || !more_b || same < n) {
			print_body_difference(a, b, offset, same);
			return false;
		}
		a->body += n;
		b->body += n;
		a->n_body -= n;
		b->n_body -= n;
		offset += n;
	}
}

static int compare(const struct request *request, const char *name_a, const char *name_b)
{
	static struct side a, b;
	uint64_t n_bytes = 0;
	bool is_same;

	a.name = name_a;
	b.name = name_b;
	side_ask(&a, request);
	side_ask(&b, request);
	side_next(&a, request, true);
	side_next(&b, request, true);
	is_same = compare_heads(&a, &b, request) &&
		  compare_bodies(&a, &b, request, &n_bytes);
	if (is_same)
		printf("same %d %llu\n", a.reader.status, (unsigned long long) n_bytes);
	http_reader_done(&a.reader);
	http_reader_done(&b.reader);
	close(a.fd);
	close(b.fd);
	return is_same ? 0 : 1;
}

/* A line of the event stream that is complete now. */
static void event_line(const char *line, uint64_t arrival_us, struct samples *offsets)
{
	int64_t offset_us;

	if (strncmp(line, "data: ", 6) != 0 || line[6] < '0' || line[6] > '9')
		return;
	offset_us = (int64_t) arrival_us - strtoll(line + 6, NULL, 10);
	samples_add(offsets, offset_us);
	printf("offset %lld\n", (long long) offset_us);
	fflush(stdout);
}

static int time_events(const struct request *request, const char *name)
{
	static struct side side;
	struct samples offsets = { 0 };
	char line[256] = "";
	size_t n_line = 0;
	int64_t median;

	side.name = name;
	side_ask(&side, request);
	while (offsets.n_values < request->n_events && side_next(&side, request, false)) {
		for (size_t i = 0; i < side.n_body; i++) {
			line[n_line] = side.body[i];
			n_line += n_line + 1 < sizeof(line);
			if (side.body[i] != '\n')
				continue;
			line[n_line - 1] = '\0';
			event_line(line, side.arrival_us, &offsets);
			n_line = 0;
		}
		side.n_body = 0;
	}
	median = samples_quantile(&offsets, 500);
	printf("events %zu\nmedian %lld\n", offsets.n_values, (long long) median);
	http_reader_done(&side.reader);
	close(side.fd);
	n_line = offsets.n_values;
	samples_done(&offsets);
	return n_line > 0 ? 0 : 1;
}

static void option_body(struct request *request, int c, const char *arg)
{
	struct stat st;

	request->has_body = true;
	if (c == 'b') {
		request->n_body = net_number(arg, 0, UINT64_MAX, "-b");
		return;
	}
	if (stat(arg, &st) < 0)
		net_usage("%s: %s", arg, strerror(errno));
	request->path = arg;
	request->n_body = (uint64_t) st.st_size;
}

static void option_header(struct request *request, const char *line)
{
	size_t n = strlen(request->headers);
	size_t n_room = sizeof(request->headers) - n;

	if ((size_t) snprintf(request->headers + n, n_room, "%s\r\n", line) >= n_room)
		net_usage("too many headers");
}

static void option_ignored(struct request *request, const char *name)
{
	if (request->n_ignored == IGNORED_MAX || !*name)
		net_usage("-i: empty, or too many");
	request->ignored[request->n_ignored++] = name;
}

static bool options_read(struct request *request, int argc, char **argv)
{
	bool events = false;
	int c;

	while ((c = getopt(argc, argv, "sX:H:d:b:c:D:i:T:n:")) != -1) {
		if (c == 's')
			events = true;
		else if (c == 'X')
			request->method = optarg;
		else if (c == 'H')
			option_header(request, optarg);
		else if (c == 'd' || c == 'b')
			option_body(request, c, optarg);
		else if (c == 'c')
			request->n_chunk = net_number(optarg, 1, READ_BYTES, "-c");
		else if (c == 'D')
			request->delay_ms = net_number(optarg, 0, UINT32_MAX, "-D");
		else if (c == 'i')
			option_ignored(request, optarg);
		else if (c == 'T')
			request->patience_us =
				net_number(optarg, 1, UINT32_MAX, "-T") * 1000;
		else if (c == 'n')
			request->n_events = net_number(optarg, 1, UINT64_MAX, "-n");
		else
			net_usage("read the head of tests/tools/compare.c");
	}
	return events;
}

int main(int argc, char **argv)
{
	static struct request request = { .patience_us = 20000000, .n_events = UINT64_MAX,
					  .ignored = { "Date", "X-Fpmgate-*" },
					  .n_ignored = 2 };
	bool events = options_read(&request, argc, argv);

	if (argc - optind != (events ? 2 : 3))
		net_usage("needed: A B URI, or with -s A URI");
	request.uri = argv[argc - 1];
	if (!request.method)
		request.method = request.has_body ? "POST" : "GET";
	if (events)
		return time_events(&request, argv[optind]);
	return compare(&request, argv[optind], argv[optind + 1]);
}
