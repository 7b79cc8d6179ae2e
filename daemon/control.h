/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The control socket: bound from the start, 0660 and of group fpmgate-admin, so that its
 * place and rights are settled. Nothing is answered on it in this version: a connection
 * is closed at once.
 */

#include "daemon/loop.h"
#include "daemon/socket_file.h"

struct conf_address;

struct control {
	struct loop *loop;
	struct loop_source source; /* fd -1: none */
	struct socket_file file;
};

/* 0, or the errno of what failed; -EADDRINUSE when somebody answers there. */
int control_init(struct control *control, struct loop *loop,
		 const struct conf_address *address);
/* Harmless on one that is zero. */
void control_done(struct control *control);
