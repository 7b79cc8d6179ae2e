/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's pools: what feeds them, and the sockets that they listen on. */

/*
 * A pool's PHP-FPM is somebody else's (`backend`) or our own (`php_fpm`). Of the former
 * its configuration tells what it can (`fpm_conf`, daemon/fpm_probe.h); the latter is a
 * master that we run (daemon/master.h), whose socket is known before it exists, so that
 * requests wait in the queue while it starts. Either says so again whenever something has
 * changed.
 *
 * A pool that a reload removes goes in steps: its listeners close, its exchanges end, its
 * idle clients are closed, its master is stopped, and then it is freed.
 */

#include <errno.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/daemon.h"
#include "daemon/exchange.h"
#include "daemon/fpm_probe.h"
#include "daemon/log.h"
#include "daemon/master.h"
#include "daemon/pool.h"
#include "systemd/activation.h"

enum {
	DAEMON_RELEASE_US = 100000, /* between looks at pools that are to go */
	DAEMON_ACTIVATED_MAX = 16,  /* sockets of one name */
};

/* listeners */

static void daemon_on_listener_empty(struct listener *listener)
{
	listener_free(listener);
}

static bool daemon_has_listener(struct daemon *daemon, const struct pool *pool)
{
	struct listener *listener;

	LIST_FOREACH(listener, &daemon->listeners, node)
		if (listener->pool == pool)
			return true;
	return false;
}

void daemon_close_idle(struct daemon *daemon, const struct pool *pool)
{
	struct listener *listener;

	LIST_FOREACH_SAFE(listener, &daemon->listeners, node) {
		if (!pool || listener->pool == pool)
			listener_close_idle(listener);
	}
}

static int daemon_add_listener(struct daemon *daemon, struct pool *pool,
			       struct listener *listener)
{
	listener->on_empty = daemon_on_listener_empty;
	listener->home.is_draining = daemon->is_draining;
	list_append(&daemon->listeners, &listener->node);
	log_pool(LOG_LEVEL_INFO, pool_name(pool), "listening on %s", listener->text);
	return 0;
}

static int daemon_take_activated(struct daemon *daemon, struct pool *pool,
				 const struct conf_address *address)
{
	int fds[DAEMON_ACTIVATED_MAX], n, r = 0;
	struct listener *listener;

	n = activation_lend(daemon->activation, address->name, fds, ARRAY_SIZE(fds));
	if (n <= 0) {
		log_pool(LOG_LEVEL_ERROR, pool_name(pool),
			 "no socket named %s was passed by systemd: %s", address->name,
			 n < 0 ? strerror(-n) : "see fpmgate.socket");
		return n < 0 ? n : -ENOENT;
	}
	for (int i = 0; i < n; i++) {
		if (r < 0) {
			close_fd(fds[i]);
			continue;
		}
		r = listener_adopt(pool, &daemon->admission, fds[i], address, &listener);
		if (r == 0)
			daemon_add_listener(daemon, pool, listener);
	}
	return r;
}

int daemon_listen(struct daemon *daemon, struct pool *pool,
		  const struct conf_address *address)
{
	const char *what, *warning;
	struct listener *listener;
	int r;

	if (address->kind == CONF_ADDRESS_SYSTEMD)
		return daemon_take_activated(daemon, pool, address);
	r = listener_new(pool, &daemon->admission, address, &listener, &what, &warning);
	if (r < 0) {
		log_pool(LOG_LEVEL_ERROR, pool_name(pool), "cannot listen on %s: %s: %s",
			 address->text, what, strerror(-r));
		return r;
	}
	if (warning)
		log_pool(LOG_LEVEL_WARNING, pool_name(pool), "%s: %s", address->text,
			 warning);
	return daemon_add_listener(daemon, pool, listener);
}

int daemon_move_listener(struct daemon *daemon, struct listener *old, struct pool *pool,
			 const struct conf_address *address)
{
	struct listener *listener;
	int r = listener_move(old, pool, address, &listener);

	if (r < 0) {
		log_pool(LOG_LEVEL_ERROR, pool_name(pool), "cannot take over %s: %s",
			 address->text, strerror(-r));
		return r;
	}
	return daemon_add_listener(daemon, pool, listener);
}

