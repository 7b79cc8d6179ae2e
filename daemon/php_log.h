/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* PHP's STDERR as log lines: escaped, bounded, so many a second, the rest counted. */

#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "daemon/log.h"

struct php_log {
	enum conf_sink sink;
	int fd; /* CONF_SINK_FILE: of the file, -1: it cannot be opened */
	struct log_limit limit;
	uint64_t n_lines, n_lost;  /* logged or not, and not */
};

/* Of a zeroed struct, or again after _done: the counts go on. Opens the file if there is
 * one. 0, or the errno of open(): lines are counted as lost.
 */
int php_log_init(struct php_log *php_log, enum conf_sink sink, const char *file);
void php_log_done(struct php_log *php_log);
/* Writes the lines in n bytes of one STDERR record of a request. */
void php_log_write(struct php_log *php_log, const char *pool, const char *request_id,
		   const uint8_t *data, size_t n, uint64_t now_us);
