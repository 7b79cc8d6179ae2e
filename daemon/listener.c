/* SPDX-License-Identifier: BSD-2-Clause */
/* A listening socket of a pool. */

/*
 * A client is accepted only while there is room for what it will need: at the limit, and
 * when the kernel has no descriptor or memory left, the listeners pause for a moment and
 * connections wait in the backlog. Nothing is closed: a web server whose connection is
 * closed shows a 502, one whose connection waits shows the page a little later.
 */

#include "daemon/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "daemon/address.h"
#include "daemon/exchange.h"
#include "daemon/pool.h"

enum {
	LISTENER_PAUSE_US = 50000,
	LISTENER_CALM_US = 1000000, /* without a pause: then it is over */
	LISTENER_BURST_MAX = 64,  /* clients accepted in one turn */
	LISTENER_DEFAULT_MODE = 0660,
};

static void listener_pause(struct listener *listener, const char *why)
{
	struct admission *admission = listener->admission;

	if (!admission->is_paused)
		log_warning(
			"not accepting connections for a moment: %s (%u clients of at "
			"most %u)",
			why, admission->n_clients, admission->max);
	admission->is_paused = true;
	admission->paused_us = loop_now_us(listener->home.loop);
	pool_count(listener->pool, COUNTER_CLIENTS_PAUSED);
	listener->pool->counters.reasons[HEALTH_REASON_DESCRIPTORS]++;
	(void)loop_change(listener->home.loop, &listener->source, 0);
	loop_deadline_start(loop_deadline_list(listener->home.loop, LISTENER_PAUSE_US),
			    &listener->resume);
}

/* Idle clients hold their place, and nothing but their next request ends them. So a
 * quarter of the places is never theirs: who waits in the backlog would wait for ever. */
static bool listener_is_crowded(struct client_home *home)
{
	const struct admission *admission =
		container_of(home, struct listener, home)->admission;

	return admission->n_clients > admission->max - admission->max / 4;
}

static bool listener_is_in(const struct conf_network *network, const uint8_t *ip,
			   bool is_ipv6)
{
	uint8_t n_bits = network->n_bits;
	uint8_t mask = (uint8_t)(0xff00 >> n_bits % 8);

	if (network->is_ipv6 != is_ipv6 || memcmp(network->ip, ip, n_bits / 8) != 0)
		return false;
	return n_bits % 8 == 0 ||
	       ((network->ip[n_bits / 8] ^ ip[n_bits / 8]) & mask) == 0;
}

/* Networks of `allow`; without any, the loopback ones that such a listener is bound to.
 */
static bool listener_is_allowed(const struct listener *listener,
				const struct address *peer)
{
	const struct conf_pool *options = listener->pool->options;
	const uint8_t *ip = (const uint8_t *)&peer->in.sin_addr;
	bool is_ipv6 = peer->any.sa_family == AF_INET6;

	if (options->n_allow == 0)
		return true;
	if (is_ipv6)
		ip = peer->in6.sin6_addr.s6_addr;
	if (is_ipv6 && IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr)) {
		ip += 12;
		is_ipv6 = false;
	}
	for (size_t i = 0; i < options->n_allow; i++)
		if (listener_is_in(&options->allow[i], ip, is_ipv6))
			return true;
	return false;
}

/* 0, or STREAM_AGAIN when nobody waits; an errno of accept4(). */
static int listener_accept(struct listener *listener)
{
	const int on = 1;
	struct address peer = { .n = sizeof(peer.in6) };
	int fd, r;

	fd = accept4(listener->source.fd, &peer.any, &peer.n,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno == EAGAIN)
		return STREAM_AGAIN;
	if (fd < 0)
		return -errno;
	if (listener->is_tcp && !listener_is_allowed(listener, &peer)) {
		pool_count(listener->pool, COUNTER_CLIENTS_DENIED);
		close_fd(fd);
		return 0;
	}
	if (listener->is_tcp)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = client_new(&listener->home, fd, listener->is_tcp);
	if (r < 0)
		return r;
	listener->admission->n_clients++;
	return 0;
}

/* False: nobody waits, or the listener pauses. */
static bool listener_accept_one(struct listener *listener)
{
	int r;

	if (listener->admission->n_clients >= listener->admission->max) {
		listener_pause(listener, "clients_max is reached");
		return false;
	}
	r = listener_accept(listener);
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM) {
		listener_pause(listener, strerror(-r));
		return false;
	}
	/* any other error belongs to that one connection */
	return r != STREAM_AGAIN;
}

