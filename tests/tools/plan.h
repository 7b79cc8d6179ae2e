/* SPDX-License-Identifier: BSD-2-Clause */
/* What fcgi_client sends for one request, as a list of small operations. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/tools/record.h"

/* The points of a request at which an event of the command line can happen. */
enum plan_phase {
	PLAN_START,	/* before BEGIN_REQUEST */
	PLAN_BEGIN,	/* behind it */
	PLAN_PARAMS,	/* behind the empty PARAMS */
	PLAN_BODY,	/* behind the first half of the body */
	PLAN_STDIN,	/* behind the empty STDIN */
	PLAN_OUTPUT,	/* when the first STDOUT has been received */
	PLAN_END,	/* when END_REQUEST has been received */
	PLAN_N_PHASES,
};

enum op_kind {
	OP_SEND,	/* bytes */
	OP_BODY,	/* number bytes of STDIN, in records */
	OP_SLEEP,	/* number milliseconds */
	OP_HALF_CLOSE,
	OP_CLOSE,
	OP_RESET,
	OP_STOP,	/* send nothing more, go on reading */
	OP_AWAIT_OUTPUT,
	OP_AWAIT_END,
	OP_AWAIT_VALUES,
};

struct op {
	enum op_kind kind;
	uint64_t number;
	struct record_bytes bytes;
};

struct plan_event {
	enum plan_phase phase;
	const char *action;
};

/* The request that the command line describes. */
struct plan_request {
	uint16_t id;
	uint16_t role;
	uint8_t flags;
	uint8_t version;
	uint8_t padding;
	size_t record_max;	/* 0: whole pairs, large records */
	size_t pair_cut;	/* 0: none; else each pair goes on in the next record */
	size_t wire_cut;	/* 0: none; else each record is sent in two pieces */
	uint64_t delay_ms;	/* between pieces */
	uint64_t n_body;
	FILE *body;		/* NULL: a pattern */
	const char *values;	/* names to ask for in front, NULL: none */
	bool only_values;
	const char *raw;	/* hex or @FILE instead of a request, NULL: none */
	char **params;		/* NAME=VALUE, n_params of them */
	size_t n_params;
	size_t n_fill_bytes;	/* of further params */
	size_t n_fill_pairs;
	struct plan_event events[16];
	size_t n_events;
};

/* The operations; all zero is empty. */
struct plan {
	struct op *ops;
	size_t n_ops;
};

/* Builds the operations of one request; nonsense in an event is exit(64). */
void plan_build(struct plan *plan, const struct plan_request *request);

/* Frees the operations and makes the plan empty. */
void plan_done(struct plan *plan);

/*
 * Appends the next record of the body, of at most left bytes, to *out. Returns the number
 * of body bytes in it, 0 if the body's file ended early.
 */
size_t plan_next_body(const struct plan_request *request, uint64_t left,
		      struct record_bytes *out);

/* "start" ... "end" to a phase; exit(64) for other words. */
enum plan_phase plan_phase_of(const char *word, size_t n_bytes);
