/* SPDX-License-Identifier: BSD-2-Clause */
/* A php-fpm that fpmgate runs itself. */

/*
 * At most one run is the current one; it serves, or is on its way to. When it ends it is
 * started again with the same configuration after a pause, one second the first time,
 * twice as long each time, at most a minute; one that had served for ten seconds begins
 * with one second again.
 *
 * A reload of php-fpm itself (SIGUSR2) would let nobody in until its longest request has
 * ended, and a bad configuration would be noticed by a master that has none to go back
 * to. So new options start a second php-fpm, the next run, beside the current one. Once
 * it is ready it becomes the current one, and the old one is told to end its requests;
 * until then it is in the list of those that leave, of which each owns its configuration.
 *
 * Everything that takes place is a line of the log, once, here; what php-fpm writes
 * itself comes from fpm_log.
 */

#include "daemon/master.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/fpm_run.h"
#include "daemon/list.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/macros.h"
#include "daemon/master_conf.h"

enum {
	MASTER_PAUSE_MIN_US = 1000000,
	MASTER_PAUSE_MAX_US = 60000000,
	MASTER_CALM_US = 10000000,
	MASTER_TICK_US = 100000,
	MASTER_WHY_BYTES = 512,
};

_Static_assert((int)MASTER_NO_USER == (int)MASTER_CONF_NO_USER &&
		       (int)MASTER_BAD_TEXT == (int)MASTER_CONF_BAD_TEXT &&
		       (int)MASTER_LONG_PATH == (int)MASTER_CONF_LONG_PATH,
	       "master_make_conf() hands them on");

struct master {
	struct loop *loop;
	const struct master_ops *ops;
	void *userdata;
	char token[MASTER_CONF_TOKEN_BYTES];
	unsigned n_variants;

	struct master_conf *conf; /* of run, and of what is started when it has ended */
	struct fpm_run *run;           /* NULL: a pause, or stopped */
	struct master_conf *next_conf; /* of next */
	struct fpm_run *next;
	struct list leaving;           /* runs that were replaced, with their conf */

	uint64_t pause_us;             /* the next one */
	uint64_t start_us;             /* when the present one is over */
	struct loop_deadline_list *ticks;
	struct loop_deadline tick;     /* runs during a pause */
	struct loop_task start;
	struct loop_task stopped;
	bool is_stopping;
};

static const struct fpm_run_ops master_run_ops;

/* what to say */

static void master_describe(const struct fpm_run *run, char why[MASTER_WHY_BYTES])
{
	char how[128];

	child_describe(&run->how, 0, how, sizeof(how));
	switch (run->end) {
	case FPM_RUN_ENDED:
		snprintf(why, MASTER_WHY_BYTES, "%s", how);
		return;
	case FPM_RUN_REFUSED:
		snprintf(why, MASTER_WHY_BYTES, "refuses its configuration, -t %s", how);
		return;
	case FPM_RUN_NO_EXEC:
		snprintf(why, MASTER_WHY_BYTES, "cannot be executed as %s: %s",
			 run->conf->program, strerror(run->error));
		return;
	case FPM_RUN_LATE:
		snprintf(why, MASTER_WHY_BYTES, "was not ready within %d s",
			 FPM_RUN_START_US / 1000000);
		return;
	case FPM_RUN_LIVES:
	case FPM_RUN_LOST:
		snprintf(why, MASTER_WHY_BYTES, "went with its guardian, which %s", how);
		return;
	}
}

static void master_log_left(const struct fpm_run *run)
{
	if (run->is_left)
		log_pool(LOG_LEVEL_ERROR, run->conf->pool,
			 "processes of php-fpm %d do not die, not even of SIGKILL",
			 (int)run->pid);
}

/* starting */

static void master_wait(struct master *master)
{
	master->start_us = loop_now_us(master->loop) + master->pause_us;
	master->pause_us = MIN(master->pause_us * 2, (uint64_t)MASTER_PAUSE_MAX_US);
	loop_deadline_start(master->ticks, &master->tick);
}

