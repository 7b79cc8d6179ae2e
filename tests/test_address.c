/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/address: each address is bound, and asked back from the kernel.
 */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/address.h"
#include "conf/conf.h"
#include "conf/value.h"

static void set(const char *text, struct address *address)
{
	char buffer[CONF_ADDRESS_TEXT_BYTES];
	struct conf_address conf;
	struct conf_why why;

	assert_int_equal(conf_address_parse(text, buffer, &conf, &why), 0);
	memset(address, 0xaa, sizeof(*address));
	address_set(address, &conf);
}

/* Binds to an address that was set; what the kernel says of it goes to *ret. False: it is
 * taken. */
static bool can_bind(const struct address *address, struct address *ret)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_bound;

	assert_true(fd >= 0);
	memset(ret, 0, sizeof(*ret));
	ret->n = sizeof(*ret) - sizeof(ret->n);
	is_bound = bind(fd, &address->any, address->n) == 0;
	if (is_bound)
		assert_int_equal(getsockname(fd, &ret->any, &ret->n), 0);
	close(fd);
	return is_bound;
}

static void check_path(const char *path)
{
	struct address address, bound;

	set(path, &address);
	assert_int_equal(address.un.sun_family, AF_UNIX);
	assert_int_equal(address.n,
			 offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	assert_true(can_bind(&address, &bound));
	assert_memory_equal(bound.un.sun_path, path, strlen(path));
	/* this name, and not one that goes on */
	assert_int_equal(unlink(path), 0);
}

static void test_unix(void **state)
{
	char folder[] = "/tmp/XXXXXX", path[CONF_UNIX_PATH_MAX + 1];
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(folder));
	n = (size_t)snprintf(path, sizeof(path), "%s/www.sock", folder);
	check_path(path);
	memset(path + n, 'x', CONF_UNIX_PATH_MAX - n);
	path[CONF_UNIX_PATH_MAX] = '\0';
	check_path(path);
	assert_int_equal(rmdir(folder), 0);
}

/* The name alone, without zeros behind it: these would be another name. */
static void check_name(const char *text)
{
	struct address address, bound;

	set(text, &address);
	assert_true(can_bind(&address, &bound));
	assert_int_equal(bound.n, offsetof(struct sockaddr_un, sun_path) + strlen(text));
	assert_int_equal(bound.un.sun_path[0], '\0');
	assert_memory_equal(bound.un.sun_path + 1, text + 1, strlen(text) - 1);
}

static void test_abstract(void **state)
{
	char text[CONF_UNIX_PATH_MAX + 1];
	size_t n = (size_t)snprintf(text, sizeof(text), "@fpmgate-test-%d", getpid());

	(void)state;
	check_name(text);
	memset(text + n, 'y', CONF_UNIX_PATH_MAX - n);
	text[CONF_UNIX_PATH_MAX] = '\0';
	check_name(text);
}

static void test_ipv4(void **state)
{
	struct address address, bound;
	char text[32];
	unsigned port = 20000;

	(void)state;
	do {
		snprintf(text, sizeof(text), "127.0.0.9:%u", ++port);
		set(text, &address);
	} while (!can_bind(&address, &bound) && port < 21000);
	assert_int_equal(address.n, sizeof(struct sockaddr_in));
	assert_int_equal(bound.in.sin_family, AF_INET);
	assert_int_equal(ntohs(bound.in.sin_port), port);
	assert_string_equal(inet_ntop(AF_INET, &bound.in.sin_addr, text, sizeof(text)),
			    "127.0.0.9");
	assert_memory_equal(&address.in, &bound.in, sizeof(bound.in));
	set("10.1.2.3:65535", &address);
	assert_int_equal(ntohs(address.in.sin_port), 65535);
	assert_int_equal(ntohl(address.in.sin_addr.s_addr), 0x0a010203);
}

/* Without the kernel, which may have no IPv6. */
static void test_ipv6(void **state)
{
	struct address address;
	char text[INET6_ADDRSTRLEN];

	(void)state;
	set("[2001:db8::1:2]:9000", &address);
	assert_int_equal(address.n, sizeof(struct sockaddr_in6));
	assert_int_equal(address.in6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(address.in6.sin6_port), 9000);
	assert_string_equal(inet_ntop(AF_INET6, &address.in6.sin6_addr, text,
				      sizeof(text)),
			    "2001:db8::1:2");
	assert_int_equal(address.in6.sin6_flowinfo, 0);
	assert_int_equal(address.in6.sin6_scope_id, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
