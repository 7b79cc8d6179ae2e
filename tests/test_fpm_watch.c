/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/fpm_watch: which changes of files are noticed, and when. */
#include "daemon/fpm_watch.h"

#include "tests/scene.h"

static struct fpm_watch watch;
static unsigned n_changes;
static uint64_t changed_ms;

static void on_change(void *userdata)
{
	assert_ptr_equal(userdata, &n_changes);
	n_changes++;
	changed_ms = scene_now_ms();
}

/* Watches a file of the folder and a pattern, as a look would: anew after each change. */
static void watch_anew(const char *file, const char *pattern)
{
	n_changes = 0;
	if (!watch.loop)
		fpm_watch_init(&watch, scene.loop, &n_changes, on_change);
	fpm_watch_clear(&watch);
	fpm_watch_add_file(&watch, scene_path(file));
	if (pattern)
		fpm_watch_add_pattern(&watch, scene_path(pattern));
	scene_turn_for(20);
	assert_int_equal(n_changes, 0);
}

static int end(void **state)
{
	fpm_watch_done(&watch);
	memset(&watch, 0, sizeof(watch));
	return scene_end(state);
}

#define watch_test(function) cmocka_unit_test_setup_teardown(function, scene_begin, end)

static void expect_change(void)
{
	uint64_t start_ms = scene_now_ms();

	scene_turn_until(n_changes > 0);
	assert_true(changed_ms - start_ms <= 1500); /* 200 ms on an idle machine */
	assert_int_equal(n_changes, 1);
}

static void expect_nothing(void)
{
	scene_turn_for(350);
	assert_int_equal(n_changes, 0);
}

static void test_written(void **state)
{
	(void)state;
	scene_write("a.conf", "1");
	watch_anew("a.conf", NULL);
	scene_write("a.conf", "2");
	expect_change();
	watch_anew("a.conf", NULL);
	scene_write("b.conf", "2"); /* another one beside it */
	expect_nothing();
	(void)scene_read("a.conf"); /* reading is no change */
	expect_nothing();
}

static void test_replaced_by_a_rename(void **state)
{
	(void)state;
	scene_write("a.conf", "1");
	for (int i = 0; i < 3; i++) { /* a new file each time */
		watch_anew("a.conf", NULL);
		scene_write("a.conf.new", "2");
		assert_int_equal(rename(scene_path("a.conf.new"), scene_path("a.conf")),
				 0);
		expect_change();
	}
}

static void test_gone_and_back(void **state)
{
	(void)state;
	scene_write("a.conf", "1");
	watch_anew("a.conf", NULL);
	assert_int_equal(unlink(scene_path("a.conf")), 0);
	expect_change();
	watch_anew("a.conf", NULL);
	scene_write("a.conf", "1");
	expect_change();
	watch_anew("a.conf", NULL);
	assert_int_equal(rename(scene_path("a.conf"), scene_path("b.conf")), 0);
	expect_change();
}

static void test_rights_given(void **state)
{
	(void)state;
	scene_write("a.conf", "1");
	watch_anew("a.conf", NULL);
	assert_int_equal(chmod(scene_path("a.conf"), 0600), 0);
	expect_change();
}

static void test_behind_a_link(void **state)
{
	(void)state;
	assert_int_equal(mkdir(scene_path("real"), 0755), 0);
	scene_write("real/www.conf", "1");
	assert_int_equal(symlink(scene_path("real/www.conf"), scene_path("a.conf")), 0);
	watch_anew("a.conf", NULL);
	scene_write("real/www.conf", "2");
	expect_change();
	watch_anew("a.conf", NULL);
	scene_write("real/new", "3");
	assert_int_equal(rename(scene_path("real/new"), scene_path("real/www.conf")), 0);
	expect_change();
}

static void test_pattern(void **state)
{
	(void)state;
	assert_int_equal(mkdir(scene_path("pool.d"), 0755), 0);
	scene_write("a.conf", "1");
	watch_anew("a.conf", "pool.d/*.conf");
	scene_write("pool.d/www.conf", "1");
	expect_change();
	watch_anew("a.conf", "pool.d/*.conf");
	scene_write("pool.d/www.conf~", "1");
	scene_write("pool.d/.www.conf", "1");
	expect_nothing();
	assert_int_equal(
		rename(scene_path("pool.d/www.conf~"), scene_path("pool.d/x.conf")), 0);
	expect_change();
	watch_anew("a.conf", "pool.d/*.conf");
	assert_int_equal(unlink(scene_path("pool.d/x.conf")), 0);
	expect_change();
}

