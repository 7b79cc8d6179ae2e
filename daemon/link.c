/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection of ours to a PHP-FPM socket. */

/*
 * A PHP-FPM worker serves one connection at a time, so a link is a worker, from the
 * moment one accepts it to the moment that one is back in its accept loop. Neither is
 * announced by a byte of the protocol, but on a unix socket the kernel tells both
 * (outq.h):
 *
 *   accepted   the first write has been read: SIOCOUTQ is below what the whole request is
 *              charged with
 *   free       END_REQUEST has been seen and nothing is unread: with KEEP_CONN the worker
 *              reads our empty STDIN only when it asks for its next request. A script
 * that goes on behind fastcgi_finish_request() leaves it unread.
 *
 * A hello (a GET_VALUES record in front of the request) is answered the instant a worker
 * accepts, and what stands behind one that was not answered can be withdrawn: SHUT_RD,
 * and if no answer is in the queue then, there will never be one, the worker drops the
 * connection when it fails to write it, and the request never runs.
 *
 * Giving up on a request that runs (its visitor left, a limit has passed) cannot be done
 * by a record, PHP-FPM ignores ABORT_REQUEST. Both directions are shut down once the
 * request is written in full: the script's next output fails. SHUT_RD alone would leave
 * PHP-FPM waiting for our end in fcgi_close() for ever. The slot stays taken until the
 * worker has read what was left. Over TCP nothing tells that: the link is reset at the
 * script's first output or over by its end (reset at once, silent scripts run on in slots
 * that look free: measured, FPM was busy for nobody for 17 s more, so for 1 s).
 */

#include "daemon/link.h"

#include <assert.h>
#include <errno.h>
#include <fastcgi.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/body.h"
#include "daemon/outq.h"
#include "fcgi/request.h"
#include "fcgi/writer.h"

enum {
	LINK_SWEEP_US = 1000000,
	LINK_TURN_BYTES = 256 * 1024, /* read in one turn; others want to be served too */
};

static void link_set_state(struct link *link, enum link_state state)
{
	enum link_state old = link->state;

	if (old == state)
		return;
	link->state = state;
	link->home_ops->on_state(link, old);
}

/* The exchange may free the request's bytes after this. */
static void link_let_go(struct link *link, enum health_reason reason, bool had_worker)
{
	void *user = link->user;

	link->user = NULL;
	if (user)
		link->ops->on_gone(user, reason, had_worker);
}

static void link_reap(struct loop_task *task)
{
	free(container_of(task, struct link, reaper));
}

void link_close(struct link *link)
{
	if (link->is_closing)
		return;
	link->is_closing = true;
	loop_deadline_clear(&link->sweep);
	loop_deadline_clear(&link->connect_deadline);
	loop_cancel(&link->again);
	stream_done(&link->stream);
	loop_defer(link->loop, &link->reaper);
	link->home_ops->on_closed(link);
}

/* The answer will not come. */
static void link_lose(struct link *link, enum health_reason reason)
{
	bool had_worker = link->state != LINK_CONNECTING &&
			  request_wire_has_begun(&link->wire) &&
			  !(link->state == LINK_UNACCEPTED && link->hello_pending);

	link->reason = reason;
	link_close(link);
	link_let_go(link, reason, had_worker);
}

void link_drop(struct link *link, enum health_reason reason)
{
	link_close(link);
	link_let_go(link, reason, true);
}

/* accepted and free */

static void link_accept(struct link *link)
{
	if (link->state != LINK_UNACCEPTED)
		return;
	link->accepted_us = loop_now_us(link->loop);
	link_set_state(link, LINK_BUSY);
	if (link->user)
		link->ops->on_accepted(link->user, link->stream.pid);
	if (link->wire.end < link->wire.n && !link->is_closing) {
		request_wire_go(&link->wire);
		loop_defer(link->loop, &link->again);
	}
}

static void link_free(struct link *link)
{
	link_let_go(link, HEALTH_REASON_NONE, true);
	loop_deadline_clear(&link->sweep);
	link_set_state(link, LINK_FREE);
}

/* Everything has been read by the worker: it asks for its next request, or it is about to
 * end. PHP-FPM shuts its side down before it reads what is left (fcgi_close), so a peer
 * that has neither ended nor sent anything by now will not end before the next request.
 */
static void link_check_end(struct link *link)
{
	uint8_t byte;
	ssize_t n = recv(link->stream.source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0) {
		link->is_readable = true;
		loop_defer(link->loop, &link->again);
	} else if (n < 0 && errno == EAGAIN) {
		link_free(link);
	} else {
		link_drop(link, HEALTH_REASON_NONE);
	}
}

