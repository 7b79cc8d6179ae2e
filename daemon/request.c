/* SPDX-License-Identifier: BSD-2-Clause */
/* The parameters of one request: collected, checked, framed. */

#include "daemon/request.h"

#include <fastcgi.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/memory.h"
#include "daemon/request_wire.h"
#include "fcgi/params.h"
#include "fcgi/record.h"

enum {
	REQUEST_HEAD_BYTES = FCGI_RECORD_HEADER_BYTES,
	REQUEST_FIRST_BYTES = 1536, /* nginx's params of a plain GET are some 900 bytes */
	REQUEST_EXTRA_BYTES = 128,  /* what we add: the id and CONTENT_LENGTH */
};

static const struct {
	const char *name;
	size_t n;
} request_names[REQUEST_N_VALUES] = {
#define NAME(text) { text, sizeof(text) - 1 }
	[REQUEST_METHOD] = NAME("REQUEST_METHOD"),
	[REQUEST_URI] = NAME("REQUEST_URI"),
	[REQUEST_QUERY_STRING] = NAME("QUERY_STRING"),
	[REQUEST_SCRIPT_NAME] = NAME("SCRIPT_NAME"),
	[REQUEST_SCRIPT_FILENAME] = NAME("SCRIPT_FILENAME"),
	[REQUEST_SERVER_NAME] = NAME("SERVER_NAME"),
	[REQUEST_REMOTE_ADDR] = NAME("REMOTE_ADDR"),
	[REQUEST_ACCEPT] = NAME("HTTP_ACCEPT"),
	[REQUEST_CONTENT_LENGTH] = NAME("CONTENT_LENGTH"),
	[REQUEST_ID] = { NULL, 0 },
#undef NAME
};

void request_init(struct request *request, struct memory *memory)
{
	*request = (struct request){ .memory = memory };
}

void request_done(struct request *request)
{
	free(request->arena);
	if (request->arena)
		memory_give(request->memory, request->size);
	request->arena = NULL;
	request->size = request->n = 0;
}

/* Room for n bytes in all. */
static bool request_reserve(struct request *request, size_t n)
{
	size_t size = MAX(request->size * 2, (size_t)REQUEST_FIRST_BYTES);
	uint8_t *arena;

	if (n <= request->size)
		return true;
	size = MAX(size, n);
	if (!memory_take(request->memory, size - request->size)) {
		size = n; /* no room to grow, perhaps for what is needed now */
		if (!memory_take(request->memory, size - request->size))
			return false;
	}
	arena = realloc(request->arena, size);
	if (!arena) {
		memory_give(request->memory, size - request->size);
		return false;
	}
	request->arena = arena;
	request->size = size;
	return true;
}

int request_add(struct request *request, const uint8_t *data, size_t n, size_t max_bytes)
{
	if (n > max_bytes - MIN(request->n, max_bytes))
		return REQUEST_TOO_BIG;
	if (!request_reserve(request,
			     REQUEST_HEAD_BYTES + request->n + n + REQUEST_EXTRA_BYTES))
		return REQUEST_MEMORY_FULL;
	memcpy(request->arena + REQUEST_HEAD_BYTES + request->n, data, n);
	request->n += n;
	return 0;
}

/* checking */

static bool request_is_name(const struct fcgi_param *param, const char *name)
{
	size_t n = strlen(name);

	return param->n_name == n && memcmp(param->name, name, n) == 0;
}

static bool request_is_text(struct request_text text, const char *other)
{
	size_t n = strlen(other);

	return text.n == n && memcmp(text.text, other, n) == 0;
}

static bool request_is_denied(const struct fcgi_param *param,
			      const struct conf_pool *options)
{
	if (request_is_name(param, "REQUEST_BODY_FILE"))
		return true;
	for (char **name = options->deny_params; *name; name++)
		if (request_is_name(param, *name))
			return true;
	return false;
}

/* Ours are never taken from outside. */
static bool request_is_dropped(const struct fcgi_param *param)
{
	return param->n_name >= STRLEN("FPMGATE_") &&
	       memcmp(param->name, "FPMGATE_", STRLEN("FPMGATE_")) == 0;
}

static void request_set_value(struct request *request, enum request_value value,
			      size_t at, size_t n)
{
	request->values[value].at = (uint32_t)at;
	request->values[value].n = (uint32_t)n;
	request->values[value].is_there = true;
}

