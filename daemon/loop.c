/* SPDX-License-Identifier: BSD-2-Clause */
/* One epoll instance with sd-event embedded, the clock of the turn, deadlines, tasks. */

/*
 * A turn is: wait, read the clock once, hand out the events, run what is overdue, run the
 * tasks that were put off. Everything that happens in a turn sees the same `now`.
 *
 * Sources are edge-triggered: whoever is told that a descriptor is ready uses it until it
 * is not, or asks for a task that goes on in the next turn. A handler may remove any
 * source, its own or another one whose event waits in the same batch. Objects that a
 * handler wants to free while others up its stack still look at them are freed by a task.
 *
 * Deadlines belong to lists by duration: a server has about ten different ones, and
 * within one the order of starting is the order of ending, so a start is an append and
 * nothing is ever sorted. epoll_wait()'s own timeout serves the earliest head: a timerfd
 * would cost a timerfd_settime() whenever that head changes, which under load is every
 * request.
 *
 * sd-event's descriptor is one more member of the epoll instance. sd_event_prepare() has
 * to have been called before each wait; when the descriptor is ready one round of it
 * runs, and a source that is pending after that makes the next turn not wait.
 */

#include "daemon/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-event.h>

enum {
	LOOP_BATCH = 256, /* events taken per epoll_wait() */
	LOOP_EVENT_ROUNDS =
		16, /* sd-event dispatches per turn: the relay must not starve */
};

struct loop_deadline_list {
	struct loop *loop;
	struct loop_deadline_list *next;
	uint64_t duration_us;
	struct list deadlines;
};

/* What a descriptor number stands for now. */
struct loop_slot {
	struct loop_source *source; /* NULL: nothing of ours */
	uint32_t generation;        /* counts the sources that had this number */
};

struct loop {
	int epoll_fd;
	struct loop_slot *slots; /* by descriptor */
	size_t n_slots;
	sd_event *event;
	struct loop_source event_source;
	bool is_event_pending;
	bool is_event_touched; /* a source may have been added while it was armed */

	uint64_t now_us;
	struct loop_deadline_list *lists;
	struct list tasks;

	struct epoll_event batch[LOOP_BATCH];

	uint8_t *scratch, *second_scratch;
	size_t spool_left;

	struct loop_stats stats;
	bool has_exit;
	int exit_code;
};

static uint64_t loop_clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void loop_begin_turn(struct loop *loop)
{
	loop->now_us = loop_clock_us(CLOCK_MONOTONIC);
	loop->spool_left = LOOP_SPOOL_TURN_BYTES;
}

static void loop_on_event_ready(struct loop_source *source, uint32_t events);

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	list_init(&loop->tasks);
	loop->event_source.fd = -1;
	loop->scratch = malloc(LOOP_SCRATCH_BYTES);
	loop->second_scratch = malloc(LOOP_SCRATCH_BYTES);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = loop->epoll_fd < 0 ? -errno : 0;
	if (r == 0 && (!loop->scratch || !loop->second_scratch))
		r = -ENOMEM;
	if (r == 0)
		r = sd_event_new(&loop->event);
	if (r < 0)
		goto fail;
	loop->event_source.fd = sd_event_get_fd(loop->event);
	loop->event_source.on_ready = loop_on_event_ready;
	loop->event_source.is_level = true;
	r = loop_add(loop, &loop->event_source, EPOLLIN);
	if (r < 0)
		goto fail;
	loop_begin_turn(loop);
	*ret_loop = loop;
	return 0;
fail:
	loop_free(loop);
	return r;
}

struct loop *loop_free(struct loop *loop)
{
	struct loop_deadline_list *next;

	if (!loop)
		return NULL;
	for (struct loop_deadline_list *list = loop->lists; list; list = next) {
		next = list->next;
		free(list);
	}
	sd_event_unref(loop->event);
	close_fd(loop->epoll_fd);
	free(loop->slots);
	free(loop->scratch);
	free(loop->second_scratch);
	free(loop);
	return NULL;
}

struct sd_event *loop_event(struct loop *loop)
{
	loop->is_event_touched = true;
	return loop->event;
}

uint64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

uint64_t loop_wall_us(const struct loop *loop)
{
	return loop_clock_us(CLOCK_REALTIME) -
	       (loop_clock_us(CLOCK_MONOTONIC) - loop->now_us);
}

