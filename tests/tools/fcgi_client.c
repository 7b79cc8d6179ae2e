/* SPDX-License-Identifier: BSD-2-Clause */
/* A raw FastCGI client: sends one request in any shape and says what came back. */

/*
 * fcgi_client (-u PATH | -t [HOST:]PORT | -a ABSTRACT) [options] NAME=VALUE...
 *
 *   -k           KEEP_CONN                  -R N   so many requests on one connection
 *   -i ID        request id (1)             -r N   role (1)
 *   -b N         a body of N bytes          -d FILE   the body from a file
 *   -s N         PARAMS and STDIN in records of at most N bytes, pairs cut anywhere
 *                (without it no pair crosses a record)
 *   -C N         each pair goes on in the next record behind its byte N
 *   -c N         each record is written in two pieces, cut behind its byte N
 *   -w N         at most N bytes per write()
 *   -D MS        pause between the pieces of -c and -w (1)
 *   -p N         N bytes of padding on each record, terminators included
 *   -V N         version byte (1)
 *   -f N -F N    N bytes of further params in pairs of 4000; N further tiny pairs
 *   -g NAMES     ask GET_VALUES (names, comma) in front of the request
 *   -G NAMES     the same, and no request
 *   -x HEX|@FILE these bytes instead of a request
 *   -e PHASE:ACTION   at start, begin, params, body (half of it), stdin, output, end:
 *                abort, begin[:ID], values[:NAMES], raw:HEX, sleep:MS, halfclose, close,
 *                reset, stop (send nothing more, go on reading); may be repeated
 *   -l MS -L MS  leave after MS by close(), by a reset (TCP)
 *   -T MS        give up after MS (10000)
 *   -E           read on behind the last END_REQUEST until the peer closes
 *   -o           only the body, behind the CGI header;  -O  all of STDOUT
 *   -v           each record as it comes, and the times
 *
 * CONTENT_LENGTH is added for a body unless it is given. What is printed, per request:
 *
 *   values NAME=VALUE | unknown TYPE | foreign ID TYPE LENGTH     when it comes
 *   status CODE      of the CGI header, once that is complete
 *   stdout N         bytes, if any
 *   stderr TEXT      escaped, if any
 *   end APP PROTO
 *   time FIRST END   microseconds from the first write (-v)
 *   eof | reset | timeout | left | broken     how the connection ended, if it did
 *
 * Exit 0 if every request got END_REQUEST with REQUEST_COMPLETE (-G: if values came).
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/net.h"
#include "tests/tools/plan.h"
#include "tests/tools/record.h"

#define HEAD_MAX 262144

/* What came back for the request that runs now. */
struct answer {
	struct record_bytes head;	/* the first bytes of STDOUT, for its header */
	struct record_bytes errors;
	uint64_t n_stdout;
	uint64_t first_us;
	uint64_t end_us;
	size_t n_header;		/* bytes of the CGI header, 0: not complete */
	bool has_end;
	bool is_good;
};

/* The program: its options, the connection, how far the request has come. */
struct run {
	struct plan_request request;
	struct net_address address;
	unsigned int n_repeat;
	size_t write_max;
	uint64_t leave_us;	/* 0: stay */
	bool leave_by_reset;
	uint64_t deadline_us;
	bool read_on;
	bool only_body;
	bool only_stdout;
	bool is_verbose;

	int fd;
	uint64_t start_us;
	uint64_t pause_until_us;
	struct plan plan;
	size_t at_op;
	size_t n_sent;		/* of the current OP_SEND, or of the body of OP_BODY */
	struct record_bytes body;	/* the record of OP_BODY being written */
	bool is_mute;		/* the peer takes no more, or OP_STOP */
	bool has_values;
	struct record_bytes in;
	struct answer answer;
	const char *how;	/* how the connection ended; NULL: it has not */
};

__attribute__((format(printf, 2, 3)))
static void run_print(const struct run *run, const char *format, ...)
{
	va_list list;

	if (run->only_body || run->only_stdout)
		return;
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	fflush(stdout);
}

