/* SPDX-License-Identifier: BSD-2-Clause */
/* A scripted FastCGI responder: the faults a real PHP-FPM does not commit on demand. */

/*
 * fake_fpm [-u PATH | -a NAME | -t PORT] [-b BACKLOG] [-n CONNECTIONS] [-w WORKERS]
 *          [-l LOGFILE] STEP...
 *
 * The steps are run once for each accepted connection, in a process of its own. A line
 * "listening ADDRESS" on stdout says that connects succeed from now on. -n: end after so
 * many connections (0 = never); -w: at most so many at a time (256), the rest wait in the
 * backlog as they do in front of busy FPM workers; -l: one line per event, "-" is stderr.
 *
 *   accept       nothing: a connection starts with it anyway
 *   noaccept     (first step) listen, never accept
 *   read:request read one request through its empty STDIN
 *   read:params  read through the empty PARAMS
 *   read:fpm     as FPM reads: CONTENT_LENGTH bytes of STDIN and not one more, so that
 *                the terminator stays unread until the next read step
 *   read:N       read N bytes, whatever they are
 *   header:CODE  a CGI header with this status (as in PHP no Status line for 200)
 *   text:TEXT    TEXT as STDOUT, with \r \n \\ understood
 *   stdout:N     N bytes of body, in records
 *   stderr:TEXT  TEXT, or N bytes if it is a number, as STDERR
 *   raw:HEX      these bytes, without a record around them
 *   partial:N    the head of a STDOUT record of N bytes and half of them
 *   type:N       a record of type N with 8 bytes in it
 *   end[:APP:PROTO]  END_REQUEST; its reserved bytes are not zero, as FPM's are not
 *   id:N version:N   use another request id, version byte from now on (id:0 = the peer's)
 *   pad:N chunk:N split:N  from now on N bytes of padding per record (default: up to a
 *                multiple of 8), N bytes of content per record, N bytes per write()
 *   sleep:MS
 *   hello nohello    how a GET_VALUES record found by a read step is answered: as by FPM
 *                >= 8.2.13 (default), or as by older ones, which close behind the answer
 *   loop         again from the first step, on the same connection
 *   next         what FPM does behind END_REQUEST: loop if the request had KEEP_CONN,
 *                else SHUT_WR and wait until the peer closes
 *   wait         read and drop until the peer closes
 *   hang         do nothing for ever
 *   reset        close so that the peer sees ECONNRESET (on AF_UNIX only if bytes of its
 *                own are still unread here: waits a second for such)
 *   close        close cleanly; so does the end of the script
 *
 * What it does NOT do: run anything; serve two requests at once on one connection; read
 * while it writes (a peer that does the same blocks both, as with FPM); answer ABORT,
 * other management records or other roles; count workers or a status page; use memory
 * for a body (STDIN is counted and dropped). It understands the params REQUEST_METHOD,
 * SCRIPT_NAME, QUERY_STRING and CONTENT_LENGTH only.
 *
 * The log: "conn N open", "conn N request K method=GET id=1 role=1 flags=0 script=/x
 * query=... content_length=0 stdin=0 values=0 split_pairs=0 oversize=0 padded_ends=0
 * foreign_ids=0 at_us=T" (the last four count what FPM would choke on; "cut" instead of
 * "request" if the peer went away inside it), "conn N values", "conn N abort",
 * "conn N closed: WHY".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/conn.h"
#include "tests/tools/net.h"
#include "tests/tools/record.h"

/* One word of the script. */
struct step {
	void (*run)(struct conn *conn, const struct step *step);
	const char *arg;
	uint64_t number;
};

/* What a word means, and whether a number belongs to it. */
struct verb {
	const char *name;
	void (*run)(struct conn *conn, const struct step *step);
	bool has_number;
	uint64_t max;
};

#define FOREVER UINT64_MAX

/* What the signal handler unlinks. */
static const char *fake_path;

static void step_read(struct conn *conn, const struct step *step)
{
	if (step->number > 0)
		conn_drop(conn, step->number);
	else
		conn_read_until(conn, step->arg);
}

