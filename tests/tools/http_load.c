/* SPDX-License-Identifier: BSD-2-Clause */
/* An HTTP/1.1 load generator: open loop with patience, or closed loop; one thread. */

/*
 * http_load [options] PORT|HOST:PORT|unix:PATH URI
 *
 *   -r RATE -d SECONDS   open loop: so many requests a second, whatever comes back. The
 *                latency counts from the instant a request was due, not from when it went
 *                out: a server that stalls cannot slow its own examiner down.
 *   -e           arrivals with exponential gaps (Poisson) instead of constant ones
 *   -c N -n TOTAL   closed loop: N connections, each request after request (-d as well
 *                or instead of -n)
 *   -p MS        patience: a visitor without a complete answer after MS closes and goes
 *   -P           patience is lognormal with median -p and sigma 0.5
 *   -k           keep-alive; in the open loop the connection used last goes first
 *   -m MIX       methods by weight, as "GET:9,POST:1" (GET)
 *   -b BYTES     body of a POST (100)
 *   -H LINE      a further header line; may be repeated
 *   -i N         the first id (1): each request has id=N in its query, counting up
 *   -w SECONDS   requests due before that are sent but not counted (0)
 *   -s SEED      (1)
 *   -o FILE      one line per request: id method result wall_us latency_us, where result
 *                is the status or left, broken, refused, unfinished; wall_us is its
 *                instant
 *   -T SECONDS   hard limit (the duration + 30)
 *
 * Prints "key value" lines: sent = ok + broken + refused + left + unfinished + unsent; ok
 * (complete answers), sNNN by status, broken (the connection ended before the answer's
 * end), refused (no connection), left (patience), unfinished (at the hard limit), unsent
 * (no descriptor here), retried (a kept connection was found dead before a byte came, and
 * a new one was used), goodput (200s delivered a second, within the duration), p50_us
 * p90_us p99_us max_us of the 200s, p50_503_us ... of the 503s, p50_post_us ... of the
 * 200s to POSTs, late_us (how late this program itself was at worst). Exit 0, 64 usage.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/http.h"
#include "tests/tools/net.h"
#include "tests/tools/samples.h"

#define PATIENCE_SIGMA 0.5
#define PATIENCE_TICK_US 1000
#define REFUSED_PAUSE_US 10000
#define N_STATUSES 1000

enum method {
	METHOD_GET,
	METHOD_POST,
	METHOD_HEAD,
	METHOD_N,
};

static const char *const method_words[METHOD_N] = { "GET", "POST", "HEAD" };

/* What the command line asks for. */
struct options {
	struct net_address address;
	const char *uri;
	double rate;		/* 0: closed loop */
	bool is_poisson;
	uint64_t duration_us;	/* 0: by total only */
	uint64_t warm_up_us;
	uint64_t limit_us;
	unsigned int n_connections;
	uint64_t n_total;
	double patience_us;	/* 0: endless */
	bool is_lognormal;
	bool keep_alive;
	unsigned int weights[METHOD_N];
	size_t n_body;
	char headers[2048];
	uint64_t first_id;
	FILE *log;
};

/* A visitor: one request on one connection. */
struct visitor {
	int fd;
	size_t index;		/* in load.visitors, or SIZE_MAX while idle */
	enum method method;
	uint64_t id;
	uint64_t due_us;
	uint64_t leave_us;
	bool is_reused;
	char head[4096];
	size_t n_head;
	size_t n_sent;
	struct http_reader reader;
	bool has_bytes;
	struct visitor *next_idle;
};

/* What became of the requests. */
struct counts {
	uint64_t sent;
	uint64_t ok;
	uint64_t broken;
	uint64_t refused;
	uint64_t left;
	uint64_t unfinished;
	uint64_t unsent;
	uint64_t retried;
	uint64_t good;
	uint64_t late_us;
	uint64_t by_status[N_STATUSES];
};

