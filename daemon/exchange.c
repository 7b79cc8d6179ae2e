/* SPDX-License-Identifier: BSD-2-Clause */
/* One FastCGI request through us. */

/*
 * PARAMS and BODY collect the request, before anything of PHP is touched: a stalled
 * upload holds no worker, and PHP-FPM, which hangs on a body that is shorter than its
 * length and runs one that was cut, gets whole ones. QUEUED waits for a slot. RUNNING has
 * a link; its output is held back until the CGI header is complete, so until then every
 * failure can still become an answer of ours, or be sent again. From ANSWERING on a
 * failure can only be shown by breaking the answer.
 *
 * The exchange has two sides that end at different times. The client's ends with the
 * answer (DONE). The link's ends when the worker does not need the request any more: a
 * script may go on behind its END_REQUEST, and a request that nobody waits for is still
 * written in full. The exchange goes when both have ended.
 */

#include "daemon/exchange.h"

#include <errno.h>
#include <fastcgi.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "daemon/outcome.h"
#include "daemon/php_log.h"
#include "daemon/pool.h"
#include "fcgi/writer.h"

enum {
	EXCHANGE_READ_MIN_BYTES = 4096,
};

static const struct link_ops exchange_link_ops;
static void exchange_drained(void *request);

void exchange_set_state(struct exchange *exchange, enum exchange_state state)
{
	exchange->state = state;
}

uint64_t exchange_now_us(const struct exchange *exchange)
{
	return loop_now_us(exchange->pool->loop);
}

static void exchange_start(struct exchange *exchange, struct loop_deadline *deadline,
			   uint64_t duration_us)
{
	struct loop *loop = exchange->pool->loop;

	loop_deadline_start(
		duration_us > 0 ? loop_deadline_list(loop, duration_us) : NULL, deadline);
}

/* the end */

static void exchange_reap(struct loop_task *task)
{
	struct exchange *exchange = container_of(task, struct exchange, reaper);

	list_remove(&exchange->node);
	exchange->pool->n_exchanges--;
	conf_unref(exchange->conf);
	free(exchange);
}

/* Whatever of the request is still kept is not needed any more. */
static void exchange_drop_request(struct exchange *exchange)
{
	request_done(&exchange->request);
	body_done(&exchange->body);
	response_done(&exchange->response);
}

void exchange_release(struct exchange *exchange)
{
	if (exchange->state != EXCHANGE_DONE || exchange->link)
		return;
	exchange_drop_request(exchange);
	loop_defer(exchange->pool->loop, &exchange->reaper);
}

static struct access_log_text exchange_text(const struct exchange *exchange,
					    enum request_value value)
{
	struct request_text text = request_get(&exchange->request, value);

	return (struct access_log_text){ text.text, text.n };
}

/* From one instant to another; 0 when either has not come. */
static uint64_t exchange_span_us(uint64_t from_us, uint64_t to_us)
{
	return from_us > 0 && to_us > from_us ? to_us - from_us : 0;
}

static void exchange_log(struct exchange *exchange)
{
	uint64_t now_us = exchange_now_us(exchange);
	uint64_t total_us = now_us - exchange->begun_us;
	uint64_t left_queue_us = exchange->dispatched_us ?: now_us;
	struct access_log_entry entry = {
		.wall_us = loop_wall_us(exchange->pool->loop) - total_us,
		.id = exchange->id,
		.pool = pool_name(exchange->pool),
		.client = exchange_text(exchange, REQUEST_REMOTE_ADDR),
		.method = exchange_text(exchange, REQUEST_METHOD),
		.host = exchange_text(exchange, REQUEST_SERVER_NAME),
		.uri = exchange_text(exchange, REQUEST_URI),
		.script = exchange_text(exchange, REQUEST_SCRIPT_NAME),
		.status = exchange->status,
		.n_bytes = exchange->n_bytes,
		.queue_us = exchange_span_us(exchange->complete_us, left_queue_us),
		.connect_us =
			exchange_span_us(exchange->dispatched_us, exchange->accepted_us),
		.first_byte_us =
			exchange_span_us(exchange->begun_us, exchange->first_byte_us),
		.total_us = total_us,
		.worker = exchange->worker,
		.n_replays = exchange->n_replays,
		.reason = health_reason_row(exchange->reason)->word,
	};
	const char *query = entry.uri.n > 0 ? memchr(entry.uri.text, '?', entry.uri.n) :
					      NULL;

	if (query)
		entry.uri.n = (size_t)(query - entry.uri.text);
	access_log_write(&exchange->pool->access_log, &entry);
}

