/* SPDX-License-Identifier: BSD-2-Clause */
/* A non-blocking stream socket with a queue of output. */

#include "daemon/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	STREAM_CHUNK_BYTES = 16 * 1024 - 64, /* with its head below malloc's 16 KiB */
	STREAM_IOV = 32,
	STREAM_SPARE = 64, /* chunks kept for reuse by all streams, 1 MiB */
};

struct stream_chunk {
	struct stream_chunk *next;
	size_t begin, end; /* what waits is bytes[begin .. end) */
	uint8_t bytes[STREAM_CHUNK_BYTES];
};

/* Chunks live for a turn in most cases: a few are kept so that the relay does not
 * allocate. One thread, so one list. */
static struct stream_chunk *stream_spare;
static size_t stream_n_spare;

static struct stream_chunk *stream_chunk_new(struct memory *memory)
{
	struct stream_chunk *chunk = stream_spare;

	if (chunk) {
		stream_spare = chunk->next;
		stream_n_spare--;
	} else {
		chunk = malloc(sizeof(*chunk));
		if (!chunk)
			return NULL;
	}
	chunk->next = NULL;
	chunk->begin = chunk->end = 0;
	memory_add(memory, sizeof(*chunk));
	return chunk;
}

static void stream_chunk_free(struct memory *memory, struct stream_chunk *chunk)
{
	memory_give(memory, sizeof(*chunk));
	if (stream_n_spare < STREAM_SPARE) {
		chunk->next = stream_spare;
		stream_spare = chunk;
		stream_n_spare++;
	} else {
		free(chunk);
	}
}

int stream_init(struct stream *stream, struct loop *loop, struct memory *memory, int fd,
		uint32_t events,
		void (*on_ready)(struct loop_source *source, uint32_t events))
{
	int r;

	*stream = (struct stream){
		.loop = loop,
		.memory = memory,
		.source = { .fd = fd, .on_ready = on_ready },
		.has_creds = true,
	};
	r = loop_add(loop, &stream->source, events);
	if (r < 0)
		stream->source.fd = close_fd(fd);
	return r;
}

void stream_done(struct stream *stream)
{
	struct stream_chunk *chunk;

	if (!stream->loop)
		return;
	while ((chunk = stream->head)) {
		stream->head = chunk->next;
		stream_chunk_free(stream->memory, chunk);
	}
	stream->tail = NULL;
	stream->n_out = 0;
	loop_remove(stream->loop, &stream->source);
	stream->source.fd = close_fd(stream->source.fd);
}

void stream_ask_creds(struct stream *stream)
{
	const int on = 1;

	if (setsockopt(stream->source.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0)
		stream->has_creds = false;
}

/* The first bytes come with the pid of the process that wrote them. A message of 0 bytes
 * (the end) carries pid 0, which says nothing. */
static ssize_t stream_recv_with_creds(struct stream *stream, size_t max)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { loop_scratch(stream->loop), max };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(stream->source.fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg;
	struct ucred creds;

	if (n <= 0)
		return n;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_CREDENTIALS) {
		memcpy(&creds, CMSG_DATA(cmsg), sizeof(creds));
		stream->pid = creds.pid;
	}
	stream->has_creds = true;
	return n;
}

int stream_read(struct stream *stream, size_t max, size_t *ret_n)
{
	ssize_t n;

	if (stream->has_creds)
		n = recv(stream->source.fd, loop_scratch(stream->loop), max, 0);
	else
		n = stream_recv_with_creds(stream, max);
	if (n > 0) {
		*ret_n = (size_t)n;
		return 0;
	}
	if (n == 0)
		return STREAM_EOF;
	return errno == EAGAIN || errno == EINTR ? STREAM_AGAIN : -errno;
}

bool stream_put(struct stream *stream, const void *data, size_t n)
{
	const uint8_t *bytes = data;
	size_t part;

	while (n > 0) {
		struct stream_chunk *tail = stream->tail;

		if (!tail || tail->end == STREAM_CHUNK_BYTES) {
			tail = stream_chunk_new(stream->memory);
			if (!tail)
				return false;
			*(stream->tail ? &stream->tail->next : &stream->head) = tail;
			stream->tail = tail;
		}
		part = MIN(n, STREAM_CHUNK_BYTES - tail->end);
		memcpy(tail->bytes + tail->end, bytes, part);
		tail->end += part;
		stream->n_out += part;
		bytes += part;
		n -= part;
	}
	return true;
}

static void stream_drop_sent(struct stream *stream, size_t n)
{
	stream->n_out -= n;
	while (n > 0) {
		struct stream_chunk *chunk = stream->head;
		size_t part = MIN(n, chunk->end - chunk->begin);

		chunk->begin += part;
		n -= part;
		if (chunk->begin < chunk->end)
			return;
		stream->head = chunk->next;
		if (!stream->head)
			stream->tail = NULL;
		stream_chunk_free(stream->memory, chunk);
	}
}

int stream_flush(struct stream *stream)
{
	struct iovec iov[STREAM_IOV];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	while (stream->n_out > 0) {
		msg.msg_iovlen = 0;
		for (struct stream_chunk *chunk = stream->head;
		     chunk && msg.msg_iovlen < STREAM_IOV; chunk = chunk->next) {
			iov[msg.msg_iovlen].iov_base = chunk->bytes + chunk->begin;
			iov[msg.msg_iovlen++].iov_len = chunk->end - chunk->begin;
		}
		n = sendmsg(stream->source.fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? STREAM_AGAIN : -errno;
		stream_drop_sent(stream, (size_t)n);
	}
	return 0;
}