/* The program. */
struct load {
	struct options options;
	int epoll_fd;
	uint64_t start_us;
	uint64_t now_us;
	double next_due_us;
	uint64_t next_id;
	uint64_t n_started;
	unsigned int n_wanted;	/* closed loop: connections without a request */
	uint64_t pause_until_us;	/* closed loop: after a refused connection */
	struct visitor **visitors;
	size_t n_visitors;
	size_t n_max;
	struct visitor *idle;
	uint64_t next_patience_us;
	unsigned short seed[3];
	char *body;
	struct counts counts;
	struct samples good;
	struct samples shed;
	struct samples posts;
};

static double load_random(struct load *load)
{
	return 1.0 - erand48(load->seed);
}

static enum method load_pick_method(struct load *load)
{
	unsigned int sum = 0, at;

	for (int i = 0; i < METHOD_N; i++)
		sum += load->options.weights[i];
	at = (unsigned int) (erand48(load->seed) * sum);
	for (int i = 0; i < METHOD_N; i++) {
		if (at < load->options.weights[i])
			return (enum method) i;
		at -= load->options.weights[i];
	}
	return METHOD_GET;
}

static uint64_t load_pick_patience(struct load *load, uint64_t due_us)
{
	double us = load->options.patience_us;

	if (us <= 0)
		return UINT64_MAX;
	if (load->options.is_lognormal)
		us *= exp(PATIENCE_SIGMA * sqrt(-2 * log(load_random(load))) *
			  cos(2 * M_PI * load_random(load)));
	return due_us + (uint64_t) us;
}

static bool load_is_counted(const struct load *load, const struct visitor *visitor)
{
	return visitor->due_us >= load->start_us + load->options.warm_up_us;
}

static void load_log(struct load *load, const struct visitor *visitor, const char *result)
{
	if (load->options.log)
		fprintf(load->options.log, "%llu %s %s %llu %llu\n",
			(unsigned long long) visitor->id, method_words[visitor->method],
			result, (unsigned long long) net_wall_us(),
			(unsigned long long) (net_now_us() - visitor->due_us));
}

/* The visitor's fate; *counter is one of load->counts. */
static void load_count(struct load *load, const struct visitor *visitor,
		       uint64_t *counter, const char *result)
{
	load_log(load, visitor, result);
	if (load_is_counted(load, visitor))
		(*counter)++;
}

static void load_count_answer(struct load *load, const struct visitor *visitor)
{
	uint64_t now_us = net_now_us(), end_us = UINT64_MAX;
	int status = visitor->reader.status;
	int64_t latency_us = (int64_t) (now_us - visitor->due_us);
	char word[16];

	snprintf(word, sizeof(word), "%d", status);
	load_count(load, visitor, &load->counts.ok, word);
	if (!load_is_counted(load, visitor) || status < 0 || status >= N_STATUSES)
		return;
	load->counts.by_status[status]++;
	if (load->options.duration_us)
		end_us = load->start_us + load->options.duration_us;
	if (status == 200 && now_us <= end_us)
		load->counts.good++;
	if (status == 200)
		samples_add(&load->good, latency_us);
	if (status == 200 && visitor->method == METHOD_POST)
		samples_add(&load->posts, latency_us);
	if (status == 503)
		samples_add(&load->shed, latency_us);
}

static void load_remove(struct load *load, struct visitor *visitor)
{
	struct visitor *last = load->visitors[--load->n_visitors];

	load->visitors[visitor->index] = last;
	last->index = visitor->index;
	visitor->index = SIZE_MAX;
}

static void visitor_free(struct visitor *visitor)
{
	if (visitor->fd >= 0)
		close(visitor->fd);
	http_reader_done(&visitor->reader);
	free(visitor);
}

/* The request is over: the connection goes or waits for its next use. */
static void visitor_end(struct load *load, struct visitor *visitor, bool keep)
{
	load_remove(load, visitor);
	if (keep) {
		visitor->next_idle = load->idle;
		load->idle = visitor;
	} else {
		visitor_free(visitor);
	}
	load->n_wanted++;
}

