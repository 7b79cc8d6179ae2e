/* SPDX-License-Identifier: BSD-2-Clause */

/* Tests of fcgi/request.h. */

#include "fcgi/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fastcgi.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
	ID = 7,
	OTHER = 8,
	OK = 0,
	IGN = FCGI_REQUEST_IGNORE,
	SEC = FCGI_REQUEST_SECOND,
	MAN = FCGI_REQUEST_MANAGEMENT,
	BAD = FCGI_REQUEST_VIOLATION,
};

/* The states in the order of enum fcgi_request_state. */
static const enum fcgi_request_state states[] = {
	FCGI_REQUEST_IDLE,
	FCGI_REQUEST_PARAMS,
	FCGI_REQUEST_STDIN,
	FCGI_REQUEST_ANSWER,
};

static struct fcgi_request request_in(enum fcgi_request_state state)
{
	return (struct fcgi_request){ state, state == FCGI_REQUEST_IDLE ? 0 : ID };
}

static struct fcgi_record record_of(unsigned int type, uint16_t id, uint16_t n_content)
{
	return (struct fcgi_record){ (uint8_t)type, id, n_content, 0 };
}

/* Records of the active id: what each gives in the four states, with content and without.
 * What gives OK and is no empty PARAMS or STDIN moves nothing. */
static const struct {
	uint8_t type;
	int results[4];
} own[] = {
	{ FCGI_ABORT_REQUEST, { IGN, OK, OK, OK } },
	{ FCGI_END_REQUEST, { IGN, BAD, BAD, BAD } },
	{ FCGI_PARAMS, { IGN, OK, BAD, BAD } },
	{ FCGI_STDIN, { IGN, BAD, OK, BAD } },
	{ FCGI_STDOUT, { IGN, BAD, BAD, BAD } },
	{ FCGI_STDERR, { IGN, BAD, BAD, BAD } },
	{ FCGI_DATA, { IGN, BAD, BAD, BAD } },
	{ FCGI_GET_VALUES, { IGN, BAD, BAD, BAD } },
	{ FCGI_GET_VALUES_RESULT, { IGN, BAD, BAD, BAD } },
	{ FCGI_UNKNOWN_TYPE, { IGN, BAD, BAD, BAD } },
	{ 0, { IGN, BAD, BAD, BAD } },
	{ 12, { IGN, BAD, BAD, BAD } },
	{ 255, { IGN, BAD, BAD, BAD } },
};

static void assert_step(enum fcgi_request_state state, struct fcgi_record record,
			int wanted, enum fcgi_request_state next)
{
	struct fcgi_request request = request_in(state);

	assert_int_equal(fcgi_request_step(&request, &record), wanted);
	assert_int_equal(request.state, next);
	assert_int_equal(request.id, next == FCGI_REQUEST_IDLE ? 0 : ID);
}

static void test_own_id(void **test_state)
{
	(void)test_state;
	for (size_t i = 0; i < N_OF(own); i++) {
		for (size_t s = 0; s < N_OF(states); s++) {
			bool is_stream =
				own[i].type == FCGI_PARAMS || own[i].type == FCGI_STDIN;
			bool ends = own[i].results[s] == OK && is_stream;

			assert_step(states[s], record_of(own[i].type, ID, 9),
				    own[i].results[s], states[s]);
			assert_step(states[s], record_of(own[i].type, ID, 0),
				    own[i].results[s], states[ends ? s + 1 : s]);
		}
	}
}

static void test_begin(void **test_state)
{
	(void)test_state;
	assert_step(FCGI_REQUEST_IDLE, record_of(FCGI_BEGIN_REQUEST, ID, 8), OK,
		    FCGI_REQUEST_PARAMS);
	for (size_t s = 1; s < N_OF(states); s++) {
		assert_step(states[s], record_of(FCGI_BEGIN_REQUEST, ID, 8), BAD,
			    states[s]);
		assert_step(states[s], record_of(FCGI_BEGIN_REQUEST, OTHER, 8), SEC,
			    states[s]);
	}
}

/* Of an id that is not active nothing is illegal but id 0 for a request. */
static void test_other_ids(void **test_state)
{
	(void)test_state;
	for (size_t s = 0; s < N_OF(states); s++) {
		assert_step(states[s], record_of(FCGI_BEGIN_REQUEST, 0, 8), BAD,
			    states[s]);
		for (unsigned int type = 0; type < 256; type++) {
			if (type == FCGI_BEGIN_REQUEST)
				continue;
			assert_step(states[s], record_of(type, OTHER, 0), IGN, states[s]);
			assert_step(states[s], record_of(type, OTHER, 3), IGN, states[s]);
			assert_step(states[s], record_of(type, 0, 0), MAN, states[s]);
			assert_step(states[s], record_of(type, 0, 3), MAN, states[s]);
		}
	}
}

