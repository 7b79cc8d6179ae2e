/* SPDX-License-Identifier: BSD-2-Clause */
/* What the web server sees as one PHP: a name, a queue, a member, counters, limits. */

#include "daemon/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/params.h"

enum {
	POOL_TICK_US = 10000,          /* sheds are that late at most */
	POOL_STILL_US = 300000,
	POOL_MEMORY_SHARE = 4,         /* one pool has a quarter of memory_max at most */
	POOL_PAGE_MAX_BYTES = 64 * 1024,
	POOL_LOG_BURST = 5,            /* lines per reason and */
	POOL_LOG_INTERVAL_US = 10000000,
};

const char *pool_name(const struct pool *pool)
{
	return pool->options->name;
}

/* the queue */

/* In calm neither: both make FPM's own figures nonsense and cost a little. */
static bool pool_wants_hello(const struct pool *pool, bool has_body, bool is_pressed)
{
	if (!pool->member.can_hello || pool->member.params.hello == CONF_HELLO_OFF)
		return false;
	return is_pressed || has_body || member_has_ghosts(&pool->member) ||
	       pool->member.params.hello == CONF_HELLO_ALWAYS;
}

static bool pool_wants_keep_conn(const struct pool *pool, bool is_pressed)
{
	return is_pressed && pool->member.has_outq && pool->member.params.hand_over;
}

static void pool_tick_start(struct pool *pool)
{
	if (pool->queue.n_waiting > 0 && !list_is_linked(&pool->tick.node))
		loop_deadline_start(loop_deadline_list(pool->loop, POOL_TICK_US),
				    &pool->tick);
}

static bool pool_is_down(const struct pool *pool)
{
	return pool->member.down != HEALTH_REASON_NONE &&
	       pool->member.down != HEALTH_REASON_BACKEND_FULL;
}

/* Whoever waited out its time for a socket that is not there did not meet a full queue.
 */
static enum health_reason pool_timeout_reason(const struct pool *pool, bool is_shed)
{
	if (pool_is_down(pool))
		return HEALTH_REASON_POOL_DOWN;
	return is_shed ? HEALTH_REASON_SHED : HEALTH_REASON_QUEUE_TIMEOUT;
}

static void pool_expire(struct pool *pool)
{
	struct health_waiter *waiter;
	uint64_t now_us = loop_now_us(pool->loop);
	bool is_shed;

	while ((waiter = health_queue_expire(&pool->queue, now_us, &is_shed)))
		pool->waiter_ops->on_refused(waiter, pool_timeout_reason(pool, is_shed));
}

/* While nobody is there to serve, the queue holds everybody for max_wait: newest first
 * and short deadlines are for a pool that serves, but not enough. */
static void pool_set_patience(struct pool *pool)
{
	struct health_queue_params params;

	params_set_queue(&params, pool->options);
	if (pool_is_down(pool) || pool->patient_until_us > 0)
		params.order = HEALTH_QUEUE_FIFO;
	health_queue_set_params(&pool->queue, &params);
}

/* Connects for one exchange. False: not now, it is back at the queue's head. A link that
 * takes the last slot is one that the next request may want to have handed over; a hello
 * is for those that might have to be taken back, where somebody waits. */
static bool pool_serve(struct pool *pool, struct health_waiter *waiter)
{
	uint64_t now_us = loop_now_us(pool->loop);
	bool is_waiting = pool->queue.n_waiting > 0 || waiter->arrived_us < now_us;
	bool has_body = pool->waiter_ops->has_body(waiter);
	bool keep_conn = pool_wants_keep_conn(pool, is_waiting ||
						    member_is_last_slot(&pool->member));
	struct link *link;

	if (member_connect(&pool->member, keep_conn, &link) != 0) {
		health_queue_push_back(&pool->queue, waiter, now_us);
		pool_tick_start(pool);
		return false;
	}
	pool_count(pool, COUNTER_CONNECTS);
	pool->waiter_ops->on_slot(
		waiter, link, pool_wants_hello(pool, has_body, is_waiting), keep_conn);
	return true;
}

/* Nothing ends and nothing begins, for longer than this pool's requests take: PHP-FPM
 * reloads, or all its workers are stopped. That is no overload: newest first helps nobody
 * then. */
