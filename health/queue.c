/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two-deadline queue: who is served next, and who has waited long enough.
 *
 * In calm a queue is there to smooth a burst: fair, patient, first come first served.
 * When more arrives for longer than can be served, patience is what kills a site:
 * everybody waits as long as the queue is, visitors leave before their turn comes, and
 * the workers compute pages for nobody. Then it is better to serve some at once and to
 * tell the others quickly: newest first (they are still there), a short deadline for all,
 * and the oldest, who would be last, make room for those who arrive.
 *
 * What tells the two apart is the pressure: how long the oldest has waited, or how long
 * the queue needs to drain at the service time S, whichever is more. The age alone would
 * not do: newest-first service with eviction keeps the queue young however deep the
 * overload is. The drain time alone would not do either: a pool that has stopped serving
 * changes no average. Only pressure that lasts a whole interval counts, so a burst stays
 * a burst; the first look without pressure ends the overload.
 *
 * Three sorted lines carry this. `waiting` holds those who were never taken and is served
 * from either end. `returned` holds those who were taken in vain (FPM's backlog was full,
 * its socket refused): they go before all others whatever the order is by then, so they
 * cannot stand in `waiting`, whose front is the one end in calm and the other under
 * overload. All waiters of a line have the same time to wait, so each line's head is the
 * first of it to be overdue; the oldest of all is one of the two heads. `due` sorts once
 * more those with a deadline of their own, which is sooner or later than the queue's.
 *
 * Places are found from the ends: who arrives is the youngest, who is pushed back is
 * mostly the oldest or the youngest, and own deadlines mostly come in the order of
 * arrival.
 */
#include "health/queue.h"

#include <assert.h>

enum {
	TARGET_MIN_US = 200 * 1000,
	TARGET_MAX_US = 2 * 1000 * 1000,
	TARGET_SERVICES = 5, /* web arrivals come in bursts, visitors bear seconds */
	SERVICE_MIN_US = 5 * 1000,
	SERVICE_MAX_US = 30 * 1000 * 1000,
	SERVICE_SMOOTHING = 50, /* 1 / alpha */
	/* S before the first sample, where a number must be said. */
	SERVICE_UNKNOWN_US = 1000 * 1000,
	RETRY_AFTER_MAX_S = 120,
	US_PER_S = 1000 * 1000,
};

#define NEVER_US UINT64_MAX /* as a time; as a duration: for ever */

static uint64_t us_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t us_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t us_clamp(uint64_t value, uint64_t min, uint64_t max)
{
	return us_min(us_max(value, min), max);
}

/* Neither of these wraps: a wait may be "for ever", a clock may stand still. */
static uint64_t us_later(uint64_t at_us, uint64_t wait_us)
{
	return wait_us > NEVER_US - at_us ? NEVER_US : at_us + wait_us;
}

static uint64_t us_since(uint64_t at_us, uint64_t now_us)
{
	return now_us > at_us ? now_us - at_us : 0;
}

static struct health_waiter *place_waiter(struct health_queue_place *place, size_t offset)
{
	return place ? (struct health_waiter *)(void *)((char *)place - offset) : NULL;
}

static struct health_waiter *place_arrival(struct health_queue_place *place)
{
	return place_waiter(place, offsetof(struct health_waiter, arrival));
}

static struct health_waiter *place_due(struct health_queue_place *place)
{
	return place_waiter(place, offsetof(struct health_waiter, due));
}

static void line_put_behind(struct health_queue_line *line,
			    struct health_queue_place *place,
			    struct health_queue_place *before)
{
	place->before = before;
	place->after = before ? before->after : line->first;
	*(place->before ? &place->before->after : &line->first) = place;
	*(place->after ? &place->after->before : &line->last) = place;
}

static void line_put(struct health_queue_line *line, struct health_queue_place *place,
		     uint64_t at_us)
{
	struct health_queue_place *before = line->last;

	place->at_us = at_us;
	if (line->first && at_us < line->first->at_us)
		before = NULL;
	while (before && before->at_us > at_us)
		before = before->before;
	line_put_behind(line, place, before);
}

static void line_take(struct health_queue_line *line, struct health_queue_place *place)
{
	*(place->before ? &place->before->after : &line->first) = place->after;
	*(place->after ? &place->after->before : &line->last) = place->before;
	place->before = place->after = NULL;
}

static bool waiter_has_deadline(const struct health_waiter *waiter)
{
	return waiter->deadline_us != NEVER_US;
}

