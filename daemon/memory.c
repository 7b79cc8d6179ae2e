/* SPDX-License-Identifier: BSD-2-Clause */
/* An account of bytes that peers can make us hold. */

#include "daemon/memory.h"

#include <assert.h>

void memory_init(struct memory *memory, struct memory *parent, size_t max_bytes)
{
	*memory = (struct memory){ .parent = parent, .max = max_bytes };
}

bool memory_take(struct memory *memory, size_t n)
{
	for (struct memory *m = memory; m; m = m->parent)
		if (m->used > m->max || n > m->max - m->used)
			return false;
	memory_add(memory, n);
	return true;
}

void memory_add(struct memory *memory, size_t n)
{
	for (struct memory *m = memory; m; m = m->parent) {
		m->used += n;
		if (m->used > m->peak)
			m->peak = m->used;
	}
}

void memory_give(struct memory *memory, size_t n)
{
	for (struct memory *m = memory; m; m = m->parent) {
		assert(m->used >= n);
		m->used -= n;
	}
}

bool memory_is_tight(const struct memory *memory)
{
	for (const struct memory *m = memory; m; m = m->parent)
		if (m->used > m->max - m->max / 8)
			return true;
	return false;
}
