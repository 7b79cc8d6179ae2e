/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Finds out whether a PHP-FPM can be greeted: whether it keeps a connection open behind
 * the answer to a GET_VALUES record (PHP 8.2.13, 8.3 and later; older ones close, and a
 * request behind a hello would be lost).
 */

#include <stdbool.h>

#include "daemon/loop.h"
#include "daemon/stream.h"
#include "fcgi/reader.h"

struct address;

struct hello {
	struct loop *loop;
	struct stream stream;
	struct fcgi_reader reader;
	struct loop_deadline deadline;
	unsigned n_answers;
	bool is_running;
	bool is_sent;
	void *userdata;
	/* Once per hello_start() that gave 0. is_known: it has answered or closed; else
	 * it has done neither in 5 s, and may be asked again. */
	void (*on_result)(void *userdata, bool is_known, bool can_hello);
};

void hello_init(struct hello *hello, struct loop *loop, struct memory *memory,
		void *userdata,
		void (*on_result)(void *userdata, bool is_known, bool can_hello));
void hello_done(struct hello *hello);
/* Asks over a connection of its own: two GET_VALUES records, both answered or not. 0
 * (also when it is under way already) or the errno of connecting. */
int hello_start(struct hello *hello, const struct address *address);