static void master_on_start(struct loop_task *task)
{
	struct master *master = container_of(task, struct master, start);
	uint64_t pause_us = master->pause_us;
	int r;

	r = fpm_run_new(master->loop, master->conf, &master_run_ops, master,
			&master->run);
	if (r == 0)
		return;
	log_pool(LOG_LEVEL_ERROR, master->conf->pool,
		 "php-fpm cannot be started: %s, trying again in %" PRIu64 " s",
		 strerror(-r), pause_us / 1000000);
	master_wait(master);
}

static void master_on_tick(struct loop_deadline *deadline)
{
	struct master *master = container_of(deadline, struct master, tick);

	if (loop_now_us(master->loop) >= master->start_us)
		master_on_start(&master->start);
	else
		loop_deadline_start(master->ticks, &master->tick);
}

/* ready */

static void master_drop_conf(struct master_conf *conf)
{
	if (conf)
		master_conf_remove(conf);
	master_conf_free(conf);
}

static void master_leave(struct master *master, struct fpm_run *run)
{
	list_append(&master->leaving, &run->node);
	if (fpm_run_is_ready(run))
		fpm_run_stop(run, run->conf->stop_timeout_us);
	else
		fpm_run_kill(run);
}

static void master_replace(struct master *master)
{
	struct fpm_run *old = master->run;

	master->run = steal_ptr(master->next);
	if (old)
		master_leave(master, old);
	else
		master_drop_conf(master->conf);
	master->conf = steal_ptr(master->next_conf);
	master->pause_us = MASTER_PAUSE_MIN_US;
	loop_deadline_clear(&master->tick);
	loop_cancel(&master->start);
}

static void master_on_ready(struct fpm_run *run)
{
	struct master *master = run->home;
	const char *what = "";

	if (run == master->next) {
		master_replace(master);
		what = " with its new options";
	}
	log_pool(LOG_LEVEL_NOTICE, master->conf->pool,
		 "php-fpm %d is up%s after %" PRIu64 " ms: %u workers at most",
		 (int)run->pid, what, (run->ready_us - run->started_us) / 1000,
		 master->conf->max_children);
	master->ops->on_up(master, master->userdata);
}

/* gone */

static bool master_is_empty(const struct master *master)
{
	return !master->run && !master->next && list_is_empty(&master->leaving);
}

static void master_on_stopped(struct loop_task *task)
{
	struct master *master = container_of(task, struct master, stopped);

	log_pool(LOG_LEVEL_INFO, master->conf->pool, "php-fpm is stopped");
	master->ops->on_stopped(master, master->userdata);
}

static void master_on_current_gone(struct master *master, struct fpm_run *run)
{
	bool was_up = fpm_run_is_ready(run);
	char why[MASTER_WHY_BYTES];

	master->run = NULL;
	if (master->is_stopping)
		return;
	if (was_up && loop_now_us(master->loop) - run->ready_us >= MASTER_CALM_US)
		master->pause_us = MASTER_PAUSE_MIN_US;
	master_describe(run, why);
	log_pool(was_up ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, master->conf->pool,
		 "php-fpm %s, starting it again in %" PRIu64 " s", why,
		 master->pause_us / 1000000);
	master_wait(master);
	if (was_up)
		master->ops->on_down(master, master->userdata);
}

static void master_on_next_gone(struct master *master, struct fpm_run *run)
{
	char why[MASTER_WHY_BYTES];

	master->next = NULL;
	master_describe(run, why);
	if (!master->is_stopping)
		log_pool(LOG_LEVEL_ERROR, master->conf->pool,
			 "php-fpm with its new options %s, the old ones stay in force",
			 why);
	master_drop_conf(steal_ptr(master->next_conf));
}

static void master_on_leaver_gone(struct fpm_run *run)
{
	log_pool(LOG_LEVEL_INFO, run->conf->pool,
		 "php-fpm %d, which was replaced, is gone", (int)run->pid);
	master_drop_conf(run->conf);
}

static void master_on_gone(struct fpm_run *run)
{
	struct master *master = run->home;

	master_log_left(run);
	if (run == master->run)
		master_on_current_gone(master, run);
	else if (run == master->next)
		master_on_next_gone(master, run);
	else
		master_on_leaver_gone(run);
	fpm_run_free(run);
	if (master->is_stopping && master_is_empty(master))
		loop_defer(master->loop, &master->stopped);
}

