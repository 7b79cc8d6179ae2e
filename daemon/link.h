/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One connection of ours to a PHP-FPM socket: from connect() to the proof that its worker
 * is free again. link.c begins with how that proof works.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/list.h"
#include "daemon/request_wire.h"
#include "daemon/stream.h"
#include "fcgi/reader.h"
#include "health/reason.h"

struct address;
struct link;

enum link_state {
	LINK_CONNECTING, /* TCP: no handshake yet -> UNACCEPTED, gone */
	LINK_UNACCEPTED, /* no worker has taken it yet -> BUSY, ABANDONED, gone */
	LINK_BUSY,       /* a worker has it -> BACKGROUND, FREE, ABANDONED, gone */
	LINK_BACKGROUND, /* END_REQUEST seen, the worker goes on -> FREE, gone */
	LINK_ABANDONED,  /* nobody wants its answer, the worker may still run -> gone */
	LINK_FREE, /* the worker asks for its next request -> BUSY (hand-over), gone */
	LINK_N_STATES,
};

/* To whoever waits for the answer. `user` is what link_start() was given. A call may end
 * in link_abandon() or link_pause() on this link, never in its freeing. */
struct link_ops {
	/* A worker has accepted; its pid if known, else 0. At most once per request, and
	 * not after a hand-over. */
	void (*on_accepted)(void *user, pid_t pid);
	void (*on_output)(void *user, const uint8_t *data, size_t n);
	void (*on_stderr)(void *user, const uint8_t *data, size_t n);
	/* END_REQUEST: the answer is complete. The worker may go on (on_stderr may
	 * follow). */
	void (*on_end)(void *user);
	/* The link let go of the request, last call: with HEALTH_REASON_NONE after on_end
	 * or link_abandon(); otherwise the answer is lost: WORKER_DIED,
	 * RESPONSE_MALFORMED or BACKEND_*. had_worker: whether a worker had it, or may
	 * have had. */
	void (*on_gone)(void *user, enum health_reason reason, bool had_worker);
};

/* To the member that the link belongs to. */
struct link_home_ops {
	/* The state has changed (link->state is the new one), the counts are to follow.
	 * FREE: take it for another request by link_start() or link_close() it, now. */
	void (*on_state)(struct link *link, enum link_state old);
	/* It is over and its slot is free. The link frees itself when this returns. */
	void (*on_closed)(struct link *link);
};

struct link {
	struct list node;           /* the member's, by state */
	void *home;
	const struct link_home_ops *home_ops;
	void *user;                 /* NULL: nobody waits any more */
	const struct link_ops *ops;

	struct loop *loop;
	struct stream stream;
	struct fcgi_reader reader;
	struct fcgi_body8 end_body;
	enum link_state state;
	bool is_unix;
	bool has_outq;              /* SIOCOUTQ tells what the worker has read */
	bool keep_conn;
	bool ended;                 /* END_REQUEST seen */
	bool is_paused, is_readable;
	bool peer_ended;            /* an event said so: read on to the end */
	bool has_edges;             /* EPOLLOUT is waited for */
	bool is_foreign;            /* the current record is none of ours */
	bool has_hello, hello_pending; /* sent; not answered yet */
	bool wants_shutdown; /* abandoned, the request is not written in full yet */
	bool is_closing;

	struct request_wire wire;
	int outq_full; /* SIOCOUTQ while no worker has read anything; 0: unknown */

	uint16_t id;                /* of the request; stays until the next one */
	unsigned n_requests;
	uint64_t n_foreign;         /* records dropped: of another request */
	enum health_reason reason;  /* why it was lost; NONE: it was not */
	uint64_t opened_us;         /* the link; what follows is of the request */
	uint64_t started_us, accepted_us, ended_us;
	size_t read_max;            /* bytes per read; whoever takes the output sets it */
	struct loop_deadline sweep; /* once a second, for an edge that did not come */
	struct loop_deadline connect_deadline;
	struct loop_task again, reaper;
};

/* Connects. 0 and *ret_link in state UNACCEPTED (unix) or CONNECTING (TCP), or the errno
 * of connect(). connect_timeout may be NULL (off). wants_edges: the instant of
 * acceptance, or the one in which the worker is free, will matter; without it acceptance
 * is seen by link_look() or with the first output, and one turn of the loop is saved. */
int link_connect(struct loop *loop, struct memory *memory, const struct address *address,
		 struct loop_deadline_list *connect_timeout, bool wants_edges, void *home,
		 const struct link_home_ops *home_ops, struct link **ret_link);
/* The same over a descriptor, which it takes; for link_connect(). */
int link_new(struct loop *loop, struct memory *memory, int fd, bool is_unix,
	     bool wants_edges, void *home, const struct link_home_ops *home_ops,
	     struct link **ret_link);
/* Asks the kernel now whether the worker has accepted, or is free. */
void link_look(struct link *link);

/* Sends a request over a link that is new or FREE. The answer comes through ops; failures
 * come there too, never from inside this call. */
void link_start(struct link *link, const struct request_parts *parts, bool has_hello,
		bool keep_conn, const struct link_ops *ops, void *user);

/* Back-pressure. */
void link_pause(struct link *link);
void link_resume(struct link *link);

/* True: no worker will ever see the request (it was behind an unanswered hello). Then the
 * link is gone, on_gone is not called. */
bool link_withdraw(struct link *link);

/* Nobody wants the answer any more. What is not written yet is written, since PHP runs a
 * cut request too; then the script learns it at its next output. on_gone(NONE) follows
 * when the request's bytes are not needed any more, perhaps before this returns. */
void link_abandon(struct link *link);

/* Ends it. Tells the home (on_closed); no on_gone. */
void link_close(struct link *link);

/* Ends it, and on_gone comes with this reason. */
void link_drop(struct link *link, enum health_reason reason);
