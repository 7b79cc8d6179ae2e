/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The bytes of one request on their way to PHP-FPM, written as the socket takes them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body;

/* The parts. Their owner keeps them until the wire is done with. */
struct request_parts {
	uint16_t id;
	const uint8_t *params;  /* framed PARAMS records, without the terminator */
	size_t n_params;
	uint8_t tail[96];       /* a last PARAMS record and the terminator */
	size_t n_tail;
	const struct body *body;
};

enum request_wire_result {
	REQUEST_WIRE_AGAIN = 1, /* the socket is full */
	REQUEST_WIRE_MORE,      /* enough for one turn of the loop: call again */
};

struct request_wire {
	const struct request_parts *parts;
	uint8_t front[48];  /* a hello, BEGIN_REQUEST */
	size_t n_front;
	size_t n_first; /* bytes of the front that are a write of their own; 0: none */
	uint64_t at, n;     /* bytes sent, bytes in all */
	uint64_t end; /* to be sent for now: n, or n_first until a worker has accepted */
	unsigned n_writes;
};

/* `waits`: only the first write goes out, until request_wire_go(); PHP-FPM drops a
 * connection that ends there, so until then the request can be taken back. The hello is a
 * GET_VALUES record in front. On a connection that a worker has just taken over
 * (`is_fresh`) the first record is a write of its own: when that has been read, a worker
 * has accepted. */
void request_wire_init(struct request_wire *wire, const struct request_parts *parts,
		       bool is_fresh, bool has_hello, bool keep_conn, bool waits);
void request_wire_go(struct request_wire *wire);
/* Has anything of the request been sent but its first write? */
bool request_wire_has_begun(const struct request_wire *wire);
/* Sends until everything up to `end` is out (0) or the socket is full
 * (REQUEST_WIRE_AGAIN) or 256 KiB have gone (REQUEST_WIRE_MORE); or the errno of
 * sendmsg(), or of reading the spool file (-EIO and the like: the rest of the request is
 * lost). `scratch` has LOOP_SCRATCH_BYTES. */
int request_wire_send(struct request_wire *wire, int fd, uint8_t *scratch);
/* What the whole request is charged with while no worker has read any of it (outq.h); 0:
 * not known. */
int request_wire_charge(const struct request_wire *wire);
