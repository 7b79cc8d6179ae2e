/* SPDX-License-Identifier: BSD-2-Clause */
/* The options at the top of the file and of its group `status`. */
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/schema_units.h"

#define OPTION(member)                        \
	.offset = offsetof(struct conf, member), \
	.width = sizeof(((struct conf *)NULL)->member)

static const struct conf_word log_words[] = {
	{ "journal", CONF_LOG_JOURNAL },
	{ "stderr", CONF_LOG_STDERR },
	{ NULL, 0 },
};

static const struct conf_word log_level_words[] = {
	{ "error", CONF_LOG_ERROR },
	{ "warning", CONF_LOG_WARNING },
	{ "notice", CONF_LOG_NOTICE },
	{ "info", CONF_LOG_INFO },
	{ "debug", CONF_LOG_DEBUG },
	{ NULL, 0 },
};

static const struct conf_option top_options[] = {
	{
		.name = "include_dir", .type = CONF_PATH, OPTION(include_dir),
		.preset = "/etc/fpmgate/pools.d",
		.help = "Folder whose files *.conf are read in sorted order; each may "
			"contain pools only; \"\" reads none.",
	}, {
		.name = "runtime_dir", .type = CONF_PATH, OPTION(runtime_dir),
		.flags = CONF_OPTION_RESTART | CONF_OPTION_FILLED,
		.preset = "/run/fpmgate",
		.help = "Folder for the control socket and for the files of the FPM "
			"masters that fpmgate runs.",
	}, {
		.name = "spool_dir", .type = CONF_PATH, OPTION(spool_dir),
		.flags = CONF_OPTION_FILLED,
		.preset = "/var/lib/fpmgate",
		.help = "Folder for request bodies that do not stay in memory; a tmpfs "
			"is refused.",
	}, {
		.name = "spool_max", .type = CONF_SIZE, OPTION(spool_max_bytes),
		.min = 4 * KIB, .max = 1024 * TIB,
		.preset = "10g",
		.help = "Bytes of all request bodies in spool_dir together.",
	}, {
		.name = "memory_max", .type = CONF_SIZE, OPTION(memory_max_bytes),
		.min = 1 * MIB, .max = 1 * TIB,
		.preset = "256m",
		.help = "Bytes of parameters, bodies and output held in memory for all "
			"clients; one pool gets at most a quarter.",
	}, {
		.name = "clients_max", .type = CONF_INTEGER, OPTION(clients_max),
		.flags = CONF_OPTION_AUTO,
		.min = 1, .max = 10000000,
		.preset = "auto", .unit = "connections",
		.help = "Connections of web servers at a time; auto: what the limit of "
			"open files leaves.",
	}, {
		.name = "drain_timeout", .type = CONF_DURATION, OPTION(drain_timeout_us),
		.min = 1 * MS, .max = 1 * DAY,
		.preset = "60s",
		.help = "How long requests in flight may take to end after SIGTERM.",
	}, {
		.name = "log", .type = CONF_ENUM, OPTION(log), .words = log_words,
		.flags = CONF_OPTION_RESTART,
		.preset = "journal",
		.help = "Where fpmgate logs to.",
	}, {
		.name = "log_level", .type = CONF_ENUM, OPTION(log_level),
		.words = log_level_words,
		.preset = "info",
		.help = "The least important messages that are logged.",
	},
};

static const struct conf_option status_options[] = {
	{
		.name = "status.control", .type = CONF_ADDRESS, OPTION(status_control),
		.flags = CONF_OPTION_RESTART, .kinds = 1 << CONF_ADDRESS_UNIX,
		.preset = "",
		.help = "Unix socket that fpmgatectl talks to; \"\" is control.sock in "
			"runtime_dir.",
	}, {
		.name = "status.http", .type = CONF_ADDRESS, OPTION(status_http),
		.flags = CONF_OPTION_RESTART,
		.kinds = 1 << CONF_ADDRESS_IPV4 | 1 << CONF_ADDRESS_IPV6,
		.preset = "",
		.help = "Loopback address on which status and metrics can be read over "
			"HTTP; \"\": none.",
	}, {
		.name = "status.fastcgi", .type = CONF_ADDRESS, OPTION(status_fastcgi),
		.flags = CONF_OPTION_RESTART,
		.kinds = 1 << CONF_ADDRESS_UNIX | 1 << CONF_ADDRESS_IPV4 |
			 1 << CONF_ADDRESS_IPV6,
		.preset = "",
		.help = "Address on which the same can be read over FastCGI; \"\": none.",
	},
};

const struct conf_group conf_group_top = {
	.prefix = "",
	.options = top_options,
	.n_options = sizeof(top_options) / sizeof(top_options[0]),
};

const struct conf_group conf_group_status = {
	.prefix = "status.",
	.options = status_options,
	.n_options = sizeof(status_options) / sizeof(status_options[0]),
};
