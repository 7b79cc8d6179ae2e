/* SPDX-License-Identifier: BSD-2-Clause */
/* Plays the service manager's end of NOTIFY_SOCKET: writes each message to a file. */

/*
 * notify SOCKET LOGFILE
 *
 * Each field of a message becomes a line "US PID FIELD=VALUE" (CLOCK_MONOTONIC, sender's
 * pid, control bytes escaped). Descriptors that come along are closed. "listening SOCKET"
 * on stdout says that messages are taken from now on. Ends on SIGTERM, unlinking SOCKET.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/net.h"

static const char *notify_path;

static void notify_on_signal(int signal)
{
	(void) signal;
	unlink(notify_path);
	_exit(0);
}

static int notify_bind(const char *path)
{
	struct net_address address;
	int one = 1, fd;

	if (net_address_unix(path, &address) < 0)
		net_usage("%s: no path for a socket", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *) &address.storage, address.n_bytes) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
		net_usage("%s: %s", path, strerror(errno));
	chmod(path, 0666);	/* the daemon may run under another uid */
	return fd;
}

/* The sender's pid; whatever descriptors came along are closed. */
static pid_t notify_ancillary(struct msghdr *message)
{
	struct ucred credentials = { 0 };
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
		for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < n; i += sizeof(fd)) {
			memcpy(&fd, CMSG_DATA(c) + i, sizeof(fd));
			close(fd);
		}
	}
	return credentials.pid;
}

static void notify_receive(int fd, FILE *log)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) +
			  CMSG_SPACE(64 * sizeof(int))];
	} control;
	char text[8192];
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	uint64_t now_us = net_now_us();
	pid_t pid;

	if (n < 0)
		return;
	pid = notify_ancillary(&message);
	text[n] = '\0';
	for (char *rest = text, *field; (field = strsep(&rest, "\n"));) {
		if (!*field)
			continue;
		fprintf(log, "%llu %d ", (unsigned long long) now_us, (int) pid);
		net_put_escaped(log, field, strlen(field));
		fputc('\n', log);
	}
	fflush(log);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = notify_on_signal };
	FILE *log;
	int fd;

	if (argc != 3)
		net_usage("needed: SOCKET LOGFILE");
	notify_path = argv[1];
	log = fopen(argv[2], "ae");
	if (!log)
		net_usage("%s: %s", argv[2], strerror(errno));
	fd = notify_bind(argv[1]);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	printf("listening %s\n", argv[1]);
	fflush(stdout);
	for (;;)
		notify_receive(fd, log);
}
