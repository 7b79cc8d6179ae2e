/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What a php-fpm of ours is started with: the text of its configuration, and the files
 * that belong to it.
 *
 * The files stand in RUNTIME_DIR/fpm, which only we can enter: POOL.conf, and the sockets
 * POOL.sock (requests), POOL.status (pm.status_listen), POOL.notify (READY=1). php-fpm
 * binds as the user that fpmgate runs as, and workers of another user inherit the
 * listening sockets, so nobody but fpmgate can connect, whatever `user` says.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum {
	MASTER_CONF_TOKEN_BYTES =
		17, /* of a status path that nobody can guess, NUL included */
};

struct master_conf {
	char *pool;              /* the pool's name */
	char *program;           /* php-fpm's path */
	char *dir;               /* RUNTIME_DIR/fpm */
	char *file;              /* POOL.conf in it */
	char *notify_path;
	struct conf_address backend, status;
	char *text;
	size_t n_body; /* of text: all but the names of sockets, which come last */
	uint64_t stop_timeout_us;
	unsigned n_files;        /* soft limit of descriptors */
	bool is_root_allowed;    /* workers are to be root: -R */
	enum conf_pm pm;
	unsigned max_children;
};

enum master_conf_result {
	MASTER_CONF_NO_USER = 1, /* we are root, and the pool has no fpm.user */
	MASTER_CONF_BAD_TEXT,    /* a control character, or a php_ini without a KEY= */
	MASTER_CONF_LONG_PATH,   /* runtime_dir and name are too long for a socket */
};

/* Makes the text and the names; touches no file. The pool must have max_children.
 * `variant` tells two apart that live at the same time (0: plain names), `token` makes
 * the status path, unless the pool has one. 0 and *ret_conf, -ENOMEM or an enum above. */
int master_conf_new(const struct conf *conf, const struct conf_pool *options,
		    unsigned variant, const char token[MASTER_CONF_TOKEN_BYTES],
		    struct master_conf **ret_conf);
struct master_conf *master_conf_free(struct master_conf *conf);

/* Makes the directories, 0700, writes the file, 0600, and removes the sockets of an
 * earlier run. 0, -EPERM if RUNTIME_DIR/fpm is not ours, or the errno of what fails. */
int master_conf_write(const struct master_conf *conf);
/* Removes the file and the sockets. */
void master_conf_remove(const struct master_conf *conf);
/* Do both mean the same php-fpm, the names of its files aside? */
bool master_conf_is_same(const struct master_conf *a, const struct master_conf *b);