static void visitor_write(struct load *load, struct visitor *visitor)
{
	size_t n_body = visitor->method == METHOD_POST ? load->options.n_body : 0;

	while (visitor->n_sent < visitor->n_head + n_body) {
		struct iovec parts[2] = { { visitor->head, visitor->n_head },
					  { load->body, n_body } };
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
		size_t skip = visitor->n_sent;
		ssize_t n;

		for (int i = 0; i < 2; i++) {
			size_t m = skip < parts[i].iov_len ? skip : parts[i].iov_len;

			parts[i].iov_base = (char *) parts[i].iov_base + m;
			parts[i].iov_len -= m;
			skip -= m;
		}
		n = sendmsg(visitor->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return;
		visitor->n_sent += (size_t) n;
	}
}

static int visitor_connect(struct load *load, struct visitor *visitor)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
				     .data.ptr = visitor };
	bool pending;

	visitor->is_reused = false;
	visitor->has_bytes = false;
	visitor->n_sent = 0;
	visitor->fd = net_connect_start(&load->options.address, &pending);
	if (visitor->fd < 0)
		return visitor->fd;
	if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, visitor->fd, &event) < 0)
		return -errno;
	if (!pending)
		visitor_write(load, visitor);
	return 0;
}

static void visitor_fail(struct load *load, struct visitor *visitor, bool was_connected)
{
	if (was_connected)
		load_count(load, visitor, &load->counts.broken, "broken");
	else
		load_count(load, visitor, &load->counts.refused, "refused");
	if (!was_connected)
		load->pause_until_us = net_now_us() + REFUSED_PAUSE_US;
	visitor_end(load, visitor, false);
}

/* The server may close an idle connection in the instant it is used: as browsers do. */
static void visitor_broken(struct load *load, struct visitor *visitor)
{
	if (!visitor->is_reused || visitor->has_bytes)
		return visitor_fail(load, visitor, visitor->n_sent > 0);
	load->counts.retried++;
	close(visitor->fd);
	if (visitor_connect(load, visitor) < 0)
		visitor_fail(load, visitor, false);
}

static void visitor_answered(struct load *load, struct visitor *visitor)
{
	bool keep = load->options.keep_alive && !visitor->reader.is_closing &&
		    visitor->reader.state == HTTP_DONE;

	load_count_answer(load, visitor);
	visitor_end(load, visitor, keep);
}

/* Feeds n bytes. Returns false once the visitor's request is over. */
static bool visitor_feed(struct load *load, struct visitor *visitor, const char *data,
			 size_t n)
{
	while (n > 0 && visitor->reader.state != HTTP_DONE) {
		const char *body;
		size_t n_body;
		ssize_t taken = http_reader_feed(&visitor->reader, data, n, &body,
						 &n_body);

		if (taken < 0) {
			visitor_fail(load, visitor, true);
			return false;
		}
		data += taken;
		n -= (size_t) taken;
	}
	if (visitor->reader.state != HTTP_DONE)
		return true;
	visitor_answered(load, visitor);
	return false;
}

static void visitor_read(struct load *load, struct visitor *visitor)
{
	static char data[65536];

	for (;;) {
		ssize_t n = recv(visitor->fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0 && visitor->has_bytes &&
		    http_reader_is_complete_at_eof(&visitor->reader))
			return visitor_answered(load, visitor);
		if (n <= 0)
			return visitor_broken(load, visitor);
		visitor->has_bytes = true;
		if (!visitor_feed(load, visitor, data, (size_t) n))
			return;
	}
}

/* Something happened on a connection that waits for its next use: it was closed. */
static void load_drop_idle(struct load *load, struct visitor *visitor)
{
	struct visitor **at = &load->idle;

	while (*at && *at != visitor)
		at = &(*at)->next_idle;
	if (*at)
		*at = visitor->next_idle;
	visitor_free(visitor);
}

static void load_on_event(struct load *load, struct visitor *visitor, uint32_t events)
{
	if (visitor->index == SIZE_MAX) {
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			load_drop_idle(load, visitor);
		return;
	}
	if (events & EPOLLOUT)
		visitor_write(load, visitor);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		visitor_read(load, visitor);
}

