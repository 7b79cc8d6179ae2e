/* SPDX-License-Identifier: BSD-2-Clause */
/* What must not occur twice: names of pools, addresses that are bound or served. */
#include "conf/clash.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/address.h"
#include "conf/conf.h"
#include "conf/diag.h"
#include "conf/origin.h"

enum role {
	ROLE_NAME,
	ROLE_LISTEN,  /* fpmgate binds it */
	ROLE_BACKEND, /* fpmgate connects to it for requests */
	ROLE_STATUS,  /* fpmgate connects to it for questions */
};

/* A text and who uses it for what. */
struct use {
	enum role role;
	const char *option;
	const char *text;
	const struct conf_pool *pool; /* NULL: an address of the group status */
	size_t order;                 /* as in the files */
};

struct uses {
	struct use *items;
	size_t n;
};

static int use_compare(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	if (r != 0)
		return r;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool use_excludes(const struct use *a, const struct use *b)
{
	/* pools of one FPM master may share a status socket */
	if (a->role == b->role)
		return a->role != ROLE_STATUS;
	return a->role == ROLE_LISTEN || b->role == ROLE_LISTEN;
}

/* "pool www" or "status". */
static void use_print_owner(const struct use *use, char *buffer, size_t n_bytes)
{
	if (use->pool)
		snprintf(buffer, n_bytes, "pool %s", use->pool->name);
	else
		snprintf(buffer, n_bytes, "status");
}

static const struct conf_origin *use_origin(const struct use *use,
					    const struct conf *conf)
{
	return use->pool ? conf_origin_in_pool(use->pool, use->option) :
			   conf_origin_in_top(conf, use->option);
}

static void use_complain(const struct use *use, const struct use *other,
			 const struct conf *conf, struct conf_diags *diags)
{
	const struct conf_origin *origin = use_origin(use, conf);
	const struct conf_origin *other_origin = use_origin(other, conf);
	const char *file = origin->file ? origin->file : conf->file;
	const char *loop = use->role == other->role ? "" : ": that would be a loop";
	char owner[80], other_owner[80];

	use_print_owner(use, owner, sizeof(owner));
	use_print_owner(other, other_owner, sizeof(other_owner));
	if (other_origin->file)
		conf_diags_add(diags, CONF_DIAG_ERROR, file, origin->line,
			       "%s: %s %s is also the %s of %s (%s:%u)%s", owner,
			       use->option, use->text, other->option, other_owner,
			       other_origin->file, other_origin->line, loop);
	else
		conf_diags_add(diags, CONF_DIAG_ERROR, file, origin->line,
			       "%s: %s %s is also the %s of %s, by default%s", owner,
			       use->option, use->text, other->option, other_owner, loop);
}

static void uses_add(struct uses *uses, enum role role, const char *option,
		     const char *text, const struct conf_pool *pool)
{
	if (!*text)
		return;
	uses->items[uses->n] = (struct use){ role, option, text, pool, uses->n };
	uses->n++;
}

static void uses_collect(struct uses *uses, const struct conf *conf)
{
	uses_add(uses, ROLE_LISTEN, "status.control", conf->status_control.text, NULL);
	uses_add(uses, ROLE_LISTEN, "status.http", conf->status_http.text, NULL);
	uses_add(uses, ROLE_LISTEN, "status.fastcgi", conf->status_fastcgi.text, NULL);
	for (size_t i = 0; i < conf->n_pools; i++) {
		const struct conf_pool *pool = conf->pools[i];

		uses_add(uses, ROLE_NAME, "name", pool->name, pool);
		for (size_t j = 0; j < pool->n_listen; j++)
			uses_add(uses, ROLE_LISTEN, "listen", pool->listen[j].text, pool);
		uses_add(uses, ROLE_BACKEND, "backend", pool->backend.text, pool);
		uses_add(uses, ROLE_STATUS, "status_listen", pool->status_listen.text,
			 pool);
	}
}

/* Complains about item i when an earlier one of the same text excludes it. */
static void uses_check(const struct uses *uses, size_t i, const struct conf *conf,
		       struct conf_diags *diags)
{
	const struct use *use = &uses->items[i];

	/* back to the first of this text, so that all name the same other place */
	while (i > 0 && strcmp(uses->items[i - 1].text, use->text) == 0)
		i--;
	for (; &uses->items[i] != use; i++) {
		if (use_excludes(&uses->items[i], use)) {
			use_complain(use, &uses->items[i], conf, diags);
			return;
		}
	}
}

/* Who listens on every address of a port also listens where a local backend is. */
static void clash_check_any(const struct conf *conf, const struct conf_pool *pool,
			    const struct conf_address *listen, struct conf_diags *diags)
{
	for (size_t i = 0; i < conf->n_pools; i++) {
		const struct conf_address *backend = &conf->pools[i]->backend;
		struct use use = { ROLE_LISTEN, "listen", listen->text, pool, 0 };
		struct use other = { ROLE_BACKEND, "backend", backend->text,
				     conf->pools[i], 0 };

		if (backend->kind == listen->kind && backend->port == listen->port &&
		    conf_address_is_loopback(backend))
			use_complain(&use, &other, conf, diags);
	}
}

int conf_clash_check(const struct conf *conf, struct conf_diags *diags)
{
	struct uses uses = { 0 };
	size_t n = 3; /* the addresses of the group status */

	for (size_t i = 0; i < conf->n_pools; i++)
		n += conf->pools[i]->n_listen + 3; /* name, backend, status_listen */
	uses.items = calloc(n, sizeof(uses.items[0]));
	if (!uses.items)
		return -ENOMEM;
	uses_collect(&uses, conf);
	qsort(uses.items, uses.n, sizeof(uses.items[0]), use_compare);
	for (size_t i = 0; i < uses.n; i++)
		uses_check(&uses, i, conf, diags);
	free(uses.items);
	for (size_t i = 0; i < conf->n_pools; i++) {
		const struct conf_pool *pool = conf->pools[i];

		for (size_t j = 0; j < pool->n_listen; j++)
			if (conf_address_is_any(&pool->listen[j]))
				clash_check_any(conf, pool, &pool->listen[j], diags);
	}
	return 0;
}
