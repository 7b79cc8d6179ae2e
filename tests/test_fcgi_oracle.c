/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Our codec against others': libfcgi's structs, libfcgi as the application at the other
 * end of a socket, and recorded conversations of five web servers with PHP-FPM
 * (tests/data/fcgi/README).
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <fastcgi.h>
#include <fcgiapp.h>

#include "fcgi/cgi_header.h"
#include "fcgi/params.h"
#include "fcgi/reader.h"
#include "fcgi/record.h"
#include "fcgi/request.h"
#include "fcgi/writer.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- libfcgi's structs --- */

static void test_structs(void **state)
{
	const struct fcgi_begin begin = { .role = 0x0102, .flags = FCGI_KEEP_CONN };
	const struct fcgi_end end = { .app_status = 0x81020304, .protocol_status = 2 };
	uint8_t bytes[FCGI_RECORD_FIXED_BYTES];
	FCGI_BeginRequestRecord begin_record;
	FCGI_EndRequestRecord end_record;
	FCGI_UnknownTypeRecord unknown_record;

	(void)state;
	assert_int_equal(sizeof(FCGI_Header), FCGI_RECORD_HEADER_BYTES);
	assert_int_equal(sizeof(begin_record), FCGI_RECORD_FIXED_BYTES);
	assert_int_equal(sizeof(end_record), FCGI_RECORD_FIXED_BYTES);
	assert_int_equal(sizeof(unknown_record), FCGI_RECORD_FIXED_BYTES);

	fcgi_begin_encode(0xfffe, &begin, bytes);
	memcpy(&begin_record, bytes, sizeof(bytes));
	assert_int_equal(begin_record.header.version, FCGI_VERSION_1);
	assert_int_equal(begin_record.header.type, FCGI_BEGIN_REQUEST);
	assert_int_equal(begin_record.header.requestIdB1, 0xff);
	assert_int_equal(begin_record.header.requestIdB0, 0xfe);
	assert_int_equal(begin_record.header.contentLengthB1, 0);
	assert_int_equal(begin_record.header.contentLengthB0, sizeof(begin_record.body));
	assert_int_equal(begin_record.header.paddingLength, 0);
	assert_int_equal(begin_record.body.roleB1, 1);
	assert_int_equal(begin_record.body.roleB0, 2);
	assert_int_equal(begin_record.body.flags, FCGI_KEEP_CONN);

	fcgi_end_encode(1, &end, bytes);
	memcpy(&end_record, bytes, sizeof(bytes));
	assert_int_equal(end_record.header.type, FCGI_END_REQUEST);
	assert_int_equal(end_record.body.appStatusB3, 0x81);
	assert_int_equal(end_record.body.appStatusB2, 2);
	assert_int_equal(end_record.body.appStatusB1, 3);
	assert_int_equal(end_record.body.appStatusB0, 4);
	assert_int_equal(end_record.body.protocolStatus, FCGI_OVERLOADED);

	fcgi_unknown_type_encode(99, bytes);
	memcpy(&unknown_record, bytes, sizeof(bytes));
	assert_int_equal(unknown_record.header.type, FCGI_UNKNOWN_TYPE);
	assert_int_equal(unknown_record.body.type, 99);
}

/* --- libfcgi as the application --- */

enum {
	TALK_BYTES = 400000,
	VALUE_BYTES = 30000, /* three of them take two PARAMS records */
	BODY_BYTES = 66000,  /* two STDIN records */
	OUTPUT_BYTES = 70000,
};

struct talk {
	int listen_fd;
	int fd;
	FCGX_Request request;
	struct fcgi_writer writer;
	uint8_t bytes[TALK_BYTES];
	char value[VALUE_BYTES + 1];
	uint8_t body[BODY_BYTES];
	char output[OUTPUT_BYTES];
};

