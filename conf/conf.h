/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What the operator wants: an immutable value, read from the configuration file.
 *
 * Durations are microseconds (0 = off where the option can be off), sizes are bytes.
 * Strings are never NULL unless the comment says so; an option that was not given is "".
 * Everything a struct conf points to belongs to it. It is the one reference-counted type
 * of fpmgate: a pool keeps the configuration it was made from alive.
 *
 * Defaults and ranges stand in the option tables, conf/schema_*.c; what an option does
 * stands in conf/fpmgate.conf.5.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct conf_diags;
struct conf_fpm_values;
struct conf_memory;
struct conf_origin;

enum {
	CONF_POOL_NAME_MAX = 63,  /* bytes; [A-Za-z0-9._-], first a letter or digit */
	CONF_UNIX_PATH_MAX = 107, /* bytes of a socket path (sun_path less its end) */
};

enum conf_address_kind {
	CONF_ADDRESS_NONE,     /* not given */
	CONF_ADDRESS_UNIX,     /* /path */
	CONF_ADDRESS_ABSTRACT, /* @name */
	CONF_ADDRESS_IPV4,     /* 1.2.3.4:9000 */
	CONF_ADDRESS_IPV6,     /* [::1]:9000 */
	CONF_ADDRESS_SYSTEMD,  /* systemd:NAME, which systemd passes; pool.listen only */
};

struct conf_address {
	enum conf_address_kind kind;
	char *text;       /* canonical: equal addresses have equal texts; "" for NONE */
	const char *name; /* inside text: path, abstract or systemd name; else all */
	uint8_t ip[16];   /* network order; the first 4 for IPv4 */
	uint16_t port;    /* 1 to 65535 for IPv4 and IPv6 */
};

struct conf_network {
	bool is_ipv6;
	uint8_t ip[16]; /* network order; 0 behind n_bits */
	uint8_t n_bits;
};

enum conf_log { CONF_LOG_JOURNAL, CONF_LOG_STDERR };
enum conf_log_level { /* values of syslog(3) */
	CONF_LOG_ERROR = 3,
	CONF_LOG_WARNING = 4,
	CONF_LOG_NOTICE = 5,
	CONF_LOG_INFO = 6,
	CONF_LOG_DEBUG = 7,
};
enum conf_order { CONF_ORDER_ADAPTIVE, CONF_ORDER_FIFO };
enum conf_hello { CONF_HELLO_AUTO, CONF_HELLO_ALWAYS, CONF_HELLO_OFF };
enum conf_status_access { CONF_STATUS_PASS, CONF_STATUS_REFUSE };
/* UNKNOWN is for struct conf_fpm_values alone. */
enum conf_pm { CONF_PM_UNKNOWN, CONF_PM_STATIC, CONF_PM_DYNAMIC, CONF_PM_ONDEMAND };
enum conf_sink { CONF_SINK_OFF, CONF_SINK_JOURNAL, CONF_SINK_STDERR, CONF_SINK_FILE };

/* pool.queue */
struct conf_queue {
	size_t size; /* 0: nobody waits */
	uint64_t max_wait_us;
	enum conf_order order;
	uint64_t target_us; /* 0: auto */
	uint64_t interval_us;
};

/* pool.fpm, for masters that fpmgate runs itself; defaults in pools with a backend */
struct conf_fpm {
	char *user, *group; /* "": as we are */
	enum conf_pm pm;
	char *slowlog;                       /* "": none */
	uint64_t request_slowlog_timeout_us; /* whole seconds; 0: off */
	bool clear_env;
	char **php_ini; /* "KEY=VALUE" texts, NULL-terminated */
	char **extra;   /* "KEY = VALUE" lines of an FPM pool section, NULL-terminated */
	uint64_t stop_timeout_us;
};

struct conf_pool {
	char *name;
	const char *file; /* where it was read, and its line; for messages */
	unsigned line;
	struct conf_origin *origins; /* where each option was given; for conf/ alone */

	struct conf_address *listen; /* at least one */
	size_t n_listen;
	char *listen_owner, *listen_group; /* "": default of the manual */
	int listen_mode;                   /* -1: default of the manual */
	unsigned backlog;
	struct conf_network *allow;
	size_t n_allow; /* > 0 when a listen is TCP beyond loopback */
	bool half_close;

