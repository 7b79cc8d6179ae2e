/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* "Did you mean ...?": the candidate that takes the fewest keystrokes to correct. */

#include <stddef.h>

struct conf_nearest {
	const char *word;
	const char *best; /* NULL: nothing is near enough */
	size_t distance;  /* of the best; at first the largest that counts as near */
};

void conf_nearest_init(struct conf_nearest *nearest, const char *word);
/* The candidate must outlive the search. NULL is no candidate. */
void conf_nearest_offer(struct conf_nearest *nearest, const char *candidate);
