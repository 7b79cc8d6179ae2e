/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a socket is: text -> address or network, and the way back. */
#include "conf/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "conf/value.h"

/* Digits alone, at most `max`. False: something else. */
static bool address_read_number(const char *text, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > max)
			return false;
	}
	*ret = n;
	return true;
}

/* "ADDRESS" or "ADDRESS/BITS"; without bits, all of them count. False: neither. */
static bool network_read(const char *text, struct conf_network *ret)
{
	const char *slash = strchrnul(text, '/');
	size_t n = (size_t)(slash - text);
	char ip[INET6_ADDRSTRLEN];
	unsigned n_bits, max;

	*ret = (struct conf_network){ 0 };
	if (n >= sizeof(ip))
		return false;
	memcpy(ip, text, n);
	ip[n] = 0;
	ret->is_ipv6 = strchr(ip, ':');
	if (inet_pton(ret->is_ipv6 ? AF_INET6 : AF_INET, ip, ret->ip) != 1)
		return false;
	max = ret->is_ipv6 ? 128 : 32;
	n_bits = max;
	if (*slash && !address_read_number(slash + 1, max, &n_bits))
		return false;
	ret->n_bits = (uint8_t)n_bits;
	return true;
}

int conf_network_parse(const char *text, struct conf_network *ret,
		       struct conf_why *ret_why)
{
	struct conf_network cut;
	char canonical[CONF_ADDRESS_TEXT_BYTES];

	if (!network_read(text, ret))
		return conf_why_set(ret_why,
				    "\"%.80s\" is not a network such as "
				    "\"10.0.0.0/8\", \"192.0.2.7\" or \"fd00::/8\"",
				    text);
	cut = *ret;
	for (unsigned bit = ret->n_bits; bit < 8 * sizeof(cut.ip); bit++)
		cut.ip[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	if (memcmp(cut.ip, ret->ip, sizeof(cut.ip)) == 0)
		return 0;
	conf_network_print(&cut, canonical);
	return conf_why_set(ret_why,
			    "\"%.80s\" has bits set behind its prefix: write "
			    "\"%s\" for the network or leave the prefix away for the one "
			    "address",
			    text, canonical);
}

/* Copies a path without doubled slashes and "." components; false: no room. */
static bool address_clean_path(const char *text, char *buffer, size_t n_bytes)
{
	size_t n = 0;

	while (*text) {
		size_t length = strcspn(text + 1, "/"); /* of the component behind a / */

		if (length > 0 && !(length == 1 && text[1] == '.')) {
			if (n + 1 + length >= n_bytes)
				return false;
			memcpy(buffer + n, text, length + 1);
			n += length + 1;
		}
		text += length + 1;
	}
	buffer[n] = 0;
	return true;
}

static int address_read_unix(const char *text, char buffer[CONF_ADDRESS_TEXT_BYTES],
			     struct conf_address *ret, struct conf_why *ret_why)
{
	ret->kind = CONF_ADDRESS_UNIX;
	ret->name = buffer;
	if (!address_clean_path(text, buffer, CONF_ADDRESS_TEXT_BYTES) ||
	    strlen(buffer) > CONF_UNIX_PATH_MAX)
		return conf_why_set(ret_why,
				    "the path of a unix socket has at most %d "
				    "bytes, this one has %zu",
				    CONF_UNIX_PATH_MAX, strlen(text));
	if (!*buffer || text[strlen(text) - 1] == '/')
		return conf_why_set(ret_why,
				    "\"%.110s\" is a directory, not the path of a "
				    "unix socket",
				    text);
	return 0;
}

static int address_read_abstract(const char *text, char buffer[CONF_ADDRESS_TEXT_BYTES],
				 struct conf_address *ret, struct conf_why *ret_why)
{
	size_t n = strlen(text);

	ret->kind = CONF_ADDRESS_ABSTRACT;
	ret->name = buffer + 1;
	if (n < 2 || n - 1 > CONF_UNIX_PATH_MAX)
		return conf_why_set(ret_why,
				    "the name of an abstract socket has 1 to %d "
				    "bytes behind the @",
				    CONF_UNIX_PATH_MAX);
	memcpy(buffer, text, n + 1);
	return 0;
}

/* A name as sd_listen_fds_with_names(3) can pass it. */
static int address_read_systemd(const char *text, char buffer[CONF_ADDRESS_TEXT_BYTES],
				struct conf_address *ret, struct conf_why *ret_why)
{
	const char *name = strchr(text, ':') + 1;
	size_t n = strlen(text);

