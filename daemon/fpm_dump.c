/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks php-fpm itself what it reads in a configuration. */

#include "daemon/fpm_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/child.h"
#include "daemon/log.h"
#include "daemon/macros.h"

enum {
	FPM_DUMP_MAX_BYTES = 1024 * 1024,
	FPM_DUMP_FIRST_BYTES = 16 * 1024, /* one pool's dump has 3.4 kB */
	FPM_DUMP_WHY_BYTES = 512,
};

struct fpm_dump {
	struct child *child;
	char *wrapper; /* path of the file of ours, NULL: there is none */
	char *text;
	size_t n, size;
	bool is_too_long, is_without_memory;
	uint64_t limit_us;
	void (*on_end)(void *userdata, const char *text, size_t n, const char *why);
	void *userdata;
};

/* the binary */

/* "8.2" of "/etc/php/8.2/fpm/php-fpm.conf"; n is 0 when there is none. */
static const char *fpm_dump_version(const char *file, size_t *ret_n)
{
	for (const char *at = strchr(file, '/'); at; at = strchr(at + 1, '/')) {
		size_t major = strspn(at + 1, "0123456789");
		size_t minor = at[1 + major] == '.' ?
				       strspn(at + 2 + major, "0123456789") : 0;

		*ret_n = major + 1 + minor;
		if (major > 0 && minor > 0 && at[1 + *ret_n] == '/')
			return at + 1;
	}
	*ret_n = 0;
	return file;
}

static bool fpm_dump_try_binary(const char *folder, const char *version,
				size_t n_version, char *binary, size_t size)
{
	int n = snprintf(binary, size, "%s/php-fpm%.*s", folder, (int)n_version, version);

	return n > 0 && (size_t)n < size && access(binary, X_OK) == 0;
}

int fpm_dump_find_binary_in(const char *folder, const char *file, char *binary,
			    size_t size)
{
	static const char *const versions[] = { "8.4", "8.3", "8.2", "8.1", "8.0", "" };
	const char *version;
	size_t n;

	version = fpm_dump_version(file, &n);
	if (n > 0 && fpm_dump_try_binary(folder, version, n, binary, size))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		n = strlen(versions[i]);
		if (fpm_dump_try_binary(folder, versions[i], n, binary, size))
			return 0;
	}
	return -ENOENT;
}

int fpm_dump_find_binary(const char *file, char *binary, size_t size)
{
	int r = fpm_dump_find_binary_in("/usr/sbin", file, binary, size);

	return r < 0 ? fpm_dump_find_binary_in("/usr/local/sbin", file, binary, size) : r;
}

/* the file of ours */

/* A path between single quotes: there nothing is special to the ini scanner; but FPM
 * takes what it includes for a glob pattern. */
static void fpm_dump_put_path(FILE *out, const char *path)
{
	for (; *path != '\0'; path++) {
		if (strchr("*?[\\", *path))
			fputc('\\', out);
		fputc(*path, out);
	}
}

static bool fpm_dump_can_quote(const char *path)
{
	for (; *path != '\0'; path++)
		if ((unsigned char)*path < ' ' || *path == '\'')
			return false;
	return true;
}

static int fpm_dump_write_wrapper(int fd, const char *file)
{
	FILE *out = fdopen(fd, "w");

	if (!out) {
		close_fd(fd);
		return -ENOMEM;
	}
	fputs("[global]\nerror_log=/dev/null\ninclude='", out);
	fpm_dump_put_path(out, file);
	/* again, since the file may have said otherwise: the last one counts */
	fputs("'\n[global]\nerror_log=/dev/null\nlog_level=notice\n", out);
	return fclose(out) == 0 ? 0 : -errno;
}

