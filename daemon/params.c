/* SPDX-License-Identifier: BSD-2-Clause */
/* From configuration to the parameters of the other rooms. */

#include "daemon/params.h"

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/member.h"
#include "health/queue.h"
#include "health/replay.h"

void params_set_queue(struct health_queue_params *params, const struct conf_pool *conf)
{
	*params = (struct health_queue_params){
		.size = conf->queue.size,
		.max_wait_us = conf->queue.max_wait_us,
		.target_us = conf->queue.target_us,
		.interval_us = conf->queue.interval_us,
		.order = conf->queue.order == CONF_ORDER_FIFO ? HEALTH_QUEUE_FIFO :
								HEALTH_QUEUE_ADAPTIVE,
	};
}

void params_set_replay(struct health_replay_params *params, const struct conf_pool *conf)
{
	*params = (struct health_replay_params){
		.enabled = conf->replay,
		.within_us = conf->replay_within_us,
	};
}

void params_set_member(struct member_params *params, const struct conf_pool *conf,
		       const struct conf_fpm_values *fpm)
{
	unsigned max_children = conf->max_children;

	if (max_children == 0 && fpm)
		max_children = fpm->max_children;
	*params = (struct member_params){
		.max_children = MAX(max_children, 1u),
		.pm = CONF_PM_UNKNOWN,
		.connect_timeout_us = conf->connect_timeout_us,
		.hand_over = conf->hand_over,
		.hello = conf->hello,
	};
	if (conf->php_fpm[0] != '\0')
		params->pm = conf->fpm.pm;
	if (fpm) {
		params->pm = fpm->pm;
		params->min_spare_servers = fpm->min_spare_servers;
	}
}
