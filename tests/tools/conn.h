/* SPDX-License-Identifier: BSD-2-Clause */
/* One accepted connection of the scripted responder: what it reads, writes and logs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/tools/record.h"

/* One request as far as it has been read. */
struct request {
	uint16_t id;
	uint16_t role;
	uint8_t flags;
	bool is_begun;
	bool has_params;
	bool is_complete;
	bool is_answered;
	uint64_t content_length;
	uint64_t n_stdin;
	struct record_bytes params;
};

/* A connection: how it writes from now on, what it has seen, why it ended. */
struct conn {
	int fd;			/* -1 once a step has closed it */
	unsigned int number;
	int log_fd;		/* -1: no log */
	uint8_t version;
	uint16_t id;		/* 0: the peer's */
	int padding;		/* -1: up to a multiple of 8 */
	size_t chunk;		/* content bytes per record */
	size_t split;		/* bytes per write() */
	bool is_old_php;	/* closes behind an answered GET_VALUES */
	bool again;		/* the next step is the first one */
	unsigned int n_requests;
	unsigned int n_values;
	unsigned int n_split_pairs;
	unsigned int n_oversize;
	unsigned int n_padded_ends;
	unsigned int n_foreign_ids;
	const char *why;	/* why the connection ended; NULL: it has not */
	struct request request;
};

/* One line into the log, prefixed with the connection's number. */
__attribute__((format(printf, 2, 3)))
void conn_log(const struct conn *conn, const char *format, ...);

/* Ends the script; the first reason given stays. */
void conn_end(struct conn *conn, const char *why);

/* What a result of net_read() means, in words. */
const char *conn_error(long r);

/* Writes as conn->split says, for as long as the peer takes; an error ends the script. */
void conn_write(struct conn *conn, const void *data, size_t n_bytes);

/* Writes one record with the version, id and padding that hold now. */
void conn_put(struct conn *conn, uint8_t type, const void *content, size_t n);

/* Writes n_bytes of a pattern in records of conn->chunk. */
void conn_fill(struct conn *conn, uint8_t type, uint64_t n_bytes);

/* Reads and drops exactly n_bytes. */
void conn_drop(struct conn *conn, uint64_t n_bytes);

/*
 * Reads records until the request is there as far as until says: "params", "fpm" or
 * "request". The next request begins if the one before is complete or answered.
 */
void conn_read_until(struct conn *conn, const char *until);
