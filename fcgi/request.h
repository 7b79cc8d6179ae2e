/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What is legal next for one request, from either side.
 *
 * As responder (towards the web server) we see BEGIN_REQUEST, PARAMS ... empty PARAMS,
 * STDIN ... empty STDIN, ABORT_REQUEST any time. As client (towards PHP-FPM) we see
 * STDOUT and STDERR in any order and END_REQUEST, once. FastCGI 1.0, sections 3.3, 5, 6.
 */

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/record.h"

enum fcgi_request_result {
	FCGI_REQUEST_IGNORE = 1, /* a record of an id that is not active: drop it (3.3) */
	FCGI_REQUEST_SECOND,     /* BEGIN_REQUEST of another id while one is active:
				  * answer CANT_MPX_CONN for that id */
	FCGI_REQUEST_MANAGEMENT, /* id 0, any type but BEGIN_REQUEST: answer GET_VALUES,
				  * any other with UNKNOWN_TYPE */
	FCGI_REQUEST_VIOLATION,  /* illegal here: the connection cannot be trusted */
};

enum fcgi_request_state {
	FCGI_REQUEST_IDLE,   /* none active: -> PARAMS (BEGIN_REQUEST) */
	FCGI_REQUEST_PARAMS, /* -> STDIN (empty PARAMS) */
	FCGI_REQUEST_STDIN,  /* -> ANSWER (empty STDIN) */
	FCGI_REQUEST_ANSWER, /* everything is here; -> IDLE by fcgi_request_finish() */
};

/* The responder side of one connection. */
struct fcgi_request {
	enum fcgi_request_state state;
	uint16_t id; /* of the active request; 0 in IDLE */
};

void fcgi_request_init(struct fcgi_request *request);
/* The header of a record has arrived. 0: it belongs to the active request (after a
 * BEGIN_REQUEST: it became the active one) and the state has been moved. ABORT_REQUEST
 * of the active id is 0 in every state but IDLE and moves nothing. STDOUT, STDERR, DATA,
 * END_REQUEST and unknown types of the active id, and BEGIN_REQUEST of the active id,
 * are FCGI_REQUEST_VIOLATION, as is BEGIN_REQUEST with id 0. */
__attribute__((warn_unused_result))
int fcgi_request_step(struct fcgi_request *request, const struct fcgi_record *record);
/* Our END_REQUEST went out (or the request was refused): later records of that id are
 * ignored until the next BEGIN_REQUEST. */
void fcgi_request_finish(struct fcgi_request *request);

/* The client side: may PHP-FPM send this record for request `id`? `ended` says that
 * END_REQUEST has been seen. 0, FCGI_REQUEST_IGNORE (another id), FCGI_REQUEST_MANAGEMENT
 * (id 0 and GET_VALUES_RESULT), FCGI_REQUEST_VIOLATION (any other type, or anything of
 * this id after END_REQUEST). An empty STDOUT or STDERR is legal and means nothing. */
__attribute__((warn_unused_result))
int fcgi_request_check_answer(uint16_t id, bool ended, const struct fcgi_record *record);
