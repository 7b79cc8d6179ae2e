/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners: making sockets, accepting, pausing at the limit, closing. */

#include "daemon/listener.h"

#include <sys/resource.h>

#include "tests/relay_visit.h"

enum { N_WEBS = 100 };

static struct admission admission;
static struct listener *listener;
static int webs[N_WEBS];
static const char *what, *warning;
static unsigned n_empty;

static void on_empty(struct listener *l)
{
	assert_ptr_equal(l, listener);
	n_empty++;
	listener = listener_free(l);
}

static int begin(void **state)
{
	(void)visit_begin(state);
	admission = (struct admission){ .max = 1000 };
	n_empty = 0;
	for (int i = 0; i < N_WEBS; i++)
		webs[i] = -1;
	return 0;
}

static void close_webs(void)
{
	for (int i = 0; i < N_WEBS; i++) {
		if (webs[i] >= 0)
			close(webs[i]);
		webs[i] = -1;
	}
	relay_settle(&relay);
}

static int end(void **state)
{
	close_webs();
	if (listener)
		listener_close(listener);
	relay_settle(&relay);
	assert_null(listener);
	assert_int_equal(n_empty, 1);
	assert_int_equal(admission.n_clients, 0);
	return visit_end(state);
}

static const char *web_path(void)
{
	return conf->pools[0]->listen[0].name;
}

static int try_listen(const struct conf_address *address)
{
	int r = listener_new(pool, &admission, address, &listener, &what, &warning);

	if (r == 0)
		listener->on_empty = on_empty;
	return r;
}

static void open_listener(const char *options)
{
	open_pool(options);
	assert_int_equal(try_listen(&conf->pools[0]->listen[0]), 0);
}

static struct conf_address tcp_address(uint16_t port)
{
	return (struct conf_address){
		.kind = CONF_ADDRESS_IPV4, .text = relay.path, .name = "tcp",
		.ip = { 127, 0, 0, 1 }, .port = port,
	};
}

static uint16_t open_tcp(const char *options)
{
	uint16_t port = 0;
	struct conf_address address;

	close(relay_listen_tcp(4, &port));
	address = tcp_address(port);
	open_pool(options);
	assert_int_equal(try_listen(&address), 0);
	return port;
}

static unsigned n_clients(void)
{
	return listener->home.n_clients;
}

/* One request over a connection of a web server, to its end. */
static void serve_web(int web, int worker)
{
	struct bytes bytes = { 0 };
	int r = 0;

	bytes_add_request(&bytes, 1, 0, "/x.php", "a=b");
	bytes_send(&bytes, web);
	relay_until(&relay, pool->n_exchanges == 1, 1000);
	accept_worker(worker);
	fpm_answer(&workers[worker], "through all of it");
	relay_until(&relay, r != 0 || (r = bytes_recv(&bytes, web)), 1000);
	assert_true(bytes_says(&bytes, FCGI_STDOUT, 1, "through all of it"));
	bytes_done(&bytes);
}

/* making sockets */

