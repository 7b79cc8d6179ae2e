/* SPDX-License-Identifier: BSD-2-Clause */
/* What a unix peer has not read yet, as SIOCOUTQ tells it. */

/*
 * Why charges have to be known: a worker may accept and read BEGIN_REQUEST while we are
 * still on our way to ask for the first figure, so "it has fallen since I asked" misses
 * the fast ones. What two unread writes are charged with is a function of their sizes
 * alone (net/unix/af_unix.c, unix_stream_sendmsg: one buffer a write up to some 48 KiB,
 * its data aligned to a cache line), so it is measured on a socketpair of our own once
 * per 64 bytes of size, and "less than that" means "accepted" whenever it is asked.
 */

#include "daemon/outq.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "daemon/macros.h"

enum {
	OUTQ_CLASS_BYTES = 64,
	OUTQ_N_CLASSES = OUTQ_CHARGE_MAX_BYTES / OUTQ_CLASS_BYTES + 1,
};

static int outq_charges[OUTQ_N_CLASSES];

int outq_get(int fd)
{
	int n;

	return ioctl(fd, SIOCOUTQ, &n) < 0 ? -1 : n;
}

static bool outq_drain(int fd, size_t n)
{
	static uint8_t buffer[OUTQ_CHARGE_MAX_BYTES];
	ssize_t got;

	while (n > 0) {
		got = recv(fd, buffer, n, MSG_DONTWAIT);
		if (got <= 0)
			return false;
		n -= (size_t)got;
	}
	return true;
}

/* Writes n bytes to a pair and asks what they are charged with. */
static int outq_measure(const int pair[2], size_t n)
{
	static const uint8_t zeros[OUTQ_CHARGE_MAX_BYTES];
	int charge;

	if (send(pair[0], zeros, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
		return 0;
	charge = outq_get(pair[0]);
	if (!outq_drain(pair[1], n))
		return 0;
	return MAX(charge, 0);
}

static bool outq_has_edge(int epoll_fd)
{
	struct epoll_event event;

	return epoll_wait(epoll_fd, &event, 1, 0) == 1 && (event.events & EPOLLOUT);
}

static bool outq_try(const int pair[2], int epoll_fd)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	uint8_t bytes[8];
	int first, both;

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pair[0], &event) < 0)
		return false;
	if (send(pair[0], "12345678", 8, MSG_NOSIGNAL) != 8)
		return false;
	first = outq_get(pair[0]);
	if (send(pair[0], "12345678", 8, MSG_NOSIGNAL) != 8)
		return false;
	both = outq_get(pair[0]);
	(void)outq_has_edge(epoll_fd); /* of the adding */
	if (first < OUTQ_EMPTY || both <= first || outq_has_edge(epoll_fd))
		return false;
	/* half of a write read: the charge stays; all of it: it falls, with an edge */
	if (recv(pair[1], bytes, 4, 0) != 4 || outq_get(pair[0]) != both)
		return false;
	if (recv(pair[1], bytes, 4, 0) != 4 || outq_get(pair[0]) >= both ||
	    !outq_has_edge(epoll_fd))
		return false;
	return recv(pair[1], bytes, 8, 0) == 8 && outq_get(pair[0]) < OUTQ_EMPTY &&
	       outq_has_edge(epoll_fd);
}

bool outq_works(void)
{
	static int answer = -1;
	int pair[2], epoll_fd;

	if (answer >= 0)
		return answer > 0;
	answer = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd >= 0)
		answer = outq_try(pair, epoll_fd);
	close_fd(epoll_fd);
	close_fd(pair[0]);
	close_fd(pair[1]);
	return answer > 0;
}

int outq_charge(size_t n)
{
	size_t class = (n + OUTQ_CLASS_BYTES - 1) / OUTQ_CLASS_BYTES;
	int pair[2];

	if (n == 0 || n > OUTQ_CHARGE_MAX_BYTES || !outq_works())
		return 0;
	if (outq_charges[class] > 0)
		return outq_charges[class];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	outq_charges[class] = outq_measure(pair, n);
	close_fd(pair[0]);
	close_fd(pair[1]);
	return outq_charges[class];
}
