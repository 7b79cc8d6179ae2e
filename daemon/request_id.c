/* SPDX-License-Identifier: BSD-2-Clause */
/* Request ids: the same word in PHP, log, header and page. */

#include "daemon/request_id.h"

#include <string.h>
#include <sys/random.h>

enum {
	REQUEST_ID_HALF = REQUEST_ID_BYTES / 2,
};

static void request_id_put(char text[REQUEST_ID_HALF], uint64_t n)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	for (int i = REQUEST_ID_HALF - 1; i >= 0; i--, n >>= 5)
		text[i] = digits[n & 31];
}

/* A random start, then counting in the low bits: unique within the daemon, and two
 * daemons of one server do not meet. */
static uint64_t request_id_next(void)
{
	static uint64_t next;

	if (next == 0 && getrandom(&next, sizeof(next), GRND_NONBLOCK) != sizeof(next))
		next = (uint64_t)(uintptr_t)&next;
	/* an odd constant: a walk through all 64-bit numbers that does not look like one
	 */
	next += 0x9e3779b97f4a7c15u;
	return next;
}

void request_id_make(char text[REQUEST_ID_MAX_BYTES + 1], uint64_t wall_us)
{
	request_id_put(text, wall_us);
	request_id_put(text + REQUEST_ID_HALF, request_id_next());
	text[REQUEST_ID_BYTES] = '\0';
}

bool request_id_adopt(char text[REQUEST_ID_MAX_BYTES + 1], const char *peer, size_t n)
{
	static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._-";

	if (n < REQUEST_ID_MIN_BYTES || n > REQUEST_ID_MAX_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (peer[i] == '\0' || !strchr(legal, peer[i]))
			return false;
	memcpy(text, peer, n);
	text[n] = '\0';
	return true;
}
