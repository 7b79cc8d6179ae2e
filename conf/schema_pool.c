/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of a pool, without those of its groups `queue` and `fpm`. */
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/schema_units.h"
#include "conf/value.h"

#define OPTION(member)                             \
	.offset = offsetof(struct conf_pool, member), \
	.width = sizeof(((struct conf_pool *)NULL)->member)
#define MORE(member) .offset_more = offsetof(struct conf_pool, member)

#define CONNECTABLE                                              \
	(1 << CONF_ADDRESS_UNIX | 1 << CONF_ADDRESS_ABSTRACT | \
	 1 << CONF_ADDRESS_IPV4 | 1 << CONF_ADDRESS_IPV6)

static const struct conf_word status_access_words[] = {
	{ "pass", CONF_STATUS_PASS },
	{ "refuse", CONF_STATUS_REFUSE },
	{ NULL, 0 },
};

static const struct conf_word hello_words[] = {
	{ "auto", CONF_HELLO_AUTO },
	{ "always", CONF_HELLO_ALWAYS },
	{ "off", CONF_HELLO_OFF },
	{ NULL, 0 },
};

static const struct conf_word access_log_words[] = {
	{ "off", CONF_SINK_OFF },
	{ "stderr", CONF_SINK_STDERR },
	{ NULL, 0 },
};

static const struct conf_word php_log_words[] = {
	{ "journal", CONF_SINK_JOURNAL },
	{ "off", CONF_SINK_OFF },
	{ NULL, 0 },
};

