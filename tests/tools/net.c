/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets, clocks and number parsing shared by the test tools. */
#include "tests/tools/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t net_clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

uint64_t net_now_us(void)
{
	return net_clock_us(CLOCK_MONOTONIC);
}

uint64_t net_wall_us(void)
{
	return net_clock_us(CLOCK_REALTIME);
}

static int net_address_un(const char *name, size_t offset,
			  struct net_address *ret_address)
{
	struct sockaddr_un *un = (struct sockaddr_un *) &ret_address->storage;
	size_t n = strlen(name);

	if (n == 0)
		return -EINVAL;
	if (n + offset > sizeof(un->sun_path) - 1)
		return -ENAMETOOLONG;
	memset(ret_address, 0, sizeof(*ret_address));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path + offset, name, n);
	ret_address->n_bytes =
		(socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

int net_address_unix(const char *path, struct net_address *ret_address)
{
	return net_address_un(path, 0, ret_address);
}

/* An abstract name is not terminated: its length is the address's length. */
int net_address_abstract(const char *name, struct net_address *ret_address)
{
	return net_address_un(name, 1, ret_address);
}

int net_address_tcp(const char *text, struct net_address *ret_address)
{
	struct sockaddr_in *in = (struct sockaddr_in *) &ret_address->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &ret_address->storage;
	const char *colon = strrchr(text, ':');
	const char *digits = colon ? colon + 1 : text;
	char host[64] = "127.0.0.1";
	unsigned long port;
	char *end;

	port = strtoul(digits, &end, 10);
	if (end == digits || *end || port > 65535)
		return -EINVAL;
	if (colon && snprintf(host, sizeof(host), "%.*s", (int) (colon - text), text) >=
			     (int) sizeof(host))
		return -EINVAL;
	memset(ret_address, 0, sizeof(*ret_address));
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t) port);
		ret_address->n_bytes = sizeof(*in6);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t) port);
	ret_address->n_bytes = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

int net_address_any(const char *text, struct net_address *ret_address)
{
	if (text[0] == '/')
		return net_address_unix(text, ret_address);
	if (text[0] == '@')
		return net_address_abstract(text + 1, ret_address);
	if (strncmp(text, "unix:", 5) == 0)
		return net_address_unix(text + 5, ret_address);
	return net_address_tcp(text, ret_address);
}

int net_connect_start(const struct net_address *address, bool *ret_pending)
{
	int family = address->storage.ss_family, one = 1, r;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = connect(fd, (const struct sockaddr *) &address->storage, address->n_bytes);
	*ret_pending = r < 0 && errno == EINPROGRESS;
	if (r < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int net_connect(const struct net_address *address, uint64_t deadline_us)
{
	socklen_t n_bytes = sizeof(int);
	bool pending = false;
	int r, error = 0;
	int fd = net_connect_start(address, &pending);

	if (fd < 0 || !pending)
		return fd;
	r = net_wait(fd, POLLOUT, deadline_us);
	if (r > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n_bytes) < 0)
		error = errno;
	if (r == 0)
		error = ETIMEDOUT;
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

/* An AF_UNIX path left by somebody who is gone; anything but a socket is left alone. */
static void net_unlink_stale(const struct net_address *address)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *) &address->storage;
	struct stat st;

	if (un->sun_family != AF_UNIX || un->sun_path[0] == '\0')
		return;
	if (lstat(un->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(un->sun_path);
}

/* nginx and its like run under another uid than a test. */
static void net_open_to_all(const struct net_address *address)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *) &address->storage;

	if (un->sun_family == AF_UNIX && un->sun_path[0])
		chmod(un->sun_path, 0666);
}

int net_listen(const struct net_address *address, int backlog)
{
	int family = address->storage.ss_family, one = 1, r;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	net_unlink_stale(address);
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *) &address->storage, address->n_bytes) < 0 ||
	    listen(fd, backlog) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	net_open_to_all(address);
	return fd;
}

unsigned int net_bound_port(int fd)
{
	struct sockaddr_storage storage = { 0 };
	socklen_t n_bytes = sizeof(storage);

	if (getsockname(fd, (struct sockaddr *) &storage, &n_bytes) < 0)
		return 0;
	if (storage.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *) &storage)->sin_port);
	if (storage.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *) &storage)->sin6_port);
	return 0;
}