/* An abstract address of the kernel's choice: nothing to clean up. */
static void talk_connect(struct talk *talk)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(address.sun_family);
	int size = TALK_BYTES;

	talk->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_return_code(bind(talk->listen_fd, (struct sockaddr *)&address, n), errno);
	assert_return_code(listen(talk->listen_fd, 1), errno);
	n = sizeof(address);
	assert_return_code(getsockname(talk->listen_fd, (struct sockaddr *)&address, &n),
			   errno);
	talk->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_return_code(
		setsockopt(talk->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), errno);
	assert_return_code(connect(talk->fd, (struct sockaddr *)&address, n), errno);
}

static int talk_begin(void **state)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	assert_non_null(talk);
	for (size_t i = 0; i < VALUE_BYTES; i++)
		talk->value[i] = (char)('a' + i % 26);
	for (size_t i = 0; i < BODY_BYTES; i++)
		talk->body[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < OUTPUT_BYTES; i++)
		talk->output[i] = (char)(i * 3);
	talk_connect(talk);
	assert_int_equal(FCGX_Init(), 0);
	assert_int_equal(FCGX_InitRequest(&talk->request, talk->listen_fd, 0), 0);
	fcgi_writer_init(&talk->writer, talk->bytes, sizeof(talk->bytes));
	*state = talk;
	return 0;
}

/* Our end first: libfcgi reads until it sees the end before it closes its own. */
static int talk_end(void **state)
{
	struct talk *talk = *state;

	close(talk->fd);
	FCGX_Free(&talk->request, 1);
	close(talk->listen_fd);
	free(talk);
	return 0;
}

static void talk_send(struct talk *talk)
{
	assert_int_equal(send(talk->fd, talk->bytes, talk->writer.n, MSG_DONTWAIT),
			 talk->writer.n);
	talk->writer.n = 0;
}

/* Everything that the application has written. */
static size_t talk_receive(struct talk *talk)
{
	size_t n = 0;
	ssize_t r;

	while ((r = recv(talk->fd, talk->bytes + n, sizeof(talk->bytes) - n,
			 MSG_DONTWAIT)) > 0)
		n += (size_t)r;
	assert_int_equal(r, -1);
	assert_int_equal(errno, EAGAIN);
	return n;
}

/* PARAMS as the daemon frames them: pairs in one piece, then cut between pairs. */
static void talk_put_params(struct talk *talk, uint16_t id)
{
	static const char *const names[] = { "FIRST", "SECOND", "THIRD" };
	uint8_t *room = talk->bytes + talk->writer.n;
	size_t n = FCGI_RECORD_HEADER_BYTES, n_framed;

	n += fcgi_params_put(room + n, "REQUEST_METHOD", 14, "POST", 4);
	n += fcgi_params_put(room + n, "EMPTY", 5, "", 0);
	for (size_t i = 0; i < N_OF(names); i++)
		n += fcgi_params_put(room + n, names[i], strlen(names[i]), talk->value,
				     VALUE_BYTES);
	n += fcgi_params_put(room + n, "V127", 4, talk->value, 127);
	n += fcgi_params_put(room + n, "V128", 4, talk->value, 128);
	n += fcgi_params_put(room + n, talk->value, 128, "name of 128", 11);
	n -= FCGI_RECORD_HEADER_BYTES;
	assert_int_equal(fcgi_params_framed_bytes(room + FCGI_RECORD_HEADER_BYTES, n,
						  &n_framed), 0);
	assert_int_equal(n_framed, n + 2 * FCGI_RECORD_HEADER_BYTES);
	assert_int_equal(fcgi_params_frame(room, n, id), n_framed);
	talk->writer.n += n_framed;
}

static void assert_has_value(const struct talk *talk, const char *name, size_t n)
{
	const char *value = FCGX_GetParam(name, talk->request.envp);

	assert_non_null(value);
	assert_int_equal(strlen(value), n);
	assert_memory_equal(value, talk->value, n);
}