static void link_check_outq(struct link *link)
{
	int outq;

	if (!link->has_outq || link->is_closing)
		return;
	if (link->state == LINK_UNACCEPTED && link->outq_full > 0) {
		outq = outq_get(link->stream.source.fd);
		if (outq >= 0 && outq < link->outq_full)
			link_accept(link);
	} else if (link->state == LINK_BACKGROUND) {
		if (outq_get(link->stream.source.fd) < OUTQ_EMPTY)
			link_check_end(link);
	} else if (link->state == LINK_ABANDONED && !link->wants_shutdown) {
		if (outq_get(link->stream.source.fd) < OUTQ_EMPTY)
			link_close(link);
	}
}

void link_look(struct link *link)
{
	link_check_outq(link);
}

static void link_sweep(struct loop_deadline *deadline)
{
	struct link *link = container_of(deadline, struct link, sweep);

	loop_deadline_start(loop_deadline_list(link->loop, LINK_SWEEP_US), &link->sweep);
	link_check_outq(link);
}

/* From here on EPOLLOUT edges are of use: room to write, what the worker has read. */
static void link_want_edges(struct link *link)
{
	if (link->has_edges)
		return;
	link->has_edges = loop_change(link->loop, &link->stream.source,
				      EPOLLIN | EPOLLOUT | EPOLLRDHUP) == 0;
}

/* writing */

/* TCP: closing is to be a reset. */
static void link_set_reset(struct link *link)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(link->stream.source.fd, SOL_SOCKET, SO_LINGER, &reset,
			 sizeof(reset));
}

static void link_shut_down(struct link *link)
{
	int fd = link->stream.source.fd;

	link->wants_shutdown = false;
	if (!link->has_outq) {
		/* reset by its first output, or over by its end */
		link_let_go(link, HEALTH_REASON_NONE, true);
		if (link->is_readable)
			loop_defer(link->loop, &link->again);
		return;
	}
	link_want_edges(link);
	(void)shutdown(fd, SHUT_RDWR);
	link_let_go(link, HEALTH_REASON_NONE, true);
	link_check_outq(link);
}

/* What the socket is charged with from here on while nobody has read anything. Where the
 * charge of the writes is not known (a large body), what it is now stands for it: a
 * worker that has been as quick as this is then known by its first output only. */
static void link_note_charge(struct link *link)
{
	if (!link->has_outq || link->outq_full > 0 || link->hello_pending ||
	    link->state != LINK_UNACCEPTED)
		return;
	link->outq_full = request_wire_charge(&link->wire);
	if (link->outq_full == 0)
		link->outq_full = outq_get(link->stream.source.fd);
}

/* The worker is gone: an answer may be readable behind the broken pipe, so read to the
 * end, then judge. Or the spool file cannot be read: then the request is lost. */
static void link_on_write_error(struct link *link, int error)
{
	link->wire.end = link->wire.at;
	if (link->state == LINK_ABANDONED) {
		link_drop(link, HEALTH_REASON_NONE);
		return;
	}
	if (error != -EPIPE && error != -ECONNRESET) {
		link_lose(link, HEALTH_REASON_SPOOL_FULL);
		return;
	}
	link->is_readable = link->peer_ended = true;
	link->is_paused = false;
	(void)shutdown(link->stream.source.fd, SHUT_WR);
	loop_defer(link->loop, &link->again);
}

static void link_write(struct link *link)
{
	int r;

	if (link->wire.at == link->wire.end || link->is_closing)
		return;
	r = request_wire_send(&link->wire, link->stream.source.fd,
			      loop_second_scratch(link->loop));
	if (r < 0) {
		link_on_write_error(link, r);
		return;
	}
	link_note_charge(link);
	if (r == REQUEST_WIRE_MORE)
		loop_defer(link->loop, &link->again);
	else if (r == REQUEST_WIRE_AGAIN)
		link_want_edges(link);
	else if (link->wants_shutdown && link->wire.at == link->wire.n)
		link_shut_down(link);
}

void link_start(struct link *link, const struct request_parts *parts, bool has_hello,
		bool keep_conn, const struct link_ops *ops, void *user)
{
	bool is_fresh = link->n_requests == 0;

	assert(!link->user && (is_fresh || link->state == LINK_FREE));
	link->user = user;
	link->ops = ops;
	link->keep_conn = keep_conn;
	link->has_hello = link->hello_pending = has_hello;
	link->id = parts->id;
	link->ended = false;
	link->is_foreign = true; /* the rest of a record that has begun is not ours */
	link->is_paused = false;
	link->read_max = LOOP_SCRATCH_BYTES;
	link->started_us = loop_now_us(link->loop);
	link->n_requests++;
	/* A body goes out when somebody is there to read it: until then the request can
	 * be taken back, by a hello or by this. */
	request_wire_init(&link->wire, parts, is_fresh && link->has_outq, has_hello,
			  keep_conn, parts->body->n > 0 && !has_hello);
	if (link->wire.end < link->wire.n)
		link_want_edges(link);
	if (!is_fresh) {
		link->accepted_us = link->started_us;
		link_set_state(link, LINK_BUSY);
	} else if (!link->has_outq && !has_hello && link->state == LINK_UNACCEPTED) {
		/* nothing will tell; the first output would come too late */
		link_accept(link);
	}
	loop_deadline_start(loop_deadline_list(link->loop, LINK_SWEEP_US), &link->sweep);
	if (link->state != LINK_CONNECTING)
		link_write(link);
}

