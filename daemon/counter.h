/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What is counted: one row each, the same word in log, metric and status. The reasons
 * (health/reason.h) are counted beside these, under their own words.
 */

#include <stddef.h>
#include <stdint.h>

#include "health/reason.h"

enum counter {
	COUNTER_CLIENTS,          /* connections accepted */
	COUNTER_CLIENTS_DENIED,   /* closed at accept: not in `allow` */
	COUNTER_CLIENTS_CROWDED,  /* not kept behind an answer, near clients_max */
	COUNTER_CLIENTS_PAUSED,   /* times the listeners paused: no descriptors */
	COUNTER_REQUESTS,         /* BEGIN_REQUEST as responder */
	COUNTER_SERVED,           /* END_REQUEST of a worker passed on */
	COUNTER_QUEUED,           /* had to wait for a slot */
	COUNTER_CONNECTS,         /* links made */
	COUNTER_HANDED_OVER,      /* requests that took over a link */
	COUNTER_HELLOS,
	COUNTER_WITHDRAWN,        /* taken back from FPM's backlog; never ran */
	COUNTER_BACKGROUND,       /* links whose worker went on behind END_REQUEST */
	COUNTER_ABANDONED,        /* links given up while their worker ran */
	COUNTER_REPLAYED,         /* run again after a worker died */
	COUNTER_RETURNED,         /* back to the queue: no worker ever had it */
	COUNTER_BROKEN,           /* answers cut after their header went out */
	COUNTER_FOREIGN_RECORDS,  /* of FPM's, with another request's id */
	COUNTER_CLIENT_VERSION,   /* client connections closed for a wrong version */
	COUNTER_CLIENT_PROTOCOL,  /* ... for an illegal record */
	COUNTER_CANT_MPX,         /* second concurrent requests refused */
	COUNTER_UNKNOWN_ROLE,
	COUNTER_UNKNOWN_TYPE,
	COUNTER_GET_VALUES,
	COUNTER_ABORTED,          /* ABORT_REQUEST of a web server */
	COUNTER_PHP_LINES,        /* lines of PHP's STDERR */
	COUNTER_PHP_LINES_LOST,   /* of them not logged: the limit of the php_log */
	COUNTER_ACCESS_LINES_LOST,
	COUNTER_N,
};

struct counters {
	uint64_t n[COUNTER_N];
	uint64_t reasons[HEALTH_REASON_N];
};

/* "requests", "handed_over" ... Static. */
const char *counter_word(enum counter counter);
/* Writes every non-zero counter as " word=value" to text, those that fit into size as a
 * whole; returns text. */
const char *counters_print(const struct counters *counters, char *text, size_t size);
