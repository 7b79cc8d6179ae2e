/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Allocations that live and die together: everything a struct conf points to. */

#include <stddef.h>

struct conf_memory;

/* NULL: no memory. */
struct conf_memory *conf_memory_new(void);
/* Frees every allocation; returns NULL; takes NULL. */
struct conf_memory *conf_memory_free(struct conf_memory *memory);

/* Zeroed bytes that end with the whole, or NULL. 0 bytes are an empty allocation. */
void *conf_memory_take(struct conf_memory *memory, size_t n_bytes);
/* A copy of the text that ends with the whole, or NULL. */
char *conf_memory_copy(struct conf_memory *memory, const char *text);
