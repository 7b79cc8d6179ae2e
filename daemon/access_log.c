/* SPDX-License-Identifier: BSD-2-Clause */
/* One JSON line per request. */

#include "daemon/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/macros.h"

enum {
	ACCESS_LOG_LINE_BYTES = 4096,
	ACCESS_LOG_TEXT_BYTES = 600, /* of one text, escaped; five of them fit a line */
};

int access_log_init(struct access_log *access_log, enum conf_sink sink, const char *file)
{
	access_log->sink = sink;
	access_log->fd = -1;
	if (sink == CONF_SINK_STDERR)
		access_log->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (sink == CONF_SINK_FILE)
		access_log->fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
						    O_NONBLOCK | O_NOCTTY, 0640);
	else
		return 0;
	return access_log->fd < 0 ? -errno : 0;
}

void access_log_done(struct access_log *access_log)
{
	access_log->fd = close_fd(access_log->fd);
}

bool access_log_is_on(const struct access_log *access_log)
{
	return access_log->sink == CONF_SINK_STDERR || access_log->sink == CONF_SINK_FILE;
}

/* How many bytes of UTF-8 begin here; 0: none that are valid. */
static size_t access_log_utf8(const unsigned char *text, size_t n)
{
	static const unsigned first_legal[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	unsigned code = text[0] & (0x7fu >> length);

	if (text[0] < 0xc2 || text[0] > 0xf4 || n < length)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (code < first_legal[length] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}

/* One character of a peer's text in JSON; bytes that are no UTF-8 stand as the code point
 * of the byte. Returns the bytes of the text used. */
static size_t access_log_escape(const unsigned char *text, size_t n, char out[8])
{
	size_t length = 1;

	if (text[0] >= 0x80 && (length = access_log_utf8(text, n)) > 0) {
		memcpy(out, text, length);
		out[length] = '\0';
		return length;
	}
	if (text[0] < 0x20 || text[0] >= 0x7f || text[0] == '"' || text[0] == '\\')
		snprintf(out, 8, "\\u%04x", text[0]);
	else
		snprintf(out, 8, "%c", text[0]);
	return 1;
}

/* A string with its quotes, or null. */
static const char *access_log_quote(struct access_log_text text,
				    char out[ACCESS_LOG_TEXT_BYTES])
{
	size_t n_out = 1, n_piece;
	char piece[8];

	if (!text.text)
		return "null";
	out[0] = '"';
	for (size_t i = 0; i < text.n;) {
		i += access_log_escape((const unsigned char *)text.text + i, text.n - i,
				       piece);
		n_piece = strlen(piece);
		if (n_out + n_piece + 2 > ACCESS_LOG_TEXT_BYTES)
			break;
		memcpy(out + n_out, piece, n_piece);
		n_out += n_piece;
	}
	out[n_out] = '"';
	out[n_out + 1] = '\0';
	return out;
}

static void access_log_time(uint64_t wall_us, char out[32])
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%06uZ", (unsigned)(wall_us % 1000000));
}

void access_log_write(struct access_log *access_log, const struct access_log_entry *entry)
{
	char line[ACCESS_LOG_LINE_BYTES], wall[32];
	char client[ACCESS_LOG_TEXT_BYTES], method[ACCESS_LOG_TEXT_BYTES];
	char host[ACCESS_LOG_TEXT_BYTES], uri[ACCESS_LOG_TEXT_BYTES];
	char script[ACCESS_LOG_TEXT_BYTES];
	int n;

	access_log_time(entry->wall_us, wall);
	n = snprintf(
		line, sizeof(line),
		"{\"time\":\"%s\",\"id\":\"%s\",\"pool\":\"%s\",\"client\":%s,"
		"\"method\":%s,\"host\":%s,\"uri\":%s,\"script\":%s,\"status\":%u,"
		"\"bytes\":%" PRIu64 ",\"queue_us\":%" PRIu64 ",\"connect_us\":%" PRIu64
		",\"first_byte_us\":%" PRIu64 ",\"total_us\":%" PRIu64
		",\"worker\":%d,\"replayed\":%u,\"reason\":\"%s\"}\n",
		wall, entry->id, entry->pool, access_log_quote(entry->client, client),
		access_log_quote(entry->method, method),
		access_log_quote(entry->host, host), access_log_quote(entry->uri, uri),
		access_log_quote(entry->script, script), entry->status, entry->n_bytes,
		entry->queue_us, entry->connect_us, entry->first_byte_us, entry->total_us,
		(int)entry->worker, entry->n_replays, entry->reason);
	if (n < 0 || (size_t)n >= sizeof(line) || access_log->fd < 0 ||
	    write(access_log->fd, line, (size_t)n) != n)
		access_log->n_lost++;
}
