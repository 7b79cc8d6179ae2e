/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing list of measured values and its quantiles. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* All zero is empty. */
struct samples {
	int64_t *values;
	size_t n_values;
	size_t n_room;
};

/* Adds one value; running out of memory ends the program. */
void samples_add(struct samples *samples, int64_t value);

/* The smallest value that per_mille of the values do not exceed; sorts. 0 if empty. */
int64_t samples_quantile(struct samples *samples, unsigned int per_mille);

/* Frees the values and makes the list empty. */
void samples_done(struct samples *samples);
