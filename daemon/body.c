/* SPDX-License-Identifier: BSD-2-Clause */
/* A request body: in memory up to a limit, then in an unlinked spool file. */

#include "daemon/body.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/memory.h"

enum {
	BODY_FIRST_BYTES = 2048, /* first allocation: most forms fit */
};

void body_init(struct body *body, struct memory *memory, struct spool *spool,
	       size_t memory_max)
{
	*body = (struct body){
		.memory = memory,
		.spool = spool,
		.memory_max = memory_max,
		.fd = -1,
	};
}

static void body_free_memory(struct body *body)
{
	free(body->bytes);
	if (body->bytes)
		memory_give(body->memory, body->size);
	body->bytes = NULL;
	body->size = 0;
}

void body_done(struct body *body)
{
	body_free_memory(body);
	if (body->fd >= 0) {
		spool_take_back(body->spool, body->fd, body->n);
		body->fd = -1;
	}
	body->n = 0;
}

bool body_is_spooled(const struct body *body)
{
	return body->fd >= 0;
}

static int body_write(struct body *body, const uint8_t *data, size_t n)
{
	ssize_t written;

	if (n > body->spool->max - MIN(body->spool->used, body->spool->max))
		return BODY_SPOOL_FULL;
	body->spool->used += n;
	body->n += n;
	for (; n > 0; data += written, n -= (size_t)written) {
		written = write(body->fd, data, n);
		if (written < 0 && errno == EINTR)
			written = 0;
		if (written < 0)
			return errno == ENOSPC || errno == EDQUOT ? BODY_SPOOL_FULL :
								    -errno;
	}
	return 0;
}

/* From memory to a file. The name is gone before the first byte is there. */
static int body_start_spool(struct body *body)
{
	size_t n = (size_t)body->n;
	int r;

	body->fd = open(body->spool->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (body->fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? BODY_SPOOL_FULL : -errno;
	body->spool->n_files++;
	body->n = 0;
	r = body_write(body, body->bytes, n);
	body_free_memory(body);
	return r;
}

static int body_grow(struct body *body, size_t need)
{
	size_t size = MAX(body->size * 2, (size_t)BODY_FIRST_BYTES);
	uint8_t *bytes;

	size = MIN(MAX(size, need), body->memory_max);
	assert(size >= need);
	if (!memory_take(body->memory, size - body->size)) {
		size = need; /* no room to grow, perhaps for what is needed now */
		if (!memory_take(body->memory, size - body->size))
			return BODY_MEMORY_FULL;
	}
	bytes = realloc(body->bytes, size);
	if (!bytes) {
		memory_give(body->memory, size - body->size);
		return BODY_MEMORY_FULL;
	}
	body->bytes = bytes;
	body->size = size;
	return 0;
}

int body_add(struct body *body, const uint8_t *data, size_t n)
{
	int r;

	if (body->fd < 0 && n > body->memory_max - (size_t)body->n) {
		r = body_start_spool(body);
		if (r != 0)
			return r;
	}
	if (body->fd >= 0)
		return body_write(body, data, n);
	if (n > body->size - (size_t)body->n) {
		r = body_grow(body, (size_t)body->n + n);
		if (r != 0)
			return r;
	}
	memcpy(body->bytes + body->n, data, n);
	body->n += n;
	return 0;
}

const uint8_t *body_get(const struct body *body, uint64_t offset, size_t n,
			uint8_t *buffer)
{
	size_t got = 0;
	ssize_t r;

	assert(offset <= body->n && n <= body->n - offset);
	if (body->fd < 0)
		return body->bytes + offset;
	while (got < n) {
		r = pread(body->fd, buffer + got, n - got, (off_t)(offset + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO;
		if (r <= 0)
			return NULL;
		got += (size_t)r;
	}
	return buffer;
}
