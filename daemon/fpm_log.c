/* SPDX-License-Identifier: BSD-2-Clause */
/* What a php-fpm of ours writes to stderr, as lines of our log. */

#include "daemon/fpm_log.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/macros.h"

enum {
	FPM_LOG_LINES = 20, /* a second */
	FPM_LOG_INTERVAL_US = 1000000,
};

/* What follows the timestamp of a line, NULL: it has none. zlog.c prints
 * "[%d-%b-%Y %H:%M:%S", at log level debug ".%06d", then "] LEVEL: ". */
static const char *fpm_log_level_word(const char *line, size_t n)
{
	const char *end;

	if (n == 0 || line[0] != '[')
		return NULL;
	end = memchr(line, ']', MIN(n, (size_t)40));
	return end && (size_t)(end - line) + 2 < n && end[1] == ' ' ? end + 2 : NULL;
}

enum log_level fpm_log_parse(const char **line, size_t *n)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = {
		{ "DEBUG: ", LOG_LEVEL_DEBUG },     { "NOTICE: ", LOG_LEVEL_INFO },
		{ "WARNING: ", LOG_LEVEL_WARNING }, { "ERROR: ", LOG_LEVEL_ERROR },
		{ "ALERT: ", LOG_LEVEL_ERROR },
	};
	const char *word = fpm_log_level_word(*line, *n);
	size_t n_left = word ? *n - (size_t)(word - *line) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		size_t n_word = strlen(levels[i].word);

		if (n_left < n_word || memcmp(word, levels[i].word, n_word) != 0)
			continue;
		*line = word + n_word;
		*n = n_left - n_word;
		return levels[i].level;
	}
	return LOG_LEVEL_WARNING;
}

static void fpm_log_put_rest(struct fpm_log *fpm_log, uint64_t n)
{
	if (n > 0)
		log_pool(LOG_LEVEL_WARNING, fpm_log->pool,
			 "php-fpm: %" PRIu64 " lines were not logged", n);
}

static void fpm_log_put_line(struct fpm_log *fpm_log, uint64_t now_us)
{
	const char *line = fpm_log->line;
	size_t n = fpm_log->n;
	char text[FPM_LOG_LINE_BYTES];
	enum log_level level = fpm_log_parse(&line, &n);
	uint64_t n_suppressed;

	fpm_log->n = 0;
	if (n == 0 || !log_is_enabled(level) ||
	    !log_limit_pass(&fpm_log->limit, now_us, &n_suppressed))
		return;
	fpm_log_put_rest(fpm_log, n_suppressed);
	log_escape(text, sizeof(text), line, n);
	log_pool(level, fpm_log->pool, "php-fpm: %s", text);
}

static void fpm_log_put_byte(struct fpm_log *fpm_log, char byte, uint64_t now_us)
{
	bool is_end = byte == '\n';

	if (!is_end && !fpm_log->is_cut)
		fpm_log->line[fpm_log->n++] = byte;
	if (!fpm_log->is_cut && (is_end || fpm_log->n == sizeof(fpm_log->line)))
		fpm_log_put_line(fpm_log, now_us);
	fpm_log->is_cut = !is_end && (fpm_log->is_cut || fpm_log->n == 0);
}

void fpm_log_init(struct fpm_log *fpm_log, const char *pool)
{
	*fpm_log = (struct fpm_log){
		.pool = pool,
		.limit = { .interval_us = FPM_LOG_INTERVAL_US, .burst = FPM_LOG_LINES },
	};
}

void fpm_log_feed(struct fpm_log *fpm_log, const char *bytes, size_t n, uint64_t now_us)
{
	for (size_t i = 0; i < n; i++)
		fpm_log_put_byte(fpm_log, bytes[i], now_us);
}

void fpm_log_finish(struct fpm_log *fpm_log, uint64_t now_us)
{
	if (fpm_log->n > 0)
		fpm_log_put_line(fpm_log, now_us);
	fpm_log_put_rest(fpm_log, fpm_log->limit.n_suppressed);
	fpm_log->limit.n_suppressed = 0;
}
