/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The main() of fuzz targets in ordinary builds: runs the target over every file of its
 * corpus and prints TAP. A fault ends the program before its "ok" line.
 *
 * Usage: fuzz_NAME [FILE|FOLDER ...], by default $srcdir/tests/corpus/NAME.
 */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Files to replay, in order; grows as it is filled. */
struct corpus {
	char **paths;
	size_t n;
};

static void replay_fail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void replay_add(struct corpus *corpus, char *path)
{
	corpus->paths = realloc(corpus->paths, (corpus->n + 1) * sizeof(*corpus->paths));
	if (corpus->paths == NULL || path == NULL)
		replay_fail("memory");
	corpus->paths[corpus->n++] = path;
}

static int replay_is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_add_folder(struct corpus *corpus, const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, replay_is_shown, alphasort);

	if (n < 0)
		replay_fail(folder);
	for (int i = 0; i < n; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
			replay_fail("memory");
		replay_add(corpus, path);
		free(entries[i]);
	}
	free(entries);
}

static void replay_add_path(struct corpus *corpus, const char *path)
{
	struct stat stat_;

	if (stat(path, &stat_) < 0)
		replay_fail(path);
	if (S_ISDIR(stat_.st_mode))
		replay_add_folder(corpus, path);
	else
		replay_add(corpus, strdup(path));
}

/* The folder that belongs to the program's own name. */
static void replay_add_own(struct corpus *corpus, const char *program)
{
	static const char prefix[] = "fuzz_";
	const char *srcdir = getenv("srcdir"), *slash = strrchr(program, '/');
	const char *name = slash != NULL ? slash + 1 : program;
	char path[4096];

	if (strncmp(name, prefix, strlen(prefix)) == 0)
		name += strlen(prefix);
	snprintf(path, sizeof(path), "%s/tests/corpus/%s", srcdir != NULL ? srcdir : ".",
		 name);
	replay_add_path(corpus, path);
}

/* In memory of exactly the file's size, so that a sanitizer sees every read past it. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat stat_;
	uint8_t *bytes;
	size_t n;

	if (file == NULL || fstat(fileno(file), &stat_) < 0)
		replay_fail(path);
	n = (size_t)stat_.st_size;
	bytes = malloc(n > 0 ? n : 1);
	if (bytes == NULL || fread(bytes, 1, n, file) != n)
		replay_fail(path);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
}

int main(int argc, char **argv)
{
	struct corpus corpus = { 0 };

	for (int i = 1; i < argc; i++)
		replay_add_path(&corpus, argv[i]);
	if (argc == 1)
		replay_add_own(&corpus, argv[0]);
	if (corpus.n == 0) {
		errno = ENOENT;
		replay_fail("corpus");
	}
	printf("1..%zu\n", corpus.n);
	for (size_t i = 0; i < corpus.n; i++) {
		replay_file(corpus.paths[i]);
		printf("ok %zu - %s\n", i + 1, strrchr(corpus.paths[i], '/') != NULL ?
						       strrchr(corpus.paths[i], '/') + 1 :
						       corpus.paths[i]);
		fflush(stdout);
		free(corpus.paths[i]);
	}
	free(corpus.paths);
	return EXIT_SUCCESS;
}