static bool pool_stands_still(const struct pool *pool)
{
	uint64_t service_us = pool->queue.has_service ? pool->queue.service_us : 1000000;
	uint64_t still_us = loop_now_us(pool->loop) - pool->member.progress_us;

	return pool->queue.n_waiting > 0 &&
	       still_us > MAX(4 * service_us, (uint64_t)POOL_STILL_US);
}

static void pool_look_at_patience(struct pool *pool)
{
	uint64_t now_us = loop_now_us(pool->loop), was_us = pool->patient_until_us;

	if (pool_stands_still(pool))
		pool->patient_until_us = now_us + pool->options->queue.max_wait_us;
	else if (was_us > 0 && now_us >= was_us)
		pool->patient_until_us = 0;
	if ((was_us > 0) != (pool->patient_until_us > 0))
		pool_set_patience(pool);
}

static void pool_run(struct pool *pool)
{
	struct health_waiter *waiter;

	pool_look_at_patience(pool);
	health_queue_set_limit(&pool->queue, pool->member.limit);
	pool_expire(pool);
	while (member_has_room(&pool->member)) {
		waiter = health_queue_take(&pool->queue, loop_now_us(pool->loop));
		if (!waiter || !pool_serve(pool, waiter))
			return;
	}
}

static void pool_on_tick(struct loop_deadline *deadline)
{
	struct pool *pool = container_of(deadline, struct pool, tick);

	pool_run(pool);
	pool_tick_start(pool);
}

void pool_submit(struct pool *pool, struct health_waiter *waiter)
{
	struct health_waiter *evicted = NULL;
	uint64_t now_us = loop_now_us(pool->loop);
	enum health_reason reason;
	int r;

	if (pool->queue.n_waiting == 0 && member_has_room(&pool->member)) {
		waiter->arrived_us = now_us;
		(void)pool_serve(pool, waiter);
		return;
	}
	r = health_queue_push(&pool->queue, waiter, now_us, &evicted);
	if (r != 0) {
		reason = r == HEALTH_QUEUE_REFUSED_FULL ? HEALTH_REASON_QUEUE_FULL :
							  HEALTH_REASON_SHED;
		pool->waiter_ops->on_refused(
			waiter, pool_is_down(pool) ? HEALTH_REASON_POOL_DOWN : reason);
		return;
	}
	pool_count(pool, COUNTER_QUEUED);
	if (evicted)
		pool->waiter_ops->on_refused(evicted, HEALTH_REASON_SHED);
	pool_tick_start(pool);
}

void pool_submit_again(struct pool *pool, struct health_waiter *waiter)
{
	health_queue_push_back(&pool->queue, waiter, loop_now_us(pool->loop));
	pool_tick_start(pool);
	loop_defer(pool->loop, &pool->member.room);
}

void pool_withdraw(struct pool *pool, struct health_waiter *waiter)
{
	health_queue_remove(&pool->queue, waiter);
}

/* the member */

static struct pool *pool_of_member(struct member *member)
{
	return container_of(member, struct pool, member);
}

static void pool_on_room(struct member *member)
{
	pool_run(pool_of_member(member));
}

static bool pool_on_free(struct member *member, struct link *link)
{
	struct pool *pool = pool_of_member(member);
	struct health_waiter *waiter;

	pool_expire(pool);
	waiter = health_queue_take(&pool->queue, loop_now_us(pool->loop));
	if (!waiter)
		return false;
	if (!pool->waiter_ops->may_follow(waiter, link->id)) {
		health_queue_push_back(&pool->queue, waiter, loop_now_us(pool->loop));
		return false;
	}
	pool_count(pool, COUNTER_HANDED_OVER);
	pool->waiter_ops->on_slot(waiter, link, false, true);
	return true;
}

static void pool_on_change(struct member *member, enum health_reason reason,
			   enum health_reason was, unsigned n)
{
	struct pool *pool = pool_of_member(member);
	const struct health_reason_row *row = health_reason_row(reason);

