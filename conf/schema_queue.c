/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of a pool's group `queue`. */
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/schema_units.h"

#define OPTION(member)                                   \
	.offset = offsetof(struct conf_pool, queue.member), \
	.width = sizeof(((struct conf_pool *)NULL)->queue.member)

static const struct conf_word order_words[] = {
	{ "adaptive", CONF_ORDER_ADAPTIVE },
	{ "fifo", CONF_ORDER_FIFO },
	{ NULL, 0 },
};

static const struct conf_option queue_options[] = {
	{
		.name = "queue.size", .type = CONF_INTEGER, OPTION(size),
		.min = 0, .max = 1000000,
		.preset = "1000", .unit = "requests",
		.help = "Requests that may wait for a worker; more get 503 at once.",
	}, {
		.name = "queue.max_wait", .type = CONF_DURATION, OPTION(max_wait_us),
		.min = 1 * MS, .max = 1 * HOUR,
		.preset = "5s",
		.help = "How long a request may wait for a worker before it gets 503.",
	}, {
		.name = "queue.order", .type = CONF_ENUM, OPTION(order),
		.words = order_words,
		.preset = "adaptive",
		.help = "adaptive: newest first while the pool is overloaded; fifo: "
			"always oldest first.",
	}, {
		.name = "queue.target", .type = CONF_DURATION, OPTION(target_us),
		.flags = CONF_OPTION_AUTO, .min = 1 * MS, .max = 1 * MINUTE,
		.preset = "auto",
		.help = "Waiting time above which the pool counts as overloaded; auto: "
			"five times the usual duration of a request, 200ms to 2s.",
	}, {
		.name = "queue.interval", .type = CONF_DURATION, OPTION(interval_us),
		.min = 10 * MS, .max = 1 * MINUTE,
		.preset = "1s",
		.help = "How long the waiting time must stay above target before the "
			"pool counts as overloaded.",
	},
};

const struct conf_group conf_group_queue = {
	.prefix = "queue.",
	.options = queue_options,
	.n_options = sizeof(queue_options) / sizeof(queue_options[0]),
};
