/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* A request body: in memory up to a limit, then in an unlinked spool file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/macros.h"
#include "daemon/spool.h"

struct memory;

struct body {
	struct memory *memory;
	struct spool *spool;
	size_t memory_max;   /* bytes kept in memory */
	uint8_t *bytes;      /* NULL once the body is in the file */
	size_t size;         /* of bytes */
	int fd;              /* of the spool file, -1: none */
	uint64_t n;          /* content bytes so far */
};

enum body_result {
	BODY_MEMORY_FULL = 1, /* memory_max of the daemon or of the pool is reached */
	BODY_SPOOL_FULL,      /* spool_max is reached, or the disk is full */
};

/* Nothing is allocated before the first byte. */
void body_init(struct body *body, struct memory *memory, struct spool *spool,
	       size_t memory_max);
void body_done(struct body *body);

/* Appends. 0, BODY_MEMORY_FULL, BODY_SPOOL_FULL, or an errno of the spool file. After
 * anything but 0 the body is of no use any more. */
int body_add(struct body *body, const uint8_t *data, size_t n) _must_check_;
/* Does what comes next go to the spool file? (Its writes are rationed per turn.) */
bool body_is_spooled(const struct body *body);

/* The n bytes from offset on: where they are in memory, or read from the file to buffer.
 * NULL: the file cannot be read (errno says why). offset + n must not exceed body->n. */
const uint8_t *body_get(const struct body *body, uint64_t offset, size_t n,
			uint8_t *buffer);
