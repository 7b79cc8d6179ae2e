/* SPDX-License-Identifier: BSD-2-Clause */
/* A configured address as the kernel wants it. */

#include "daemon/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "conf/conf.h"

static void address_set_unix(struct address *address, const char *name, bool is_abstract)
{
	size_t n = strlen(name);

	assert(n + is_abstract <= CONF_UNIX_PATH_MAX);
	address->un.sun_family = AF_UNIX;
	memcpy(address->un.sun_path + is_abstract, name, n);
	/* an abstract name begins with a NUL and has no end; a path has one */
	address->n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

void address_set(struct address *address, const struct conf_address *conf)
{
	memset(address, 0, sizeof(*address));
	switch (conf->kind) {
	case CONF_ADDRESS_UNIX:
	case CONF_ADDRESS_ABSTRACT:
		address_set_unix(address, conf->name,
				 conf->kind == CONF_ADDRESS_ABSTRACT);
		return;
	case CONF_ADDRESS_IPV4:
		address->in.sin_family = AF_INET;
		address->in.sin_port = htons(conf->port);
		memcpy(&address->in.sin_addr, conf->ip, 4);
		address->n = sizeof(address->in);
		return;
	case CONF_ADDRESS_IPV6:
		address->in6.sin6_family = AF_INET6;
		address->in6.sin6_port = htons(conf->port);
		memcpy(&address->in6.sin6_addr, conf->ip, 16);
		address->n = sizeof(address->in6);
		return;
	case CONF_ADDRESS_NONE:
	case CONF_ADDRESS_SYSTEMD:
		break;
	}
	assert(false); /* an address without a sockaddr */
}