static void visitor_compose(struct load *load, struct visitor *visitor)
{
	const struct options *options = &load->options;
	char length[64] = "";
	int n;

	if (visitor->method == METHOD_POST)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
			 options->n_body);
	n = snprintf(visitor->head, sizeof(visitor->head),
		     "%s %s%cid=%llu HTTP/1.1\r\nHost: localhost\r\n%s%s%s\r\n",
		     method_words[visitor->method], options->uri,
		     strchr(options->uri, '?') ? '&' : '?',
		     (unsigned long long) visitor->id, length,
		     options->keep_alive ? "" : "Connection: close\r\n",
		     options->headers);
	visitor->n_head = (size_t) n;
}

static struct visitor *load_take_visitor(struct load *load)
{
	struct visitor *visitor = load->idle;

	if (visitor) {
		load->idle = visitor->next_idle;
		visitor->is_reused = true;
		return visitor;
	}
	visitor = calloc(1, sizeof(*visitor));
	if (!visitor)
		net_usage("out of memory");
	visitor->fd = -1;
	return visitor;
}

/* No descriptor is left for this one. */
static void load_skip(struct load *load, uint64_t due_us)
{
	struct visitor nobody = { .id = load->next_id++, .due_us = due_us };

	load->n_started++;
	if (load_is_counted(load, &nobody))
		load->counts.sent++;
	load_count(load, &nobody, &load->counts.unsent, "unsent");
}

/* One request, due now or a little ago. */
static void load_start(struct load *load, uint64_t due_us)
{
	struct visitor *visitor;
	uint64_t now_us = net_now_us();

	if (load->n_visitors == load->n_max)
		return load_skip(load, due_us);
	visitor = load_take_visitor(load);
	visitor->index = load->n_visitors;
	load->visitors[load->n_visitors++] = visitor;
	load->n_started++;
	visitor->id = load->next_id++;
	visitor->method = load_pick_method(load);
	visitor->due_us = due_us;
	visitor->leave_us = load_pick_patience(load, due_us);
	visitor->n_sent = 0;
	visitor->has_bytes = false;
	visitor_compose(load, visitor);
	http_reader_init(&visitor->reader, visitor->method == METHOD_HEAD);
	if (load_is_counted(load, visitor))
		load->counts.sent++;
	if (now_us - due_us > load->counts.late_us)
		load->counts.late_us = now_us - due_us;
	if (visitor->is_reused)
		visitor_write(load, visitor);
	else if (visitor_connect(load, visitor) < 0)
		visitor_fail(load, visitor, false);
}

static bool load_is_sending(const struct load *load)
{
	const struct options *options = &load->options;

	if (options->n_total && load->n_started >= options->n_total)
		return false;
	return !options->duration_us ||
	       load->now_us < load->start_us + options->duration_us;
}

/* When the next request is due; UINT64_MAX if that depends on an answer, or never. */
static uint64_t load_next_start_us(const struct load *load)
{
	if (!load_is_sending(load))
		return UINT64_MAX;
	if (load->options.rate > 0)
		return (uint64_t) load->next_due_us;
	return load->n_wanted > 0 ? load->pause_until_us : UINT64_MAX;
}

static void load_start_due(struct load *load)
{
	while (load_next_start_us(load) <= load->now_us) {
		double gap = load->options.is_poisson ? -log(load_random(load)) : 1;
		bool is_open = load->options.rate > 0;

		load_start(load, is_open ? (uint64_t) load->next_due_us : net_now_us());
		if (is_open)
			load->next_due_us += gap * 1e6 / load->options.rate;
		else
			load->n_wanted--;
	}
}

static void load_let_go(struct load *load)
{
	if (load->options.patience_us <= 0 || load->now_us < load->next_patience_us)
		return;
	load->next_patience_us = load->now_us + PATIENCE_TICK_US;
	for (size_t i = load->n_visitors; i-- > 0;) {
		struct visitor *visitor = load->visitors[i];

		if (visitor->leave_us > load->now_us)
			continue;
		load_count(load, visitor, &load->counts.left, "left");
		visitor_end(load, visitor, false);
	}
}

