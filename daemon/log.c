/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Writes log lines to the journal or to stderr without ever waiting for a reader.
 *
 * sd_journal_send() and an ordinary write() to stderr both block when whoever reads has
 * stopped, and then every visitor waits for the log. So:
 *
 * - The journal gets datagrams in its native protocol ("KEY=value\n" per field) on a
 *   socket of our own that does not block. A value with a line feed would need the
 *   binary form of that protocol; no value has one, since control bytes are replaced.
 *
 * - O_NONBLOCK is a property of the open file, which stderr shares with the shell and
 *   with everybody who inherited it: setting it there breaks *their* writes. A pipe or
 *   a terminal is opened once more through /proc, which gives an open file of our own; a
 *   socket takes MSG_DONTWAIT call by call; everything else, and what may not be opened
 *   again, is asked with poll() first. A line is at most PIPE_BUF long, so a pipe takes
 *   it whole or not at all.
 */

#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

_Static_assert(LOG_LINE_MAX_BYTES <= PIPE_BUF, "a line must be one atomic write");

static const char journal_path_default[] = "/run/systemd/journal/socket";

enum {
	LOG_PREFIX_BYTES = 3,  /* "<6>" */
	LOG_AWAIT_PAUSES = 20, /* of 10 ms, for the journal at the end */
	/* One line, its fields and the names of both. */
	LOG_ENTRY_MAX_BYTES = 2 * LOG_LINE_MAX_BYTES,
};

/* A message with room for the prefix in front and the line end behind. */
struct log_line {
	size_t n_text;
	char bytes[LOG_LINE_MAX_BYTES];
};

/* A datagram for the journal. */
struct log_entry {
	size_t n;
	char bytes[LOG_ENTRY_MAX_BYTES];
};

static struct {
	enum log_target target; /* what works, not what was asked for */
	enum log_level level;
	const char *journal_path;
	int journal_fd;       /* -1: not open */
	int stderr_fd;        /* an open file of our own; -1: there is none, use 2 */
	bool is_socket;       /* is stderr a socket? */
	bool has_prefix;      /* does "<6>" go in front of a line on stderr? */
	uint64_t n_dropped;
	uint64_t n_unreported; /* of them, not said yet */
} state = {
	.target = LOG_TARGET_STDERR,
	.level = LOG_LEVEL_INFO,
	.journal_path = journal_path_default,
	.journal_fd = -1,
	.stderr_fd = -1,
};

