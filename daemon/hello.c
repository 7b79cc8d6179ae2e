/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds out whether a PHP-FPM can be greeted. */

#include "daemon/hello.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/address.h"
#include "fcgi/writer.h"

enum {
	HELLO_TIMEOUT_US = 5000000,
	HELLO_N_RECORDS = 2,
};

static void hello_end(struct hello *hello, bool is_known)
{
	bool can_hello = hello->n_answers == HELLO_N_RECORDS;

	hello_done(hello);
	hello->on_result(hello->userdata, is_known, can_hello);
}

static void hello_on_timeout(struct loop_deadline *deadline)
{
	hello_end(container_of(deadline, struct hello, deadline), false);
}

static void hello_parse(struct hello *hello, size_t n)
{
	const uint8_t *bytes = loop_scratch(hello->loop);
	struct fcgi_event event;

	while (fcgi_reader_next(&hello->reader, &bytes, &n, &event) == 0)
		hello->n_answers += event.kind == FCGI_EVENT_DONE;
}

/* TCP: once connected. A new socket takes this much. */
static void hello_send(struct hello *hello)
{
	uint8_t bytes[HELLO_N_RECORDS * FCGI_WRITER_HELLO_BYTES];
	struct fcgi_writer writer;

	if (hello->is_sent)
		return;
	fcgi_writer_init(&writer, bytes, sizeof(bytes));
	for (int i = 0; i < HELLO_N_RECORDS; i++)
		(void)fcgi_writer_get_values(&writer);
	hello->is_sent = send(hello->stream.source.fd, bytes, writer.n, MSG_NOSIGNAL) > 0;
}

static void hello_on_ready(struct loop_source *source, uint32_t events)
{
	struct hello *hello = container_of(source, struct hello, stream.source);
	size_t n;
	int r;

	if (events & EPOLLOUT)
		hello_send(hello);
	do {
		r = stream_read(&hello->stream, LOOP_SCRATCH_BYTES, &n);
		if (r == 0)
			hello_parse(hello, n);
	} while (r == 0 && hello->n_answers < HELLO_N_RECORDS);
	if (hello->n_answers >= HELLO_N_RECORDS || r == STREAM_EOF || r < 0)
		hello_end(hello, hello->n_answers > 0);
}

void hello_init(struct hello *hello, struct loop *loop, struct memory *memory,
		void *userdata,
		void (*on_result)(void *userdata, bool is_known, bool can_hello))
{
	*hello = (struct hello){
		.loop = loop,
		.stream = { .memory = memory, .source = { .fd = -1 } },
		.deadline = { .on_due = hello_on_timeout },
		.userdata = userdata,
		.on_result = on_result,
	};
}

void hello_done(struct hello *hello)
{
	if (!hello->is_running)
		return;
	hello->is_running = false;
	loop_deadline_clear(&hello->deadline);
	stream_done(&hello->stream);
}

int hello_start(struct hello *hello, const struct address *address)
{
	int fd, r;

	if (hello->is_running)
		return 0;
	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &address->any, address->n) < 0 && errno != EINPROGRESS) {
		r = -errno;
		close_fd(fd);
		return r;
	}
	r = stream_init(&hello->stream, hello->loop, hello->stream.memory, fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP, hello_on_ready);
	if (r < 0)
		return r;
	fcgi_reader_init(&hello->reader);
	hello->n_answers = 0;
	hello->is_running = true;
	hello->is_sent = false;
	hello_send(hello);
	loop_deadline_start(loop_deadline_list(hello->loop, HELLO_TIMEOUT_US),
			    &hello->deadline);
	return 0;
}
