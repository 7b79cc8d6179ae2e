/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Feeds a fcgi_reader in cuts of the caller's choice and keeps an account of its events.
 *
 * The account does not show the cuts: two runs over the same bytes must give the same
 * account, however they were cut. Each window is lent as a copy of exactly its size, so
 * that a sanitizer sees every read past its end. What must hold for each event alone is
 * asserted here.
 */

#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/reader.h"

struct feed {
	struct fcgi_reader reader;
	struct fcgi_record record; /* of the last RECORD */
	size_t n_content;          /* seen of it */
	bool is_inside;
	int r;                     /* the last result */
	uint8_t *account;
	size_t n_account;
	size_t n_records;
	size_t n_done;
	size_t n_slices;
};

/* Room for the account of n_bytes bytes in all: a record is 8 bytes at least. */
static inline void feed_init(struct feed *feed, size_t n_bytes)
{
	*feed = (struct feed){ .account = malloc(2 * n_bytes + 16) };
	assert(feed->account != NULL);
	fcgi_reader_init(&feed->reader);
}

static inline void feed_done(struct feed *feed)
{
	free(feed->account);
	feed->account = NULL;
}

static inline void feed_add(struct feed *feed, const void *bytes, size_t n)
{
	memcpy(feed->account + feed->n_account, bytes, n);
	feed->n_account += n;
}

static inline void feed_on_record(struct feed *feed, const struct fcgi_record *record)
{
	const uint8_t line[] = {
		'R',
		record->type,
		(uint8_t)(record->id >> 8),
		(uint8_t)record->id,
		(uint8_t)(record->n_content >> 8),
		(uint8_t)record->n_content,
		record->n_padding,
	};

	assert(!feed->is_inside);
	feed->is_inside = true;
	feed->record = *record;
	feed->n_content = 0;
	feed->n_records++;
	feed_add(feed, line, sizeof(line));
}

static inline void feed_on_event(struct feed *feed, const struct fcgi_event *event)
{
	if (event->kind == FCGI_EVENT_RECORD) {
		feed_on_record(feed, &event->record);
		return;
	}
	assert(feed->is_inside);
	assert(event->record.type == feed->record.type &&
	       event->record.id == feed->record.id &&
	       event->record.n_content == feed->record.n_content &&
	       event->record.n_padding == feed->record.n_padding);
	if (event->kind == FCGI_EVENT_CONTENT) {
		assert(event->n > 0);
		feed->n_content += event->n;
		feed->n_slices++;
		feed_add(feed, event->data, event->n);
		return;
	}
	assert(event->kind == FCGI_EVENT_DONE);
	assert(feed->n_content == feed->record.n_content);
	feed->is_inside = false;
	feed->n_done++;
	feed_add(feed, "D", 1);
}

/* One window, used up until the reader says PENDING or MALFORMED. */
static inline void feed_put(struct feed *feed, const uint8_t *bytes, size_t n)
{
	uint8_t *window = malloc(n > 0 ? n : 1);
	const uint8_t *at = window;
	struct fcgi_event event;

	assert(window != NULL);
	if (n > 0)
		memcpy(window, bytes, n);
	while ((feed->r = fcgi_reader_next(&feed->reader, &at, &n, &event)) == 0) {
		if (event.kind == FCGI_EVENT_CONTENT)
			assert(event.data >= window && event.data + event.n == at);
		feed_on_event(feed, &event);
	}
	assert(feed->r != FCGI_READER_PENDING || n == 0);
	free(window);
}

/* All n bytes in windows of n_window bytes (0: in one). */
static inline void feed_cut(struct feed *feed, const uint8_t *bytes, size_t n,
			    size_t n_window)
{
	size_t n_now;

	for (size_t at = 0; at < n; at += n_now) {
		n_now = n_window == 0 || n_window > n - at ? n - at : n_window;
		feed_put(feed, bytes + at, n_now);
	}
}

/* The same account, the same result, the same place in the stream? */
static inline bool feed_is_equal(const struct feed *a, const struct feed *b)
{
	return a->r == b->r && a->n_account == b->n_account &&
	       memcmp(a->account, b->account, a->n_account) == 0 &&
	       fcgi_reader_is_between(&a->reader) == fcgi_reader_is_between(&b->reader);
}
