/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * May a failed exchange be sent again? Phase, method, age and a budget.
 *
 * An exchange that no worker ever had goes back always; only its deadline bounds it. One
 * that a worker had may run again once, when running it twice cannot hurt (GET, HEAD,
 * OPTIONS without a body, no byte of answer seen), when the worker died soon after it
 * accepted (a later death is a timeout or the OOM killer, not an accident of the worker),
 * when its route is not known to kill workers, and within a budget of 10 % of the
 * requests, at least 3 in 10 s.
 *
 * One health_replay per pool. now_us is one monotonic clock's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When several hold, the first of them. */
enum health_replay_answer {
	HEALTH_REPLAY_YES,       /* send it again; what it costs has been booked */
	HEALTH_REPLAY_OFF,       /* by option */
	HEALTH_REPLAY_UNSAFE,    /* method or body */
	HEALTH_REPLAY_STARTED,   /* the visitor's answer has begun to come */
	HEALTH_REPLAY_LATE,      /* the worker had it for longer than replay_within */
	HEALTH_REPLAY_AGAIN,     /* it has been sent again once already */
	HEALTH_REPLAY_ROUTE,     /* its route killed 2 workers in 60 s */
	HEALTH_REPLAY_BUDGET,    /* none left */
};

struct health_replay_params {
	bool enabled;
	uint64_t within_us; /* 0: nothing that a worker had is sent again */
};

enum {
	HEALTH_REPLAY_N_ROUTES = 64, /* routes remembered for killing workers */
};

struct health_replay_route {
	uint64_t route;        /* 0: unused */
	uint64_t killed_us[2]; /* the last two, newest first; 0: none */
};

struct health_replay {
	struct health_replay_params params;
	struct health_replay_route routes[HEALTH_REPLAY_N_ROUTES];
	uint64_t window_us;    /* when the current 10 s window began */
	uint32_t tokens_milli; /* a replay costs 1000, a request brings 100; <= 10000 */
	uint32_t n_window;     /* replays in this window; the first 3 need no tokens */
};

/* What is known about the exchange whose worker died. */
struct health_replay_case {
	bool had_worker;      /* a worker had accepted it, or that cannot be excluded */
	bool had_output;      /* any byte of STDOUT or STDERR has come */
	bool is_safe;         /* GET, HEAD or OPTIONS without a body */
	unsigned n_replays;   /* times it was replayed after a worker had it */
	uint64_t accepted_us; /* when the worker accepted (or was written to) */
	uint64_t route;       /* hash of site and script; 0: unknown */
};

void health_replay_init(struct health_replay *replay,
			const struct health_replay_params *params);
/* Budget and routes stay. */
void health_replay_set_params(struct health_replay *replay,
			      const struct health_replay_params *params);
/* A request came in: the budget grows. */
void health_replay_request(struct health_replay *replay, uint64_t now_us);
/* A worker died under this route (call before _ask). 0 is not remembered. When all places
 * are taken, the route whose last death is the oldest is forgotten. */
void health_replay_killed(struct health_replay *replay, uint64_t route, uint64_t now_us);
/* HEALTH_REPLAY_YES books the cost. Never had a worker: YES, even with the option off,
 * and it costs nothing. */
enum health_replay_answer health_replay_ask(struct health_replay *replay,
					    const struct health_replay_case *c,
					    uint64_t now_us);
