/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the daemon tells systemd about itself.
 *
 * sd_notify() waits if the manager's queue of datagrams is full. That takes a manager
 * that is stuck and hundreds of messages, of which we send a handful per minute; the
 * watchdog of sd-event uses the same call.
 */

#include "systemd/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <systemd/sd-daemon.h>

/* One line of UTF-8, or the manager ignores it: line feeds would start another variable.
 * */
static void notify_clean(const char *status, char line[NOTIFY_STATUS_MAX_BYTES])
{
	size_t n = strnlen(status, NOTIFY_STATUS_MAX_BYTES);

	if (n == NOTIFY_STATUS_MAX_BYTES) {
		n--;
		while (n > 0 && ((unsigned char)status[n] & 0xc0) == 0x80)
			n--;
	}
	for (size_t i = 0; i < n; i++)
		line[i] = (unsigned char)status[i] < ' ' ? ' ' : status[i];
	line[n] = '\0';
}

/* `state` is "READY=1\n" or the like, complete with its line end, or "". */
static int notify_send(const char *state, const char *status)
{
	char line[NOTIFY_STATUS_MAX_BYTES];
	int r;

	if (!status)
		r = sd_notify(0, state);
	else {
		notify_clean(status, line);
		r = sd_notifyf(0, "%sSTATUS=%s", state, line);
	}
	return r < 0 ? r : 0;
}

int notify_ready(const char *status)
{
	return notify_send("READY=1\n", status);
}

int notify_reloading(uint64_t now_us)
{
	int r = sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us);

	return r < 0 ? r : 0;
}

int notify_stopping(const char *status)
{
	return notify_send("STOPPING=1\n", status);
}

int notify_status(const char *status)
{
	return notify_send("", status);
}

int notify_extend_timeout(uint64_t more_us)
{
	int r = sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, more_us);

	return r < 0 ? r : 0;
}
