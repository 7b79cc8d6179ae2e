/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules that look at more than one option. */
#include "conf/check.h"

#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "conf/address.h"
#include "conf/clash.h"
#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/origin.h"
#include "conf/schema.h"
#include "conf/value.h"

#define N_ITEMS(array) (sizeof(array) / sizeof((array)[0]))

struct check {
	const struct conf *conf;
	struct conf_diags *diags;
};

static bool check_is_given(const struct conf_pool *pool, const char *option)
{
	return conf_origin_in_pool(pool, option)->file;
}

/* Given in the pool, not in `defaults`. */
static bool check_is_own(const struct conf_pool *pool, const char *option)
{
	return check_is_given(pool, option) &&
	       !conf_origin_in_pool(pool, option)->is_shared;
}

/* A value that could not be read was meant to be something. */
static bool check_is_bad(const struct conf_pool *pool, const char *option)
{
	return conf_origin_in_pool(pool, option)->is_bad;
}

/* Adds a complaint about the pool, at the place of the option where that was given. */
static void check_complain(struct check *check, enum conf_diag_level level,
			   const struct conf_pool *pool, const char *option,
			   const char *format, ...) __attribute__((format(printf, 5, 6)));

static void check_complain(struct check *check, enum conf_diag_level level,
			   const struct conf_pool *pool, const char *option,
			   const char *format, ...)
{
	const struct conf_origin *origin = conf_origin_in_pool(pool, option);
	char sentence[400];
	va_list list;

	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	conf_diags_add(check->diags, level, origin->file ? origin->file : pool->file,
		       origin->file ? origin->line : pool->line, "pool%s%s: %s",
		       *pool->name ? " " : "", pool->name, sentence);
}

/* --- rules of one pool --- */

static void check_needed(struct check *check, const struct conf_pool *pool)
{
	if (!*pool->name && !check_is_bad(pool, "name"))
		check_complain(check, CONF_DIAG_ERROR, pool, "name", "it needs a name");
	if (pool->n_listen == 0 && !check_is_bad(pool, "listen"))
		check_complain(
			check, CONF_DIAG_ERROR, pool, "listen",
			"it needs an address to listen on: listen = \"/run/fpmgate/"
			"NAME.sock\"");
}

static void check_who_runs_php(struct check *check, const struct conf_pool *pool)
{
	bool has_backend = pool->backend.kind != CONF_ADDRESS_NONE;

	if (check_is_bad(pool, "backend") || check_is_bad(pool, "php_fpm"))
		return;
	if (has_backend && *pool->php_fpm)
		check_complain(
			check, CONF_DIAG_ERROR, pool, "php_fpm",
			"backend (an FPM that runs already) and php_fpm (an FPM that "
			"fpmgate runs) exclude each other");
	else if (!has_backend && !*pool->php_fpm)
		check_complain(
			check, CONF_DIAG_ERROR, pool, "backend",
			"it needs backend (the socket of an FPM that runs already) or "
			"php_fpm (the FPM that fpmgate shall run)");
}

static void check_max_children(struct check *check, const struct conf_pool *pool)
{
	if (pool->max_children > 0 || check_is_bad(pool, "max_children"))
		return;
	if (*pool->php_fpm)
		check_complain(check, CONF_DIAG_ERROR, pool, "max_children",
			       "php_fpm needs max_children, the number of workers");
	else if (pool->backend.kind != CONF_ADDRESS_NONE && !*pool->fpm_conf &&
		 !check_is_bad(pool, "fpm_conf"))
		check_complain(check, CONF_DIAG_ERROR, pool, "max_children",
			       "backend needs max_children (FPM's pm.max_children) or "
			       "fpm_conf (the file from which it is read)");
}

/* Options that only an FPM of somebody else's needs. */
static void check_own_master(struct check *check, const struct conf_pool *pool)
{
	bool has_status = pool->status_listen.kind != CONF_ADDRESS_NONE;
	const struct {
		const char *option;
		bool has_value;
		enum conf_diag_level level;
	} options[] = {
		{ "fpm_conf", *pool->fpm_conf, CONF_DIAG_ERROR },
		{ "unit", *pool->unit, CONF_DIAG_ERROR },
		/* these can come from `defaults`, for the pools that need them */
		{ "fpm_binary", *pool->fpm_binary, CONF_DIAG_WARNING },
		{ "status_listen", has_status, CONF_DIAG_WARNING },
	};

	if (!*pool->php_fpm)
		return;
	for (size_t i = 0; i < N_ITEMS(options); i++)
		if (options[i].has_value && check_is_own(pool, options[i].option))
			check_complain(check, options[i].level, pool, options[i].option,
				       "%s is for a pool with backend, not with php_fpm",
				       options[i].option);
}

