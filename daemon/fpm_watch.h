/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Notices that files of PHP-FPM's configuration change, by inotify.
 *
 * A file is watched itself (it may be a link to somewhere else) and by name in its folder
 * (editors write a new file and rename it). A pattern's folder is watched for names that
 * match. Where a folder cannot be watched (it is not there, or is a pattern itself),
 * on_change comes every thirty seconds instead.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/loop.h"

struct sd_event_source;

enum {
	FPM_WATCH_PLACES_MAX = 16,
};

struct fpm_watch_place {
	struct fpm_watch *watch;
	struct sd_event_source *source;
	char *name;      /* what counts in a folder; NULL: everything */
	bool is_pattern; /* name is one, of fnmatch() */
};

/* Embedded in its owner. */
struct fpm_watch {
	struct loop *loop;
	struct fpm_watch_place places[FPM_WATCH_PLACES_MAX];
	size_t n;
	struct loop_deadline settle;
	struct loop_deadline look; /* runs while something cannot be watched */
	void *userdata;
	void (*on_change)(void *userdata);
};

/* on_change comes 200 ms after the first of some changes, never from inside a call here.
 * It is to end in watching anew: clear, add, then read what is watched. */
void fpm_watch_init(struct fpm_watch *watch, struct loop *loop, void *userdata,
		    void (*on_change)(void *userdata));
/* Harmless on one that is zero or done. */
void fpm_watch_done(struct fpm_watch *watch);
/* Forgets all places, and changes that were noticed and not told. */
void fpm_watch_clear(struct fpm_watch *watch);
/* Absolute paths. The file need not exist. */
void fpm_watch_add_file(struct fpm_watch *watch, const char *file);
/* "/etc/php/8.2/fpm/pool.d/" and a pattern behind the last slash. */
void fpm_watch_add_pattern(struct fpm_watch *watch, const char *pattern);
