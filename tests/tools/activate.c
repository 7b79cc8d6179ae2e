/* SPDX-License-Identifier: BSD-2-Clause */
/* Plays socket activation: holds listening sockets and runs a program on them. */

/*
 * activate PIDFILE NAME=ADDRESS... -- COMMAND [ARG...]
 *
 * Listens on each ADDRESS (path, @abstract, PORT, HOST:PORT), then runs COMMAND with the
 * sockets from descriptor 3 on and LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES set, as systemd
 * does. PIDFILE holds the pid of the run that is going on. Whenever it ends it is started
 * again at once on the same sockets, which stay open in between: connections wait in the
 * backlog. A run that ends within 100 ms of its start is counted; the tenth in a row ends
 * the program with 1. SIGTERM is passed on, and when that run ends the program does too,
 * with its status.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/net.h"

#define SOCKETS_MAX 16
#define FIRST_FD 3
#define QUICK_US 100000
#define QUICK_MAX 10

static volatile sig_atomic_t activate_child;
static volatile sig_atomic_t activate_stop;

/* The sockets and their names, as the program will get them. */
struct sockets {
	int fds[SOCKETS_MAX];
	int n_fds;
	char names[1024];
};

static void activate_on_signal(int signal)
{
	activate_stop = 1;
	if (activate_child > 0)
		kill(activate_child, signal);
}

/* A signal between fork() and activate_child would be lost. */
static void activate_block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(how, &set, NULL);
}

static void sockets_add(struct sockets *sockets, const char *text)
{
	struct net_address address;
	size_t n = strcspn(text, "="), n_names = strlen(sockets->names);
	int fd;

	if (!text[n] || net_address_any(text + n + 1, &address) < 0)
		net_usage("'%s' is not NAME=ADDRESS", text);
	if (sockets->n_fds == SOCKETS_MAX || n_names + n + 2 > sizeof(sockets->names))
		net_usage("too many sockets");
	fd = net_listen(&address, 4096);
	if (fd < 0)
		net_usage("%s: %s", text, strerror(-fd));
	sockets->fds[sockets->n_fds++] = fd;
	snprintf(sockets->names + n_names, sizeof(sockets->names) - n_names, "%s%.*s",
		 n_names ? ":" : "", (int) n, text);
}

/* Out of the way first: a target number may still be somebody else's source. */
static void sockets_place(const struct sockets *sockets)
{
	int high[SOCKETS_MAX];

	for (int i = 0; i < sockets->n_fds; i++)
		high[i] = fcntl(sockets->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + SOCKETS_MAX);
	for (int i = 0; i < sockets->n_fds; i++)
		dup2(high[i], FIRST_FD + i);
}

__attribute__((noreturn))
static void activate_exec(const struct sockets *sockets, char **command)
{
	char text[32];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	activate_block(SIG_UNBLOCK);
	sockets_place(sockets);
	snprintf(text, sizeof(text), "%d", (int) getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", sockets->n_fds);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", sockets->names, 1);
	execvp(command[0], command);
	fprintf(stderr, "activate: %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

static void activate_write_pid(const char *path, pid_t pid)
{
	char text[32], temporary[4096];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	snprintf(text, sizeof(text), "%d\n", (int) pid);
	file = fopen(temporary, "we");
	if (!file)
		net_usage("%s: %s", temporary, strerror(errno));
	fputs(text, file);
	fclose(file);
	rename(temporary, path);
}

/* Runs the command once. Returns its wait status. */
static int activate_run(const struct sockets *sockets, const char *pid_path,
			char **command)
{
	int status = 0;
	pid_t pid;

	activate_block(SIG_BLOCK);
	if (activate_stop)
		return 0;
	pid = fork();
	if (pid < 0)
		net_usage("fork: %s", strerror(errno));
	if (pid == 0)
		activate_exec(sockets, command);
	activate_child = pid;
	activate_block(SIG_UNBLOCK);
	activate_write_pid(pid_path, pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	activate_child = 0;
	return status;
}

int main(int argc, char **argv)
{
	static struct sockets sockets;
	struct sigaction action = { .sa_handler = activate_on_signal };
	int at = 2, n_quick = 0, status = 0;

	while (at < argc && strcmp(argv[at], "--") != 0)
		sockets_add(&sockets, argv[at++]);
	if (at < 3 || at + 1 >= argc)
		net_usage("needed: PIDFILE NAME=ADDRESS... -- COMMAND");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	while (!activate_stop && n_quick < QUICK_MAX) {
		uint64_t start_us = net_now_us();

		status = activate_run(&sockets, argv[1], argv + at + 1);
		n_quick = net_now_us() - start_us < QUICK_US ? n_quick + 1 : 0;
	}
	if (n_quick == QUICK_MAX)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
