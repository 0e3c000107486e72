#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "proc/told.h"

static struct msg_challenge
message(uint32_t at, uint32_t n, bool is_awaited)
{
	struct msg_challenge m = {.n = n, .at = at, .is_awaited = is_awaited};

	if (n > 0)
		snprintf(m.one.token, sizeof(m.one.token), "token-%u", at);
	return m;
}

static int
hear(struct told *told, uint32_t at, uint32_t n, struct challenges **ret)
{
	struct msg_challenge m = message(at, n, false);

	return told_hear(told, &m, ret);
}

static void
all_of_them_make_a_set(void **state)
{
	struct told told = {.n = 0};
	struct challenges *set = NULL;

	(void)state;
	assert_int_equal(hear(&told, 0, 3, &set), 0);
	assert_int_equal(hear(&told, 1, 3, &set), 0);
	assert_int_equal(hear(&told, 2, 3, &set), 1);
	assert_int_equal(set->n, 3);
	assert_string_equal(set->list[2].token, "token-2");
	challenges_unref(set);
	told_fini(&told);
}

/* The keeper has changed its mind, or is another one: it begins with the first. */
static void
who_begins_anew_is_heard(void **state)
{
	struct told told = {.n = 0};
	struct challenges *set = NULL;

	(void)state;
	assert_int_equal(hear(&told, 0, 3, &set), 0);
	assert_int_equal(hear(&told, 0, 1, &set), 1);
	assert_int_equal(set->n, 1);
	challenges_unref(set);
	told_fini(&told);
}

static void
none_is_told_in_one_message(void **state)
{
	struct told told = {.n = 0};
	struct msg_challenge awaited = message(0, 0, true);
	struct challenges *set;

	(void)state;
	assert_int_equal(hear(&told, 0, 0, &set), 1);
	assert_null(set);
	assert_int_equal(told_hear(&told, &awaited, &set), 1);
	assert_true(set->is_awaited);
	assert_int_equal(set->n, 0);
	challenges_unref(set);
	told_fini(&told);
}

static void
one_that_is_missing_breaks_the_protocol(void **state)
{
	struct told told = {.n = 0};
	struct challenges *set = NULL;

	(void)state;
	assert_int_equal(hear(&told, 1, 3, &set), -TG_EPROTO);
	assert_int_equal(hear(&told, 0, 3, &set), 0);
	assert_int_equal(hear(&told, 2, 3, &set), -TG_EPROTO);
	assert_int_equal(hear(&told, 1, 4, &set), -TG_EPROTO);
	told_fini(&told);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_them_make_a_set),
		cmocka_unit_test(who_begins_anew_is_heard),
		cmocka_unit_test(none_is_told_in_one_message),
		cmocka_unit_test(one_that_is_missing_breaks_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