/* reading */

static void link_on_end(struct link *link)
{
	struct fcgi_end end;

	if (fcgi_end_decode(link->end_body.bytes, link->end_body.n, &end) != 0) {
		link_lose(link, HEALTH_REASON_RESPONSE_MALFORMED);
		return;
	}
	link->ended = true;
	if (link->user)
		link->ops->on_end(link->user);
	if (link->is_closing)
		return;
	link->ended_us = loop_now_us(link->loop);
	if (link->state == LINK_ABANDONED || !link->keep_conn || !link->has_outq ||
	    link->wire.at < link->wire.n) {
		link_drop(link, HEALTH_REASON_NONE);
		return;
	}
	link_set_state(link, LINK_BACKGROUND);
	link_check_outq(link);
}

static void link_on_content(struct link *link, const struct fcgi_event *event)
{
	switch (event->record.type) {
	case FCGI_END_REQUEST:
		fcgi_body8_add(&link->end_body, event->data, event->n);
		return;
	case FCGI_STDOUT:
		if (link->user && !link->ended)
			link->ops->on_output(link->user, event->data, event->n);
		return;
	case FCGI_STDERR:
		if (link->user)
			link->ops->on_stderr(link->user, event->data, event->n);
		return;
	default: /* GET_VALUES_RESULT: that it came says all */
		return;
	}
}

/* Whether the record that begins here is to be handled. */
static int link_on_record(struct link *link, const struct fcgi_record *record)
{
	int r = fcgi_request_check_answer(link->id, false, record);

	link->end_body.n = 0;
	if (r == FCGI_REQUEST_IGNORE)
		link->n_foreign++;
	return r;
}

static void link_on_event(struct link *link, const struct fcgi_event *event)
{
	int r = 0;

	if (event->kind == FCGI_EVENT_RECORD) {
		r = link_on_record(link, &event->record);
		if (r == FCGI_REQUEST_MANAGEMENT)
			link->hello_pending = false;
		if (r == FCGI_REQUEST_VIOLATION)
			link_lose(link, HEALTH_REASON_RESPONSE_MALFORMED);
		link->is_foreign = r != 0;
		return;
	}
	if (link->is_foreign)
		return;
	if (event->kind == FCGI_EVENT_CONTENT)
		link_on_content(link, event);
	else if (event->record.type == FCGI_END_REQUEST)
		link_on_end(link);
}

static void link_parse(struct link *link, const uint8_t *bytes, size_t n)
{
	struct fcgi_event event;
	int r = 0;

	link_accept(link);
	while (!link->is_closing &&
	       (r = fcgi_reader_next(&link->reader, &bytes, &n, &event)) == 0)
		link_on_event(link, &event);
	if (!link->is_closing && r == FCGI_READER_MALFORMED)
		link_lose(link, HEALTH_REASON_RESPONSE_MALFORMED);
}

/* The peer's end, or an error. */
static void link_on_read_end(struct link *link)
{
	link->is_readable = false;
	switch (link->state) {
	case LINK_ABANDONED:
		if (!link->has_outq) {
			link_drop(link, HEALTH_REASON_NONE);
			return;
		}
		/* our own shutdown ends reading too: only what the worker reads tells */
		link_check_outq(link);
		return;
	case LINK_BACKGROUND:
	case LINK_FREE:
		link_drop(link, HEALTH_REASON_NONE);
		return;
	default:
		link_lose(link, HEALTH_REASON_WORKER_DIED);
	}
}

static void link_read(struct link *link)
{
	size_t n, max, left = LINK_TURN_BYTES;
	int r;

	while (link->is_readable && !link->is_closing &&
	       (!link->is_paused || link->ended)) {
		if (left == 0) {
			loop_defer(link->loop, &link->again);
			return;
		}
		max = MIN(link->read_max, left);
		r = stream_read(&link->stream, max, &n);
		if (r == STREAM_AGAIN) {
			link->is_readable = false;
		} else if (r != 0) {
			link_on_read_end(link);
			return;
		} else if (link->state == LINK_ABANDONED && !link->has_outq) {
			link_set_reset(link);
			link_drop(link, HEALTH_REASON_NONE);
		} else {
			left -= n;
			/* a short read has emptied it: what comes later is a new edge */
			link->is_readable = n == max || link->peer_ended;
			link_parse(link, loop_scratch(link->loop), n);
		}
	}
}

