/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * An account of bytes that peers can make us hold: params, bodies, output.
 *
 * Accounts form a chain: a pool's counts into the daemon's. Only what is taken through
 * memory_take() is refused at the limit; memory_add() books what cannot be refused any
 * more and may go over it, so every caller of memory_add() is bounded by itself.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/macros.h"

struct memory {
	struct memory *parent; /* NULL at the top */
	size_t used, max;      /* bytes */
	size_t peak;
};

void memory_init(struct memory *memory, struct memory *parent, size_t max_bytes);
/* Books n bytes in the whole chain, or in none: false when one is at its limit. */
bool memory_take(struct memory *memory, size_t n) _must_check_;
void memory_add(struct memory *memory, size_t n);
void memory_give(struct memory *memory, size_t n);
/* Is one of the chain more than seven eighths full? */
bool memory_is_tight(const struct memory *memory);
