/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Asks php-fpm itself what it reads in a configuration: `php-fpm -tt`, as a child.
 *
 * It is given a file of ours that includes the one in question: with error_log set behind
 * it, so that nothing is written to a log of the real master, which an ordinary user
 * could not open either, and with log_level, at which the dump is printed. It works with
 * a whole php-fpm.conf as well as with a file of pool.d/ (tested: PHP 8.2, root and not).
 * An ordinary user gets no dump where a pool has an access.log or a slowlog that he may
 * not write to: PHP-FPM opens those before it prints.
 */

#include <stddef.h>
#include <stdint.h>

struct fpm_dump;
struct loop;

struct fpm_dump_params {
	const char *binary;      /* of php-fpm; absolute */
	const char *file;        /* its configuration, or a part of it; absolute */
	const char *runtime_dir; /* for a file of ours, removed at the end */
	uint64_t limit_us;       /* of the child's time */
	/* The dump as it was printed, n bytes, with why NULL; or why there is none, one
	 * line, and text NULL. Both are valid in the call only, which may free the dump.
	 */
	void (*on_end)(void *userdata, const char *text, size_t n, const char *why);
	void *userdata;
};

/* 0, or an errno and what cannot be done in *ret_what. Nothing of params is kept but
 * on_end and its userdata. */
int fpm_dump_new(struct loop *loop, const struct fpm_dump_params *params,
		 struct fpm_dump **ret_dump, const char **ret_what);
/* Ends a child that runs. Takes NULL, gives NULL. */
struct fpm_dump *fpm_dump_free(struct fpm_dump *dump);

/* The binary for a configuration file, in /usr/sbin, then in /usr/local/sbin: that of the
 * version in the file's path (/etc/php/8.2/...) if it is there, else the newest that is.
 * Writes its path to binary; -ENOENT: there is none. */
int fpm_dump_find_binary(const char *file, char *binary, size_t size);
/* The same in one folder. */
int fpm_dump_find_binary_in(const char *folder, const char *file, char *binary,
			    size_t size);
