/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Where a socket is: text -> address or network, and the way back.
 *
 * Pure, like conf/value.h: nothing is allocated and no name is looked up. FPM's own
 * address texts (pm.status_listen) can be read with it too, once they are resolved.
 */

#include <stdbool.h>

#include "conf/conf.h"

struct conf_why;

enum {
	CONF_ADDRESS_TEXT_BYTES = 280, /* room for every canonical text and its end */
};

/* Reads the five kinds of enum conf_address_kind. ret->text is `buffer`, which then holds
 * the canonical form: paths without doubled slashes and "." components, IP addresses as
 * inet_ntop(3) writes them. 0, or CONF_VALUE_BAD (conf/value.h) and a sentence. */
int conf_address_parse(const char *text, char buffer[CONF_ADDRESS_TEXT_BYTES],
		       struct conf_address *ret, struct conf_why *ret_why);
bool conf_address_is_tcp(const struct conf_address *address);
/* Does it mean this machine alone: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104? */
bool conf_address_is_loopback(const struct conf_address *address);
/* 0.0.0.0 or ::, every address of the machine. */
bool conf_address_is_any(const struct conf_address *address);

/* "10.0.0.0/8", "::1"; bits behind the prefix must be 0. Results as above. */
int conf_network_parse(const char *text, struct conf_network *ret,
		       struct conf_why *ret_why);
/* Text that conf_network_parse() reads as the same network. */
void conf_network_print(const struct conf_network *network,
			char buffer[CONF_ADDRESS_TEXT_BYTES]);