/* What libfcgi makes of our records. */
static void test_libfcgi_reads(void **state)
{
	struct talk *talk = *state;
	struct fcgi_writer *writer = &talk->writer;
	char name[129] = "", *body = malloc(BODY_BYTES + 1);

	assert_non_null(body);
	fcgi_writer_begin(writer, 0x1234, FCGI_RESPONDER, FCGI_KEEP_CONN);
	talk_put_params(talk, 0x1234);
	fcgi_writer_stream_end(writer, FCGI_PARAMS, 0x1234);
	fcgi_writer_stream(writer, FCGI_STDIN, 0x1234, talk->body, BODY_BYTES);
	fcgi_writer_stream_end(writer, FCGI_STDIN, 0x1234);
	talk_send(talk);

	assert_int_equal(FCGX_Accept_r(&talk->request), 0);
	assert_int_equal(talk->request.requestId, 0x1234);
	assert_int_equal(talk->request.role, FCGI_RESPONDER);
	assert_string_equal(FCGX_GetParam("REQUEST_METHOD", talk->request.envp), "POST");
	assert_string_equal(FCGX_GetParam("EMPTY", talk->request.envp), "");
	assert_has_value(talk, "FIRST", VALUE_BYTES);
	assert_has_value(talk, "SECOND", VALUE_BYTES);
	assert_has_value(talk, "THIRD", VALUE_BYTES);
	assert_has_value(talk, "V127", 127);
	assert_has_value(talk, "V128", 128);
	memcpy(name, talk->value, 128);
	assert_string_equal(FCGX_GetParam(name, talk->request.envp), "name of 128");
	assert_int_equal(FCGX_GetStr(body, BODY_BYTES + 1, talk->request.in), BODY_BYTES);
	assert_memory_equal(body, talk->body, BODY_BYTES);
	FCGX_Finish_r(&talk->request);
	free(body);
}

struct answer {
	size_t n_stdout;
	size_t n_stderr;
	uint8_t output[OUTPUT_BYTES];
	uint8_t errors[64];
	struct fcgi_body8 body;
	struct fcgi_end end;
	bool ended;
};

static void answer_on_content(struct answer *answer, const struct fcgi_event *event)
{
	switch (event->record.type) {
	case FCGI_STDOUT:
		assert_true(answer->n_stdout + event->n <= sizeof(answer->output));
		memcpy(answer->output + answer->n_stdout, event->data, event->n);
		answer->n_stdout += event->n;
		break;
	case FCGI_STDERR:
		assert_true(answer->n_stderr + event->n <= sizeof(answer->errors));
		memcpy(answer->errors + answer->n_stderr, event->data, event->n);
		answer->n_stderr += event->n;
		break;
	default:
		fcgi_body8_add(&answer->body, event->data, event->n);
		break;
	}
}

/* Reads the answer to request `id`, each record legal, all of it complete. */
static void answer_read(struct answer *answer, uint16_t id, const uint8_t *bytes,
			size_t n)
{
	struct fcgi_reader reader;
	struct fcgi_event event;
	int r;

	memset(answer, 0, sizeof(*answer));
	fcgi_reader_init(&reader);
	while ((r = fcgi_reader_next(&reader, &bytes, &n, &event)) == 0) {
		if (event.kind == FCGI_EVENT_RECORD)
			assert_int_equal(fcgi_request_check_answer(id, answer->ended,
								   &event.record), 0);
		if (event.kind == FCGI_EVENT_CONTENT)
			answer_on_content(answer, &event);
		if (event.kind != FCGI_EVENT_DONE ||
		    event.record.type != FCGI_END_REQUEST)
			continue;
		assert_int_equal(fcgi_end_decode(answer->body.bytes, answer->body.n,
						 &answer->end), 0);
		answer->ended = true;
	}
	assert_int_equal(r, FCGI_READER_PENDING);
	assert_true(fcgi_reader_is_between(&reader));
	assert_true(answer->ended);
}

