/* SPDX-License-Identifier: BSD-2-Clause */
/* Making links: the connect() to PHP-FPM. */

#include <errno.h>
#include <sys/socket.h>

#include "daemon/address.h"
#include "daemon/link.h"

static int link_open(const struct address *address, int *ret_fd)
{
	_cleanup_close_ int fd = -1;

	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &address->any, address->n) < 0 && errno != EINPROGRESS)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int link_connect(struct loop *loop, struct memory *memory, const struct address *address,
		 struct loop_deadline_list *connect_timeout, bool wants_edges, void *home,
		 const struct link_home_ops *home_ops, struct link **ret_link)
{
	bool is_unix = address->any.sa_family == AF_UNIX;
	int r, fd = -1;

	r = link_open(address, &fd);
	if (r == 0)
		r = link_new(loop, memory, fd, is_unix, wants_edges, home, home_ops,
			     ret_link);
	if (r < 0)
		return r;
	if (is_unix)
		stream_ask_creds(&(*ret_link)->stream);
	else
		loop_deadline_start(connect_timeout, &(*ret_link)->connect_deadline);
	return 0;
}
