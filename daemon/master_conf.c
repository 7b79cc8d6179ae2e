/* SPDX-License-Identifier: BSD-2-Clause */
/* What a php-fpm of ours is started with: its configuration, and the files it needs. */

/*
 * FPM reads its file line by line with the scanner of php.ini (INI_SCANNER_NORMAL), in
 * which ${X}, constants, operators and words such as `off` mean something. Values that
 * are not ours go in single quotes, where nothing does, not even a backslash; the single
 * quote itself goes in double ones beside them: 'it'"'"'s'. A line feed cannot be written
 * at all, so a value that has one is refused. What FPM still replaces, also in quotes, is
 * `$pool` (tested with PHP 8.2).
 *
 * The order counts, since FPM takes the last of two equal keys: first what an operator
 * may want otherwise, then php_ini and extra, then what fpmgate relies on.
 *
 * With pm.status_listen FPM answers its status page on the main socket too, under "/" if
 * no path is given (tested); so there is always one, and if the operator names none it is
 * one that no visitor can ask for.
 */

#include "daemon/master_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fpm_log.h"
#include "daemon/macros.h"

enum {
	MASTER_CONF_FILES = 1024, /* Linux's own soft limit */
	MASTER_CONF_FILES_PER_WORKER = 4, /* of the master: stdout and stderr, twice */
};

/* the text */

static void master_conf_put_quoted(FILE *out, const char *text)
{
	bool is_quote = *text == '\'' || *text == '\0'; /* FPM refuses '' */

	do {
		size_t n = is_quote ? strspn(text, "'") : strcspn(text, "'");

		fprintf(out, is_quote ? "\"%.*s\"" : "'%.*s'", (int)n, text);
		text += n;
		is_quote = !is_quote;
	} while (*text);
	fputc('\n', out);
}

/* "E_ALL & ~E_NOTICE": php.ini computes that, and so shall FPM. */
static bool master_conf_is_error_level(const char *value)
{
	return strstr(value, "E_") != NULL &&
	       value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789 &|~^()")] ==
		       '\0';
}

/* php_value is what a line of php.ini would be: a script may change it as far as PHP lets
 * it. php_admin_value is there for `extra`. */
static void master_conf_put_php_ini(FILE *out, const char *setting)
{
	const char *value = strchr(setting, '=') + 1;

	fprintf(out, "php_value[%.*s] = ", (int)(value - setting - 1), setting);
	if (master_conf_is_error_level(value))
		fprintf(out, "%s\n", value);
	else
		master_conf_put_quoted(out, value);
}

static void master_conf_put_path(FILE *out, const char *key, const char *path)
{
	if (*path == '\0')
		return;
	fprintf(out, "%s = ", key);
	master_conf_put_quoted(out, path);
}

static uint64_t master_conf_seconds(uint64_t us)
{
	return (us + 999999) / 1000000;
}

static void master_conf_put_wishes(FILE *out, const struct conf_pool *options)
{
	const struct conf_fpm *fpm = &options->fpm;

	fprintf(out, "catch_workers_output = yes\n");
	fprintf(out, "clear_env = %s\n", fpm->clear_env ? "yes" : "no");
	master_conf_put_path(out, "slowlog", fpm->slowlog);
	if (fpm->request_slowlog_timeout_us > 0)
		fprintf(out, "request_slowlog_timeout = %" PRIu64 "s\n",
			master_conf_seconds(fpm->request_slowlog_timeout_us));
	/* The proportions of FPM's own example: 1, 2 and 3 of 5. */
	if (fpm->pm == CONF_PM_DYNAMIC) {
		unsigned min = MAX(options->max_children / 5, 1u);
		unsigned max = MAX(options->max_children * 3 / 5, min);

		fprintf(out, "pm.min_spare_servers = %u\n", min);
		fprintf(out, "pm.max_spare_servers = %u\n", max);
		fprintf(out, "pm.start_servers = %u\n", min + (max - min) / 2);
	}
	for (char **setting = fpm->php_ini; *setting; setting++)
		master_conf_put_php_ini(out, *setting);
	for (char **line = fpm->extra; *line; line++)
		fprintf(out, "%s\n", *line);
}

