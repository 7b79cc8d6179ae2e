/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The parameters of one request: collected as they arrive, checked, framed for PHP-FPM.
 *
 * All pairs stand in one piece of memory. It begins with room for a record header, so
 * that in nearly all cases framing is writing eight bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/macros.h"
#include "health/reason.h"

struct conf_fpm_values;
struct conf_pool;
struct memory;
struct request_parts;

/* The params that we look at ourselves. */
enum request_value {
	REQUEST_METHOD,
	REQUEST_URI,
	REQUEST_QUERY_STRING,
	REQUEST_SCRIPT_NAME,
	REQUEST_SCRIPT_FILENAME,
	REQUEST_SERVER_NAME,
	REQUEST_REMOTE_ADDR,
	REQUEST_ACCEPT,
	REQUEST_CONTENT_LENGTH,
	REQUEST_ID, /* of the option request_id_param */
	REQUEST_N_VALUES,
};

/* Not terminated; NULL when the param is not there. */
struct request_text {
	const char *text;
	size_t n;
};

struct request {
	struct memory *memory;
	uint8_t *arena;
	size_t size;             /* of the arena, booked */
	size_t n;                /* bytes of pairs, then of records */
	struct {
		uint32_t at, n;  /* in the pairs; at 0 and n 0: absent */
		bool is_there;
	} values[REQUEST_N_VALUES];
	bool has_length;         /* CONTENT_LENGTH was given, neither empty nor -1 */
	uint64_t content_length;
	bool is_safe_method;     /* GET, HEAD, OPTIONS */
};

enum request_result {
	REQUEST_TOO_BIG = 1,
	REQUEST_MEMORY_FULL,
};

void request_init(struct request *request, struct memory *memory);
void request_done(struct request *request);

/* Content of PARAMS records. 0, REQUEST_TOO_BIG (past max_bytes), REQUEST_MEMORY_FULL. */
int request_add(struct request *request, const uint8_t *data, size_t n,
		size_t max_bytes) _must_check_;
/* The params are complete: parses and filters them. HEALTH_REASON_NONE, or why the
 * request is refused: REQUEST_MALFORMED, PARAMS_TOO_BIG (count, or a pair that no record
 * can hold), PARAM_DENIED, PATH_REFUSED, BODY_LENGTH (no number), BODY_TOO_BIG. fpm: what
 * FPM's own configuration says, or NULL. */
enum health_reason request_check(struct request *request, const struct conf_pool *options,
				 const struct conf_fpm_values *fpm);
/* The body is complete (n_body bytes): adds CONTENT_LENGTH where it was not given and
 * FPMGATE_REQUEST_ID, and frames for request id `id` of the link. The parts' params are
 * set. Once per request. False: no memory. */
bool request_frame(struct request *request, uint64_t n_body, const char *request_id,
		   uint16_t id, struct request_parts *parts) _must_check_;

struct request_text request_get(const struct request *request, enum request_value value);
/* Hash of site and script, for replay; never 0. */
uint64_t request_route(const struct request *request);
