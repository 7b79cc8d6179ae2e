/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of systemd/notify.h, with a datagram socket of ours in the manager's place. */

#include "systemd/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int manager_fd;

static int setup(void **test_state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(address);
	char name[sizeof(address.sun_path) + 1] = { 0 };

	(void)test_state;
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* An address of the family alone is an abstract one of the kernel's choice. */
	if (bind(manager_fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(manager_fd, (struct sockaddr *)&address, &n) < 0)
		return -1;
	memcpy(name, address.sun_path, n - offsetof(struct sockaddr_un, sun_path));
	name[0] = '@';
	return setenv("NOTIFY_SOCKET", name, 1);
}

static int teardown(void **test_state)
{
	(void)test_state;
	unsetenv("NOTIFY_SOCKET");
	return close(manager_fd);
}

static void assert_told(const char *expected)
{
	char bytes[4096];
	ssize_t n = recv(manager_fd, bytes, sizeof(bytes) - 1, 0);

	assert_true(n >= 0);
	bytes[n] = '\0';
	assert_string_equal(bytes, expected);
	assert_int_equal(recv(manager_fd, bytes, sizeof(bytes), 0), -1);
}

static void test_life_cycle(void **test_state)
{
	(void)test_state;
	assert_int_equal(notify_ready("2 pools"), 0);
	assert_told("READY=1\nSTATUS=2 pools");
	assert_int_equal(notify_reloading(1234567890123), 0);
	assert_told("RELOADING=1\nMONOTONIC_USEC=1234567890123");
	assert_int_equal(notify_ready(NULL), 0);
	assert_told("READY=1\n");
	assert_int_equal(notify_status("ok"), 0);
	assert_told("STATUS=ok");
	assert_int_equal(notify_stopping("draining, 3 requests left"), 0);
	assert_told("STOPPING=1\nSTATUS=draining, 3 requests left");
	assert_int_equal(notify_extend_timeout(5000000), 0);
	assert_told("EXTEND_TIMEOUT_USEC=5000000");
}

static void test_status_is_one_line(void **test_state)
{
	(void)test_state;
	assert_int_equal(notify_status("a\nREADY=1\tb"), 0);
	assert_told("STATUS=a READY=1 b");
}

static void test_status_is_bounded(void **test_state)
{
	char status[2000], expected[600];
	int n;

	(void)test_state;
	memset(status, 'x', sizeof(status));
	status[sizeof(status) - 1] = '\0';
	assert_int_equal(notify_status(status), 0);
	n = snprintf(expected, sizeof(expected), "STATUS=%.*s",
		     NOTIFY_STATUS_MAX_BYTES - 1, status);
	assert_int_equal(n, 7 + NOTIFY_STATUS_MAX_BYTES - 1);
	assert_told(expected);
}

/* A character of three bytes at the limit goes as a whole: half of it would make the
 * manager ignore the line. */
static void test_status_is_utf8(void **test_state)
{
	char status[2000], expected[600];

	(void)test_state;
	memset(status, 'x', sizeof(status));
	memcpy(status + NOTIFY_STATUS_MAX_BYTES - 3, "\xe2\x82\xac", 3);
	status[sizeof(status) - 1] = '\0';
	assert_int_equal(notify_status(status), 0);
	snprintf(expected, sizeof(expected), "STATUS=%.*s", NOTIFY_STATUS_MAX_BYTES - 3,
		 status);
	assert_told(expected);
}

static void test_nobody_listens(void **test_state)
{
	(void)test_state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_ready("x"), 0);
	assert_int_equal(notify_reloading(1), 0);
	assert_int_equal(notify_extend_timeout(1), 0);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	assert_true(notify_ready("x") < 0);
	assert_true(notify_reloading(1) < 0);
	assert_true(notify_extend_timeout(1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life_cycle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_is_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_is_utf8, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
