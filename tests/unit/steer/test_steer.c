/* What operators order, and what comes of it beside an agent's word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "steer/steer.h"

#define AS_CONF TG_ORDER_AS_CONF

static void
weights_of_operators_go_before_those_of_agents(void **state)
{
	static const struct {
		struct backend_order ours, agent;
		uint32_t weight, permille;
	} cases[] = {
		{{0}, {.told = TG_ORDER_WEIGHT, .weight = 7, .weight_permille = 500}, 7, 500},
		{{.told = TG_ORDER_WEIGHT, .weight = 9, .weight_permille = 1000},
		 {.told = TG_ORDER_WEIGHT, .weight = 7, .weight_permille = 500},
		 9,
		 500},
		{{.told = TG_ORDER_WEIGHT, .weight = AS_CONF, .weight_permille = 500},
		 {.told = TG_ORDER_WEIGHT, .weight = 7, .weight_permille = 500},
		 7,
		 250},
		{{.told = TG_ORDER_WEIGHT, .weight = AS_CONF, .weight_permille = 500},
		 {0},
		 AS_CONF,
		 500},
		{{.told = TG_ORDER_WEIGHT, .weight = 0, .weight_permille = 1000},
		 {.told = TG_ORDER_WEIGHT, .weight = 7, .weight_permille = 256000},
		 0,
		 256000},
		{{.told = TG_ORDER_WEIGHT, .weight = AS_CONF, .weight_permille = 256000},
		 {.told = TG_ORDER_WEIGHT, .weight = AS_CONF, .weight_permille = 256000},
		 AS_CONF,
		 TG_ORDER_WEIGHT_PERMILLE_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct steer_entry entry = {.order = cases[i].ours};
		struct backend_order got = steer_effective(&entry, &cases[i].agent);

		assert_true((got.told & TG_ORDER_WEIGHT) != 0);
		assert_int_equal(got.weight, cases[i].weight);
		assert_int_equal(got.weight_permille, cases[i].permille);
	}
}

static void
the_stricter_state_counts(void **state)
{
	(void)state;
	for (uint32_t ours = 0; ours < TG_BACKEND_ADMIN_COUNT; ours++) {
		for (uint32_t agents = 0; agents < TG_BACKEND_ADMIN_COUNT; agents++) {
			struct steer_entry entry = {
				.order = {.told = TG_ORDER_ADMIN, .admin = ours}};
			struct backend_order agent = {.told = TG_ORDER_ADMIN | TG_ORDER_DOWN,
						      .admin = agents,
						      .is_down = 1};
			struct backend_order got = steer_effective(&entry, &agent);

			assert_int_equal(got.admin, ours > agents ? ours : agents);
			assert_int_equal(got.is_down, 1);
			assert_int_equal(steer_effective(&entry, NULL).admin, ours);
		}
	}
}

static void
limits_of_operators_go_before_those_of_agents(void **state)
{
	struct steer_entry entry = {.order = {.told = TG_ORDER_LIMIT, .limit = 5}};
	struct backend_order agent = {.told = TG_ORDER_LIMIT, .limit = 9};

	(void)state;
	assert_int_equal(steer_effective(&entry, &agent).limit, 5);
	entry.order.limit = AS_CONF;
	assert_int_equal(steer_effective(&entry, &agent).limit, 9);
	agent.told = 0;
	assert_int_equal(steer_effective(&entry, &agent).limit, AS_CONF);
}

static void
nothing_ordered_tells_nothing(void **state)
{
	struct steer_entry entry = {.order = {.told = 0}};

	(void)state;
	assert_int_equal(steer_effective(&entry, NULL).told, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_of_operators_go_before_those_of_agents),
		cmocka_unit_test(the_stricter_state_counts),
		cmocka_unit_test(limits_of_operators_go_before_those_of_agents),
		cmocka_unit_test(nothing_ordered_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