static void test_path(void **state)
{
	struct stat st;

	(void)state;
	open_listener("max_children = 2; listen_mode = \"0640\";");
	assert_int_equal(stat(web_path(), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0640);
	webs[0] = relay_connect_path(web_path());
	relay_settle(&relay);
	assert_int_equal(n_clients(), 1);
	serve_web(webs[0], 0);
	listener_close(listener);
	assert_int_equal(stat(web_path(), &st), -1);
	relay_settle(&relay);
}

/* As long as a path can be, and it is bound under its own name: ss(8) shows that one. */
static void test_longest_path(void **state)
{
	struct conf_address address;
	struct sockaddr_un bound;
	socklen_t n_bound = sizeof(bound);
	char path[sizeof(bound.sun_path)];
	size_t n;

	(void)state;
	open_pool("max_children = 2;");
	address = conf->pools[0]->listen[0];
	n = (size_t)snprintf(path, sizeof(path), "%s", web_path());
	n = (size_t)(strrchr(path, '/') - path) + 1;
	while (n < sizeof(path) - 3)
		path[n++] = '/';
	memcpy(path + n, "ab", 3);
	address.name = path;
	assert_int_equal(try_listen(&address), 0);
	assert_int_equal(getsockname(listener->source.fd, (struct sockaddr *)&bound,
				     &n_bound),
			 0);
	assert_memory_equal(bound.sun_path, path, strlen(path));
	assert_int_equal(access(path, F_OK), 0);
	listener_close(listener);
	assert_int_equal(access(path, F_OK), -1);
	relay_settle(&relay);
}

static void test_mode_of_the_backend(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(chmod(relay.path, 0606), 0);
	open_listener("max_children = 2;");
	assert_int_equal(stat(web_path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0606);
}

static void test_unknown_owner(void **state)
{
	(void)state;
	open_listener("max_children = 2; listen_owner = \"no-such-user\";");
	assert_non_null(warning);
}

static void test_abstract(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct conf_address address = { .kind = CONF_ADDRESS_ABSTRACT };
	socklen_t n;

	(void)state;
	address.name = address.text = relay.dir;
	open_pool("max_children = 2;");
	assert_int_equal(try_listen(&address), 0);
	memcpy(un.sun_path + 1, relay.dir, strlen(relay.dir));
	n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(relay.dir));
	webs[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(webs[0], (struct sockaddr *)&un, n), 0);
	relay_settle(&relay);
	serve_web(webs[0], 0);
}

static void test_tcp(void **state)
{
	uint16_t port = open_tcp("max_children = 2;");

	(void)state;
	webs[0] = relay_connect_tcp(port);
	relay_until(&relay, n_clients() == 1, 1000);
	serve_web(webs[0], 0);
}

static void test_tcp_ipv6(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct conf_address address = { .kind = CONF_ADDRESS_IPV6, .text = relay.path };
	uint16_t port = 0;

	(void)state;
	close(relay_listen_tcp(4, &port));
	address.ip[15] = 1;
	address.port = port;
	open_pool("max_children = 2;");
	assert_int_equal(try_listen(&address), 0);
	in6.sin6_addr = in6addr_loopback;
	in6.sin6_port = htons(port);
	webs[0] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(webs[0], (struct sockaddr *)&in6, sizeof(in6)), 0);
	relay_until(&relay, n_clients() == 1, 1000);
	serve_web(webs[0], 0);
}

static void test_stale_file_is_replaced(void **state)
{
	(void)state;
	open_pool("max_children = 2;");
	close(relay_listen_path(web_path(), 4));
	assert_int_equal(try_listen(&conf->pools[0]->listen[0]), 0);
	webs[0] = relay_connect_path(web_path());
	relay_settle(&relay);
	assert_int_equal(n_clients(), 1);
}

static void test_live_socket_is_not_replaced(void **state)
{
	struct listener *other = NULL;
	int fd;

	(void)state;
	open_pool("max_children = 2;");
	fd = relay_listen_path(web_path(), 0);
	assert_int_equal(try_listen(&conf->pools[0]->listen[0]), -EADDRINUSE);
	assert_string_equal(what, "bind");
	/* the try filled its backlog: it lives all the same */
	assert_int_equal(try_listen(&conf->pools[0]->listen[0]), -EADDRINUSE);
	close(fd);
	assert_int_equal(try_listen(&conf->pools[0]->listen[0]), 0);
	assert_int_equal(listener_new(pool, &admission, &conf->pools[0]->listen[0],
				      &other, &what, &warning),
			 -EADDRINUSE);
	assert_null(other);
	relay_settle(&relay);
}

