/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* From configuration to the parameters of the other rooms: the only place that knows
 * both. */

struct conf_fpm_values;
struct conf_pool;
struct health_queue_params;
struct health_replay_params;
struct member_params;

void params_set_queue(struct health_queue_params *params, const struct conf_pool *conf);
void params_set_replay(struct health_replay_params *params, const struct conf_pool *conf);
/* `fpm` is what FPM's own configuration says, NULL when that is not known. The operator's
 * max_children goes before it. Without either there is one slot, until the figure comes.
 */
void params_set_member(struct member_params *params, const struct conf_pool *conf,
		       const struct conf_fpm_values *fpm);
