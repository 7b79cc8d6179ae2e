/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay as a whole, by chance: visitors and workers do what they like. */

/*
 * Visitors come with GET and POST, small and large, leave when they like, and take their
 * answers slowly. Workers read, print, print behind their END_REQUEST, die, and ask for
 * the next request or end the connection. FPM is restarted now and then. The rules that
 * hold whatever happens:
 *
 *   - nobody gets a byte of another request's output, nor what comes behind END_REQUEST;
 *   - an answer is PHP's whole one, a whole one of ours, or visibly broken;
 *   - nobody is told that a worker died unless one did, with that request;
 *   - a POST runs at most once, a request that left the queue never, and a body is never
 *     cut;
 *   - in the end every slot, every exchange and every byte has been given back.
 *
 * Chance is a generator of our own with a fixed seed per game: a game that fails can be
 * played again.
 */

#include "conf/fpm_conf.h"
#include "daemon/link.h"
#include "tests/relay_visit.h"

enum { N_GAMES = 25, N_STEPS = 1500, N_SCRIPTS = N_STEPS };

enum worker_state { WORKER_IDLE, WORKER_READING, WORKER_RUNNING, WORKER_ENDED };

static enum worker_state worker_states[N_VISITS];
static unsigned worker_scripts[N_VISITS]; /* number of the script it runs */
static bool worker_has_header[N_VISITS];
static unsigned visit_scripts[N_VISITS];
static struct {
	bool is_post, must_not_run;
	size_t n_body;
	unsigned n_runs, n_deaths;
} scripts[N_SCRIPTS];
static unsigned n_scripts;
static unsigned n_deaths; /* of workers and backlogs whose request is not known */
static int n_workers;
static uint64_t chance;

static unsigned dice(unsigned n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)(chance >> 20) % n;
}

/* What a visitor has got must be all its own. */
static void check_output(int i)
{
	const struct bytes *out = &visits[i].out;
	const char *at, *end = (const char *)out->at + out->n;
	char own[32];
	int n = snprintf(own, sizeof(own), "script=/%u;", visit_scripts[i]);

	if (out->n == 0)
		return;
	assert_false(bytes_has(out, "SECRET"));
	for (at = (const char *)out->at;
	     (at = memmem(at, (size_t)(end - at), "script=", 7)) != NULL; at += 7)
		if (end - at >= n)
			assert_memory_equal(at, own, (size_t)n);
}

/* An answer of ours has nothing of PHP's in it, and a reason. */
static void check_own(int i)
{
	const struct bytes *out = &visits[i].out;

	assert_false(bytes_has(out, "script="));
	/* no worker talks nonsense: that would be another one's output */
	assert_false(bytes_has(out, "X-Fpmgate-Reason: response_malformed"));
	if (!bytes_has(out, "X-Fpmgate-Reason: worker_died"))
		return;
	if (scripts[visit_scripts[i]].n_deaths == 0) {
		assert_true(n_deaths > 0);
		n_deaths--;
	}
}

static void end_visit(int i)
{
	struct visit *visit = &visits[i];

	check_output(i);
	if (visit->n_done) {
		assert_int_equal(visit->n_broken, 0);
		assert_true(bytes_has(&visit->out, "\r\n\r\n"));
		if (bytes_has(&visit->out, "X-Fpmgate-Reason: "))
			check_own(i);
		else /* PHP's is whole */
			assert_true(bytes_has(&visit->out, "the end"));
	}
	bytes_done(&visit->out);
	bytes_done(&visit->err);
	*visit = (struct visit){ 0 };
}

/* visitors */

static void come(int i)
{
	static const size_t sizes[] = { 0, 10, 3000, 70000, 400000 };
	bool is_post = dice(2);
	size_t n_body = is_post ? sizes[dice(5)] : 0;
	char script[24];

	if (n_scripts == N_SCRIPTS)
		return;
	scripts[n_scripts].is_post = is_post;
	scripts[n_scripts].n_body = n_body;
	scripts[n_scripts].must_not_run = false;
	scripts[n_scripts].n_runs = scripts[n_scripts].n_deaths = 0;
	snprintf(script, sizeof(script), "/%u", n_scripts);
	visit_scripts[i] = n_scripts++;
	visit(i, is_post ? "POST" : "GET", script, n_body);
}

