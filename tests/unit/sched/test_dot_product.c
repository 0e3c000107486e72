/* sched/dot_product.c: how few nodes it needs. tests/bench/placement prints all of it. */
#include "fake/packing.h"
#include "unit/sched/cluster.h"

#define INSTANCES 2u

static uint32_t
best_bound(const struct packing_case *c)
{
	uint32_t best = 0;

	for (unsigned i = 0; i < PACKING_BOUND_COUNT; i++) {
		uint32_t is = packing_bound(c, (enum packing_bound)i);

		best = is > best ? is : best;
	}
	return best;
}

/* By class: nodes for both instances of 50, no more than these above the bound. */
static void
few_nodes_are_needed(void **state)
{
	static const unsigned above[PACKING_CLASSES + 1] = {0, 2, 10, 8, 1, 1, 4, 2, 0, 2, 3};

	(void)state;
	for (unsigned class = 1; class <= PACKING_CLASSES; class++) {
		unsigned more = 0;

		for (unsigned i = 0; i < INSTANCES; i++) {
			struct packing_case c;
			uint32_t bound;

			packing_make(&c, class, 50, i);
			bound = best_bound(&c);
			more += packing_nodes(&c, &sched_dot_product, bound) - bound;
		}
		if (more > above[class])
			fail_msg("class %u: %u above the bound, not %u", class, more, above[class]);
	}
}

static void
instances_are_as_they_are_told(void **state)
{
	struct packing_case c;

	(void)state;
	packing_make(&c, 10, 200, 0);
	assert_int_equal(c.n, 198);
	assert_int_equal(packing_bound(&c, PACKING_CONTINUOUS), 66);
	packing_make(&c, 8, 50, 0);
	for (uint32_t i = 0; i < c.n; i++) {
		int64_t both = c.sizes[i][0] + c.sizes[i][1];

		assert_true(both >= 110 && both <= 130);
	}
	/* Three of them are more than a node: two by two. */
	assert_int_equal(packing_bound(&c, PACKING_FEKETE_SCHEPERS), 25);
	packing_make(&c, 9, 50, 3);
	assert_true(c.capacity[0] <= 1000 && c.capacity[1] <= 1000);
}

/* Nodes in use are filled before empty ones. */
static void
empty_nodes_stay_empty(void **state)
{
	struct sched_by with = by(&sched_dot_product);
	uint32_t demands[] = {0, 0, 0};
	struct cluster c;
	int32_t at[3];

	(void)state;
	cluster_set(&c, 3, 1);
	cluster_board(&c);
	board_put(c.board, 0, 1);
	assert_int_equal(sched_place_all(c.board, &with, demands, 3, true, at), 3);
	assert_int_equal(board_count(c.board, 1, 0), 4);
	board_free(c.board);
}

/* More than there is room for: as many as can be, within the time. */
static void
what_is_too_much_is_left(void **state)
{
	struct sched_by with = by(&sched_dot_product);
	uint32_t demands[100];
	struct cluster c;
	int32_t at[100];

	(void)state;
	memset(demands, 0, sizeof(demands));
	cluster_set(&c, 6, 1);
	cluster_board(&c);
	assert_int_equal(sched_place_all(c.board, &with, demands, 100, true, at), 24);
	board_free(c.board);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_nodes_are_needed),
		cmocka_unit_test(instances_are_as_they_are_told),
		cmocka_unit_test(empty_nodes_stay_empty),
		cmocka_unit_test(what_is_too_much_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