/* Said once it has been over for a while, not after every pause. */
static void listener_note_calm(struct listener *listener)
{
	struct admission *admission = listener->admission;

	if (!admission->is_paused ||
	    loop_now_us(listener->home.loop) - admission->paused_us < LISTENER_CALM_US)
		return;
	log_notice("accepting connections again");
	admission->is_paused = false;
}

/* The source is level-triggered, so not every turn has to end in an accept4() that says
 * EAGAIN: as many are taken as came last time, and twice as many when there were more. */
static void listener_on_ready(struct loop_source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);
	unsigned n = 0;

	(void)events;
	listener_note_calm(listener);
	while (n < listener->burst && listener_accept_one(listener))
		n++;
	if (n == listener->burst)
		listener->burst = MIN(listener->burst * 2, (unsigned)LISTENER_BURST_MAX);
	else
		listener->burst = MAX(n, 1u);
}

static void listener_on_resume(struct loop_deadline *deadline)
{
	struct listener *listener = container_of(deadline, struct listener, resume);

	if (loop_change(listener->home.loop, &listener->source, EPOLLIN) < 0)
		loop_deadline_start(loop_deadline_list(listener->home.loop,
						       LISTENER_PAUSE_US),
				    &listener->resume);
}

/* making sockets */

/* Owner, group and mode as configured, else those of the backend's socket, else ours with
 * group www-data. *ret_unknown: a name that is no user or group here. */
static void listener_access(const struct conf_pool *options, struct socket_access *ret,
			    const char **ret_unknown)
{
	struct stat st;

	*ret_unknown = NULL;
	*ret = (struct socket_access){ (uid_t)-1, (gid_t)-1, LISTENER_DEFAULT_MODE };
	if (options->backend.kind == CONF_ADDRESS_UNIX &&
	    stat(options->backend.name, &st) == 0) {
		*ret = (struct socket_access){ (uid_t)-1, st.st_gid, st.st_mode & 0777 };
		if (geteuid() == 0)
			ret->uid = st.st_uid;
	} else {
		ret->gid = socket_file_gid("www-data");
	}
	if (options->listen_mode >= 0)
		ret->mode = (mode_t)options->listen_mode;
	if (options->listen_owner[0] != '\0') {
		ret->uid = socket_file_uid(options->listen_owner);
		if (ret->uid == (uid_t)-1)
			*ret_unknown = "listen_owner is no user of this machine";
	}
	if (options->listen_group[0] != '\0') {
		ret->gid = socket_file_gid(options->listen_group);
		if (ret->gid == (gid_t)-1)
			*ret_unknown = "listen_group is no group of this machine";
	}
}

static int listener_bind_path(struct listener *listener, int fd,
			      const struct address *address, const char **ret_what,
			      const char **ret_warning)
{
	const struct conf_pool *options = listener->pool->options;
	struct socket_access access;
	const char *unknown;
	int r;

	listener_access(options, &access, &unknown);
	r = socket_file_listen(&listener->file, fd, address, (int)options->backlog,
			       &access, ret_what, ret_warning);
	if (unknown)
		*ret_warning = unknown;
	return r;
}

static int listener_bind(struct listener *listener, int fd, const struct address *address,
			 const char **ret_what, const char **ret_warning)
{
	const int on = 1;

	if (address->any.sa_family == AF_UNIX && address->un.sun_path[0] != '\0')
		return listener_bind_path(listener, fd, address, ret_what, ret_warning);
	if (listener->is_tcp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	*ret_what = "bind";
	if (bind(fd, &address->any, address->n) < 0)
		return -errno;
	*ret_what = "listen";
	if (listen(fd, (int)listener->pool->options->backlog) < 0)
		return -errno;
	return 0;
}

/* birth and end */

static void listener_on_client_closed(struct client_home *home)
{
	struct listener *listener = container_of(home, struct listener, home);

	listener->admission->n_clients--;
	if (home->n_clients == 0 && listener->source.fd < 0)
		listener->on_empty(listener);
}

void listener_set_options(struct listener *listener)
{
	const struct conf_pool *options = listener->pool->options;

	listener->home.half_close = options->half_close;
	listener->home.write_timeout_us = options->write_timeout_us;
	listener->home.body_timeout_us = options->body_timeout_us;
	listener->home.response_memory = (size_t)options->response_memory_bytes;
}

static struct listener *listener_alloc(struct pool *pool, struct admission *admission,
				       const struct conf_address *address)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return NULL;
	listener->pool = pool;
	listener->admission = admission;
	listener->source.fd = -1;
	listener->source.on_ready = listener_on_ready;
	listener->resume.on_due = listener_on_resume;
	listener->source.is_level = true;
	listener->burst = 1;
	listener->text = strdup(address->text);
	listener->home = (struct client_home){
		.loop = pool->loop,
		.memory = &pool->memory,
		.counters = &pool->counters,
		.sink = &exchange_sink,
		.sink_data = pool,
		.on_closed = listener_on_client_closed,
		.is_crowded = listener_is_crowded,
	};
	list_init(&listener->home.clients);
	listener_set_options(listener);
	if (!listener->text)
		return listener_free(listener);
	return listener;
}

