/* sim/elasticity.c: the metrics, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "sim/elasticity.h"

#define MINUTE UINT64_C(60000000)

static uint32_t need[4];
static struct scene scene = {.load = {.step_us = MINUTE, .n = 4}, .need = need};

static void
set_need(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	need[0] = a;
	need[1] = b;
	need[2] = c;
	need[3] = d;
}

static bool
is_near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

/* Two needed and two there; four needed, two there; then one needed, five there for half a minute, one for the rest. */
static void
accuracy_and_time_share(void **state)
{
	struct elasticity_figures f;
	struct elasticity e;

	(void)state;
	set_need(2, 4, 1, 1);
	elasticity_init(&e, &scene, 2);
	elasticity_advance(&e, 2 * MINUTE);
	elasticity_supply(&e, 5);
	elasticity_advance(&e, 2 * MINUTE + MINUTE / 2);
	elasticity_supply(&e, 1);
	elasticity_advance(&e, 4 * MINUTE);
	f = elasticity_figures(&e);
	assert_true(is_near(f.theta_u, 100 * (0.5 * 60) / 240));
	assert_true(is_near(f.tau_u, 25));
	assert_true(is_near(f.theta_o, 100 * (4.0 * 30) / 240));
	assert_true(is_near(f.tau_o, 12.5));
}

/* From minute to minute: both up; need up and nothing there; both stay. */
static void
instability_is_another_way(void **state)
{
	struct elasticity_figures f;
	struct elasticity e;

	(void)state;
	set_need(1, 2, 3, 3);
	elasticity_init(&e, &scene, 1);
	elasticity_advance(&e, MINUTE);
	elasticity_supply(&e, 2);
	elasticity_advance(&e, 4 * MINUTE);
	f = elasticity_figures(&e);
	assert_true(is_near(f.upsilon, 100.0 / 3));
	/* Nothing ran. */
	elasticity_init(&e, &scene, 1);
	f = elasticity_figures(&e);
	assert_true(f.theta_u == 0 && f.upsilon == 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accuracy_and_time_share),
		cmocka_unit_test(instability_is_another_way),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