/* sources */

/* An event carries the number and the generation of its descriptor, not the address of
 * its source: an event that is late, of a descriptor that has been closed here but is
 * still open in a child between fork() and exec(), then meets nobody. So closing is
 * enough, and the system call that takes a descriptor out of epoll is saved. */
static int loop_control(struct loop *loop, int operation, struct loop_source *source,
			uint32_t generation, uint32_t events)
{
	struct epoll_event event = {
		.events = source->is_level ? events : events | EPOLLET,
		.data.u64 = (uint64_t)generation << 32 | (uint32_t)source->fd,
	};

	return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

static int loop_reserve_slot(struct loop *loop, size_t fd)
{
	size_t n = MAX(fd + 1, loop->n_slots * 2);
	struct loop_slot *slots;

	if (fd < loop->n_slots)
		return 0;
	slots = realloc(loop->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + loop->n_slots, 0, (n - loop->n_slots) * sizeof(*slots));
	loop->slots = slots;
	loop->n_slots = n;
	return 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct loop_slot *slot;
	int r;

	if (source->fd < 0)
		return -EBADF;
	r = loop_reserve_slot(loop, (size_t)source->fd);
	if (r < 0)
		return r;
	slot = &loop->slots[source->fd];
	r = loop_control(loop, EPOLL_CTL_ADD, source, slot->generation + 1, events);
	if (r == 0)
		*slot = (struct loop_slot){ source, slot->generation + 1 };
	return r;
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	if (source->fd < 0 || (size_t)source->fd >= loop->n_slots)
		return -EBADF;
	return loop_control(loop, EPOLL_CTL_MOD, source,
			    loop->slots[source->fd].generation, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source->fd < 0 || (size_t)source->fd >= loop->n_slots ||
	    loop->slots[source->fd].source != source)
		return;
	loop->slots[source->fd].source = NULL;
	/* a level-triggered one (a listener of systemd's) may be open elsewhere for good,
	 * and would be reported for ever */
	if (source->is_level)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

/* tasks */

void loop_defer(struct loop *loop, struct loop_task *task)
{
	if (!list_is_linked(&task->node))
		list_append(&loop->tasks, &task->node);
}

void loop_cancel(struct loop_task *task)
{
	list_remove(&task->node);
}

/* Runs what is in the list now; what is asked for meanwhile stays for the next turn. The
 * tasks move to a list of this function's first, since a task may cancel another. */
static void loop_run_tasks(struct loop *loop)
{
	struct list due;
	struct list *node;

	list_init(&due);
	while ((node = list_first(&loop->tasks))) {
		list_remove(node);
		list_append(&due, node);
	}
	while ((node = list_first(&due))) {
		struct loop_task *task = container_of(node, struct loop_task, node);

		list_remove(node);
		task->run(task);
	}
}

/* deadlines */

struct loop_deadline_list *loop_deadline_list(struct loop *loop, uint64_t duration_us)
{
	struct loop_deadline_list *list;

	for (list = loop->lists; list; list = list->next)
		if (list->duration_us == duration_us)
			return list;
	list = calloc(1, sizeof(*list));
	if (!list)
		return NULL;
	list->loop = loop;
	list->duration_us = duration_us;
	list_init(&list->deadlines);
	list->next = loop->lists;
	loop->lists = list;
	return list;
}

void loop_deadline_start(struct loop_deadline_list *list, struct loop_deadline *deadline)
{
	list_remove(&deadline->node);
	if (!list)
		return;
	deadline->at_us = list->loop->now_us + list->duration_us;
	list_append(&list->deadlines, &deadline->node);
}

void loop_deadline_clear(struct loop_deadline *deadline)
{
	list_remove(&deadline->node);
}

static struct loop_deadline *loop_deadline_head(const struct loop_deadline_list *list)
{
	return LIST_FIRST(&list->deadlines, struct loop_deadline, node);
}

static void loop_run_deadlines(struct loop *loop)
{
	struct loop_deadline *head;

	for (struct loop_deadline_list *list = loop->lists; list; list = list->next)
		while ((head = loop_deadline_head(list)) && head->at_us <= loop->now_us) {
			list_remove(&head->node);
			head->on_due(head);
		}
}

/* Milliseconds until the earliest deadline, rounded up; -1 when there is none. */
static int loop_timeout_ms(const struct loop *loop)
{
	uint64_t at_us = UINT64_MAX, wait_ms;

	if (!list_is_empty(&loop->tasks) || loop->is_event_pending)
		return 0;
	for (const struct loop_deadline_list *list = loop->lists; list;
	     list = list->next) {
		const struct loop_deadline *head = loop_deadline_head(list);

		if (head)
			at_us = MIN(at_us, head->at_us);
	}
	if (at_us == UINT64_MAX)
		return -1;
	if (at_us <= loop->now_us)
		return 0;
	wait_ms = (at_us - loop->now_us + 999) / 1000;
	return (int)MIN(wait_ms, (uint64_t)3600 * 1000);
}

/* sd-event */

static void loop_on_event_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = container_of(source, struct loop, event_source);

	(void)events;
	loop->is_event_pending = true;
}

/* Before a wait sd-event must be armed. One that has something pending already says so.
 */
static int loop_prepare_event(struct loop *loop)
{
	int r = sd_event_get_state(loop->event);

	if (r == SD_EVENT_ARMED && loop->is_event_touched) {
		r = sd_event_wait(loop->event, 0);
		if (r < 0)
			return r;
		r = sd_event_get_state(loop->event);
	}
	loop->is_event_touched = false;
	if (r == SD_EVENT_INITIAL)
		r = sd_event_prepare(loop->event);
	else
		r = r == SD_EVENT_PENDING;
	if (r < 0)
		return r;
	loop->is_event_pending = r > 0;
	return 0;
}

static int loop_dispatch_event(struct loop *loop)
{
	int r;

	for (int i = 0; i < LOOP_EVENT_ROUNDS && loop->is_event_pending; i++) {
		r = 1;
		if (sd_event_get_state(loop->event) == SD_EVENT_ARMED)
			r = sd_event_wait(loop->event, 0);
		if (r > 0)
			r = sd_event_dispatch(loop->event);
		if (r < 0)
			return r;
		r = loop_prepare_event(loop);
		if (r < 0)
			return r;
	}
	return 0;
}

/* turns */

static void loop_hand_out(struct loop *loop, int n)
{
	for (int i = 0; i < n; i++) {
		const struct epoll_event *event = &loop->batch[i];
		const struct loop_slot *slot = &loop->slots[(uint32_t)event->data.u64];

		if (slot->source && slot->generation == event->data.u64 >> 32)
			slot->source->on_ready(slot->source, event->events);
	}
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	int r, own_ms;

	r = loop_prepare_event(loop);
	if (r < 0)
		return r;
	own_ms = loop_timeout_ms(loop);
	if (timeout_ms < 0 || (own_ms >= 0 && own_ms < timeout_ms))
		timeout_ms = own_ms;
	r = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, timeout_ms);
	if (r < 0 && errno != EINTR)
		return -errno;
	loop_begin_turn(loop);
	loop_hand_out(loop, r);
	r = loop_dispatch_event(loop);
	loop_run_deadlines(loop);
	loop_run_tasks(loop);
	loop->stats.n_turns++;
	loop->stats.longest_turn_us = MAX(loop->stats.longest_turn_us,
					  loop_clock_us(CLOCK_MONOTONIC) - loop->now_us);
	return r;
}

int loop_run(struct loop *loop)
{
	int r;

	while (!loop->has_exit) {
		r = loop_turn(loop, -1);
		if (r < 0)
			return r;
	}
	return loop->exit_code;
}

void loop_exit(struct loop *loop, int code)
{
	loop->has_exit = true;
	loop->exit_code = code;
}

/* memory and figures */

uint8_t *loop_scratch(struct loop *loop)
{
	return loop->scratch;
}

uint8_t *loop_second_scratch(struct loop *loop)
{
	return loop->second_scratch;
}

size_t loop_spool_room(const struct loop *loop)
{
	return loop->spool_left;
}

void loop_spool_book(struct loop *loop, size_t n)
{
	loop->spool_left -= MIN(n, loop->spool_left);
}

struct loop_stats loop_take_stats(struct loop *loop)
{
	struct loop_stats stats = loop->stats;

	loop->stats.longest_turn_us = 0;
	return stats;
}
