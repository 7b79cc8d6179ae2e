/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* A configured address as the kernel wants it. */

#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>

struct conf_address;

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t n;
};

/* Not for CONF_ADDRESS_NONE and CONF_ADDRESS_SYSTEMD. */
void address_set(struct address *address, const struct conf_address *conf);
