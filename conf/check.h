/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Rules that look at more than one option. */

struct conf;
struct conf_diags;

/* Adds an error or a warning for each rule that is broken. 0 or -ENOMEM. An option whose
 * own value was an error is taken as given: no second complaint follows from it. */
int conf_check(const struct conf *conf, struct conf_diags *diags);