static void load_wait(struct load *load, uint64_t until_us)
{
	struct epoll_event events[256];
	struct timespec timeout = { 0 };
	int n;

	if (load_next_start_us(load) < until_us)
		until_us = load_next_start_us(load);
	if (load->options.patience_us > 0 && load->next_patience_us < until_us)
		until_us = load->next_patience_us;
	if (until_us > load->now_us) {
		timeout.tv_sec = (time_t) ((until_us - load->now_us) / 1000000);
		timeout.tv_nsec = (long) ((until_us - load->now_us) % 1000000 * 1000);
	}
	n = epoll_pwait2(load->epoll_fd, events, 256, &timeout, NULL);
	for (int i = 0; i < n; i++)
		load_on_event(load, events[i].data.ptr, events[i].events);
	load->now_us = net_now_us();
}

static void load_run(struct load *load)
{
	uint64_t limit_us;

	load->start_us = load->now_us = net_now_us();
	load->next_due_us = (double) load->start_us;
	limit_us = load->start_us + load->options.limit_us;
	load->n_wanted = load->options.n_connections;
	while (load->now_us < limit_us &&
	       (load_is_sending(load) || load->n_visitors > 0)) {
		load_start_due(load);
		load_let_go(load);
		load_wait(load, limit_us);
	}
	while (load->n_visitors > 0) {
		load_count(load, load->visitors[0], &load->counts.unfinished,
			   "unfinished");
		visitor_end(load, load->visitors[0], false);
	}
}

static void load_print_quantiles(struct samples *samples, const char *suffix)
{
	printf("p50%s_us %lld\n", suffix, (long long) samples_quantile(samples, 500));
	printf("p90%s_us %lld\n", suffix, (long long) samples_quantile(samples, 900));
	printf("p99%s_us %lld\n", suffix, (long long) samples_quantile(samples, 990));
	printf("max%s_us %lld\n", suffix, (long long) samples_quantile(samples, 1000));
}

static void load_print(struct load *load)
{
	const struct counts *counts = &load->counts;
	uint64_t window_us = load->now_us - load->start_us;

	if (load->options.duration_us && load->options.duration_us < window_us)
		window_us = load->options.duration_us;
	window_us -= load->options.warm_up_us < window_us ? load->options.warm_up_us : 0;
	printf("sent %llu\nok %llu\n", (unsigned long long) counts->sent,
	       (unsigned long long) counts->ok);
	for (int i = 0; i < N_STATUSES; i++) {
		bool always = i == 200 || i == 502 || i == 503 || i == 504;

		if (always || counts->by_status[i] > 0)
			printf("s%d %llu\n", i,
			       (unsigned long long) counts->by_status[i]);
	}
	printf("broken %llu\nrefused %llu\nleft %llu\nunfinished %llu\nunsent %llu\n",
	       (unsigned long long) counts->broken, (unsigned long long) counts->refused,
	       (unsigned long long) counts->left, (unsigned long long) counts->unfinished,
	       (unsigned long long) counts->unsent);
	printf("retried %llu\n", (unsigned long long) counts->retried);
	printf("goodput %.2f\n",
	       window_us ? (double) counts->good * 1e6 / (double) window_us : 0.0);
	load_print_quantiles(&load->good, "");
	load_print_quantiles(&load->shed, "_503");
	load_print_quantiles(&load->posts, "_post");
	printf("late_us %llu\n", (unsigned long long) counts->late_us);
}

static void option_mix(struct options *options, const char *text)
{
	memset(options->weights, 0, sizeof(options->weights));
	while (*text) {
		size_t n = strcspn(text, ":,");
		int method = 0;
		char *end;

		while (method < METHOD_N && (strlen(method_words[method]) != n ||
					     strncmp(method_words[method], text, n) != 0))
			method++;
		if (method == METHOD_N)
			net_usage("-m: '%s' does not start with GET, POST or HEAD", text);
		options->weights[method] = 1;
		if (text[n] == ':')
			options->weights[method] =
				(unsigned int) strtoul(text + n + 1, &end, 10);
		else
			end = strchrnul(text + n, ',');
		if (*end && *end != ',')
			net_usage("-m: '%s' is no weight", text);
		text = end + (*end == ',');
	}
}

