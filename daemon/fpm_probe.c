/* SPDX-License-Identifier: BSD-2-Clause */
/* What PHP-FPM's own configuration says about a pool. */

/*
 * A look is: watch anew, read the file, parse it, and where that is not enough, start a
 * dump; the dump's end ends the look. A change that is noticed while a dump runs asks for
 * another look behind it. Values of the file alone are told at once when there are no
 * others yet; later the dump has the say, so that a value that an included file sets does
 * not flap.
 */

#include "daemon/fpm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/fpm_dump.h"
#include "daemon/fpm_watch.h"
#include "daemon/log.h"
#include "daemon/macros.h"

enum {
	FPM_PROBE_LIMIT_US = 5000000,
	FPM_PROBE_FILE_MAX_BYTES = 1024 * 1024,
	FPM_PROBE_PROBLEM_BYTES = 1024,
};

struct fpm_probe {
	struct loop *loop;
	char *runtime_dir, *pool, *file, *binary, *backend_text;
	struct conf_address backend;
	const struct fpm_probe_ops *ops;
	void *userdata;
	uint64_t limit_us;

	struct fpm_watch watch;
	struct fpm_dump *dump;       /* NULL: none runs */
	bool is_look_due;            /* something has changed since it was started */
	bool has_file_values;        /* of this look: the file alone has the section */
	struct conf_fpm_values file_values;

	bool has_values;
	struct conf_fpm_values values; /* told last */
	char problem[FPM_PROBE_PROBLEM_BYTES]; /* logged last; "": none */
};

/* telling */

/* One line per change: a problem that lasts is said once. "": there is none. */
static void fpm_probe_set_problem(struct fpm_probe *probe, const char *problem)
{
	if (strcmp(probe->problem, problem) == 0)
		return;
	snprintf(probe->problem, sizeof(probe->problem), "%s", problem);
	if (*problem == '\0')
		log_pool(LOG_LEVEL_NOTICE, probe->pool, "fpm_conf %s can be read again",
			 probe->file);
	else
		log_pool(LOG_LEVEL_WARNING, probe->pool, "fpm_conf %s: %s", probe->file,
			 problem);
}

static const char *fpm_probe_consequence(const struct fpm_probe *probe)
{
	return probe->has_values ? "; the last values stay" : "";
}

static bool fpm_probe_is_same(const struct conf_fpm_values *a,
			      const struct conf_fpm_values *b)
{
	return strcmp(a->pool, b->pool) == 0 && a->pm == b->pm &&
	       a->max_children == b->max_children &&
	       a->min_spare_servers == b->min_spare_servers &&
	       a->start_servers == b->start_servers &&
	       a->max_requests == b->max_requests &&
	       strcmp(a->status_path, b->status_path) == 0 &&
	       strcmp(a->ping_path, b->ping_path) == 0 &&
	       strcmp(a->status_listen, b->status_listen) == 0 &&
	       strcmp(a->slowlog, b->slowlog) == 0 &&
	       a->request_terminate_timeout_us == b->request_terminate_timeout_us &&
	       a->request_slowlog_timeout_us == b->request_slowlog_timeout_us &&
	       a->process_control_timeout_us == b->process_control_timeout_us;
}

static void fpm_probe_tell(struct fpm_probe *probe, const struct conf_fpm_values *values)
{
	static const char *const managers[] = {
		[CONF_PM_UNKNOWN] = "not known",
		[CONF_PM_STATIC] = "static",
		[CONF_PM_DYNAMIC] = "dynamic",
		[CONF_PM_ONDEMAND] = "ondemand",
	};
	char section[4 * sizeof(values->pool)];

	if (probe->has_values && fpm_probe_is_same(&probe->values, values))
		return;
	probe->has_values = true;
	probe->values = *values;
	log_escape(section, sizeof(section), values->pool, strlen(values->pool));
	log_pool(LOG_LEVEL_INFO, probe->pool, "fpm_conf %s: section [%s], pm %s, "
		 "max_children %u", probe->file, section, managers[values->pm],
		 values->max_children);
	probe->ops->on_values(probe->userdata, &probe->values);
}

/* reading */

/* Reads at most n bytes. Gives what was read, or an errno. */
static ssize_t fpm_probe_fill(int fd, char *text, size_t n)
{
	size_t got = 0;
	ssize_t r;

	while (got < n) {
		r = read(fd, text + got, n - got);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			break;
		got += r > 0 ? (size_t)r : 0;
	}
	return (ssize_t)got;
}

