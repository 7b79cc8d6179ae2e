/* SPDX-License-Identifier: BSD-2-Clause */
/* One PHP-FPM listening socket that serves a pool. */

/*
 * A slot is one link. So many may be taken as FPM has workers (pm.max_children); nobody
 * ever waits in FPM's own backlog behind a busy worker, except for the few that are
 * unaccepted:
 *
 *   pm = static     as many as there are slots: every one has a worker
 *   pm = dynamic    max(2, min_spare_servers)
 *   pm = ondemand   1: FPM forks on an edge of its listening socket, and connections that
 *                   come together make one edge (measured: 20 connects at once got 2
 *                   workers, one after the other's acceptance 20 workers in 41 ms)
 *
 * A link that is unaccepted for 50 ms while others progress shows that there are fewer
 * workers than max_children says: another client of this FPM, a wrong figure, a pool that
 * is still growing. The limit becomes those that have been accepted and one more, whose
 * acceptance raises it again. So admission is right without a status page and without
 * trusting a configuration file.
 *
 * When connect() fails the member is down. One exchange at a time tries again, after 50
 * ms doubling to 500 ms; the others wait in the queue, where their deadlines rule.
 */

#include "daemon/member.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/outq.h"

enum {
	MEMBER_MISSING_US = 50000,
	MEMBER_MISSING_CALM_US = 10000000,
	MEMBER_OVERDUE_US = 5000,
	MEMBER_KEEP_US = 100000,
	MEMBER_RETRY_FIRST_US = 50000,
	MEMBER_RETRY_LAST_US = 500000,
	MEMBER_FULL_CALM_US = 1000000,
	MEMBER_GHOST_US = 60000000, /* a script that nobody waits for may run that long */
	MEMBER_FULL_RETRY_US = 10000, /* a full backlog: workers will take some soon */
};

static const struct link_home_ops member_link_ops;

static void member_run_room(struct loop_task *task)
{
	struct member *member = container_of(task, struct member, room);

	member->ops->on_room(member);
}

static void member_kick(struct member *member)
{
	if (!member->is_leaving)
		loop_defer(member->loop, &member->room);
}

/* slots */

unsigned member_n_accepted(const struct member *member)
{
	return member->n_links[LINK_BUSY] + member->n_links[LINK_BACKGROUND] +
	       member->n_links[LINK_FREE] + member->n_links[LINK_ABANDONED];
}

static unsigned member_n_unaccepted(const struct member *member)
{
	return member->n_links[LINK_CONNECTING] + member->n_links[LINK_UNACCEPTED];
}

unsigned member_n_taken(const struct member *member)
{
	return member_n_accepted(member) + member_n_unaccepted(member);
}

static unsigned member_unaccepted_max(const struct member *member)
{
	switch (member->params.pm) {
	case CONF_PM_ONDEMAND:
		return 1;
	case CONF_PM_STATIC:
		return member->limit;
	case CONF_PM_DYNAMIC:
	case CONF_PM_UNKNOWN:
		break;
	}
	return MAX(2u, member->params.min_spare_servers);
}

bool member_has_room(const struct member *member)
{
	if (member->is_waiting ||
	    (member->down != HEALTH_REASON_NONE && member->is_trying))
		return false;
	return member_n_taken(member) < member->limit &&
	       member_n_unaccepted(member) < member_unaccepted_max(member);
}

bool member_is_last_slot(const struct member *member)
{
	return member_n_taken(member) + 1 >= member->limit ||
	       member_n_unaccepted(member) + 1 >= member_unaccepted_max(member);
}

/* Said once, not at every turn of a limit that goes up and down: it is news again after a
 * while without. */
static void member_note_missing(struct member *member)
{
	uint64_t now_us = loop_now_us(member->loop);
	bool is_news = !member->is_missing ||
		       now_us - member->missing_us > MEMBER_MISSING_CALM_US;

	member->is_missing = true;
	member->missing_us = now_us;
	if (is_news && !member->is_leaving)
		member->ops->on_change(member, HEALTH_REASON_WORKERS_MISSING,
				       HEALTH_REASON_NONE, MAX(member->limit - 1, 1u));
}

