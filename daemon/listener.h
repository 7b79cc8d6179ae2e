/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A listening socket of a pool: made, or taken over from systemd; accepts clients while
 * there are descriptors for what they will need.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/client.h"
#include "daemon/list.h"
#include "daemon/loop.h"
#include "daemon/socket_file.h"

struct conf_address;
struct conf_pool;
struct pool;

/* Shared by all listeners: how many clients there may be. */
struct admission {
	unsigned n_clients, max;
	bool is_paused; /* some listener has met the limit; said once per change */
	uint64_t paused_us; /* when that was last */
};

struct listener {
	struct list node;           /* the daemon's */
	struct client_home home;
	struct pool *pool;
	struct admission *admission;
	struct loop_source source;  /* fd -1: closed, its clients are still there */
	struct loop_deadline resume;
	char *text;                 /* the address as configured */
	struct socket_file file;    /* of a unix path */
	bool is_tcp;
	unsigned burst;             /* how many are accepted in one turn */
	void (*on_empty)(
		struct listener *listener); /* closed, and its last client is gone */
};

/* Binds and listens. A socket file that nobody listens behind is replaced, atomically;
 * -EADDRINUSE if somebody does. 0, or the errno of what failed; *ret_what (static) names
 * the call. Owner, group and mode come from the options, by default from the backend's
 * socket; when that may not be done, *ret_warning (static) says so, else NULL. */
int listener_new(struct pool *pool, struct admission *admission,
		 const struct conf_address *address, struct listener **ret_listener,
		 const char **ret_what, const char **ret_warning);
/* The same over a socket that exists (systemd's). Takes fd, also on failure. */
int listener_adopt(struct pool *pool, struct admission *admission, int fd,
		   const struct conf_address *address, struct listener **ret_listener);
/* Stops listening. Clients stay; on_empty when the last has gone (perhaps now). */
void listener_close(struct listener *listener);
/* The socket of a listener, with all that waits in its backlog, for another pool. What is
 * left of the old one has its clients, as after listener_close(). 0, or an errno and
 * nothing has changed. */
int listener_move(struct listener *old, struct pool *pool,
		  const struct conf_address *address, struct listener **ret_listener);
/* Closes the clients that have had nothing to do for a while; call again until there are
 * none. */
void listener_close_idle(struct listener *listener);
/* Frees; no client may be left. Returns NULL, takes NULL. */
struct listener *listener_free(struct listener *listener);
/* The pool's options have changed: time limits for clients from now on. */
void listener_set_options(struct listener *listener);
