/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The process between fpmgate and one php-fpm: it leaves nothing behind when either dies.
 *
 * It is fpmgate's own program, executed once more: main() asks guardian_is_called()
 * before anything else. fpmgate is its parent and talks to it by signals; it answers with
 * datagrams to the socket that php-fpm says READY=1 to.
 */

#include <signal.h>
#include <stdbool.h>

#define GUARDIAN_NAME "fpm-guardian" /* its first argument, and its name in ps(1) */

/* Its arguments. */
enum {
	GUARDIAN_ARG_SELF,
	GUARDIAN_ARG_NAME,
	GUARDIAN_ARG_POOL,    /* for ps(1) only */
	GUARDIAN_ARG_PARENT,  /* fpmgate's pid, decimal */
	GUARDIAN_ARG_NOTIFY,  /* the socket for what it says, and php-fpm's NOTIFY_SOCKET
			       */
	GUARDIAN_ARG_FILES,   /* soft limit of descriptors for php-fpm, decimal */
	GUARDIAN_ARG_PROGRAM, /* php-fpm's path, and the file for its -y */
	GUARDIAN_ARG_FILE,
	GUARDIAN_ARG_ROOT, /* "-R", or NULL: workers may be root */
	GUARDIAN_ARG_END,
};

/* What it is told; any of them before php-fpm runs ends everything. */
enum guardian_signal {
	GUARDIAN_QUIT = SIGQUIT, /* handed to the master: end requests, then go */
	GUARDIAN_TERM = SIGTERM, /* handed to the master: go at once */
	GUARDIAN_KILL = SIGHUP,  /* SIGKILL for everything; also what it gets when
				  * fpmgate dies */
};

/* What it tells: GUARDIAN_MESSAGE with one of these and a number. */
enum guardian_event {
	GUARDIAN_NO_EXEC = 1, /* php-fpm cannot be executed; errno */
	GUARDIAN_REFUSED,     /* `php-fpm -t` has failed; its wait status */
	GUARDIAN_STARTED,     /* the check is over, the master starts; its pid */
	GUARDIAN_ENDED,       /* the master has ended; its wait status */
	GUARDIAN_LEFT,        /* something does not even die of SIGKILL; 0 */
};

#define GUARDIAN_MESSAGE "GUARDIAN=%d %d" /* for printf and scanf */

/* Has this process been started as a guardian? */
bool guardian_is_called(int argc, char *const argv[]);
/* Checks the configuration, runs php-fpm, ends everything. Returns the exit status of the
 * process when nothing is left, or after five seconds with something that cannot be
 * killed. Logs nothing. */
int guardian_run(char *const argv[]);