int daemon_listen_all(struct daemon *daemon)
{
	struct pool *pool;
	int r = 0;

	LIST_FOREACH(pool, &daemon->pools, node)
		for (size_t i = 0; i < pool->options->n_listen && r == 0; i++)
			r = daemon_listen(daemon, pool, &pool->options->listen[i]);
	return r;
}

/* sockets of systemd that no pool names */

static bool daemon_is_named(const char *name, void *userdata)
{
	const struct daemon *daemon = userdata;

	for (size_t i = 0; i < daemon->conf->n_pools; i++) {
		const struct conf_pool *options = daemon->conf->pools[i];

		for (size_t j = 0; j < options->n_listen; j++)
			if (options->listen[j].kind == CONF_ADDRESS_SYSTEMD &&
			    strcmp(options->listen[j].name, name) == 0)
				return true;
	}
	return false;
}

static void daemon_on_unnamed(const char *name, void *userdata)
{
	(void)userdata;
	log_warning("systemd passes a socket named %s that no pool listens on", name);
}

void daemon_drop_unnamed(struct daemon *daemon)
{
	activation_keep_only(daemon->activation, daemon_is_named, daemon_on_unnamed,
			     daemon);
}

/* PHP-FPM */

static void daemon_on_values(void *userdata, const struct conf_fpm_values *values)
{
	pool_set_fpm_values(userdata, values);
}

static const struct fpm_probe_ops daemon_probe_ops = {
	.on_values = daemon_on_values,
};

static struct pool *daemon_pool_of(struct daemon *daemon, const struct master *master)
{
	struct pool *pool;

	LIST_FOREACH(pool, &daemon->pools, node)
		if (pool->master == master)
			return pool;
	return NULL;
}

static void daemon_on_master_up(struct master *master, void *userdata)
{
	struct pool *pool = daemon_pool_of(userdata, master);
	const char *text = master_fpm_text(master);
	struct conf_fpm_values values;

	if (!pool)
		return;
	pool_set_backend(pool, master_backend(master));
	if (conf_fpm_parse(text, strlen(text), master_backend(master), &values) == 0)
		pool_set_fpm_values(pool, &values);
}

/* That it does not serve shows at the next connect(). */
static void daemon_on_master_down(struct master *master, void *userdata)
{
	(void)master;
	(void)userdata;
}

static void daemon_on_master_stopped(struct master *master, void *userdata)
{
	struct pool *pool = daemon_pool_of(userdata, master);

	if (!pool)
		return;
	pool->master = master_free(master);
	pool->is_stopping = false;
}

static const struct master_ops daemon_master_ops = {
	.on_up = daemon_on_master_up,
	.on_down = daemon_on_master_down,
	.on_stopped = daemon_on_master_stopped,
};

static const char *daemon_master_error(int r)
{
	switch (r) {
	case MASTER_NO_USER:
		return "fpmgate runs as root: name the user of its workers (fpm.user)";
	case MASTER_BAD_TEXT:
		return "an option holds a control character";
	case MASTER_LONG_PATH:
		return "runtime_dir and the pool's name are too long for a socket";
	default:
		return strerror(-r);
	}
}

/* What tells about the PHP-FPM of a backend. Without it the options have to do. */
static void daemon_probe(struct daemon *daemon, struct pool *pool)
{
	const struct conf_pool *options = pool->options;
	int r;

	pool->probe = fpm_probe_free(pool->probe);
	if (options->fpm_conf[0] == '\0')
		return;
	r = fpm_probe_new(daemon->loop, daemon->conf->runtime_dir, options,
			  &options->backend, &daemon_probe_ops, pool, &pool->probe);
	if (r < 0)
		log_pool(LOG_LEVEL_ERROR, pool_name(pool), "cannot watch %s: %s",
			 options->fpm_conf, strerror(-r));
	else if (!fpm_probe_read_now(pool->probe) && options->max_children == 0)
		log_pool(LOG_LEVEL_WARNING, pool_name(pool),
			 "%s does not tell pm.max_children yet, one request at a time",
			 options->fpm_conf);
}

