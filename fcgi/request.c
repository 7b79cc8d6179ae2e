/* SPDX-License-Identifier: BSD-2-Clause */

/* What is legal next for one request, from either side. */

#include "fcgi/request.h"

#include <fastcgi.h>

void fcgi_request_init(struct fcgi_request *request)
{
	fcgi_request_finish(request);
}

void fcgi_request_finish(struct fcgi_request *request)
{
	*request = (struct fcgi_request){ .state = FCGI_REQUEST_IDLE };
}

static int fcgi_request_begin(struct fcgi_request *request, uint16_t id)
{
	if (id == FCGI_NULL_REQUEST_ID)
		return FCGI_REQUEST_VIOLATION;
	if (request->state == FCGI_REQUEST_IDLE) {
		request->state = FCGI_REQUEST_PARAMS;
		request->id = id;
		return 0;
	}
	return request->id == id ? FCGI_REQUEST_VIOLATION : FCGI_REQUEST_SECOND;
}

/* A record of a stream that is open in the state `open` and leads to `next` when it is
 * empty. */
static int fcgi_request_stream(struct fcgi_request *request,
			       const struct fcgi_record *record,
			       enum fcgi_request_state open, enum fcgi_request_state next)
{
	if (request->state != open)
		return FCGI_REQUEST_VIOLATION;
	if (record->n_content == 0)
		request->state = next;
	return 0;
}

int fcgi_request_step(struct fcgi_request *request, const struct fcgi_record *record)
{
	if (record->type == FCGI_BEGIN_REQUEST)
		return fcgi_request_begin(request, record->id);
	if (record->id == FCGI_NULL_REQUEST_ID)
		return FCGI_REQUEST_MANAGEMENT;
	if (record->id != request->id)
		return FCGI_REQUEST_IGNORE;
	switch (record->type) {
	case FCGI_ABORT_REQUEST:
		return 0;
	case FCGI_PARAMS:
		return fcgi_request_stream(request, record, FCGI_REQUEST_PARAMS,
					   FCGI_REQUEST_STDIN);
	case FCGI_STDIN:
		return fcgi_request_stream(request, record, FCGI_REQUEST_STDIN,
					   FCGI_REQUEST_ANSWER);
	default:
		return FCGI_REQUEST_VIOLATION;
	}
}

int fcgi_request_check_answer(uint16_t id, bool ended, const struct fcgi_record *record)
{
	if (record->id == FCGI_NULL_REQUEST_ID)
		return record->type == FCGI_GET_VALUES_RESULT ? FCGI_REQUEST_MANAGEMENT :
								FCGI_REQUEST_VIOLATION;
	if (record->id != id)
		return FCGI_REQUEST_IGNORE;
	if (ended)
		return FCGI_REQUEST_VIOLATION;
	switch (record->type) {
	case FCGI_STDOUT:
	case FCGI_STDERR:
	case FCGI_END_REQUEST:
		return 0;
	default:
		return FCGI_REQUEST_VIOLATION;
	}
}
