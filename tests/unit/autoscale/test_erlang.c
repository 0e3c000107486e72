/* autoscale/erlang.c: against numbers from tables, and against itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "autoscale/erlang.h"

static void
formula_is_as_in_tables(void **state)
{
	(void)state;
	assert_true(fabs(erlang_c(10, 8) - 0.409180) < 5e-7);
	assert_true(fabs(erlang_c(3, 2) - 0.444444) < 5e-7);
	assert_true(fabs(erlang_c(1, 0.5) - 0.5) < 1e-12);
	assert_true(erlang_c(2, 2) == 1);
	assert_true(erlang_c(0, 1) == 1);
	assert_true(erlang_c(5, 0) == 0);
}

static void
servers_are_as_in_tables(void **state)
{
	static const struct {
		double a;
		uint32_t servers;
	} rows[] = {{1, 4}, {5, 10}, {10, 17}, {20, 29}, {50, 64}, {100, 119}, {500, 540}};
	const struct erlang_goal goal = {.wait = 0.05};
	double used;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(erlang_servers(rows[i].a, &goal, 100000, &used), rows[i].servers);
		assert_true(erlang_c(rows[i].servers, rows[i].a) <= 0.05);
		assert_true(erlang_c(rows[i].servers - 1, rows[i].a) > 0.05);
		assert_true(used > rows[i].servers - 1 && used <= rows[i].servers);
	}
}

/* Where factorials and powers would long have overflowed. */
static void
large_numbers_are_stable(void **state)
{
	const struct erlang_goal goal = {.wait = 0.05};
	double used;
	uint32_t n = erlang_servers(1e6, &goal, TG_ERLANG_SERVERS_MAX, &used);

	(void)state;
	/* Halfin and Whitt, 1981: a + 1.74 sqrt(a). */
	assert_true(n > 1001700 && n < 1001800);
	assert_true(isfinite(used));
	assert_true(erlang_c(1000000, 999999) > 0.99);
	assert_true(erlang_c(100000, 1) == 0);
}

static void
wait_in_seconds_is_held(void **state)
{
	const struct erlang_goal goal = {.seconds = 0.01, .service = 0.1};
	double used;

	(void)state;
	for (double a = 0.1; a < 200; a *= 1.3) {
		uint32_t n = erlang_servers(a, &goal, 1000, &used);

		assert_true(erlang_c(n, a) * 0.1 / (n - a) <= 0.01);
		if (n - 1 > a)
			assert_true(erlang_c(n - 1, a) * 0.1 / (n - 1 - a) > 0.01);
	}
}

/* More load never needs fewer, and what is used grows with it without a jump back. */
static void
all_grows_with_the_load(void **state)
{
	const struct erlang_goal goal = {.wait = 0.05};
	double used_before = 0;
	uint32_t before = 0;

	(void)state;
	for (double a = 0.01; a < 300; a += 0.01) {
		double used;
		uint32_t n = erlang_servers(a, &goal, 1000, &used);

		assert_true(n >= before);
		assert_true(used > used_before && used <= n);
		before = n;
		used_before = used;
	}
}

static void
bounds_are_kept(void **state)
{
	const struct erlang_goal goal = {.wait = 0.05};
	double used;

	(void)state;
	assert_int_equal(erlang_servers(0, &goal, 100, &used), 0);
	assert_true(used == 0);
	assert_int_equal(erlang_servers(-1, &goal, 100, &used), 0);
	assert_int_equal(erlang_servers(500, &goal, 100, &used), 101);
	assert_true(used == 101);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formula_is_as_in_tables),
		cmocka_unit_test(servers_are_as_in_tables),
		cmocka_unit_test(large_numbers_are_stable),
		cmocka_unit_test(wait_in_seconds_is_held),
		cmocka_unit_test(all_grows_with_the_load),
		cmocka_unit_test(bounds_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
