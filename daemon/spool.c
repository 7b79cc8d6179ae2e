/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of request bodies that are too big for memory. */

/*
 * The last close() of a file without a name gives all its pages and blocks back before it
 * returns: 35 to 70 ms for 1 GB, in which nobody else would be served. So a big one is
 * made shorter first, by a step in each turn of the loop (less than 1 ms).
 */

#include "daemon/spool.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/macros.h"

enum {
	SPOOL_STEP_BYTES = 8 << 20, /* given back in one turn */
};

/* A file that no body needs any more. */
struct spool_file {
	struct list node;
	int fd;
	uint64_t n;
};

static void spool_close(struct spool *spool, int fd, uint64_t n)
{
	(void)close_fd(fd);
	spool->used -= n;
	spool->n_files--;
}

static void spool_end_file(struct spool *spool, struct spool_file *file)
{
	spool_close(spool, file->fd, file->n);
	list_remove(&file->node);
	free(file);
}

static void spool_run_shrink(struct loop_task *task)
{
	struct spool *spool = container_of(task, struct spool, shrink);
	struct spool_file *file = LIST_FIRST(&spool->old, struct spool_file, node);

	if (file->n > SPOOL_STEP_BYTES &&
	    ftruncate(file->fd, (off_t)(file->n - SPOOL_STEP_BYTES)) == 0) {
		file->n -= SPOOL_STEP_BYTES;
		spool->used -= SPOOL_STEP_BYTES;
	} else {
		spool_end_file(spool, file);
	}
	if (!list_is_empty(&spool->old))
		loop_defer(spool->loop, &spool->shrink);
}

void spool_take_back(struct spool *spool, int fd, uint64_t n)
{
	struct spool_file *file = NULL;

	if (spool->loop && n > SPOOL_STEP_BYTES)
		file = malloc(sizeof(*file));
	if (!file) {
		spool_close(spool, fd, n);
		return;
	}
	*file = (struct spool_file){ .fd = fd, .n = n };
	list_append(&spool->old, &file->node);
	loop_defer(spool->loop, &spool->shrink);
}

void spool_init(struct spool *spool, struct loop *loop, const char *dir, uint64_t max)
{
	*spool = (struct spool){
		.dir = dir,
		.max = max,
		.loop = loop,
		.shrink.run = spool_run_shrink,
	};
	list_init(&spool->old);
}

void spool_done(struct spool *spool)
{
	struct spool_file *file;

	if (!spool->loop)
		return;
	loop_cancel(&spool->shrink);
	while ((file = LIST_FIRST(&spool->old, struct spool_file, node)))
		spool_end_file(spool, file);
}