/* The client's side is over. */
void exchange_finish(struct exchange *exchange)
{
	if (access_log_is_on(&exchange->pool->access_log))
		exchange_log(exchange);
	exchange_set_state(exchange, EXCHANGE_DONE);
	exchange->client = NULL;
	loop_deadline_clear(&exchange->silence);
	loop_deadline_clear(&exchange->total);
	loop_deadline_clear(&exchange->answer_by);
	loop_deadline_clear(&exchange->unaccepted);
	if (exchange->link) {
		link_resume(exchange->link);
		if (exchange->link->ended)
			exchange_drop_request(exchange);
	}
	exchange_release(exchange);
}

void exchange_let_link_go(struct exchange *exchange)
{
	struct link *link = exchange->link;

	if (!link || link->ended)
		return;
	if (link_withdraw(link)) {
		exchange->link = NULL;
		pool_count(exchange->pool, COUNTER_WITHDRAWN);
		return;
	}
	pool_count(exchange->pool, COUNTER_ABANDONED);
	link_abandon(link);
}

/* deadlines */

static void exchange_on_silence(struct loop_deadline *deadline)
{
	struct exchange *exchange = container_of(deadline, struct exchange, silence);

	outcome_give_up(exchange, exchange->state <= EXCHANGE_BODY ?
					   HEALTH_REASON_BODY_TIMEOUT :
					   HEALTH_REASON_READ_TIMEOUT);
}

static void exchange_on_total(struct loop_deadline *deadline)
{
	outcome_give_up(container_of(deadline, struct exchange, total),
			 HEALTH_REASON_REQUEST_TIMEOUT);
}

static void exchange_on_answer_by(struct loop_deadline *deadline)
{
	outcome_give_up(container_of(deadline, struct exchange, answer_by),
			 HEALTH_REASON_ANSWER_BY);
}

/* No worker has taken it in all the time that it might have waited in our own queue. What
 * can be taken back is answered like what waited there; what cannot, but may run twice,
 * as well. */
static void exchange_on_unaccepted(struct loop_deadline *deadline)
{
	struct exchange *exchange = container_of(deadline, struct exchange, unaccepted);

	link_look(exchange->link);
	if (!exchange->link || exchange->link->state > LINK_UNACCEPTED)
		return;
	if (link_withdraw(exchange->link)) {
		exchange->link = NULL;
		pool_count(exchange->pool, COUNTER_WITHDRAWN);
	} else if (!exchange->request.is_safe_method ||
		   exchange->link->state > LINK_UNACCEPTED) {
		return;
	}
	outcome_give_up(exchange, HEALTH_REASON_QUEUE_TIMEOUT);
}

/* the request comes in */

static void *exchange_begin(void *sink, const struct exchange_ops *ops, void *client)
{
	struct pool *pool = sink;
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange)
		return NULL;
	exchange->pool = pool;
	exchange->conf = conf_ref(pool->conf);
	exchange->options = pool->options;
	exchange->ops = ops;
	exchange->client = client;
	exchange->begun_us = exchange_now_us(exchange);
	exchange->silence.on_due = exchange_on_silence;
	exchange->total.on_due = exchange_on_total;
	exchange->answer_by.on_due = exchange_on_answer_by;
	exchange->unaccepted.on_due = exchange_on_unaccepted;
	exchange->reaper.run = exchange_reap;
	request_init(&exchange->request, &pool->memory);
	body_init(&exchange->body, &pool->memory, pool->spool,
		  (size_t)exchange->options->body_memory_bytes);
	response_init(&exchange->response, &pool->memory,
		      (size_t)exchange->options->header_max_bytes);
	health_waiter_init(&exchange->waiter);
	request_id_make(exchange->id, loop_wall_us(pool->loop));
	list_append(&pool->exchanges, &exchange->node);
	pool->n_exchanges++;
	pool_count(pool, COUNTER_REQUESTS);
	health_replay_request(&pool->replay, exchange->begun_us);
	exchange_start(exchange, &exchange->silence, exchange->options->body_timeout_us);
	return exchange;
}

