/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of daemon/params: what an operator wrote, as the other rooms are told it. */
#include "daemon/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/fpm_conf.h"
#include "daemon/member.h"
#include "health/queue.h"
#include "health/replay.h"

static char none[] = "", php_fpm[] = "/usr/sbin/php-fpm8.2";

static void test_queue(void **state)
{
	struct conf_pool conf = {
		.queue = { .size = 7, .max_wait_us = 8, .target_us = 9,
			   .interval_us = 10 },
	};
	struct health_queue_params params;

	(void)state;
	conf.queue.order = CONF_ORDER_FIFO;
	params_set_queue(&params, &conf);
	assert_int_equal(params.size, 7);
	assert_int_equal(params.max_wait_us, 8);
	assert_int_equal(params.target_us, 9);
	assert_int_equal(params.interval_us, 10);
	assert_int_equal(params.order, HEALTH_QUEUE_FIFO);
	conf.queue.order = CONF_ORDER_ADAPTIVE;
	params_set_queue(&params, &conf);
	assert_int_equal(params.order, HEALTH_QUEUE_ADAPTIVE);
}

static void test_replay(void **state)
{
	const struct conf_pool conf = { .replay = true, .replay_within_us = 5 };
	const struct conf_pool off = { .replay = false, .replay_within_us = 6 };
	struct health_replay_params params;

	(void)state;
	params_set_replay(&params, &conf);
	assert_true(params.enabled);
	assert_int_equal(params.within_us, 5);
	params_set_replay(&params, &off);
	assert_false(params.enabled);
	assert_int_equal(params.within_us, 6);
}

static void test_member(void **state)
{
	struct conf_pool conf = {
		.php_fpm = none, .max_children = 8, .connect_timeout_us = 5,
		.hand_over = true, .hello = CONF_HELLO_ALWAYS,
		.fpm = { .pm = CONF_PM_ONDEMAND },
	};
	struct member_params params;

	(void)state;
	params_set_member(&params, &conf, NULL);
	assert_int_equal(params.max_children, 8);
	assert_int_equal(params.connect_timeout_us, 5);
	assert_true(params.hand_over);
	assert_int_equal(params.hello, CONF_HELLO_ALWAYS);
	/* the group fpm is for masters of our own */
	assert_int_equal(params.pm, CONF_PM_UNKNOWN);
	assert_int_equal(params.min_spare_servers, 0);
	conf.php_fpm = php_fpm;
	conf.hand_over = false;
	conf.hello = CONF_HELLO_OFF;
	params_set_member(&params, &conf, NULL);
	assert_int_equal(params.pm, CONF_PM_ONDEMAND);
	assert_false(params.hand_over);
	assert_int_equal(params.hello, CONF_HELLO_OFF);
}

static void test_member_with_what_fpm_says(void **state)
{
	struct conf_pool conf = { .php_fpm = none };
	struct conf_fpm_values fpm = {
		.pm = CONF_PM_DYNAMIC, .max_children = 5, .min_spare_servers = 2,
	};
	struct member_params params;

	(void)state;
	params_set_member(&params, &conf, &fpm);
	assert_int_equal(params.max_children, 5);
	assert_int_equal(params.pm, CONF_PM_DYNAMIC);
	assert_int_equal(params.min_spare_servers, 2);
	conf.max_children = 9;
	params_set_member(&params, &conf, &fpm);
	assert_int_equal(params.max_children, 9);
	assert_int_equal(params.pm, CONF_PM_DYNAMIC);
	/* not known, or not said */
	conf.max_children = 0;
	params_set_member(&params, &conf, NULL);
	assert_int_equal(params.max_children, 1);
	fpm.max_children = 0;
	params_set_member(&params, &conf, &fpm);
	assert_int_equal(params.max_children, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_member),
		cmocka_unit_test(test_member_with_what_fpm_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
