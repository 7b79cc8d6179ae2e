/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* A new configuration in a living daemon. */

struct daemon;

/* Reads the file again and applies what has changed. A file with errors changes nothing.
 * Logs what was done or what is wrong; tells the service manager. */
void reload_run(struct daemon *daemon);
