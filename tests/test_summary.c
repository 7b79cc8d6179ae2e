/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/summary: the line that `systemctl status` shows. */
#include "daemon/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/macros.h"
#include "daemon/pool.h"

static struct conf_pool options[40];
static struct pool pools[40];
static char names[40][16];
static struct list list;

/* n pools that are well and do nothing. */
static void make_pools(size_t n)
{
	memset(pools, 0, sizeof(pools));
	list_init(&list);
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "pool%zu", i);
		options[i].name = names[i];
		pools[i].options = &options[i];
		pools[i].member.limit = pools[i].member.params.max_children = 8;
		list_append(&list, &pools[i].node);
	}
}

static const char *line(const char *note)
{
	static char text[SUMMARY_MAX_BYTES];

	return summary_print(&list, note, text, sizeof(text));
}

static void test_figures(void **state)
{
	(void)state;
	make_pools(1);
	assert_string_equal(line(NULL), "1 pool, 0 requests, 0 of them waiting");
	pools[0].n_exchanges = 1;
	assert_string_equal(line(NULL), "1 pool, 1 request, 0 of them waiting");
	make_pools(3);
	pools[0].n_exchanges = 5;
	pools[2].n_exchanges = 7;
	pools[2].queue.n_waiting = 4;
	assert_string_equal(line(NULL), "3 pools, 12 requests, 4 of them waiting");
}

static void test_who_is_not_well(void **state)
{
	(void)state;
	make_pools(3);
	pools[0].member.down = HEALTH_REASON_BACKEND_ABSENT;
	pools[0].member.limit = 1;
	pools[2].member.limit = 7;
	assert_string_equal(line(NULL),
			    "3 pools, 0 requests, 0 of them waiting; "
			    "pool0: backend_absent; pool2: workers_missing");
	assert_string_equal(line("an older configuration"),
			    "3 pools, 0 requests, 0 of them waiting; an older "
			    "configuration; pool0: backend_absent; pool2: "
			    "workers_missing");
}

/* All pools that do not fit are counted, and no word is cut. */
static void test_is_bounded(void **state)
{
	char text[SUMMARY_MAX_BYTES];
	const char *rest;
	unsigned n_left_out, n_shown = 0;

	(void)state;
	make_pools(40);
	for (size_t i = 0; i < 40; i++)
		pools[i].member.down = HEALTH_REASON_BACKEND_PERMISSION;
	summary_print(&list, NULL, text, sizeof(text));
	rest = strrchr(text, ';');
	assert_int_equal(sscanf(rest, "; %u more", &n_left_out), 1);
	for (const char *at = text; (at = strstr(at, "backend_permission")); at++)
		n_shown++;
	assert_true(n_shown > 5);
	assert_int_equal(n_shown + n_left_out, 40);
	for (size_t size = 1; size < sizeof(text); size++)
		assert_true(strlen(summary_print(&list, NULL, text, size)) < size);
}

static void manager_open(const char *path, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	*ret_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void assert_told(int fd, const char *expected)
{
	char text[1024] = "";
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	assert_string_equal(text, expected);
}

/* The first at once, then whatever has changed. */
static void test_manager_is_told(void **state)
{
	char folder[] = "/tmp/summary-XXXXXX", path[64];
	struct summary summary;
	struct loop *loop = NULL;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
	manager_open(path, &fd);
	setenv("NOTIFY_SOCKET", path, 1);
	make_pools(2);
	assert_int_equal(loop_new(&loop), 0);
	summary_init(&summary, loop, &list);
	assert_told(fd, "STATUS=2 pools, 0 requests, 0 of them waiting");
	summary.look.on_due(&summary.look);
	assert_int_equal(recv(fd, path, 1, 0), -1); /* nothing new */
	pools[1].member.down = HEALTH_REASON_BACKEND_REFUSED;
	summary.look.on_due(&summary.look);
	assert_told(fd, "STATUS=2 pools, 0 requests, 0 of them waiting; "
			"pool1: backend_refused");
	summary_done(&summary);
	assert_false(list_is_linked(&summary.look.node));
	unsetenv("NOTIFY_SOCKET");
	summary_init(&summary, loop, &list);
	assert_false(list_is_linked(&summary.look.node));
	loop_free(loop);
	close(fd);
	snprintf(path, sizeof(path), "%s/notify", folder);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_who_is_not_well),
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_manager_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