static void step_header(struct conn *conn, const struct step *step)
{
	char text[128];
	int n = 0;

	if (step->number != 200)
		n = snprintf(text, sizeof(text), "Status: %u Scripted\r\n",
			     (unsigned int) step->number);
	n += snprintf(text + n, sizeof(text) - (size_t) n,
		      "Content-Type: text/plain\r\n\r\n");
	conn_put(conn, RECORD_STDOUT, text, (size_t) n);
}

static void step_text(struct conn *conn, const struct step *step)
{
	char *text = strdup(step->arg ? step->arg : "");
	size_t n = 0;

	if (!text)
		return conn_end(conn, "out of memory");
	for (const char *at = text; *at; at++) {
		char c = *at;

		if (c == '\\' && at[1]) {
			at++;
			c = *at == 'r' ? '\r' : *at == 'n' ? '\n' : *at;
		}
		text[n++] = c;
	}
	conn_put(conn, RECORD_STDOUT, text, n);
	free(text);
}

static void step_stdout(struct conn *conn, const struct step *step)
{
	conn_fill(conn, RECORD_STDOUT, step->number);
}

static void step_stderr(struct conn *conn, const struct step *step)
{
	const char *text = step->arg ? step->arg : "";
	size_t n = strlen(text);

	if (n > 0 && strspn(text, "0123456789") == n)
		conn_fill(conn, RECORD_STDERR, strtoull(text, NULL, 10));
	else
		conn_put(conn, RECORD_STDERR, text, n);
}

static void step_raw(struct conn *conn, const struct step *step)
{
	size_t n;
	uint8_t *bytes = net_hex(step->arg ? step->arg : "", &n);

	conn_write(conn, bytes, n);
	free(bytes);
}

static void step_partial(struct conn *conn, const struct step *step)
{
	struct record_head head = { conn->version, RECORD_STDOUT, conn->id,
				    (uint16_t) step->number, 0 };
	uint8_t raw[RECORD_HEAD_BYTES];
	char content[RECORD_CONTENT_MAX];

	if (head.id == 0)
		head.id = conn->request.id;
	record_head_write(&head, raw);
	memset(content, 'p', sizeof(content));
	conn_write(conn, raw, sizeof(raw));
	conn_write(conn, content, step->number / 2);
}

static void step_type(struct conn *conn, const struct step *step)
{
	conn_put(conn, (uint8_t) step->number, "8 bytes.", 8);
}

static void step_end(struct conn *conn, const struct step *step)
{
	unsigned int app = 0, protocol = 0;
	uint8_t body[8] = { 0, 0, 0, 0, 0, 0x29, 0x20, 0x69 };

	if (step->arg && sscanf(step->arg, "%u:%u", &app, &protocol) < 1)
		return conn_end(conn, "end: not APP:PROTO");
	for (int i = 0; i < 4; i++)
		body[i] = (uint8_t) (app >> (24 - 8 * i));
	body[4] = (uint8_t) protocol;
	conn_put(conn, RECORD_END, body, sizeof(body));
	conn->request.is_answered = true;
}

static void step_id(struct conn *conn, const struct step *step)
{
	conn->id = (uint16_t) step->number;
}

static void step_version(struct conn *conn, const struct step *step)
{
	conn->version = (uint8_t) step->number;
}

static void step_pad(struct conn *conn, const struct step *step)
{
	conn->padding = (int) step->number;
}

static void step_chunk(struct conn *conn, const struct step *step)
{
	conn->chunk = step->number ? (size_t) step->number : 1;
}

static void step_split(struct conn *conn, const struct step *step)
{
	conn->split = step->number ? (size_t) step->number : SIZE_MAX;
}

static void step_sleep(struct conn *conn, const struct step *step)
{
	(void) conn;
	net_sleep_us(step->number * 1000);
}

static void step_hello(struct conn *conn, const struct step *step)
{
	(void) step;
	conn->is_old_php = false;
}

static void step_nohello(struct conn *conn, const struct step *step)
{
	(void) step;
	conn->is_old_php = true;
}

static void step_loop(struct conn *conn, const struct step *step)
{
	(void) step;
	conn->again = true;
}

static void step_wait(struct conn *conn, const struct step *step)
{
	uint8_t dropped[4096];
	ssize_t n;

	(void) step;
	do {
		n = net_read(conn->fd, dropped, sizeof(dropped), FOREVER);
	} while (n > 0);
	conn_end(conn, conn_error(n));
}