static void leave(int i)
{
	struct exchange *exchange = visits[i].exchange;

	/* what runs already cannot be stopped; it may be on its way to a second run */
	if (exchange->state == EXCHANGE_QUEUED && scripts[visit_scripts[i]].n_runs == 0)
		scripts[visit_scripts[i]].must_not_run = true;
	visits[i].exchange = NULL;
	exchange_sink.gone(exchange);
	end_visit(i);
}

static void step_visitor(void)
{
	int i = (int)dice(N_VISITS);
	struct visit *visit = &visits[i];

	if (!visit->exchange) {
		if (visit->n_done + visit->n_broken > 0)
			end_visit(i);
		come(i);
		return;
	}
	switch (dice(8)) {
	case 0:
		leave(i);
		return;
	case 1:
		visit->n_pending = 1 << 20;
		return;
	default:
		visit->n_pending = 0;
		exchange_sink.drained(visit->exchange);
	}
}

/* workers */

static void lay_off(int i)
{
	if (worker_states[i] == WORKER_RUNNING)
		scripts[worker_scripts[i]].n_deaths++;
	else if (worker_states[i] == WORKER_READING && workers[i].end == 0)
		n_deaths++;
	fpm_close(&workers[i]);
	worker_states[i] = WORKER_IDLE;
}

static void hire(int i)
{
	int fd = relay_accept(listen_fd);

	if (fd < 0)
		return;
	workers[i] = (struct fpm){ .fd = fd };
	worker_states[i] = WORKER_READING;
}

static void start_script(int i)
{
	char *script = fpm_param(&workers[i], "SCRIPT_NAME");
	unsigned n = (unsigned)atoi(script + 1);

	free(script);
	assert_true(n < n_scripts);
	assert_false(scripts[n].must_not_run);
	assert_int_equal(workers[i].n_body, scripts[n].n_body);
	scripts[n].n_runs++;
	assert_true(scripts[n].n_runs <= (scripts[n].is_post ? 1 : 2));
	worker_scripts[i] = n;
	worker_has_header[i] = false;
	worker_states[i] = WORKER_RUNNING;
}

