/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* One JSON line per request, written by one write() from a buffer of 4 KiB. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"

/* Text of a peer, not terminated; NULL: there is none. It is escaped when it is written.
 */
struct access_log_text {
	const char *text;
	size_t n;
};

struct access_log_entry {
	uint64_t wall_us;      /* CLOCK_REALTIME when the request began */
	const char *id, *pool;
	struct access_log_text client, method, host, uri, script; /* uri: without query */
	unsigned status;       /* 0: the visitor left before there was one */
	uint64_t n_bytes;
	uint64_t queue_us, connect_us, first_byte_us, total_us;
	pid_t worker;          /* 0: not known */
	unsigned n_replays;
	const char *reason;    /* the word; "none" */
};

struct access_log {
	enum conf_sink sink;
	int fd;                /* -1: off, or it cannot be opened */
	uint64_t n_lost;       /* lines that could not be written */
};

/* Of a zeroed struct, or again after _done: the count goes on. Opens the file if there is
 * one. 0, or the errno of open(): lines are counted as lost.
 */
int access_log_init(struct access_log *access_log, enum conf_sink sink, const char *file);
void access_log_done(struct access_log *access_log);
bool access_log_is_on(const struct access_log *access_log);
/* Members: time id pool client method host uri script status bytes queue_us connect_us
 * first_byte_us total_us worker replayed reason. Long texts are cut so that a line fits.
 */
void access_log_write(struct access_log *access_log,
		      const struct access_log_entry *entry);