void health_waiter_init(struct health_waiter *waiter)
{
	*waiter = (struct health_waiter){ .deadline_us = NEVER_US };
}

void health_queue_init(struct health_queue *queue,
		       const struct health_queue_params *params, size_t limit)
{
	*queue = (struct health_queue){ .params = *params };
	health_queue_set_limit(queue, limit);
}

void health_queue_set_params(struct health_queue *queue,
			     const struct health_queue_params *params)
{
	queue->params = *params;
}

void health_queue_set_limit(struct health_queue *queue, size_t limit)
{
	queue->limit = limit ? limit : 1;
}

void health_queue_served(struct health_queue *queue, uint64_t service_us)
{
	uint64_t sample = us_clamp(service_us, SERVICE_MIN_US, SERVICE_MAX_US);

	if (!queue->has_service)
		queue->service_us = sample;
	else if (sample > queue->service_us)
		queue->service_us += (sample - queue->service_us) / SERVICE_SMOOTHING;
	else
		queue->service_us -= (queue->service_us - sample) / SERVICE_SMOOTHING;
	queue->has_service = true;
}

/* How long n requests keep the slots busy; 0 as long as S is not known. */
static uint64_t queue_drain_us(const struct health_queue *queue, size_t n)
{
	return n * queue->service_us / queue->limit;
}

/* When the oldest of all arrived. Somebody waits. */
static uint64_t queue_oldest_us(const struct health_queue *queue)
{
	uint64_t oldest = NEVER_US;

	if (queue->waiting.first)
		oldest = queue->waiting.first->at_us;
	if (queue->returned.first)
		oldest = us_min(oldest, queue->returned.first->at_us);
	return oldest;
}

uint64_t health_queue_pressure_us(const struct health_queue *queue, uint64_t now_us)
{
	if (queue->n_waiting == 0)
		return 0;
	return us_max(us_since(queue_oldest_us(queue), now_us),
		      queue_drain_us(queue, queue->n_waiting));
}

uint64_t health_queue_target_us(const struct health_queue *queue)
{
	uint64_t service = queue->has_service ? queue->service_us : SERVICE_UNKNOWN_US;

	if (queue->params.target_us)
		return queue->params.target_us;
	return us_clamp(TARGET_SERVICES * service, TARGET_MIN_US, TARGET_MAX_US);
}

/* Does overload change what happens? */
static bool queue_is_impatient(const struct health_queue *queue)
{
	return queue->overloaded && queue->params.order == HEALTH_QUEUE_ADAPTIVE;
}

uint64_t health_queue_wait_max_us(const struct health_queue *queue)
{
	uint64_t target = health_queue_target_us(queue);

	if (!queue_is_impatient(queue))
		return queue->params.max_wait_us;
	return us_min(us_later(target, target), queue->params.max_wait_us);
}

static void queue_calm(struct health_queue *queue)
{
	queue->overloaded = false;
	queue->pressed_since_us = 0;
}

/* Moves the overload state. */
static void queue_observe(struct health_queue *queue, uint64_t now_us)
{
	if (health_queue_pressure_us(queue, now_us) <= health_queue_target_us(queue)) {
		queue_calm(queue);
		return;
	}
	if (!queue->pressed_since_us)
		queue->pressed_since_us = us_max(now_us, 1); /* 0 says something else */
	if (us_since(queue->pressed_since_us, now_us) >= queue->params.interval_us)
		queue->overloaded = true;
}

static void queue_enter(struct health_queue *queue, struct health_waiter *waiter,
			struct health_queue_line *line)
{
	assert(!waiter->is_queued);
	line_put(line, &waiter->arrival, waiter->arrived_us);
	waiter->due.at_us = waiter->deadline_us;
	if (waiter_has_deadline(waiter))
		line_put(&queue->due, &waiter->due, waiter->deadline_us);
	waiter->is_queued = true;
	waiter->is_returned = line == &queue->returned;
	queue->n_waiting++;
	queue->n_bytes += waiter->bytes;
}

static struct health_waiter *queue_leave(struct health_queue *queue,
					 struct health_waiter *waiter)
{
	line_take(waiter->is_returned ? &queue->returned : &queue->waiting,
		  &waiter->arrival);
	/* By the place's own word, so that nobody can change it meanwhile. */
	if (waiter->due.at_us != NEVER_US)
		line_take(&queue->due, &waiter->due);
	waiter->is_queued = waiter->is_returned = false;
	queue->n_waiting--;
	queue->n_bytes -= waiter->bytes;
	if (queue->n_waiting == 0)
		queue_calm(queue);
	return waiter;
}

