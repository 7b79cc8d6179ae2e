/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What a unix peer has not read yet, as SIOCOUTQ tells it.
 *
 * The kernel accounts whole socket buffers: a write is charged with more than its bytes,
 * and its charge falls away when the peer has read the last of them, with an EPOLLOUT
 * edge. So the first write of a connection (16 bytes of BEGIN_REQUEST) tells when a
 * worker has accepted, and the last (which ends in the empty STDIN that PHP-FPM reads
 * only when it asks for its next request: main/fastcgi.c, fcgi_read_request) when it is
 * free again.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	/* sock_wfree() wakes the writer with one unit still accounted: anything below
	 * this is nothing (measured on Linux 6.18: the charge of one byte is 768). */
	OUTQ_EMPTY = 256,
	OUTQ_CHARGE_MAX_BYTES = 64 * 1024, /* larger writes have no known charge */
};

/* Does this kernel do it so? Tried once, on a socketpair. */
bool outq_works(void);
/* What one write of n bytes is charged with while the peer has not read it; measured once
 * per size class. 0: not known (n too large, or !outq_works()). */
int outq_charge(size_t n);
/* What is charged to the socket now; -1: the kernel does not say. */
int outq_get(int fd);
