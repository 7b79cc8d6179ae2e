/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of daemon/outq on real sockets: what a write is charged with, and when the
 * charge falls.
 */
#include "daemon/outq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t bytes[2 * OUTQ_CHARGE_MAX_BYTES];
static int pair[2];

static int begin(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int end(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

#define outq_test(function) cmocka_unit_test_setup_teardown(function, begin, end)

static void write_bytes(size_t n)
{
	assert_int_equal(send(pair[0], bytes, n, MSG_NOSIGNAL), n);
}

static void read_bytes(size_t n)
{
	while (n > 0) {
		ssize_t got = recv(pair[1], bytes, n, 0);

		assert_true(got > 0);
		n -= (size_t)got;
	}
}

/* On the kernels that we know it does; were it not so, everything else would be skipped
 * silently. */
static void test_works(void **state)
{
	(void)state;
	assert_true(outq_works());
	assert_true(outq_works());
}

static void test_get(void **state)
{
	int first;

	(void)state;
	assert_int_equal(outq_get(pair[0]), 0);
	write_bytes(16);
	first = outq_get(pair[0]);
	assert_true(first >= OUTQ_EMPTY);
	write_bytes(16);
	assert_true(outq_get(pair[0]) > first);
	read_bytes(15);
	assert_true(outq_get(pair[0]) > first);
	read_bytes(1);
	assert_int_equal(outq_get(pair[0]), first);
	read_bytes(16);
	assert_true(outq_get(pair[0]) < OUTQ_EMPTY);
	assert_int_equal(outq_get(pair[1]),
			 0); /* the other direction is another matter */
}

static void test_get_of_what_is_no_socket(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	assert_int_equal(outq_get(-1), -1);
	assert_non_null(file);
	assert_int_equal(outq_get(fileno(file)), -1);
	fclose(file);
}

/* The charge is told in front, and is what the kernel then says: for each size, written
 * as one piece or collected from several. */
static void test_charge(void **state)
{
	static const size_t sizes[] = {
		1, 15, 16, 17, 63, 64, 65, 128, 900, 1000, 2048, 4095, 4096, 4097, 8192,
		16384, 20000, 32767, 32768, 32769, 40000, 65000, 65535, 65536,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i], n_front = n / 3;
		struct iovec iov[2] = { { bytes, n_front }, { bytes, n - n_front } };
		int charge = outq_charge(n);

		assert_true(charge >= OUTQ_EMPTY);
		assert_true((size_t)charge > n);
		write_bytes(n);
		assert_int_equal(outq_get(pair[0]), charge);
		read_bytes(n);
		assert_int_equal(writev(pair[0], iov, 2), n);
		assert_int_equal(outq_get(pair[0]), charge);
		assert_int_equal(outq_charge(n), charge);
		read_bytes(n);
	}
}

/* One size measured must not stand for its neighbours where these differ. */
static void test_charge_of_all_sizes(void **state)
{
	(void)state;
	for (size_t n = 3; n < 20000; n += 7) {
		write_bytes(n);
		assert_int_equal(outq_charge(n), outq_get(pair[0]));
		read_bytes(n);
	}
}

static void test_charges_add_up(void **state)
{
	(void)state;
	write_bytes(16);
	write_bytes(3000);
	assert_int_equal(outq_get(pair[0]), outq_charge(16) + outq_charge(3000));
	read_bytes(16);
	assert_int_equal(outq_get(pair[0]), outq_charge(3000));
}

static void test_charge_that_is_not_known(void **state)
{
	(void)state;
	assert_int_equal(outq_charge(0), 0);
	assert_int_equal(outq_charge(OUTQ_CHARGE_MAX_BYTES + 1), 0);
	assert_int_equal(outq_charge(SIZE_MAX), 0);
	assert_true(outq_charge(OUTQ_CHARGE_MAX_BYTES) > 0);
}

/* What the whole is for: an edge tells that the last has been read, and the figure is
 * below OUTQ_EMPTY by then. */
static void test_edge(void **state)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pair[0], &event), 0);
	write_bytes(100);
	while (epoll_wait(epoll_fd, &event, 1, 0) == 1)
		;
	read_bytes(99);
	assert_int_equal(epoll_wait(epoll_fd, &event, 1, 0), 0);
	read_bytes(1);
	assert_int_equal(epoll_wait(epoll_fd, &event, 1, 1000), 1);
	assert_true(event.events & EPOLLOUT);
	assert_true(outq_get(pair[0]) < OUTQ_EMPTY);
	close(epoll_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		outq_test(test_works),
		outq_test(test_get),
		outq_test(test_get_of_what_is_no_socket),
		outq_test(test_charge),
		outq_test(test_charge_of_all_sizes),
		outq_test(test_charges_add_up),
		outq_test(test_charge_that_is_not_known),
		outq_test(test_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
