/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The daemon's log: the journal with fields, or lines on stderr. It never blocks.
 *
 * One message is one line of at most 4 KiB; what is longer ends in "...". Control bytes
 * in a finished message become '?', so no text can forge a second line or a field; text
 * of a peer goes through log_escape() all the same, since only that keeps it readable.
 *
 * What cannot be written now (a reader that has stopped) is dropped and counted, and the
 * count is logged once, ahead of the first line that can be written again.
 *
 * Before log_init() messages go to stderr at level info. One thread; the process ignores
 * SIGPIPE. A line is a lower-case sentence, subject first, without a full stop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/macros.h"

enum log_target {
	LOG_TARGET_JOURNAL, /* stderr, if there is no journal on this machine */
	LOG_TARGET_STDERR,  /* "<6>text" (sd-daemon(3)); "text" on a terminal */
};

/* The numbers are syslog(3)'s. */
enum log_level {
	LOG_LEVEL_ERROR = 3,   /* something that was asked for does not work */
	LOG_LEVEL_WARNING = 4, /* works, but somebody should look */
	LOG_LEVEL_NOTICE = 5,  /* a change of state */
	LOG_LEVEL_INFO = 6,    /* normal operation; no line per request */
	LOG_LEVEL_DEBUG = 7,
};

enum {
	LOG_LINE_MAX_BYTES = 4096,  /* prefix and line end included; PIPE_BUF */
	LOG_FIELD_MAX_BYTES = 1024, /* of one field's value, cut with "..." */
	LOG_POOL_MAX_BYTES = 256,   /* of a pool's name in front of a message */
};

/* A journal field. The name is complete ("FPMGATE_REASON") and of [A-Z0-9_]; a value of
 * NULL leaves the field off. On stderr fields do not show: what a reader needs is said in
 * the text too. */
struct log_field {
	const char *name;
	const char *value;
};

/* Where to, and from which level on. May be called again, after a reload. Cannot fail. */
void log_init(enum log_target target, enum log_level level);
/* Opens what the log writes to again (SIGUSR1). */
void log_reopen(void);
void log_set_level(enum log_level level);
/* Closes what log_init() has opened; to be called before the process ends, also when it
 * does not start: gives journald up to 200 ms to read the last lines, since it cannot
 * tell anymore whose they are once the process is gone. */
void log_done(void);
/* Would a message of this level be written? To skip costly preparations. */
bool log_is_enabled(enum log_level level);
/* Lines lost so far, because the reader did not read. */
uint64_t log_n_dropped(void);

void log_msg(enum log_level level, const char *fmt, ...) _printf_(2, 3);
/* The same with FPMGATE_POOL=, and "pool NAME: " in front of the text. */
void log_pool(enum log_level level, const char *pool, const char *fmt, ...)
	_printf_(3, 4);
/* The same with any fields; n may be 0. Adds nothing to the text. */
void log_fields(enum log_level level, const struct log_field *fields, size_t n,
		const char *fmt, ...) _printf_(4, 5);

#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * Writes n bytes of a peer's text to out in a form that is safe in a log line, in quotes
 * and on a terminal: control bytes, DEL, both quotes, the backslash, what is no UTF-8,
 * and the control characters beyond ASCII (C1, line separators, direction overrides) as
 * \xNN byte by byte. Always ends in NUL if size > 0, never in half an escape or
 * character; text that does not fit ends in "..." (if size > 3). Gives the length of out.
 */
size_t log_escape(char *out, size_t size, const char *text, size_t n);

/* So many lines per interval, the rest counted. Embedded by the caller: set interval_us
 * and burst, leave the rest 0. */
struct log_limit {
	uint64_t interval_us;
	uint32_t burst;
	uint32_t n_passed;     /* in this interval */
	uint64_t started_us;   /* of this interval; it starts with a line */
	uint64_t n_suppressed; /* not reported yet */
};

/* May a line be logged now? If so, *ret_suppressed is how many were not since the last
 * time this was reported, for the caller to say; otherwise 0. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_us, uint64_t *ret_suppressed);
/* For a timer, so that the last of them are reported too: how many were suppressed, once
 * their interval is over; 0 before that and when there is nothing to say. */
uint64_t log_limit_take_rest(struct log_limit *limit, uint64_t now_us);

/* For tests: another path in place of /run/systemd/journal/socket (a static string; NULL
 * for the real one). Call before log_init(). */
void log_set_journal_path(const char *path);
