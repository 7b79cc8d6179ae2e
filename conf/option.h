/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One row of the option tables and what can be done with it: store and compare
 * (printing is conf/option_text.h).
 *
 * A row knows where its value stands in its object (struct conf, struct conf_pool), so
 * that these few functions serve every option.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_memory;
struct conf_why;

enum conf_type {
	CONF_BOOL,      /* bool */
	CONF_INTEGER,   /* unsigned or size_t */
	CONF_DURATION,  /* uint64_t of microseconds */
	CONF_SIZE,      /* uint64_t of bytes */
	CONF_MODE,      /* int; -1: not given */
	CONF_ENUM,      /* an enum */
	CONF_STRING,    /* char *, "" allowed */
	CONF_PATH,      /* char *, "" allowed */
	CONF_ADDRESS,   /* struct conf_address; "" is CONF_ADDRESS_NONE */
	CONF_SINK,      /* enum conf_sink and the char * of its file */
	CONF_ADDRESSES, /* array of struct conf_address and its size_t */
	CONF_NETWORKS,  /* array of struct conf_network and its size_t */
	CONF_STRINGS,   /* char **, NULL-terminated */
};

enum {
	CONF_OPTION_RESTART = 1 << 0, /* a reload cannot change it */
	CONF_OPTION_OWN = 1 << 1,     /* not in `defaults`: each pool has its own */
	CONF_OPTION_ZERO = 1 << 2,    /* 0 is allowed below min: off, none, no limit */
	CONF_OPTION_AUTO = 1 << 3,    /* "auto" is allowed and stored as 0 */
	CONF_OPTION_FILLED = 1 << 4,  /* "" is not allowed */
};

/* A word of an enum or sink; tables end with a NULL word. */
struct conf_word {
	const char *word;
	int value;
};

struct conf_option {
	const char *name;    /* with its group: "queue.size" */
	enum conf_type type;
	unsigned flags;      /* CONF_OPTION_* */
	unsigned kinds;      /* addresses: bits 1 << CONF_ADDRESS_* that may be given */
	size_t offset;       /* of the value in its object */
	size_t width;        /* sizeof the value */
	size_t offset_more;  /* of the number of elements, or of the sink's file */
	uint64_t min, max;   /* integers, durations (us), sizes (bytes) */
	const struct conf_word *words;
	/* the form of each non-empty string (conf/value.h); NULL: any */
	int (*check)(const char *text, struct conf_why *ret_why);
	const char *preset;  /* the default, read as if the operator had written it; of a
			      * list: its one element, "" for none */
	const char *unit;    /* of an integer; NULL: the text has it, or there is none */
	const char *help;    /* one sentence */
};

/* The name inside its group: "size". */
const char *conf_option_local_name(const struct conf_option *option);
bool conf_option_is_list(const struct conf_option *option);

/* The value of a bool, integer, duration, size, mode, enum or sink as a number. */
uint64_t conf_option_number(const struct conf_option *option, const void *object);
/* Where the value stands, and where the number of elements or the sink's file stands. */
const void *conf_option_of(const struct conf_option *option, const void *object);
const void *conf_option_more_of(const struct conf_option *option, const void *object);

/* Stores texts: exactly one, or for a list any number. 0; CONF_VALUE_BAD (conf/value.h)
 * with a sentence, and *ret_bad is the number of the text it is about; or -ENOMEM. On
 * both errors the value in the object is unchanged. What it points to ends with
 * `memory`. */
int conf_option_set(const struct conf_option *option, struct conf_memory *memory,
		    void *object, const char *const *texts, size_t n_texts,
		    size_t *ret_bad, struct conf_why *ret_why);
/* Stores the default. 0 or -ENOMEM. */
int conf_option_set_preset(const struct conf_option *option, struct conf_memory *memory,
			   void *object);

bool conf_option_is_equal(const struct conf_option *option, const void *a, const void *b);