/* The group fpm describes a master of our own. */
static void check_foreign_master(struct check *check, const struct conf_pool *pool)
{
	if (*pool->php_fpm || check_is_bad(pool, "php_fpm"))
		return;
	for (size_t i = 0; i < conf_group_fpm.n_options; i++) {
		const char *name = conf_group_fpm.options[i].name;

		if (check_is_given(pool, name))
			check_complain(
				check, CONF_DIAG_ERROR, pool, name,
				"%s needs php_fpm: the FPM behind backend has its own "
				"configuration",
				name);
	}
}

static void check_slowlog(struct check *check, const struct conf_pool *pool)
{
	uint64_t timeout_us = pool->fpm.request_slowlog_timeout_us;

	if (!*pool->php_fpm)
		return;
	if (timeout_us % 1000000 != 0)
		check_complain(
			check, CONF_DIAG_ERROR, pool, "fpm.request_slowlog_timeout",
			"fpm.request_slowlog_timeout must be whole seconds, as FPM "
			"counts them");
	if (timeout_us > 0 && !*pool->fpm.slowlog && !check_is_bad(pool, "fpm.slowlog"))
		check_complain(check, CONF_DIAG_ERROR, pool,
			       "fpm.request_slowlog_timeout",
			       "fpm.request_slowlog_timeout needs fpm.slowlog, the file");
	if (timeout_us == 0 && *pool->fpm.slowlog &&
	    !check_is_bad(pool, "fpm.request_slowlog_timeout"))
		check_complain(check, CONF_DIAG_WARNING, pool, "fpm.slowlog",
			       "fpm.slowlog has no effect without "
			       "fpm.request_slowlog_timeout");
}

static size_t check_count_kind(const struct conf_pool *pool, unsigned kinds)
{
	size_t n = 0;

	for (size_t i = 0; i < pool->n_listen; i++)
		if (kinds & 1u << pool->listen[i].kind)
			n++;
	return n;
}

static void check_tcp(struct check *check, const struct conf_pool *pool)
{
	/* what systemd passes may be TCP: only the daemon sees that */
	unsigned maybe_tcp = 1u << CONF_ADDRESS_IPV4 | 1u << CONF_ADDRESS_IPV6 |
			     1u << CONF_ADDRESS_SYSTEMD;

	for (size_t i = 0; i < pool->n_listen; i++) {
		const struct conf_address *address = &pool->listen[i];

		if (conf_address_is_tcp(address) && !conf_address_is_loopback(address) &&
		    pool->n_allow == 0 && !check_is_bad(pool, "allow"))
			check_complain(
				check, CONF_DIAG_ERROR, pool, "listen",
				"other machines can reach %s: whoever connects can run "
				"code as the pool's user, so name those who may with "
				"allow = [ \"10.0.0.0/8\" ]",
				address->text);
	}
	if (pool->n_listen == 0 || check_count_kind(pool, maybe_tcp) > 0)
		return;
	if (pool->n_allow > 0 && check_is_own(pool, "allow"))
		check_complain(check, CONF_DIAG_WARNING, pool, "allow",
			       "allow has no effect: the pool does not listen on TCP");
	if (pool->half_close && check_is_own(pool, "half_close"))
		check_complain(
			check, CONF_DIAG_WARNING, pool, "half_close",
			"half_close has no effect: the pool does not listen on TCP");
}

static void check_socket_files(struct check *check, const struct conf_pool *pool)
{
	const struct {
		const char *option;
		bool has_value;
	} options[] = {
		{ "listen_owner", *pool->listen_owner },
		{ "listen_group", *pool->listen_group },
		{ "listen_mode", pool->listen_mode >= 0 },
	};

	if (pool->listen_mode >= 0 && pool->listen_mode & 0002)
		check_complain(
			check, CONF_DIAG_WARNING, pool, "listen_mode",
			"listen_mode lets everybody on this machine run code as the "
			"pool's user");
	if (pool->n_listen == 0 || check_count_kind(pool, 1u << CONF_ADDRESS_UNIX) > 0)
		return;
	for (size_t i = 0; i < N_ITEMS(options); i++)
		if (options[i].has_value && check_is_own(pool, options[i].option))
			check_complain(
				check, CONF_DIAG_WARNING, pool, options[i].option,
				"%s has no effect: the pool makes no socket that is a "
				"file",
				options[i].option);
}

