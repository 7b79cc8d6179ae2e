/* SPDX-License-Identifier: BSD-2-Clause */
/* Many kept FastCGI connections that have been used once and lie idle. */

/*
 * idle ADDRESS N NAME=VALUE...
 *
 * Opens N connections, one after the other, sends a request with KEEP_CONN and these
 * parameters over each, and reads its answer. Then prints "idle N" and keeps them all
 * until its standard input ends, or for 60 s. Exit 1 when a connection or an answer
 * fails.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/net.h"
#include "tests/tools/record.h"

#define ANSWER_US 5000000
#define LIFE_MS 60000

static void put_request(struct record_bytes *bytes, char **params)
{
	struct record_bytes pairs = { 0 };
	struct record_head head = { .version = 1, .type = RECORD_PARAMS, .id = 1 };

	record_put_begin(bytes, 1, 1, RECORD_KEEP_CONN);
	for (char **param = params; *param; param++) {
		char *value = strchr(*param, '=');
		struct record_pair pair = {
			.name = *param,
			.value = value + 1,
			.n_name = (size_t)(value - *param),
			.n_value = strlen(value + 1),
		};

		record_put_pair(&pairs, &pair);
	}
	head.n_content = (uint16_t)pairs.n_bytes;
	record_put(bytes, &head, pairs.data);
	head.n_content = 0;
	record_put(bytes, &head, NULL);
	head.type = RECORD_STDIN;
	record_put(bytes, &head, NULL);
	record_bytes_done(&pairs);
}

static bool read_all(int fd, uint8_t *bytes, size_t n, uint64_t deadline_us)
{
	ssize_t got;

	for (; n > 0; bytes += got, n -= (size_t)got) {
		got = net_read(fd, bytes, n, deadline_us);
		if (got <= 0)
			return false;
	}
	return true;
}

/* Reads whole records up to END_REQUEST. */
static bool read_answer(int fd, uint64_t deadline_us)
{
	uint8_t bytes[RECORD_CONTENT_MAX + 255];
	struct record_head head;

	do {
		if (!read_all(fd, bytes, RECORD_HEAD_BYTES, deadline_us))
			return false;
		record_head_read(bytes, &head);
		if (!read_all(fd, bytes, (size_t)head.n_content + head.n_padding,
			      deadline_us))
			return false;
	} while (head.type != RECORD_END);
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	struct record_bytes request = { 0 };
	struct net_address address;
	int n;

	if (argc < 3 || net_address_any(argv[1], &address) != 0)
		return 64;
	(void)net_raise_n_files();
	n = atoi(argv[2]);
	put_request(&request, argv + 3);
	for (int i = 0; i < n; i++) {
		uint64_t deadline_us = net_now_us() + ANSWER_US;
		int fd = net_connect(&address, deadline_us);

		if (fd < 0 ||
		    net_write(fd, request.data, request.n_bytes, deadline_us) != 0 ||
		    !read_answer(fd, deadline_us))
			return 1;
	}
	record_bytes_done(&request);
	printf("idle %d\n", n);
	fflush(stdout);
	(void)poll(&input, 1, LIFE_MS);
	return 0;
}
