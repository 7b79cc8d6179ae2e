/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What a php-fpm of ours writes to stderr, as lines of our log: its timestamp taken off,
 * its level kept, escaped, cut at 2 KiB, so many a second, the rest counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/log.h"

enum {
	FPM_LOG_LINE_BYTES = 2048, /* FPM's log_limit for masters of ours */
};

struct fpm_log {
	const char *pool; /* borrowed */
	struct log_limit limit;
	char line[FPM_LOG_LINE_BYTES];
	size_t n;         /* of line */
	bool is_cut;      /* the rest of this line is dropped */
};

void fpm_log_init(struct fpm_log *fpm_log, const char *pool);
/* Bytes of the stream, cut anywhere. */
void fpm_log_feed(struct fpm_log *fpm_log, const char *bytes, size_t n, uint64_t now_us);
/* Nothing follows: a last line without an end, and how many were suppressed. */
void fpm_log_finish(struct fpm_log *fpm_log, uint64_t now_us);

/* Takes off a prefix "[20-Jan-2026 10:40:42] WARNING: ". Gives the level that stands for
 * FPM's word: DEBUG; NOTICE is info, since FPM says it of every worker that comes and
 * goes; ALERT is error. A line without that prefix is PHP's own and a warning. */
enum log_level fpm_log_parse(const char **line, size_t *n);
