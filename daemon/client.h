/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One connection from a web server: its records in, its answers out, one request at a
 * time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/counter.h"
#include "daemon/list.h"
#include "daemon/loop.h"
#include "daemon/stream.h"
#include "fcgi/reader.h"
#include "fcgi/request.h"

struct exchange_ops;
struct request_sink;

/* What clients of one listening address have in common. Embedded in its owner, which must
 * outlive them. */
struct client_home {
	struct loop *loop;
	struct memory *memory;
	struct counters *counters;
	const struct request_sink *sink;
	void *sink_data;
	bool half_close;            /* TCP: the end of its sending is not its leaving */
	bool is_draining;           /* close kept connections behind their next answer */
	uint64_t write_timeout_us;  /* 0: off */
	uint64_t body_timeout_us;
	size_t response_memory;     /* half of it: output drained */
	struct list clients;
	unsigned n_clients;
	void (*on_closed)(struct client_home *home); /* one client is no more */
	/* Are there so many that none is to be kept behind its answer? NULL: no. */
	bool (*is_crowded)(struct client_home *home);
};

/* What the record that is coming in is for. */
enum client_record {
	CLIENT_RECORD_DROPPED,
	CLIENT_RECORD_BEGIN,
	CLIENT_RECORD_PARAMS,
	CLIENT_RECORD_STDIN,
	CLIENT_RECORD_ABORT,
	CLIENT_RECORD_SECOND,     /* BEGIN_REQUEST beside an active one */
	CLIENT_RECORD_MANAGEMENT,
	CLIENT_RECORD_DRAINED,    /* the end of the STDIN of a request answered early */
};

struct client {
	struct list node;          /* home->clients */
	struct client_home *home;
	struct stream stream;
	struct fcgi_reader reader;
	struct fcgi_request request;
	struct fcgi_body8 begin;
	enum client_record record;
	void *current;             /* the sink's request; NULL: none */
	uint8_t *values;           /* content of a GET_VALUES record */
	size_t n_values;
	uint16_t id;               /* of the current request */
	uint16_t draining_id; /* answered early: its STDIN is still coming; 0: none */
	bool is_tcp, keep_conn;
	bool is_readable, read_ended;
	bool peer_ended;           /* an event said so: read on to the end */
	bool is_broken;            /* no memory for output: nothing more can be sent */
	bool is_pressed;           /* more output than the socket takes */
	bool closes_after_flush, is_closed;
	uint64_t used_us;          /* its last answer's end, or its birth */
	struct loop_deadline write_deadline;
	int outq;                  /* SIOCOUTQ when that was started */
	struct loop_deadline drain_deadline; /* for the rest of a refused request */
	struct loop_task again, flush, reaper;
};

/* Takes fd, also on failure. The client lives until its connection ends; it frees itself.
 * 0 or the errno of what failed. */
int client_new(struct client_home *home, int fd, bool is_tcp);
/* Ends it at once. */
void client_close(struct client *client);
/* Ends it if it has been idle for a while (call again) and no next request has come. */
void client_close_if_idle(struct client *client);
/* Has it no request, and nothing to send? */
bool client_is_idle(const struct client *client);

/* client_output.c, for client.c. Nothing of it frees the client: it can run inside a call
 * of the exchange's. */
extern const struct exchange_ops client_exchange_ops;
void client_init_output(struct client *client);
/* Queues n bytes; sent at the end of the turn. */
void client_put(struct client *client, const void *data, size_t n);
/* Queues an END_REQUEST of that id. */
void client_put_end(struct client *client, uint16_t id, uint8_t protocol_status);
/* The request is over: END_REQUEST, and what becomes of the connection. */
void client_finish(struct client *client, uint8_t protocol_status);
/* Closes it when all that is queued has been sent. */
void client_close_later(struct client *client);