/* 0 and the text, to be freed; or a problem is set. O_NONBLOCK: opening a FIFO waits for
 * somebody to write. */
static int fpm_probe_read(struct fpm_probe *probe, char **ret_text, size_t *ret_n)
{
	_cleanup_close_ int fd =
		open(probe->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	const char *what = NULL;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		what = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		what = "not a regular file";
	else if (st.st_size > FPM_PROBE_FILE_MAX_BYTES)
		what = "larger than 1 MiB";
	if (!what) {
		text = malloc((size_t)st.st_size + 1);
		n = text ? fpm_probe_fill(fd, text, (size_t)st.st_size) : -ENOMEM;
		what = n < 0 ? strerror((int)-n) : NULL;
	}
	if (what) {
		char problem[128];

		snprintf(problem, sizeof(problem), "cannot be read: %s%s", what,
			 fpm_probe_consequence(probe));
		fpm_probe_set_problem(probe, problem);
		return -EIO;
	}
	*ret_text = steal_ptr(text);
	*ret_n = (size_t)n;
	return 0;
}

static void fpm_probe_trim(const char **text, size_t *n)
{
	static const char blanks[] = " \t\r\"'";

	while (*n > 0 && **text != '\0' && strchr(blanks, **text)) {
		(*text)++;
		(*n)--;
	}
	while (*n > 0 && (*text)[*n - 1] != '\0' && strchr(blanks, (*text)[*n - 1]))
		(*n)--;
}

/* The pattern of a line "include = PATTERN"; false: it is something else, or relative, to
 * what php-fpm was built with. */
static bool fpm_probe_is_include(const char *line, size_t n, char *pattern, size_t size)
{
	const char *sign = memchr(line, '=', n), *value, *comment;
	size_t n_key = sign ? (size_t)(sign - line) : 0, n_value;

	if (!sign)
		return false;
	value = sign + 1;
	n_value = n - n_key - 1;
	comment = memchr(value, ';', n_value);
	if (comment)
		n_value = (size_t)(comment - value);
	fpm_probe_trim(&line, &n_key);
	fpm_probe_trim(&value, &n_value);
	if (n_key != STRLEN("include") || memcmp(line, "include", n_key) != 0 ||
	    n_value == 0 || *value != '/' || n_value >= size)
		return false;
	memcpy(pattern, value, n_value);
	pattern[n_value] = '\0';
	return true;
}

static void fpm_probe_watch_includes(struct fpm_probe *probe, const char *text, size_t n)
{
	char pattern[1024];

	while (n > 0) {
		const char *newline = memchr(text, '\n', n);
		size_t n_line = newline ? (size_t)(newline - text) : n;

		if (fpm_probe_is_include(text, n_line, pattern, sizeof(pattern)))
			fpm_watch_add_pattern(&probe->watch, pattern);
		n_line += newline != NULL;
		text += n_line;
		n -= n_line;
	}
}

/* looking */

static void fpm_probe_look(struct fpm_probe *probe);

/* Without php-fpm's answer the file alone has to do. */
static void fpm_probe_give_up(struct fpm_probe *probe, const char *why)
{
	char problem[FPM_PROBE_PROBLEM_BYTES];

	if (probe->has_file_values) {
		snprintf(problem, sizeof(problem), "what it includes is not known: %s",
			 why);
		fpm_probe_tell(probe, &probe->file_values);
	} else {
		snprintf(problem, sizeof(problem), "no section listens on %s; %s%s",
			 probe->backend_text, why, fpm_probe_consequence(probe));
	}
	fpm_probe_set_problem(probe, problem);
}

static void fpm_probe_on_dump(void *userdata, const char *text, size_t n, const char *why)
{
	struct fpm_probe *probe = userdata;
	struct conf_fpm_values values;
	char problem[FPM_PROBE_PROBLEM_BYTES];

	if (why) {
		snprintf(problem, sizeof(problem), "php-fpm -tt %s", why);
		fpm_probe_give_up(probe, problem);
	} else if (conf_fpm_parse(text, n, &probe->backend, &values) != 0) {
		fpm_probe_give_up(probe, "nor does one that it includes");
	} else {
		fpm_probe_tell(probe, &values);
		fpm_probe_set_problem(probe, "");
	}
	probe->dump = fpm_dump_free(probe->dump);
	if (probe->is_look_due)
		fpm_probe_look(probe);
}

static int fpm_probe_start_dump(struct fpm_probe *probe, const char **ret_what)
{
	struct fpm_dump_params params = {
		.binary = probe->binary,
		.file = probe->file,
		.runtime_dir = probe->runtime_dir,
		.limit_us = probe->limit_us,
		.on_end = fpm_probe_on_dump,
		.userdata = probe,
	};
	char binary[256];
	int r;

	if (*probe->binary == '\0') {
		r = fpm_dump_find_binary(probe->file, binary, sizeof(binary));
		*ret_what = "there is no php-fpm to ask (fpm_binary)";
		if (r < 0)
			return r;
		params.binary = binary;
	}
	return fpm_dump_new(probe->loop, &params, &probe->dump, ret_what);
}

static void fpm_probe_ask(struct fpm_probe *probe)
{
	char problem[256];
	const char *what;
	int r = fpm_probe_start_dump(probe, &what);

	if (r < 0) {
		snprintf(problem, sizeof(problem), "%s: %s", what, strerror(-r));
		fpm_probe_give_up(probe, problem);
	}
}

static void fpm_probe_look(struct fpm_probe *probe)
{
	_cleanup_free_ char *text = NULL;
	bool has_includes;
	size_t n;

	probe->is_look_due = false;
	fpm_watch_clear(&probe->watch);
	fpm_watch_add_file(&probe->watch, probe->file);
	if (fpm_probe_read(probe, &text, &n) < 0)
		return;
	probe->has_file_values = conf_fpm_parse(text, n, &probe->backend,
						&probe->file_values) == 0;
	has_includes = conf_fpm_has_includes(text, n);
	if (probe->has_file_values && (!has_includes || !probe->has_values))
		fpm_probe_tell(probe, &probe->file_values);
	if (has_includes)
		fpm_probe_watch_includes(probe, text, n);
	if (has_includes || !probe->has_file_values)
		fpm_probe_ask(probe);
	else
		fpm_probe_set_problem(probe, "");
}

static void fpm_probe_on_change(void *userdata)
{
	struct fpm_probe *probe = userdata;

	probe->is_look_due = true;
	if (!probe->dump)
		fpm_probe_look(probe);
}

bool fpm_probe_read_now(struct fpm_probe *probe)
{
	fpm_probe_on_change(probe);
	return probe->has_values;
}

/* life */

static char *fpm_probe_copy(const char *text, bool *ok)
{
	char *copy = strdup(text);

	*ok = *ok && copy;
	return copy;
}

int fpm_probe_new(struct loop *loop, const char *runtime_dir,
		  const struct conf_pool *options, const struct conf_address *backend,
		  const struct fpm_probe_ops *ops, void *userdata,
		  struct fpm_probe **ret_probe)
{
	struct fpm_probe *probe = calloc(1, sizeof(*probe));
	bool ok = true;

	if (!probe)
		return -ENOMEM;
	probe->loop = loop;
	probe->ops = ops;
	probe->userdata = userdata;
	probe->limit_us = FPM_PROBE_LIMIT_US;
	probe->runtime_dir = fpm_probe_copy(runtime_dir, &ok);
	probe->pool = fpm_probe_copy(options->name, &ok);
	probe->file = fpm_probe_copy(options->fpm_conf, &ok);
	probe->binary = fpm_probe_copy(options->fpm_binary, &ok);
	probe->backend_text = fpm_probe_copy(backend->text, &ok);
	fpm_watch_init(&probe->watch, loop, probe, fpm_probe_on_change);
	if (!ok) {
		fpm_probe_free(probe);
		return -ENOMEM;
	}
	probe->backend = *backend;
	probe->backend.text = probe->backend_text;
	if (backend->name)
		probe->backend.name =
			probe->backend_text + (backend->name - backend->text);
	*ret_probe = probe;
	return 0;
}

struct fpm_probe *fpm_probe_free(struct fpm_probe *probe)
{
	if (!probe)
		return NULL;
	fpm_dump_free(probe->dump);
	fpm_watch_done(&probe->watch);
	free(probe->runtime_dir);
	free(probe->pool);
	free(probe->file);
	free(probe->binary);
	free(probe->backend_text);
	free(probe);
	return NULL;
}

void fpm_probe_set_limit(struct fpm_probe *probe, uint64_t limit_us)
{
	probe->limit_us = limit_us;
}
