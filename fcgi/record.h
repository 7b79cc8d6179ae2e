/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The FastCGI record header and the fixed bodies, to and from bytes.
 *
 * FastCGI 1.0, section 3.3 and 5:
 *
 *      0         1         2         3         4         5         6         7
 * +---------+---------+---------+---------+---------+---------+---------+---------+
 * | version |  type   |    request id     |  content length   | padding |reserved |
 * +---------+---------+---------+---------+---------+---------+---------+---------+
 *   content length bytes of content, then padding length bytes of anything
 *
 * All numbers are most significant byte first. Values not checked here (an unknown
 * type, a strange role) are legal bytes; what they mean is fcgi/request.h's matter.
 */

#include <stddef.h>
#include <stdint.h>

enum {
	FCGI_RECORD_HEADER_BYTES = 8,
	FCGI_RECORD_BODY_BYTES = 8,      /* of BEGIN_REQUEST, END_REQUEST, UNKNOWN_TYPE */
	FCGI_RECORD_FIXED_BYTES = 16,    /* such a record as a whole, never padded */
	FCGI_RECORD_CONTENT_MAX = 65535, /* what the length field can say */
	/* PHP-FPM closes the connection when content + padding exceed 65535
	 * (main/fastcgi.c, fcgi_read_request); a multiple of 8 needs no padding. */
	FCGI_RECORD_CONTENT_BEST = 65528,
};

enum fcgi_record_result {
	FCGI_RECORD_BAD_VERSION = 1, /* the version byte is not 1 */
	FCGI_RECORD_BAD_LENGTH,      /* a fixed body that is not 8 bytes long */
};

struct fcgi_record {
	uint8_t type;           /* FCGI_BEGIN_REQUEST ... of <fastcgi.h>, any value */
	uint16_t id;            /* 0 = management record */
	uint16_t n_content;     /* bytes */
	uint8_t n_padding;      /* bytes */
};

struct fcgi_begin {
	uint16_t role;          /* FCGI_RESPONDER ... */
	uint8_t flags;          /* FCGI_KEEP_CONN */
};

struct fcgi_end {
	uint32_t app_status;
	uint8_t protocol_status; /* FCGI_REQUEST_COMPLETE ... */
};

/* Decodes 8 bytes. 0, or FCGI_RECORD_BAD_VERSION (*ret is not touched). The reserved
 * byte may hold anything. */
__attribute__((warn_unused_result))
int fcgi_record_decode(const uint8_t bytes[FCGI_RECORD_HEADER_BYTES],
		       struct fcgi_record *ret);
void fcgi_record_encode(const struct fcgi_record *record,
			uint8_t bytes[FCGI_RECORD_HEADER_BYTES]);

/* The fixed bodies. The decoders take the n bytes of content that the peer sent: 0, or
 * FCGI_RECORD_BAD_LENGTH for any n but 8 (*ret is not touched, content not looked at).
 * Reserved bytes may hold anything: PHP-FPM leaves memory it never wrote in those of
 * END_REQUEST. The encoders write the whole record, header included, reserved bytes 0. */
__attribute__((warn_unused_result))
int fcgi_begin_decode(const uint8_t *content, size_t n, struct fcgi_begin *ret);
void fcgi_begin_encode(uint16_t id, const struct fcgi_begin *begin,
		       uint8_t bytes[FCGI_RECORD_FIXED_BYTES]);
__attribute__((warn_unused_result))
int fcgi_end_decode(const uint8_t *content, size_t n, struct fcgi_end *ret);
void fcgi_end_encode(uint16_t id, const struct fcgi_end *end,
		     uint8_t bytes[FCGI_RECORD_FIXED_BYTES]);
/* UNKNOWN_TYPE, the answer to a management record of that type (section 4.2). */
void fcgi_unknown_type_encode(uint8_t type, uint8_t bytes[FCGI_RECORD_FIXED_BYTES]);

/* The name of a record type for a log line, "unknown" for those of no name. Static. */
const char *fcgi_record_type_name(uint8_t type);
