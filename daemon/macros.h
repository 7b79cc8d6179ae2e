/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The few macros that daemon/ shares: attributes, clean-up, arithmetic, container_of.
 * The leaf rooms do without.
 */

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _must_check_ __attribute__((warn_unused_result))
#define _unused_ __attribute__((unused))

/* Runs f(&variable) when the variable goes out of scope. To keep what it holds, take it
 * out first: steal_ptr(), steal_fd(). */
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(free_ptrp)
#define _cleanup_close_ _cleanup_(close_fdp)

/* MIN and MAX look at each argument once; <sys/param.h> has two that do not. They are
 * statements inside an expression: not for array sizes and other constants. */
#undef MIN
#undef MAX
#define MIN(a, b) MACROS_PICK(<, a, b, __COUNTER__)
#define MAX(a, b) MACROS_PICK(>, a, b, __COUNTER__)
#define MACROS_PICK(op, a, b, n) MACROS_PICK_NAMED(op, a, b, n)
#define MACROS_PICK_NAMED(op, a, b, n) \
	({ \
		__auto_type pick_a_##n = (a); \
		__auto_type pick_b_##n = (b); \
		pick_a_##n op pick_b_##n ? pick_a_##n : pick_b_##n; \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Length of a string literal, as a constant. */
#define STRLEN(literal) (sizeof("" literal "") - 1)

/* The struct that holds the member *pointer. */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/* The value, and NULL or -1 left behind in the variable: ends what _cleanup_ would do. */
#define steal_ptr(pointer) \
	({ \
		__auto_type stolen_ = (pointer); \
		(pointer) = NULL; \
		stolen_; \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Closes a descriptor that may be -1. Gives -1: fd = close_fd(fd). An error of close()
 * says nothing that could be acted on here, and Linux has closed it all the same. */
static inline int close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static inline void close_fdp(int *fd)
{
	(void)close_fd(*fd);
}

static inline void free_ptrp(void *pointer)
{
	free(*(void **)pointer);
}