static void log_open_stderr(void)
{
	struct stat st;

	state.stderr_fd = close_fd(state.stderr_fd);
	state.is_socket = false;
	state.has_prefix = isatty(STDERR_FILENO) == 0;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	state.is_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || !state.has_prefix)
		state.stderr_fd = open("/proc/self/fd/2",
				       O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Connected, so that a line costs no walk of the path; log_send_journal() connects again
 * when journald has been restarted with a new socket. */
static bool log_connect_journal(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(state.journal_path);

	state.journal_fd = close_fd(state.journal_fd);
	if (n >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, state.journal_path, n);
	state.journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (state.journal_fd < 0)
		return false;
	if (connect(state.journal_fd, (const struct sockaddr *)&address,
		    sizeof(address)) < 0) {
		state.journal_fd = close_fd(state.journal_fd);
		return false;
	}
	return true;
}

void log_set_journal_path(const char *path)
{
	state.journal_path = path ? path : journal_path_default;
}

void log_init(enum log_target target, enum log_level level)
{
	state.target = target;
	state.level = level;
	log_reopen();
	if (target == LOG_TARGET_JOURNAL && state.journal_fd < 0)
		state.target = LOG_TARGET_STDERR;
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_reopen(void)
{
	log_open_stderr();
	if (state.target == LOG_TARGET_JOURNAL)
		(void)log_connect_journal();
	else
		state.journal_fd = close_fd(state.journal_fd);
}

/* journald looks up in /proc which unit a datagram's sender belongs to, when it gets
 * around to reading it. A process that has ended by then belongs to none, and `journalctl
 * -u` does not show why it failed. So the last lines are waited for, until they are read
 * and a moment longer. */
static void log_await_journal(void)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int n_bytes = 1;

	for (int i = 0; i < LOG_AWAIT_PAUSES && n_bytes > 0; i++) {
		if (ioctl(state.journal_fd, SIOCOUTQ, &n_bytes) < 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

void log_done(void)
{
	if (state.journal_fd >= 0)
		log_await_journal();
	state.target = LOG_TARGET_STDERR;
	state.journal_fd = close_fd(state.journal_fd);
	state.stderr_fd = close_fd(state.stderr_fd);
	state.n_unreported = 0;
}

bool log_is_enabled(enum log_level level)
{
	return level <= state.level;
}

uint64_t log_n_dropped(void)
{
	return state.n_dropped;
}

/* Puts "..." over the end of a text of n >= 3 bytes, in front of a character or an escape
 * that would lose its tail. Gives the new length. */
static size_t log_end_in_dots(char *text, size_t n)
{
	size_t end = n - STRLEN("...");

	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	for (size_t i = 1; i < STRLEN("\\xNN") && i <= end; i++) {
		if (text[end - i] == '\\') {
			end -= i;
			break;
		}
	}
	memcpy(text + end, "...", STRLEN("..."));
	return end + STRLEN("...");
}

static void log_replace_controls(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	}
}

static _printf_(3, 0) void log_format(struct log_line *line, const char *pool,
				      const char *fmt, va_list args)
{
	/* The last byte is for the line end, which takes the place of the NUL. */
	size_t size = sizeof(line->bytes) - LOG_PREFIX_BYTES;
	char *text = line->bytes + LOG_PREFIX_BYTES;
	size_t n = 0;
	int r;

	if (pool)
		n = (size_t)snprintf(text, size, "pool %.*s: ", LOG_POOL_MAX_BYTES, pool);
	r = vsnprintf(text + n, size - n, fmt, args);
	if (r > 0)
		n += (size_t)r;
	if (n >= size)
		n = log_end_in_dots(text, size - 1);
	log_replace_controls(text, n);
	line->n_text = n;
}

/* A whole field or, where the entry is full, none. */
static void log_entry_put(struct log_entry *entry, const char *name, const char *value,
			  size_t n_value)
{
	size_t n_name = strlen(name);
	char *end = entry->bytes + entry->n;

	if (n_name + n_value + STRLEN("=\n") > sizeof(entry->bytes) - entry->n)
		return;
	memcpy(end, name, n_name);
	end[n_name] = '=';
	memcpy(end + n_name + 1, value, n_value);
	end[n_name + 1 + n_value] = '\n';
	entry->n += n_name + n_value + STRLEN("=\n");
}

static void log_entry_put_field(struct log_entry *entry, const char *name,
				const char *value)
{
	char text[LOG_FIELD_MAX_BYTES];
	size_t n = strnlen(value, sizeof(text));

	memcpy(text, value, n);
	if (n == sizeof(text) && value[n] != '\0')
		n = log_end_in_dots(text, n);
	log_replace_controls(text, n);
	log_entry_put(entry, name, text, n);
}

static bool log_send_journal(const struct log_entry *entry)
{
	ssize_t r = -1;

	if (state.journal_fd >= 0)
		r = send(state.journal_fd, entry->bytes, entry->n, MSG_NOSIGNAL);
	if (r < 0 && (state.journal_fd < 0 || errno == ECONNREFUSED) &&
	    log_connect_journal())
		r = send(state.journal_fd, entry->bytes, entry->n, MSG_NOSIGNAL);
	return r >= 0;
}

static bool log_write_journal(enum log_level level, const struct log_line *line,
			      const struct log_field *fields, size_t n_fields)
{
	const char priority = (char)('0' + (int)level);
	struct log_entry entry;

	entry.n = 0;
	log_entry_put(&entry, "PRIORITY", &priority, 1);
	log_entry_put_field(&entry, "SYSLOG_IDENTIFIER", "fpmgate");
	log_entry_put(&entry, "MESSAGE", line->bytes + LOG_PREFIX_BYTES, line->n_text);
	for (size_t i = 0; i < n_fields; i++) {
		if (fields[i].value)
			log_entry_put_field(&entry, fields[i].name, fields[i].value);
	}
	return log_send_journal(&entry);
}

/* To an open file that others have too and that may block. */
static ssize_t log_write_shared(const char *bytes, size_t n)
{
	struct pollfd writable = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&writable, 1, 0) != 1 || writable.revents != POLLOUT)
		return -1;
	return write(STDERR_FILENO, bytes, n);
}

static bool log_write_stderr(enum log_level level, struct log_line *line)
{
	const char prefix[] = { '<', (char)('0' + (int)level), '>' };
	size_t n = LOG_PREFIX_BYTES + line->n_text;
	char *start = line->bytes;
	ssize_t r;

	memcpy(start, prefix, sizeof(prefix));
	line->bytes[n++] = '\n';
	if (!state.has_prefix) {
		start += LOG_PREFIX_BYTES;
		n -= LOG_PREFIX_BYTES;
	}
	if (state.is_socket)
		r = send(STDERR_FILENO, start, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (state.stderr_fd >= 0)
		r = write(state.stderr_fd, start, n);
	else
		r = log_write_shared(start, n);
	return r == (ssize_t)n;
}

static bool log_write(enum log_level level, struct log_line *line,
		      const struct log_field *fields, size_t n_fields)
{
	if (state.target == LOG_TARGET_JOURNAL)
		return log_write_journal(level, line, fields, n_fields);
	return log_write_stderr(level, line);
}

static void log_report_dropped(void)
{
	struct log_line line;
	int n;

	n = snprintf(line.bytes + LOG_PREFIX_BYTES, sizeof(line.bytes) - LOG_PREFIX_BYTES,
		     "log: lines lost because they were not read in time: %" PRIu64,
		     state.n_unreported);
	line.n_text = n > 0 ? (size_t)n : 0;
	if (log_write(LOG_LEVEL_WARNING, &line, NULL, 0))
		state.n_unreported = 0;
}

static _printf_(5, 0) void log_vfields(enum log_level level, const char *pool,
				       const struct log_field *fields, size_t n_fields,
				       const char *fmt, va_list args)
{
	int saved_errno = errno;
	struct log_line line;

	if (!log_is_enabled(level))
		return;
	log_format(&line, pool, fmt, args);
	if (state.n_unreported > 0)
		log_report_dropped();
	if (!log_write(level, &line, fields, n_fields)) {
		state.n_dropped++;
		state.n_unreported++;
	}
	errno = saved_errno;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vfields(level, NULL, NULL, 0, fmt, args);
	va_end(args);
}

void log_pool(enum log_level level, const char *pool, const char *fmt, ...)
{
	const struct log_field field = { "FPMGATE_POOL", pool };
	va_list args;

	va_start(args, fmt);
	log_vfields(level, pool, &field, 1, fmt, args);
	va_end(args);
}

void log_fields(enum log_level level, const struct log_field *fields, size_t n,
		const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vfields(level, NULL, fields, n, fmt, args);
	va_end(args);
}

/* Length of the character at text, which has n > 0 bytes left, and its code point; 0 when
 * it is no UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
static size_t log_utf8_char(const unsigned char *text, size_t n, uint32_t *ret_char)
{
	/* By length: what the first byte is under its mask, and the least value. */
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = {
		{ 0, 1, 0 }, /* no byte is 1 under the mask 0 */
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	size_t length = 0;
	uint32_t value;

	while (length < ARRAY_SIZE(forms) &&
	       (text[0] & forms[length].mask) != forms[length].lead)
		length++;
	if (length == ARRAY_SIZE(forms) || length > n)
		return 0;
	value = text[0] & (uint8_t)~forms[length].mask;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < forms[length].least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*ret_char = value;
	return length;
}

static bool log_is_printable(uint32_t character)
{
	if (character < 0x7f)
		return character >= ' ' && character != '"' && character != '\'' &&
		       character != '\\';
	return character >= 0xa0 &&                             /* DEL and C1 */
	       !(character >= 0x2028 && character <= 0x202e) && /* lines, directions */
	       !(character >= 0x2066 && character <= 0x2069);   /* directions */
}

/* One character or one escaped byte at text, in at most 4 bytes. Gives how many bytes of
 * text it stands for. */
static size_t log_escape_step(const char *text, size_t n, char piece[4], size_t *ret_n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)text[0];
	uint32_t character = 0;
	size_t length = log_utf8_char((const unsigned char *)text, n, &character);

	if (length > 0 && log_is_printable(character)) {
		memcpy(piece, text, length);
		*ret_n = length;
		return length;
	}
	piece[0] = '\\';
	piece[1] = 'x';
	piece[2] = digits[byte >> 4];
	piece[3] = digits[byte & 0xf];
	*ret_n = 4;
	return 1;
}

size_t log_escape(char *out, size_t size, const char *text, size_t n)
{
	size_t n_out = 0, n_keep = 0; /* n_keep: up to here "..." still fits behind it */
	size_t n_piece, room;
	char piece[4];

	if (size == 0)
		return 0;
	room = size - 1;
	for (size_t i = 0; i < n;) {
		i += log_escape_step(text + i, n - i, piece, &n_piece);
		if (n_piece > room - n_out) {
			if (room >= STRLEN("...")) {
				memcpy(out + n_keep, "...", STRLEN("..."));
				n_keep += STRLEN("...");
			}
			out[n_keep] = '\0';
			return n_keep;
		}
		memcpy(out + n_out, piece, n_piece);
		n_out += n_piece;
		if (n_out + STRLEN("...") <= room)
			n_keep = n_out;
	}
	out[n_out] = '\0';
	return n_out;
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_us, uint64_t *ret_suppressed)
{
	*ret_suppressed = 0;
	if (limit->n_passed == 0 || now_us - limit->started_us >= limit->interval_us) {
		limit->started_us = now_us;
		limit->n_passed = 0;
	}
	if (limit->n_passed >= limit->burst) {
		limit->n_suppressed++;
		return false;
	}
	limit->n_passed++;
	*ret_suppressed = limit->n_suppressed;
	limit->n_suppressed = 0;
	return true;
}

uint64_t log_limit_take_rest(struct log_limit *limit, uint64_t now_us)
{
	uint64_t rest = limit->n_suppressed;

	if (now_us - limit->started_us < limit->interval_us)
		return 0;
	limit->n_suppressed = 0;
	return rest;
}
