/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The one loop: an epoll instance for the relay with sd-event embedded in it, the clock
 * of this turn, deadlines, and work put off to the end of the turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/list.h"

struct sd_event;
struct loop;

/* A descriptor in the epoll instance, edge-triggered unless it says otherwise. Embedded
 * in its owner, which also owns the descriptor. */
struct loop_source {
	int fd; /* -1: not in the loop */
	bool is_level; /* level-triggered */
	void (*on_ready)(struct loop_source *source, uint32_t events);
};

/* Work to be done when the events of this turn have been handled; an embedded place in a
 * list, so that putting it off never fails. */
struct loop_task {
	struct list node;
	void (*run)(struct loop_task *task);
};

/* An instant at which something is overdue. Embedded; belongs to the list of one
 * duration. */
struct loop_deadline {
	struct list node;
	uint64_t at_us;
	void (*on_due)(struct loop_deadline *deadline);
};

/* All deadlines of one duration, in order by construction. */
struct loop_deadline_list;

enum {
	LOOP_SCRATCH_BYTES = 128 * 1024,
	LOOP_SPOOL_TURN_BYTES = 256 * 1024, /* spool writes of one turn */
};

struct loop_stats {
	uint64_t n_turns;
	uint64_t longest_turn_us;
};

/* 0, or the errno of epoll_create, sd_event_new or malloc. */
int loop_new(struct loop **ret_loop);
struct loop *loop_free(struct loop *loop); /* returns NULL; takes NULL */

/* The embedded sd-event: signals, children, inotify, watchdog. Valid as long as the loop.
 */
struct sd_event *loop_event(struct loop *loop);

/* CLOCK_MONOTONIC, read once per turn. */
uint64_t loop_now_us(const struct loop *loop);
/* CLOCK_REALTIME of this turn, for log, events and status only. */
uint64_t loop_wall_us(const struct loop *loop);

/* Runs turns until loop_exit(). Returns the code given there, or a negative errno of
 * epoll_wait() or sd-event. */
int loop_run(struct loop *loop);
void loop_exit(struct loop *loop, int code);
/* One turn that waits at most timeout_ms (-1: until something happens); for tests. */
int loop_turn(struct loop *loop, int timeout_ms);

/* Adds source->fd. 0 or the errno of epoll_ctl. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events) _must_check_;
/* Changes what is waited for; with EPOLLET this also reports again what is ready now. */
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
/* Takes it out, also out of the events of this turn. The caller closes the descriptor
 * afterwards. Harmless when it is not in. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Runs the task at the end of this turn; once, however often it is asked for. A task that
 * asks again while it runs is run in the next turn, which then does not wait. */
void loop_defer(struct loop *loop, struct loop_task *task);
void loop_cancel(struct loop_task *task);

/* The list of a duration, made when there is none; NULL: no memory. */
struct loop_deadline_list *loop_deadline_list(struct loop *loop, uint64_t duration_us);
/* (Re)starts a deadline: due when the list's duration has passed from this turn on.
 * A NULL list (the duration is off) clears it. */
void loop_deadline_start(struct loop_deadline_list *list, struct loop_deadline *deadline);
void loop_deadline_clear(struct loop_deadline *deadline);

/* Memory to read into, valid until the next read of anybody. LOOP_SCRATCH_BYTES. */
uint8_t *loop_scratch(struct loop *loop);
/* A second one, for what must not disturb the first (spool files). Same size. */
uint8_t *loop_second_scratch(struct loop *loop);

/* How many bytes may still be written to spool files in this turn; and books some. */
size_t loop_spool_room(const struct loop *loop);
void loop_spool_book(struct loop *loop, size_t n);

/* The figures so far; resets the longest turn. */
struct loop_stats loop_take_stats(struct loop *loop);