static void step_next(struct conn *conn, const struct step *step)
{
	if (conn->request.flags & RECORD_KEEP_CONN)
		return step_loop(conn, step);
	shutdown(conn->fd, SHUT_WR);
	step_wait(conn, step);
}

static void step_hang(struct conn *conn, const struct step *step)
{
	(void) step;
	conn_log(conn, "hangs");
	for (;;)
		pause();
}

static void step_reset(struct conn *conn, const struct step *step)
{
	(void) step;
	net_wait(conn->fd, POLLIN, net_now_us() + 1000000);
	if (net_close_by_reset(conn->fd))
		conn_end(conn, "reset");
	else
		conn_end(conn, "closed where a reset was asked for: nothing was unread");
	conn->fd = -1;
}

static void step_close(struct conn *conn, const struct step *step)
{
	(void) step;
	conn_end(conn, "close");
}

static void step_nothing(struct conn *conn, const struct step *step)
{
	(void) conn;
	(void) step;
}

static const struct verb verbs[] = {
	{ "accept", step_nothing, false, 0 },
	{ "noaccept", step_nothing, false, 0 },
	{ "read", step_read, false, 0 },
	{ "header", step_header, true, 999 },
	{ "text", step_text, false, 0 },
	{ "stdout", step_stdout, true, UINT64_MAX },
	{ "stderr", step_stderr, false, 0 },
	{ "raw", step_raw, false, 0 },
	{ "partial", step_partial, true, RECORD_CONTENT_MAX },
	{ "type", step_type, true, 255 },
	{ "end", step_end, false, 0 },
	{ "id", step_id, true, 65535 },
	{ "version", step_version, true, 255 },
	{ "pad", step_pad, true, 255 },
	{ "chunk", step_chunk, true, RECORD_CONTENT_MAX },
	{ "split", step_split, true, UINT32_MAX },
	{ "sleep", step_sleep, true, UINT32_MAX },
	{ "hello", step_hello, false, 0 },
	{ "nohello", step_nohello, false, 0 },
	{ "loop", step_loop, false, 0 },
	{ "next", step_next, false, 0 },
	{ "wait", step_wait, false, 0 },
	{ "hang", step_hang, false, 0 },
	{ "reset", step_reset, false, 0 },
	{ "close", step_close, false, 0 },
};

static void step_parse_read(struct step *step)
{
	static const char *const untils[] = { "request", "params", "fpm" };

	for (size_t i = 0; i < sizeof(untils) / sizeof(untils[0]); i++) {
		if (step->arg && strcmp(step->arg, untils[i]) == 0)
			return;
	}
	step->number = net_number(step->arg ? step->arg : "", 1, UINT64_MAX, "read");
}

static void step_parse(const char *text, struct step *ret_step)
{
	const char *colon = strchrnul(text, ':');
	size_t n = (size_t) (colon - text);

	ret_step->arg = *colon ? colon + 1 : NULL;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct verb *verb = &verbs[i];

		if (strlen(verb->name) != n || memcmp(verb->name, text, n) != 0)
			continue;
		ret_step->run = verb->run;
		if (verb->has_number)
			ret_step->number = net_number(ret_step->arg ? ret_step->arg : "",
						      0, verb->max, text);
		if (verb->run == step_read)
			step_parse_read(ret_step);
		return;
	}
	net_usage("unknown step '%s'", text);
}

static void conn_run(struct conn *conn, const struct step *steps, size_t n_steps)
{
	conn_log(conn, "open");
	for (size_t i = 0; i < n_steps && !conn->why; i++) {
		steps[i].run(conn, &steps[i]);
		if (conn->again)
			i = SIZE_MAX;
		conn->again = false;
	}
	conn_end(conn, "script done");
	if (conn->fd >= 0)
		net_close_cleanly(conn->fd);
	conn_log(conn, "closed: %s", conn->why);
	record_bytes_done(&conn->request.params);
}

/* The children follow by PR_SET_PDEATHSIG. */
static void fake_on_signal(int signal)
{
	(void) signal;
	if (fake_path && fake_path[0] == '/')
		unlink(fake_path);
	_exit(0);
}

