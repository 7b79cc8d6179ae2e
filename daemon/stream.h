/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A non-blocking stream socket with a queue of output. Knows nothing of FastCGI.
 *
 * Input is read into the loop's scratch memory and handled at once; a stream keeps none.
 * Output that the socket does not take waits in chunks, which are booked in an account.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/loop.h"
#include "daemon/memory.h"

enum stream_result {
	STREAM_AGAIN = 1, /* nothing to read now, or the socket is full */
	STREAM_EOF,       /* the peer has shut its side down */
};

struct stream_chunk;

struct stream {
	struct loop *loop;
	struct loop_source source; /* its fd is the socket; the stream owns it */
	struct memory *memory;
	struct stream_chunk *head, *tail;
	size_t n_out;              /* bytes in the queue */
	bool has_creds;            /* pid below is known, or not asked for */
	pid_t pid; /* of the peer process that wrote first; 0: not known */
};

/* Takes fd, also on failure. Events go to on_ready. 0 or an errno of epoll_ctl(). */
int stream_init(struct stream *stream, struct loop *loop, struct memory *memory, int fd,
		uint32_t events,
		void (*on_ready)(struct loop_source *source, uint32_t events));
/* Closes; output that waits is dropped. Harmless on one that is zero or done. */
void stream_done(struct stream *stream);

/* Asks for the writer's pid with the first bytes (SO_PASSCRED; unix sockets). To be
 * called after connect(): before it the socket would be bound to an abstract name. */
void stream_ask_creds(struct stream *stream);

/* Reads at most max bytes (<= LOOP_SCRATCH_BYTES) to the loop's scratch memory. 0 and
 * *ret_n > 0 bytes; STREAM_AGAIN; STREAM_EOF; or an errno of recv(). */
int stream_read(struct stream *stream, size_t max, size_t *ret_n);

/* Copies n bytes to the end of the queue. Nothing is sent
 * until stream_flush(). False: no memory, and
 * part of it may be queued: the stream is of no use any more. */
bool stream_put(struct stream *stream, const void *data, size_t n) _must_check_;

/* Sends what it can. 0: the queue is empty; STREAM_AGAIN: an EPOLLOUT edge will tell; or
 * the errno of send(). */
int stream_flush(struct stream *stream);
