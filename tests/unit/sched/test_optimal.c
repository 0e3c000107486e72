/* sched/optimal.c: what the integer program finds, and what it proves. Without coinor-cbc there is nothing to test. */
#include <math.h>

#include "fake/packing.h"
#include "unit/sched/cluster.h"

#ifdef HAVE_CBC

static const struct tg_value values[] = {{.number = 5, .is_set = true}};

static struct sched_by
with_optimal(void)
{
	return (struct sched_by){.module = &sched_optimal, .values = values};
}

static uint32_t
count_used(const struct board *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < board_cluster(b)->n_nodes; i++)
		n += board_is_used(b, i);
	return n;
}

static uint32_t
count_placed(const int32_t *at, uint32_t n)
{
	uint32_t placed = 0;

	for (uint32_t i = 0; i < n; i++)
		placed += at[i] >= 0;
	return placed;
}

/* Two of 3.1 and 0.9, two of 2 and 2: three nodes where the first thing that fits is taken. */
static void
the_fewest_nodes_are_found_and_proved(void **state)
{
	uint32_t demands[] = {0, 0, 1, 1, 2, 2};
	struct sched_by with = with_optimal();
	struct cluster c;
	int32_t at[6];
	double bound;

	(void)state;
	cluster_set(&c, 6, 3);
	c.groups[0].cpu_milli = 3100;
	c.groups[0].memory_bytes = GIB;
	c.groups[1].cpu_milli = 900;
	c.groups[1].memory_bytes = 4 * GIB;
	c.groups[2].cpu_milli = 2000;
	c.groups[2].memory_bytes = 2 * GIB;
	cluster_board(&c);
	sched_pack(c.board, &with, demands, 6, at, &bound);
	assert_int_equal(count_placed(at, 6), 6);
	assert_int_equal(count_used(c.board), 3);
	assert_true(bound == 3);
	board_free(c.board);
}

/* Nodes in use count, and are used first. */
static void
what_is_there_stays(void **state)
{
	uint32_t demands[] = {0, 0, 0};
	struct sched_by with = with_optimal();
	struct cluster c;
	int32_t at[3];
	double bound;

	(void)state;
	cluster_set(&c, 4, 2);
	cluster_board(&c);
	board_put(c.board, 1, 3);
	board_put(c.board, 1, 2);
	sched_pack(c.board, &with, demands, 3, at, &bound);
	assert_int_equal(count_used(c.board), 2);
	assert_int_equal(board_count(c.board, 3, 1), 1);
	assert_true(bound == 2);
	board_free(c.board);
}

static void
rules_are_in_the_program(void **state)
{
	static const uint32_t itself[] = {0};
	static const uint32_t first[] = {0};
	static const uint32_t own[] = {2};
	static const struct tg_label ssd[] = {{"disk", "ssd"}};
	uint32_t demands[] = {0, 0, 0, 1, 1, 2, 2, 3};
	struct sched_by with = with_optimal();
	struct cluster c;
	int32_t at[8];
	double bound;

	(void)state;
	cluster_set(&c, 6, 4);
	c.groups[0].anti_affinity = itself; /* one per node: three nodes */
	c.groups[0].n_anti_affinity = 1;
	c.groups[1].affinity = first;
	c.groups[1].n_affinity = 1;
	c.groups[2].affinity = own; /* both on one */
	c.groups[2].n_affinity = 1;
	c.groups[3].require = ssd;
	c.groups[3].n_require = 1;
	cluster_board(&c);
	sched_pack(c.board, &with, demands, 8, at, &bound);
	assert_int_equal(count_placed(at, 8), 8);
	assert_int_equal(count_used(c.board), 3);
	assert_true(bound == 3);
	assert_int_equal(at[5], at[6]);
	assert_int_equal(at[7] % 2, 1);
	assert_true(board_count(c.board, (uint32_t)at[3], 0) == 1);
	board_free(c.board);
}

static void
what_fits_nowhere_is_left_and_nothing_is_proved(void **state)
{
	uint32_t demands[] = {0, 0, 0, 0, 0};
	struct sched_by with = with_optimal();
	struct cluster c;
	int32_t at[5];
	double bound;

	(void)state;
	cluster_set(&c, 1, 1);
	cluster_board(&c);
	sched_pack(c.board, &with, demands, 5, at, &bound);
	assert_int_equal(count_placed(at, 5), 4);
	assert_true(isnan(bound));
	sched_pack(c.board, &with, demands, 0, at, &bound);
	assert_true(isnan(bound));
	board_free(c.board);
}

/* Cbc has crashed there, while it prepared itself. */
static void
what_it_began_with_is_its_answer_when_its_time_is_over(void **state)
{
	static const struct tg_value short_time[] = {{.number = 0.2, .is_set = true}};

	(void)state;
	for (unsigned i = 1; i < 4; i++) {
		struct packing_case c;
		uint32_t first;

		packing_make(&c, 2, 25, i);
		first = packing_nodes(&c, &sched_dot_product, 1);
		assert_in_range(packing_solve(&c, &sched_optimal, short_time, first, 60000).used, 1,
				first);
	}
}

/* By chance: never fewer placed than by dot-product, nor more nodes; and the bound is one. */
static void
it_is_never_worse_than_what_it_began_with(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned turn = 0; turn < 8; turn++) {
		struct sched_by with = with_optimal();
		struct sched_by first = by(&sched_dot_product);
		uint32_t demands[12];
		struct cluster c;
		struct board *b;
		int32_t at[2][12];
		double bounds[2];

		cluster_set(&c, 6, 6);
		for (uint32_t i = 0; i < 6; i++) {
			c.groups[i].cpu_milli = packing_random(&seed, 500, 2500);
			c.groups[i].memory_bytes = packing_random(&seed, 1, 4) * GIB;
		}
		for (uint32_t i = 0; i < 12; i++)
			demands[i] = (uint32_t)packing_random(&seed, 0, 5);
		cluster_board(&c);
		b = board_new(&c.cluster);
		assert_non_null(b);
		sched_pack(b, &first, demands, 12, at[0], &bounds[0]);
		sched_pack(c.board, &with, demands, 12, at[1], &bounds[1]);
		assert_true(count_placed(at[1], 12) >= count_placed(at[0], 12));
		if (count_placed(at[1], 12) == count_placed(at[0], 12))
			assert_true(count_used(c.board) <= count_used(b));
		assert_true(isnan(bounds[1]) || bounds[1] <= count_used(c.board));
		board_free(b);
		board_free(c.board);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fewest_nodes_are_found_and_proved),
		cmocka_unit_test(what_is_there_stays),
		cmocka_unit_test(rules_are_in_the_program),
		cmocka_unit_test(what_fits_nowhere_is_left_and_nothing_is_proved),
		cmocka_unit_test(it_is_never_worse_than_what_it_began_with),
		cmocka_unit_test(what_it_began_with_is_its_answer_when_its_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int
main(void)
{
	puts("1..0 # SKIP coinor-cbc is missing (Debian: coinor-libcbc-dev)");
	return 0;
}

#endif