static void exchange_params(void *request, const uint8_t *data, size_t n)
{
	struct exchange *exchange = request;
	int r;

	if (exchange->state != EXCHANGE_PARAMS)
		return;
	r = request_add(&exchange->request, data, n,
			(size_t)exchange->options->params_max_bytes);
	if (r == REQUEST_TOO_BIG)
		outcome_answer(exchange, HEALTH_REASON_PARAMS_TOO_BIG);
	else if (r != 0)
		outcome_answer(exchange, HEALTH_REASON_MEMORY_FULL);
	else
		exchange_start(exchange, &exchange->silence,
			       exchange->options->body_timeout_us);
}

static void exchange_params_end(void *request)
{
	struct exchange *exchange = request;
	enum health_reason reason;
	struct request_text id;

	if (exchange->state != EXCHANGE_PARAMS)
		return;
	exchange_set_state(exchange, EXCHANGE_BODY);
	reason = request_check(&exchange->request, exchange->options,
			       pool_fpm_values(exchange->pool));
	id = request_get(&exchange->request, REQUEST_ID);
	if (id.n > 0)
		(void)request_id_adopt(exchange->id, id.text, id.n);
	if (reason != HEALTH_REASON_NONE)
		outcome_answer(exchange, reason);
}

static enum health_reason exchange_body_reason(int r)
{
	if (r == BODY_MEMORY_FULL)
		return HEALTH_REASON_MEMORY_FULL;
	return r == -EMFILE || r == -ENFILE ? HEALTH_REASON_DESCRIPTORS :
					      HEALTH_REASON_SPOOL_FULL;
}

static void exchange_body(void *request, const uint8_t *data, size_t n)
{
	struct exchange *exchange = request;
	const struct conf_pool *options = exchange->options;
	enum health_reason reason = HEALTH_REASON_NONE;
	uint64_t n_body = exchange->body.n + n;
	int r;

	if (exchange->state != EXCHANGE_BODY)
		return;
	if (exchange->request.has_length && n_body > exchange->request.content_length)
		reason = HEALTH_REASON_BODY_LENGTH;
	else if (options->body_max_bytes > 0 && n_body > options->body_max_bytes)
		reason = HEALTH_REASON_BODY_TOO_BIG;
	else if ((r = body_add(&exchange->body, data, n)) != 0)
		reason = exchange_body_reason(r);
	if (body_is_spooled(&exchange->body))
		loop_spool_book(exchange->pool->loop, n);
	if (reason != HEALTH_REASON_NONE)
		outcome_answer(exchange, reason);
	else
		exchange_start(exchange, &exchange->silence, options->body_timeout_us);
}

static size_t exchange_room(void *request)
{
	struct exchange *exchange = request;
	size_t room = LOOP_SCRATCH_BYTES;

	if (exchange->state == EXCHANGE_BODY && body_is_spooled(&exchange->body))
		room = MIN(room, loop_spool_room(exchange->pool->loop));
	return room;
}

static void exchange_end(void *request)
{
	struct exchange *exchange = request;
	struct pool *pool = exchange->pool;

	if (exchange->state != EXCHANGE_BODY)
		return;
	loop_deadline_clear(&exchange->silence);
	exchange->complete_us = exchange_now_us(exchange);
	if (exchange->request.has_length &&
	    exchange->body.n != exchange->request.content_length) {
		outcome_answer(exchange, HEALTH_REASON_BODY_LENGTH);
		return;
	}
	if (!request_frame(&exchange->request, exchange->body.n, exchange->id,
			   pool_take_id(pool), &exchange->parts)) {
		outcome_answer(exchange, HEALTH_REASON_MEMORY_FULL);
		return;
	}
	exchange->parts.body = &exchange->body;
	exchange_set_state(exchange, EXCHANGE_QUEUED);
	exchange_start(exchange, &exchange->answer_by, exchange->options->answer_by_us);
	exchange->waiter.bytes = exchange->request.size + exchange->body.size;
	pool_submit(pool, &exchange->waiter);
}