static const struct fpm_run_ops master_run_ops = {
	.on_ready = master_on_ready,
	.on_gone = master_on_gone,
};

/* options */

static int master_make_conf(struct master *master, const struct conf *conf,
			    const struct conf_pool *options,
			    struct master_conf **ret_conf)
{
	return master_conf_new(conf, options, master->n_variants++, master->token,
			       ret_conf);
}

static void master_drop_next(struct master *master)
{
	if (!master->next)
		return;
	master_leave(master, master->next);
	master->next = NULL;
	master->next_conf = NULL; /* the leaver's */
}

int master_set_options(struct master *master, const struct conf *conf,
		       const struct conf_pool *options)
{
	struct master_conf *made;
	int r;

	r = master_make_conf(master, conf, options, &made);
	if (r != 0)
		return r;
	if (master->is_stopping ||
	    master_conf_is_same(made,
				master->next_conf ? master->next_conf : master->conf)) {
		master_conf_free(made);
		return 0;
	}
	master_drop_next(master);
	if (master_conf_is_same(made, master->conf)) {
		master_conf_free(made);
		return 0;
	}
	r = fpm_run_new(master->loop, made, &master_run_ops, master, &master->next);
	if (r == 0)
		master->next_conf = made;
	else
		master_conf_free(made);
	return r;
}

/* life */

static int master_make_token(char token[MASTER_CONF_TOKEN_BYTES])
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	snprintf(token, MASTER_CONF_TOKEN_BYTES, "%016" PRIx64, random);
	return 0;
}

int master_new(struct loop *loop, const struct conf *conf,
	       const struct conf_pool *options, const struct master_ops *ops,
	       void *userdata, struct master **ret_master)
{
	struct master *master = calloc(1, sizeof(*master));
	int r;

	if (!master)
		return -ENOMEM;
	*master = (struct master){
		.loop = loop,
		.ops = ops,
		.userdata = userdata,
		.pause_us = MASTER_PAUSE_MIN_US,
		.ticks = loop_deadline_list(loop, MASTER_TICK_US),
		.tick = { .on_due = master_on_tick },
		.start = { .run = master_on_start },
		.stopped = { .run = master_on_stopped },
	};
	list_init(&master->leaving);
	r = master->ticks ? master_make_token(master->token) : -ENOMEM;
	if (r == 0)
		r = master_make_conf(master, conf, options, &master->conf);
	if (r != 0) {
		master_free(master);
		return r;
	}
	loop_defer(loop, &master->start);
	*ret_master = master;
	return 0;
}

static void master_end_run(struct fpm_run *run, struct master_conf *conf)
{
	fpm_run_free(run);
	master_drop_conf(conf);
}

struct master *master_free(struct master *master)
{
	struct fpm_run *run;

	if (!master)
		return NULL;
	master_end_run(master->run, master->conf);
	master_end_run(master->next, master->next_conf);
	LIST_FOREACH_SAFE(run, &master->leaving, node)
		master_end_run(run, run->conf);
	loop_deadline_clear(&master->tick);
	loop_cancel(&master->start);
	loop_cancel(&master->stopped);
	free(master);
	return NULL;
}

void master_stop(struct master *master)
{
	if (master->is_stopping)
		return;
	master->is_stopping = true;
	loop_deadline_clear(&master->tick);
	loop_cancel(&master->start);
	if (master->run)
		fpm_run_stop(master->run, master->conf->stop_timeout_us);
	if (master->next)
		fpm_run_kill(master->next);
	if (master_is_empty(master))
		loop_defer(master->loop, &master->stopped);
}

/* what it is */

const struct conf_address *master_backend(const struct master *master)
{
	return &master->conf->backend;
}

const struct conf_address *master_status(const struct master *master)
{
	return &master->conf->status;
}

const char *master_fpm_text(const struct master *master)
{
	return master->conf->text;
}

pid_t master_pid(const struct master *master)
{
	return master->run ? master->run->pid : 0;
}

bool master_is_up(const struct master *master)
{
	return master->run && fpm_run_is_ready(master->run);
}