int net_wait(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now_us = net_now_us();
		uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
		struct timespec t = { .tv_sec = (time_t) (left_us / 1000000),
				      .tv_nsec = (long) (left_us % 1000000 * 1000) };
		int r = ppoll(&p, 1, &t, NULL);

		if (r > 0)
			return p.revents;
		if (r == 0 && left_us == 0)
			return 0;
	}
}

int net_write(int fd, const void *data, size_t n_bytes, uint64_t deadline_us)
{
	const uint8_t *at = data;

	while (n_bytes > 0) {
		ssize_t n = send(fd, at, n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			at += n;
			n_bytes -= (size_t) n;
		} else if (errno == EAGAIN) {
			if (net_wait(fd, POLLOUT, deadline_us) == 0)
				return -ETIMEDOUT;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

ssize_t net_read(int fd, void *data, size_t n_bytes, uint64_t deadline_us)
{
	for (;;) {
		ssize_t n = recv(fd, data, n_bytes, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno == EAGAIN) {
			if (net_wait(fd, POLLIN, deadline_us) == 0)
				return -ETIMEDOUT;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

bool net_close_by_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_storage storage = { 0 };
	socklen_t n_bytes = sizeof(storage);
	bool is_reset = true;
	char byte;

	getsockname(fd, (struct sockaddr *) &storage, &n_bytes);
	if (storage.ss_family == AF_UNIX)
		is_reset = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	else
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
	return is_reset;
}

void net_close_cleanly(int fd)
{
	char dropped[4096];

	while (recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT) > 0)
		;
	close(fd);
}

void net_sleep_us(uint64_t usec)
{
	struct timespec t = { .tv_sec = (time_t) (usec / 1000000),
			      .tv_nsec = (long) (usec % 1000000 * 1000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

size_t net_raise_n_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	return (size_t) limit.rlim_cur;
}

uint64_t net_number(const char *text, uint64_t min, uint64_t max, const char *what)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
		net_usage("%s: '%s' is not a number between %llu and %llu", what, text,
			  (unsigned long long) min, (unsigned long long) max);
	return value;
}

void net_usage(const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(64);
}

static int net_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char) (c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint8_t *net_hex(const char *text, size_t *ret_n_bytes)
{
	uint8_t *bytes;
	size_t n_digits = 0;

	if (text[0] == '@')
		return net_file(text + 1, ret_n_bytes);
	bytes = calloc(1, strlen(text) / 2 + 1);
	if (!bytes)
		net_usage("out of memory");
	for (const char *at = text; *at; at++) {
		int digit = net_hex_digit(*at);

		if (*at == ' ' || *at == ':')
			continue;
		if (digit < 0)
			net_usage("'%s' is not hexadecimal", text);
		bytes[n_digits / 2] = (uint8_t) (bytes[n_digits / 2] << 4 | digit);
		n_digits++;
	}
	if (n_digits % 2)
		net_usage("'%s' has an odd number of digits", text);
	*ret_n_bytes = n_digits / 2;
	return bytes;
}

uint8_t *net_file(const char *path, size_t *ret_n_bytes)
{
	FILE *file = fopen(path, "re");
	uint8_t *bytes = NULL;
	size_t n = 0, n_room = 0;

	if (!file)
		net_usage("%s: %s", path, strerror(errno));
	while (!feof(file)) {
		if (n == n_room) {
			n_room = n_room ? 2 * n_room : 65536;
			bytes = realloc(bytes, n_room);
		}
		if (!bytes)
			net_usage("out of memory");
		n += fread(bytes + n, 1, n_room - n, file);
		if (ferror(file))
			net_usage("%s: cannot be read", path);
	}
	fclose(file);
	*ret_n_bytes = n;
	return bytes;
}

void net_put_escaped(FILE *out, const void *text, size_t n_bytes)
{
	static const char short_forms[] = { ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
					    ['\\'] = '\\' };
	const uint8_t *at = text;

	for (size_t i = 0; i < n_bytes; i++) {
		if (at[i] < sizeof(short_forms) && short_forms[at[i]])
			fprintf(out, "\\%c", short_forms[at[i]]);
		else if (at[i] < 32 || at[i] > 126)
			fprintf(out, "\\x%02x", at[i]);
		else
			fputc(at[i], out);
	}
}