static void exchange_gone(void *request)
{
	struct exchange *exchange = request;

	if (exchange->state == EXCHANGE_DONE)
		return;
	if (exchange->state == EXCHANGE_QUEUED)
		pool_withdraw(exchange->pool, &exchange->waiter);
	exchange->reason = HEALTH_REASON_CLIENT_LEFT;
	exchange->pool->counters.reasons[HEALTH_REASON_CLIENT_LEFT]++;
	exchange_finish(exchange);
	exchange_let_link_go(exchange);
	exchange_release(exchange);
}

const struct request_sink exchange_sink = {
	.begin = exchange_begin,
	.params = exchange_params,
	.params_end = exchange_params_end,
	.body = exchange_body,
	.end = exchange_end,
	.gone = exchange_gone,
	.room = exchange_room,
	.drained = exchange_drained,
};

/* the queue */

static struct exchange *exchange_of_waiter(struct health_waiter *waiter)
{
	return container_of(waiter, struct exchange, waiter);
}

/* What is known only now: how long it waited. */
static void exchange_write_tail(struct exchange *exchange)
{
	struct request_parts *parts = &exchange->parts;
	struct fcgi_writer tail;
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64,
		 exchange->dispatched_us - exchange->complete_us);
	fcgi_writer_init(&tail, parts->tail, sizeof(parts->tail));
	(void)fcgi_writer_param(&tail, parts->id, "FPMGATE_QUEUE_USEC", number);
	(void)fcgi_writer_stream_end(&tail, FCGI_PARAMS, parts->id);
	parts->n_tail = tail.n;
}

static void exchange_on_slot(struct health_waiter *waiter, struct link *link, bool hello,
			     bool keep_conn)
{
	struct exchange *exchange = exchange_of_waiter(waiter);

	exchange_set_state(exchange, EXCHANGE_RUNNING);
	exchange->link = link;
	exchange->dispatched_us = exchange_now_us(exchange);
	exchange->accepted_us = 0;
	exchange_write_tail(exchange);
	exchange_start(exchange, &exchange->total, exchange->options->request_timeout_us);
	exchange_start(exchange, &exchange->silence, exchange->options->read_timeout_us);
	exchange_start(exchange, &exchange->unaccepted,
		       exchange->options->queue.max_wait_us);
	if (hello)
		pool_count(exchange->pool, COUNTER_HELLOS);
	link_start(link, &exchange->parts, hello, keep_conn, &exchange_link_ops,
		   exchange);
}

static void exchange_on_refused(struct health_waiter *waiter, enum health_reason reason)
{
	outcome_answer(exchange_of_waiter(waiter), reason);
}

static bool exchange_has_body(struct health_waiter *waiter)
{
	return exchange_of_waiter(waiter)->body.n > 0;
}

static bool exchange_may_follow(struct health_waiter *waiter, uint16_t id)
{
	return exchange_of_waiter(waiter)->parts.id != id;
}

const struct waiter_ops exchange_waiter_ops = {
	.on_slot = exchange_on_slot,
	.on_refused = exchange_on_refused,
	.has_body = exchange_has_body,
	.may_follow = exchange_may_follow,
};

/* the answer */

static void exchange_on_accepted(void *user, pid_t pid)
{
	struct exchange *exchange = user;

	exchange->accepted_us = exchange_now_us(exchange);
	exchange->worker = pid;
	loop_deadline_clear(&exchange->unaccepted);
}

static size_t exchange_memory_max(const struct exchange *exchange)
{
	const size_t tight = 32 * 1024;
	size_t max = (size_t)exchange->options->response_memory_bytes;

	return memory_is_tight(&exchange->pool->memory) ? MIN(max, tight) : max;
}

/* Reads no further ahead of the visitor than response_memory. True: not now. */
static bool exchange_press_back(struct exchange *exchange)
{
	size_t max = exchange_memory_max(exchange), n;

	if (!exchange->client || !exchange->link)
		return false;
	n = exchange->ops->n_pending(exchange->client);
	if (n >= max) {
		loop_deadline_clear(&exchange->silence);
		link_pause(exchange->link);
		return true;
	}
	exchange->link->read_max = MIN(MAX(max - n, (size_t)EXCHANGE_READ_MIN_BYTES),
				       (size_t)LOOP_SCRATCH_BYTES);
	return false;
}

/* Called again as long as there is output, so one that is still too much is not the last.
 */