/* Where the body starts: behind the first empty line; 0 while that has not come. */
static size_t header_end(const struct record_bytes *head)
{
	const char *text = (const char *) head->data;

	for (size_t i = 1; i < head->n_bytes; i++) {
		if (text[i] != '\n')
			continue;
		if (text[i - 1] == '\n' ||
		    (i >= 3 && memcmp(text + i - 3, "\r\n\r", 3) == 0))
			return i + 1;
	}
	return 0;
}

static int header_status(const struct answer *answer)
{
	const char *at = (const char *) answer->head.data;
	const char *end = at + answer->n_header;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t) (end - at));

		if (end - at > 8 && strncasecmp(at, "Status: ", 8) == 0)
			return atoi(at + 8);
		at = newline + 1;
	}
	return 200;
}

static void answer_stdout(struct run *run, const uint8_t *content, size_t n)
{
	struct answer *answer = &run->answer;
	size_t n_before = answer->head.n_bytes, skip = 0;

	if (answer->n_header == 0 && n_before < HEAD_MAX) {
		record_bytes_put(&answer->head, content, n);
		answer->n_header = header_end(&answer->head);
		skip = answer->n_header > n_before ? answer->n_header - n_before : n;
	}
	if (run->only_stdout)
		skip = 0;
	if ((run->only_body || run->only_stdout) && n > skip)
		fwrite(content + skip, 1, n - skip, stdout);
	fflush(stdout);
	answer->n_stdout += n;
}

static void answer_end(struct run *run, const uint8_t *content, size_t n)
{
	struct answer *answer = &run->answer;
	uint32_t app = 0;

	answer->end_us = net_now_us();
	if (answer->n_header > 0)
		run_print(run, "status %d\n", header_status(answer));
	if (answer->n_stdout > 0)
		run_print(run, "stdout %llu\n", (unsigned long long) answer->n_stdout);
	if (answer->errors.n_bytes > 0 && !run->only_body && !run->only_stdout) {
		printf("stderr ");
		net_put_escaped(stdout, answer->errors.data, answer->errors.n_bytes);
		printf("\n");
	}
	if (n != 8)
		return;
	for (int i = 0; i < 4; i++)
		app = app << 8 | content[i];
	run_print(run, "end %u %u\n", app, content[4]);
	if (run->is_verbose)
		run_print(run, "time %llu %llu\n",
			  (unsigned long long) (answer->first_us - run->start_us),
			  (unsigned long long) (answer->end_us - run->start_us));
	answer->is_good = content[4] == 0;
}

static void run_values(struct run *run, const uint8_t *content, size_t n_bytes)
{
	struct record_pair pair;
	size_t at = 0, n;

	run->has_values = true;
	while ((n = record_pair_read(content + at, n_bytes - at, &pair)) > 0) {
		run_print(run, "values %.*s=%.*s\n", (int) pair.n_name, pair.name,
			  (int) pair.n_value, pair.value);
		at += n;
	}
}

static void run_record(struct run *run, const struct record_head *head,
		       const uint8_t *content)
{
	struct answer *answer = &run->answer;
	bool is_management = head->type == RECORD_VALUES || head->type == RECORD_UNKNOWN;

	if (run->is_verbose)
		run_print(run, "record %u %u %u %u\n", head->type, head->id,
			  head->n_content, head->n_padding);
	if (head->type == RECORD_VALUES && head->id == 0)
		return run_values(run, content, head->n_content);
	if (head->type == RECORD_UNKNOWN && head->id == 0 && head->n_content > 0) {
		run->has_values = true;
		return run_print(run, "unknown %u\n", content[0]);
	}
	if (is_management || head->id != run->request.id || answer->has_end)
		return run_print(run, "foreign %u %u %u\n", head->id, head->type,
				 head->n_content);
	if (!answer->first_us)
		answer->first_us = net_now_us();
	if (head->type == RECORD_STDOUT)
		answer_stdout(run, content, head->n_content);
	else if (head->type == RECORD_STDERR && answer->errors.n_bytes < HEAD_MAX)
		record_bytes_put(&answer->errors, content, head->n_content);
	else if (head->type == RECORD_END)
		answer_end(run, content, head->n_content);
	else if (head->type != RECORD_STDERR)
		run_print(run, "foreign %u %u %u\n", head->id, head->type,
			  head->n_content);
	answer->has_end = head->type == RECORD_END;
}