	struct conf_address backend;   /* CONF_ADDRESS_NONE with php_fpm */
	char *php_fpm;                 /* path of the binary, "" with backend */
	unsigned max_children;         /* 0: not given, read from fpm_conf */
	char *fpm_conf;                /* "": none; set when max_children is 0 */
	char *fpm_binary;              /* "": guess */
	char *unit;                    /* "": none; else NAME.service */
	char *status_path, *ping_path; /* "": none given */
	struct conf_address status_listen; /* CONF_ADDRESS_NONE: none given */
	enum conf_status_access status_access;

	struct conf_queue queue;

	uint64_t connect_timeout_us, body_timeout_us, write_timeout_us, replay_within_us;
	uint64_t request_timeout_us, read_timeout_us, answer_by_us; /* 0: off */

	uint64_t body_memory_bytes; /* <= body_max_bytes when that is not 0 */
	uint64_t body_max_bytes;    /* 0: no limit of ours */
	uint64_t header_max_bytes, params_max_bytes, response_memory_bytes;
	unsigned params_count_max;

	bool replay, hand_over;
	enum conf_hello hello;
	char **deny_params;     /* names, NULL-terminated */
	char *request_id_param; /* "": none */
	char *error_page;       /* file; "": the built-in page */
	enum conf_sink access_log; /* OFF, STDERR or FILE */
	char *access_log_file;     /* "" unless CONF_SINK_FILE */
	enum conf_sink php_log;    /* JOURNAL, OFF or FILE */
	char *php_log_file;        /* "" unless CONF_SINK_FILE */

	struct conf_fpm fpm;
};

struct conf {
	unsigned n_refs;
	char *file;
	char *include_dir; /* "": none */
	char *runtime_dir, *spool_dir;
	uint64_t spool_max_bytes, memory_max_bytes;
	unsigned clients_max; /* 0: auto */
	uint64_t drain_timeout_us;
	enum conf_log log;
	enum conf_log_level log_level;
	/* The group status: control is a path, RUNTIME_DIR/control.sock unless given;
	 * http (loopback TCP), fastcgi (path or loopback TCP) may be CONF_ADDRESS_NONE.
	 */
	struct conf_address status_control, status_http, status_fastcgi;

	struct conf_pool **pools; /* in the order of the files; at least one */
	size_t n_pools;

	struct conf_origin *origins; /* of the options above; for conf/ alone */
	struct conf_memory *memory;  /* what all the pointers point to */
};

/* Reads `file` and the files of its include_dir, checks types, ranges and the rules
 * across options. 0 and *ret_conf with one reference, or -EINVAL and at least one error
 * in diags; *ret_conf is NULL then. Warnings may be in diags in both cases. -ENOMEM: no
 * memory. A file that cannot be read is an error in diags. Whether users, paths and
 * sockets exist is not looked at; but a spool_dir that is there must not be in memory. */
int conf_load(const char *file, struct conf_diags *diags, struct conf **ret_conf);
/* The same for a main file whose text is at hand (it need not be terminated); `file` is
 * its name in diagnostics. Reads no file: include_dir and spool_dir are not looked at. */
int conf_load_text(const char *bytes, size_t n, const char *file,
		   struct conf_diags *diags, struct conf **ret_conf);

struct conf *conf_ref(struct conf *conf);
struct conf *conf_unref(struct conf *conf); /* returns NULL; takes NULL */

/* NULL when there is none. */
const struct conf_pool *conf_find_pool(const struct conf *conf, const char *name);

/* Prints a file that conf_load() accepts and that means the same (fpmgate -T): every
 * option, each value followed by `# file:line` or `# default`. The files of include_dir
 * are in it, so that its own include_dir is "".
 * `fpm_values` is NULL or has n_pools elements, in the order of conf->pools, each of
 * which may be NULL: what fpm_conf says. Where that supplies a value that was not given
 * here (max_children, status_path, status_listen, ping_path) it is printed with
 * `# fpm_conf`.
 * 0, or -EIO when `out` could not be written to. */
int conf_dump(const struct conf *conf, const struct conf_fpm_values *const *fpm_values,
	      FILE *out);
