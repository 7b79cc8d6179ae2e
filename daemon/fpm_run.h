/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One run of a php-fpm of ours: from the start of its guardian until nothing of it is
 * left. Who starts it again, and when, is the master's business.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/child.h"
#include "daemon/fpm_log.h"
#include "daemon/list.h"
#include "daemon/loop.h"

struct fpm_run;
struct master_conf;

struct fpm_run_ops {
	/* It serves: READY=1, or, from a php-fpm that was built without systemd and stays
	 * silent for three seconds, a connection to its socket that is accepted. Once. */
	void (*on_ready)(struct fpm_run *run);
	/* Nothing is left of it. May free the run. Once, and the last call. */
	void (*on_gone)(struct fpm_run *run);
};

/* How it ended. */
enum fpm_run_end {
	FPM_RUN_LIVES,   /* not yet */
	FPM_RUN_ENDED,   /* by itself or killed; how: the master's end */
	FPM_RUN_REFUSED, /* the configuration; how: the end of `php-fpm -t` */
	FPM_RUN_NO_EXEC, /* php-fpm cannot be executed; error: errno */
	FPM_RUN_LATE,    /* it was not ready within FPM_RUN_START_US, and was killed */
	FPM_RUN_LOST,    /* its guardian went first; how: the guardian's end */
};

enum {
	FPM_RUN_START_US = 60 * 1000000,
	FPM_RUN_TERM_US = 2 * 1000000, /* from SIGTERM to SIGKILL */
};

struct fpm_run {
	struct list node;          /* the master's; unlinked otherwise */
	struct loop *loop;
	struct master_conf *conf;  /* the owner's */
	const struct fpm_run_ops *ops;
	void *home;

	struct child *guardian;
	pid_t pid;                 /* of php-fpm's master; 0: not known yet */
	struct loop_source notify; /* NOTIFY_SOCKET */
	struct fpm_log log;

	struct loop_deadline_list *ticks;
	struct loop_deadline tick; /* runs while one of these is to come */
	uint64_t started_us, ready_us; /* ready 0: it is not */
	uint64_t probe_us;         /* the next try to connect */
	uint64_t escalate_us;      /* the next signal; 0: it is not being stopped */
	int last_signal;           /* of guardian_signal; 0: none */

	enum fpm_run_end end;
	struct child_end how;
	int error;
	bool is_left;              /* a process that SIGKILL does not end */
};

/* Starts it: writes the configuration's files, opens the socket, executes the guardian.
 * conf and ops are borrowed. 0, or the errno of what fails. */
int fpm_run_new(struct loop *loop, struct master_conf *conf,
		const struct fpm_run_ops *ops, void *home, struct fpm_run **ret_run);
/* One that lives is killed, which takes some milliseconds; no callback comes. Returns
 * NULL; takes NULL. */
struct fpm_run *fpm_run_free(struct fpm_run *run);

/* SIGQUIT; SIGTERM when timeout_us have passed, SIGKILL FPM_RUN_TERM_US later. The first
 * call counts. on_gone follows. */
void fpm_run_stop(struct fpm_run *run, uint64_t timeout_us);
/* SIGKILL, everything. on_gone follows. */
void fpm_run_kill(struct fpm_run *run);
bool fpm_run_is_ready(const struct fpm_run *run);