static void member_set_limit(struct member *member, unsigned limit)
{
	limit = MIN(MAX(limit, 1u), member->params.max_children);
	if (limit == member->limit)
		return;
	member->limit = limit;
	if (limit < member->params.max_children)
		member_note_missing(member);
}

/* Is the oldest unaccepted link older than 50 ms, and has another one progressed since?
 */
static void member_check_missing(struct loop_deadline *deadline)
{
	struct member *member = container_of(deadline, struct member, missing_check);
	struct link *oldest, *link;

	LIST_FOREACH_SAFE(link, &member->links[LINK_UNACCEPTED], node) {
		if (!link->has_edges)
			link_look(link);
	}
	oldest = LIST_FIRST(&member->links[LINK_UNACCEPTED], struct link, node);
	if (!oldest)
		return;
	if (loop_now_us(member->loop) - oldest->started_us >= MEMBER_MISSING_US &&
	    member->progress_us > oldest->started_us)
		member_set_limit(member, member_n_accepted(member) + 1);
	loop_deadline_start(loop_deadline_list(member->loop, MEMBER_MISSING_US),
			    &member->missing_check);
}

static void member_watch_missing(struct member *member)
{
	if (!list_is_linked(&member->missing_check.node))
		loop_deadline_start(loop_deadline_list(member->loop, MEMBER_MISSING_US),
				    &member->missing_check);
}

/* connecting */