static void run_records(struct run *run)
{
	size_t at = 0;

	while (run->in.n_bytes - at >= RECORD_HEAD_BYTES && !run->how) {
		struct record_head head;
		size_t n;

		record_head_read(run->in.data + at, &head);
		n = RECORD_HEAD_BYTES + (size_t) head.n_content + head.n_padding;
		if (head.version != 1) {
			run->how = "broken";
			return;
		}
		if (run->in.n_bytes - at < n)
			break;
		run_record(run, &head, run->in.data + at + RECORD_HEAD_BYTES);
		at += n;
	}
	if (at > 0)
		memmove(run->in.data, run->in.data + at, run->in.n_bytes - at);
	run->in.n_bytes -= at;
}

static void run_read(struct run *run)
{
	static uint8_t data[65536];
	ssize_t n = recv(run->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		run->how = n == 0 ? run->in.n_bytes ? "broken" : "eof" : "reset";
		return;
	}
	record_bytes_put(&run->in, data, (size_t) n);
	run_records(run);
}

/* Writes the next piece. Returns true once all n_bytes are out. */
static bool run_write(struct run *run, const uint8_t *data, size_t n_bytes)
{
	size_t left = n_bytes - run->n_sent;
	ssize_t n;

	if (left > run->write_max)
		left = run->write_max;
	n = send(run->fd, data + run->n_sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		run->is_mute = true;
	if (n > 0)
		run->n_sent += (size_t) n;
	if (n > 0 && run->write_max != SIZE_MAX)
		run->pause_until_us = net_now_us() + run->request.delay_ms * 1000;
	return run->n_sent == n_bytes;
}

static bool run_body(struct run *run, struct op *op)
{
	if (run->body.n_bytes == 0) {
		size_t n = plan_next_body(&run->request, op->number, &run->body);

		op->number = n ? op->number - n : 0;
	}
	if (run->body.n_bytes > 0 && !run_write(run, run->body.data, run->body.n_bytes))
		return false;
	run->body.n_bytes = 0;
	run->n_sent = 0;
	return op->number == 0;
}

static void run_leave(struct run *run, bool by_reset)
{
	if (by_reset)
		net_close_by_reset(run->fd);
	else
		close(run->fd);
	run->fd = -1;
	run->how = "left";
}

/* Lets the current operation act. Returns true if it is done. */
static bool run_op(struct run *run, struct op *op)
{
	switch (op->kind) {
	case OP_SEND:
		return op->bytes.n_bytes == 0 ||
		       run_write(run, op->bytes.data, op->bytes.n_bytes);
	case OP_BODY:
		return run_body(run, op);
	case OP_SLEEP:
		run->pause_until_us = net_now_us() + op->number * 1000;
		return true;
	case OP_HALF_CLOSE:
		shutdown(run->fd, SHUT_WR);
		return true;
	case OP_CLOSE:
	case OP_RESET:
		run_leave(run, op->kind == OP_RESET);
		return true;
	case OP_STOP:
		run->is_mute = true;
		return true;
	case OP_AWAIT_OUTPUT:
		return run->answer.n_stdout > 0 || run->answer.has_end;
	case OP_AWAIT_END:
		return run->answer.has_end;
	case OP_AWAIT_VALUES:
		return run->has_values;
	}
	return false;
}

static bool op_writes(const struct op *op)
{
	return op->kind == OP_SEND || op->kind == OP_BODY;
}

/* Runs operations until one has to wait; returns what poll() must wait for. */
static short run_ops(struct run *run)
{
	while (run->at_op < run->plan.n_ops && !run->how) {
		struct op *op = &run->plan.ops[run->at_op];

		if (net_now_us() < run->pause_until_us)
			return POLLIN;
		if (run->is_mute && op->kind <= OP_STOP && op->kind != OP_CLOSE &&
		    op->kind != OP_RESET) {
			run->at_op++;
			continue;
		}
		if (!run_op(run, op))
			return op_writes(op) ? POLLIN | POLLOUT : POLLIN;
		run->n_sent = 0;
		run->at_op++;
	}
	return POLLIN;
}

static uint64_t run_next_us(const struct run *run)
{
	uint64_t next_us = run->deadline_us;

	if (run->leave_us && run->leave_us < next_us)
		next_us = run->leave_us;
	if (run->pause_until_us > net_now_us() && run->pause_until_us < next_us)
		next_us = run->pause_until_us;
	return next_us;
}

/* Runs until the plan is done (read_on: until the connection ends). */
static void run_loop(struct run *run, bool read_on)
{
	while (!run->how && (read_on || run->at_op < run->plan.n_ops)) {
		short events = run_ops(run);
		int ready;

		if (run->how || (!read_on && run->at_op == run->plan.n_ops))
			return;
		ready = net_wait(run->fd, events, run_next_us(run));
		if (ready & (POLLIN | POLLHUP | POLLERR))
			run_read(run);
		if (run->how)
			return;
		if (run->leave_us && net_now_us() >= run->leave_us)
			run_leave(run, run->leave_by_reset);
		else if (net_now_us() >= run->deadline_us)
			run->how = "timeout";
	}
}

static void answer_done(struct answer *answer)
{
	record_bytes_done(&answer->head);
	record_bytes_done(&answer->errors);
	memset(answer, 0, sizeof(*answer));
}

static void run_start_request(struct run *run)
{
	plan_done(&run->plan);
	answer_done(&run->answer);
	if (run->request.body)
		rewind(run->request.body);
	plan_build(&run->plan, &run->request);
	run->at_op = 0;
	run->start_us = net_now_us();
}

/* What had come of an answer that has no end. */
static void run_print_rest(struct run *run)
{
	if (!run->answer.has_end && run->how)
		answer_end(run, NULL, 0);
	if (run->how && (!run->answer.has_end || run->read_on))
		run_print(run, "%s\n", run->how);
}

static int run_all(struct run *run)
{
	bool is_good = true;

	run->fd = net_connect(&run->address, run->deadline_us);
	if (run->fd < 0) {
		fprintf(stderr, "fcgi_client: connect: %s\n", strerror(-run->fd));
		return 1;
	}
	for (unsigned int i = 0; i < run->n_repeat; i++) {
		run_start_request(run);
		run_loop(run, run->read_on && i + 1 == run->n_repeat);
		is_good = is_good && (run->request.only_values ? run->has_values
							       : run->answer.is_good);
		run_print_rest(run);
		if (run->how && !run->answer.has_end)
			break;
	}
	if (run->fd >= 0)
		close(run->fd);
	plan_done(&run->plan);
	answer_done(&run->answer);
	record_bytes_done(&run->in);
	record_bytes_done(&run->body);
	return is_good ? 0 : 1;
}

static void option_event(struct plan_request *request, const char *text)
{
	size_t n = strcspn(text, ":"), n_room;

	n_room = sizeof(request->events) / sizeof(request->events[0]);
	if (!text[n] || request->n_events == n_room)
		net_usage("-e: '%s' is not PHASE:ACTION, or there are too many", text);
	request->events[request->n_events++] =
		(struct plan_event) { plan_phase_of(text, n), text + n + 1 };
}

static void option_body(struct plan_request *request, const char *path)
{
	struct stat st;

	request->body = fopen(path, "re");
	if (!request->body || fstat(fileno(request->body), &st) < 0)
		net_usage("%s: %s", path, strerror(errno));
	request->n_body = (uint64_t) st.st_size;
}

/* The options of the request's shape. Returns false for another letter. */
/* table */
static bool option_request(struct plan_request *request, int c, const char *arg)
{
	switch (c) {
	case 'k':
		request->flags = RECORD_KEEP_CONN;
		return true;
	case 'i':
		request->id = (uint16_t) net_number(arg, 0, 65535, "-i");
		return true;
	case 'r':
		request->role = (uint16_t) net_number(arg, 0, 65535, "-r");
		return true;
	case 'V':
		request->version = (uint8_t) net_number(arg, 0, 255, "-V");
		return true;
	case 'p':
		request->padding = (uint8_t) net_number(arg, 0, 255, "-p");
		return true;
	case 's':
		request->record_max = net_number(arg, 1, RECORD_CONTENT_MAX, "-s");
		return true;
	case 'C':
		request->pair_cut = net_number(arg, 1, UINT32_MAX, "-C");
		return true;
	case 'c':
		request->wire_cut = net_number(arg, 1, UINT32_MAX, "-c");
		return true;
	case 'D':
		request->delay_ms = net_number(arg, 0, UINT32_MAX, "-D");
		return true;
	case 'b':
		request->n_body = net_number(arg, 0, UINT64_MAX, "-b");
		return true;
	case 'd':
		option_body(request, arg);
		return true;
	case 'f':
		request->n_fill_bytes = net_number(arg, 0, UINT32_MAX, "-f");
		return true;
	case 'F':
		request->n_fill_pairs = net_number(arg, 0, UINT32_MAX, "-F");
		return true;
	case 'g':
	case 'G':
		request->values = arg;
		request->only_values = c == 'G';
		return true;
	case 'x':
		request->raw = arg;
		return true;
	case 'e':
		option_event(request, arg);
		return true;
	default:
		return false;
	}
}

/* The options of the connection and of what is printed; returns false likewise. */
/* table */
static bool option_run(struct run *run, int c, const char *arg)
{
	switch (c) {
	case 'R':
		run->n_repeat = (unsigned int) net_number(arg, 1, UINT32_MAX, "-R");
		return true;
	case 'w':
		run->write_max = net_number(arg, 1, UINT32_MAX, "-w");
		return true;
	case 'l':
	case 'L':
		run->leave_us = net_now_us() +
				net_number(arg, 0, UINT32_MAX, "-l") * 1000;
		run->leave_by_reset = c == 'L';
		return true;
	case 'T':
		run->deadline_us = net_now_us() +
				   net_number(arg, 1, UINT32_MAX, "-T") * 1000;
		return true;
	case 'E':
		run->read_on = true;
		return true;
	case 'o':
		run->only_body = true;
		return true;
	case 'O':
		run->only_stdout = true;
		return true;
	case 'v':
		run->is_verbose = true;
		return true;
	default:
		return false;
	}
}

static void run_options(struct run *run, int argc, char **argv)
{
	static const char letters[] =
		"u:t:a:ki:r:b:d:s:C:c:D:p:V:f:F:g:G:x:e:R:w:l:L:T:EoOv";
	int c, r = -EINVAL;

	while ((c = getopt(argc, argv, letters)) != -1) {
		if (c == 'u')
			r = net_address_unix(optarg, &run->address);
		else if (c == 't')
			r = net_address_tcp(optarg, &run->address);
		else if (c == 'a')
			r = net_address_abstract(optarg + (optarg[0] == '@'),
						 &run->address);
		else if (!option_request(&run->request, c, optarg) &&
			 !option_run(run, c, optarg))
			net_usage("read the head of tests/tools/fcgi_client.c");
	}
	if (r < 0)
		net_usage("one of -u PATH, -t PORT, -a NAME is needed: %s", strerror(-r));
	run->request.params = argv + optind;
	run->request.n_params = (size_t) (argc - optind);
}

int main(int argc, char **argv)
{
	static struct run run = {
		.request = { .id = 1, .role = 1, .version = 1, .delay_ms = 1 },
		.n_repeat = 1,
		.write_max = SIZE_MAX,
		.fd = -1,
	};
	int r;

	run.deadline_us = net_now_us() + 10000000;
	run_options(&run, argc, argv);
	r = run_all(&run);
	if (run.request.body)
		fclose(run.request.body);
	return r;
}
