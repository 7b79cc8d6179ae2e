/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer on its way back: held until its CGI header is complete. */

#include "daemon/response.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/memory.h"

void response_init(struct response *response, struct memory *memory, size_t header_max)
{
	*response = (struct response){ .memory = memory };
	cgi_header_init(&response->header, header_max);
}

static void response_held_done(struct memory *memory, struct response_held *held)
{
	free(held->bytes);
	if (held->bytes)
		memory_give(memory, held->size);
	*held = (struct response_held){ 0 };
}

void response_done(struct response *response)
{
	response_held_done(response->memory, &response->out);
	response_held_done(response->memory, &response->err);
}

static bool response_hold(struct memory *memory, struct response_held *held,
			  const uint8_t *data, size_t n)
{
	size_t size = held->n + n;
	uint8_t *bytes;

	if (size > held->size) {
		size = MAX(size, held->size * 2);
		bytes = realloc(held->bytes, size);
		if (!bytes)
			return false;
		memory_add(memory, size - held->size);
		held->bytes = bytes;
		held->size = size;
	}
	memcpy(held->bytes + held->n, data, n);
	held->n += n;
	return true;
}

int response_feed(struct response *response, const uint8_t *data, size_t n)
{
	size_t used;

	switch (cgi_header_feed(&response->header, data, n, &used)) {
	case 0:
		response->is_passing = true;
		return 0;
	case CGI_HEADER_PENDING:
		if (!response_hold(response->memory, &response->out, data, n))
			return RESPONSE_NO_MEMORY;
		return RESPONSE_HELD;
	case CGI_HEADER_TOO_BIG:
		return RESPONSE_TOO_BIG;
	default:
		return RESPONSE_MALFORMED;
	}
}

void response_feed_stderr(struct response *response, const uint8_t *data, size_t n)
{
	size_t room = RESPONSE_STDERR_MAX - response->err.n;

	(void)response_hold(response->memory, &response->err, data, MIN(n, room));
}
