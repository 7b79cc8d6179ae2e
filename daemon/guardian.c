/* SPDX-License-Identifier: BSD-2-Clause */
/* The process between fpmgate and one php-fpm: it leaves nothing behind. */

/*
 * A php-fpm master that is killed leaves workers that go on accepting, and so does
 * fpmgate when it is killed itself. Whoever is to clean up then must be alive, and must
 * be able to tell whose the processes are. A guardian is both: it is a process of its
 * own, and as PR_SET_CHILD_SUBREAPER it becomes the parent of every orphan below it,
 * workers and what scripts have started alike, also of those that made a session of their
 * own. Being their parent it can kill them without a race: no pid is used again before it
 * has been waited for. It runs from the check of the configuration until waitpid() says
 * that there is no child any more.
 *
 * Who dies, and what holds (each is tested):
 *
 * - the master: the guardian sees SIGCHLD, kills the rest, reports, ends;
 * - fpmgate: the guardian gets its PR_SET_PDEATHSIG, kills everything, ends;
 * - the guardian, or it and fpmgate in the same instant: the kernel kills the process
 *   group of the master. php-fpm inherits the reading end of a pipe, the lifeline, whose
 *   only writing end is the guardian's. It is set up to send a signal when something
 *   happens on it (O_ASYNC), to the master's process group (F_SETOWN), and the signal is
 *   SIGKILL (F_SETSIG); the end of the last writer is something that happens. The right
 * to signal is that of the one who called F_SETOWN, so workers of another user are killed
 *   too. PR_SET_PDEATHSIG would reach the master alone: fork() clears it. What is missed
 *   in this case is what scripts have moved to process groups of their own.
 *
 * It is executed anew instead of only forked, since a copy of fpmgate would pin fpmgate's
 * memory for as long as php-fpm runs.
 */

#include "daemon/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/macros.h"

enum {
	GUARDIAN_EXIT_BUG = 70, /* sysexits.h */
	GUARDIAN_EXIT_SYSTEM = 71,
	GUARDIAN_SWEEP_MS = 10, /* between two looks for what is left */
	GUARDIAN_SWEEPS_MAX = 500,
};

struct guardian {
	char *const *argv;
	sigset_t signals; /* all that it looks at; blocked, as all others are */
	int notify_fd;
	int lifeline[2];
	pid_t child;      /* `php-fpm -t`, then the master; 0: it has been waited for */
	bool is_checked;  /* child is the master */
	bool is_ending;
};

static void guardian_tell(const struct guardian *guardian, enum guardian_event event,
			  int value)
{
	char text[64];
	int n = snprintf(text, sizeof(text), GUARDIAN_MESSAGE, (int)event, value);

	(void)send(guardian->notify_fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* in the child, between fork() and exec() */

/* Failing leaves what the guardian does itself, and nobody here to tell. */
static void guardian_hold_lifeline(int reading_end)
{
	int fd = dup(reading_end); /* without O_CLOEXEC */

	(void)fcntl(fd, F_SETOWN, -getpid());
	(void)fcntl(fd, F_SETSIG, SIGKILL);
	(void)fcntl(fd, F_SETFL, O_ASYNC);
}

/* Whoever protects fpmgate from the OOM killer does not mean PHP. */
static void guardian_reset_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char first = '0';

	if (fd >= 0 && read(fd, &first, 1) == 1 && first == '-')
		(void)!pwrite(fd, "0\n", 2, 0);
	(void)close_fd(fd);
}

static _Noreturn void guardian_exec(const struct guardian *guardian, pid_t parent)
{
	char *const *argv = guardian->argv;
	char check[] = "-t", run[] = "-F", to_stderr[] = "-O", from_file[] = "-y";
	char *args[] = {
		argv[GUARDIAN_ARG_PROGRAM], guardian->is_checked ? run : check, to_stderr,
		from_file, argv[GUARDIAN_ARG_FILE], argv[GUARDIAN_ARG_ROOT], NULL,
	};
	sigset_t none;

	(void)setpgid(0, 0);
	guardian_hold_lifeline(guardian->lifeline[0]);
	guardian_reset_oom_score();
	if (guardian->is_checked) /* told by the one that says READY=1, and before it */
		guardian_tell(guardian, GUARDIAN_STARTED, getpid());
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() == parent) { /* else the lifeline was cut before it was held */
		(void)execv(args[0], args);
		guardian_tell(guardian, GUARDIAN_NO_EXEC, errno);
	}
	_exit(GUARDIAN_EXIT_SYSTEM);
}

/* in the guardian */

static void guardian_spawn(struct guardian *guardian)
{
	pid_t self = getpid();
	pid_t pid = fork();

	if (pid == 0)
		guardian_exec(guardian, self);
	if (pid < 0) {
		guardian_tell(guardian, GUARDIAN_NO_EXEC, errno);
		guardian->is_ending = true;
		return;
	}
	guardian->child = pid;
}

