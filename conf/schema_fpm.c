/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of a pool's group `fpm`, for masters that fpmgate runs itself. */
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/schema_units.h"
#include "conf/value.h"

#define OPTION(member)                                 \
	.offset = offsetof(struct conf_pool, fpm.member), \
	.width = sizeof(((struct conf_pool *)NULL)->fpm.member)

static const struct conf_word pm_words[] = {
	{ "static", CONF_PM_STATIC },
	{ "dynamic", CONF_PM_DYNAMIC },
	{ "ondemand", CONF_PM_ONDEMAND },
	{ NULL, 0 },
};

static const struct conf_option fpm_options[] = {
	{
		.name = "fpm.user", .type = CONF_STRING, OPTION(user),
		.check = conf_value_account,
		.preset = "",
		.help = "User of the workers, when fpmgate runs as root.",
	}, {
		.name = "fpm.group", .type = CONF_STRING, OPTION(group),
		.check = conf_value_account,
		.preset = "",
		.help = "Group of the workers, when fpmgate runs as root.",
	}, {
		.name = "fpm.pm", .type = CONF_ENUM, OPTION(pm), .words = pm_words,
		.preset = "static",
		.help = "How FPM keeps its workers: static, dynamic or ondemand.",
	}, {
		.name = "fpm.slowlog", .type = CONF_PATH, OPTION(slowlog),
		.preset = "",
		.help = "File for the stack traces of slow requests; \"\": none.",
	}, {
		.name = "fpm.request_slowlog_timeout", .type = CONF_DURATION,
		OPTION(request_slowlog_timeout_us),
		.flags = CONF_OPTION_ZERO, .min = 1 * SECOND, .max = 1 * DAY,
		.preset = "off",
		.help = "Duration from which a request is slow, in whole seconds.",
	}, {
		.name = "fpm.clear_env", .type = CONF_BOOL, OPTION(clear_env),
		.preset = "true",
		.help = "Hide fpmgate's environment from PHP.",
	}, {
		.name = "fpm.php_ini", .type = CONF_STRINGS, OPTION(php_ini),
		.check = conf_value_php_ini,
		.preset = "",
		.help = "Settings of php.ini for this pool, each as KEY=VALUE.",
	}, {
		.name = "fpm.extra", .type = CONF_STRINGS, OPTION(extra),
		.check = conf_value_fpm_line,
		.preset = "",
		.help = "Further lines of FPM's pool section, such as "
			"\"pm.max_requests = 500\".",
	}, {
		.name = "fpm.stop_timeout", .type = CONF_DURATION,
		OPTION(stop_timeout_us),
		.min = 1 * MS, .max = 1 * DAY,
		.preset = "30s",
		.help = "How long workers may take to end their requests when the master "
			"is stopped.",
	},
};

const struct conf_group conf_group_fpm = {
	.prefix = "fpm.",
	.options = fpm_options,
	.n_options = sizeof(fpm_options) / sizeof(fpm_options[0]),
};
