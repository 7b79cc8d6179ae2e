/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop: turns, sources, tasks, deadlines, and sd-event inside it. */

#include "daemon/loop.h"

#include <signal.h>
#include <sys/epoll.h>

#include <systemd/sd-event.h>

#include "tests/relay_fixture.h"

static struct relay relay;

/* What happened, in order. */
static char trace[64];
static size_t n_trace;

static void trace_add(char c)
{
	assert_true(n_trace + 1 < sizeof(trace));
	trace[n_trace++] = c;
	trace[n_trace] = '\0';
}

static int begin(void **state)
{
	(void)state;
	n_trace = 0;
	trace[0] = '\0';
	relay_begin(&relay);
	return 0;
}

static int end(void **state)
{
	(void)state;
	relay_end(&relay);
	return 0;
}

/* tasks */

struct job {
	struct loop_task task;
	char name;
	struct job *cancels, *defers;
};

static void job_run(struct loop_task *task)
{
	struct job *job = container_of(task, struct job, task);

	trace_add(job->name);
	if (job->cancels)
		loop_cancel(&job->cancels->task);
	if (job->defers)
		loop_defer(relay.loop, &job->defers->task);
}

static struct job job_of(char name)
{
	return (struct job){ .task = { .run = job_run }, .name = name };
}

static void test_task_runs_once_in_order(void **state)
{
	struct job a = job_of('a'), b = job_of('b');

	(void)state;
	loop_defer(relay.loop, &a.task);
	loop_defer(relay.loop, &b.task);
	loop_defer(relay.loop, &a.task);
	relay_turns(&relay, 1);
	assert_string_equal(trace, "ab");
	relay_turns(&relay, 2);
	assert_string_equal(trace, "ab");
}

static void test_task_of_a_task_runs_next_turn(void **state)
{
	struct job a = job_of('a'), b = job_of('b');
	uint64_t start_us;

	(void)state;
	a.defers = &b;
	b.defers = &b;
	loop_defer(relay.loop, &a.task);
	relay_turns(&relay, 1);
	assert_string_equal(trace, "a");
	/* and that turn does not wait */
	start_us = relay_clock_us();
	assert_true(loop_turn(relay.loop, 5000) >= 0);
	assert_true(loop_turn(relay.loop, 5000) >= 0);
	assert_true(relay_clock_us() - start_us < 2000000);
	assert_string_equal(trace, "abb");
	loop_cancel(&b.task);
}

static void test_task_cancels_one_of_the_same_turn(void **state)
{
	struct job a = job_of('a'), b = job_of('b'), c = job_of('c');

	(void)state;
	a.cancels = &b;
	loop_defer(relay.loop, &a.task);
	loop_defer(relay.loop, &b.task);
	loop_defer(relay.loop, &c.task);
	relay_turns(&relay, 2);
	assert_string_equal(trace, "ac");
	loop_cancel(&b.task); /* harmless */
}

/* deadlines */

struct alarm {
	struct loop_deadline deadline;
	char name;
	struct loop_deadline_list *again;
};

static void alarm_on_due(struct loop_deadline *deadline)
{
	struct alarm *alarm = container_of(deadline, struct alarm, deadline);

	trace_add(alarm->name);
	if (alarm->again)
		loop_deadline_start(alarm->again, &alarm->deadline);
}

static struct alarm alarm_of(char name)
{
	return (struct alarm){ .deadline = { .on_due = alarm_on_due }, .name = name };
}

static struct loop_deadline_list *list_ms(unsigned ms)
{
	struct loop_deadline_list *list = loop_deadline_list(relay.loop, ms * 1000);

	assert_non_null(list);
	return list;
}

static void test_one_list_per_duration(void **state)
{
	(void)state;
	assert_ptr_equal(list_ms(10), list_ms(10));
	assert_ptr_not_equal(list_ms(10), list_ms(11));
}

