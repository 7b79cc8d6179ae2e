/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Parses PHP-FPM's configuration text: a pool file, or the dump of `php-fpm -tt`.
 *
 * Pure text in, values out; who reads the file or runs php-fpm is the daemon. The dump
 * prefixes every line with a log prefix (`[date] NOTICE: `, at log level debug also
 * `pid N, function(), line N: `) and a tab (sapi/fpm/fpm/fpm_conf.c, fpm_conf_dump); both
 * forms are taken, also mixed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum conf_fpm_result {
	CONF_FPM_NO_SECTION = 1, /* no section whose listen is the backend */
	CONF_FPM_INCLUDES,       /* nor is there one, but the text includes other files: a
				  * dump is needed to be sure */
};

/* Times are 0 when they are off or not given, texts "". */
struct conf_fpm_values {
	char pool[64];            /* the section's name */
	enum conf_pm pm;          /* CONF_PM_UNKNOWN: not found */
	unsigned max_children;    /* 0: not found */
	unsigned min_spare_servers, start_servers, max_requests;
	char status_path[256], ping_path[256];
	/* pm.status_listen, $pool and prefix resolved: a path, a port or ADDRESS:PORT */
	char status_listen[128];
	char slowlog[256];        /* absolute */
	uint64_t request_terminate_timeout_us;
	uint64_t request_slowlog_timeout_us;
	uint64_t process_control_timeout_us; /* of [global] */
};

/* Finds the section whose `listen` equals `backend` ($pool and prefix resolved; /var/run
 * is /run; a bare port and *:PORT mean every address) and reads its values as FPM would:
 * the last of two equal keys counts, also over two sections of one name. A value that
 * FPM would not take, that holds a ${variable} or that does not fit counts as not given.
 * `text` need not be terminated. 0 and *ret, CONF_FPM_NO_SECTION or CONF_FPM_INCLUDES. */
int conf_fpm_parse(const char *text, size_t n, const struct conf_address *backend,
		   struct conf_fpm_values *ret);
/* Does the text include other files? */
bool conf_fpm_has_includes(const char *text, size_t n);