/* pools */

/* What a pool needs of its master before it can exist is the address of its socket. */
static int daemon_new_pool(struct daemon *daemon, const struct conf_pool *options,
			   struct master *master, struct pool **ret_pool)
{
	const struct conf_address *backend = &options->backend;

	if (master)
		backend = master_backend(master);
	return pool_new(daemon->loop, daemon->conf, options, backend, &daemon->memory,
			&daemon->spool, &exchange_waiter_ops, ret_pool);
}

int daemon_add_pool(struct daemon *daemon, const struct conf_pool *options,
		    struct pool **ret_pool)
{
	bool has_master = options->php_fpm[0] != '\0';
	struct master *master = NULL;
	int r = 0;

	if (has_master)
		r = master_new(daemon->loop, daemon->conf, options, &daemon_master_ops,
			       daemon, &master);
	if (r == 0)
		r = daemon_new_pool(daemon, options, master, ret_pool);
	if (r != 0) {
		log_error("pool %s: cannot be set up: %s", options->name,
			  daemon_master_error(r));
		master_free(master);
		return r < 0 ? r : -EINVAL;
	}
	(*ret_pool)->master = master;
	list_append(&daemon->pools, &(*ret_pool)->node);
	daemon_probe(daemon, *ret_pool);
	return 0;
}

bool daemon_stop_master(struct pool *pool)
{
	if (!pool->master)
		return true;
	if (!pool->is_stopping)
		master_stop(pool->master);
	pool->is_stopping = true;
	return false;
}

/* Another PHP-FPM, or other options for the one that is ours. */
static int daemon_change_master(struct daemon *daemon, struct pool *pool,
				const struct conf_pool *options)
{
	bool has_master = options->php_fpm[0] != '\0';
	int r = 0;

	if (has_master && pool->master && !pool->is_stopping)
		return master_set_options(pool->master, daemon->conf, options);
	if (has_master && pool->master)
		return -EBUSY;
	if (has_master)
		r = master_new(daemon->loop, daemon->conf, options, &daemon_master_ops,
			       daemon, &pool->master);
	else
		(void)daemon_stop_master(pool);
	if (r == 0)
		pool_set_backend(pool, has_master ? master_backend(pool->master) :
						    &options->backend);
	return r;
}

void daemon_change_pool(struct daemon *daemon, struct pool *pool,
			const struct conf_pool *options)
{
	int r = daemon_change_master(daemon, pool, options);

	if (r != 0)
		log_pool(LOG_LEVEL_ERROR, pool_name(pool),
			 "its php-fpm stays as it is: %s", daemon_master_error(r));
	pool_set_conf(pool, daemon->conf, options);
	daemon_probe(daemon, pool);
}

void daemon_free_pool(struct pool *pool)
{
	pool->probe = fpm_probe_free(pool->probe);
	pool->master = master_free(pool->master);
	pool_free(pool);
}

/* Is nothing of a removed pool in use any more? Brings it a step nearer to its end. */
static bool daemon_is_released(struct daemon *daemon, struct pool *pool)
{
	if (pool->n_exchanges > 0)
		return false;
	daemon_close_idle(daemon, pool);
	return !daemon_has_listener(daemon, pool) && member_n_taken(&pool->member) == 0 &&
	       daemon_stop_master(pool);
}

void daemon_release_removed(struct daemon *daemon)
{
	bool has_more = false;
	struct pool *pool;

	LIST_FOREACH_SAFE(pool, &daemon->pools, node) {
		if (!pool->is_removed)
			continue;
		if (daemon_is_released(daemon, pool))
			daemon_free_pool(pool);
		else
			has_more = true;
	}
	if (has_more)
		loop_deadline_start(loop_deadline_list(daemon->loop, DAEMON_RELEASE_US),
				    &daemon->release_look);
}

void daemon_on_release_look(struct loop_deadline *deadline)
{
	daemon_release_removed(container_of(deadline, struct daemon, release_look));
}