struct step {
	uint8_t type;
	uint16_t id;
	uint16_t n_content;
	int wanted;
	enum fcgi_request_state next;
};

static void walk(struct fcgi_request *request, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fcgi_record record =
			record_of(steps[i].type, steps[i].id, steps[i].n_content);

		assert_int_equal(fcgi_request_step(request, &record), steps[i].wanted);
		assert_int_equal(request->state, steps[i].next);
	}
}

/* A request with everything legal in between. */
static const struct step whole[] = {
	{ FCGI_STDIN, ID, 0, IGN, FCGI_REQUEST_IDLE },
	{ FCGI_ABORT_REQUEST, ID, 0, IGN, FCGI_REQUEST_IDLE },
	{ FCGI_GET_VALUES, 0, 17, MAN, FCGI_REQUEST_IDLE },
	{ FCGI_BEGIN_REQUEST, ID, 8, OK, FCGI_REQUEST_PARAMS },
	{ FCGI_PARAMS, ID, 300, OK, FCGI_REQUEST_PARAMS },
	{ FCGI_GET_VALUES, 0, 17, MAN, FCGI_REQUEST_PARAMS },
	{ FCGI_PARAMS, ID, 5, OK, FCGI_REQUEST_PARAMS },
	{ FCGI_PARAMS, ID, 0, OK, FCGI_REQUEST_STDIN },
	{ FCGI_BEGIN_REQUEST, OTHER, 8, SEC, FCGI_REQUEST_STDIN },
	{ FCGI_PARAMS, OTHER, 300, IGN, FCGI_REQUEST_STDIN },
	{ FCGI_STDIN, ID, 65535, OK, FCGI_REQUEST_STDIN },
	{ FCGI_ABORT_REQUEST, ID, 0, OK, FCGI_REQUEST_STDIN },
	{ FCGI_STDIN, ID, 0, OK, FCGI_REQUEST_ANSWER },
	{ FCGI_ABORT_REQUEST, ID, 0, OK, FCGI_REQUEST_ANSWER },
	{ FCGI_STDIN, ID, 1, BAD, FCGI_REQUEST_ANSWER },
};

/* After END_REQUEST the id may be used again, and what is late of it is dropped. */
static void test_whole_request_twice(void **test_state)
{
	struct fcgi_request request;

	(void)test_state;
	fcgi_request_init(&request);
	walk(&request, whole, N_OF(whole));
	fcgi_request_finish(&request);
	assert_int_equal(request.state, FCGI_REQUEST_IDLE);
	assert_int_equal(request.id, 0);
	walk(&request, whole, N_OF(whole));
}

/* Refused before it was complete: the rest of it is dropped, another id may begin. */
static void test_finish_early(void **test_state)
{
	static const struct step rest[] = {
		{ FCGI_PARAMS, ID, 0, IGN, FCGI_REQUEST_IDLE },
		{ FCGI_STDIN, ID, 100, IGN, FCGI_REQUEST_IDLE },
		{ FCGI_BEGIN_REQUEST, OTHER, 8, OK, FCGI_REQUEST_PARAMS },
		{ FCGI_STDIN, ID, 0, IGN, FCGI_REQUEST_PARAMS },
		{ FCGI_PARAMS, OTHER, 0, OK, FCGI_REQUEST_STDIN },
	};
	struct fcgi_request request;

	(void)test_state;
	fcgi_request_init(&request);
	walk(&request, whole, 5);
	fcgi_request_finish(&request);
	walk(&request, rest, N_OF(rest));
}

static void assert_answer(bool ended, unsigned int type, uint16_t id, uint16_t n_content,
			  int wanted)
{
	struct fcgi_record record = record_of(type, id, n_content);

	assert_int_equal(fcgi_request_check_answer(ID, ended, &record), wanted);
}

static void test_answer(void **test_state)
{
	(void)test_state;
	for (unsigned int type = 0; type < 256; type++) {
		bool is_legal = type == FCGI_STDOUT || type == FCGI_STDERR ||
				type == FCGI_END_REQUEST;

		for (uint16_t n = 0; n < 2; n++) {
			assert_answer(false, type, ID, n, is_legal ? OK : BAD);
			assert_answer(true, type, ID, n, BAD);
			assert_answer(false, type, OTHER, n, IGN);
			assert_answer(true, type, OTHER, n, IGN);
			assert_answer(false, type, 0, n,
				      type == FCGI_GET_VALUES_RESULT ? MAN : BAD);
			assert_answer(true, type, 0, n,
				      type == FCGI_GET_VALUES_RESULT ? MAN : BAD);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_id),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_other_ids),
		cmocka_unit_test(test_whole_request_twice),
		cmocka_unit_test(test_finish_early),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