static void exchange_drained(void *request)
{
	struct exchange *exchange = request;

	if (!exchange->link || exchange->state == EXCHANGE_DONE ||
	    exchange_press_back(exchange))
		return;
	exchange_start(exchange, &exchange->silence, exchange->options->read_timeout_us);
	link_resume(exchange->link);
}

static void exchange_pass(struct exchange *exchange, const uint8_t *data, size_t n)
{
	exchange->n_bytes += n;
	exchange->ops->on_output(exchange->client, FCGI_STDOUT, data, n);
}

/* The header is complete: what was held goes first, STDERR behind it. */
static void exchange_release_header(struct exchange *exchange, const uint8_t *data,
				    size_t n)
{
	struct response *response = &exchange->response;

	exchange_set_state(exchange, EXCHANGE_ANSWERING);
	exchange->status = response->header.status;
	if (response->out.n > 0)
		exchange_pass(exchange, response->out.bytes, response->out.n);
	exchange_pass(exchange, data, n);
	if (response->err.n > 0)
		exchange->ops->on_output(exchange->client, FCGI_STDERR,
					 response->err.bytes, response->err.n);
	response_done(response);
	loop_deadline_clear(&exchange->answer_by);
}

static void exchange_on_output(void *user, const uint8_t *data, size_t n)
{
	struct exchange *exchange = user;

	if (exchange->state == EXCHANGE_DONE)
		return;
	exchange->had_output = true;
	if (exchange->first_byte_us == 0) { /* STDERR may have come before */
		exchange->first_byte_us = exchange_now_us(exchange);
		exchange->worker = exchange->link->stream.pid;
	}
	exchange_start(exchange, &exchange->silence, exchange->options->read_timeout_us);
	if (exchange->state == EXCHANGE_ANSWERING) {
		exchange_pass(exchange, data, n);
	} else {
		switch (response_feed(&exchange->response, data, n)) {
		case 0:
			exchange_release_header(exchange, data, n);
			break;
		case RESPONSE_HELD:
			break;
		case RESPONSE_TOO_BIG:
			outcome_give_up(exchange, HEALTH_REASON_RESPONSE_HEADER_TOO_BIG);
			break;
		case RESPONSE_NO_MEMORY:
			outcome_give_up(exchange, HEALTH_REASON_MEMORY_FULL);
			break;
		default:
			outcome_give_up(exchange, HEALTH_REASON_RESPONSE_MALFORMED);
		}
	}
	(void)exchange_press_back(exchange);
}

static void exchange_on_stderr(void *user, const uint8_t *data, size_t n)
{
	struct exchange *exchange = user;

	php_log_write(&exchange->pool->php_log, pool_name(exchange->pool), exchange->id,
		      data, n, exchange_now_us(exchange));
	if (exchange->state == EXCHANGE_DONE)
		return;
	exchange->had_output = true;
	if (exchange->state == EXCHANGE_ANSWERING)
		exchange->ops->on_output(exchange->client, FCGI_STDERR, data, n);
	else
		response_feed_stderr(&exchange->response, data, n);
	exchange_start(exchange, &exchange->silence, exchange->options->read_timeout_us);
	(void)exchange_press_back(exchange);
}

static void exchange_on_end(void *user)
{
	struct exchange *exchange = user;

	if (exchange->state == EXCHANGE_DONE)
		return;
	health_queue_served(&exchange->pool->queue,
			    exchange_now_us(exchange) - exchange->dispatched_us);
	if (exchange->state != EXCHANGE_ANSWERING) {
		outcome_answer(exchange, HEALTH_REASON_RESPONSE_MALFORMED);
		return;
	}
	pool_count(exchange->pool, COUNTER_SERVED);
	exchange->ops->on_done(exchange->client);
	exchange_finish(exchange);
}

static void exchange_on_gone(void *user, enum health_reason reason, bool had_worker)
{
	struct exchange *exchange = user;

	exchange->link = NULL;
	loop_deadline_clear(&exchange->unaccepted);
	if (exchange->state != EXCHANGE_DONE && reason != HEALTH_REASON_NONE)
		outcome_fail(exchange, reason, had_worker);
	exchange_release(exchange);
}

static const struct link_ops exchange_link_ops = {
	.on_accepted = exchange_on_accepted,
	.on_output = exchange_on_output,
	.on_stderr = exchange_on_stderr,
	.on_end = exchange_on_end,
	.on_gone = exchange_on_gone,
};
