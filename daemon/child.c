/* SPDX-License-Identifier: BSD-2-Clause */
/* A helper process: started, watched, read from, ended. */

/*
 * Two descriptors tell about a child: the pipe that it writes to, and its pidfd, which
 * becomes readable when it has ended. The end of the pipe says nothing, as children of
 * the child may hold on to it; so the pidfd rules, and what is in the pipe at that
 * instant is read before the end is told.
 *
 * Between fork() and exec() the daemon's memory is a copy and there is one thread, so
 * what runs there may be ordinary code; it must only come to an end. A failure of exec()
 * is told through the pipe, as a line of output and exit code 127: waiting for exec() in
 * the loop would hang with it on a dead file system.
 */

#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/macros.h"

enum {
	CHILD_CODE_NOT_RUN = 127, /* as a shell has it */
	CHILD_REAP_MS = 200,      /* SIGKILL takes a few, but for a call that hangs in the
				   * kernel: such a child is left to init */
	CHILD_TURN_READS = 2,     /* of LOOP_SCRATCH_BYTES, then others have their turn */
	CHILD_END_READS = 16,     /* more than a pipe can hold, if it is not root's */
};

struct child {
	struct loop *loop;
	const struct child_ops *ops;
	void *userdata;
	pid_t pid;                   /* 0: reaped */
	struct loop_source end;      /* its pidfd */
	struct loop_source output;   /* the pipe; -1 behind its end */
	struct loop_task read_again;
	struct loop_deadline limit;
	bool is_overdue;
};