/* A worker that is told of a peer that is gone goes back to its accept loop. */
static void say_bytes(int i, struct bytes *bytes)
{
	size_t n = 0;

	if (dice(3) == 0 && bytes->n > 1) { /* in two pieces */
		n = 1 + dice((unsigned)bytes->n - 1);
		if (send(workers[i].fd, bytes->at, n, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    (ssize_t)n)
			n = bytes->n;
		else
			relay_turns(&relay, 1);
	}
	if (n == bytes->n || send(workers[i].fd, bytes->at + n, bytes->n - n,
				  MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(bytes->n - n))
		lay_off(i);
	bytes_done(bytes);
}

static void print(int i, const char *more)
{
	struct bytes bytes = { 0 };
	char text[128];

	snprintf(text, sizeof(text), "%sscript=/%u;%s",
		 worker_has_header[i] ? "" : FPM_HEADER, worker_scripts[i], more);
	worker_has_header[i] = true;
	bytes_add_record(&bytes, FCGI_STDOUT, workers[i].id, text, strlen(text),
			 (uint8_t)dice(8));
	say_bytes(i, &bytes);
}

static void complain(int i)
{
	struct bytes bytes = { 0 };

	bytes_add_text(&bytes, FCGI_STDERR, workers[i].id, "PHP message: something");
	say_bytes(i, &bytes);
}

static void finish(int i)
{
	struct bytes bytes = { 0 };

	print(i, "the end");
	if (worker_states[i] == WORKER_IDLE)
		return;
	bytes_add_end(&bytes, workers[i].id);
	worker_states[i] = WORKER_ENDED;
	say_bytes(i, &bytes);
}

static void step_ended(int i)
{
	struct bytes bytes = { 0 };

	switch (dice(5)) {
	case 0: /* behind fastcgi_finish_request() */
		bytes_add_text(&bytes, FCGI_STDOUT, workers[i].id, "SECRET SECRET");
		say_bytes(i, &bytes);
		return;
	case 1:
		complain(i);
		return;
	case 2: /* pm.max_requests */
		if (dice(2))
			fpm_shut(&workers[i]);
		lay_off(i);
		return;
	default:
		if (!workers[i].keep_conn) {
			fpm_shut(&workers[i]);
			lay_off(i);
			return;
		}
		worker_states[i] = WORKER_READING;
		fpm_forget(&workers[i]);
	}
}

static void step_running(int i)
{
	switch (dice(8)) {
	case 0:
		lay_off(i); /* killed */
		return;
	case 1:
		complain(i);
		return;
	case 2:
	case 3:
		print(i, "");
		return;
	case 4:
		return; /* thinks */
	default:
		finish(i);
	}
}

static void step_worker(int i)
{
	switch (worker_states[i]) {
	case WORKER_IDLE:
		hire(i);
		return;
	case WORKER_READING:
		if (fpm_read(&workers[i])) {
			start_script(i);
			return;
		}
		/* PHP-FPM would run what there is of it */
		assert_false(workers[i].end != 0 && workers[i].has_params);
		if (workers[i].end != 0 || dice(200) == 0)
			lay_off(i);
		return;
	case WORKER_RUNNING:
		step_running(i);
		return;
	case WORKER_ENDED:
		step_ended(i);
		return;
	}
}

/* the game */

static void restart(void)
{
	for (int i = 0; i < n_workers; i++)
		if (dice(2))
			lay_off(i);
	for (int fd; (fd = relay_accept(listen_fd)) >= 0; n_deaths++)
		close(fd);
	close(listen_fd);
	(void)unlink(relay.path);
	if (dice(2))
		relay_turns(&relay, 1 + (int)dice(3));
	listen_fd = relay_listen(&relay, 16);
}

static void open_game(void)
{
	static const char *const hellos[] = { "auto", "always", "off" };
	static const enum conf_pm pms[] = { CONF_PM_STATIC, CONF_PM_DYNAMIC,
					    CONF_PM_ONDEMAND };
	struct conf_fpm_values values = { .pm = pms[dice(3)] };
	char options[256];

	n_workers = 1 + (int)dice(4);
	snprintf(
		options, sizeof(options),
		"max_children = %d; hand_over = %s; hello = \"%s\"; "
		 "body_memory = \"16k\"; "
		"response_memory = \"16k\"; queue = { size = %u; max_wait = \"%s\"; };",
		n_workers + (int)dice(2), dice(4) ? "true" : "false", hellos[dice(3)],
		dice(10), dice(4) ? "5s" : "30ms");
	open_pool(options);
	pool_set_fpm_values(pool, &values);
	n_scripts = n_deaths = 0;
	for (int i = 0; i < N_VISITS; i++)
		worker_states[i] = WORKER_IDLE;
}

/* One of them, or one worker several times in a turn. */
static void step(void)
{
	int n = dice(4) ? 1 : 6, i = (int)dice((unsigned)n_workers);

	if (dice(300) == 0)
		restart();
	else if (dice(2))
		step_visitor();
	else
		while (n-- > 0)
			step_worker(i);
}

static void play(unsigned seed)
{
	chance = (seed + 1) * 0x9e3779b97f4a7c15u;
	open_game();
	for (int i = 0; i < N_STEPS; i++) {
		pool->member.is_hello_known = true;
		pool->member.can_hello = pool->options->hello != CONF_HELLO_OFF;
		step();
		if (dice(3) == 0)
			relay_turns(&relay, 1);
	}
	for (int i = 0; i < N_VISITS; i++)
		if (visits[i].exchange)
			leave(i);
		else if (visits[i].n_done + visits[i].n_broken > 0)
			end_visit(i);
	relay_settle(&relay);
}

static void test_games(void **state)
{
	unsigned n_served = 0, n_handed_over = 0, n_replayed = 0, n_withdrawn = 0;

	for (unsigned seed = 0; seed < N_GAMES; seed++) {
		assert_int_equal(visit_begin(state), 0);
		play(seed);
		n_served += (unsigned)pool->counters.n[COUNTER_SERVED];
		n_handed_over += (unsigned)pool->counters.n[COUNTER_HANDED_OVER];
		n_replayed += (unsigned)pool->counters.n[COUNTER_REPLAYED];
		n_withdrawn += (unsigned)pool->counters.n[COUNTER_WITHDRAWN];
		assert_int_equal(visit_end(state), 0);
	}
	/* everything was played */
	assert_true(n_served > N_GAMES);
	assert_true(n_handed_over > N_GAMES);
	assert_true(n_replayed > 0);
	assert_true(n_withdrawn > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_games),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
