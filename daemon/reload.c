/* SPDX-License-Identifier: BSD-2-Clause */
/* A new configuration in a living daemon. */

/*
 * The file is read into a value of its own and compared with the one in force; nothing is
 * touched before it is known to be right. Pools are told apart by name, listeners by
 * address: one that stays keeps its socket with all that waits in its backlog. What goes
 * is closed before what comes is opened, so that an address can move from one pool to
 * another. Exchanges in flight keep the values of their birth.
 */

#include "daemon/reload.h"

#include <string.h>

#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/diff.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/pool.h"
#include "systemd/notify.h"

static struct pool *reload_find_pool(struct daemon *daemon, const char *name)
{
	struct pool *pool;

	LIST_FOREACH(pool, &daemon->pools, node)
		if (!pool->is_removed && strcmp(pool_name(pool), name) == 0)
			return pool;
	return NULL;
}

static bool reload_wants(const struct conf_pool *options, const char *address)
{
	for (size_t i = 0; i < options->n_listen; i++)
		if (strcmp(options->listen[i].text, address) == 0)
			return true;
	return false;
}

static struct listener *reload_find(struct daemon *daemon, const struct pool *pool,
				    const char *address)
{
	struct listener *listener;

	LIST_FOREACH(listener, &daemon->listeners, node)
		if ((!pool || listener->pool == pool) && listener->source.fd >= 0 &&
		    strcmp(listener->text, address) == 0)
			return listener;
	return NULL;
}

/* Does any pool of the new configuration listen there? */
static bool reload_is_wanted(const struct daemon *daemon, const char *address)
{
	for (size_t i = 0; i < daemon->conf->n_pools; i++)
		if (reload_wants(daemon->conf->pools[i], address))
			return true;
	return false;
}

/* Closes the listeners of a pool that `options` does not name; NULL: all of them. One
 * that another pool will take over stays open: not one connection in its backlog is lost.
 */
static void reload_close_listeners(struct daemon *daemon, const struct pool *pool,
				   const struct conf_pool *options)
{
	struct listener *listener;

	LIST_FOREACH_SAFE(listener, &daemon->listeners, node) {
		if (listener->pool != pool || listener->source.fd < 0)
			continue;
		if (options && reload_wants(options, listener->text))
			listener_set_options(listener);
		else if (!reload_is_wanted(daemon, listener->text))
			listener_close(listener);
	}
}

static void reload_open_listeners(struct daemon *daemon, struct pool *pool)
{
	struct listener *other;

	for (size_t i = 0; i < pool->options->n_listen; i++) {
		const struct conf_address *address = &pool->options->listen[i];

		if (reload_find(daemon, pool, address->text))
			continue;
		other = reload_find(daemon, NULL, address->text);
		if (!other)
			(void)daemon_listen(daemon, pool, address);
		/* systemd may have passed several of a name; those moved are at the end
		 */
		while (other && other->pool != pool &&
		       daemon_move_listener(daemon, other, pool, address) == 0)
			other = reload_find(daemon, NULL, address->text);
	}
}

static void reload_take_away(struct daemon *daemon, const struct conf_pool_change *change)
{
	struct pool *pool = reload_find_pool(daemon, change->old ? change->old->name :
								   change->new->name);

	if (!pool || change->change == CONF_ADDED)
		return;
	if (change->change == CONF_SAME) {
		pool_take_conf(pool, daemon->conf, change->new);
		return;
	}
	if (change->change == CONF_CHANGED) {
		log_pool(LOG_LEVEL_NOTICE, pool_name(pool),
			 "%u option%s changed, first %s", change->n_options,
			 change->n_options == 1 ? "" : "s", change->option);
		daemon_change_pool(daemon, pool, change->new);
		reload_close_listeners(daemon, pool, change->new);
		return;
	}
	log_pool(LOG_LEVEL_NOTICE, pool_name(pool),
		 "removed, %u requests in flight go on", pool->n_exchanges);
	pool->is_removed = true;
	reload_close_listeners(daemon, pool, NULL);
}

static void reload_bring(struct daemon *daemon, const struct conf_pool_change *change)
{
	struct pool *pool = NULL;

	if (change->change == CONF_ADDED) {
		if (daemon_add_pool(daemon, change->new, &pool) < 0)
			return;
		log_pool(LOG_LEVEL_NOTICE, pool_name(pool), "added");
	} else if (change->change == CONF_CHANGED) {
		pool = reload_find_pool(daemon, change->new->name);
	}
	if (pool)
		reload_open_listeners(daemon, pool);
}

static int reload_apply(struct daemon *daemon, struct conf *conf)
{
	struct conf *old = daemon->conf;
	struct conf_diff diff;
	int r;

	r = conf_diff(old, conf, &diff);
	if (r < 0)
		return r;
	if (diff.needs_restart)
		log_warning("%s has changed: that takes a restart", diff.needs_restart);
	daemon->conf = conf_ref(conf);
	daemon_take_limits(daemon);
	if (conf->log_level != old->log_level)
		log_set_level((enum log_level)conf->log_level);
	for (size_t i = 0; i < diff.n_pools; i++)
		reload_take_away(daemon, &diff.pools[i]);
	for (size_t i = 0; i < diff.n_pools; i++)
		reload_bring(daemon, &diff.pools[i]);
	(void)daemon_set_clients_max(daemon);
	conf_diff_done(&diff);
	conf_unref(old);
	daemon_release_removed(daemon);
	return 0;
}

/* A sentence may go on over lines (a syntax error shows its place): one log line each. */
static void reload_log_diag(const struct conf_diag *diag)
{
	enum log_level level = diag->level == CONF_DIAG_ERROR ? LOG_LEVEL_ERROR :
								LOG_LEVEL_WARNING;
	const char *line = diag->sentence ? diag->sentence : "";
	int n;

	for (;; line += n + 1) {
		n = (int)strcspn(line, "\n");
		log_msg(level, "%s:%u: %.*s", diag->file ? diag->file : "-", diag->line,
			n, line);
		if (line[n] == '\0')
			return;
	}
}

void reload_run(struct daemon *daemon)
{
	struct conf_diags diags;
	struct conf *conf = NULL;
	const char *note;
	int r;

	(void)notify_reloading(loop_now_us(daemon->loop));
	conf_diags_init(&diags);
	r = conf_load(daemon->conf->file, &diags, &conf);
	for (size_t i = 0; i < diags.n; i++)
		reload_log_diag(&diags.items[i]);
	if (r == 0)
		r = reload_apply(daemon, conf);
	if (r < 0)
		log_error("%s has %zu error%s, nothing was changed", daemon->conf->file,
			  diags.n_errors, diags.n_errors == 1 ? "" : "s");
	else
		log_notice("%s was read again", daemon->conf->file);
	note = r < 0 ? "the new configuration has errors, the old one is in force" : NULL;
	summary_set_note(&daemon->summary, note);
	(void)notify_ready(note ? note : "configuration reloaded");
	conf_diags_done(&diags);
	conf_unref(conf);
}
