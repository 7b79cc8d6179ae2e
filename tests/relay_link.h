/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A home and a user for links, which note what they are told, and requests to send.
 *
 * As in life the home decides at once what becomes of a link that is free: it is closed,
 * or takes the request that the test has put into `next`.
 */

#include "daemon/body.h"
#include "daemon/link.h"
#include "daemon/request_wire.h"
#include "fcgi/writer.h"
#include "tests/relay_fpm.h"

/* One request and what came of it. */
struct errand {
	struct request_parts parts;
	struct body body;
	struct spool spool;
	uint8_t params[256];
	struct link *link;
	pid_t pid;
	struct bytes out, err;
	unsigned n_accepted, n_output, n_end, n_gone;
	enum health_reason reason;
	bool had_worker;
	bool pauses, abandons;     /* at its next output */
};

struct home {
	unsigned n_links[LINK_N_STATES]; /* as a member counts them */
	unsigned n_made, n_closed, n_freed;
	struct errand *next;       /* takes over the next link that is free */
};

static const struct link_ops errand_ops;

/* A request with so many bytes of body, in memory. */
static inline void errand_init(struct errand *errand, struct relay *relay, uint16_t id,
			       size_t n_body)
{
	struct fcgi_writer writer;
	uint8_t piece[1000];
	char length[24];

	*errand = (struct errand){ 0 };
	memset(piece, 'b', sizeof(piece));
	body_init(&errand->body, &relay->memory, &errand->spool, 8 << 20);
	for (size_t at = 0; at < n_body; at += sizeof(piece))
		assert_int_equal(body_add(&errand->body, piece,
					  n_body - at < sizeof(piece) ? n_body - at :
									sizeof(piece)),
				 0);
	snprintf(length, sizeof(length), "%zu", n_body);
	fcgi_writer_init(&writer, errand->params, sizeof(errand->params));
	assert_int_equal(fcgi_writer_param(&writer, id, "CONTENT_LENGTH", length), 0);
	errand->parts.id = id;
	errand->parts.params = errand->params;
	errand->parts.n_params = writer.n;
	fcgi_writer_init(&writer, errand->parts.tail, sizeof(errand->parts.tail));
	assert_int_equal(fcgi_writer_stream_end(&writer, FCGI_PARAMS, id), 0);
	errand->parts.n_tail = writer.n;
	errand->parts.body = &errand->body;
}

static inline void errand_done(struct errand *errand)
{
	body_done(&errand->body);
	bytes_done(&errand->out);
	bytes_done(&errand->err);
}

static inline void errand_on_accepted(void *user, pid_t pid)
{
	struct errand *errand = user;

	errand->n_accepted++;
	errand->pid = pid;
}

static inline void errand_on_output(void *user, const uint8_t *data, size_t n)
{
	struct errand *errand = user;

	assert_int_equal(errand->n_end + errand->n_gone, 0);
	errand->n_output++;
	bytes_add(&errand->out, data, n);
	if (errand->pauses)
		link_pause(errand->link);
	if (errand->abandons)
		link_abandon(errand->link);
}

static inline void errand_on_stderr(void *user, const uint8_t *data, size_t n)
{
	struct errand *errand = user;

	assert_int_equal(errand->n_gone, 0);
	bytes_add(&errand->err, data, n);
}

static inline void errand_on_end(void *user)
{
	struct errand *errand = user;

	assert_int_equal(errand->n_gone, 0);
	errand->n_end++;
}

static inline void errand_on_gone(void *user, enum health_reason reason, bool had_worker)
{
	struct errand *errand = user;

	errand->n_gone++;
	errand->link = NULL;
	errand->reason = reason;
	errand->had_worker = had_worker;
}

static const struct link_ops errand_ops = {
	.on_accepted = errand_on_accepted,
	.on_output = errand_on_output,
	.on_stderr = errand_on_stderr,
	.on_end = errand_on_end,
	.on_gone = errand_on_gone,
};

static inline void errand_start(struct errand *errand, struct link *link, bool has_hello,
				bool keep_conn)
{
	errand->link = link;
	link_start(link, &errand->parts, has_hello, keep_conn, &errand_ops, errand);
}

/* Lost, and why. */
#define errand_assert_lost(errand, why, had) \
	do { \
		assert_int_equal((errand)->n_gone, 1); \
		assert_int_equal((errand)->reason, why); \
		assert_int_equal((errand)->had_worker, had); \
	} while (0)

/* the home */

static inline void home_on_state(struct link *link, enum link_state old)
{
	struct home *home = link->home;
	struct errand *next = home->next;

	assert_int_not_equal(link->state, old);
	assert_true(home->n_links[old] > 0);
	home->n_links[old]--;
	home->n_links[link->state]++;
	if (link->state != LINK_FREE)
		return;
	home->n_freed++;
	home->next = NULL;
	if (next)
		errand_start(next, link, false, true);
	else
		link_close(link);
}

static inline void home_on_closed(struct link *link)
{
	struct home *home = link->home;

	assert_true(home->n_links[link->state] > 0);
	home->n_links[link->state]--;
	home->n_closed++;
}

static const struct link_home_ops home_ops = {
	.on_state = home_on_state,
	.on_closed = home_on_closed,
};

static inline unsigned home_n_links(const struct home *home)
{
	return home->n_made - home->n_closed;
}

static inline struct link *home_connect(struct home *home, struct relay *relay,
					const struct address *address, bool wants_edges)
{
	struct link *link;

	assert_int_equal(link_connect(relay->loop, &relay->memory, address,
				      loop_deadline_list(relay->loop, 300000),
				      wants_edges, home, &home_ops, &link),
			 0);
	home->n_links[link->state]++;
	home->n_made++;
	return link;
}