static void guardian_on_child_end(struct guardian *guardian, int status)
{
	guardian->child = 0;
	if (guardian->is_checked) {
		guardian_tell(guardian, GUARDIAN_ENDED, status);
	} else if (status != 0) {
		guardian_tell(guardian, GUARDIAN_REFUSED, status);
	} else if (!guardian->is_ending) {
		guardian->is_checked = true;
		guardian_spawn(guardian);
		return;
	}
	guardian->is_ending = true;
}

/* Waits for all that have ended. False: there is no child left. */
static bool guardian_reap(struct guardian *guardian)
{
	siginfo_t info;
	int status;

	for (;;) {
		info.si_pid = 0;
		/* Only a look at first: while it has not been waited for, its process
		 * group cannot be another one. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return errno == EINTR;
		if (info.si_pid == 0)
			return true;
		if (info.si_pid == guardian->child)
			(void)kill(-guardian->child, SIGKILL);
		if (waitpid(info.si_pid, &status, 0) == guardian->child)
			guardian_on_child_end(guardian, status);
	}
}

static void guardian_watch(struct guardian *guardian)
{
	int signo;

	while (!guardian->is_ending) {
		signo = sigwaitinfo(&guardian->signals, NULL);
		if (signo == SIGCHLD)
			(void)guardian_reap(guardian);
		else if (signo == GUARDIAN_KILL || (signo > 0 && !guardian->is_checked))
			guardian->is_ending = true;
		else if (signo > 0 && guardian->child > 0)
			(void)kill(guardian->child, signo);
	}
}

/* Children as the kernel lists them, which may miss some while they come and go: the next
 * sweep finds those. Without CONFIG_PROC_CHILDREN only the process group is reached. */
static void guardian_kill_children(const struct guardian *guardian)
{
	char path[64];
	FILE *file;
	int pid;

	if (guardian->child > 0)
		(void)kill(-guardian->child, SIGKILL);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!file)
		return;
	while (fscanf(file, "%d", &pid) == 1)
		(void)kill(pid, SIGKILL);
	fclose(file);
}

/* False: something does not die, as one that waits for a disk for ever. */
static bool guardian_end(struct guardian *guardian)
{
	const struct timespec pause = { .tv_nsec = GUARDIAN_SWEEP_MS * 1000000 };

	for (int i = 0; i < GUARDIAN_SWEEPS_MAX; i++) {
		guardian_kill_children(guardian);
		if (!guardian_reap(guardian))
			return true;
		(void)sigtimedwait(&guardian->signals, NULL, &pause);
	}
	return false;
}

/* the start */

/* fpmgate raises its own limit as far as it goes; for PHP, and for what scripts start,
 * that would be a surprise. */
static void guardian_lower_files(const char *text)
{
	rlim_t files = strtoul(text, NULL, 10);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= files)
		return;
	limit.rlim_cur = files;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool guardian_connect(struct guardian *guardian)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = guardian->argv[GUARDIAN_ARG_NOTIFY];

	if (strlen(path) >= sizeof(address.sun_path) ||
	    setenv("NOTIFY_SOCKET", path, 1) < 0)
		return false;
	memcpy(address.sun_path, path, strlen(path));
	guardian->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return guardian->notify_fd >= 0 &&
	       connect(guardian->notify_fd, (const struct sockaddr *)&address,
		       sizeof(address)) == 0;
}

static bool guardian_take_signals(struct guardian *guardian)
{
	sigset_t all;

	sigemptyset(&guardian->signals);
	sigaddset(&guardian->signals, SIGCHLD);
	sigaddset(&guardian->signals, GUARDIAN_QUIT);
	sigaddset(&guardian->signals, GUARDIAN_TERM);
	sigaddset(&guardian->signals, GUARDIAN_KILL);
	sigfillset(&all);
	return sigprocmask(SIG_SETMASK, &all, NULL) == 0;
}

/* Behind guardian_take_signals(). False: fpmgate is dead already. */
static bool guardian_watch_parent(const char *pid)
{
	return prctl(PR_SET_PDEATHSIG, GUARDIAN_KILL) == 0 && getppid() == atoi(pid);
}

bool guardian_is_called(int argc, char *const argv[])
{
	return argc > GUARDIAN_ARG_FILE &&
	       strcmp(argv[GUARDIAN_ARG_NAME], GUARDIAN_NAME) == 0;
}

int guardian_run(char *const argv[])
{
	struct guardian guardian = { .argv = argv };

	(void)prctl(PR_SET_NAME, GUARDIAN_NAME);
	(void)umask(022); /* fpmgate's own is for its sockets */
	guardian_lower_files(argv[GUARDIAN_ARG_FILES]);
	if (!guardian_take_signals(&guardian) ||
	    !guardian_watch_parent(argv[GUARDIAN_ARG_PARENT]) ||
	    !guardian_connect(&guardian) || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
	    pipe2(guardian.lifeline, O_CLOEXEC) < 0)
		return GUARDIAN_EXIT_SYSTEM;
	guardian_spawn(&guardian);
	guardian_watch(&guardian);
	if (!guardian_end(&guardian)) {
		guardian_tell(&guardian, GUARDIAN_LEFT, 0);
		return GUARDIAN_EXIT_BUG;
	}
	return 0;
}
