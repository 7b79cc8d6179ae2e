/* SPDX-License-Identifier: BSD-2-Clause */
/* How an exchange ends or goes on when PHP did not answer it. */

#include "daemon/outcome.h"

#include <fastcgi.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/answer.h"
#include "daemon/exchange.h"
#include "daemon/pool.h"

enum {
	/* PHP-FPM's master never kills before the full time
	 * (fpm_request_check_timed_out), but the instant of acceptance that we know can
	 * be a turn of the loop late. */
	OUTCOME_TERMINATE_SLACK_US = 100000,
};

/* answers of our own */

/* `did`: "answered 503", "broke the answer". */
static void outcome_log(struct exchange *exchange, const char *did)
{
	const struct health_reason_row *row = health_reason_row(exchange->reason);
	struct request_text site = request_get(&exchange->request, REQUEST_SERVER_NAME);
	struct request_text script = request_get(&exchange->request, REQUEST_SCRIPT_NAME);
	char site_text[128], script_text[256], more[48] = "";
	uint64_t n_suppressed;
	const struct log_field fields[] = {
		{ "FPMGATE_POOL", pool_name(exchange->pool) },
		{ "FPMGATE_REASON", row->word },
		{ "FPMGATE_SITE", site_text },
		{ "FPMGATE_SCRIPT", script_text },
		{ "FPMGATE_REQUEST_ID", exchange->id },
	};

	if (!pool_may_log_answer(exchange->pool, exchange->reason, &n_suppressed))
		return;
	log_escape(site_text, sizeof(site_text), site.text, site.n);
	log_escape(script_text, sizeof(script_text), script.text, script.n);
	if (n_suppressed > 0)
		snprintf(more, sizeof(more), ", %" PRIu64 " more like it", n_suppressed);
	log_fields(LOG_LEVEL_WARNING, fields, ARRAY_SIZE(fields),
		   "pool %s: %s %s: %s%s%s, request %s (%s)%s",
		   pool_name(exchange->pool), did, row->word, site_text,
		   script_text[0] == '/' ? "" : " ", script_text, exchange->id,
		   row->sentence, more);
}

void outcome_answer(struct exchange *exchange, enum health_reason reason)
{
	struct request_text method = request_get(&exchange->request, REQUEST_METHOD);
	struct request_text accept = request_get(&exchange->request, REQUEST_ACCEPT);
	char *text = (char *)loop_second_scratch(exchange->pool->loop);
	const struct answer_params params = {
		.reason = reason,
		.request_id = exchange->id,
		.retry_after_s = pool_retry_after_s(exchange->pool),
		.accept = accept.text,
		.n_accept = accept.n,
		.is_head = method.n == 4 && memcmp(method.text, "HEAD", 4) == 0,
		.is_get = method.n == 3 && memcmp(method.text, "GET", 3) == 0,
		.page = exchange->pool->page,
		.n_page = exchange->pool->n_page,
	};
	const struct exchange_ops *ops = exchange->ops;
	void *client = exchange->client;
	char did[24];
	size_t n;

	exchange->reason = reason;
	exchange->status = health_reason_row(reason)->status;
	exchange->pool->counters.reasons[reason]++;
	snprintf(did, sizeof(did), "answered %u", exchange->status);
	outcome_log(exchange, did);
	if (answer_render(&params, text, LOOP_SCRATCH_BYTES, &n) != 0) {
		ops->on_broken(client);
	} else {
		exchange->n_bytes = n;
		ops->on_output(client, FCGI_STDOUT, (const uint8_t *)text, n);
		ops->on_output(client, FCGI_STDOUT, NULL, 0);
		ops->on_done(client);
	}
	exchange_finish(exchange);
}

static void outcome_break(struct exchange *exchange, enum health_reason reason)
{
	exchange->reason = reason;
	exchange->pool->counters.reasons[reason]++;
	pool_count(exchange->pool, COUNTER_BROKEN);
	outcome_log(exchange, "broke the answer");
	exchange->ops->on_broken(exchange->client);
	exchange_finish(exchange);
}

/* A limit of ours has passed, or what PHP sends cannot be used: the visitor is told, and
 * the worker is left to itself. */
void outcome_give_up(struct exchange *exchange, enum health_reason reason)
{
	if (exchange->state == EXCHANGE_QUEUED)
		pool_withdraw(exchange->pool, &exchange->waiter);
	if (exchange->state == EXCHANGE_ANSWERING)
		outcome_break(exchange, reason);
	else
		outcome_answer(exchange, reason);
	exchange_let_link_go(exchange);
	exchange_release(exchange);
}

/* failures */

/* From the start: nothing of the first try remains. */
static void outcome_send_again(struct exchange *exchange)
{
	loop_deadline_clear(&exchange->silence);
	loop_deadline_clear(&exchange->total);
	response_done(&exchange->response);
	response_init(&exchange->response, &exchange->pool->memory,
		      (size_t)exchange->options->header_max_bytes);
	exchange->had_output = false;
	exchange->first_byte_us = 0;
	exchange_set_state(exchange, EXCHANGE_QUEUED);
	pool_submit_again(exchange->pool, &exchange->waiter);
}

static enum health_replay_answer outcome_ask_replay(struct exchange *exchange,
						     bool had_worker)
{
	struct health_replay *replay = &exchange->pool->replay;
	uint64_t now_us = exchange_now_us(exchange);
	const struct health_replay_case c = {
		.had_worker = had_worker,
		.had_output = exchange->had_output,
		.is_safe = exchange->request.is_safe_method && exchange->body.n == 0,
		.n_replays = exchange->n_replays,
		.accepted_us = exchange->accepted_us ? exchange->accepted_us :
						       exchange->dispatched_us,
		.route = request_route(&exchange->request),
	};

	if (had_worker)
		health_replay_killed(replay, c.route, now_us);
	return health_replay_ask(replay, &c, now_us);
}

/* A worker that goes when the script's time is up was ended by FPM. */
static bool outcome_was_terminated(const struct exchange *exchange)
{
	uint64_t limit_us = 0;
	uint64_t since_us = exchange->accepted_us ? exchange->accepted_us :
						    exchange->dispatched_us;

	if (exchange->pool->has_fpm_values)
		limit_us = exchange->pool->fpm_values->request_terminate_timeout_us;
	return limit_us > 0 && exchange_now_us(exchange) - since_us +
			       OUTCOME_TERMINATE_SLACK_US > limit_us;
}

void outcome_fail(struct exchange *exchange, enum health_reason reason,
			  bool had_worker)
{
	if (exchange->state == EXCHANGE_ANSWERING) {
		outcome_break(exchange, reason);
		return;
	}
	if (reason == HEALTH_REASON_SPOOL_FULL) {
		outcome_answer(exchange, reason);
		return;
	}
	if (!had_worker) {
		pool_count(exchange->pool, COUNTER_RETURNED);
		outcome_send_again(exchange);
		return;
	}
	if (reason == HEALTH_REASON_WORKER_DIED && outcome_was_terminated(exchange)) {
		outcome_answer(exchange, HEALTH_REASON_FPM_TERMINATED);
		return;
	}
	if (reason == HEALTH_REASON_WORKER_DIED &&
	    outcome_ask_replay(exchange, had_worker) == HEALTH_REPLAY_YES) {
		pool_count(exchange->pool, COUNTER_REPLAYED);
		exchange->n_replays++;
		outcome_send_again(exchange);
		return;
	}
	outcome_answer(exchange, reason);
}