/* What the service manager said to the daemon alone. */
static bool child_is_private(const char *variable)
{
	static const char *const names[] = {
		"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "LISTEN_FDS=",
		"LISTEN_PID=", "LISTEN_FDNAMES=", "MAINPID=", "MANAGERPID=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The child's environment: a list to be freed, of strings that are not ours. */
static char **child_environment(void)
{
	char **list;
	size_t n = 1;

	for (char **variable = environ; *variable; variable++)
		n++;
	list = calloc(n, sizeof(*list));
	if (!list)
		return NULL;
	n = 0;
	for (char **variable = environ; *variable; variable++)
		if (!child_is_private(*variable))
			list[n++] = *variable;
	return list;
}

/* in the child */

static void child_reset_signals(void)
{
	sigset_t none;

	/* a few cannot be set: SIGKILL, SIGSTOP, and those of the C library */
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_die_with(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has died before */
		(void)raise(SIGKILL);
}

static _Noreturn void child_run(const char *const *argv, char **environment,
				int output_fd, pid_t parent)
{
	int null_fd = open("/dev/null", O_RDWR);

	(void)setsid();
	child_die_with(parent);
	if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
	    dup2(output_fd, STDOUT_FILENO) >= 0 && dup2(output_fd, STDERR_FILENO) >= 0) {
		/* ours are CLOEXEC; this is for those that a library has opened */
		(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
		child_reset_signals();
		/* execve() does not change them */
		(void)execve(argv[0], (char *const *)(uintptr_t)argv, environment);
	}
	dprintf(output_fd, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(CHILD_CODE_NOT_RUN);
}

/* output */

/* Hands on what is there, at most n_reads times a scratch. True: there may be more. */
static bool child_read(struct child *child, int n_reads)
{
	char *scratch = (char *)loop_scratch(child->loop);
	ssize_t n;

	while (child->output.fd >= 0 && n_reads > 0) {
		n = read(child->output.fd, scratch, LOOP_SCRATCH_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			loop_remove(child->loop, &child->output);
			child->output.fd = close_fd(child->output.fd);
			return false;
		}
		child->ops->on_output(child->userdata, scratch, (size_t)n);
		n_reads--;
	}
	return child->output.fd >= 0;
}

static void child_read_a_turn(struct child *child)
{
	if (child_read(child, CHILD_TURN_READS))
		loop_defer(child->loop, &child->read_again);
}

static void child_on_output(struct loop_source *source, uint32_t events)
{
	(void)events;
	child_read_a_turn(container_of(source, struct child, output));
}

static void child_on_read_again(struct loop_task *task)
{
	child_read_a_turn(container_of(task, struct child, read_again));
}

/* the end */

/* Kills what is left of the process group and reaps its leader, which has ended: until
 * that is done nobody else can have this number. */
static void child_reap(struct child *child, struct child_end *ret)
{
	siginfo_t info = { 0 };

	*ret = (struct child_end){ .is_overdue = child->is_overdue };
	if (waitid(P_PIDFD, (id_t)child->end.fd, &info, WEXITED | WNOHANG | WNOWAIT) ==
		    0 &&
	    info.si_pid == child->pid) {
		(void)kill(-child->pid, SIGKILL);
		(void)waitid(P_PIDFD, (id_t)child->end.fd, &info, WEXITED | WNOHANG);
		ret->is_known = true;
		ret->code = info.si_code == CLD_EXITED ? info.si_status : 0;
		ret->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	}
	child->pid = 0;
}

static void child_release(struct child *child)
{
	loop_cancel(&child->read_again);
	loop_deadline_clear(&child->limit);
	loop_remove(child->loop, &child->output);
	loop_remove(child->loop, &child->end);
	child->output.fd = close_fd(child->output.fd);
	child->end.fd = close_fd(child->end.fd);
}

static void child_on_end(struct loop_source *source, uint32_t events)
{
	struct child *child = container_of(source, struct child, end);
	struct child_end end;

	(void)events;
	(void)child_read(child, CHILD_END_READS);
	child_reap(child, &end);
	child_release(child);
	child->ops->on_end(child->userdata, &end);
}

static void child_on_limit(struct loop_deadline *deadline)
{
	struct child *child = container_of(deadline, struct child, limit);

	child->is_overdue = true;
	(void)child_kill(child, SIGKILL);
}

/* life */

/* Forks; the pipe's ends are the caller's. The pid and its pidfd, or an errno. */
static int child_fork(struct child *child, const char *const *argv, int output_fd)
{
	char **environment = child_environment();
	pid_t parent = getpid();
	int r = 0;

	if (!environment)
		return -ENOMEM;
	child->pid = fork();
	if (child->pid == 0)
		child_run(argv, environment, output_fd, parent);
	if (child->pid < 0)
		r = -errno;
	free(environment);
	if (r < 0) {
		child->pid = 0;
		return r;
	}
	child->end.fd = pidfd_open(child->pid, 0);
	return child->end.fd < 0 ? -errno : 0;
}

static int child_watch(struct child *child, uint64_t limit_us)
{
	int r;

	child->end.on_ready = child_on_end;
	child->output.on_ready = child_on_output;
	child->read_again.run = child_on_read_again;
	child->limit.on_due = child_on_limit;
	r = loop_add(child->loop, &child->output, EPOLLIN);
	if (r == 0)
		r = loop_add(child->loop, &child->end, EPOLLIN);
	if (r == 0 && limit_us > 0)
		loop_deadline_start(loop_deadline_list(child->loop, limit_us),
				    &child->limit);
	return r;
}

int child_new(struct loop *loop, const struct child_params *params,
	      struct child **ret_child)
{
	struct child *child = calloc(1, sizeof(*child));
	int fds[2] = { -1, -1 }, r;

	if (!child)
		return -ENOMEM;
	child->loop = loop;
	child->ops = params->ops;
	child->userdata = params->userdata;
	child->end.fd = child->output.fd = -1;
	r = pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0;
	child->output.fd = fds[0];
	/* the child's end stays blocking */
	if (r == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = child_fork(child, params->argv, fds[1]);
	close_fd(fds[1]);
	if (r == 0)
		r = child_watch(child, params->limit_us);
	if (r < 0) {
		child_free(child);
		return r;
	}
	*ret_child = child;
	return 0;
}

struct child *child_free(struct child *child)
{
	struct child_end end;

	if (!child)
		return NULL;
	if (child->end.fd >= 0 && child->pid > 0) {
		struct pollfd ended = { .fd = child->end.fd, .events = POLLIN };

		(void)child_kill(child, SIGKILL);
		(void)poll(&ended, 1, CHILD_REAP_MS);
		child_reap(child, &end);
	} else if (child->pid > 0) {
		/* without a pidfd: it has just been started and not been reaped */
		(void)kill(child->pid, SIGKILL);
		(void)waitpid(child->pid, NULL, 0);
	}
	child_release(child);
	free(child);
	return NULL;
}

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

int child_kill(struct child *child, int signal)
{
	if (child->pid == 0)
		return -ESRCH;
	return pidfd_send_signal(child->end.fd, signal, NULL, 0) < 0 ? -errno : 0;
}

const char *child_describe(const struct child_end *end, uint64_t limit_us, char *text,
			   size_t size)
{
	if (end->is_overdue)
		snprintf(text, size, "was killed after %.3g s", (double)limit_us / 1e6);
	else if (!end->is_known)
		snprintf(text, size, "has ended");
	else if (end->signal > 0)
		snprintf(text, size, "was killed by signal %d (%s)", end->signal,
			 strsignal(end->signal));
	else
		snprintf(text, size, "exited with code %d", end->code);
	return text;
}
