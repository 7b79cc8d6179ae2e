/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket. */

#include "daemon/control.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "daemon/address.h"

enum {
	CONTROL_BACKLOG = 16,
	CONTROL_MODE = 0660,
};

static void control_on_ready(struct loop_source *source, uint32_t events)
{
	(void)events;
	close_fd(accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

static int control_bind(struct control *control, int fd, const struct address *address)
{
	const struct socket_access access = {
		.uid = (uid_t)-1,
		.gid = socket_file_gid("fpmgate-admin"),
		.mode = CONTROL_MODE,
	};
	const char *what, *warning;

	if (address->un.sun_path[0] != '\0')
		return socket_file_listen(&control->file, fd, address, CONTROL_BACKLOG,
					  &access, &what, &warning);
	if (bind(fd, &address->any, address->n) < 0 || listen(fd, CONTROL_BACKLOG) < 0)
		return -errno;
	return 0;
}

int control_init(struct control *control, struct loop *loop,
		 const struct conf_address *address)
{
	_cleanup_close_ int fd = -1;
	struct address bound;
	int r;

	*control = (struct control){ .loop = loop };
	control->source.fd = -1;
	address_set(&bound, address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = control_bind(control, fd, &bound);
	if (r < 0)
		return r;
	control->source = (struct loop_source){
		.fd = fd,
		.is_level = true,
		.on_ready = control_on_ready,
	};
	r = loop_add(loop, &control->source, EPOLLIN);
	if (r == 0)
		(void)steal_fd(&fd);
	else
		control->source.fd = -1;
	return r;
}

void control_done(struct control *control)
{
	if (!control->loop)
		return;
	socket_file_done(&control->file);
	loop_remove(control->loop, &control->source);
	control->source.fd = close_fd(control->source.fd);
}
