/* SPDX-License-Identifier: BSD-2-Clause */
/* FastCGI records as the test tools write and read them. */
#include "tests/tools/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void record_bytes_put(struct record_bytes *bytes, const void *data, size_t n_bytes)
{
	size_t n_room = bytes->n_room ? bytes->n_room : 4096;

	while (n_room < bytes->n_bytes + n_bytes)
		n_room *= 2;
	if (n_room != bytes->n_room) {
		bytes->data = realloc(bytes->data, n_room);
		if (!bytes->data) {
			fprintf(stderr, "out of memory\n");
			exit(71);
		}
		bytes->n_room = n_room;
	}
	if (n_bytes > 0)
		memcpy(bytes->data + bytes->n_bytes, data, n_bytes);
	bytes->n_bytes += n_bytes;
}

void record_bytes_done(struct record_bytes *bytes)
{
	free(bytes->data);
	memset(bytes, 0, sizeof(*bytes));
}

void record_head_write(const struct record_head *head, uint8_t *ret_bytes)
{
	ret_bytes[0] = head->version;
	ret_bytes[1] = head->type;
	ret_bytes[2] = (uint8_t) (head->id >> 8);
	ret_bytes[3] = (uint8_t) head->id;
	ret_bytes[4] = (uint8_t) (head->n_content >> 8);
	ret_bytes[5] = (uint8_t) head->n_content;
	ret_bytes[6] = head->n_padding;
	ret_bytes[7] = 0;
}

void record_head_read(const uint8_t *bytes, struct record_head *ret_head)
{
	ret_head->version = bytes[0];
	ret_head->type = bytes[1];
	ret_head->id = (uint16_t) (bytes[2] << 8 | bytes[3]);
	ret_head->n_content = (uint16_t) (bytes[4] << 8 | bytes[5]);
	ret_head->n_padding = bytes[6];
}

void record_put(struct record_bytes *bytes, const struct record_head *head,
		const void *content)
{
	uint8_t padding[255];
	uint8_t raw[RECORD_HEAD_BYTES];

	memset(padding, 0xa5, sizeof(padding));
	record_head_write(head, raw);
	record_bytes_put(bytes, raw, sizeof(raw));
	record_bytes_put(bytes, content, head->n_content);
	record_bytes_put(bytes, padding, head->n_padding);
}

void record_put_begin(struct record_bytes *bytes, uint16_t id, uint16_t role,
		      uint8_t flags)
{
	const struct record_head head = { 1, RECORD_BEGIN, id, 8, 0 };
	uint8_t body[8] = { (uint8_t) (role >> 8), (uint8_t) role, flags };

	record_put(bytes, &head, body);
}

uint8_t record_padding(size_t n_content)
{
	return (uint8_t) ((8 - n_content % 8) % 8);
}

static void record_put_length(struct record_bytes *bytes, size_t length)
{
	uint8_t raw[4] = { (uint8_t) (length >> 24 | 0x80), (uint8_t) (length >> 16),
			   (uint8_t) (length >> 8), (uint8_t) length };

	if (length < 128)
		record_bytes_put(bytes, raw + 3, 1);
	else
		record_bytes_put(bytes, raw, 4);
}

void record_put_pair(struct record_bytes *bytes, const struct record_pair *pair)
{
	record_put_length(bytes, pair->n_name);
	record_put_length(bytes, pair->n_value);
	record_bytes_put(bytes, pair->name, pair->n_name);
	record_bytes_put(bytes, pair->value, pair->n_value);
}

/* Returns the bytes the length takes, 0 if it is cut off. */
static size_t record_length_read(const uint8_t *data, size_t n_bytes, size_t *ret_length)
{
	if (n_bytes >= 1 && data[0] < 128) {
		*ret_length = data[0];
		return 1;
	}
	if (n_bytes < 4)
		return 0;
	*ret_length = (size_t) (data[0] & 0x7f) << 24 | (size_t) data[1] << 16 |
		      (size_t) data[2] << 8 | data[3];
	return 4;
}

size_t record_pair_read(const uint8_t *data, size_t n_bytes, struct record_pair *ret_pair)
{
	size_t n = record_length_read(data, n_bytes, &ret_pair->n_name);
	size_t m = n ? record_length_read(data + n, n_bytes - n, &ret_pair->n_value) : 0;

	if (m == 0 || ret_pair->n_name + ret_pair->n_value > n_bytes - n - m)
		return 0;
	ret_pair->name = (const char *) data + n + m;
	ret_pair->value = ret_pair->name + ret_pair->n_name;
	return n + m + ret_pair->n_name + ret_pair->n_value;
}

void record_pairs_get(const struct record_bytes *pairs, const char *name, char *ret_value,
		      size_t n_room)
{
	struct record_pair pair;
	size_t at = 0, n;

	ret_value[0] = '\0';
	while ((n = record_pair_read(pairs->data + at, pairs->n_bytes - at, &pair)) > 0) {
		at += n;
		if (pair.n_name != strlen(name) ||
		    memcmp(pair.name, name, pair.n_name) != 0)
			continue;
		snprintf(ret_value, n_room, "%.*s", (int) pair.n_value, pair.value);
	}
}
