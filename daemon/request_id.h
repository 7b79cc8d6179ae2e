/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Request ids: the same word in PHP, log, header and page. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REQUEST_ID_BYTES = 26,     /* of one that we make: Crockford's base32 */
	REQUEST_ID_MAX_BYTES = 64, /* of one that is adopted */
	REQUEST_ID_MIN_BYTES = 8,
};

/* Writes 13 characters of time and 13 of a random number and a counter, and a NUL. Later
 * ids sort behind earlier ones of the same daemon, microsecond by microsecond. */
void request_id_make(char text[REQUEST_ID_MAX_BYTES + 1], uint64_t wall_us);
/* Takes over n bytes of a peer's id if they are 8-64 of [A-Za-z0-9._-]. */
bool request_id_adopt(char text[REQUEST_ID_MAX_BYTES + 1], const char *peer, size_t n);
