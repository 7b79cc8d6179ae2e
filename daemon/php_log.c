/* SPDX-License-Identifier: BSD-2-Clause */
/* PHP's STDERR as log lines. */

#include "daemon/php_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	PHP_LOG_LINES = 20, /* a second; a script can write thousands */
	PHP_LOG_TEXT_BYTES = 2048,
};

int php_log_init(struct php_log *php_log, enum conf_sink sink, const char *file)
{
	php_log->sink = sink;
	php_log->fd = -1;
	php_log->limit.interval_us = 1000000;
	php_log->limit.burst = PHP_LOG_LINES;
	if (sink != CONF_SINK_FILE)
		return 0;
	php_log->fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK |
					 O_NOCTTY, 0640);
	return php_log->fd < 0 ? -errno : 0;
}

void php_log_done(struct php_log *php_log)
{
	php_log->fd = close_fd(php_log->fd);
}

static void php_log_put(struct php_log *php_log, const char *pool, const char *request_id,
			const char *text)
{
	char line[PHP_LOG_TEXT_BYTES + 512];
	const struct log_field fields[] = {
		{ "FPMGATE_POOL", pool },
		{ "FPMGATE_REQUEST_ID", request_id },
	};
	int n;

	if (php_log->sink != CONF_SINK_FILE) {
		log_fields(LOG_LEVEL_WARNING, fields, ARRAY_SIZE(fields),
			   "pool %s: php %s: %s", pool, request_id, text);
		return;
	}
	n = snprintf(line, sizeof(line), "%s %s %s\n", pool, request_id, text);
	n = MIN(n, (int)sizeof(line) - 1);
	if (php_log->fd < 0 || write(php_log->fd, line, (size_t)n) != n)
		php_log->n_lost++;
}

static void php_log_line(struct php_log *php_log, const char *pool,
			 const char *request_id, const char *text, size_t n,
			 uint64_t now_us)
{
	char escaped[PHP_LOG_TEXT_BYTES], lost[64];
	uint64_t n_suppressed;

	php_log->n_lines++;
	if (!log_limit_pass(&php_log->limit, now_us, &n_suppressed)) {
		php_log->n_lost++;
		return;
	}
	if (n_suppressed > 0) {
		snprintf(lost, sizeof(lost), "(%" PRIu64 " lines were not logged)",
			 n_suppressed);
		php_log_put(php_log, pool, "-", lost);
	}
	log_escape(escaped, sizeof(escaped), text, n);
	php_log_put(php_log, pool, request_id, escaped);
}

void php_log_write(struct php_log *php_log, const char *pool, const char *request_id,
		   const uint8_t *data, size_t n, uint64_t now_us)
{
	const char *text = (const char *)data;

	if (php_log->sink == CONF_SINK_OFF)
		return;
	while (n > 0) {
		const char *end = memchr(text, '\n', n);
		size_t n_line = end ? (size_t)(end - text) : n;

		if (n_line > 0)
			php_log_line(php_log, pool, request_id, text, n_line, now_us);
		n_line += end != NULL;
		text += n_line;
		n -= n_line;
	}
}