static int fpm_dump_make_wrapper(struct fpm_dump *dump,
				 const struct fpm_dump_params *params)
{
	int fd;

	if (!fpm_dump_can_quote(params->file))
		return -EINVAL;
	if (asprintf(&dump->wrapper, "%s/fpm-XXXXXX", params->runtime_dir) < 0) {
		dump->wrapper = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(dump->wrapper, O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		free(dump->wrapper);
		dump->wrapper = NULL;
		return fd;
	}
	return fpm_dump_write_wrapper(fd, params->file);
}

static void fpm_dump_remove_wrapper(struct fpm_dump *dump)
{
	if (dump->wrapper)
		(void)unlink(dump->wrapper);
	free(dump->wrapper);
	dump->wrapper = NULL;
}

/* the child */

static bool fpm_dump_reserve(struct fpm_dump *dump, size_t n)
{
	size_t size = MAX(dump->size * 2, (size_t)FPM_DUMP_FIRST_BYTES);
	char *text;

	if (n <= dump->size)
		return true;
	text = realloc(dump->text, MAX(size, n));
	if (!text)
		return false;
	dump->text = text;
	dump->size = MAX(size, n);
	return true;
}

static void fpm_dump_on_output(void *userdata, const char *bytes, size_t n)
{
	struct fpm_dump *dump = userdata;

	if (dump->is_too_long || dump->is_without_memory)
		return;
	if (n > FPM_DUMP_MAX_BYTES - dump->n)
		dump->is_too_long = true;
	else if (!fpm_dump_reserve(dump, dump->n + n))
		dump->is_without_memory = true;
	if (dump->is_too_long || dump->is_without_memory) {
		(void)child_kill(dump->child, SIGKILL);
		return;
	}
	memcpy(dump->text + dump->n, bytes, n);
	dump->n += n;
}

/* The first line that says what is wrong, without its date; else the first one. */
static void fpm_dump_quote_complaint(const struct fpm_dump *dump, char *text, size_t size)
{
	static const char *const signs[] = { "ERROR: ", "ALERT: " };
	const char *line = dump->text, *end = dump->text + dump->n, *found = NULL;
	const char *newline;

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		const char *at = memmem(line, dump->n, signs[i], strlen(signs[i]));

		if (at && (!found || at < found))
			found = at + strlen(signs[i]);
	}
	line = found ? found : line;
	newline = memchr(line, '\n', (size_t)(end - line));
	log_escape(text, size, line, (size_t)((newline ? newline : end) - line));
}

static void fpm_dump_explain(const struct fpm_dump *dump, const struct child_end *end,
			     char why[FPM_DUMP_WHY_BYTES])
{
	char how[96], said[FPM_DUMP_WHY_BYTES - 160];

	child_describe(end, dump->limit_us, how, sizeof(how));
	if (dump->is_too_long)
		snprintf(why, FPM_DUMP_WHY_BYTES, "prints more than %d bytes",
			 FPM_DUMP_MAX_BYTES);
	else if (dump->is_without_memory)
		snprintf(why, FPM_DUMP_WHY_BYTES, "%s", strerror(ENOMEM));
	else if (dump->n == 0 || end->is_overdue)
		snprintf(why, FPM_DUMP_WHY_BYTES, "%s", how);
	else {
		fpm_dump_quote_complaint(dump, said, sizeof(said));
		snprintf(why, FPM_DUMP_WHY_BYTES, "%s: %s", how, said);
	}
}

static void fpm_dump_on_end(void *userdata, const struct child_end *end)
{
	struct fpm_dump *dump = userdata;
	char why[FPM_DUMP_WHY_BYTES];
	bool is_whole = dump->n > 0 && !dump->is_too_long && !dump->is_without_memory;

	dump->child = child_free(dump->child);
	fpm_dump_remove_wrapper(dump);
	if (is_whole && end->is_known && end->signal == 0 && end->code == 0) {
		dump->on_end(dump->userdata, dump->text, dump->n, NULL);
		return;
	}
	fpm_dump_explain(dump, end, why);
	dump->on_end(dump->userdata, NULL, 0, why);
}

static const struct child_ops fpm_dump_child_ops = {
	.on_output = fpm_dump_on_output,
	.on_end = fpm_dump_on_end,
};

/* -n: php.ini and its extensions have no say in FPM's configuration, but may fail where a
 * sandbox forbids what they do. -R: root's own pools are a matter of the real master. */
static int fpm_dump_start(struct fpm_dump *dump, struct loop *loop,
			  const struct fpm_dump_params *params)
{
	const char *const argv[] = {
		params->binary, "-n", "-R", "-tt", "-y", dump->wrapper, NULL,
	};
	const struct child_params child = {
		.argv = argv,
		.limit_us = params->limit_us,
		.ops = &fpm_dump_child_ops,
		.userdata = dump,
	};

	return child_new(loop, &child, &dump->child);
}

int fpm_dump_new(struct loop *loop, const struct fpm_dump_params *params,
		 struct fpm_dump **ret_dump, const char **ret_what)
{
	struct fpm_dump *dump = calloc(1, sizeof(*dump));
	int r;

	*ret_what = "cannot write to runtime_dir";
	if (!dump)
		return -ENOMEM;
	dump->limit_us = params->limit_us;
	dump->on_end = params->on_end;
	dump->userdata = params->userdata;
	r = fpm_dump_make_wrapper(dump, params);
	if (r == -EINVAL)
		*ret_what = "this path cannot be written in a configuration of PHP-FPM";
	if (r == 0) {
		*ret_what = "cannot start a process";
		r = fpm_dump_start(dump, loop, params);
	}
	if (r < 0) {
		fpm_dump_free(dump);
		return r;
	}
	*ret_dump = dump;
	return 0;
}

struct fpm_dump *fpm_dump_free(struct fpm_dump *dump)
{
	if (!dump)
		return NULL;
	child_free(dump->child);
	fpm_dump_remove_wrapper(dump);
	free(dump->text);
	free(dump);
	return NULL;
}
