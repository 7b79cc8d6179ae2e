/* SPDX-License-Identifier: BSD-2-Clause */
/* The root object: loop, signals, configuration, pools, listeners. */

#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "conf/conf.h"
#include "daemon/exchange.h"
#include "daemon/log.h"
#include "daemon/pool.h"
#include "daemon/reload.h"
#include "systemd/activation.h"
#include "systemd/notify.h"

enum {
	DAEMON_RESERVED_FDS =
		64, /* log, bus, epoll, signals, control, files being read */
	DAEMON_CLIENTS_MIN = 16,
	DAEMON_SPOOL_FDS = 64, /* spool files counted in for clients_max */
	DAEMON_LOOK_US = 20000,
	DAEMON_STOP_SLACK_US = 5000000, /* beyond drain_timeout, for the end itself */
};

/* descriptors */

static unsigned daemon_sum_of_limits(const struct daemon *daemon)
{
	unsigned sum = 0;
	struct pool *pool;

	LIST_FOREACH(pool, &daemon->pools, node)
		sum += pool->member.params.max_children;
	return sum;
}

int daemon_set_clients_max(struct daemon *daemon)
{
	struct rlimit limit;
	rlim_t reserved = DAEMON_RESERVED_FDS + DAEMON_SPOOL_FDS;
	unsigned max;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	reserved += daemon_sum_of_limits(daemon);
	max = limit.rlim_cur > reserved ?
		      (unsigned)MIN(limit.rlim_cur - reserved, (rlim_t)1000000) : 0;
	if (daemon->conf->clients_max > 0)
		max = MIN(max, daemon->conf->clients_max);
	daemon->admission.max = max;
	if (max >= DAEMON_CLIENTS_MIN)
		return 0;
	log_error("%ju descriptors are too few: %ju are needed before the first client, "
		  "and %d clients at least (LimitNOFILE=)",
		(uintmax_t)limit.rlim_cur, (uintmax_t)reserved, DAEMON_CLIENTS_MIN);
	return -EMFILE;
}

void daemon_take_limits(struct daemon *daemon)
{
	daemon->memory.max = (size_t)daemon->conf->memory_max_bytes;
	daemon->spool.dir = daemon->conf->spool_dir;
	daemon->spool.max = daemon->conf->spool_max_bytes;
}

/* figures */

static void daemon_log_counters(struct daemon *daemon)
{
	char text[2048];
	struct pool *pool;
	struct loop_stats stats = loop_take_stats(daemon->loop);
	struct counters counters;

	LIST_FOREACH(pool, &daemon->pools, node) {
		pool_get_counters(pool, &counters);
		log_pool(LOG_LEVEL_NOTICE, pool_name(pool), "counters%s",
			 counters_print(&counters, text, sizeof(text)));
	}
	log_notice("loop: %" PRIu64 " turns, the longest %" PRIu64
		   " us, %zu bytes held for "
		   "clients, at most %zu, %" PRIu64 " log lines lost",
		   stats.n_turns, stats.longest_turn_us, daemon->memory.used,
		   daemon->memory.peak, log_n_dropped());
}

/* drain */

static bool daemon_is_quiet(const struct daemon *daemon)
{
	struct pool *pool;

	LIST_FOREACH(pool, &daemon->pools, node)
		if (pool->n_exchanges > 0)
			return false;
	return true;
}

static bool daemon_stop_masters(struct daemon *daemon)
{
	bool is_done = true;
	struct pool *pool;

	LIST_FOREACH(pool, &daemon->pools, node)
		is_done = daemon_stop_master(pool) && is_done;
	return is_done;
}

/* Idle kept connections go last, when nothing is in flight any more: closing one in the
 * instant in which nginx sends a POST over it would be a 502. */
static void daemon_on_drain_look(struct loop_deadline *deadline)
{
	struct daemon *daemon = container_of(deadline, struct daemon, drain_look);

	if (daemon_is_quiet(daemon)) {
		daemon_close_idle(daemon, NULL);
		daemon->is_drained |= daemon->admission.n_clients == 0;
	}
	if (daemon->is_drained && daemon_stop_masters(daemon)) {
		loop_exit(daemon->loop, DAEMON_EXIT_OK);
		return;
	}
	loop_deadline_start(loop_deadline_list(daemon->loop, DAEMON_LOOK_US),
			    &daemon->drain_look);
}

static void daemon_on_drain_end(struct loop_deadline *deadline)
{
	struct daemon *daemon = container_of(deadline, struct daemon, drain_end);

	if (daemon->is_drained) /* only our own php-fpm is still to end, within
				   stop_timeout */
		return;
	log_warning("drain_timeout has passed with requests in flight, stopping");
	daemon->is_drained = true;
}

static void daemon_drain(struct daemon *daemon)
{
	struct listener *listener;

	if (daemon->is_draining) {
		log_notice("told to stop a second time, stopping at once");
		loop_exit(daemon->loop, DAEMON_EXIT_OK);
		return;
	}
	daemon->is_draining = true;
	summary_done(&daemon->summary);
	log_notice("draining");
	(void)notify_stopping("draining");
	(void)notify_extend_timeout(daemon->conf->drain_timeout_us +
				    DAEMON_STOP_SLACK_US);
	LIST_FOREACH_SAFE(listener, &daemon->listeners, node)
		listener_close(listener);
	loop_deadline_start(loop_deadline_list(daemon->loop,
					       daemon->conf->drain_timeout_us),
			    &daemon->drain_end);
	daemon_on_drain_look(&daemon->drain_look);
}

/* signals */

static void daemon_reopen_logs(struct daemon *daemon)
{
	struct pool *pool;

	log_reopen();
	LIST_FOREACH(pool, &daemon->pools, node)
		pool_reopen_logs(pool);
}

