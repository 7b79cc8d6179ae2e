/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Incremental reader: bytes as they arrive, cut anywhere, become record events.
 *
 * A connection is a row of records, each a header of 8 bytes, then content, then
 * padding, and read() cuts that row wherever it likes: inside a header, inside padding,
 * a hundred records at once. Whoever reads whole records first must keep up to 64 KiB
 * per connection and copies everything once. This reader keeps what it cannot do
 * without, the first bytes of a header that is still coming in, and speaks about the
 * rest where it lies:
 *
 *	wire    | header | content . . . . . . . . . | padding | header | content
 *	reads   |<-- first window -->|<-- second window -->|<-- third window --...
 *	events   RECORD   CONTENT     CONTENT               DONE RECORD  CONTENT
 *
 * RECORD comes when the eighth byte of a header is in: its owner decides there, before
 * any content, whether the record is legal (fcgi/request.h). CONTENT comes once for each
 * window that holds some of the record's content, never with 0 bytes. DONE comes when
 * the padding is through as well; until then the connection is not at a boundary, and an
 * EOF is a broken record. A record without content gives RECORD and DONE: that an empty
 * PARAMS or STDIN ends a stream is for the owner to know.
 *
 * Joined together, the events do not depend on the cuts; only CONTENT comes in more or
 * fewer pieces. tests/fuzz_reader.c asserts that.
 *
 * Nothing that a peer sends is invalid here but a version other than 1. After that no
 * length can be trusted, so the reader stays malformed. It does not wait for the whole
 * header to say so: a peer that speaks another protocol may never send eight bytes.
 */

#include "fcgi/reader.h"

#include <string.h>

#include <fastcgi.h>

void fcgi_reader_init(struct fcgi_reader *reader)
{
	*reader = (struct fcgi_reader){ 0 };
}

static size_t fcgi_reader_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static const uint8_t *fcgi_reader_take(const uint8_t **bytes, size_t *n, size_t n_taken)
{
	const uint8_t *taken = *bytes;

	*bytes += n_taken;
	*n -= n_taken;
	return taken;
}

static int fcgi_reader_fail(struct fcgi_reader *reader)
{
	reader->malformed = true;
	return FCGI_READER_MALFORMED;
}

/* Gives the eight bytes of the header in *ret: in the window, when they lie there in one
 * piece, else collected in the reader. */
static int fcgi_reader_next_header(struct fcgi_reader *reader, const uint8_t **bytes,
				   size_t *n, const uint8_t **ret)
{
	size_t n_missing = (size_t)(FCGI_RECORD_HEADER_BYTES - reader->n_header);
	size_t n_taken = fcgi_reader_min(n_missing, *n);

	if (n_taken == 0)
		return FCGI_READER_PENDING;
	if (n_taken == FCGI_RECORD_HEADER_BYTES) {
		reader->n_header = FCGI_RECORD_HEADER_BYTES;
		*ret = fcgi_reader_take(bytes, n, n_taken);
		return 0;
	}
	memcpy(reader->header + reader->n_header, fcgi_reader_take(bytes, n, n_taken),
	       n_taken);
	reader->n_header = (uint8_t)(reader->n_header + n_taken);
	if (reader->header[0] != FCGI_VERSION_1)
		return fcgi_reader_fail(reader);
	if (n_taken < n_missing)
		return FCGI_READER_PENDING;
	*ret = reader->header;
	return 0;
}

static int fcgi_reader_next_record(struct fcgi_reader *reader, const uint8_t **bytes,
				   size_t *n, struct fcgi_event *ret)
{
	const uint8_t *header;
	int r;

	r = fcgi_reader_next_header(reader, bytes, n, &header);
	if (r != 0)
		return r;
	if (fcgi_record_decode(header, &reader->record) != 0)
		return fcgi_reader_fail(reader);
	reader->content_left = reader->record.n_content;
	reader->padding_left = reader->record.n_padding;
	*ret = (struct fcgi_event){ .kind = FCGI_EVENT_RECORD, .record = reader->record };
	return 0;
}

static int fcgi_reader_next_content(struct fcgi_reader *reader, const uint8_t **bytes,
				    size_t *n, struct fcgi_event *ret)
{
	size_t n_slice = fcgi_reader_min(reader->content_left, *n);

	if (n_slice == 0)
		return FCGI_READER_PENDING;
	*ret = (struct fcgi_event){
		.kind = FCGI_EVENT_CONTENT,
		.record = reader->record,
		.data = fcgi_reader_take(bytes, n, n_slice),
		.n = n_slice,
	};
	reader->content_left = (uint16_t)(reader->content_left - n_slice);
	return 0;
}

/* Needs no byte when the padding is through or there is none. */
static int fcgi_reader_next_done(struct fcgi_reader *reader, const uint8_t **bytes,
				 size_t *n, struct fcgi_event *ret)
{
	size_t n_skipped = fcgi_reader_min(reader->padding_left, *n);

	if (n_skipped > 0)
		(void)fcgi_reader_take(bytes, n, n_skipped);
	reader->padding_left = (uint8_t)(reader->padding_left - n_skipped);
	if (reader->padding_left > 0)
		return FCGI_READER_PENDING;
	reader->n_header = 0;
	*ret = (struct fcgi_event){ .kind = FCGI_EVENT_DONE, .record = reader->record };
	return 0;
}

int fcgi_reader_next(struct fcgi_reader *reader, const uint8_t **bytes, size_t *n,
		     struct fcgi_event *ret)
{
	if (reader->malformed)
		return FCGI_READER_MALFORMED;
	if (reader->n_header < FCGI_RECORD_HEADER_BYTES)
		return fcgi_reader_next_record(reader, bytes, n, ret);
	if (reader->content_left > 0)
		return fcgi_reader_next_content(reader, bytes, n, ret);
	return fcgi_reader_next_done(reader, bytes, n, ret);
}

bool fcgi_reader_is_between(const struct fcgi_reader *reader)
{
	return reader->n_header == 0;
}

void fcgi_body8_add(struct fcgi_body8 *body, const uint8_t *data, size_t n)
{
	if (body->n < sizeof(body->bytes))
		memcpy(body->bytes + body->n, data,
		       fcgi_reader_min(n, sizeof(body->bytes) - body->n));
	body->n += n;
}
