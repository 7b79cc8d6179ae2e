/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing list of measured values and its quantiles. */
#include "tests/tools/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void samples_add(struct samples *samples, int64_t value)
{
	if (samples->n_values == samples->n_room) {
		size_t n_room = samples->n_room ? 2 * samples->n_room : 1024;

		samples->values = reallocarray(samples->values, n_room, sizeof(value));
		if (!samples->values) {
			fprintf(stderr, "out of memory\n");
			exit(71);
		}
		samples->n_room = n_room;
	}
	samples->values[samples->n_values++] = value;
}

static int samples_compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int64_t samples_quantile(struct samples *samples, unsigned int per_mille)
{
	size_t n = samples->n_values, at;

	if (n == 0)
		return 0;
	qsort(samples->values, n, sizeof(*samples->values), samples_compare);
	at = (n * per_mille + 999) / 1000;
	return samples->values[at > 0 ? at - 1 : 0];
}

void samples_done(struct samples *samples)
{
	free(samples->values);
	memset(samples, 0, sizeof(*samples));
}
