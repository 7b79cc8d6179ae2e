/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of a listening unix socket. */

#include "daemon/socket_file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/macros.h"

uid_t socket_file_uid(const char *name)
{
	const struct passwd *user = getpwnam(name);

	return user ? user->pw_uid : (uid_t)-1;
}

gid_t socket_file_gid(const char *name)
{
	const struct group *group = getgrnam(name);

	return group ? group->gr_gid : (gid_t)-1;
}

static const char *socket_file_set_access(const char *path,
					  const struct socket_access *access)
{
	if (chmod(path, access->mode) < 0)
		return "the mode of its socket cannot be set";
	if (access->gid != (gid_t)-1 && chown(path, (uid_t)-1, access->gid) < 0)
		return "its socket's group cannot be set, web servers may not reach it";
	if (access->uid != (uid_t)-1 && access->uid != geteuid() &&
	    chown(path, access->uid, (gid_t)-1) < 0)
		return "the owner of its socket cannot be set";
	return NULL;
}

/* Does somebody answer behind this path? */
static bool socket_file_is_live(const struct address *address)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	       (connect(fd, &address->any, address->n) == 0 || errno == EAGAIN);
}

/* Binds with no rights for anybody until they are what they shall be. */
static int socket_file_bind(int fd, const struct address *address)
{
	mode_t mask = umask(0777);
	int r = bind(fd, &address->any, address->n) < 0 ? -errno : 0;

	(void)umask(mask);
	return r;
}

int socket_file_listen(struct socket_file *ret, int fd, const struct address *address,
		       int backlog, const struct socket_access *access,
		       const char **ret_what, const char **ret_warning)
{
	const char *path = address->un.sun_path;
	struct stat st;
	int r;

	*ret_what = "bind";
	*ret_warning = NULL;
	if (socket_file_is_live(address))
		return -EADDRINUSE;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST; /* somebody's file: no path for a socket */
	(void)unlink(path);
	r = socket_file_bind(fd, address);
	if (r < 0)
		return r;
	*ret_warning = socket_file_set_access(path, access);
	*ret_what = "listen";
	if (listen(fd, backlog) < 0 || stat(path, &st) < 0) {
		r = -errno;
		(void)unlink(path);
		return r;
	}
	*ret = (struct socket_file){
		.path = strdup(path),
		.dev = st.st_dev,
		.ino = st.st_ino,
	};
	return 0;
}

void socket_file_done(struct socket_file *file)
{
	struct stat st;

	if (!file->path)
		return;
	if (lstat(file->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		(void)unlink(file->path);
	free(file->path);
	file->path = NULL;
}
