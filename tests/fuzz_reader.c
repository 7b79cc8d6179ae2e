/* SPDX-License-Identifier: BSD-2-Clause */

/* Fuzz target: the reader gives one account of the same bytes however they are cut. */

#include <stdint.h>

#include "tests/fcgi_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A row of window sizes, small ones more often; the input's own bytes are the seed. */
static size_t next_window(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return 1 + (*random >> 24) % (1 + (*random >> 16) % 64);
}

static void put_random_cuts(struct feed *feed, const uint8_t *data, size_t n,
			    uint32_t random)
{
	size_t n_window;

	for (size_t at = 0; at < n; at += n_window) {
		n_window = next_window(&random);
		if (n_window > n - at)
			n_window = n - at;
		feed_put(feed, data + at, n_window);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t random = (uint32_t)n;
	struct feed whole, bytes, cuts;

	for (size_t i = 0; i < n; i++)
		random = random * 31 + data[i];
	feed_init(&whole, n);
	feed_init(&bytes, n);
	feed_init(&cuts, n);
	feed_cut(&whole, data, n, 0);
	feed_cut(&bytes, data, n, 1);
	put_random_cuts(&cuts, data, n, random);
	assert(feed_is_equal(&whole, &bytes));
	assert(feed_is_equal(&whole, &cuts));
	feed_done(&whole);
	feed_done(&bytes);
	feed_done(&cuts);
	return 0;
}
