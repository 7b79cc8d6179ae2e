/* SPDX-License-Identifier: BSD-2-Clause */
/* What fcgi_client sends for one request, as a list of small operations. */
#include "tests/tools/plan.h"

#include <stdlib.h>
#include <string.h>

#include "tests/tools/net.h"

#define BODY_RECORD_MAX 32768
#define FILL_VALUE_BYTES 4000

static const char *const phase_words[PLAN_N_PHASES] = {
	"start", "begin", "params", "body", "stdin", "output", "end",
};

enum plan_phase plan_phase_of(const char *word, size_t n_bytes)
{
	for (int i = 0; i < PLAN_N_PHASES; i++) {
		if (strlen(phase_words[i]) == n_bytes &&
		    memcmp(phase_words[i], word, n_bytes) == 0)
			return (enum plan_phase) i;
	}
	net_usage("'%.*s' is no phase", (int) n_bytes, word);
}

static struct op *plan_add(struct plan *plan, enum op_kind kind, uint64_t number)
{
	plan->ops = realloc(plan->ops, (plan->n_ops + 1) * sizeof(*plan->ops));
	if (!plan->ops)
		net_usage("out of memory");
	plan->ops[plan->n_ops] = (struct op) { .kind = kind, .number = number };
	return &plan->ops[plan->n_ops++];
}

static void plan_send(struct plan *plan, const void *data, size_t n_bytes)
{
	record_bytes_put(&plan_add(plan, OP_SEND, 0)->bytes, data, n_bytes);
}

/* One record, cut in two on the wire where that was asked for. */
static void plan_send_record(struct plan *plan, const struct plan_request *request,
			     const struct record_bytes *record)
{
	size_t cut = request->wire_cut;

	if (cut == 0 || cut >= record->n_bytes) {
		plan_send(plan, record->data, record->n_bytes);
		return;
	}
	plan_send(plan, record->data, cut);
	plan_add(plan, OP_SLEEP, request->delay_ms);
	plan_send(plan, record->data + cut, record->n_bytes - cut);
}

static void plan_put(struct plan *plan, const struct plan_request *request, uint8_t type,
		     const void *content, size_t n)
{
	struct record_bytes record = { 0 };
	struct record_head head = { request->version, type, request->id, (uint16_t) n,
				    request->padding };

	if (type == RECORD_GET_VALUES)
		head.id = 0;
	record_put(&record, &head, content);
	plan_send_record(plan, request, &record);
	record_bytes_done(&record);
}

static void plan_put_begin(struct plan *plan, const struct plan_request *request,
			   uint16_t id)
{
	uint8_t body[8] = { (uint8_t) (request->role >> 8), (uint8_t) request->role,
			    request->flags };
	struct plan_request other = *request;

	other.id = id;
	plan_put(plan, &other, RECORD_BEGIN, body, sizeof(body));
}

static void plan_put_values(struct plan *plan, const struct plan_request *request,
			    const char *names)
{
	struct record_bytes pairs = { 0 };

	while (*names) {
		size_t n = strcspn(names, ",");
		struct record_pair pair = { names, "", n, 0 };

		record_put_pair(&pairs, &pair);
		names += n + (names[n] == ',');
	}
	plan_put(plan, request, RECORD_GET_VALUES, pairs.data, pairs.n_bytes);
	record_bytes_done(&pairs);
}

static void plan_put_raw(struct plan *plan, const char *text)
{
	size_t n;
	uint8_t *bytes = net_hex(text, &n);

	plan_send(plan, bytes, n);
	free(bytes);
}

/* An event's word, and in *ret_arg what stands behind its colon ("" if nothing does). */
static bool event_is(const char *action, const char *word, const char **ret_arg)
{
	size_t n = strlen(word);

	if (strncmp(action, word, n) != 0 || (action[n] && action[n] != ':'))
		return false;
	*ret_arg = action[n] ? action + n + 1 : "";
	return true;
}

static uint16_t event_id(const struct plan_request *request, const char *arg)
{
	return *arg ? (uint16_t) net_number(arg, 0, 65535, "begin") : request->id;
}

static void plan_event(struct plan *plan, const struct plan_request *request,
		       const char *action)
{
	const char *arg;

	if (event_is(action, "abort", &arg))
		plan_put(plan, request, RECORD_ABORT, NULL, 0);
	else if (event_is(action, "begin", &arg))
		plan_put_begin(plan, request, event_id(request, arg));
	else if (event_is(action, "values", &arg))
		plan_put_values(plan, request, *arg ? arg : "FCGI_MPXS_CONNS");
	else if (event_is(action, "raw", &arg))
		plan_put_raw(plan, arg);
	else if (event_is(action, "sleep", &arg))
		plan_add(plan, OP_SLEEP, net_number(arg, 0, UINT32_MAX, action));
	else if (event_is(action, "halfclose", &arg))
		plan_add(plan, OP_HALF_CLOSE, 0);
	else if (event_is(action, "close", &arg))
		plan_add(plan, OP_CLOSE, 0);
	else if (event_is(action, "reset", &arg))
		plan_add(plan, OP_RESET, 0);
	else if (event_is(action, "stop", &arg))
		plan_add(plan, OP_STOP, 0);
	else
		net_usage("'%s' is no action", action);
}

static bool plan_has_events(const struct plan_request *request, enum plan_phase phase)
{
	for (size_t i = 0; i < request->n_events; i++) {
		if (request->events[i].phase == phase)
			return true;
	}
	return false;
}

static void plan_events(struct plan *plan, const struct plan_request *request,
			enum plan_phase phase)
{
	for (size_t i = 0; i < request->n_events; i++) {
		if (request->events[i].phase == phase)
			plan_event(plan, request, request->events[i].action);
	}
}

