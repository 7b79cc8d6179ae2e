/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A helper process: a program that is run for its output, php-fpm asked for what it reads
 * in a configuration. (Masters that serve are the matter of daemon/fpm_run.h.)
 *
 * The child starts with the signal mask empty and every disposition at its default (the
 * daemon blocks SIGTERM and ignores SIGPIPE), in a session of its own, so that a Ctrl-C
 * in the terminal is the daemon's alone; with /dev/null as stdin, stdout and stderr in
 * one pipe, no other descriptor, and our environment without what the service manager
 * said to us ($NOTIFY_SOCKET and its like). It is killed when the daemon dies. It is
 * signalled by pidfd only, so never somebody else who got its pid. What is left of its
 * process group when it ends is killed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
struct loop;

/* How it ended. */
struct child_end {
	bool is_known;    /* false: somebody else has reaped it; the rest is 0 */
	int code;         /* of exit(); 127: could not be run, the output says why */
	int signal;       /* what killed it; 0: it exited by itself */
	bool is_overdue;  /* its time was over, it was killed by us */
};

struct child_ops {
	/* n bytes of its output, cut anywhere; not terminated. Must not free the child.
	 */
	void (*on_output)(void *userdata, const char *bytes, size_t n);
	/* It is gone and reaped, and its output has been handed on, but for what children
	 * of its own still write. The last call. May free the child. */
	void (*on_end)(void *userdata, const struct child_end *end);
};

struct child_params {
	const char *const *argv; /* NULL-terminated; argv[0] is the program's path */
	uint64_t limit_us;       /* killed when this has passed; 0: never */
	const struct child_ops *ops;
	void *userdata;
};

/* Starts one. The params are not kept, but for ops and userdata. 0, or the errno of
 * pipe2(), fork(), pidfd_open() or malloc(). A program that cannot be run is a child that
 * ends with code 127. */
int child_new(struct loop *loop, const struct child_params *params,
	      struct child **ret_child);
/* A child that runs is killed and reaped; takes some milliseconds then. No callback
 * comes. Takes NULL, gives NULL. */
struct child *child_free(struct child *child);

pid_t child_pid(const struct child *child); /* 0: it has ended */
/* 0 or the errno of pidfd_send_signal(); -ESRCH when it is gone. */
int child_kill(struct child *child, int signal);
/* "exited with code 78", "was killed by signal 9 (Killed)", "was killed after 5 s" ...:
 * written to text, which is returned. */
const char *child_describe(const struct child_end *end, uint64_t limit_us, char *text,
			   size_t size);