static void master_conf_put_needs(FILE *out, const struct conf_pool *options,
				  bool is_root, const char *token)
{
	static const char *const pm[] = {
		[CONF_PM_UNKNOWN] = "static", [CONF_PM_STATIC] = "static",
		[CONF_PM_DYNAMIC] = "dynamic", [CONF_PM_ONDEMAND] = "ondemand",
	};

	if (is_root) { /* FPM complains of them when it is not */
		master_conf_put_path(out, "user", options->fpm.user);
		master_conf_put_path(out, "group", options->fpm.group);
	}
	fprintf(out, "pm = %s\n", pm[options->fpm.pm]);
	fprintf(out, "pm.max_children = %u\n", options->max_children);
	if (*options->status_path)
		master_conf_put_path(out, "pm.status_path", options->status_path);
	else
		fprintf(out, "pm.status_path = /fpmgate-%s\n", token);
	master_conf_put_path(out, "ping.path", options->ping_path);
	fprintf(out, "listen.mode = 0600\n");
}

static int master_conf_put_text(struct master_conf *conf, const struct conf_pool *options,
				const char *token)
{
	size_t n;
	FILE *out = open_memstream(&conf->text, &n);

	if (!out)
		return -ENOMEM;
	fprintf(out, "; written by fpmgate at each start\n[global]\n");
	/* -O sends the log to stderr; this must be something that can be opened */
	fprintf(out, "error_log = /proc/self/fd/2\n");
	fprintf(out, "log_limit = %d\n", FPM_LOG_LINE_BYTES);
	fprintf(out, "process_control_timeout = %" PRIu64 "s\n",
		master_conf_seconds(conf->stop_timeout_us));
	fprintf(out, "daemonize = no\n");
	/* a section of that name would be the one above */
	fprintf(out, "[%s%s]\n", options->name,
		strcasecmp(options->name, "global") == 0 ? "-pool" : "");
	master_conf_put_wishes(out, options);
	master_conf_put_needs(out, options, geteuid() == 0, token);
	fflush(out);
	conf->n_body = n;
	master_conf_put_path(out, "listen", conf->backend.name);
	master_conf_put_path(out, "pm.status_listen", conf->status.name);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* what is refused */

static bool master_conf_is_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool master_conf_is_setting(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789._-");

	return n > 0 && text[n] == '=' && master_conf_is_line(text);
}

static int master_conf_check(const struct conf *conf, const struct conf_pool *options,
			     bool is_root)
{
	const struct conf_fpm *fpm = &options->fpm;
	const char *const texts[] = {
		conf->runtime_dir, options->name, options->status_path,
		options->ping_path, fpm->user, fpm->group, fpm->slowlog,
	};

	if (is_root && !*fpm->user)
		return MASTER_CONF_NO_USER;
	if (snprintf(NULL, 0, "%s/fpm/%s+%u.status", conf->runtime_dir, options->name,
		     UINT_MAX) > CONF_UNIX_PATH_MAX)
		return MASTER_CONF_LONG_PATH; /* with the longest of suffixes and variants
					       */
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!master_conf_is_line(texts[i]))
			return MASTER_CONF_BAD_TEXT;
	for (char **setting = fpm->php_ini; *setting; setting++)
		if (!master_conf_is_setting(*setting))
			return MASTER_CONF_BAD_TEXT;
	for (char **line = fpm->extra; *line; line++)
		if (!master_conf_is_line(*line))
			return MASTER_CONF_BAD_TEXT;
	return 0;
}

/* life */

static char *master_conf_name(const struct master_conf *conf, unsigned variant,
			      const char *suffix)
{
	char *path = NULL;
	int r;

	/* '+' cannot be in a pool's name */
	if (variant > 0)
		r = asprintf(&path, "%s/%s+%u.%s", conf->dir, conf->pool, variant,
			     suffix);
	else
		r = asprintf(&path, "%s/%s.%s", conf->dir, conf->pool, suffix);
	return r < 0 ? NULL : path;
}

static void master_conf_set_address(struct conf_address *address, char *path)
{
	*address = (struct conf_address){
		.kind = CONF_ADDRESS_UNIX, .text = path, .name = path,
	};
}