/* What we make of libfcgi's records; its appStatus has the top bit set. */
static void test_libfcgi_writes(void **state)
{
	struct talk *talk = *state;
	struct answer *answer = malloc(sizeof(*answer));
	uint8_t end[FCGI_RECORD_FIXED_BYTES];
	size_t n;

	assert_non_null(answer);
	for (uint16_t id = 1; id < 3; id++) {
		fcgi_writer_begin(&talk->writer, id, FCGI_RESPONDER, FCGI_KEEP_CONN);
		fcgi_writer_param(&talk->writer, id, "REQUEST_METHOD", "GET");
		fcgi_writer_stream_end(&talk->writer, FCGI_PARAMS, id);
		fcgi_writer_stream_end(&talk->writer, FCGI_STDIN, id);
		talk_send(talk);
		assert_int_equal(FCGX_Accept_r(&talk->request), 0);
		FCGX_PutS("some words", talk->request.err);
		FCGX_PutStr(talk->output, OUTPUT_BYTES, talk->request.out);
		FCGX_SetExitStatus(-2147483647, talk->request.out);
		FCGX_Finish_r(&talk->request);

		n = talk_receive(talk);
		answer_read(answer, id, talk->bytes, n);
		assert_int_equal(answer->n_stdout, OUTPUT_BYTES);
		assert_memory_equal(answer->output, talk->output, OUTPUT_BYTES);
		assert_int_equal(answer->n_stderr, 10);
		assert_memory_equal(answer->errors, "some words", 10);
		assert_int_equal(answer->end.app_status, 0x80000001);
		assert_int_equal(answer->end.protocol_status, FCGI_REQUEST_COMPLETE);
		fcgi_end_encode(id, &answer->end, end);
		assert_memory_equal(end, talk->bytes + n - sizeof(end), sizeof(end));
	}
	free(answer);
}

/* CANT_MPX_CONN, which the daemon gives too, byte for byte. Not the answers to management
 * records: libfcgi 2.4.2 loses memory over an unknown type, and the padding of its
 * GET_VALUES_RESULT is memory that it never wrote, which valgrind reports. */
