/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Reasons: why something happened. One row each; log word, metric label, JSON value,
 * X-Fpmgate-Reason and the status of our own answer all come from the same row.
 */

#include <stdint.h>

enum health_reason {
	HEALTH_REASON_NONE, /* nothing happened: the word is "none" */

	/* own: this gateway decided */
	HEALTH_REASON_QUEUE_FULL,    /* `size` waiters already */
	HEALTH_REASON_QUEUE_TIMEOUT, /* waited for all of max_wait */
	HEALTH_REASON_SHED,          /* given up under overload, or hopeless at once */
	HEALTH_REASON_DRAINING,
	HEALTH_REASON_PAUSED,
	HEALTH_REASON_DESCRIPTORS,
	HEALTH_REASON_MEMORY_FULL,
	HEALTH_REASON_SPOOL_FULL,
	HEALTH_REASON_QUARANTINED,   /* its route keeps killing its worker */
	HEALTH_REASON_BLOCKED,       /* something that PHP depends on does not answer */
	HEALTH_REASON_KEY_OVER_CAP,

	/* backend: the FPM socket as a whole */
	HEALTH_REASON_POOL_DOWN,
	HEALTH_REASON_BACKEND_ABSENT,      /* ENOENT */
	HEALTH_REASON_BACKEND_REFUSED,     /* ECONNREFUSED */
	HEALTH_REASON_BACKEND_PERMISSION,  /* EACCES, EPERM */
	HEALTH_REASON_BACKEND_NOT_SOCKET,  /* the path is something else */
	HEALTH_REASON_BACKEND_FULL,        /* EAGAIN: its backlog is full */
	HEALTH_REASON_BACKEND_UNREACHABLE, /* another errno, connect_timeout */
	HEALTH_REASON_WORKERS_MISSING,

	/* worker: one PHP process */
	HEALTH_REASON_WORKER_DIED,
	HEALTH_REASON_RESPONSE_MALFORMED,
	HEALTH_REASON_RESPONSE_HEADER_TOO_BIG,
	HEALTH_REASON_FPM_TERMINATED,      /* FPM's request_terminate_timeout */
	HEALTH_REASON_REQUEST_TIMEOUT,
	HEALTH_REASON_READ_TIMEOUT,
	HEALTH_REASON_ANSWER_BY,

	/* peer: the web server or its visitor */
	HEALTH_REASON_BODY_TIMEOUT,
	HEALTH_REASON_BODY_TOO_BIG,
	HEALTH_REASON_PARAMS_TOO_BIG,
	HEALTH_REASON_REQUEST_MALFORMED,
	HEALTH_REASON_BODY_LENGTH,
	HEALTH_REASON_PATH_REFUSED,
	HEALTH_REASON_PARAM_DENIED,
	HEALTH_REASON_CLIENT_LEFT,
	HEALTH_REASON_SLOW_CLIENT,

	HEALTH_REASON_N,
};

/* Who can do something about it. */
enum health_reason_class {
	HEALTH_REASON_OWN,
	HEALTH_REASON_BACKEND,
	HEALTH_REASON_WORKER,
	HEALTH_REASON_PEER,
};

/* All texts are static and plain ASCII. */
struct health_reason_row {
	const char *word;     /* "queue_full"; ANSWER_BY says "answer_by" */
	enum health_reason_class class;
	uint16_t status;      /* of our answer; 0 = log only, never an answer */
	const char *sentence; /* for the log and the page, no full stop, starts lower case
			       * (or with "PHP"); names no path and no option */
	const char *advice;   /* for the operator: what to look at; "" if there is none */
};

/* The row of a reason; never NULL. A value outside the enum gives the row of NONE. */
const struct health_reason_row *health_reason_row(enum health_reason reason);
