/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What the tests of the relay share: a loop, a temporary directory, sockets, bytes.
 *
 * Everything runs in one thread: a test writes and reads its own ends without blocking
 * and lets the loop turn in between. On unix sockets what was written is readable in the
 * next turn, so most tests need no clock at all; relay_until() is for deadlines, and for
 * TCP.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <fastcgi.h>

#include "conf/conf.h"
#include "daemon/address.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/memory.h"
#include "fcgi/record.h"

/* One per program; relay_begin() in the setup of each test, relay_end() in its teardown.
 */
struct relay {
	struct loop *loop;
	struct memory memory;
	char dir[32];
	char path[64]; /* of a socket in dir */
};

static inline uint64_t relay_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static inline void relay_begin(struct relay *relay)
{
	*relay = (struct relay){ .dir = "/tmp/relayXXXXXX" };
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	assert_non_null(mkdtemp(relay->dir));
	snprintf(relay->path, sizeof(relay->path), "%s/fpm.sock", relay->dir);
	memory_init(&relay->memory, NULL, 64 << 20);
	assert_int_equal(loop_new(&relay->loop), 0);
}

/* Turns that do not wait. */
static inline void relay_turns(struct relay *relay, int n)
{
	while (n-- > 0)
		assert_true(loop_turn(relay->loop, 0) >= 0);
}

static inline void relay_settle(struct relay *relay)
{
	relay_turns(relay, 6);
}

/* Turns for so long. */
static inline void relay_run_ms(struct relay *relay, unsigned ms)
{
	uint64_t end_us = relay_clock_us() + ms * 1000ull, now_us;

	while ((now_us = relay_clock_us()) < end_us)
		assert_true(loop_turn(relay->loop, (int)((end_us - now_us) / 1000) + 1) >=
			    0);
}

/* Turns until it is so; fails when it is not after some time. */
#define relay_until(relay, is_so, ms) \
	do { \
		uint64_t end_us_ = relay_clock_us() + (ms) * 1000ull; \
		while (!(is_so) && relay_clock_us() < end_us_) \
			assert_true(loop_turn((relay)->loop, 5) >= 0); \
		assert_true(is_so); \
	} while (0)

/* Frees what was put off as well. Nothing may be booked any more. */
static inline void relay_end(struct relay *relay)
{
	relay_settle(relay);
	assert_int_equal(relay->memory.used, 0);
	relay->loop = loop_free(relay->loop);
	(void)unlink(relay->path);
	(void)rmdir(relay->dir);
}

/* A file of the temporary directory, to be unlinked by the test. Static. */
static inline char *relay_file(const struct relay *relay, const char *name)
{
	static char file[2][64];
	static unsigned i;

	i = !i;
	snprintf(file[i], sizeof(file[i]), "%s/%s", relay->dir, name);
	return file[i];
}

/* sockets */

static inline int relay_listen_path(const char *path, int backlog)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static inline int relay_listen(struct relay *relay, int backlog)
{
	return relay_listen_path(relay->path, backlog);
}

