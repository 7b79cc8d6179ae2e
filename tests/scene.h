/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What tests of daemon/ need around them: a folder of their own with files in it, a log
 * that can be read, and a loop that turns until something is so. One scene at a time.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/log.h"
#include "daemon/loop.h"

enum {
	SCENE_PATIENCE_MS = 20000, /* nothing takes that long, unless it never comes */
};

static struct {
	char folder[32];
	int real_stderr;
	struct loop *loop;
	char text[64 * 1024]; /* of scene_log() */
} scene;

static inline uint64_t scene_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The path of a file in the folder, in one of a few buffers. */
static inline const char *scene_path(const char *name)
{
	static char paths[8][256];
	static size_t next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", scene.folder, name);
	return path;
}

/* Writes a file of the folder as an editor that does not rename. */
static inline void scene_write(const char *name, const char *text)
{
	FILE *out = fopen(scene_path(name), "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* A shell script to be run. */
static inline const char *scene_script(const char *name, const char *text)
{
	char whole[4096];

	snprintf(whole, sizeof(whole), "#!/bin/sh\n%s", text);
	scene_write(name, whole);
	assert_int_equal(chmod(scene_path(name), 0755), 0);
	return scene_path(name);
}

/* What a file of the folder holds; "" when it is not there. Valid until the next call. */
static inline const char *scene_read(const char *name)
{
	int fd = open(scene_path(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, scene.text, sizeof(scene.text) - 1);

	if (fd >= 0)
		close(fd);
	assert_true(n >= 0);
	scene.text[n] = '\0';
	return scene.text;
}

/* What has been logged since scene_begin(). */
static inline const char *scene_log(void)
{
	return scene_read("log");
}

static inline unsigned scene_count(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

static inline unsigned scene_n_files(const char *prefix)
{
	DIR *folder = opendir(scene.folder);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(folder);
	return n;
}

/* Turns the loop until the condition holds. */
#define scene_turn_until(condition) \
	do { \
		uint64_t give_up_ms_ = scene_now_ms() + SCENE_PATIENCE_MS; \
		while (!(condition)) { \
			if (scene_now_ms() > give_up_ms_) \
				fail_msg("never: %s", #condition); \
			assert_true(loop_turn(scene.loop, 20) >= 0); \
		} \
	} while (0)

static inline void scene_turn_for(uint64_t ms)
{
	uint64_t end_ms = scene_now_ms() + ms;

	while (scene_now_ms() < end_ms)
		assert_true(loop_turn(scene.loop, 5) >= 0);
}

static inline int scene_begin(void **state)
{
	int fd;

	(void)state;
	snprintf(scene.folder, sizeof(scene.folder), "/tmp/fpmgate-XXXXXX");
	if (!mkdtemp(scene.folder) || chmod(scene.folder, 0755) < 0)
		return -1;
	scene.real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	fd = open(scene_path("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return -1;
	close(fd);
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_DEBUG);
	return loop_new(&scene.loop);
}

static inline int scene_remove(const char *path, const struct stat *st, int flag,
			       struct FTW *where)
{
	(void)st;
	(void)flag;
	(void)where;
	return remove(path);
}

static inline int scene_end(void **state)
{
	(void)state;
	scene.loop = loop_free(scene.loop);
	log_done();
	if (dup2(scene.real_stderr, STDERR_FILENO) < 0)
		return -1;
	close(scene.real_stderr);
	return nftw(scene.folder, scene_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#define scene_test(function) \
	cmocka_unit_test_setup_teardown(function, scene_begin, scene_end)
