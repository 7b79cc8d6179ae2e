/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of daemon/list.h and daemon/macros.h. */

#include "daemon/list.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
	int number;
	struct list place;
};

struct fixture {
	struct list head;
	struct item items[4];
};

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	list_init(&f->head);
	for (size_t i = 0; i < ARRAY_SIZE(f->items); i++) {
		f->items[i].number = (int)i;
		list_append(&f->head, &f->items[i].place);
	}
}

/* The numbers in list order as the digits of one number; walks backwards as well. */
static int digits(struct list *head)
{
	int forward = 0, backward = 0, unit = 1;
	struct item *item;

	LIST_FOREACH(item, head, place)
		forward = forward * 10 + item->number;
	assert_null(item);
	for (struct list *place = head->prev; place != head; place = place->prev) {
		backward += unit * container_of(place, struct item, place)->number;
		unit *= 10;
	}
	assert_int_equal(forward, backward);
	return forward;
}

static void test_order(void **test_state)
{
	struct fixture f;
	struct item first = { .number = 7 }, between = { .number = 8 };

	(void)test_state;
	fixture_init(&f);
	assert_int_equal(digits(&f.head), 123);
	list_prepend(&f.head, &first.place);
	assert_int_equal(digits(&f.head), 70123);
	list_insert_after(&f.items[1].place, &between.place);
	assert_int_equal(digits(&f.head), 701823);
	assert_ptr_equal(LIST_FIRST(&f.head, struct item, place), &first);
	assert_ptr_equal(LIST_LAST(&f.head, struct item, place), &f.items[3]);
	assert_ptr_equal(list_first(&f.head), &first.place);
	assert_ptr_equal(list_last(&f.head), &f.items[3].place);
}

static void test_empty(void **test_state)
{
	struct list head;
	struct item *item;

	(void)test_state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	assert_null(list_first(&head));
	assert_null(list_last(&head));
	assert_null(LIST_FIRST(&head, struct item, place));
	assert_null(LIST_LAST(&head, struct item, place));
	LIST_FOREACH(item, &head, place)
		fail();
	LIST_FOREACH_SAFE(item, &head, place)
		fail();
}

static void test_remove(void **test_state)
{
	struct fixture f;

	(void)test_state;
	fixture_init(&f);
	list_remove(&f.items[1].place);
	assert_false(list_is_linked(&f.items[1].place));
	assert_true(list_is_linked(&f.items[2].place));
	assert_int_equal(digits(&f.head), 23);
	/* Again, and the neighbours notice nothing. */
	list_remove(&f.items[1].place);
	assert_int_equal(digits(&f.head), 23);
	list_append(&f.head, &f.items[1].place);
	assert_int_equal(digits(&f.head), 231);
}

static void test_unlinked(void **test_state)
{
	struct list zero = { 0 }, fresh;

	(void)test_state;
	list_init(&fresh);
	assert_false(list_is_linked(&zero));
	assert_false(list_is_linked(&fresh));
	list_remove(&zero);
	list_remove(&fresh);
	assert_false(list_is_linked(&zero));
	assert_false(list_is_linked(&fresh));
}

static void test_safe_walk(void **test_state)
{
	struct fixture f;
	struct item *item;

	(void)test_state;
	fixture_init(&f);
	LIST_FOREACH_SAFE(item, &f.head, place) {
		if (item->number != 2)
			list_remove(&item->place);
		item = NULL; /* as if freed */
	}
	assert_int_equal(digits(&f.head), 2);
}

static void test_walk_with_break(void **test_state)
{
	struct fixture f;
	struct item *item;

	(void)test_state;
	fixture_init(&f);
	LIST_FOREACH(item, &f.head, place) {
		if (item->number == 2)
			break;
	}
	assert_ptr_equal(item, &f.items[2]);
}

static void test_min_max(void **test_state)
{
	int n = 1;

	(void)test_state;
	assert_int_equal(MIN(2, 3), 2);
	assert_int_equal(MIN(3, 2), 2);
	assert_int_equal(MAX(2, 3), 3);
	assert_int_equal(MAX(MIN(n++, 5), MIN(7, MAX(2, 1))), 2);
	assert_int_equal(n, 2);
}

static void test_constants(void **test_state)
{
	static const char *const words[] = { "a", "b", "c" };
	_Static_assert(STRLEN("Status: ") == 8, "a constant");

	(void)test_state;
	assert_int_equal(ARRAY_SIZE(words), 3);
}

static void test_cleanup(void **test_state)
{
	int leaked, kept;

	(void)test_state;
	{
		_cleanup_close_ int closed_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_close_ int kept_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_close_ _unused_ int no_fd = -1;
		_cleanup_free_ _unused_ char *freed = malloc(16); /* ASan watches */

		assert_true(closed_fd >= 0);
		leaked = closed_fd;
		kept = steal_fd(&kept_fd);
	}
	assert_int_equal(fcntl(leaked, F_GETFD), -1);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	kept = close_fd(kept);
	assert_int_equal(kept, -1);
}

static char *steal_from(void)
{
	_cleanup_free_ char *text = malloc(16);

	return steal_ptr(text);
}

static void test_steal(void **test_state)
{
	_cleanup_free_ char *text = steal_from();

	(void)test_state;
	assert_non_null(text);
	text[0] = 'x'; /* not freed behind our back: ASan watches */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_unlinked),
		cmocka_unit_test(test_safe_walk),
		cmocka_unit_test(test_walk_with_break),
		cmocka_unit_test(test_min_max),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_cleanup),
		cmocka_unit_test(test_steal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