/* On 127.0.0.1; *ret_port is the one that the kernel chose, or what it is when not 0. */
static inline int relay_listen_tcp(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t n = sizeof(in);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(*ret_port);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static inline int relay_connect_path(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(un.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static inline int relay_connect_tcp(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* -1: nobody waits. */
static inline int relay_accept(int listen_fd)
{
	return accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline void relay_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, pair),
			 0);
}

static inline struct address relay_unix_address(const char *path)
{
	struct address address = { .n = sizeof(address.un) };

	address.un.sun_family = AF_UNIX;
	strcpy(address.un.sun_path, path);
	return address;
}

static inline struct address relay_tcp_address(uint16_t port)
{
	struct address address = { .n = sizeof(address.in) };

	address.in.sin_family = AF_INET;
	address.in.sin_port = htons(port);
	address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* bytes */

struct bytes {
	uint8_t *at;
	size_t n, size;
};

static inline void bytes_done(struct bytes *bytes)
{
	free(bytes->at);
	*bytes = (struct bytes){ 0 };
}

static inline void bytes_add(struct bytes *bytes, const void *data, size_t n)
{
	if (bytes->n + n > bytes->size) {
		bytes->size = (bytes->n + n) * 2;
		bytes->at = realloc(bytes->at, bytes->size);
		assert_non_null(bytes->at);
	}
	if (n > 0)
		memcpy(bytes->at + bytes->n, data, n);
	bytes->n += n;
}

static inline void bytes_add_record(struct bytes *bytes, uint8_t type, uint16_t id,
				    const void *data, size_t n, uint8_t n_padding)
{
	static const uint8_t padding[256];
	const struct fcgi_record record = {
		.type = type, .id = id, .n_content = (uint16_t)n, .n_padding = n_padding,
	};
	uint8_t header[FCGI_RECORD_HEADER_BYTES];

	fcgi_record_encode(&record, header);
	bytes_add(bytes, header, sizeof(header));
	bytes_add(bytes, data, n);
	bytes_add(bytes, padding, n_padding);
}

static inline void bytes_add_begin(struct bytes *bytes, uint16_t id, uint16_t role,
				   uint8_t flags)
{
	const uint8_t body[8] = { (uint8_t)(role >> 8), (uint8_t)role, flags };

	bytes_add_record(bytes, FCGI_BEGIN_REQUEST, id, body, sizeof(body), 0);
}

/* As FPM ends a request: what it never wrote is in the reserved bytes. */
static inline void bytes_add_end(struct bytes *bytes, uint16_t id)
{
	static const uint8_t body[8] = { 0, 0, 0, 0, 0, ')', ' ', 'i' };

	bytes_add_record(bytes, FCGI_END_REQUEST, id, body, sizeof(body), 0);
}

static inline void bytes_add_text(struct bytes *bytes, uint8_t type, uint16_t id,
				  const char *text)
{
	bytes_add_record(bytes, type, id, text, strlen(text), 0);
}

/* A pair of name and value, both shorter than 128 bytes. */
static inline void bytes_add_pair(struct bytes *bytes, const char *name,
				  const char *value)
{
	const uint8_t lengths[2] = { (uint8_t)strlen(name), (uint8_t)strlen(value) };

	bytes_add(bytes, lengths, sizeof(lengths));
	bytes_add(bytes, name, lengths[0]);
	bytes_add(bytes, value, lengths[1]);
}

/* Appends what can be read now. 0: nothing more for the moment, 1: the end, < 0: errno.
 */
static inline int bytes_recv(struct bytes *bytes, int fd)
{
	static uint8_t buffer[65536];
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		bytes_add(bytes, buffer, (size_t)n);
	if (n == 0)
		return 1;
	return errno == EAGAIN ? 0 : -errno;
}

/* Writes all of it; the socket has room. */
static inline void relay_send(int fd, const void *data, size_t n)
{
	assert_int_equal(send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT), (ssize_t)n);
}

static inline void bytes_send(struct bytes *bytes, int fd)
{
	relay_send(fd, bytes->at, bytes->n);
	bytes_done(bytes);
}

static inline bool bytes_has(const struct bytes *bytes, const char *text)
{
	return bytes->n > 0 && memmem(bytes->at, bytes->n, text, strlen(text)) != NULL;
}

/* Content of the records of one type and id, joined, as a new text. *ret_n_records counts
 * them, the empty ones too. */
static inline struct bytes bytes_content(const struct bytes *bytes, uint8_t type,
					 uint16_t id, unsigned *ret_n_records)
{
	struct bytes content = { 0 };
	struct fcgi_record record;

	*ret_n_records = 0;
	for (size_t at = 0; at + FCGI_RECORD_HEADER_BYTES <= bytes->n;) {
		if (fcgi_record_decode(bytes->at + at, &record) != 0)
			break;
		at += FCGI_RECORD_HEADER_BYTES;
		if (at + record.n_content > bytes->n)
			break;
		if (record.type == type && record.id == id) {
			bytes_add(&content, bytes->at + at, record.n_content);
			++*ret_n_records;
		}
		at += (size_t)record.n_content + record.n_padding;
	}
	return content;
}

/* Does the text of such records contain it? */
static inline bool bytes_says(const struct bytes *bytes, uint8_t type, uint16_t id,
			      const char *text)
{
	unsigned n_records;
	struct bytes content = bytes_content(bytes, type, id, &n_records);
	bool says = bytes_has(&content, text);

	bytes_done(&content);
	return says;
}

static inline unsigned bytes_n_records(const struct bytes *bytes, uint8_t type,
				       uint16_t id)
{
	unsigned n_records;
	struct bytes content = bytes_content(bytes, type, id, &n_records);

	bytes_done(&content);
	return n_records;
}

/* What the peer of this socket has not read. */
static inline int relay_outq(int fd)
{
	int n = 0;

	assert_int_equal(ioctl(fd, TIOCOUTQ, &n), 0);
	return n;
}

/* A request as a web server sends it, from BEGIN_REQUEST to the empty STDIN. */
static inline void bytes_add_request(struct bytes *bytes, uint16_t id, uint8_t flags,
				     const char *script, const char *body)
{
	struct bytes pairs = { 0 };
	char length[24];

	snprintf(length, sizeof(length), "%zu", strlen(body));
	bytes_add_pair(&pairs, "REQUEST_METHOD", body[0] ? "POST" : "GET");
	bytes_add_pair(&pairs, "SCRIPT_NAME", script);
	bytes_add_pair(&pairs, "SCRIPT_FILENAME", script);
	if (body[0])
		bytes_add_pair(&pairs, "CONTENT_LENGTH", length);
	bytes_add_begin(bytes, id, FCGI_RESPONDER, flags);
	bytes_add_record(bytes, FCGI_PARAMS, id, pairs.at, pairs.n, 0);
	bytes_add_record(bytes, FCGI_PARAMS, id, NULL, 0, 0);
	if (body[0])
		bytes_add_text(bytes, FCGI_STDIN, id, body);
	bytes_add_record(bytes, FCGI_STDIN, id, NULL, 0, 0);
	bytes_done(&pairs);
}
