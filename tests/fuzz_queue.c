/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any order of operations leaves health/queue as the naive model has it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/queue_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *fault = queue_model_run(data, n);

	if (fault) {
		fprintf(stderr, "health/queue differs from its model: %s\n", fault);
		abort();
	}
	return 0;
}
