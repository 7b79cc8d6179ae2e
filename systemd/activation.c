/* SPDX-License-Identifier: BSD-2-Clause */

/* Listening sockets that systemd hands over at start, kept and lent by name. */

#include "systemd/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

struct activation {
	size_t n_fds;
	char **names; /* of each descriptor; one block per string, as sd-daemon does it */
	int *fds;
};

static int activation_prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int activation_new(struct activation **ret)
{
	struct activation *activation = calloc(1, sizeof(*activation));
	int r;

	if (!activation)
		return -ENOMEM;
	r = sd_listen_fds_with_names(true, &activation->names);
	if (r < 0)
		goto fail;
	activation->fds = calloc((size_t)r + 1, sizeof(*activation->fds));
	if (!activation->fds) {
		r = -ENOMEM;
		goto fail;
	}
	for (activation->n_fds = 0; activation->n_fds < (size_t)r; activation->n_fds++)
		activation->fds[activation->n_fds] =
			SD_LISTEN_FDS_START + (int)activation->n_fds;
	r = 0;
	for (size_t i = 0; i < activation->n_fds && r == 0; i++)
		r = activation_prepare(activation->fds[i]);
	if (r < 0)
		goto fail;
	*ret = activation;
	return 0;

fail:
	(void)activation_free(activation);
	return r;
}

struct activation *activation_free(struct activation *activation)
{
	if (!activation)
		return NULL;
	for (size_t i = 0; i < activation->n_fds; i++)
		(void)close(activation->fds[i]);
	for (char **name = activation->names; name && *name; name++)
		free(*name);
	free(activation->names);
	free(activation->fds);
	free(activation);
	return NULL;
}

size_t activation_n_fds(const struct activation *activation)
{
	return activation->n_fds;
}

static int activation_duplicate(int fd)
{
	int r = sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1);

	if (r < 0)
		return r;
	if (r == 0)
		return -ENOTSOCK;
	r = fcntl(fd, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START);
	return r < 0 ? -errno : r;
}

int activation_lend(const struct activation *activation, const char *name, int *ret_fds,
		    size_t n_max)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < activation->n_fds; i++) {
		if (strcmp(activation->names[i], name) != 0)
			continue;
		r = n < n_max ? activation_duplicate(activation->fds[i]) : -ENOBUFS;
		if (r < 0)
			goto fail;
		ret_fds[n++] = r;
	}
	return (int)n;

fail:
	while (n > 0)
		(void)close(ret_fds[--n]);
	return r;
}

void activation_keep_only(struct activation *activation,
			  bool (*is_wanted)(const char *name, void *userdata),
			  void (*on_closed)(const char *name, void *userdata),
			  void *userdata)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < activation->n_fds; i++) {
		char *name = activation->names[i];

		if (is_wanted(name, userdata)) {
			activation->names[n_kept] = name;
			activation->fds[n_kept++] = activation->fds[i];
			continue;
		}
		(void)close(activation->fds[i]);
		if (on_closed)
			on_closed(name, userdata);
		free(name);
	}
	if (activation->names)
		activation->names[n_kept] = NULL;
	activation->n_fds = n_kept;
}
