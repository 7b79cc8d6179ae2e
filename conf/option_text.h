/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The value of an option, and what the option takes, as text. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/option.h"
#include "conf/value.h"

/* Writes the value as libconfig reads it: 4096, true, "10s", [ "a", "b" ]. */
void conf_option_print(const struct conf_option *option, const void *object, FILE *out);
/* Writes a string in libconfig's quotes. */
void conf_string_print(const char *text, FILE *out);

/* A number of an option's type: "4096", "10s", "64k". */
void conf_option_print_number(const struct conf_option *option, uint64_t n,
			      char buffer[CONF_NUMBER_TEXT_BYTES]);

/* What the option takes, as a phrase: `a size in quotes, such as "64k"`. */
void conf_option_describe(const struct conf_option *option, char *buffer, size_t n_bytes);
/* What it is, as a word: "size"; for tables of all options. */
const char *conf_type_word(enum conf_type type);