static void test_deadlines_of_several_durations(void **state)
{
	struct alarm slow = alarm_of('s'), quick = alarm_of('q'), second = alarm_of('2');

	(void)state;
	loop_deadline_start(list_ms(400), &slow.deadline);
	loop_deadline_start(list_ms(10), &quick.deadline);
	loop_deadline_start(list_ms(10), &second.deadline);
	relay_run_ms(&relay, 30);
	assert_string_equal(trace, "q2");
	relay_until(&relay, n_trace == 3, 2000);
	assert_string_equal(trace, "q2s");
}

static void test_deadline_is_never_early(void **state)
{
	struct alarm alarm = alarm_of('a');
	uint64_t start_us;

	(void)state;
	relay_turns(&relay, 1);
	(void)loop_take_stats(relay.loop);
	start_us = loop_now_us(relay.loop);
	loop_deadline_start(list_ms(20), &alarm.deadline);
	while (n_trace == 0)
		assert_true(loop_turn(relay.loop, -1) >= 0);
	assert_true(loop_now_us(relay.loop) - start_us >= 20000);
	assert_true(loop_now_us(relay.loop) - start_us < 1000000);
	/* and the loop has slept meanwhile */
	assert_true(loop_take_stats(relay.loop).n_turns < 10);
}

static void test_deadline_is_started_afresh(void **state)
{
	struct alarm first = alarm_of('1'), second = alarm_of('2');

	(void)state;
	loop_deadline_start(list_ms(300), &first.deadline);
	loop_deadline_start(list_ms(300), &second.deadline);
	relay_run_ms(&relay, 20);
	loop_deadline_start(list_ms(300), &first.deadline);
	relay_until(&relay, n_trace == 2, 2000);
	assert_string_equal(trace, "21");
}

static void test_deadline_clears(void **state)
{
	struct alarm alarm = alarm_of('a');

	(void)state;
	loop_deadline_start(list_ms(5), &alarm.deadline);
	loop_deadline_clear(&alarm.deadline);
	loop_deadline_clear(&alarm.deadline);
	relay_run_ms(&relay, 15);
	assert_string_equal(trace, "");
	/* a NULL list is "off" and clears too */
	loop_deadline_start(list_ms(5), &alarm.deadline);
	loop_deadline_start(NULL, &alarm.deadline);
	relay_run_ms(&relay, 15);
	assert_string_equal(trace, "");
}

static void test_deadline_starts_itself_again(void **state)
{
	struct alarm alarm = alarm_of('a');

	(void)state;
	alarm.again = list_ms(5);
	loop_deadline_start(alarm.again, &alarm.deadline);
	relay_until(&relay, n_trace == 3, 1000);
	loop_deadline_clear(&alarm.deadline);
}

/* sources */

struct ear {
	struct loop_source source;
	char name;
	bool drains;
	struct ear *removes;
	uint32_t events;
};

