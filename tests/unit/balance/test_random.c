#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "balance/alias_priv.h"
#include "balance/balance.h"
#include "unit/balance/service.h"
#include "unit/sanitized.h"

#define OPS (&balance_random)

static struct backends backends;
static struct balance_query nobody_tried;
static uint32_t weights[BACKENDS_MAX];

enum weighing { EQUAL, STEPS, ONE_HEAVY, ONE_LIGHT, CHANCE, WEIGHINGS };

static uint64_t
weigh(enum weighing weighing, uint32_t n)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < n; i++) {
		weights[i] = weighing == EQUAL       ? 3
			     : weighing == STEPS     ? 1 + i % 256
			     : weighing == ONE_HEAVY ? (i == n / 2 ? 256 : 1)
			     : weighing == ONE_LIGHT ? (i == n / 2 ? 1 : 256)
						     : 1 + (uint32_t)hash_number(i) % 256;
		all += weights[i];
	}
	return all;
}

/* What the columns add up to: shares before chance comes in. */
static void
table_holds_the_exact_shares(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 10, 257, 1000, BACKENDS_MAX};
	static double share[BACKENDS_MAX];

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		for (int w = 0; w < WEIGHINGS; w++) {
			uint32_t n = sizes[k];
			double all = (double)weigh((enum weighing)w, n);
			struct view *view;
			const struct alias *alias;

			backends_init(&backends, n);
			view = backends_view(&backends, weights);
			assert_non_null(view);
			assert_int_equal(alias_prepare(view), 0);
			alias = view->table;
			memset(share, 0, sizeof(share));
			for (uint32_t i = 0; i < n; i++) {
				double keep = (double)alias->columns[i].keep / 4294967296.0;

				share[i] += keep;
				share[alias->columns[i].other] += 1 - keep;
			}
			for (uint32_t i = 0; i < n; i++) {
				double off = share[i] / n / (weights[i] / all) - 1;

				assert_true(off < 1e-5 && off > -1e-5);
			}
			view_unref(view);
		}
	}
}

static void
shares_follow_weights(void **state)
{
	static unsigned got[10];
	const unsigned picks = DRAWS(4000000);

	(void)state;
	for (int w = 0; w < WEIGHINGS; w++) {
		uint64_t all = weigh((enum weighing)w, 10);
		struct service s;

		memset(got, 0, sizeof(got));
		backends_init(&backends, 10);
		service_open(&s, OPS, &backends, weights, 2, 11);
		for (unsigned i = 0; i < picks; i++)
			got[service_next(&s, i % 2, &nobody_tried)]++;
		for (size_t i = 0; i < 10; i++) {
			/* One of weight 1 in 2305 has 1,735 of them: chance is 2.4 % of that. */
			bool rare = (double)picks * weights[i] / (double)all < DRAWS(30000);

			assert_share("random", i, got[i], picks, weights[i], all, CHANCE(rare ? 80 : 10), 0);
		}
		service_close(&s);
	}
}

/* No memory: after any backend, each other comes as often as ever. */
static void
picks_do_not_depend_on_the_one_before(void **state)
{
	static unsigned after[4][4];
	const unsigned picks = DRAWS(1600000);
	uint32_t before = 0;
	struct service s;

	(void)state;
	weigh(EQUAL, 4);
	backends_init(&backends, 4);
	service_open(&s, OPS, &backends, weights, 1, 5);
	for (unsigned i = 0; i < picks; i++) {
		uint32_t b = service_next(&s, 0, &nobody_tried);

		after[before][b]++;
		before = b;
	}
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 4; j++)
			assert_in_range(after[i][j], DRAWS(100000) - CHANCE(DRAWS(1500)),
					DRAWS(100000) + CHANCE(DRAWS(1500)));
	}
	service_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_holds_the_exact_shares),
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(picks_do_not_depend_on_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