/* Notes where a param's value stands that we look at ourselves. `at`: of the pair. */
static void request_note(struct request *request, const struct fcgi_param *param,
			 size_t at, const struct conf_pool *options)
{
	size_t value_at = at + param->n_encoded - param->n_value;

	for (int i = 0; i < REQUEST_N_VALUES; i++)
		if (param->n_name == request_names[i].n && request_names[i].name &&
		    memcmp(param->name, request_names[i].name, param->n_name) == 0)
			request_set_value(request, (enum request_value)i, value_at,
					  param->n_value);
	if (options->request_id_param[0] != '\0' &&
	    request_is_name(param, options->request_id_param))
		request_set_value(request, REQUEST_ID, value_at, param->n_value);
}

struct request_text request_get(const struct request *request, enum request_value value)
{
	if (!request->values[value].is_there)
		return (struct request_text){ NULL, 0 };
	return (struct request_text){
		(const char *)request->arena + REQUEST_HEAD_BYTES +
			request->values[value].at,
		request->values[value].n,
	};
}

/* Digits only: strtoull() would take a sign and blanks. */
static bool request_parse_length(struct request_text text, uint64_t *ret)
{
	uint64_t n = 0;

	if (text.n > 18)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.text[i] < '0' || text.text[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.text[i] - '0');
	}
	*ret = n;
	return true;
}

/* Caddy says -1 of an upload without a length (chunked), of which PHP by itself would
 * make a request that never begins: its worker waits until the client has gone. */
static bool request_is_length_unknown(struct request_text text)
{
	return text.n == 0 || (text.n == 2 && memcmp(text.text, "-1", 2) == 0);
}

static enum health_reason request_check_length(struct request *request,
					       const struct conf_pool *options)
{
	struct request_text text = request_get(request, REQUEST_CONTENT_LENGTH);

	if (request_is_length_unknown(text))
		return HEALTH_REASON_NONE;
	if (!request_parse_length(text, &request->content_length))
		return HEALTH_REASON_BODY_LENGTH;
	request->has_length = true;
	if (options->body_max_bytes > 0 &&
	    request->content_length > options->body_max_bytes)
		return HEALTH_REASON_BODY_TOO_BIG;
	return HEALTH_REASON_NONE;
}

/* What is given counts, else what fpm_conf tells. */
static bool request_is_path(struct request_text script, const char *given,
			    const char *told)
{
	return request_is_text(script, given[0] != '\0' ? given : told);
}

/* FPM's own pages, fetched through the web server. */
static enum health_reason request_check_path(const struct request *request,
					     const struct conf_pool *options,
					     const struct conf_fpm_values *fpm)
{
	struct request_text script = request_get(request, REQUEST_SCRIPT_NAME);

	if (options->status_access != CONF_STATUS_REFUSE || script.n == 0)
		return HEALTH_REASON_NONE;
	if (request_is_path(script, options->status_path, fpm ? fpm->status_path : "") ||
	    request_is_path(script, options->ping_path, fpm ? fpm->ping_path : ""))
		return HEALTH_REASON_PATH_REFUSED;
	return HEALTH_REASON_NONE;
}

/* Walks the pairs, closes the gaps of dropped ones, notes the values: all of them also
 * when one is denied, since the answer and the logs tell them. */
static enum health_reason request_filter(struct request *request,
					 const struct conf_pool *options)
{
	uint8_t *pairs = request->arena + REQUEST_HEAD_BYTES;
	struct fcgi_params_iter iter;
	struct fcgi_param param;
	size_t n_kept = 0;
	unsigned n_pairs = 0;
	bool is_denied = false;
	int r;

	fcgi_params_iter_init(&iter, pairs, request->n);
	while ((r = fcgi_params_next(&iter, &param)) == 0) {
		if (++n_pairs > options->params_count_max)
			return HEALTH_REASON_PARAMS_TOO_BIG;
		is_denied |= request_is_denied(&param, options);
		if (request_is_dropped(&param))
			continue;
		request_note(request, &param, n_kept, options);
		if (param.encoded != pairs + n_kept)
			memmove(pairs + n_kept, param.encoded, param.n_encoded);
		n_kept += param.n_encoded;
	}
	request->n = n_kept;
	if (r != FCGI_PARAMS_END)
		return HEALTH_REASON_REQUEST_MALFORMED;
	return is_denied ? HEALTH_REASON_PARAM_DENIED : HEALTH_REASON_NONE;
}