/* What is not a socket refuses as well, or may not be written. */
static bool member_is_no_socket(const struct member *member)
{
	struct stat st;

	return member->is_unix && member->address.un.sun_path[0] != '\0' &&
	       stat(member->address.un.sun_path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static enum health_reason member_reason(const struct member *member, int error)
{
	switch (error) {
	case -EAGAIN:
		return HEALTH_REASON_BACKEND_FULL;
	case -ENOENT:
	case -ENOTDIR:
		return HEALTH_REASON_BACKEND_ABSENT;
	case -EACCES:
	case -EPERM:
		return member_is_no_socket(member) ? HEALTH_REASON_BACKEND_NOT_SOCKET :
						     HEALTH_REASON_BACKEND_PERMISSION;
	case -ECONNREFUSED:
		return member_is_no_socket(member) ? HEALTH_REASON_BACKEND_NOT_SOCKET :
						     HEALTH_REASON_BACKEND_REFUSED;
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
		return HEALTH_REASON_DESCRIPTORS;
	default:
		return HEALTH_REASON_BACKEND_UNREACHABLE;
	}
}

static void member_on_retry(struct loop_deadline *deadline)
{
	struct member *member = container_of(deadline, struct member, retry);

	member->is_waiting = false;
	member_kick(member);
}

static void member_pause(struct member *member, enum health_reason reason)
{
	enum health_reason was = member->down;
	uint64_t pause_us = MEMBER_FULL_RETRY_US;

	if (reason == HEALTH_REASON_BACKEND_FULL) {
		member->full_us = loop_now_us(member->loop);
	} else {
		pause_us = member->retry_us;
		member->retry_us =
			MIN(member->retry_us * 2, (uint64_t)MEMBER_RETRY_LAST_US);
	}
	member->is_waiting = true;
	member->is_trying = false;
	loop_deadline_start(loop_deadline_list(member->loop, pause_us), &member->retry);
	if (reason != was) {
		member->down = reason;
		member->ops->on_change(member, reason, was, 0);
	}
}

/* Connections are taken. A backlog that was full is called well only when it has not been
 * full for a while: it fills and drains many times a second. */
static void member_set_up(struct member *member)
{
	enum health_reason was = member->down;

	member->retry_us = MEMBER_RETRY_FIRST_US;
	member->is_trying = false;
	if (was == HEALTH_REASON_NONE)
		return;
	if (was == HEALTH_REASON_BACKEND_FULL &&
	    loop_now_us(member->loop) - member->full_us < MEMBER_FULL_CALM_US)
		return;
	member->down = HEALTH_REASON_NONE;
	if (was != HEALTH_REASON_BACKEND_FULL)
		member->is_hello_known = member->can_hello =
			false; /* another PHP, perhaps */
	member->ops->on_change(member, HEALTH_REASON_NONE, was, 0);
	member_kick(member);
}

/* links */

static void member_file(struct member *member, struct link *link)
{
	list_append(&member->links[link->state], &link->node);
	member->n_links[link->state]++;
}

/* A worker has taken a link: there is one more than was believed, perhaps. */
static void member_on_accepted(struct member *member)
{
	member->progress_us = loop_now_us(member->loop);
	if (member->is_missing && member_n_accepted(member) >= member->limit)
		member_set_limit(member, member_n_accepted(member) + 1);
	member_kick(member);
}

/* A link that is not accepted by now needs the next worker that is free: FPM knows no
 * order between its backlog and a connection that is handed over. Younger ones are on
 * their way to a worker that is idle already. Were every unaccepted link to stop
 * hand-over, each closed link would cause a connect and that one the next closed link:
 * measured on hello.php with 32 clients on 8 workers, 2 % of the requests were handed
 * over so, and 80 % as it is. */
static bool member_is_overdue(struct member *member)
{
	struct link *oldest =
		LIST_FIRST(&member->links[LINK_UNACCEPTED], struct link, node);

	if (oldest && !oldest->has_edges) {
		link_look(oldest);
		oldest = LIST_FIRST(&member->links[LINK_UNACCEPTED], struct link, node);
	}
	return oldest &&
	       loop_now_us(member->loop) - oldest->started_us >= MEMBER_OVERDUE_US;
}

/* A worker that is handed over again and again never looks into FPM's backlog, where
 * another client of this FPM may wait: measured, it got 1 request a second served of the
 * 18 that it has when alone, and 12 since the worker is let go every so often. */
static bool member_is_kept_long(const struct member *member, const struct link *link)
{
	return loop_now_us(member->loop) - link->opened_us >= MEMBER_KEEP_US;
}

static void member_on_link_free(struct member *member, struct link *link)
{
	member->progress_us = loop_now_us(member->loop);
	if (member->params.hand_over && !member->is_leaving &&
	    !member_is_kept_long(member, link) && !member_is_overdue(member) &&
	    member_n_taken(member) <= member->limit &&
	    member->ops->on_free(member, link))
		return;
	link_close(link);
}

static void member_on_link_state(struct link *link, enum link_state old)
{
	struct member *member = link->home;

	list_remove(&link->node);
	member->n_links[old]--;
	member_file(member, link);
	if (old == LINK_BACKGROUND && loop_now_us(member->loop) > link->ended_us)
		member->n_background++;
	if (old == LINK_CONNECTING)
		member_set_up(member);
	if (old == LINK_CONNECTING ||
	    (old == LINK_UNACCEPTED && link->state == LINK_BUSY))
		member_on_accepted(member);
	if (link->state == LINK_FREE)
		member_on_link_free(member, link);
}

/* The end of a connection that nobody accepted (FPM stopped, its backlog went) must not
 * become a busy loop of tries; and an older PHP ends so behind a hello. */
static void member_on_worker_died(struct member *member, const struct link *link)
{
	if (link->has_hello)
		member->is_hello_known = member->can_hello = false;
	if (link->state != LINK_UNACCEPTED ||
	    (!link->hello_pending && request_wire_has_begun(&link->wire)))
		return;
	member->is_waiting = true;
	loop_deadline_start(loop_deadline_list(member->loop, MEMBER_FULL_RETRY_US),
			    &member->retry);
}

static void member_on_link_closed(struct link *link)
{
	struct member *member = link->home;

	list_remove(&link->node);
	member->n_links[link->state]--;
	member->n_foreign += link->n_foreign;
	if (link->ended)
		member->progress_us = loop_now_us(member->loop);
	if (link->reason == HEALTH_REASON_WORKER_DIED)
		member_on_worker_died(member, link);
	if (link->state == LINK_ABANDONED && !link->has_outq)
		member->reset_us = loop_now_us(member->loop);
	if (link->state == LINK_CONNECTING) {
		member->is_trying = false;
		if (link->reason != HEALTH_REASON_NONE)
			member_pause(member, link->reason);
	}
	member_kick(member);
}

static const struct link_home_ops member_link_ops = {
	.on_state = member_on_link_state,
	.on_closed = member_on_link_closed,
};

static void member_on_hello(void *userdata, bool is_known, bool can_hello)
{
	struct member *member = userdata;

	member->is_hello_known = is_known;
	member->can_hello = can_hello;
}

/* Once per member, and again when its socket may have changed. */
static void member_ask_hello(struct member *member)
{
	if (member->is_hello_known ||
	    member->params.hello == CONF_HELLO_OFF || member->is_leaving)
		return;
	(void)hello_start(&member->hello, &member->address);
}

bool member_has_ghosts(const struct member *member)
{
	return member->reset_us > 0 &&
	       loop_now_us(member->loop) - member->reset_us < MEMBER_GHOST_US;
}

int member_connect(struct member *member, bool wants_edges, struct link **ret_link)
{
	struct loop_deadline_list *timeout = NULL;
	enum health_reason reason;
	int r;

	if (member->params.connect_timeout_us > 0)
		timeout = loop_deadline_list(member->loop,
					     member->params.connect_timeout_us);
	/* with fewer unaccepted links than slots each acceptance makes room */
	wants_edges |= !member->is_unix || member->params.pm != CONF_PM_STATIC;
	r = link_connect(member->loop, member->memory, &member->address, timeout,
			 wants_edges, member, &member_link_ops, ret_link);
	if (r < 0) {
		reason = member_reason(member, r);
		member_pause(member, reason);
		return (int)reason;
	}
	member_file(member, *ret_link);
	member_watch_missing(member);
	if (member->is_unix)
		member_set_up(member);
	else
		member->is_trying = true;
	member_ask_hello(member);
	return 0;
}

/* birth, change, end */

void member_init(struct member *member, struct loop *loop, struct memory *memory,
		 void *home, const struct member_ops *ops,
		 const struct conf_address *backend, const struct member_params *params)
{
	*member = (struct member){
		.loop = loop,
		.memory = memory,
		.home = home,
		.ops = ops,
		.retry_us = MEMBER_RETRY_FIRST_US,
		.retry = { .on_due = member_on_retry },
		.missing_check = { .on_due = member_check_missing },
		.room = { .run = member_run_room },
	};
	for (size_t i = 0; i < LINK_N_STATES; i++)
		list_init(&member->links[i]);
	hello_init(&member->hello, loop, memory, member, member_on_hello);
	member_set_backend(member, backend);
	member_set_params(member, params);
}

void member_set_backend(struct member *member, const struct conf_address *backend)
{
	struct address address;

	address_set(&address, backend);
	if (memcmp(&address, &member->address, sizeof(address)) == 0)
		return;
	member->address = address;
	member->is_unix = member->address.any.sa_family == AF_UNIX;
	member->has_outq = member->is_unix && outq_works();
	member->is_hello_known = member->can_hello = false;
	member_kick(member);
}

void member_set_params(struct member *member, const struct member_params *params)
{
	member->params = *params;
	member->limit = params->max_children;
	member->is_missing = false;
	member_kick(member);
}

void member_done(struct member *member)
{
	struct list *node;

	member->is_leaving = true;
	loop_deadline_clear(&member->retry);
	loop_deadline_clear(&member->missing_check);
	loop_cancel(&member->room);
	hello_done(&member->hello);
	for (size_t i = 0; i < LINK_N_STATES; i++)
		while ((node = list_first(&member->links[i])))
			link_drop(container_of(node, struct link, node),
				  HEALTH_REASON_DRAINING);
}