	ret->kind = CONF_ADDRESS_SYSTEMD;
	ret->name = buffer + (name - text);
	if (!*name || strlen(name) > 255 || strchr(name, ':'))
		return conf_why_set(
			ret_why,
			"\"%.80s\": a socket that systemd passes is "
			"written systemd:NAME, with the FileDescriptorName= of "
			"its socket unit, 1 to 255 bytes without a colon",
			text);
	memcpy(buffer, text, n + 1);
	return 0;
}

/* 1 to 65535 without a leading zero. */
static bool address_read_port(const char *text, uint16_t *ret)
{
	unsigned n;

	if (*text == '0' || !address_read_number(text, UINT16_MAX, &n))
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* "IP:PORT" or "[IP]:PORT"; false: neither. */
static bool address_read_tcp(const char *text, char buffer[CONF_ADDRESS_TEXT_BYTES],
			     struct conf_address *ret)
{
	const char *colon = strrchr(text, ':');
	bool is_ipv6 = text[0] == '[';
	const char *ip = text + is_ipv6;
	char host[INET6_ADDRSTRLEN];
	size_t n;

	if (!colon || !address_read_port(colon + 1, &ret->port))
		return false;
	n = (size_t)(colon - ip);
	if (is_ipv6 && (n == 0 || ip[--n] != ']'))
		return false;
	if (n >= sizeof(host))
		return false;
	memcpy(host, ip, n);
	host[n] = 0;
	ret->kind = is_ipv6 ? CONF_ADDRESS_IPV6 : CONF_ADDRESS_IPV4;
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, host, ret->ip) != 1)
		return false;
	inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, ret->ip, host, sizeof(host));
	snprintf(buffer, CONF_ADDRESS_TEXT_BYTES, is_ipv6 ? "[%s]:%u" : "%s:%u", host,
		 (unsigned)ret->port);
	ret->name = buffer;
	return true;
}

/* What was probably meant. */
static int address_explain(const char *text, struct conf_why *ret_why)
{
	uint16_t port;

	if (strncmp(text, "unix:", 5) == 0)
		return conf_why_set(ret_why,
				    "\"%.80s\": write the path alone, without "
				    "unix:",
				    text);
	if (address_read_port(text, &port))
		return conf_why_set(ret_why,
				    "\"%s\" is a port alone: write "
				    "\"127.0.0.1:%s\"",
				    text, text);
	if (strncmp(text, "*:", 2) == 0)
		return conf_why_set(ret_why,
				    "\"%.40s\": write \"0.0.0.0%.40s\" or "
				    "\"[::]%.40s\" for every address",
				    text, text + 1, text + 1);
	if (strncmp(text, "localhost:", 10) == 0)
		return conf_why_set(ret_why,
				    "\"%.40s\": names are not looked up, write "
				    "\"127.0.0.1%.40s\" or \"[::1]%.40s\"",
				    text, text + 9, text + 9);
	return conf_why_set(
		ret_why,
		"\"%.80s\" is not an address: expected \"/path\", "
		"\"@name\", \"1.2.3.4:9000\", \"[::1]:9000\" or \"systemd:NAME\"",
		text);
}

int conf_address_parse(const char *text, char buffer[CONF_ADDRESS_TEXT_BYTES],
		       struct conf_address *ret, struct conf_why *ret_why)
{
	*ret = (struct conf_address){ .text = buffer };
	if (text[0] == '/')
		return address_read_unix(text, buffer, ret, ret_why);
	if (text[0] == '@')
		return address_read_abstract(text, buffer, ret, ret_why);
	if (strncmp(text, "systemd:", 8) == 0)
		return address_read_systemd(text, buffer, ret, ret_why);
	if (address_read_tcp(text, buffer, ret))
		return 0;
	return address_explain(text, ret_why);
}

bool conf_address_is_tcp(const struct conf_address *address)
{
	return address->kind == CONF_ADDRESS_IPV4 || address->kind == CONF_ADDRESS_IPV6;
}

bool conf_address_is_loopback(const struct conf_address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t one[16] = { [15] = 1 };

	if (address->kind == CONF_ADDRESS_IPV4)
		return address->ip[0] == 127;
	if (address->kind != CONF_ADDRESS_IPV6)
		return false;
	if (memcmp(address->ip, mapped, sizeof(mapped)) == 0)
		return address->ip[12] == 127;
	return memcmp(address->ip, one, sizeof(one)) == 0;
}

bool conf_address_is_any(const struct conf_address *address)
{
	static const uint8_t zero[16];
	size_t n = address->kind == CONF_ADDRESS_IPV4 ? 4 : 16;

	return conf_address_is_tcp(address) && memcmp(address->ip, zero, n) == 0;
}

void conf_network_print(const struct conf_network *network,
			char buffer[CONF_ADDRESS_TEXT_BYTES])
{
	char ip[INET6_ADDRSTRLEN] = "";

	inet_ntop(network->is_ipv6 ? AF_INET6 : AF_INET, network->ip, ip, sizeof(ip));
	snprintf(buffer, CONF_ADDRESS_TEXT_BYTES, "%s/%u", ip, (unsigned)network->n_bits);
}