	pool->counters.reasons[reason]++;
	if (reason == HEALTH_REASON_NONE && was != HEALTH_REASON_BACKEND_FULL)
		pool->patient_until_us = loop_now_us(pool->loop) +
					 pool->options->queue.max_wait_us;
	pool_set_patience(pool);
	if (reason == HEALTH_REASON_NONE)
		log_pool(LOG_LEVEL_NOTICE, pool_name(pool),
			 "PHP-FPM takes connections again");
	else if (reason == HEALTH_REASON_WORKERS_MISSING)
		log_pool(LOG_LEVEL_NOTICE, pool_name(pool),
			 "workers_missing: %u of %u workers take requests, %s", n,
			 member->params.max_children, row->sentence);
	else
		log_pool(LOG_LEVEL_WARNING, pool_name(pool), "%s: %s (%s)", row->word,
			 row->sentence, pool->options->backend.text ?
				 pool->options->backend.text : "our own master");
}

static const struct member_ops pool_member_ops = {
	.on_room = pool_on_room,
	.on_free = pool_on_free,
	.on_change = pool_on_change,
};

/* options */

static void pool_log_open_error(const struct pool *pool, const char *file, int error)
{
	if (error < 0)
		log_pool(LOG_LEVEL_ERROR, pool_name(pool), "cannot open %s: %s", file,
			 strerror(-error));
}

void pool_reopen_logs(struct pool *pool)
{
	const struct conf_pool *options = pool->options;

	php_log_done(&pool->php_log);
	pool_log_open_error(pool, options->php_log_file,
			    php_log_init(&pool->php_log, options->php_log,
					 options->php_log_file));
	access_log_done(&pool->access_log);
	pool_log_open_error(pool, options->access_log_file,
			    access_log_init(&pool->access_log, options->access_log,
					    options->access_log_file));
}

static ssize_t pool_read_file(const char *file, char *text, size_t size)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size);
	return n < 0 ? -errno : n;
}

static void pool_load_page(struct pool *pool)
{
	const char *file = pool->options->error_page;
	ssize_t n;

	free(pool->page);
	pool->page = NULL;
	pool->n_page = 0;
	if (file[0] == '\0')
		return;
	pool->page = malloc(POOL_PAGE_MAX_BYTES);
	n = pool->page ? pool_read_file(file, pool->page, POOL_PAGE_MAX_BYTES) : -ENOMEM;
	if (n >= 0) {
		pool->n_page = (size_t)n;
		return;
	}
	log_pool(LOG_LEVEL_WARNING, pool_name(pool),
		 "cannot read the error page %s, showing the built-in one: %s", file,
		 strerror((int)-n));
	free(pool->page);
	pool->page = NULL;
}

void pool_take_conf(struct pool *pool, struct conf *conf, const struct conf_pool *options)
{
	struct conf *old = pool->conf;

	pool->conf = conf_ref(conf);
	pool->options = options;
	conf_unref(old);
	pool->memory.max = (size_t)conf->memory_max_bytes / POOL_MEMORY_SHARE;
	pool_load_page(pool);
	pool_reopen_logs(pool);
}

void pool_set_backend(struct pool *pool, const struct conf_address *backend)
{
	member_set_backend(&pool->member, backend);
}

void pool_set_conf(struct pool *pool, struct conf *conf, const struct conf_pool *options)
{
	struct health_replay_params replay;
	struct member_params member;

	pool_take_conf(pool, conf, options);
	pool_set_patience(pool);
	params_set_replay(&replay, options);
	health_replay_set_params(&pool->replay, &replay);
	params_set_member(&member, options,
			  pool_fpm_values(pool));
	member_set_params(&pool->member, &member);
}

void pool_set_fpm_values(struct pool *pool, const struct conf_fpm_values *fpm)
{
	struct member_params member;

	*pool->fpm_values = *fpm;
	pool->has_fpm_values = true;
	params_set_member(&member, pool->options, fpm);
	member_set_params(&pool->member, &member);
}

/* the log */

static void pool_rest_start(struct pool *pool)
{
	if (!list_is_linked(&pool->rest.node))
		loop_deadline_start(loop_deadline_list(pool->loop, POOL_LOG_INTERVAL_US),
				    &pool->rest);
}