static void link_run_again(struct loop_task *task)
{
	struct link *link = container_of(task, struct link, again);

	link_write(link);
	link_read(link);
	/* what was to be read before the worker could be called free has been read */
	if (link->state == LINK_BACKGROUND && !link->is_readable)
		link_check_outq(link);
}

void link_pause(struct link *link)
{
	link->is_paused = true;
}

void link_resume(struct link *link)
{
	if (!link->is_paused)
		return;
	link->is_paused = false;
	if (link->is_readable)
		loop_defer(link->loop, &link->again);
}

/* events */

static void link_on_connected(struct link *link)
{
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(link->stream.source.fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error != 0) {
		link_lose(link, error == ECONNREFUSED ?
					HEALTH_REASON_BACKEND_REFUSED :
					HEALTH_REASON_BACKEND_UNREACHABLE);
		return;
	}
	loop_deadline_clear(&link->connect_deadline);
	link_set_state(link, LINK_UNACCEPTED);
	if (!link->hello_pending)
		link_accept(link);
	link_write(link);
}

static void link_on_connect_timeout(struct loop_deadline *deadline)
{
	link_lose(container_of(deadline, struct link, connect_deadline),
		  HEALTH_REASON_BACKEND_UNREACHABLE);
}

static void link_on_ready(struct loop_source *source, uint32_t events)
{
	struct link *link = container_of(source, struct link, stream.source);
	bool is_over = events & (EPOLLHUP | EPOLLERR);

	if (link->state == LINK_CONNECTING) {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			link_on_connected(link);
		if (link->state == LINK_CONNECTING || link->is_closing)
			return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		link->peer_ended = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		link->is_readable = true;
	/* A reset empties the queue as well: then only what can be read tells what was.
	 */
	if (link->state == LINK_ABANDONED ? events & (EPOLLOUT | EPOLLHUP | EPOLLERR) :
					    (events & EPOLLOUT) && !is_over) {
		link_check_outq(link);
		link_write(link);
	}
	if (link->is_readable)
		link_read(link);
}

/* birth and giving up */

int link_new(struct loop *loop, struct memory *memory, int fd, bool is_unix,
	     bool wants_edges, void *home, const struct link_home_ops *home_ops,
	     struct link **ret_link)
{
	uint32_t events = EPOLLIN | EPOLLRDHUP | (wants_edges ? EPOLLOUT : 0);
	_cleanup_free_ struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		close_fd(fd);
		return -ENOMEM;
	}
	link->loop = loop;
	link->opened_us = loop_now_us(loop);
	link->home = home;
	link->home_ops = home_ops;
	link->is_unix = is_unix;
	link->has_outq = is_unix && outq_works();
	link->has_edges = wants_edges;
	link->state = is_unix ? LINK_UNACCEPTED : LINK_CONNECTING;
	link->read_max = LOOP_SCRATCH_BYTES;
	link->again.run = link_run_again;
	link->reaper.run = link_reap;
	link->sweep.on_due = link_sweep;
	link->connect_deadline.on_due = link_on_connect_timeout;
	fcgi_reader_init(&link->reader);
	r = stream_init(&link->stream, loop, memory, fd, events, link_on_ready);
	if (r < 0)
		return r;
	*ret_link = steal_ptr(link);
	return 0;
}

bool link_withdraw(struct link *link)
{
	uint8_t bytes[2 * FCGI_WRITER_HELLO_ANSWER_BYTES];
	ssize_t n;

	if (link->state == LINK_CONNECTING || !request_wire_has_begun(&link->wire)) {
		link->user = NULL;
		link_close(link);
		return true;
	}
	if (link->state != LINK_UNACCEPTED || !link->hello_pending)
		return false;
	if (link->is_unix && shutdown(link->stream.source.fd, SHUT_RD) < 0)
		return false;
	/* not to the loop's memory: a client may be reading its input from there */
	n = recv(link->stream.source.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0) {
		link->hello_pending = false;
		link_accept(link);
		return false;
	}
	if (!link->is_unix)
		link_set_reset(link);
	link->user = NULL;
	link_close(link);
	return true;
}

void link_abandon(struct link *link)
{
	if (!link->user || link->state == LINK_BACKGROUND || link->is_closing)
		return;
	link_set_state(link, LINK_ABANDONED);
	link->is_paused = false;
	link->wants_shutdown = true;
	request_wire_go(&link->wire);
	if (link->wire.at == link->wire.n)
		link_shut_down(link);
	else if (link->is_readable)
		loop_defer(link->loop, &link->again);
}
