/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The file of a listening unix socket: made with its rights, removed by its owner. */

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/address.h"

struct socket_file {
	char *path; /* NULL: none */
	dev_t dev;
	ino_t ino;  /* to remove no one else's */
};

struct socket_access {
	uid_t uid;  /* (uid_t)-1: ours */
	gid_t gid;  /* (gid_t)-1: ours */
	mode_t mode;
};

/* The ids of names; -1 where there is no such user or group. They ask the name service,
 * which can take its time: at start and at a reload only. */
uid_t socket_file_uid(const char *name);
gid_t socket_file_gid(const char *name);

/* Binds fd to the path of address and listens. A socket that nobody listens behind is
 * replaced; nobody can connect before the file has its rights. 0 and *ret; -EADDRINUSE
 * when somebody answers there; -EEXIST when it is no socket; or the errno of what failed,
 * which *ret_what (static) names. *ret_warning (static, NULL: none): a right that could
 * not be given. */
int socket_file_listen(struct socket_file *ret, int fd, const struct address *address,
		       int backlog, const struct socket_access *access,
		       const char **ret_what, const char **ret_warning);
/* Removes the file if it is still ours. Harmless on one that is zero. */
void socket_file_done(struct socket_file *file);