static void pool_on_rest(struct loop_deadline *deadline)
{
	struct pool *pool = container_of(deadline, struct pool, rest);
	uint64_t n;

	for (int i = 0; i < HEALTH_REASON_N; i++) {
		n = log_limit_take_rest(&pool->answer_limits[i], loop_now_us(pool->loop));
		if (n > 0)
			log_pool(LOG_LEVEL_WARNING, pool_name(pool),
				 "%s: %" PRIu64 " more answers like those above",
				 health_reason_row((enum health_reason)i)->word, n);
		if (pool->answer_limits[i].n_suppressed > 0)
			pool_rest_start(pool);
	}
}

bool pool_may_log_answer(struct pool *pool, enum health_reason reason,
			 uint64_t *ret_suppressed)
{
	bool passes = log_limit_pass(&pool->answer_limits[reason],
				     loop_now_us(pool->loop), ret_suppressed);

	if (!passes)
		pool_rest_start(pool);
	return passes;
}

static void pool_set_limits(struct pool *pool)
{
	for (size_t i = 0; i < HEALTH_REASON_N; i++)
		pool->answer_limits[i] = (struct log_limit){
			.interval_us = POOL_LOG_INTERVAL_US,
			.burst = POOL_LOG_BURST,
		};
}

int pool_new(struct loop *loop, struct conf *conf, const struct conf_pool *options,
	     const struct conf_address *backend, struct memory *parent,
	     struct spool *spool, const struct waiter_ops *waiter_ops,
	     struct pool **ret_pool)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	struct health_queue_params queue;
	struct health_replay_params replay;
	struct member_params member;

	if (!pool)
		return -ENOMEM;
	pool->fpm_values = calloc(1, sizeof(*pool->fpm_values));
	if (!pool->fpm_values) {
		free(pool);
		return -ENOMEM;
	}
	pool->loop = loop;
	pool->spool = spool;
	pool->waiter_ops = waiter_ops;
	pool->php_log.fd = pool->access_log.fd = -1;
	pool->tick.on_due = pool_on_tick;
	pool->rest.on_due = pool_on_rest;
	pool->random = (uint32_t)loop_now_us(loop) | 1;
	list_init(&pool->exchanges);
	memory_init(&pool->memory, parent, 0);
	pool_set_limits(pool);
	pool_take_conf(pool, conf, options);
	params_set_queue(&queue, options);
	params_set_replay(&replay, options);
	params_set_member(&member, options, NULL);
	health_queue_init(&pool->queue, &queue, member.max_children);
	health_replay_init(&pool->replay, &replay);
	member_init(&pool->member, loop, &pool->memory, pool, &pool_member_ops, backend,
		    &member);
	*ret_pool = pool;
	return 0;
}

struct pool *pool_free(struct pool *pool)
{
	if (!pool)
		return NULL;
	loop_deadline_clear(&pool->tick);
	loop_deadline_clear(&pool->rest);
	list_remove(&pool->node);
	member_done(&pool->member);
	php_log_done(&pool->php_log);
	access_log_done(&pool->access_log);
	conf_unref(pool->conf);
	free(pool->fpm_values);
	free(pool->page);
	free(pool);
	return NULL;
}

/* for exchanges */

const struct conf_fpm_values *pool_fpm_values(const struct pool *pool)
{
	return pool->has_fpm_values ? pool->fpm_values : NULL;
}

uint16_t pool_take_id(struct pool *pool)
{
	/* 0 is the management record's */
	if (++pool->next_id == 0)
		pool->next_id = 1;
	return pool->next_id;
}

unsigned pool_retry_after_s(struct pool *pool)
{
	/* xorshift32: it has to spread, not to be secret */
	pool->random ^= pool->random << 13;
	pool->random ^= pool->random >> 17;
	pool->random ^= pool->random << 5;
	return health_queue_retry_after_s(&pool->queue, pool->random);
}

void pool_get_counters(const struct pool *pool, struct counters *ret)
{
	*ret = pool->counters;
	ret->n[COUNTER_BACKGROUND] = pool->member.n_background;
	ret->n[COUNTER_FOREIGN_RECORDS] = pool->member.n_foreign;
	ret->n[COUNTER_PHP_LINES] = pool->php_log.n_lines;
	ret->n[COUNTER_PHP_LINES_LOST] = pool->php_log.n_lost;
	ret->n[COUNTER_ACCESS_LINES_LOST] = pool->access_log.n_lost;
}