/* Waits while n_children >= n_max, and collects whoever has ended. */
static size_t fake_reap(size_t n_children, size_t n_max)
{
	while (n_children > 0) {
		pid_t pid = waitpid(-1, NULL, n_children >= n_max ? 0 : WNOHANG);

		if (pid > 0)
			n_children--;
		if (pid == 0)
			break;
	}
	return n_children;
}

/* The program: its options, its script, its listening socket. */
struct fake {
	struct net_address address;
	int backlog;
	unsigned int n_connections;
	size_t n_workers;
	int log_fd;
	int fd;
	struct step *steps;
	size_t n_steps;
};

static void fake_child(struct fake *fake, int fd, unsigned int number)
{
	struct conn conn = { .fd = fd, .number = number, .log_fd = fake->log_fd,
			     .version = 1, .padding = -1, .chunk = 65528,
			     .split = SIZE_MAX };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	close(fake->fd);
	conn_run(&conn, fake->steps, fake->n_steps);
	free(fake->steps);
	exit(0);
}

static void fake_serve(struct fake *fake)
{
	size_t n_children = 0;
	unsigned int number = 0;

	while (!fake->n_connections || number < fake->n_connections) {
		int fd;

		n_children = fake_reap(n_children, fake->n_workers);
		fd = accept4(fake->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		number++;
		if (fork() == 0)
			fake_child(fake, fd, number);
		close(fd);
		n_children++;
	}
	fake_reap(n_children, 1);
}

static void fake_listen(struct fake *fake)
{
	fake->fd = net_listen(&fake->address, fake->backlog);
	if (fake->fd < 0) {
		fprintf(stderr, "fake_fpm: cannot listen: %s\n", strerror(-fake->fd));
		exit(71);
	}
	if (fake_path)
		printf("listening %s\n", fake_path);
	else
		printf("listening 127.0.0.1:%u\n", net_bound_port(fake->fd));
	fflush(stdout);
}

static int fake_open_log(const char *path)
{
	int fd = STDERR_FILENO;

	if (strcmp(path, "-") != 0)
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		net_usage("%s: %s", path, strerror(errno));
	return fd;
}

static void fake_options(struct fake *fake, int argc, char **argv)
{
	int c, r = -EINVAL;

	while ((c = getopt(argc, argv, "+u:a:t:b:n:w:l:")) != -1) {
		if (c == 'u' || c == 'a')
			fake_path = optarg;
		if (c == 'u')
			r = net_address_unix(optarg, &fake->address);
		else if (c == 'a')
			r = net_address_abstract(optarg, &fake->address);
		else if (c == 't')
			r = net_address_tcp(optarg, &fake->address);
		else if (c == 'b')
			fake->backlog = (int) net_number(optarg, 0, 65535, "-b");
		else if (c == 'n')
			fake->n_connections = (unsigned int)
				net_number(optarg, 0, UINT32_MAX, "-n");
		else if (c == 'w')
			fake->n_workers = (size_t) net_number(optarg, 1, 10000, "-w");
		else if (c == 'l')
			fake->log_fd = fake_open_log(optarg);
		else
			net_usage("read the head of tests/fake_fpm.c");
	}
	if (r < 0)
		net_usage("one of -u PATH, -a NAME, -t PORT is needed: %s", strerror(-r));
	fake->n_steps = (size_t) (argc - optind);
	fake->steps = calloc(fake->n_steps + 1, sizeof(*fake->steps));
	if (!fake->steps)
		net_usage("out of memory");
	for (size_t i = 0; i < fake->n_steps; i++)
		step_parse(argv[(size_t) optind + i], &fake->steps[i]);
}

int main(int argc, char **argv)
{
	struct fake fake = { .backlog = 4096, .n_workers = 256, .log_fd = -1 };
	struct sigaction action = { .sa_handler = fake_on_signal };

	fake_options(&fake, argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	fake_listen(&fake);
	if (fake.n_steps > 0 && strcmp(argv[optind], "noaccept") == 0) {
		for (;;)
			pause();
	} else {
		fake_serve(&fake);
	}
	close(fake.fd);
	if (fake_path && fake_path[0] == '/')
		unlink(fake_path);
	free(fake.steps);
	return 0;
}