static int daemon_on_signal(sd_event_source *source, const struct signalfd_siginfo *info,
			    void *userdata)
{
	struct daemon *daemon = userdata;

	(void)source;
	switch ((int)info->ssi_signo) {
	case SIGTERM:
	case SIGINT:
		daemon_drain(daemon);
		break;
	case SIGHUP:
		if (!daemon->is_draining)
			reload_run(daemon);
		break;
	case SIGUSR1:
		daemon_reopen_logs(daemon);
		break;
	case SIGUSR2:
		daemon_log_counters(daemon);
		break;
	default:
		break;
	}
	return 0;
}

static int daemon_watch_signals(struct daemon *daemon)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(signals) && r >= 0; i++)
		r = sd_event_add_signal(loop_event(daemon->loop), NULL, signals[i],
					daemon_on_signal, daemon);
	return r < 0 ? r : 0;
}

/* life */

static int daemon_init(struct daemon *daemon, struct conf *conf)
{
	int r;

	list_init(&daemon->pools);
	list_init(&daemon->listeners);
	daemon->conf = conf_ref(conf);
	daemon->drain_end.on_due = daemon_on_drain_end;
	daemon->drain_look.on_due = daemon_on_drain_look;
	daemon->release_look.on_due = daemon_on_release_look;
	memory_init(&daemon->memory, NULL, 0);
	r = loop_new(&daemon->loop);
	spool_init(&daemon->spool, daemon->loop, conf->spool_dir, 0);
	daemon_take_limits(daemon);
	if (r == 0)
		r = activation_new(&daemon->activation);
	if (r == 0)
		r = daemon_watch_signals(daemon);
	if (r == 0)
		r = sd_event_set_watchdog(loop_event(daemon->loop), true);
	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	return MIN(r, 0);
}

/* PHP cannot live in the packaged unit's sandbox; the unit sets this variable. */
static bool daemon_is_sandboxed(const struct conf *conf)
{
	if (!getenv("FPMGATE_SANDBOX"))
		return false;
	for (size_t i = 0; i < conf->n_pools; i++) {
		if (conf->pools[i]->php_fpm[0] == '\0')
			continue;
		log_error(
			"pool %s: fpmgate.service cannot run a PHP-FPM of its own: PHP "
			"would inherit its sandbox, without memory for the JIT, home and "
			"document roots, setuid and network; give the pool a `backend`, "
			"or run fpmgate under a unit of your own",
			conf->pools[i]->name);
		return true;
	}
	return false;
}

static int daemon_open_control(struct daemon *daemon)
{
	const struct conf_address *address = &daemon->conf->status_control;
	int r = control_init(&daemon->control, daemon->loop, address);

	if (r < 0)
		log_error("cannot listen on %s: %s", address->text, strerror(-r));
	return r;
}

static int daemon_start(struct daemon *daemon)
{
	struct pool *pool;
	int r = 0;

	for (size_t i = 0; i < daemon->conf->n_pools && r == 0; i++)
		r = daemon_add_pool(daemon, daemon->conf->pools[i], &pool);
	if (r == 0)
		r = daemon_set_clients_max(daemon);
	if (r == 0)
		r = daemon_open_control(daemon);
	if (r == 0)
		r = daemon_listen_all(daemon);
	if (r < 0)
		return r;
	daemon_drop_unnamed(daemon);
	log_notice("fpmgate %s: %zu pool%s, at most %u clients", PACKAGE_VERSION,
		   daemon->conf->n_pools, daemon->conf->n_pools == 1 ? "" : "s",
		   daemon->admission.max);
	r = notify_ready(NULL);
	if (r < 0)
		log_warning("cannot tell the service manager: %s", strerror(-r));
	summary_init(&daemon->summary, daemon->loop, &daemon->pools);
	return 0;
}

/* Closes what is left: after a drain idle clients only, else all of them. */
static void daemon_done(struct daemon *daemon)
{
	struct listener *listener;
	struct client *client;
	struct pool *pool;

	if (!daemon->loop)
		return;
	LIST_FOREACH_SAFE(listener, &daemon->listeners, node) {
		LIST_FOREACH_SAFE(client, &listener->home.clients, node)
			client_close(client);
		if (listener->source.fd >= 0)
			listener_close(listener);
	}
	LIST_FOREACH(pool, &daemon->pools, node)
		member_done(&pool->member);
	/* what was put off: freeing clients, links, exchanges, in that order of need */
	for (int i = 0; i < 4; i++)
		(void)loop_turn(daemon->loop, 0);
	daemon_log_counters(daemon);
	LIST_FOREACH_SAFE(pool, &daemon->pools, node)
		daemon_free_pool(pool);
	control_done(&daemon->control);
	summary_done(&daemon->summary);
	spool_done(&daemon->spool);
	loop_free(daemon->loop);
	activation_free(daemon->activation);
	conf_unref(daemon->conf);
}

static int daemon_exit_code(int error)
{
	return error == -EACCES || error == -EPERM ? DAEMON_EXIT_PERMISSION :
						     DAEMON_EXIT_SYSTEM;
}

int daemon_run(struct conf *conf)
{
	struct daemon daemon = { 0 };
	int r;

	if (daemon_is_sandboxed(conf))
		return DAEMON_EXIT_CONFIG;
	r = daemon_init(&daemon, conf);
	if (r == 0)
		r = daemon_start(&daemon);
	if (r == 0) {
		r = loop_run(daemon.loop);
		if (r < 0)
			log_error("the loop has failed: %s", strerror(-r));
		r = r < 0 ? DAEMON_EXIT_BUG : r;
	} else {
		r = daemon_exit_code(r);
	}
	daemon_done(&daemon);
	return r;
}
