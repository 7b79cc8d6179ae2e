/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* What must not occur twice: names of pools, addresses that are bound or served. */

struct conf;
struct conf_diags;

/* Adds an error for each second use, which names both places. 0 or -ENOMEM. */
int conf_clash_check(const struct conf *conf, struct conf_diags *diags);
