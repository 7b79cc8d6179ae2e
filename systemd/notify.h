/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What the daemon tells systemd about itself: the life cycle of a Type=notify service.
 *
 * Each call sends one message to $NOTIFY_SOCKET. Without one (a foreground run, a
 * container) nothing happens and the result is 0. < 0 is an errno; the daemon logs it and
 * goes on, since a service manager that does not listen is no reason to stop serving.
 *
 * READY=1 follows every RELOADING=1, also when the new configuration was refused. The
 * watchdog is not here: sd_event_set_watchdog() answers it from the loop, so that it says
 * something about the loop.
 */

#include <stdint.h>

enum {
	NOTIFY_STATUS_MAX_BYTES = 512, /* of a status text; the rest is cut off */
};

/* READY=1: listeners are live, or a reload is over. `status` (or NULL) is the line that
 * `systemctl status` shows; line feeds in it become spaces. */
int notify_ready(const char *status);
/* RELOADING=1. `now_us` is CLOCK_MONOTONIC: Type=notify-reload (systemd 253 and later)
 * wants it, older ones ignore it. */
int notify_reloading(uint64_t now_us);
/* STOPPING=1: draining. */
int notify_stopping(const char *status);
/* STATUS= alone; status is not NULL. */
int notify_status(const char *status);
/* EXTEND_TIMEOUT_USEC=: the present start, reload or stop goes on and may take `more_us`
 * from now; to be said again before that is over. */
int notify_extend_timeout(uint64_t more_us);
