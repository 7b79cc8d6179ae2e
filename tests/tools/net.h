/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets, clocks and number parsing shared by the test tools. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Where to connect or listen: AF_UNIX (path or abstract), AF_INET or AF_INET6. */
struct net_address {
	struct sockaddr_storage storage;
	socklen_t n_bytes;
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME in microseconds. */
uint64_t net_now_us(void);
uint64_t net_wall_us(void);

/*
 * Each fills *ret_address and returns 0, or -ENAMETOOLONG / -EINVAL when the text is no
 * such address. tcp takes "PORT" (on 127.0.0.1), "1.2.3.4:PORT" or "[::1]:PORT"; any
 * takes "/path", "unix:/path", "@abstract" or what tcp takes.
 */
int net_address_unix(const char *path, struct net_address *ret_address);
int net_address_abstract(const char *name, struct net_address *ret_address);
int net_address_tcp(const char *text, struct net_address *ret_address);
int net_address_any(const char *text, struct net_address *ret_address);

/*
 * Starts a non-blocking connect. Returns the descriptor (TCP_NODELAY on TCP) with
 * *ret_pending true while the handshake still runs, or a negative errno.
 */
int net_connect_start(const struct net_address *address, bool *ret_pending);

/*
 * Connects and waits for it. Returns a non-blocking descriptor, or a negative errno:
 * what connect() said, -ETIMEDOUT after deadline_us (CLOCK_MONOTONIC).
 */
int net_connect(const struct net_address *address, uint64_t deadline_us);

/*
 * Listens; an AF_UNIX path that exists as a socket is replaced, and everybody may connect
 * (the directory decides). Returns a blocking CLOEXEC descriptor or a negative errno.
 */
int net_listen(const struct net_address *address, int backlog);

/* The TCP port a socket is bound to, 0 on AF_UNIX. */
unsigned int net_bound_port(int fd);

/* Waits for events (POLLIN ...). Returns revents, or 0 when deadline_us has passed. */
int net_wait(int fd, short events, uint64_t deadline_us);

/* Writes all of it. Returns 0, -ETIMEDOUT, or what send() said (never a SIGPIPE). */
int net_write(int fd, const void *data, size_t n_bytes, uint64_t deadline_us);

/*
 * Reads up to n_bytes, waiting for the first of them. Returns the count, 0 at the end of
 * the stream, -ETIMEDOUT, or what recv() said.
 */
ssize_t net_read(int fd, void *data, size_t n_bytes, uint64_t deadline_us);

/*
 * Closes so that the peer sees a reset where the family can do it: SO_LINGER 0 on TCP; on
 * AF_UNIX the peer gets ECONNRESET only if bytes of its own are still unread here.
 * Returns true if the peer will see one.
 */
bool net_close_by_reset(int fd);

/* Drops what has arrived already, then closes: the peer sees a clean end of stream. */
void net_close_cleanly(int fd);

/* Sleeps, also across signals. */
void net_sleep_us(uint64_t usec);

/* Raises RLIMIT_NOFILE to its hard limit; returns the limit that holds now. */
size_t net_raise_n_files(void);

/*
 * A decimal number between min and max for the option named what; anything else is a
 * sentence on stderr and exit(64).
 */
uint64_t net_number(const char *text, uint64_t min, uint64_t max, const char *what);

/* A sentence on stderr, prefixed by the program's name, and exit(64). */
__attribute__((noreturn, format(printf, 1, 2))) void net_usage(const char *format, ...);

/*
 * Decodes hex digits (spaces and colons between them allowed), or with a leading '@' the
 * contents of that file. Returns malloc'ed bytes, the caller frees; exit(64) on nonsense.
 */
uint8_t *net_hex(const char *text, size_t *ret_n_bytes);

/* The whole file, malloc'ed, the caller frees; exit(64) if it cannot be read. */
uint8_t *net_file(const char *path, size_t *ret_n_bytes);

/*
 * Writes text to out with backslash, control bytes and bytes above 126 as \\, \n, \r, \t
 * or \xHH, so that any peer text stays on one line.
 */
void net_put_escaped(FILE *out, const void *text, size_t n_bytes);
