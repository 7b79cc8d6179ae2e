/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What PHP-FPM's own configuration says about a pool with `fpm_conf`, now and whenever it
 * changes.
 *
 * The file itself is read first. Where it does not have the pool's section, or includes
 * other files that could say more, php-fpm is asked (daemon/fpm_dump.h), in a process
 * beside the loop. The file and the folders that it includes from are watched; what the
 * included files include on their part is not.
 *
 * Every change is one log line, of the values or of what is wrong. A file that is wrong
 * or gone leaves the last values as they are.
 */

#include <stdbool.h>
#include <stdint.h>

struct conf_address;
struct conf_fpm_values;
struct conf_pool;
struct fpm_probe;
struct loop;

struct fpm_probe_ops {
	/* They are known, or have changed. The values are valid in the call only. Must
	 * not free the probe. */
	void (*on_values)(void *userdata, const struct conf_fpm_values *values);
};

/* For a pool whose fpm_conf is not "". Reads nothing yet. `backend` is where the section
 * listens. What is needed of options, backend and runtime_dir is copied. 0 or -ENOMEM. */
int fpm_probe_new(struct loop *loop, const char *runtime_dir,
		  const struct conf_pool *options, const struct conf_address *backend,
		  const struct fpm_probe_ops *ops, void *userdata,
		  struct fpm_probe **ret_probe);
/* A php-fpm that runs is killed and reaped. Takes NULL, gives NULL. */
struct fpm_probe *fpm_probe_free(struct fpm_probe *probe);

/* Reads the file now, begins to watch it, and has php-fpm asked if there is need. To be
 * called once at start, before the pool takes requests. True: the file told the values,
 * and on_values has been called; false: they may come later. */
bool fpm_probe_read_now(struct fpm_probe *probe);

/* How long php-fpm may take, 5 s unless told otherwise. */
void fpm_probe_set_limit(struct fpm_probe *probe, uint64_t limit_us);
