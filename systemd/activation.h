/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Listening sockets that systemd hands over at start, by the name of their unit's
 * FileDescriptorName=.
 *
 * They come once, at start; the configuration may ask for the same name again at every
 * reload. So this object keeps each descriptor and lends duplicates: a listener that goes
 * and comes back over two reloads finds its socket, with all connections that wait in its
 * backlog.
 *
 * A duplicate is the same open file. Closing one neither ends the listening nor takes it
 * out of an epoll set (EPOLL_CTL_DEL first); shutdown() on one ends them all. And systemd
 * keeps one too: connections to a socket that no pool uses wait in its backlog for ever,
 * which is why activation_keep_only() tells of those.
 */

#include <stdbool.h>
#include <stddef.h>

struct activation;

/* Takes over what was inherited: every descriptor is made CLOEXEC and non-blocking, and
 * $LISTEN_FDS and its friends are removed from the environment, lest a child takes them
 * for its own. 0 also when nothing was inherited; < 0 is an errno and leaves *ret alone.
 * */
int activation_new(struct activation **ret);
/* Takes NULL; closes the descriptors kept here, not those lent. Gives NULL. */
struct activation *activation_free(struct activation *activation);

/* How many descriptors there are, under all names. */
size_t activation_n_fds(const struct activation *activation);

/*
 * Lends the sockets of a name ("www" for "systemd:www"; a name may have several): writes
 * up to n_max duplicates to ret_fds, which the caller owns and closes, and gives their
 * number, 0 when there is no such name. < 0 is an errno, and then none was handed out:
 * -ENOTSOCK when one of them is no listening stream socket (ListenDatagram=, Accept=yes),
 * -ENOBUFS when there are more than n_max, -EMFILE, -ENFILE.
 */
int activation_lend(const struct activation *activation, const char *name, int *ret_fds,
		    size_t n_max);

/*
 * Closes those whose name does not satisfy is_wanted(name, userdata) and then calls
 * on_closed(name, userdata), which may be NULL, for each, so that the caller can say so.
 * They cannot be lent afterwards.
 */
void activation_keep_only(struct activation *activation,
			  bool (*is_wanted)(const char *name, void *userdata),
			  void (*on_closed)(const char *name, void *userdata),
			  void *userdata);