static double option_real(const char *text, const char *what)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0) || value > 1e9)
		net_usage("%s: '%s' is not a number", what, text);
	return value;
}

static void option_header(struct options *options, const char *line)
{
	size_t n = strlen(options->headers);
	size_t n_room = sizeof(options->headers) - n;

	if ((size_t) snprintf(options->headers + n, n_room, "%s\r\n", line) >= n_room)
		net_usage("too many headers");
}

/* table */
static bool option_one(struct load *load, int c, const char *arg)
{
	struct options *options = &load->options;

	switch (c) {
	case 'r':
		options->rate = option_real(arg, "-r");
		return true;
	case 'd':
		options->duration_us = (uint64_t) (option_real(arg, "-d") * 1e6);
		return true;
	case 'e':
		options->is_poisson = true;
		return true;
	case 'c':
		options->n_connections = (unsigned int) net_number(arg, 1, 1000000, "-c");
		return true;
	case 'n':
		options->n_total = net_number(arg, 1, UINT64_MAX, "-n");
		return true;
	case 'p':
		options->patience_us = option_real(arg, "-p") * 1e3;
		return true;
	case 'P':
		options->is_lognormal = true;
		return true;
	case 'k':
		options->keep_alive = true;
		return true;
	case 'm':
		option_mix(options, arg);
		return true;
	case 'b':
		options->n_body = net_number(arg, 0, 1 << 30, "-b");
		return true;
	case 'H':
		option_header(options, arg);
		return true;
	case 'i':
		load->next_id = net_number(arg, 0, UINT64_MAX, "-i");
		return true;
	case 'w':
		options->warm_up_us = (uint64_t) (option_real(arg, "-w") * 1e6);
		return true;
	case 's':
		load->seed[0] = (unsigned short) net_number(arg, 0, 65535, "-s");
		return true;
	case 'T':
		options->limit_us = (uint64_t) (option_real(arg, "-T") * 1e6);
		return true;
	case 'o':
		options->log = fopen(arg, "we");
		if (!options->log)
			net_usage("%s: %s", arg, strerror(errno));
		return true;
	default:
		return false;
	}
}

static void load_options(struct load *load, int argc, char **argv)
{
	struct options *options = &load->options;
	int c;

	while ((c = getopt(argc, argv, "r:d:ec:n:p:Pkm:b:H:i:w:s:T:o:")) != -1) {
		if (!option_one(load, c, optarg))
			net_usage("read the head of tests/tools/http_load.c");
	}
	if (argc - optind != 2 || net_address_any(argv[optind], &options->address) < 0)
		net_usage("needed: PORT, HOST:PORT or unix:PATH, and a URI");
	options->uri = argv[optind + 1];
	if (strlen(options->uri) > 1024)
		net_usage("the URI is too long");
	if ((options->rate > 0) == (options->n_connections > 0))
		net_usage("one of -r RATE and -c N is needed");
	if (!options->duration_us && !options->n_total)
		net_usage("one of -d SECONDS and -n TOTAL is needed");
	if (!options->limit_us)
		options->limit_us = options->duration_us + 30000000;
}

int main(int argc, char **argv)
{
	static struct load load = {
		.options = { .weights = { 1, 0, 0 }, .n_body = 100 },
		.seed = { 1, 2, 3 },
		.next_id = 1,
	};

	load_options(&load, argc, argv);
	load.n_max = net_raise_n_files() - 32;
	if (load.n_max > 1000000)
		load.n_max = 1000000;
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load.visitors = calloc(load.n_max, sizeof(*load.visitors));
	load.body = malloc(load.options.n_body + 1);
	if (load.epoll_fd < 0 || !load.visitors || !load.body)
		net_usage("out of memory");
	memset(load.body, 'b', load.options.n_body);
	load_run(&load);
	load_print(&load);
	while (load.idle)
		load_drop_idle(&load, load.idle);
	if (load.options.log)
		fclose(load.options.log);
	samples_done(&load.good);
	samples_done(&load.shed);
	samples_done(&load.posts);
	free(load.visitors);
	free(load.body);
	close(load.epoll_fd);
	return 0;
}
