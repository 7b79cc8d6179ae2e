/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * How an exchange ends or goes on when PHP did not answer it: an answer of ours, a broken
 * answer, or another try.
 */

#include <stdbool.h>

#include "health/reason.h"

struct exchange;

/* Answers in PHP's stead and ends the client's side. Only before the header went out. */
void outcome_answer(struct exchange *exchange, enum health_reason reason);
/* A limit of ours has passed, or what PHP sends cannot be used: the visitor is told (or,
 * with the header out, the answer broken), and the worker is left to itself. */
void outcome_give_up(struct exchange *exchange, enum health_reason reason);
/* The link has lost the answer. had_worker: a worker had the request, or may have had. */
void outcome_fail(struct exchange *exchange, enum health_reason reason, bool had_worker);