/* A mistake in the configuration must not cost a file. */
static void test_other_file_is_not_replaced(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	open_pool("max_children = 2;");
	fd = open(web_path(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_true(try_listen(&conf->pools[0]->listen[0]) < 0);
	assert_int_equal(stat(web_path(), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_size, 8);
	assert_int_equal(unlink(web_path()), 0);
	assert_int_equal(try_listen(&conf->pools[0]->listen[0]), 0);
}

static void test_file_of_somebody_else_stays(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	open_listener("max_children = 2;");
	assert_int_equal(unlink(web_path()), 0);
	fd = relay_listen_path(web_path(), 4);
	listener_close(listener);
	assert_int_equal(stat(web_path(), &st), 0);
	close(fd);
	assert_int_equal(unlink(web_path()), 0);
}

static void test_no_such_folder(void **state)
{
	struct conf_address address = { .kind = CONF_ADDRESS_UNIX };
	char path[80];

	(void)state;
	open_listener("max_children = 2;");
	listener_close(listener);
	snprintf(path, sizeof(path), "%s/no/web.sock", relay.dir);
	address.name = address.text = path;
	assert_int_equal(try_listen(&address), -ENOENT);
	assert_string_equal(what, "bind");
}

/* The longest path that the configuration takes. */
static void test_long_path(void **state)
{
	struct conf_address address = { .kind = CONF_ADDRESS_UNIX };
	char path[CONF_UNIX_PATH_MAX + 1];

	(void)state;
	snprintf(path, sizeof(path), "%s/", relay.dir);
	memset(path + strlen(path), 'x', sizeof(path) - 1 - strlen(path));
	path[sizeof(path) - 1] = '\0';
	address.name = address.text = path;
	open_pool("max_children = 2;");
	assert_int_equal(try_listen(&address), 0);
	webs[0] = relay_connect_path(path);
	relay_settle(&relay);
	assert_int_equal(n_clients(), 1);
	close_webs();
	listener_close(listener);
}

static void test_adopt(void **state)
{
	struct conf_address address = { .kind = CONF_ADDRESS_SYSTEMD };
	struct stat st;

	(void)state;
	address.text = relay.dir;
	address.name = relay.dir;
	open_pool("max_children = 2;");
	assert_int_equal(listener_adopt(pool, &admission,
					relay_listen_path(web_path(), 4), &address,
					&listener),
			 0);
	listener->on_empty = on_empty;
	webs[0] = relay_connect_path(web_path());
	relay_settle(&relay);
	serve_web(webs[0], 0);
	/* systemd's file is systemd's */
	listener_close(listener);
	assert_int_equal(stat(web_path(), &st), 0);
	assert_int_equal(unlink(web_path()), 0);
}

/* accepting */

static void test_many_at_once(void **state)
{
	(void)state;
	open_listener("max_children = 2;");
	for (int i = 0; i < N_WEBS; i++)
		webs[i] = relay_connect_path(web_path());
	relay_settle(&relay);
	relay_settle(&relay);
	assert_int_equal(n_clients(), N_WEBS);
	assert_int_equal(admission.n_clients, N_WEBS);
	assert_int_equal(pool->counters.n[COUNTER_CLIENTS], N_WEBS);
	close_webs();
	assert_int_equal(admission.n_clients, 0);
}

static void test_pause_at_the_limit(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	admission.max = 3;
	open_listener("max_children = 2;");
	for (int i = 0; i < 5; i++)
		webs[i] = relay_connect_path(web_path());
	relay_run_ms(&relay, 120);
	assert_int_equal(n_clients(), 3);
	assert_true(pool->counters.n[COUNTER_CLIENTS_PAUSED] > 0);
	/* nobody is turned away, and nothing spins */
	assert_true(pool->counters.n[COUNTER_CLIENTS_PAUSED] < 10);
	assert_int_equal(bytes_recv(&bytes, webs[4]), 0);
	close(webs[0]);
	close(webs[1]);
	webs[0] = webs[1] = -1;
	relay_until(&relay, n_clients() == 3, 1000);
	serve_web(webs[4], 0);
	serve_web(webs[2], 1);
}

/* Without a descriptor to spare. */
static void test_pause_without_descriptors(void **state)
{
	struct rlimit old, low;
	int fd;

	(void)state;
	open_listener("max_children = 2;");
	webs[0] = relay_connect_path(web_path());
	webs[1] = relay_connect_path(web_path());
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	fd = dup(webs[0]);
	assert_true(fd >= 0);
	close(fd);
	low = old;
	low.rlim_cur = (rlim_t)fd + 1; /* one is left */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	relay_run_ms(&relay, 120);
	assert_int_equal(n_clients(), 1);
	assert_true(pool->counters.n[COUNTER_CLIENTS_PAUSED] > 0);
	assert_true(pool->counters.n[COUNTER_CLIENTS_PAUSED] < 10);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* not webs[1]: valgrind takes it out of the backlog and closes it */
	webs[2] = relay_connect_path(web_path());
	relay_until(&relay, n_clients() >= 2, 1000);
	relay_settle(&relay);
	serve_web(webs[2], 0);
}

static void test_allow(void **state)
{
	struct bytes bytes = { 0 };
	uint16_t port = open_tcp("max_children = 2; allow = [ \"10.0.0.0/8\" ];");

	(void)state;
	webs[0] = relay_connect_tcp(port);
	relay_until(&relay, pool->counters.n[COUNTER_CLIENTS_DENIED] == 1, 1000);
	relay_until(&relay, bytes_recv(&bytes, webs[0]) != 0, 1000);
	assert_int_equal(bytes.n, 0);
	assert_int_equal(n_clients(), 0);
	assert_int_equal(admission.n_clients, 0);
}

static void test_allowed(void **state)
{
	uint16_t port = open_tcp("max_children = 2; allow = [ \"10.0.0.0/8\", "
				 "\"127.0.0.0/31\" ];");

	(void)state;
	webs[0] = relay_connect_tcp(port);
	relay_until(&relay, n_clients() == 1, 1000);
}

static void test_not_allowed_by_one_bit(void **state)
{
	uint16_t port = open_tcp("max_children = 2; allow = [ \"127.0.0.2/31\" ];");

	(void)state;
	webs[0] = relay_connect_tcp(port);
	relay_until(&relay, pool->counters.n[COUNTER_CLIENTS_DENIED] == 1, 1000);
}

/* closing */

static void test_close_with_clients(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	open_listener("max_children = 2;");
	for (int i = 0; i < 3; i++)
		webs[i] = relay_connect_path(web_path());
	relay_settle(&relay);
	bytes_add_request(&bytes, 1, FCGI_KEEP_CONN, "/x.php", "");
	bytes_send(&bytes, webs[0]);
	relay_settle(&relay);
	accept_worker(0);
	listener_close(listener);
	relay_settle(&relay);
	/* all are there; idle ones go at the end of all */
	assert_int_equal(n_empty, 0);
	assert_int_equal(n_clients(), 3);
	listener_close_idle(listener); /* too early: they may be in use in this instant */
	relay_settle(&relay);
	assert_int_equal(n_clients(), 3);
	relay_run_ms(&relay, 260);
	listener_close_idle(listener);
	relay_settle(&relay);
	assert_int_equal(n_clients(), 1);
	assert_int_equal(bytes_recv(&bytes, webs[1]), 1);
	/* the kept connection ends behind its answer */
	fpm_answer(&workers[0], "last");
	relay_settle(&relay);
	assert_int_equal(bytes_recv(&bytes, webs[0]), 1);
	assert_true(bytes_says(&bytes, FCGI_STDOUT, 1, "last"));
	assert_int_equal(n_empty, 1);
	bytes_done(&bytes);
}

/* One whose refused body is still coming in is not idle: an end now would be a 502. */
static void test_close_idle_not_while_draining(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	open_listener("max_children = 2; body_max = \"64k\";");
	webs[0] = relay_connect_path(web_path());
	bytes_add_begin(&bytes, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
	bytes_add_record(&bytes, FCGI_PARAMS, 1, "\16\006CONTENT_LENGTH999999", 22, 0);
	bytes_add_record(&bytes, FCGI_PARAMS, 1, NULL, 0, 0);
	bytes_send(&bytes, webs[0]);
	relay_settle(&relay);
	assert_int_equal(bytes_recv(&bytes, webs[0]), 0);
	assert_true(bytes_says(&bytes, FCGI_STDOUT, 1, "Status: 413 "));
	relay_run_ms(&relay, 260);
	listener_close_idle(listener);
	relay_settle(&relay);
	assert_int_equal(n_clients(), 1);
	bytes_done(&bytes);
	bytes_add_record(&bytes, FCGI_STDIN, 1, NULL, 0, 0);
	bytes_send(&bytes, webs[0]);
	relay_settle(&relay);
	relay_run_ms(&relay, 260);
	listener_close_idle(listener);
	relay_settle(&relay);
	assert_int_equal(n_clients(), 0);
}

static void test_options_change(void **state)
{
	struct conf *newer;

	(void)state;
	open_listener("max_children = 2;");
	newer = relay_conf(&relay, "", "max_children = 2; half_close = true; "
				       "write_timeout = \"7s\"; body_timeout = \"8s\"; "
				       "response_memory = \"64k\";");
	pool_set_conf(pool, newer, newer->pools[0]);
	listener_set_options(listener);
	assert_true(listener->home.half_close);
	assert_int_equal(listener->home.write_timeout_us, 7000000);
	assert_int_equal(listener->home.body_timeout_us, 8000000);
	assert_int_equal(listener->home.response_memory, 64 * 1024);
	pool_set_conf(pool, conf, conf->pools[0]);
	conf_unref(newer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_path),
		TEST(test_longest_path),
		TEST(test_mode_of_the_backend),
		TEST(test_unknown_owner),
		TEST(test_abstract),
		TEST(test_tcp),
		TEST(test_tcp_ipv6),
		TEST(test_stale_file_is_replaced),
		TEST(test_live_socket_is_not_replaced),
		TEST(test_other_file_is_not_replaced),
		TEST(test_file_of_somebody_else_stays),
		TEST(test_no_such_folder),
		TEST(test_long_path),
		TEST(test_adopt),
		TEST(test_many_at_once),
		TEST(test_pause_at_the_limit),
		TEST(test_pause_without_descriptors),
		TEST(test_allow),
		TEST(test_allowed),
		TEST(test_not_allowed_by_one_bit),
		TEST(test_close_with_clients),
		TEST(test_close_idle_not_while_draining),
		TEST(test_options_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
