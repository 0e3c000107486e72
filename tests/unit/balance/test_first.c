#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "balance/balance.h"
#include "unit/balance/service.h"

#define OPS (&balance_first)

static struct backends backends;
static struct balance_query nobody_tried;

static void
without_limits_the_first_gets_all(void **state)
{
	static const uint32_t weights[3] = {1, 200, 1};
	static const uint32_t later[3] = {0, 200, 1};
	struct service s;

	(void)state;
	backends_init(&backends, 3);
	service_open(&s, OPS, &backends, weights, 2, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(service_pick(&s, i % 2, &nobody_tried), 0);
	service_set(&s, later);
	assert_int_equal(service_pick(&s, 0, &nobody_tried), 1);
	service_close(&s);
}

static void
one_is_filled_before_the_next(void **state)
{
	enum { N = 200 };
	uint32_t weights[N];
	uint32_t limits[N];
	struct service s;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		weights[i] = 1 + i % 3;
		limits[i] = 1 + i % 7;
	}
	backends_init(&backends, N);
	assert_true(backends_limit(&backends, limits));
	service_open(&s, OPS, &backends, weights, 2, 0);
	for (uint32_t i = 0; i < N; i++) {
		for (uint32_t k = 0; k < limits[i]; k++)
			assert_int_equal(service_pick(&s, k % 2, &nobody_tried), i);
	}
	assert_int_equal(service_pick(&s, 0, &nobody_tried), TG_VIEW_NONE);
	service_close(&s);
}

/* What is freed in front is filled first, so that the last ones can rest. */
static void
gaps_are_filled_from_the_front(void **state)
{
	static const uint32_t weights[4] = {1, 1, 1, 1};
	static const uint32_t limits[4] = {2, 2, 2, 2};
	struct balance_query query = {.tried = {0}, .n_tried = 1};
	struct service s;

	(void)state;
	backends_init(&backends, 4);
	assert_true(backends_limit(&backends, limits));
	service_open(&s, OPS, &backends, weights, 1, 0);
	for (int i = 0; i < 7; i++)
		service_pick(&s, 0, &nobody_tried);
	service_release(&s, 0, 2);
	service_release(&s, 0, 0);
	service_release(&s, 0, 1);
	assert_int_equal(service_pick(&s, 0, &query), 1);
	assert_int_equal(service_pick(&s, 0, &nobody_tried), 0);
	assert_int_equal(service_pick(&s, 0, &nobody_tried), 2);
	assert_int_equal(service_pick(&s, 0, &nobody_tried), 3);
	assert_int_equal(service_pick(&s, 0, &nobody_tried), TG_VIEW_NONE);
	service_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limits_the_first_gets_all),
		cmocka_unit_test(one_is_filled_before_the_next),
		cmocka_unit_test(gaps_are_filled_from_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
