/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of a php-fpm of ours, under its guardian. */

#include "daemon/fpm_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"
#include "daemon/address.h"
#include "daemon/guardian.h"
#include "daemon/macros.h"
#include "daemon/master_conf.h"

enum {
	FPM_RUN_TICK_US = 100000,
	FPM_RUN_SILENT_US = 3000000, /* then its socket is tried */
	FPM_RUN_PROBE_US = 500000,
	FPM_RUN_MESSAGES = 32,       /* notifications read in one turn */
	FPM_RUN_NOTIFY_BYTES = 512,
	FPM_RUN_FREE_MS = 500,       /* what a guardian gets to kill everything */
};

/* state */

bool fpm_run_is_ready(const struct fpm_run *run)
{
	return run->ready_us > 0;
}

/* False: it had one already, and the first cause counts. */
static bool fpm_run_set_end(struct fpm_run *run, enum fpm_run_end end)
{
	if (run->end != FPM_RUN_LIVES)
		return false;
	run->end = end;
	return true;
}

static void fpm_run_set_ready(struct fpm_run *run)
{
	if (fpm_run_is_ready(run) || run->end != FPM_RUN_LIVES || run->escalate_us > 0)
		return;
	run->ready_us = loop_now_us(run->loop);
	run->ops->on_ready(run);
}

/* what the guardian says */

static void fpm_run_set_status_end(struct fpm_run *run, enum fpm_run_end end, int status)
{
	if (fpm_run_set_end(run, end))
		run->how = (struct child_end){
			.is_known = true,
			.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
			.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		};
}

static void fpm_run_on_event(struct fpm_run *run, enum guardian_event event, int value)
{
	switch (event) {
	case GUARDIAN_NO_EXEC:
		if (fpm_run_set_end(run, FPM_RUN_NO_EXEC))
			run->error = value;
		break;
	case GUARDIAN_REFUSED:
		fpm_run_set_status_end(run, FPM_RUN_REFUSED, value);
		break;
	case GUARDIAN_STARTED:
		run->pid = value;
		break;
	case GUARDIAN_ENDED:
		fpm_run_set_status_end(run, FPM_RUN_ENDED, value);
		break;
	case GUARDIAN_LEFT:
		run->is_left = true;
		break;
	}
}

static bool fpm_run_has_ready(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (strcmp(line, "READY=1") == 0)
			return true;
	return false;
}

/* Workers of our own user could reach the socket too: once there can be any, only the
 * master and the guardian count. */
static void fpm_run_on_message(struct fpm_run *run, pid_t from, char *text)
{
	int event, value;

	if (run->pid > 0 && from != run->pid && from != child_pid(run->guardian))
		return;
	if (sscanf(text, GUARDIAN_MESSAGE, &event, &value) == 2)
		fpm_run_on_event(run, (enum guardian_event)event, value);
	else if (from == run->pid && fpm_run_has_ready(text))
		fpm_run_set_ready(run);
}

static pid_t fpm_run_sender(struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	struct ucred credentials;

	if (!control || control->cmsg_level != SOL_SOCKET ||
	    control->cmsg_type != SCM_CREDENTIALS)
		return -1;
	memcpy(&credentials, CMSG_DATA(control), sizeof(credentials));
	return credentials.pid;
}

/* False: there is none. */
static bool fpm_run_read_message(struct fpm_run *run)
{
	char text[FPM_RUN_NOTIFY_BYTES + 1];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = FPM_RUN_NOTIFY_BYTES };
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(run->notify.fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR;
	text[n] = '\0';
	fpm_run_on_message(run, fpm_run_sender(&header), text);
	return true;
}

static bool fpm_run_read_messages(struct fpm_run *run)
{
	for (int i = 0; i < FPM_RUN_MESSAGES; i++)
		if (!fpm_run_read_message(run))
			return false;
	return true;
}

static void fpm_run_on_notify(struct loop_source *source, uint32_t events)
{
	struct fpm_run *run = container_of(source, struct fpm_run, notify);

	(void)events;
	if (fpm_run_read_messages(run))
		(void)loop_change(run->loop, source, EPOLLIN); /* to be told again */
}

/* the guardian's output and end */

static void fpm_run_on_output(void *userdata, const char *bytes, size_t n)
{
	struct fpm_run *run = userdata;

	fpm_log_feed(&run->log, bytes, n, loop_now_us(run->loop));
}

static void fpm_run_on_guardian_end(void *userdata, const struct child_end *end)
{
	struct fpm_run *run = userdata;

	(void)fpm_run_read_messages(run); /* why */
	run->guardian = child_free(run->guardian);
	if (fpm_run_set_end(run, FPM_RUN_LOST))
		run->how = *end;
	loop_deadline_clear(&run->tick);
	fpm_log_finish(&run->log, loop_now_us(run->loop));
	run->ops->on_gone(run);
}

static const struct child_ops fpm_run_guardian_ops = {
	.on_output = fpm_run_on_output,
	.on_end = fpm_run_on_guardian_end,
};

/* what takes time */

static void fpm_run_signal(struct fpm_run *run, enum guardian_signal signo,
			   uint64_t timeout_us)
{
	run->last_signal = (int)signo;
	run->escalate_us = loop_now_us(run->loop) + timeout_us;
	(void)child_kill(run->guardian, (int)signo);
	loop_deadline_start(run->ticks, &run->tick);
}

void fpm_run_stop(struct fpm_run *run, uint64_t timeout_us)
{
	if (run->escalate_us == 0)
		fpm_run_signal(run, GUARDIAN_QUIT, timeout_us);
}

