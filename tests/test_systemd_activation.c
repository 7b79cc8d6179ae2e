/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Tests of systemd/activation.h. Each runs in a child of its own, since inherited
 * descriptors start at 3 and $LISTEN_PID must be right; what a child finds wrong it
 * prints, and its exit status tells.
 */

#include "systemd/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1); \
		} \
	} while (0)

enum { FIRST_FD = 3 };

static void in_child(void (*run)(void))
{
	int status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		run();
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A listening socket as descriptor `fd`; blocking and without CLOEXEC, as they come. */
static void put_listener(int fd)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(s >= 0);
	/* An address of the family alone is an abstract one of the kernel's choice. */
	CHECK(bind(s, (const struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
	CHECK(listen(s, 8) == 0);
	if (s != fd) {
		CHECK(dup2(s, fd) == fd);
		close(s);
	}
}

static void set_environment(int n, const char *names)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
}

static void inherit(int n, const char *names)
{
	for (int i = 0; i < n; i++)
		put_listener(FIRST_FD + i);
	set_environment(n, names);
}

static bool is_same_file(int fd, int other_fd)
{
	struct sockaddr_un a = { 0 }, b = { 0 };
	socklen_t n_a = sizeof(a), n_b = sizeof(b);

	CHECK(getsockname(fd, (struct sockaddr *)&a, &n_a) == 0);
	CHECK(getsockname(other_fd, (struct sockaddr *)&b, &n_b) == 0);
	return n_a == n_b && memcmp(&a, &b, n_a) == 0;
}

static void run_nothing(void)
{
	struct activation *activation = NULL;
	int fd = -1;

	CHECK(activation_new(&activation) == 0);
	CHECK(activation_n_fds(activation) == 0);
	CHECK(activation_lend(activation, "www", &fd, 1) == 0);
	activation_keep_only(activation, NULL, NULL, NULL);
	CHECK(!activation_free(activation));
	CHECK(!activation_free(NULL));
}

static void test_nothing(void **test_state)
{
	(void)test_state;
	in_child(run_nothing);
}

static void run_by_name(void)
{
	struct activation *activation = NULL;
	int fds[4] = { -1, -1, -1, -1 };

	inherit(3, "www:shop:www");
	CHECK(activation_new(&activation) == 0);
	CHECK(activation_n_fds(activation) == 3);
	CHECK(activation_lend(activation, "shop", fds, 4) == 1);
	CHECK(is_same_file(fds[0], FIRST_FD + 1));
	close(fds[0]);
	CHECK(activation_lend(activation, "www", fds, 4) == 2);
	CHECK(is_same_file(fds[0], FIRST_FD) && is_same_file(fds[1], FIRST_FD + 2));
	CHECK(activation_lend(activation, "ww", fds, 4) == 0);
	activation_free(activation);
}

static void test_by_name(void **test_state)
{
	(void)test_state;
	in_child(run_by_name);
}

static void run_flags(void)
{
	struct activation *activation = NULL;
	int fd = -1;

	inherit(1, "www");
	CHECK(activation_new(&activation) == 0);
	CHECK(fcntl(FIRST_FD, F_GETFD) & FD_CLOEXEC);
	CHECK(activation_lend(activation, "www", &fd, 1) == 1);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID"));
	CHECK(!getenv("LISTEN_FDNAMES"));
	activation_free(activation);
}

static void test_flags(void **test_state)
{
	(void)test_state;
	in_child(run_flags);
}

/* A reload closes the listener, another one wants it back: who connected in between
 * is still there. */
static void run_lend_again(void)
{
	struct activation *activation = NULL;
	struct sockaddr_un address;
	socklen_t n_address = sizeof(address);
	int fd = -1, visitor;

	inherit(1, "www");
	CHECK(activation_new(&activation) == 0);
	CHECK(activation_lend(activation, "www", &fd, 1) == 1);
	CHECK(getsockname(fd, (struct sockaddr *)&address, &n_address) == 0);
	close(fd);
	visitor = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(connect(visitor, (const struct sockaddr *)&address, n_address) == 0);
	CHECK(activation_lend(activation, "www", &fd, 1) == 1);
	CHECK(accept(fd, NULL, NULL) >= 0);
	activation_free(activation);
	/* What was lent outlives the lender. */
	CHECK(fcntl(fd, F_GETFD) >= 0);
}

static void test_lend_again(void **test_state)
{
	(void)test_state;
	in_child(run_lend_again);
}

static bool is_www(const char *name, void *userdata)
{
	(void)userdata;
	return strcmp(name, "www") == 0;
}

static void note_closed(const char *name, void *userdata)
{
	char *notes = userdata;

	strcat(notes, name);
	strcat(notes, ",");
}

static void run_keep_only(void)
{
	struct activation *activation = NULL;
	char notes[64] = "";
	int fd = -1;

	inherit(4, "old:www:stale:old");
	CHECK(activation_new(&activation) == 0);
	activation_keep_only(activation, is_www, note_closed, notes);
	CHECK(strcmp(notes, "old,stale,old,") == 0);
	CHECK(activation_n_fds(activation) == 1);
	CHECK(fcntl(FIRST_FD, F_GETFD) < 0 && errno == EBADF);
	CHECK(fcntl(FIRST_FD + 2, F_GETFD) < 0 && fcntl(FIRST_FD + 3, F_GETFD) < 0);
	CHECK(activation_lend(activation, "old", &fd, 1) == 0);
	CHECK(activation_lend(activation, "www", &fd, 1) == 1);
	CHECK(is_same_file(fd, FIRST_FD + 1));
	activation_keep_only(activation, is_www, NULL, NULL);
	CHECK(activation_n_fds(activation) == 1);
	activation_free(activation);
	CHECK(fcntl(FIRST_FD + 1, F_GETFD) < 0);
}

static void test_keep_only(void **test_state)
{
	(void)test_state;
	in_child(run_keep_only);
}

static void run_not_listening(void)
{
	struct activation *activation = NULL;
	int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
	int connected = socket(AF_UNIX, SOCK_STREAM, 0);
	int fds[3];

	CHECK(datagram == FIRST_FD && connected == FIRST_FD + 1);
	put_listener(FIRST_FD + 2);
	set_environment(3, "datagram:mixed:mixed");
	CHECK(activation_new(&activation) == 0);
	CHECK(activation_lend(activation, "datagram", fds, 3) == -ENOTSOCK);
	CHECK(activation_lend(activation, "mixed", fds, 3) == -ENOTSOCK);
	CHECK(fcntl(FIRST_FD + 3, F_GETFD) < 0); /* none left over */
	activation_free(activation);
}

static void test_not_listening(void **test_state)
{
	(void)test_state;
	in_child(run_not_listening);
}

static void run_all_or_none(void)
{
	struct activation *activation = NULL;
	struct rlimit limit;
	int fds[2];

	inherit(2, "www:www");
	CHECK(activation_new(&activation) == 0);
	CHECK(activation_lend(activation, "www", fds, 1) == -ENOBUFS);
	CHECK(fcntl(FIRST_FD + 2, F_GETFD) < 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = FIRST_FD + 3;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(activation_lend(activation, "www", fds, 2) == -EMFILE);
	CHECK(fcntl(FIRST_FD + 2, F_GETFD) < 0);
	activation_free(activation);
}

static void test_all_or_none(void **test_state)
{
	(void)test_state;
	in_child(run_all_or_none);
}

static void run_no_names(void)
{
	struct activation *activation = NULL;
	int fd = -1;

	inherit(1, NULL);
	CHECK(activation_new(&activation) == 0);
	/* systemd's word for what has no name. */
	CHECK(activation_lend(activation, "unknown", &fd, 1) == 1);
	activation_free(activation);
}

static void test_no_names(void **test_state)
{
	(void)test_state;
	in_child(run_no_names);
}

static void run_for_another_process(void)
{
	struct activation *activation = NULL;

	inherit(1, "www");
	setenv("LISTEN_PID", "1", 1);
	CHECK(activation_new(&activation) == 0);
	CHECK(activation_n_fds(activation) == 0);
	CHECK(fcntl(FIRST_FD, F_GETFD) >= 0);
	activation_free(activation);
}

static void test_for_another_process(void **test_state)
{
	(void)test_state;
	in_child(run_for_another_process);
}

static void run_broken_environment(void)
{
	struct activation *activation = NULL;

	inherit(1, "www");
	setenv("LISTEN_FDS", "many", 1);
	CHECK(activation_new(&activation) == -EINVAL);
	CHECK(!activation);
}

static void test_broken_environment(void **test_state)
{
	(void)test_state;
	in_child(run_broken_environment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_lend_again),
		cmocka_unit_test(test_keep_only),
		cmocka_unit_test(test_not_listening),
		cmocka_unit_test(test_all_or_none),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_for_another_process),
		cmocka_unit_test(test_broken_environment),
	};

	/* Under a test runner 3 and more may be in use. */
	closefrom(FIRST_FD);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