enum health_reason request_check(struct request *request, const struct conf_pool *options,
				 const struct conf_fpm_values *fpm)
{
	struct request_text method;
	enum health_reason reason = HEALTH_REASON_NONE;
	size_t framed;

	if (request->n > 0)
		reason = request_filter(request, options);
	if (reason != HEALTH_REASON_NONE)
		return reason;
	if (request->n > 0 &&
	    fcgi_params_framed_bytes(request->arena + REQUEST_HEAD_BYTES, request->n,
				     &framed) != 0)
		return HEALTH_REASON_PARAMS_TOO_BIG;
	method = request_get(request, REQUEST_METHOD);
	request->is_safe_method = request_is_text(method, "GET") ||
				  request_is_text(method, "HEAD") ||
				  request_is_text(method, "OPTIONS");
	reason = request_check_path(request, options, fpm);
	if (reason != HEALTH_REASON_NONE)
		return reason;
	return request_check_length(request, options);
}

/* framing */

static bool request_append(struct request *request, const char *name, const char *value)
{
	size_t n = fcgi_params_pair_bytes(strlen(name), strlen(value));

	if (!request_reserve(request, REQUEST_HEAD_BYTES + request->n + n))
		return false;
	request->n += fcgi_params_put(request->arena + REQUEST_HEAD_BYTES + request->n,
				      name, strlen(name), value, strlen(value));
	return true;
}

/* Takes the first pair of this name out. */
static void request_remove(struct request *request, const char *name)
{
	uint8_t *pairs = request->arena + REQUEST_HEAD_BYTES;
	struct fcgi_params_iter iter;
	struct fcgi_param param;
	size_t at;

	fcgi_params_iter_init(&iter, pairs, request->n);
	while (fcgi_params_next(&iter, &param) == 0)
		if (request_is_name(&param, name))
			break;
	at = (size_t)(param.encoded - pairs);
	request->n -= param.n_encoded;
	memmove(pairs + at, pairs + at + param.n_encoded, request->n - at);
	for (int i = 0; i < REQUEST_N_VALUES; i++)
		if (request->values[i].at > at)
			request->values[i].at -= (uint32_t)param.n_encoded;
}

/* An upload without a length (chunked) gets the one that was counted, and so does one
 * whose length was said to be -1, even if it is empty: PHP must not see that. */
static bool request_add_length(struct request *request, uint64_t n_body)
{
	char number[24];

	if (request->has_length ||
	    (n_body == 0 && request_get(request, REQUEST_CONTENT_LENGTH).n == 0))
		return true;
	if (request->values[REQUEST_CONTENT_LENGTH].is_there) {
		request_remove(request, "CONTENT_LENGTH");
		request->values[REQUEST_CONTENT_LENGTH].is_there = false;
	}
	snprintf(number, sizeof(number), "%" PRIu64, n_body);
	return request_append(request, "CONTENT_LENGTH", number);
}

/* Framing puts a header in front of each record: by how much a place has moved on. */
static uint32_t request_shift(const struct request *request, uint32_t at)
{
	size_t pairs_at = 0, record_at = 0;

	for (;;) {
		const uint8_t *header = request->arena + record_at;
		size_t n = (size_t)(header[4] << 8 | header[5]);

		if (at < pairs_at + n || record_at + REQUEST_HEAD_BYTES + n >= request->n)
			return (uint32_t)(record_at - pairs_at);
		pairs_at += n;
		record_at += REQUEST_HEAD_BYTES + n;
	}
}

bool request_frame(struct request *request, uint64_t n_body, const char *request_id,
		   uint16_t id, struct request_parts *parts)
{
	size_t framed;

	if (!request_add_length(request, n_body) ||
	    !request_append(request, "FPMGATE_REQUEST_ID", request_id))
		return false;
	if (fcgi_params_framed_bytes(request->arena + REQUEST_HEAD_BYTES, request->n,
				     &framed) ||
	    !request_reserve(request, framed))
		return false;
	request->n = fcgi_params_frame(request->arena, request->n, id);
	for (int i = 0; i < REQUEST_N_VALUES; i++)
		if (request->values[i].is_there)
			request->values[i].at +=
				request_shift(request, request->values[i].at);
	parts->id = id;
	parts->params = request->arena;
	parts->n_params = request->n;
	return true;
}

/* FNV-1a */
static uint64_t request_hash(uint64_t hash, struct request_text text)
{
	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ (uint8_t)text.text[i]) * 0x100000001b3u;
	return (hash ^ 0xff) * 0x100000001b3u;
}

uint64_t request_route(const struct request *request)
{
	uint64_t hash = 0xcbf29ce484222325u;

	hash = request_hash(hash, request_get(request, REQUEST_SERVER_NAME));
	hash = request_hash(hash, request_get(request, REQUEST_SCRIPT_FILENAME));
	hash = request_hash(hash, request_get(request, REQUEST_SCRIPT_NAME));
	return hash ? hash : 1;
}