/* The folder of the file is the folder of the pattern. */
static void test_pattern_in_the_same_folder(void **state)
{
	(void)state;
	scene_write("php-fpm.ini", "1");
	watch_anew("php-fpm.ini", "*.conf");
	scene_write("x.conf", "1");
	expect_change();
	watch_anew("php-fpm.ini", "*.conf");
	scene_write("php-fpm.ini", "1");
	expect_change();
	watch_anew("php-fpm.ini", "*.conf");
	scene_write("other.ini", "1");
	expect_nothing();
}

static void test_many_changes_are_told_once(void **state)
{
	uint64_t start_ms;

	(void)state;
	do { /* again on a machine that was too busy to be quick about it */
		scene_write("a.conf", "1");
		watch_anew("a.conf", NULL);
		start_ms = scene_now_ms();
		for (int i = 0; i < 8; i++) {
			scene_write("a.conf", "2");
			scene_turn_for(5);
		}
	} while (scene_now_ms() - start_ms > 150);
	assert_int_equal(n_changes, 0);
	expect_change();
	assert_in_range(changed_ms - start_ms, 195, 1500);
	scene_turn_for(300);
	assert_int_equal(n_changes, 1); /* still the one */
}

/* One that is written all the time is told of all the same. */
static void test_changes_that_do_not_end(void **state)
{
	uint64_t end_ms = scene_now_ms() + 900;

	(void)state;
	scene_write("a.conf", "1");
	watch_anew("a.conf", NULL);
	while (scene_now_ms() < end_ms) {
		scene_write("a.conf", "2");
		scene_turn_for(20);
	}
	assert_in_range(n_changes, 1, 4);
}

static void test_forgets_when_cleared(void **state)
{
	(void)state;
	scene_write("a.conf", "1");
	watch_anew("a.conf", NULL);
	scene_write("a.conf", "2");
	scene_turn_for(50);
	fpm_watch_clear(&watch);
	expect_nothing();
	watch_anew("none/a.conf", NULL);
	fpm_watch_clear(&watch);
	assert_false(list_is_linked(&watch.look.node));
	fpm_watch_done(&watch);
	fpm_watch_done(&watch);
}

static void test_folder_that_is_not_there(void **state)
{
	(void)state;
	watch_anew("none/a.conf", NULL);
	assert_int_equal(watch.n, 0);
	assert_true(list_is_linked(&watch.look.node));
	/* thirty seconds, brought forward */
	watch.look.at_us = 0;
	expect_change();
	assert_false(list_is_linked(&watch.look.node));
	assert_int_equal(mkdir(scene_path("none"), 0755), 0);
	watch_anew("none/a.conf", NULL);
	assert_false(list_is_linked(&watch.look.node));
	scene_write("none/a.conf", "1");
	expect_change();
	/* and the folder goes */
	watch_anew("none/a.conf", NULL);
	assert_int_equal(unlink(scene_path("none/a.conf")), 0);
	assert_int_equal(rmdir(scene_path("none")), 0);
	expect_change();
}

static void test_more_places_than_there_is_room_for(void **state)
{
	(void)state;
	scene_write("a.conf", "1");
	watch_anew("a.conf", NULL);
	for (int i = 0; i < 2 * FPM_WATCH_PLACES_MAX; i++)
		fpm_watch_add_pattern(&watch, scene_path("*.none"));
	assert_int_equal(watch.n, FPM_WATCH_PLACES_MAX);
	assert_true(list_is_linked(&watch.look.node));
	scene_write("a.conf", "2");
	expect_change();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		watch_test(test_written),
		watch_test(test_replaced_by_a_rename),
		watch_test(test_gone_and_back),
		watch_test(test_rights_given),
		watch_test(test_behind_a_link),
		watch_test(test_pattern),
		watch_test(test_pattern_in_the_same_folder),
		watch_test(test_many_changes_are_told_once),
		watch_test(test_changes_that_do_not_end),
		watch_test(test_forgets_when_cleared),
		watch_test(test_folder_that_is_not_there),
		watch_test(test_more_places_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