/* Whom newest-first service reaches last. NULL when nobody waits. */
static struct health_waiter *queue_last_served(const struct health_queue *queue)
{
	if (queue->waiting.first)
		return place_arrival(queue->waiting.first);
	return place_arrival(queue->returned.first);
}

/* 0 if there is room for one more who may wait for wait_us. */
static int queue_has_room(const struct health_queue *queue, uint64_t wait_us)
{
	if (queue->n_waiting >= queue->params.size)
		return HEALTH_QUEUE_REFUSED_FULL;
	if (queue_drain_us(queue, queue->n_waiting + 1) > wait_us)
		return HEALTH_QUEUE_REFUSED_HOPELESS;
	return 0;
}

int health_queue_push(struct health_queue *queue, struct health_waiter *waiter,
		      uint64_t now_us, struct health_waiter **ret_evicted)
{
	struct health_waiter *evicted = NULL;
	uint64_t wait = NEVER_US;
	int refused;

	*ret_evicted = NULL;
	queue_observe(queue, now_us);
	/* Newest first serves it next: then its own deadline says nothing about
	 * others. */
	if (!queue_is_impatient(queue) && waiter_has_deadline(waiter))
		wait = us_since(now_us, waiter->deadline_us);
	refused = queue_has_room(queue, us_min(wait, health_queue_wait_max_us(queue)));
	if (refused && queue_is_impatient(queue) && queue->params.size > 0)
		evicted = queue_last_served(queue);
	if (refused && !evicted)
		return refused;
	waiter->arrived_us = now_us;
	queue_enter(queue, waiter, &queue->waiting);
	/* Only now: a queue that is empty for a moment would be calm. */
	if (evicted)
		*ret_evicted = queue_leave(queue, evicted);
	queue_observe(queue, now_us);
	return 0;
}

void health_queue_push_back(struct health_queue *queue, struct health_waiter *waiter,
			    uint64_t now_us)
{
	if (!waiter->arrived_us)
		waiter->arrived_us = now_us;
	queue_enter(queue, waiter, &queue->returned);
	queue_observe(queue, now_us);
}

struct health_waiter *health_queue_take(struct health_queue *queue, uint64_t now_us)
{
	struct health_queue_place *place = queue->returned.first;

	queue_observe(queue, now_us);
	if (!place)
		place = queue_is_impatient(queue) ? queue->waiting.last
						  : queue->waiting.first;
	return place ? queue_leave(queue, place_arrival(place)) : NULL;
}

void health_queue_remove(struct health_queue *queue, struct health_waiter *waiter)
{
	if (waiter->is_queued)
		(void)queue_leave(queue, waiter);
}

/* The head of the line if it is overdue. */
static struct health_waiter *line_overdue(const struct health_queue_line *line,
					  uint64_t wait_us, uint64_t now_us)
{
	if (!line->first || us_later(line->first->at_us, wait_us) > now_us)
		return NULL;
	return place_arrival(line->first);
}

struct health_waiter *health_queue_expire(struct health_queue *queue, uint64_t now_us,
					  bool *ret_shed)
{
	struct health_waiter *waiter;
	uint64_t wait;

	*ret_shed = false;
	queue_observe(queue, now_us);
	if (queue->due.first && queue->due.first->at_us <= now_us)
		return queue_leave(queue, place_due(queue->due.first));
	wait = health_queue_wait_max_us(queue);
	waiter = line_overdue(&queue->returned, wait, now_us);
	if (!waiter)
		waiter = line_overdue(&queue->waiting, wait, now_us);
	if (!waiter)
		return NULL;
	*ret_shed = us_later(waiter->arrived_us, queue->params.max_wait_us) > now_us;
	return queue_leave(queue, waiter);
}

uint64_t health_queue_next_deadline_us(const struct health_queue *queue)
{
	uint64_t next;

	if (queue->n_waiting == 0)
		return NEVER_US;
	next = us_later(queue_oldest_us(queue), health_queue_wait_max_us(queue));
	return queue->due.first ? us_min(next, queue->due.first->at_us) : next;
}

unsigned health_queue_retry_after_s(const struct health_queue *queue, uint32_t random)
{
	uint64_t service = queue->has_service ? queue->service_us : SERVICE_UNKNOWN_US;
	uint64_t work = queue->n_waiting * service;
	uint64_t rate = queue->limit * US_PER_S;
	uint64_t after = us_clamp((work + rate - 1) / rate, 1, RETRY_AFTER_MAX_S);

	return (unsigned)(after + random % (after / 2 + 1));
}
