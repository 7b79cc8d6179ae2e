/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A php-fpm that fpmgate runs itself, for a pool with `php_fpm`: started, watched,
 * started again, replaced when its options change, stopped.
 */

#include <stdbool.h>
#include <sys/types.h>

struct conf;
struct conf_address;
struct conf_pool;
struct loop;
struct master;

struct master_ops {
	/* It serves. master_backend() and master_fpm_text() may have changed: the pool
	 * must be told. Again after each restart and each change of options. */
	void (*on_up)(struct master *master, void *userdata);
	/* It served and does not any more; it will be started again. */
	void (*on_down)(struct master *master, void *userdata);
	/* After master_stop(): nothing of it is left. May free the master. */
	void (*on_stopped)(struct master *master, void *userdata);
};

enum master_result {
	MASTER_NO_USER = 1, /* fpmgate is root and the pool has no fpm.user */
	MASTER_BAD_TEXT,    /* an option holds a control character */
	MASTER_LONG_PATH,   /* runtime_dir and the pool's name: no room in a socket's name
			     */
};

/* Makes a master for a pool of conf with php_fpm and max_children, and starts it in the
 * next turn of the loop; what goes wrong then is logged and tried again. Nothing of conf
 * is kept. 0, -ENOMEM, the errno of getrandom(), or an enum above. */
int master_new(struct loop *loop, const struct conf *conf,
	       const struct conf_pool *options, const struct master_ops *ops,
	       void *userdata, struct master **ret_master);
/* What runs is killed, which takes some milliseconds; no callback comes. Returns NULL;
 * takes NULL. */
struct master *master_free(struct master *master);

/* New options of the pool, of which only those count that php-fpm has to know; if none of
 * them has changed nothing happens. Otherwise a second php-fpm is started on sockets of
 * its own; when it serves on_up() says so, and the first one ends its requests, at most
 * stop_timeout, and goes. If the second one does not come up that is logged, and the
 * first one stays as it is, in force or being started again and again; the same options
 * are tried again by another call. Results as of master_new(), or the errno of what the
 * start needs; if not 0 the first one stays, too. */
int master_set_options(struct master *master, const struct conf *conf,
		       const struct conf_pool *options);

/* Lets requests end: SIGQUIT, SIGTERM when stop_timeout has passed, then SIGKILL.
 * on_stopped() follows, never from inside this call. */
void master_stop(struct master *master);

/* The socket for requests; known before it exists. Another one at some on_up() after a
 * master_set_options(), which is why neither it nor the next two may be kept. */
const struct conf_address *master_backend(const struct master *master);
/* php-fpm's pm.status_listen; its page is at pm.status_path of master_fpm_text(). */
const struct conf_address *master_status(const struct master *master);
/* The configuration as php-fpm reads it; for conf_fpm_parse(). */
const char *master_fpm_text(const struct master *master);
/* Of php-fpm's master process; 0: there is none. */
pid_t master_pid(const struct master *master);
bool master_is_up(const struct master *master);
