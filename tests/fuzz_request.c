/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Fuzz target: a whole connection of a web server, read as the daemon reads it, with what
 * must hold of fcgi/request.h after every record. The same bytes are then taken for what
 * PHP-FPM sends.
 */

#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fastcgi.h>

#include "fcgi/params.h"
#include "fcgi/reader.h"
#include "fcgi/request.h"
#include "fcgi/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct pairs {
	uint8_t *bytes;
	size_t n;
};

/* What a connection has of its request so far. */
struct connection {
	struct fcgi_request request;
	struct fcgi_body8 body;
	struct pairs params; /* of all PARAMS records */
	struct pairs values; /* of a management record */
	int r;               /* of the current record */
};

static void check_state(const struct fcgi_request *request)
{
	assert(request->state <= FCGI_REQUEST_ANSWER);
	assert((request->state == FCGI_REQUEST_IDLE) == (request->id == 0));
}

static void on_record(struct connection *connection, const struct fcgi_record *record)
{
	const struct fcgi_request before = connection->request;
	struct fcgi_request *request = &connection->request;

	connection->r = fcgi_request_step(request, record);
	check_state(request);
	assert(connection->r >= 0 && connection->r <= FCGI_REQUEST_VIOLATION);
	if (connection->r == 0)
		assert(record->id == request->id && request->state >= before.state);
	else
		assert(request->state == before.state && request->id == before.id);
	assert((connection->r == FCGI_REQUEST_MANAGEMENT) ==
	       (record->id == 0 && record->type != FCGI_BEGIN_REQUEST));
	connection->body.n = 0;
	connection->values.n = 0;
	if (connection->r == 0 && record->type == FCGI_BEGIN_REQUEST)
		connection->params.n = 0;
}

static void pairs_add(struct pairs *pairs, const uint8_t *data, size_t n)
{
	memcpy(pairs->bytes + pairs->n, data, n);
	pairs->n += n;
}

static void on_content(struct connection *connection, const struct fcgi_event *event)
{
	fcgi_body8_add(&connection->body, event->data, event->n);
	if (connection->r == FCGI_REQUEST_MANAGEMENT)
		pairs_add(&connection->values, event->data, event->n);
	if (connection->r == 0 && event->record.type == FCGI_PARAMS)
		pairs_add(&connection->params, event->data, event->n);
}

static void check_pairs(const struct pairs *pairs)
{
	uint8_t bytes[FCGI_WRITER_VALUES_BYTES];
	struct fcgi_params_iter iter;
	struct fcgi_writer writer;
	struct fcgi_param param;
	size_t n_encoded = 0;
	int r;

	fcgi_params_iter_init(&iter, pairs->bytes, pairs->n);
	while (fcgi_params_next(&iter, &param) == 0)
		n_encoded += param.n_encoded;
	assert(n_encoded <= pairs->n);
	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	r = fcgi_writer_values_result(&writer, pairs->bytes, pairs->n);
	assert(r == 0 && (writer.n == 8 || writer.n == sizeof(bytes)));
}

static void on_done(struct connection *connection, const struct fcgi_record *record)
{
	struct fcgi_begin begin;
	int r;

	assert(connection->body.n == record->n_content);
	r = fcgi_begin_decode(connection->body.bytes, connection->body.n, &begin);
	assert((r == 0) == (record->n_content == 8));
	if (connection->r == 0)
		check_pairs(&connection->params);
	if (connection->r == FCGI_REQUEST_MANAGEMENT)
		check_pairs(&connection->values);
	if (connection->r == FCGI_REQUEST_VIOLATION ||
	    connection->request.state == FCGI_REQUEST_ANSWER)
		fcgi_request_finish(&connection->request);
	check_state(&connection->request);
}

static void on_answer(const struct fcgi_record *record, bool *ended)
{
	int r = fcgi_request_check_answer(1, *ended, record);

	assert(r >= 0 && r <= FCGI_REQUEST_VIOLATION && r != FCGI_REQUEST_SECOND);
	assert((r == FCGI_REQUEST_IGNORE) == (record->id > 1));
	assert((r == FCGI_REQUEST_MANAGEMENT) ==
	       (record->id == 0 && record->type == FCGI_GET_VALUES_RESULT));
	assert(r != 0 || (record->id == 1 && !*ended));
	if (r == 0 && record->type == FCGI_END_REQUEST)
		*ended = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct connection connection = {
		.params.bytes = malloc(n + 1),
		.values.bytes = malloc(n + 1),
	};
	struct fcgi_reader reader;
	struct fcgi_event event;
	bool ended = false;

	assert(connection.params.bytes != NULL && connection.values.bytes != NULL);
	fcgi_request_init(&connection.request);
	fcgi_reader_init(&reader);
	while (fcgi_reader_next(&reader, &data, &n, &event) == 0) {
		switch (event.kind) {
		case FCGI_EVENT_RECORD:
			on_record(&connection, &event.record);
			on_answer(&event.record, &ended);
			break;
		case FCGI_EVENT_CONTENT:
			on_content(&connection, &event);
			break;
		case FCGI_EVENT_DONE:
			on_done(&connection, &event.record);
			break;
		}
	}
	free(connection.params.bytes);
	free(connection.values.bytes);
	return 0;
}