static void test_libfcgi_refuses(void **state)
{
	struct talk *talk = *state;
	uint8_t answer[FCGI_RECORD_FIXED_BYTES];

	fcgi_writer_begin(&talk->writer, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
	fcgi_writer_begin(&talk->writer, 2, FCGI_RESPONDER, FCGI_KEEP_CONN);
	fcgi_writer_stream_end(&talk->writer, FCGI_PARAMS, 1);
	fcgi_writer_stream_end(&talk->writer, FCGI_STDIN, 1);
	talk_send(talk);
	assert_int_equal(FCGX_Accept_r(&talk->request), 0);
	assert_int_equal(talk_receive(talk), sizeof(answer));
	memcpy(answer, talk->bytes, sizeof(answer));

	fcgi_writer_end(&talk->writer, 2, 0, FCGI_CANT_MPX_CONN);
	assert_memory_equal(answer, talk->bytes, sizeof(answer));
	FCGX_Finish_r(&talk->request);
}

/* --- recorded conversations --- */

struct expectation {
	const char *name;
	size_t n_requests;
	bool is_hello; /* GET_VALUES comes first */
	uint8_t flags; /* of BEGIN_REQUEST */
	struct {
		uint32_t n_stdin;
		const char *content_length;
		uint16_t status;
		uint32_t n_header;
		uint32_t n_body;
		uint32_t n_stderr;
	} requests[3];
};

static const struct expectation recorded[] = {
	{ "nginx-get", 1, false, 0, { { 0, "", 200, 42, 6, 0 } } },
	{ "nginx-keep", 3, false, FCGI_KEEP_CONN,
	  { { 0, "", 200, 42, 6, 0 },
	    { 40006, "40006", 200, 42, 27, 0 },
	    { 0, "", 404, 78, 5, 66 } } },
	{ "nginx-chunked", 1, false, 0, { { 10000, "", 200, 42, 23, 0 } } },
	{ "nginx-big", 1, false, 0, { { 0, "", 200, 42, 70005, 0 } } },
	{ "nginx-long", 1, false, 0, { { 0, "", 200, 12552, 12, 0 } } },
	{ "nginx-bare", 1, false, 0, { { 0, "", 200, 2, 17, 0 } } },
	{ "nginx-missing", 1, false, 0, { { 0, "", 404, 65, 16, 22 } } },
	{ "apache-post", 1, false, 0, { { 10000, "10000", 200, 42, 27, 0 } } },
	{ "lighttpd-post", 1, false, 0, { { 10000, "10000", 200, 42, 27, 0 } } },
	{ "caddy-post", 1, false, 0, { { 10000, "10000", 200, 42, 27, 0 } } },
	{ "haproxy-post", 1, false, FCGI_KEEP_CONN,
	  { { 10000, "10000", 200, 42, 27, 0 } } },
	{ "cgi-fcgi", 1, false, 0, { { 10000, "10000", 200, 42, 27, 0 } } },
	{ "hello", 1, true, 0, { { 0, "", 200, 42, 6, 0 } } },
};

/* The file of a recording, to be freed. */
static uint8_t *load(const char *name, const char *side, size_t *ret_n)
{
	const char *srcdir = getenv("srcdir");
	uint8_t *bytes = malloc(200000);
	char path[4096];
	FILE *file;

	assert_non_null(bytes);
	snprintf(path, sizeof(path), "%s/tests/data/fcgi/%s.%s", srcdir ? srcdir : ".",
		 name, side);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	*ret_n = fread(bytes, 1, 200000, file);
	fclose(file);
	return bytes;
}

/* One side of a recorded connection, as it is read. */
struct side {
	const struct expectation *wanted;
	struct fcgi_request request;
	struct cgi_header header;
	struct fcgi_body8 body;
	uint8_t params[2000];
	size_t n_params;
	size_t n_requests;
	size_t n_management;
	size_t n_stdin;
	size_t n_body;
	size_t n_stderr;
	bool is_header_done;
	bool ended;
	const uint8_t *file; /* the bytes, and what has been read of them */
	size_t n_file;
	size_t at;
	void (*on_event)(struct side *side, const struct fcgi_event *event);
};

/* Every record header is the one that we would have written: nobody sets the reserved
 * byte. */
static void assert_header_bytes(const struct side *side, const struct fcgi_record *record)
{
	uint8_t header[FCGI_RECORD_HEADER_BYTES];

	fcgi_record_encode(record, header);
	assert_memory_equal(header, side->file + side->at, sizeof(header));
}

/* Reads the file in windows of n_window bytes. */
static void side_read(struct side *side, size_t n_window)
{
	struct fcgi_reader reader;
	struct fcgi_event event;

	fcgi_reader_init(&reader);
	for (size_t at = 0, n, n_left; at < side->n_file; at += n) {
		const uint8_t *window = side->file + at;

		n = n_left = n_window < side->n_file - at ? n_window : side->n_file - at;
		while (fcgi_reader_next(&reader, &window, &n_left, &event) == 0) {
			if (event.kind == FCGI_EVENT_RECORD)
				assert_header_bytes(side, &event.record);
			side->on_event(side, &event);
			if (event.kind == FCGI_EVENT_DONE)
				side->at += (size_t)FCGI_RECORD_HEADER_BYTES +
					    event.record.n_content +
					    event.record.n_padding;
		}
		assert_int_equal(n_left, 0);
	}
	assert_true(fcgi_reader_is_between(&reader));
	assert_int_equal(side->at, side->n_file);
	assert_int_equal(side->n_requests, side->wanted->n_requests);
	assert_int_equal(side->n_management, side->wanted->is_hello);
}

/* The pairs, which we would have written with the same bytes; one of them's value. */
static void assert_params(const struct side *side, const char *name, const char *value)
{
	struct fcgi_params_iter iter;
	struct fcgi_param param;
	uint8_t encoded[2000];
	bool is_found = false;
	int r;

	fcgi_params_iter_init(&iter, side->params, side->n_params);
	while ((r = fcgi_params_next(&iter, &param)) == 0) {
		assert_int_equal(fcgi_params_put(encoded, param.name, param.n_name,
						 param.value, param.n_value),
				 param.n_encoded);
		assert_memory_equal(encoded, param.encoded, param.n_encoded);
		if (param.n_name != strlen(name) ||
		    memcmp(param.name, name, param.n_name) != 0)
			continue;
		assert_int_equal(param.n_value, strlen(value));
		assert_memory_equal(param.value, value, param.n_value);
		is_found = true;
	}
	assert_int_equal(r, FCGI_PARAMS_END);
	assert_true(is_found);
}

static void client_on_record(struct side *side, const struct fcgi_record *record)
{
	int r = fcgi_request_step(&side->request, record);

	if (record->id == 0) {
		assert_int_equal(r, FCGI_REQUEST_MANAGEMENT);
		side->n_management++;
		return;
	}
	assert_int_equal(r, 0);
	side->body.n = 0;
	if (record->type == FCGI_BEGIN_REQUEST)
		side->n_params = side->n_stdin = 0;
}

static void client_on_content(struct side *side, const struct fcgi_event *event)
{
	if (event->record.type == FCGI_STDIN)
		side->n_stdin += event->n;
	if (event->record.type == FCGI_BEGIN_REQUEST)
		fcgi_body8_add(&side->body, event->data, event->n);
	if (event->record.type != FCGI_PARAMS)
		return;
	assert_true(side->n_params + event->n <= sizeof(side->params));
	memcpy(side->params + side->n_params, event->data, event->n);
	side->n_params += event->n;
}

static void client_on_done(struct side *side, const struct fcgi_record *record)
{
	struct fcgi_begin begin;

	if (record->type == FCGI_BEGIN_REQUEST) {
		assert_int_equal(
			fcgi_begin_decode(side->body.bytes, side->body.n, &begin), 0);
		assert_int_equal(begin.role, FCGI_RESPONDER);
		assert_int_equal(begin.flags, side->wanted->flags);
	}
	if (side->request.state != FCGI_REQUEST_ANSWER)
		return;
	assert_true(side->n_requests < side->wanted->n_requests);
	assert_int_equal(side->n_stdin, side->wanted->requests[side->n_requests].n_stdin);
	assert_params(side, "CONTENT_LENGTH",
		      side->wanted->requests[side->n_requests].content_length);
	fcgi_request_finish(&side->request);
	side->n_requests++;
}

static void client_on_event(struct side *side, const struct fcgi_event *event)
{
	if (event->kind == FCGI_EVENT_RECORD)
		client_on_record(side, &event->record);
	else if (event->kind == FCGI_EVENT_CONTENT)
		client_on_content(side, event);
	else
		client_on_done(side, &event->record);
}

static void fpm_on_record(struct side *side, const struct fcgi_record *record)
{
	uint16_t id = side->wanted->is_hello ? 7 : 1;
	int r = fcgi_request_check_answer(id, side->ended, record);

	assert_int_equal(r, record->id == 0 ? FCGI_REQUEST_MANAGEMENT : 0);
	side->n_management += record->id == 0;
	side->body.n = 0;
}

static void fpm_on_stdout(struct side *side, const uint8_t *data, size_t n)
{
	size_t n_used = 0;
	int r;

	if (!side->is_header_done) {
		r = cgi_header_feed(&side->header, data, n, &n_used);
		assert_in_range(r, 0, CGI_HEADER_PENDING);
		side->is_header_done = r == 0;
	}
	side->n_body += n - n_used;
}

static void fpm_on_content(struct side *side, const struct fcgi_event *event)
{
	switch (event->record.type) {
	case FCGI_STDOUT:
		fpm_on_stdout(side, event->data, event->n);
		break;
	case FCGI_STDERR:
		side->n_stderr += event->n;
		break;
	default:
		fcgi_body8_add(&side->body, event->data, event->n);
		break;
	}
}

static void fpm_on_done(struct side *side, const struct fcgi_record *record)
{
	struct fcgi_end end;
	size_t i = side->n_requests;

	if (record->type != FCGI_END_REQUEST)
		return;
	assert_int_equal(fcgi_end_decode(side->body.bytes, side->body.n, &end), 0);
	assert_int_equal(end.app_status, 0);
	assert_int_equal(end.protocol_status, FCGI_REQUEST_COMPLETE);
	assert_true(i < side->wanted->n_requests);
	assert_true(side->is_header_done);
	assert_int_equal(side->header.status, side->wanted->requests[i].status);
	assert_int_equal(side->header.n_bytes, side->wanted->requests[i].n_header);
	assert_int_equal(side->n_body, side->wanted->requests[i].n_body);
	assert_int_equal(side->n_stderr, side->wanted->requests[i].n_stderr);
	side->n_requests++;
	side->n_body = side->n_stderr = 0;
	side->is_header_done = false;
	cgi_header_init(&side->header, 65536);
	side->ended = side->n_requests == side->wanted->n_requests;
}

static void fpm_on_event(struct side *side, const struct fcgi_event *event)
{
	if (event->kind == FCGI_EVENT_RECORD)
		fpm_on_record(side, &event->record);
	else if (event->kind == FCGI_EVENT_CONTENT)
		fpm_on_content(side, event);
	else
		fpm_on_done(side, &event->record);
}

/* One side of every recording, in windows of several sizes. */
static void assert_recorded(const char *suffix,
			    void (*on_event)(struct side *side,
					     const struct fcgi_event *event))
{
	static const size_t windows[] = { SIZE_MAX, 1, 2, 3, 7, 8, 9, 100, 4096 };

	for (size_t i = 0; i < N_OF(recorded); i++) {
		size_t n_file;
		uint8_t *file = load(recorded[i].name, suffix, &n_file);

		for (size_t w = 0; w < N_OF(windows); w++) {
			struct side side = {
				.wanted = &recorded[i],
				.file = file,
				.n_file = n_file,
				.on_event = on_event,
			};

			fcgi_request_init(&side.request);
			cgi_header_init(&side.header, 65536);
			side_read(&side, windows[w]);
		}
		free(file);
	}
}

static void test_recorded_clients(void **state)
{
	(void)state;
	assert_recorded("client", client_on_event);
}

static void test_recorded_fpm(void **state)
{
	(void)state;
	assert_recorded("fpm", fpm_on_event);
}

/* The hello that PHP-FPM answered is the one that we write, and its answer is the one
 * that we would give, but for the padding. */
static void test_recorded_hello(void **state)
{
	size_t n_client, n_fpm;
	uint8_t *client = load("hello", "client", &n_client);
	uint8_t *fpm = load("hello", "fpm", &n_fpm), bytes[64];
	struct fcgi_writer writer;

	(void)state;
	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	fcgi_writer_get_values(&writer);
	assert_memory_equal(client, bytes, writer.n);
	writer.n = 0;
	fcgi_writer_values_result(&writer, client + FCGI_RECORD_HEADER_BYTES, 17);
	bytes[6] = FCGI_WRITER_HELLO_ANSWER_BYTES - FCGI_WRITER_VALUES_BYTES;
	assert_memory_equal(fpm, bytes, FCGI_WRITER_VALUES_BYTES);
	free(client);
	free(fpm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structs),
		cmocka_unit_test_setup_teardown(test_libfcgi_reads, talk_begin, talk_end),
		cmocka_unit_test_setup_teardown(test_libfcgi_writes, talk_begin,
						talk_end),
		cmocka_unit_test_setup_teardown(test_libfcgi_refuses, talk_begin,
						talk_end),
		cmocka_unit_test(test_recorded_clients),
		cmocka_unit_test(test_recorded_fpm),
		cmocka_unit_test(test_recorded_hello),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