/* PARAMS on their way into records: the pairs so far, and where records must end. */
struct params {
	struct plan *plan;
	const struct plan_request *request;
	struct record_bytes record;
	size_t record_max;
};

static void params_flush(struct params *params)
{
	if (params->record.n_bytes > 0)
		plan_put(params->plan, params->request, RECORD_PARAMS,
			 params->record.data, params->record.n_bytes);
	params->record.n_bytes = 0;
}

static void params_put(struct params *params, const uint8_t *data, size_t n_bytes)
{
	while (n_bytes > 0) {
		size_t n = params->record_max - params->record.n_bytes;

		if (n > n_bytes)
			n = n_bytes;
		record_bytes_put(&params->record, data, n);
		data += n;
		n_bytes -= n;
		if (params->record.n_bytes == params->record_max)
			params_flush(params);
	}
}

static void params_add(struct params *params, const char *name, size_t n_name,
		       const char *value)
{
	struct record_pair pair = { name, value, n_name, strlen(value) };
	struct record_bytes bytes = { 0 };
	size_t cut = params->request->pair_cut;

	record_put_pair(&bytes, &pair);
	if (params->request->record_max == 0 && cut == 0 &&
	    params->record.n_bytes + bytes.n_bytes > params->record_max)
		params_flush(params);
	if (cut == 0 || cut >= bytes.n_bytes)
		cut = 0;
	params_put(params, bytes.data, cut);
	if (cut > 0)
		params_flush(params);
	params_put(params, bytes.data + cut, bytes.n_bytes - cut);
	record_bytes_done(&bytes);
}

static void params_add_fill(struct params *params)
{
	size_t n_left = params->request->n_fill_bytes;
	char value[FILL_VALUE_BYTES + 1], name[32];

	memset(value, 'f', FILL_VALUE_BYTES);
	value[FILL_VALUE_BYTES] = '\0';
	for (unsigned int i = 0; n_left >= FILL_VALUE_BYTES; i++) {
		int n = snprintf(name, sizeof(name), "FILL_%u", i);

		params_add(params, name, (size_t) n, value);
		n_left -= FILL_VALUE_BYTES;
	}
	for (size_t i = 0; i < params->request->n_fill_pairs; i++) {
		int n = snprintf(name, sizeof(name), "PAIR_%zu", i);

		params_add(params, name, (size_t) n, "x");
	}
}

static void plan_params(struct plan *plan, const struct plan_request *request)
{
	struct params params = { .plan = plan, .request = request };
	bool has_length = request->n_body == 0;
	char length[24];

	params.record_max = request->record_max ? request->record_max : 65000;
	for (size_t i = 0; i < request->n_params; i++) {
		const char *text = request->params[i];
		size_t n = strcspn(text, "=");

		if (!text[n])
			net_usage("'%s' is not NAME=VALUE", text);
		params_add(&params, text, n, text + n + 1);
		has_length = has_length || strncmp(text, "CONTENT_LENGTH=", 15) == 0;
	}
	snprintf(length, sizeof(length), "%llu", (unsigned long long) request->n_body);
	if (!has_length)
		params_add(&params, "CONTENT_LENGTH", 14, length);
	params_add_fill(&params);
	params_flush(&params);
	record_bytes_done(&params.record);
	plan_put(plan, request, RECORD_PARAMS, NULL, 0);
}

static void plan_stdin(struct plan *plan, const struct plan_request *request)
{
	uint64_t half = request->n_body / 2;

	if (half > 0)
		plan_add(plan, OP_BODY, half);
	plan_events(plan, request, PLAN_BODY);
	if (request->n_body > 0)
		plan_add(plan, OP_BODY, request->n_body - half);
	plan_put(plan, request, RECORD_STDIN, NULL, 0);
}

void plan_build(struct plan *plan, const struct plan_request *request)
{
	plan_events(plan, request, PLAN_START);
	if (request->values)
		plan_put_values(plan, request, request->values);
	if (request->only_values) {
		plan_add(plan, OP_AWAIT_VALUES, 0);
		return;
	}
	if (request->raw) {
		plan_put_raw(plan, request->raw);
	} else {
		plan_put_begin(plan, request, request->id);
		plan_events(plan, request, PLAN_BEGIN);
		plan_params(plan, request);
		plan_events(plan, request, PLAN_PARAMS);
		plan_stdin(plan, request);
	}
	plan_events(plan, request, PLAN_STDIN);
	if (plan_has_events(request, PLAN_OUTPUT))
		plan_add(plan, OP_AWAIT_OUTPUT, 0);
	plan_events(plan, request, PLAN_OUTPUT);
	plan_add(plan, OP_AWAIT_END, 0);
	plan_events(plan, request, PLAN_END);
}

void plan_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_ops; i++)
		record_bytes_done(&plan->ops[i].bytes);
	free(plan->ops);
	memset(plan, 0, sizeof(*plan));
}

size_t plan_next_body(const struct plan_request *request, uint64_t left,
		      struct record_bytes *out)
{
	static char content[RECORD_CONTENT_MAX];
	size_t n = request->record_max ? request->record_max : BODY_RECORD_MAX;
	struct record_head head = { request->version, RECORD_STDIN, request->id, 0,
				    request->padding };

	if (n > left)
		n = (size_t) left;
	if (request->body)
		n = fread(content, 1, n, request->body);
	else
		memset(content, 'b', n);
	if (n == 0)
		return 0;
	head.n_content = (uint16_t) n;
	record_put(out, &head, content);
	return n;
}