static void check_times(struct check *check, const struct conf_pool *pool)
{
	uint64_t max_wait_us = pool->queue.max_wait_us;

	if (pool->answer_by_us && max_wait_us >= pool->answer_by_us)
		check_complain(
			check, CONF_DIAG_WARNING, pool, "answer_by",
			"queue.max_wait leaves a request that waited no time to be "
			"answered: it should be shorter than answer_by");
	if (pool->answer_by_us && pool->request_timeout_us &&
	    pool->request_timeout_us + max_wait_us <= pool->answer_by_us)
		check_complain(
			check, CONF_DIAG_WARNING, pool, "answer_by",
			"answer_by has no effect: queue.max_wait and request_timeout "
			"together end a request earlier");
	if (pool->request_timeout_us && pool->read_timeout_us >= pool->request_timeout_us)
		check_complain(
			check, CONF_DIAG_WARNING, pool, "read_timeout",
			"read_timeout has no effect: request_timeout ends a request "
			"earlier");
	if (pool->queue.target_us >= max_wait_us)
		check_complain(
			check, CONF_DIAG_WARNING, pool, "queue.target",
			"queue.target should be shorter than queue.max_wait: no request "
			"waits that long");
}

static void check_sizes(struct check *check, const struct conf_pool *pool)
{
	const struct conf *conf = check->conf;
	uint64_t request_bytes = pool->params_max_bytes + pool->body_memory_bytes +
				 pool->response_memory_bytes;
	char need[CONF_NUMBER_TEXT_BYTES], have[CONF_NUMBER_TEXT_BYTES];

	if (pool->body_max_bytes && pool->body_memory_bytes > pool->body_max_bytes)
		check_complain(check, CONF_DIAG_ERROR, pool, "body_memory",
			       "body_memory is bigger than body_max");
	conf_value_print_size(conf->spool_max_bytes, have);
	if (pool->body_max_bytes > conf->spool_max_bytes)
		check_complain(check, CONF_DIAG_WARNING, pool, "body_max",
			       "a body of body_max does not fit into spool_max, %s",
			       have);
	conf_value_print_size(request_bytes, need);
	conf_value_print_size(conf->memory_max_bytes / 4, have);
	if (request_bytes > conf->memory_max_bytes / 4)
		check_complain(check, CONF_DIAG_WARNING, pool, "response_memory",
			       "one request can need %s (params_max, body_memory and "
			       "response_memory), but a pool gets at most a quarter of "
			       "memory_max, %s",
			       need, have);
}

/* --- all rules --- */

static void (*const pool_rules[])(struct check *check, const struct conf_pool *pool) = {
	check_needed,         check_who_runs_php, check_max_children, check_own_master,
	check_foreign_master, check_slowlog,      check_tcp,          check_socket_files,
	check_times,          check_sizes,
};

/* What shows the state of every pool is not for other machines. */
static void check_status(struct check *check, const char *option,
			 const struct conf_address *address)
{
	const struct conf_origin *origin = conf_origin_in_top(check->conf, option);

	if (conf_address_is_tcp(address) && !conf_address_is_loopback(address))
		conf_diags_add(check->diags, CONF_DIAG_ERROR, origin->file, origin->line,
			       "%s: other machines can reach %s: it must be a loopback "
			       "address",
			       option, address->text);
}

int conf_check(const struct conf *conf, struct conf_diags *diags)
{
	struct check check = { conf, diags };

	check_status(&check, "status.http", &conf->status_http);
	check_status(&check, "status.fastcgi", &conf->status_fastcgi);
	for (size_t i = 0; i < conf->n_pools; i++)
		for (size_t rule = 0; rule < N_ITEMS(pool_rules); rule++)
			pool_rules[rule](&check, conf->pools[i]);
	/* after another error, that error may be why there is none */
	if (conf->n_pools == 0 && diags->n_errors == 0)
		conf_diags_add(diags, CONF_DIAG_ERROR, conf->file, 0,
			       "there is no pool: write pools = ( { name = ...; "
			       "listen = ...; backend = ...; } )");
	return conf_clash_check(conf, diags);
}

void conf_check_spool(const struct conf *conf, struct conf_diags *diags)
{
	const struct conf_origin *origin = conf_origin_in_top(conf, "spool_dir");
	struct statfs fs;

	if (origin->is_bad || statfs(conf->spool_dir, &fs) < 0 ||
	    (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC))
		return;
	conf_diags_add(diags, CONF_DIAG_ERROR, origin->file ? origin->file : conf->file,
		       origin->line,
		       "spool_dir: %s is in memory (%s): request bodies would be held "
		       "there, and memory_max would not count them; name a folder on a "
		       "disk",
		       conf->spool_dir, fs.f_type == TMPFS_MAGIC ? "tmpfs" : "ramfs");
}
