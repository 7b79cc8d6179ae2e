/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The files of request bodies that are too big for memory: one account for the daemon. */

#include <stdint.h>

#include "daemon/list.h"
#include "daemon/loop.h"

struct spool {
	const char *dir;         /* where the files are made */
	uint64_t used, max;      /* bytes in all of them */
	unsigned n_files;
	struct loop *loop;       /* NULL: files are closed at once, whatever it takes */
	struct loop_task shrink;
	struct list old;         /* files that no body needs, while they are shrunk */
};

/* dir and loop are borrowed until spool_done(). */
void spool_init(struct spool *spool, struct loop *loop, const char *dir, uint64_t max);
/* Closes what is still being shrunk. Every body is done. Harmless on one that is zero. */
void spool_done(struct spool *spool);

/* Takes a file of n bytes that is not needed any more, all of them booked in `used`. They
 * are free at once when they are few, else a step in each turn of the loop. */
void spool_take_back(struct spool *spool, int fd, uint64_t n);
