/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The root object: loop, signals, configuration, pools, listeners; start, reload, drain.
 */

#include <stdbool.h>

#include "daemon/body.h"
#include "daemon/control.h"
#include "daemon/list.h"
#include "daemon/listener.h"
#include "daemon/loop.h"
#include "daemon/memory.h"
#include "daemon/summary.h"

struct activation;
struct conf;
struct conf_address;
struct conf_pool;
struct pool;

/* Exit codes of the process (sysexits.h). */
enum daemon_exit {
	DAEMON_EXIT_OK = 0,
	DAEMON_EXIT_USAGE = 64,
	DAEMON_EXIT_BUG = 70,
	DAEMON_EXIT_SYSTEM = 71,     /* a system call failed at start */
	DAEMON_EXIT_PERMISSION = 77,
	DAEMON_EXIT_CONFIG = 78,
};

struct daemon {
	struct loop *loop;
	struct conf *conf;
	struct activation *activation;
	struct memory memory;
	struct spool spool;
	struct admission admission;
	struct control control;
	struct summary summary;
	struct list pools;
	struct list listeners; /* those of removed pools too, while they have clients */
	bool is_draining;
	bool is_drained;          /* nothing is in flight, or it has had its time */
	struct loop_deadline drain_end, drain_look;
	struct loop_deadline release_look;
};

/* Runs until it is told to stop; logs. Returns the process's exit code. conf is borrowed.
 */
int daemon_run(struct conf *conf);

/* daemon_pools.c; each logs what fails, and gives 0 or an errno. */
int daemon_add_pool(struct daemon *daemon, const struct conf_pool *options,
		    struct pool **ret_pool);
void daemon_change_pool(struct daemon *daemon, struct pool *pool,
			const struct conf_pool *options);
int daemon_listen(struct daemon *daemon, struct pool *pool,
		  const struct conf_address *address);
int daemon_listen_all(struct daemon *daemon);
/* Gives the pool a listener that another pool does not want any more. */
int daemon_move_listener(struct daemon *daemon, struct listener *old, struct pool *pool,
			 const struct conf_address *address);
/* Closes what systemd passed and no pool listens on. */
void daemon_drop_unnamed(struct daemon *daemon);
/* A pool that a reload took away goes when nothing of it is in use any more; call again
 * whenever that may have come. */
void daemon_release_removed(struct daemon *daemon);
void daemon_on_release_look(struct loop_deadline *deadline);
/* Ends a master of ours. True: there is none, or none any more. */
bool daemon_stop_master(struct pool *pool);
/* Closes clients that have had no request for a while, of this pool or (NULL) of all;
 * call again until there are none. */
void daemon_close_idle(struct daemon *daemon, const struct pool *pool);
/* With its master and its probe. */
void daemon_free_pool(struct pool *pool);

/* daemon.c */
int daemon_set_clients_max(struct daemon *daemon);
/* What daemon->conf says of memory and the spool, from now on. */
void daemon_take_limits(struct daemon *daemon);
