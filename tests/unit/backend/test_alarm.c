#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/alarm.h"
#include "fake/turn.h"

static unsigned heard;

static void
hear(void *arg)
{
	(void)arg;
	heard++;
}

static void
many_are_one_until_it_is_heard(void **state)
{
	struct alarm a = {.loop = NULL};
	struct loop *loop = loop_new();

	(void)state;
	assert_non_null(loop);
	alarm_raise(&a);
	alarm_watch(&a, loop, hear, NULL);
	for (int i = 0; i < 3; i++)
		alarm_raise(&a);
	assert_int_equal(heard, 0);
	fake_turn(loop);
	assert_int_equal(heard, 1);
	alarm_raise(&a);
	fake_turn(loop);
	assert_int_equal(heard, 2);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_are_one_until_it_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
