/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Rules that look at more than one option. */

struct conf;
struct conf_diags;

/* Adds an error or a warning for each rule that is broken. 0 or -ENOMEM. An option whose
 * own value was an error is taken as given: no second complaint follows from it. */
int conf_check(const struct conf *conf, struct conf_diags *diags);
/* The one look at the machine: an error when spool_dir lies in memory, on a tmpfs or a
 * ramfs. A folder that is not there, or that cannot be looked at, may come later. */
void conf_check_spool(const struct conf *conf, struct conf_diags *diags);
