#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "balance/balance.h"
#include "unit/balance/service.h"
#include "unit/sanitized.h"

#define OPS (&balance_p2c)

static struct backends backends;
static struct balance_query nobody_tried;
static uint32_t weights[BACKENDS_MAX];

static void
weigh_all(uint32_t n, uint32_t weight)
{
	for (uint32_t i = 0; i < n; i++)
		weights[i] = weight;
}

static int64_t
greatest_load(uint32_t n)
{
	int64_t max = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (backends_load(&backends, i) > max)
			max = backends_load(&backends, i);
	}
	return max;
}

static int64_t
fill(const struct balance_ops *ops, uint32_t n, uint32_t each, uint64_t seed)
{
	int64_t max;
	struct service s;

	backends_init(&backends, n);
	service_open(&s, ops, &backends, weights, 4, seed);
	for (uint32_t i = 0; i < n * each; i++)
		service_pick(&s, i % 4, &nobody_tried);
	max = greatest_load(n);
	service_close(&s);
	return max;
}

/* The theorem: log log n / log 2 above the average, however much there is, where one choice has its root. */
static void
the_fullest_is_close_to_the_average(void **state)
{
	(void)state;
	weigh_all(BACKENDS_MAX, 1);
	for (uint64_t seed = 1; seed <= TURNS(20); seed++) {
		assert_true(fill(OPS, 1000, 1, seed) <= 4);
		assert_true(fill(OPS, 1000, 100, seed) <= 104);
		assert_true(fill(&balance_random, 1000, 100, seed) >= 120);
	}
	assert_true(fill(OPS, BACKENDS_MAX, 10, 1) <= 14);
}

/* Two backends are always both chosen: the one with less gets it. */
static void
of_two_the_less_loaded_gets_each(void **state)
{
	struct service s;

	(void)state;
	weigh_all(2, 1);
	backends_init(&backends, 2);
	service_open(&s, OPS, &backends, weights, 1, 3);
	for (int i = 0; i < 1000; i++) {
		service_pick(&s, 0, &nobody_tried);
		assert_true(backends_load(&backends, 0) - backends_load(&backends, 1) <= 1);
		assert_true(backends_load(&backends, 1) - backends_load(&backends, 0) <= 1);
	}
	service_close(&s);
}

static void
shares_follow_weights_under_load(void **state)
{
	static const uint32_t some[8] = {1, 2, 3, 4, 5, 10, 20, 1};
	const unsigned picks = TURNS(460000);
	struct service s;

	(void)state;
	backends_init(&backends, 8);
	service_open(&s, OPS, &backends, some, 2, 3);
	for (unsigned i = 0; i < picks; i++)
		service_pick(&s, i % 2, &nobody_tried);
	for (uint32_t i = 0; i < 8; i++)
		assert_share("p2c", i, (uint64_t)backends_load(&backends, i), picks, some[i], 46,
			     10, 0);
	service_close(&s);
}

static void
equal_ones_at_rest_share_evenly(void **state)
{
	static unsigned got[10];
	const unsigned picks = DRAWS(2000000);
	struct service s;

	(void)state;
	weigh_all(10, 1);
	backends_init(&backends, 10);
	service_open(&s, OPS, &backends, weights, 1, 3);
	for (unsigned i = 0; i < picks; i++)
		got[service_next(&s, 0, &nobody_tried)]++;
	for (size_t i = 0; i < 10; i++)
		assert_share("p2c at rest", i, got[i], picks, 1, 10, CHANCE(10), 0);
	service_close(&s);
}

/* They are drawn ahead: of another view they are drawn anew, of each of those that draw. */
static void
choices_are_of_the_view_that_is_there(void **state)
{
	static const struct balance_ops *const all[] = {
		&balance_p2c, &balance_random, &balance_ewma};
	struct service s;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		weigh_all(100, 1);
		backends_init(&backends, 100);
		service_open(&s, all[i], &backends, weights, 1, 3);
		for (uint32_t left = 100; left > 0; left--) {
			for (int turn = 0; turn < 3; turn++)
				assert_in_range(service_next(&s, 0, &nobody_tried), 100 - left, 99);
			weights[100 - left] = 0;
			service_set(&s, weights);
		}
		assert_int_equal(service_pick(&s, 0, &nobody_tried), TG_VIEW_NONE);
		service_close(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fullest_is_close_to_the_average),
		cmocka_unit_test(of_two_the_less_loaded_gets_each),
		cmocka_unit_test(shares_follow_weights_under_load),
		cmocka_unit_test(equal_ones_at_rest_share_evenly),
		cmocka_unit_test(choices_are_of_the_view_that_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
