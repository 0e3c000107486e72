#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http2/calm.h"

#define SECOND UINT64_C(1000000)

static struct mono
at(uint64_t seconds)
{
	return (struct mono){seconds * SECOND + 1};
}

static unsigned
takes(struct h2_budget *b, struct mono now)
{
	unsigned n = 0;

	while (n < 10000 && h2_budget_take(b, now))
		n++;
	return n;
}

static void
a_budget_is_full_again_after_a_minute(void **state)
{
	struct h2_budget b;

	(void)state;
	h2_budget_begin(&b, 60, at(0));
	assert_int_equal(takes(&b, at(0)), 60);
	assert_int_equal(takes(&b, at(0)), 0);
	assert_int_equal(takes(&b, at(10)), 10);
	assert_int_equal(takes(&b, at(10)), 0);
	assert_int_equal(takes(&b, at(1000)), 60);
	assert_int_equal(takes(&b, at(1001)), 1);
}

static void
time_gives_an_hours_worth_and_no_more(void **state)
{
	struct h2_budget b;
	unsigned all = 0;

	(void)state;
	h2_budget_begin(&b, 60, at(0));
	for (uint64_t minute = 0; minute < 1000; minute++)
		all += takes(&b, at(minute * 60));
	assert_int_equal(all, 60 + 60 * 60);
	/* Who moves something goes on. */
	h2_budget_give(&b, 2);
	assert_int_equal(takes(&b, at(60001)), 2);
}

static void
what_is_given_back_is_never_more_than_all(void **state)
{
	struct h2_budget b;

	(void)state;
	h2_budget_begin(&b, 3, at(0));
	h2_budget_give(&b, 100);
	assert_int_equal(takes(&b, at(0)), 3);
	h2_budget_give(&b, 2);
	assert_int_equal(takes(&b, at(0)), 2);
	h2_budget_give(&b, UINT32_MAX);
	assert_int_equal(takes(&b, at(0)), 3);
}

static void
each_kind_has_a_word(void **state)
{
	(void)state;
	assert_string_equal(h2_calm_str(H2_CALM_RESETS), "resets");
	assert_string_equal(h2_calm_str(H2_CALM_HEAD), "head");
	assert_string_equal(h2_calm_str(H2_CALM_COUNT), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_budget_is_full_again_after_a_minute),
		cmocka_unit_test(time_gives_an_hours_worth_and_no_more),
		cmocka_unit_test(what_is_given_back_is_never_more_than_all),
		cmocka_unit_test(each_kind_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