static void ear_on_ready(struct loop_source *source, uint32_t events)
{
	struct ear *ear = container_of(source, struct ear, source);
	char bytes[16];

	ear->events |= events;
	trace_add(ear->name);
	if (ear->drains)
		(void)recv(source->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (ear->removes)
		loop_remove(relay.loop, &ear->removes->source);
}

static struct ear ear_of(char name, int fd, bool is_level)
{
	return (struct ear){
		.source = { .fd = fd, .is_level = is_level, .on_ready = ear_on_ready },
		.name = name,
	};
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static void test_source_is_edge_triggered(void **state)
{
	int pair[2];
	struct ear ear;

	(void)state;
	relay_pair(pair);
	ear = ear_of('e', pair[0], false);
	assert_int_equal(loop_add(relay.loop, &ear.source, EPOLLIN), 0);
	relay_send(pair[1], "x", 1);
	relay_turns(&relay, 3);
	assert_string_equal(trace, "e");
	/* asking again reports what is ready now */
	assert_int_equal(loop_change(relay.loop, &ear.source, EPOLLIN | EPOLLOUT), 0);
	relay_turns(&relay, 3);
	assert_string_equal(trace, "ee");
	assert_int_equal(ear.events & (EPOLLIN | EPOLLOUT), EPOLLIN | EPOLLOUT);
	loop_remove(relay.loop, &ear.source);
	close_pair(pair);
}

static void test_source_is_level_triggered(void **state)
{
	int pair[2];
	struct ear ear;

	(void)state;
	relay_pair(pair);
	ear = ear_of('l', pair[0], true);
	assert_int_equal(loop_add(relay.loop, &ear.source, EPOLLIN), 0);
	relay_send(pair[1], "x", 1);
	relay_turns(&relay, 2);
	assert_string_equal(trace, "ll");
	assert_int_equal(loop_change(relay.loop, &ear.source, 0), 0);
	relay_turns(&relay, 2);
	assert_string_equal(trace, "ll");
	assert_int_equal(loop_change(relay.loop, &ear.source, EPOLLIN), 0);
	ear.drains = true;
	relay_turns(&relay, 3);
	assert_string_equal(trace, "lll");
	loop_remove(relay.loop, &ear.source);
	close_pair(pair);
}

static void test_source_is_removed_in_its_batch(void **state)
{
	int a[2], b[2];
	struct ear first, second;

	(void)state;
	relay_pair(a);
	relay_pair(b);
	first = ear_of('x', a[0], false);
	second = ear_of('x', b[0], false);
	first.removes = &second;
	second.removes = &first;
	assert_int_equal(loop_add(relay.loop, &first.source, EPOLLIN), 0);
	assert_int_equal(loop_add(relay.loop, &second.source, EPOLLIN), 0);
	relay_send(a[1], "x", 1);
	relay_send(b[1], "x", 1);
	relay_turns(&relay, 2);
	/* whichever came first has taken the other one out */
	assert_string_equal(trace, "x");
	loop_remove(relay.loop, &first.source);
	loop_remove(relay.loop, &second.source); /* harmless */
	close_pair(a);
	close_pair(b);
}

/* The number of a descriptor that was closed in this batch is given to another one. */
struct heir {
	struct ear ear;
	struct ear *other, *heir;
	int pair[2];
};

static void heir_on_ready(struct loop_source *source, uint32_t events)
{
	struct heir *heir = container_of(source, struct heir, ear.source);
	int fd = heir->other->source.fd;

	(void)events;
	if (heir->pair[0] >= 0)
		return;
	trace_add('1');
	loop_remove(relay.loop, &heir->other->source);
	close(fd);
	relay_pair(heir->pair);
	assert_true(heir->pair[0] == fd || heir->pair[1] == fd);
	*heir->heir = ear_of('h', fd, false);
	assert_int_equal(loop_add(relay.loop, &heir->heir->source, EPOLLIN), 0);
}

static void test_source_of_a_number_used_again(void **state)
{
	int a[2], b[2];
	struct ear heir;
	struct heir first, second;

	(void)state;
	relay_pair(a);
	relay_pair(b);
	first = (struct heir){ .ear = ear_of('x', a[0], false), .heir = &heir };
	second = (struct heir){ .ear = ear_of('x', b[0], false), .heir = &heir };
	first.pair[0] = second.pair[0] = -1;
	first.other = &second.ear;
	second.other = &first.ear;
	first.ear.source.on_ready = second.ear.source.on_ready = heir_on_ready;
	assert_int_equal(loop_add(relay.loop, &first.ear.source, EPOLLIN), 0);
	assert_int_equal(loop_add(relay.loop, &second.ear.source, EPOLLIN), 0);
	relay_send(a[1], "x", 1);
	relay_send(b[1], "x", 1);
	relay_turns(&relay, 2);
	/* the event of the old one is nothing to the new one */
	assert_string_equal(trace, "1");
	assert_int_equal(heir.events, 0);
	loop_remove(relay.loop, &heir.source);
	close_pair(first.pair[0] >= 0 ? first.pair : second.pair);
	close(first.pair[0] >= 0 ? a[0] : b[0]);
	close(a[1]);
	close(b[1]);
}

static void test_source_that_cannot_be_added(void **state)
{
	struct ear ear = ear_of('e', -1, false);

	(void)state;
	loop_remove(relay.loop, &ear.source);
	assert_int_equal(loop_add(relay.loop, &ear.source, EPOLLIN), -EBADF);
}

/* clock, figures */

static void test_clock_stands_still_in_a_turn(void **state)
{
	uint64_t now_us, wall_us;

	(void)state;
	relay_turns(&relay, 1);
	now_us = loop_now_us(relay.loop);
	assert_true(relay_clock_us() >= now_us);
	while (relay_clock_us() < now_us + 1000)
		;
	assert_int_equal(loop_now_us(relay.loop), now_us);
	relay_turns(&relay, 1);
	assert_true(loop_now_us(relay.loop) > now_us);
	wall_us = loop_wall_us(relay.loop);
	assert_true(wall_us / 1000000 + 5 > (uint64_t)time(NULL));
}

static void test_spool_ration_of_a_turn(void **state)
{
	(void)state;
	relay_turns(&relay, 1);
	assert_int_equal(loop_spool_room(relay.loop), LOOP_SPOOL_TURN_BYTES);
	loop_spool_book(relay.loop, LOOP_SPOOL_TURN_BYTES - 100);
	assert_int_equal(loop_spool_room(relay.loop), 100);
	/* what was read goes to the file even if it is a little more */
	loop_spool_book(relay.loop, 200);
	assert_int_equal(loop_spool_room(relay.loop), 0);
	relay_turns(&relay, 1);
	assert_int_equal(loop_spool_room(relay.loop), LOOP_SPOOL_TURN_BYTES);
}

static void spend_us(struct loop_task *task)
{
	uint64_t end_us = relay_clock_us() + 3000;

	(void)task;
	while (relay_clock_us() < end_us)
		;
}

static void test_longest_turn(void **state)
{
	struct loop_task task = { .run = spend_us };
	struct loop_stats stats;

	(void)state;
	(void)loop_take_stats(relay.loop);
	loop_defer(relay.loop, &task);
	relay_turns(&relay, 2);
	stats = loop_take_stats(relay.loop);
	assert_int_equal(stats.n_turns, 2);
	assert_true(stats.longest_turn_us >= 3000);
	assert_int_equal(loop_take_stats(relay.loop).longest_turn_us, 0);
}

static void loop_stop(struct loop_task *task)
{
	(void)task;
	loop_exit(relay.loop, 7);
}

static void test_run_ends_with_a_code(void **state)
{
	struct loop_task task = { .run = loop_stop };

	(void)state;
	loop_defer(relay.loop, &task);
	assert_int_equal(loop_run(relay.loop), 7);
}

/* sd-event */

static int on_event_timer(sd_event_source *source, uint64_t at_us, void *userdata)
{
	(void)source;
	(void)at_us;
	(void)userdata;
	trace_add('t');
	return 0;
}

static int on_event_signal(sd_event_source *source, const struct signalfd_siginfo *info,
			   void *userdata)
{
	(void)source;
	(void)info;
	(void)userdata;
	trace_add('s');
	return 0;
}

static int on_event_defer(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	trace_add('d');
	return 0;
}

static sd_event_source *add_timer(unsigned ms)
{
	sd_event_source *source;

	assert_true(sd_event_add_time_relative(loop_event(relay.loop), &source,
					       CLOCK_MONOTONIC, ms * 1000ull, 1000,
					       on_event_timer, NULL) >= 0);
	return source;
}

static void test_event_timer(void **state)
{
	sd_event_source *source = add_timer(10);

	(void)state;
	relay_until(&relay, n_trace == 1, 1000);
	sd_event_source_unref(source);
}

/* The relay makes and moves timers between turns, when sd-event is armed already. */
static void test_event_timer_of_a_later_turn(void **state)
{
	sd_event_source *source;

	(void)state;
	relay_turns(&relay, 3);
	source = add_timer(10);
	relay_until(&relay, n_trace == 1, 1000);
	assert_true(sd_event_source_set_time_relative(source, 10000) >= 0);
	assert_true(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0);
	(void)loop_event(relay.loop); /* says that a source was changed */
	relay_until(&relay, n_trace == 2, 1000);
	sd_event_source_unref(source);
}

static void test_event_defer_of_a_later_turn(void **state)
{
	sd_event_source *source;

	(void)state;
	relay_turns(&relay, 3);
	assert_true(sd_event_add_defer(loop_event(relay.loop), &source, on_event_defer,
				       NULL) >= 0);
	relay_until(&relay, n_trace == 1, 1000);
	sd_event_source_unref(source);
}

static void test_event_signal(void **state)
{
	sd_event_source *source;
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	assert_true(sd_event_add_signal(loop_event(relay.loop), &source, SIGUSR1,
					on_event_signal, NULL) >= 0);
	relay_turns(&relay, 2);
	raise(SIGUSR1);
	relay_until(&relay, n_trace == 1, 1000);
	assert_string_equal(trace, "s");
	sd_event_source_unref(source);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

/* A relay that is busy all the time: a source that is always ready, a task that is always
 * due. Signals and timers get through, and the relay goes on. */
static void busy_on_ready(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
}

static void test_event_gets_through_under_load(void **state)
{
	struct loop_source busy = { .is_level = true, .on_ready = busy_on_ready };
	struct job always = job_of('a');
	sd_event_source *timer;
	uint64_t end_us = relay_clock_us() + 1000000;
	int pair[2];

	(void)state;
	relay_pair(pair);
	busy.fd = pair[0];
	assert_int_equal(loop_add(relay.loop, &busy, EPOLLOUT), 0);
	timer = add_timer(5);
	while (n_trace < 2 && relay_clock_us() < end_us) {
		n_trace = 0;
		loop_defer(relay.loop, &always.task);
		assert_true(loop_turn(relay.loop, -1) >= 0);
	}
	assert_string_equal(trace, "ta");
	loop_remove(relay.loop, &busy);
	sd_event_source_unref(timer);
	close_pair(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_task_runs_once_in_order, begin, end),
		cmocka_unit_test_setup_teardown(test_task_of_a_task_runs_next_turn, begin,
						end),
		cmocka_unit_test_setup_teardown(test_task_cancels_one_of_the_same_turn,
						begin, end),
		cmocka_unit_test_setup_teardown(test_one_list_per_duration, begin, end),
		cmocka_unit_test_setup_teardown(test_deadlines_of_several_durations,
						begin, end),
		cmocka_unit_test_setup_teardown(test_deadline_is_never_early, begin, end),
		cmocka_unit_test_setup_teardown(test_deadline_is_started_afresh, begin,
						end),
		cmocka_unit_test_setup_teardown(test_deadline_clears, begin, end),
		cmocka_unit_test_setup_teardown(test_deadline_starts_itself_again, begin,
						end),
		cmocka_unit_test_setup_teardown(test_source_is_edge_triggered, begin,
						end),
		cmocka_unit_test_setup_teardown(test_source_is_level_triggered, begin,
						end),
		cmocka_unit_test_setup_teardown(test_source_is_removed_in_its_batch,
						begin, end),
		cmocka_unit_test_setup_teardown(test_source_of_a_number_used_again, begin,
						end),
		cmocka_unit_test_setup_teardown(test_source_that_cannot_be_added, begin,
						end),
		cmocka_unit_test_setup_teardown(test_clock_stands_still_in_a_turn, begin,
						end),
		cmocka_unit_test_setup_teardown(test_spool_ration_of_a_turn, begin, end),
		cmocka_unit_test_setup_teardown(test_longest_turn, begin, end),
		cmocka_unit_test_setup_teardown(test_run_ends_with_a_code, begin, end),
		cmocka_unit_test_setup_teardown(test_event_timer, begin, end),
		cmocka_unit_test_setup_teardown(test_event_timer_of_a_later_turn, begin,
						end),
		cmocka_unit_test_setup_teardown(test_event_defer_of_a_later_turn, begin,
						end),
		cmocka_unit_test_setup_teardown(test_event_signal, begin, end),
		cmocka_unit_test_setup_teardown(test_event_gets_through_under_load, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