static int master_conf_set_names(struct master_conf *made, const struct conf *conf,
				 const struct conf_pool *options, unsigned variant)
{
	made->pool = strdup(options->name);
	made->program = strdup(options->php_fpm);
	if (asprintf(&made->dir, "%s/fpm", conf->runtime_dir) < 0)
		made->dir = NULL;
	if (!made->pool || !made->program || !made->dir)
		return -ENOMEM;
	made->file = master_conf_name(made, variant, "conf");
	made->notify_path = master_conf_name(made, variant, "notify");
	master_conf_set_address(&made->backend, master_conf_name(made, variant, "sock"));
	master_conf_set_address(&made->status, master_conf_name(made, variant, "status"));
	if (!made->file || !made->notify_path || !made->backend.name ||
	    !made->status.name)
		return -ENOMEM;
	return 0;
}

int master_conf_new(const struct conf *conf, const struct conf_pool *options,
		    unsigned variant, const char token[MASTER_CONF_TOKEN_BYTES],
		    struct master_conf **ret_conf)
{
	struct master_conf *made;
	int r;

	r = master_conf_check(conf, options, geteuid() == 0);
	if (r != 0)
		return r;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->stop_timeout_us = options->fpm.stop_timeout_us;
	made->n_files = MAX((unsigned)MASTER_CONF_FILES,
			    MASTER_CONF_FILES / 4 +
				    MASTER_CONF_FILES_PER_WORKER * options->max_children);
	made->is_root_allowed = strcmp(options->fpm.user, "root") == 0;
	made->pm = options->fpm.pm;
	made->max_children = options->max_children;
	r = master_conf_set_names(made, conf, options, variant);
	if (r == 0)
		r = master_conf_put_text(made, options, token);
	if (r != 0)
		master_conf_free(made);
	else
		*ret_conf = made;
	return r;
}

struct master_conf *master_conf_free(struct master_conf *conf)
{
	if (!conf)
		return NULL;
	free(conf->pool);
	free(conf->program);
	free(conf->dir);
	free(conf->file);
	free(conf->notify_path);
	free(conf->backend.text);
	free(conf->status.text);
	free(conf->text);
	free(conf);
	return NULL;
}

/* the files */

/* Makes it ours alone. Someone else's directory may be full of links to elsewhere, and
 * one that others write to (/tmp) is not to be taken from them. */
static int master_conf_own_dir(const char *dir)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & (S_ISVTX | S_IWGRP | S_IWOTH)))
		return -EPERM;
	return fchmod(fd, 0700) < 0 ? -errno : 0;
}

static int master_conf_make_dirs(const char *dir)
{
	char parent[CONF_UNIX_PATH_MAX + 1];
	const char *end = strrchr(dir, '/');

	snprintf(parent, sizeof(parent), "%.*s", (int)(end - dir), dir);
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	return master_conf_own_dir(dir);
}

static int master_conf_put_file(const char *path, const char *text)
{
	size_t n = strlen(text);
	_cleanup_close_ int fd = -1;

	/* removed first: FPM may hold what was there, and the mode is that of a new file
	 */
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (n > 0) {
		ssize_t r = write(fd, text, n);

		if (r < 0)
			return -errno;
		text += r;
		n -= (size_t)r;
	}
	return 0;
}

int master_conf_write(const struct master_conf *conf)
{
	int r;

	r = master_conf_make_dirs(conf->dir);
	if (r < 0)
		return r;
	master_conf_remove(conf);
	return master_conf_put_file(conf->file, conf->text);
}

void master_conf_remove(const struct master_conf *conf)
{
	(void)unlink(conf->file);
	(void)unlink(conf->backend.name);
	(void)unlink(conf->status.name);
	(void)unlink(conf->notify_path);
}

bool master_conf_is_same(const struct master_conf *a, const struct master_conf *b)
{
	return a->n_body == b->n_body && memcmp(a->text, b->text, a->n_body) == 0 &&
	       strcmp(a->program, b->program) == 0 &&
	       a->stop_timeout_us == b->stop_timeout_us;
}
