/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocations that live and die together. */
#include "conf/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct block {
	struct block *next;
	alignas(max_align_t) char bytes[];
};

struct conf_memory {
	struct block *blocks;
};

struct conf_memory *conf_memory_new(void)
{
	return calloc(1, sizeof(struct conf_memory));
}

struct conf_memory *conf_memory_free(struct conf_memory *memory)
{
	struct block *block = memory ? memory->blocks : NULL;

	while (block) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
	free(memory);
	return NULL;
}

void *conf_memory_take(struct conf_memory *memory, size_t n_bytes)
{
	struct block *block;

	if (n_bytes > SIZE_MAX - sizeof(*block))
		return NULL;
	block = calloc(1, sizeof(*block) + n_bytes);
	if (!block)
		return NULL;
	block->next = memory->blocks;
	memory->blocks = block;
	return block->bytes;
}

char *conf_memory_copy(struct conf_memory *memory, const char *text)
{
	size_t n_bytes = strlen(text) + 1;
	char *copy = conf_memory_take(memory, n_bytes);

	if (copy)
		memcpy(copy, text, n_bytes);
	return copy;
}
