/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Finds what libconfig 1.5 takes silently for something else, or explains badly. */

#include <stdbool.h>

struct conf_diags;
struct conf_text;

/* Adds an error for each fault. True: the text can be given to libconfig (it may have
 * faults that only libconfig finds). */
bool conf_lex_check(const struct conf_text *text, struct conf_diags *diags);