static const struct conf_option pool_options[] = {
	/* what it is and where it listens */
	{
		.name = "name", .type = CONF_STRING, OPTION(name),
		.flags = CONF_OPTION_OWN | CONF_OPTION_FILLED,
		.check = conf_value_pool_name,
		.preset = "",
		.help = "Name of the pool in logs, metrics and status.",
	}, {
		.name = "listen", .type = CONF_ADDRESSES, OPTION(listen), MORE(n_listen),
		.flags = CONF_OPTION_OWN,
		.kinds = CONNECTABLE | 1 << CONF_ADDRESS_SYSTEMD,
		.preset = "",
		.help = "Address or list of addresses that the web server's fastcgi_pass "
			"points at.",
	}, {
		.name = "listen_owner", .type = CONF_STRING, OPTION(listen_owner),
		.check = conf_value_account,
		.preset = "",
		.help = "Owner of the sockets that are files; \"\": as the backend's "
			"socket, else fpmgate.",
	}, {
		.name = "listen_group", .type = CONF_STRING, OPTION(listen_group),
		.check = conf_value_account,
		.preset = "",
		.help = "Group of the sockets that are files; \"\": as the backend's "
			"socket, else www-data.",
	}, {
		.name = "listen_mode", .type = CONF_MODE, OPTION(listen_mode),
		.preset = "",
		.help = "Mode of the sockets that are files; \"\": as the backend's "
			"socket, else 0660.",
	}, {
		.name = "backlog", .type = CONF_INTEGER, OPTION(backlog),
		.min = 1, .max = 65535,
		.preset = "4096", .unit = "connections",
		.help = "Connections that the kernel holds before fpmgate accepts them.",
	}, {
		.name = "allow", .type = CONF_NETWORKS, OPTION(allow), MORE(n_allow),
		.preset = "",
		.help = "Networks whose hosts may connect over TCP; needed to listen "
			"beyond loopback.",
	}, {
		.name = "half_close", .type = CONF_BOOL, OPTION(half_close),
		.preset = "false",
		.help = "Do not take a TCP client's end of sending for its leaving.",
	},
	/* who runs PHP */
	{
		.name = "backend", .type = CONF_ADDRESS, OPTION(backend),
		.flags = CONF_OPTION_OWN, .kinds = CONNECTABLE,
		.preset = "",
		.help = "Socket of an FPM pool that runs already.",
	}, {
		.name = "php_fpm", .type = CONF_PATH, OPTION(php_fpm),
		.flags = CONF_OPTION_OWN,
		.preset = "",
		.help = "Path of php-fpm: fpmgate runs a master of its own for the pool.",
	}, {
		.name = "max_children", .type = CONF_INTEGER, OPTION(max_children),
		.min = 0, .max = 100000,
		.preset = "0", .unit = "workers",
		.help = "FPM's pm.max_children, the most requests that run at a time; 0: "
			"read from fpm_conf.",
	}, {
		.name = "fpm_conf", .type = CONF_PATH, OPTION(fpm_conf),
		.flags = CONF_OPTION_OWN,
		.preset = "",
		.help = "The FPM pool's configuration file, from which what is not given "
			"here is read.",
	}, {
		.name = "fpm_binary", .type = CONF_PATH, OPTION(fpm_binary),
		.preset = "",
		.help = "php-fpm that can dump fpm_conf when that includes other files; "
			"\"\": guessed.",
	}, {
		.name = "unit", .type = CONF_STRING, OPTION(unit),
		.flags = CONF_OPTION_OWN, .check = conf_value_unit,
		.preset = "",
		.help = "systemd unit of the FPM master, such as php8.2-fpm.service.",
	}, {
		.name = "status_path", .type = CONF_STRING, OPTION(status_path),
		.check = conf_value_uri_path,
		.preset = "",
		.help = "FPM's pm.status_path; \"\": read from fpm_conf, else none.",
	}, {
		.name = "status_listen", .type = CONF_ADDRESS, OPTION(status_listen),
		.kinds = CONNECTABLE,
		.preset = "",
		.help = "FPM's pm.status_listen; \"\": read from fpm_conf, else none.",
	}, {
		.name = "ping_path", .type = CONF_STRING, OPTION(ping_path),
		.check = conf_value_uri_path,
		.preset = "",
		.help = "FPM's ping.path; \"\": read from fpm_conf, else none.",
	}, {
		.name = "status_access", .type = CONF_ENUM, OPTION(status_access),
		.words = status_access_words,
		.preset = "pass",
		.help = "What happens to requests for the status and ping paths: passed "
			"to FPM or refused with 403.",
	},
	/* time */
	{
		.name = "connect_timeout", .type = CONF_DURATION,
		OPTION(connect_timeout_us), .min = 1 * MS, .max = 10 * MINUTE,
		.preset = "5s",
		.help = "How long a connection to a TCP backend may take to be made.",
	}, {
		.name = "body_timeout", .type = CONF_DURATION, OPTION(body_timeout_us),
		.min = 1 * MS, .max = 1 * DAY,
		.preset = "60s",
		.help = "How long the web server may send nothing before the request is "
			"complete.",
	}, {
		.name = "request_timeout", .type = CONF_DURATION,
		OPTION(request_timeout_us),
		.flags = CONF_OPTION_ZERO, .min = 1 * MS, .max = 7 * DAY,
		.preset = "off",
		.help = "How long a worker may be busy with a request.",
	}, {
		.name = "read_timeout", .type = CONF_DURATION, OPTION(read_timeout_us),
		.flags = CONF_OPTION_ZERO, .min = 1 * MS, .max = 7 * DAY,
		.preset = "off",
		.help = "How long a worker may send nothing.",
	}, {
		.name = "answer_by", .type = CONF_DURATION, OPTION(answer_by_us),
		.flags = CONF_OPTION_ZERO, .min = 1 * MS, .max = 7 * DAY,
		.preset = "off",
		.help = "How long a client may wait for its answer to begin, in the "
			"queue and at the worker together.",
	}, {
		.name = "write_timeout", .type = CONF_DURATION, OPTION(write_timeout_us),
		.min = 1 * MS, .max = 1 * DAY,
		.preset = "60s",
		.help = "How long the web server may take nothing of its answer.",
	}, {
		.name = "replay_within", .type = CONF_DURATION, OPTION(replay_within_us),
		.min = 1 * MS, .max = 1 * HOUR,
		.preset = "1s",
		.help = "A request whose worker died is run again only when it died this "
			"soon.",
	},
	/* size */
	{
		.name = "body_memory", .type = CONF_SIZE, OPTION(body_memory_bytes),
		.min = 1, .max = 1 * GIB,
		.preset = "64k",
		.help = "Bytes of a request body that stay in memory; the rest goes to "
			"spool_dir.",
	}, {
		.name = "body_max", .type = CONF_SIZE, OPTION(body_max_bytes),
		.flags = CONF_OPTION_ZERO, .min = 1, .max = 1024 * TIB,
		.preset = "0",
		.help = "Largest request body; 0: the web server's limit rules.",
	}, {
		.name = "header_max", .type = CONF_SIZE, OPTION(header_max_bytes),
		.min = 1 * KIB, .max = 16 * MIB,
		.preset = "64k",
		.help = "Largest header of a response.",
	}, {
		.name = "params_max", .type = CONF_SIZE, OPTION(params_max_bytes),
		.min = 64 * KIB, .max = 16 * MIB,
		.preset = "128k",
		.help = "Bytes of all FastCGI parameters of a request.",
	}, {
		.name = "params_count_max", .type = CONF_INTEGER,
		OPTION(params_count_max),
		.min = 16, .max = 100000,
		.preset = "1000", .unit = "parameters",
		.help = "Number of FastCGI parameters of a request.",
	}, {
		.name = "response_memory", .type = CONF_SIZE,
		OPTION(response_memory_bytes), .min = 16 * KIB, .max = 1 * GIB,
		.preset = "256k",
		.help = "Bytes of a response that are read ahead of a slow client, so "
			"that the worker is free sooner.",
	},
	/* behaviour */
	{
		.name = "replay", .type = CONF_BOOL, OPTION(replay),
		.preset = "true",
		.help = "Run a GET again when its worker died before the first byte.",
	}, {
		.name = "hand_over", .type = CONF_BOOL, OPTION(hand_over),
		.preset = "true",
		.help = "Give the next waiting request to a worker on the connection it "
			"has.",
	}, {
		.name = "hello", .type = CONF_ENUM, OPTION(hello), .words = hello_words,
		.preset = "auto",
		.help = "Whether a GET_VALUES record goes before a request, to learn "
			"when a worker takes it; auto: only while all workers are busy.",
	}, {
		.name = "deny_params", .type = CONF_STRINGS, OPTION(deny_params),
		.check = conf_value_param,
		.preset = "",
		.help = "Requests that carry one of these FastCGI parameters get 403.",
	}, {
		.name = "request_id_param", .type = CONF_STRING, OPTION(request_id_param),
		.check = conf_value_param,
		.preset = "",
		.help = "FastCGI parameter whose value becomes the request's id; \"\": "
			"fpmgate makes one.",
	}, {
		.name = "error_page", .type = CONF_PATH, OPTION(error_page),
		.preset = "",
		.help = "HTML file for fpmgate's own answers; \"\": the built-in page.",
	}, {
		.name = "access_log", .type = CONF_SINK, OPTION(access_log),
		MORE(access_log_file), .words = access_log_words,
		.preset = "off",
		.help = "One line of JSON per request: off, stderr or a file.",
	}, {
		.name = "php_log", .type = CONF_SINK, OPTION(php_log),
		MORE(php_log_file), .words = php_log_words,
		.preset = "journal",
		.help = "What PHP writes to its error stream: journal, off or a file.",
	},
};

const struct conf_group conf_group_pool = {
	.prefix = "",
	.options = pool_options,
	.n_options = sizeof(pool_options) / sizeof(pool_options[0]),
};