void fpm_run_kill(struct fpm_run *run)
{
	fpm_run_signal(run, GUARDIAN_KILL, FPM_RUN_TERM_US);
}

static void fpm_run_escalate(struct fpm_run *run)
{
	if (run->last_signal != GUARDIAN_QUIT) {
		fpm_run_kill(run);
		return;
	}
	log_pool(LOG_LEVEL_WARNING, run->conf->pool,
		 "php-fpm %d still has requests after stop_timeout, they are lost",
		 (int)run->pid);
	fpm_run_signal(run, GUARDIAN_TERM, FPM_RUN_TERM_US);
}

static void fpm_run_probe(struct fpm_run *run)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct address address;

	run->probe_us = loop_now_us(run->loop) + FPM_RUN_PROBE_US;
	address_set(&address, &run->conf->backend);
	if (fd >= 0 && connect(fd, &address.any, address.n) == 0)
		fpm_run_set_ready(run);
}

static void fpm_run_on_tick(struct loop_deadline *deadline)
{
	struct fpm_run *run = container_of(deadline, struct fpm_run, tick);
	uint64_t now_us = loop_now_us(run->loop);

	loop_deadline_start(run->ticks, &run->tick);
	if (run->escalate_us > 0) {
		if (now_us >= run->escalate_us)
			fpm_run_escalate(run);
	} else if (fpm_run_is_ready(run)) {
		loop_deadline_clear(&run->tick);
	} else if (now_us - run->started_us >= FPM_RUN_START_US) {
		(void)fpm_run_set_end(run, FPM_RUN_LATE);
		fpm_run_kill(run);
	} else if (run->pid > 0 && now_us >= run->probe_us) {
		fpm_run_probe(run);
	}
}

/* the start */

static int fpm_run_open_notify(struct fpm_run *run)
{
	const struct conf_address conf = {
		.kind = CONF_ADDRESS_UNIX,
		.name = run->conf->notify_path,
	};
	struct address address;
	int on = 1;

	address_set(&address, &conf);
	run->notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (run->notify.fd < 0 || bind(run->notify.fd, &address.any, address.n) < 0 ||
	    setsockopt(run->notify.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	return loop_add(run->loop, &run->notify, EPOLLIN);
}

/* self_fd: the program that runs here, whatever has become of its file meanwhile. */
static int fpm_run_spawn(struct fpm_run *run, int self_fd)
{
	const struct master_conf *conf = run->conf;
	char self[32], files[16], parent[16];
	const char *argv[GUARDIAN_ARG_END + 1] = {
		[GUARDIAN_ARG_SELF] = self,
		[GUARDIAN_ARG_NAME] = GUARDIAN_NAME,
		[GUARDIAN_ARG_POOL] = conf->pool,
		[GUARDIAN_ARG_PARENT] = parent,
		[GUARDIAN_ARG_NOTIFY] = conf->notify_path,
		[GUARDIAN_ARG_FILES] = files,
		[GUARDIAN_ARG_PROGRAM] = conf->program,
		[GUARDIAN_ARG_FILE] = conf->file,
		[GUARDIAN_ARG_ROOT] = conf->is_root_allowed ? "-R" : NULL,
	};
	const struct child_params params = {
		.argv = argv,
		.ops = &fpm_run_guardian_ops,
		.userdata = run,
	};

	snprintf(self, sizeof(self), "/proc/self/fd/%d", self_fd);
	snprintf(files, sizeof(files), "%u", conf->n_files);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	return child_new(run->loop, &params, &run->guardian);
}

static int fpm_run_start(struct fpm_run *run)
{
	_cleanup_close_ int self_fd = -1;
	int r;

	r = master_conf_write(run->conf);
	if (r == 0)
		r = fpm_run_open_notify(run);
	if (r < 0)
		return r;
	self_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	return self_fd < 0 ? -errno : fpm_run_spawn(run, self_fd);
}

int fpm_run_new(struct loop *loop, struct master_conf *conf,
		const struct fpm_run_ops *ops, void *home, struct fpm_run **ret_run)
{
	struct fpm_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return -ENOMEM;
	run->loop = loop;
	run->conf = conf;
	run->ops = ops;
	run->home = home;
	run->notify = (struct loop_source){ .fd = -1, .on_ready = fpm_run_on_notify };
	run->ticks = loop_deadline_list(loop, FPM_RUN_TICK_US);
	run->tick.on_due = fpm_run_on_tick;
	run->started_us = loop_now_us(loop);
	run->probe_us = run->started_us + FPM_RUN_SILENT_US;
	fpm_log_init(&run->log, conf->pool);
	r = run->ticks ? fpm_run_start(run) : -ENOMEM;
	if (r < 0) {
		fpm_run_free(run);
		return r;
	}
	loop_deadline_start(run->ticks, &run->tick);
	*ret_run = run;
	return 0;
}

/* A guardian that is killed itself reaches the process group only. */
static void fpm_run_end_guardian(struct fpm_run *run)
{
	_cleanup_close_ int fd = pidfd_open(child_pid(run->guardian), 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	(void)child_kill(run->guardian, GUARDIAN_KILL);
	if (fd >= 0)
		(void)poll(&ended, 1, FPM_RUN_FREE_MS);
}

struct fpm_run *fpm_run_free(struct fpm_run *run)
{
	if (!run)
		return NULL;
	if (run->guardian)
		fpm_run_end_guardian(run);
	child_free(run->guardian);
	list_remove(&run->node);
	loop_deadline_clear(&run->tick);
	loop_remove(run->loop, &run->notify);
	run->notify.fd = close_fd(run->notify.fd);
	free(run);
	return NULL;
}