static int listener_add(struct listener *listener, int fd)
{
	int r;

	listener->source.fd = fd;
	r = loop_add(listener->home.loop, &listener->source, EPOLLIN);
	if (r < 0)
		listener->source.fd = -1;
	return r;
}

int listener_new(struct pool *pool, struct admission *admission,
		 const struct conf_address *address, struct listener **ret_listener,
		 const char **ret_what, const char **ret_warning)
{
	struct listener *listener = listener_alloc(pool, admission, address);
	_cleanup_close_ int fd = -1;
	struct address bound;
	int r;

	*ret_what = "malloc";
	*ret_warning = NULL;
	if (!listener)
		return -ENOMEM;
	address_set(&bound, address);
	listener->is_tcp = bound.any.sa_family != AF_UNIX;
	*ret_what = "socket";
	fd = socket(bound.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : listener_bind(listener, fd, &bound, ret_what, ret_warning);
	if (r == 0) {
		*ret_what = "epoll_ctl";
		r = listener_add(listener, fd);
	}
	if (r < 0) {
		listener_free(listener);
		return r;
	}
	(void)steal_fd(&fd);
	*ret_listener = listener;
	return 0;
}

int listener_adopt(struct pool *pool, struct admission *admission, int fd,
		   const struct conf_address *address, struct listener **ret_listener)
{
	struct listener *listener = listener_alloc(pool, admission, address);
	struct address bound = { .n = sizeof(bound.un) };
	int r;

	if (!listener) {
		close_fd(fd);
		return -ENOMEM;
	}
	r = getsockname(fd, &bound.any, &bound.n) < 0 ? -errno : 0;
	listener->is_tcp = r == 0 && bound.any.sa_family != AF_UNIX;
	if (r == 0)
		r = listener_add(listener, fd);
	if (r < 0) {
		close_fd(fd);
		listener_free(listener);
		return r;
	}
	*ret_listener = listener;
	return 0;
}

int listener_move(struct listener *old, struct pool *pool,
		  const struct conf_address *address, struct listener **ret_listener)
{
	struct listener *listener = listener_alloc(pool, old->admission, address);
	int fd = old->source.fd, r;

	if (!listener)
		return -ENOMEM;
	listener->is_tcp = old->is_tcp;
	loop_remove(old->home.loop, &old->source);
	r = listener_add(listener, fd);
	if (r < 0) {
		listener_free(listener);
		if (loop_add(old->home.loop, &old->source, EPOLLIN) < 0)
			old->source.fd = close_fd(fd);
		return r;
	}
	listener->file = old->file;
	old->file = (struct socket_file){ 0 };
	old->source.fd = -1;
	listener_close(old);
	*ret_listener = listener;
	return 0;
}

static void listener_stop(struct listener *listener)
{
	loop_deadline_clear(&listener->resume);
	if (listener->source.fd < 0)
		return;
	socket_file_done(&listener->file);
	loop_remove(listener->home.loop, &listener->source);
	listener->source.fd = close_fd(listener->source.fd);
}

void listener_close(struct listener *listener)
{
	listener_stop(listener);
	listener->home.is_draining = true;
	if (listener->home.n_clients == 0)
		listener->on_empty(listener);
}

void listener_close_idle(struct listener *listener)
{
	struct client *client;

	LIST_FOREACH_SAFE(client, &listener->home.clients, node) {
		client_close_if_idle(client);
	}
}

struct listener *listener_free(struct listener *listener)
{
	if (!listener)
		return NULL;
	listener_stop(listener);
	list_remove(&listener->node);
	free(listener->text);
	free(listener);
	return NULL;
}
