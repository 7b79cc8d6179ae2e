/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replay: the rules by which a lost exchange may run a second time.
 *
 * A replay is a bet that the death had nothing to do with the request. It is lost when
 * the request itself is what kills (then each visitor costs two workers, so the route is
 * remembered) and when everything dies (then replays double the load on what is left, so
 * there is a budget). The budget is a share of the requests, which means nothing on a
 * quiet site: there the first few of each window are free.
 */
#include "health/replay.h"

enum {
	WINDOW_US = 10 * 1000 * 1000,
	WINDOW_FREE = 3, /* replays of a window that need no tokens */
	ROUTE_US = 60 * 1000 * 1000,
	TOKENS_PER_REQUEST_MILLI = 100, /* 10 % */
	TOKENS_PER_REPLAY_MILLI = 1000,
	TOKENS_MAX_MILLI = 10 * TOKENS_PER_REPLAY_MILLI, /* a burst after quiet hours */
};

void health_replay_init(struct health_replay *replay,
			const struct health_replay_params *params)
{
	*replay = (struct health_replay){ .params = *params };
}

void health_replay_set_params(struct health_replay *replay,
			      const struct health_replay_params *params)
{
	replay->params = *params;
}

/* Has this much time not passed since then? */
static bool time_is_within(uint64_t at_us, uint64_t span_us, uint64_t now_us)
{
	return now_us < at_us || now_us - at_us < span_us;
}

static void replay_roll(struct health_replay *replay, uint64_t now_us)
{
	if (time_is_within(replay->window_us, WINDOW_US, now_us))
		return;
	replay->window_us = now_us;
	replay->n_window = 0;
}

void health_replay_request(struct health_replay *replay, uint64_t now_us)
{
	replay_roll(replay, now_us);
	replay->tokens_milli += TOKENS_PER_REQUEST_MILLI;
	if (replay->tokens_milli > TOKENS_MAX_MILLI)
		replay->tokens_milli = TOKENS_MAX_MILLI;
}

static struct health_replay_route *replay_find_route(struct health_replay *replay,
						     uint64_t route)
{
	for (size_t i = 0; i < HEALTH_REPLAY_N_ROUTES; i++)
		if (replay->routes[i].route == route)
			return &replay->routes[i];
	return NULL;
}

/* An unused one, or the one whose last death is the oldest. */
static struct health_replay_route *replay_spare_route(struct health_replay *replay)
{
	struct health_replay_route *spare = &replay->routes[0];

	for (size_t i = 1; i < HEALTH_REPLAY_N_ROUTES; i++)
		if (replay->routes[i].killed_us[0] < spare->killed_us[0])
			spare = &replay->routes[i];
	return spare;
}

void health_replay_killed(struct health_replay *replay, uint64_t route, uint64_t now_us)
{
	struct health_replay_route *entry;

	if (!route)
		return;
	entry = replay_find_route(replay, route);
	if (!entry) {
		entry = replay_spare_route(replay);
		*entry = (struct health_replay_route){ .route = route };
	}
	entry->killed_us[1] = entry->killed_us[0];
	entry->killed_us[0] = now_us ? now_us : 1; /* 0 says something else */
}

static bool replay_is_killer(struct health_replay *replay, uint64_t route,
			     uint64_t now_us)
{
	const struct health_replay_route *entry = replay_find_route(replay, route);

	return entry && entry->killed_us[1] &&
	       time_is_within(entry->killed_us[1], ROUTE_US, now_us);
}

/* Books one replay if there is something left to pay it with. */
static bool replay_pay(struct health_replay *replay, uint64_t now_us)
{
	replay_roll(replay, now_us);
	if (replay->tokens_milli >= TOKENS_PER_REPLAY_MILLI)
		replay->tokens_milli -= TOKENS_PER_REPLAY_MILLI;
	else if (replay->n_window >= WINDOW_FREE)
		return false;
	replay->n_window++;
	return true;
}

static bool replay_is_late(const struct health_replay *replay, uint64_t accepted_us,
			   uint64_t now_us)
{
	uint64_t within = replay->params.within_us;

	return !within || (now_us > accepted_us && now_us - accepted_us > within);
}

enum health_replay_answer health_replay_ask(struct health_replay *replay,
					    const struct health_replay_case *c,
					    uint64_t now_us)
{
	/* A byte of answer proves a worker, whatever the caller knows. */
	if (!c->had_worker && !c->had_output)
		return HEALTH_REPLAY_YES;
	if (!replay->params.enabled)
		return HEALTH_REPLAY_OFF;
	if (!c->is_safe)
		return HEALTH_REPLAY_UNSAFE;
	if (c->had_output)
		return HEALTH_REPLAY_STARTED;
	if (replay_is_late(replay, c->accepted_us, now_us))
		return HEALTH_REPLAY_LATE;
	if (c->n_replays > 0)
		return HEALTH_REPLAY_AGAIN;
	if (replay_is_killer(replay, c->route, now_us))
		return HEALTH_REPLAY_ROUTE;
	return replay_pay(replay, now_us) ? HEALTH_REPLAY_YES : HEALTH_REPLAY_BUDGET;
}
