/* sched/place.c: each scheduler's taste, many at once, and the one that goes. */
#include <math.h>

#include "fake/packing.h"
#include "unit/sanitized.h"
#include "unit/sched/cluster.h"

/*** Taste ***/

static void
first_fit_takes_the_first(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 1);
	c.nodes[0].free_cpu_milli = 0;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 1);
	board_free(c.board);
}

static void
best_fit_leaves_the_least(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 1);
	c.nodes[1].free_cpu_milli = 1500;
	c.nodes[2].free_cpu_milli = 1000;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_best_fit, 0), 2);
	board_free(c.board);
}

static void
spread_looks_at_the_service_first(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 2);
	cluster_board(&c);
	board_put(c.board, 0, 0);
	board_put(c.board, 1, 1);
	board_put(c.board, 1, 1);
	assert_int_equal(cluster_place(&c, &sched_spread, 0), 2);
	board_put(c.board, 0, 2);
	/* The one with others is better than one with its like. */
	assert_int_equal(cluster_place(&c, &sched_spread, 0), 1);
	board_free(c.board);
}

static void
balanced_evens_out_both_resources(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 1);
	c.groups[0].cpu_milli = 2000;
	c.groups[0].memory_bytes = GIB / 2;
	c.nodes[0].free_cpu_milli = 2000; /* half of it, and no memory */
	c.nodes[1].free_memory_bytes = 3 * GIB;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_balanced, 0), 1);
	board_free(c.board);
}

static void
dot_product_looks_for_the_shape(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 4, 2);
	c.groups[0].cpu_milli = 2000; /* much processor, little memory */
	c.groups[0].memory_bytes = GIB / 2;
	cluster_board(&c);
	board_put(c.board, 1, 0);
	board_put(c.board, 0, 1);
	for (unsigned i = 0; i < 3; i++)
		board_put(c.board, 1, 2);
	/* n3 is empty; n2 has no room; n1 has memory left, n0 both. */
	assert_int_equal(cluster_place(&c, &sched_dot_product, 0), 0);
	board_free(c.board);
}

static void
score_nothing(const struct tg_value *options, const struct tg_cluster *cluster, uint32_t group,
	      const bool *fits, double *ret_scores)
{
	(void)options;
	(void)group;
	for (uint32_t i = 1; i < cluster->n_nodes; i++)
		ret_scores[i] = fits[i] && i == 2 ? NAN : -(double)i;
}

/* It says nothing of n0, and declines n2. */
static void
what_a_module_declines_is_not_taken(void **state)
{
	static const struct tg_scheduler ops = {.size = sizeof(ops), .score = score_nothing};
	static const struct tg_module module = {.name = "odd", .ops = &ops};
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 1);
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &module, 0), 1);
	assert_string_equal(cluster_says(&c, 0, 0), "declined by the scheduler");
	assert_string_equal(cluster_says(&c, 0, 2), "declined by the scheduler");
	assert_string_equal(cluster_says(&c, 0, 1), "fits, score -1");
	board_free(c.board);
}

/* pack() that puts where nothing fits, twice, and what is not there. */
static void
pack_wildly(const struct tg_value *options, struct tg_packing *p)
{
	(void)options;
	assert_false(p->put(p, p->n, 0));
	assert_false(p->put(p, 0, p->cluster->n_nodes));
	assert_false(p->fits(p, p->n, 0));
	p->take(p, p->n);
	p->take(p, 0);
	assert_true(p->put(p, 0, 0));
	assert_false(p->put(p, 0, 1));
	for (uint32_t i = 1; i < p->n; i++)
		(void)p->put(p, i, 0);
}

static void
the_host_keeps_the_rules_and_places_the_rest(void **state)
{
	static const struct tg_scheduler ops = {
		.size = sizeof(ops), .score = score_nothing, .pack = pack_wildly};
	static const struct tg_module module = {.name = "wild", .ops = &ops};
	uint32_t demands[] = {0, 0, 0, 0, 0, 0};
	struct sched_by with = by(&module);
	int32_t at[6];
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 1);
	cluster_board(&c);
	assert_int_equal(sched_place_all(c.board, &with, demands, 6, true, at), 6);
	assert_int_equal(board_count(c.board, 0, 0), 4);
	assert_int_equal(board_count(c.board, 1, 0), 2);
	board_free(c.board);
}

/*** Many ***/

static void
higher_priority_is_placed_first(void **state)
{
	uint32_t demands[] = {0, 0, 1, 2, 2, 1};
	int32_t at[6];
	struct cluster c;

	(void)state;
	for (size_t i = 0; quick[i] != NULL; i++) {
		struct sched_by with = by(quick[i]);

		cluster_set(&c, 1, 3);
		c.groups[1].priority = 5;
		c.groups[2].priority = -1;
		cluster_board(&c);
		assert_int_equal(sched_place_all(c.board, &with, demands, 6, true, at), 4);
		assert_true(at[0] == 0 && at[1] == 0 && at[2] == 0 && at[5] == 0);
		assert_true(at[3] == TG_SCHED_NOWHERE && at[4] == TG_SCHED_NOWHERE);
		board_free(c.board);
	}
}

struct chance {
	struct cluster c;
	struct tg_label require[GROUPS];
	uint32_t friends[GROUPS];
	uint32_t enemies[GROUPS];
	uint32_t demands[40];
	uint32_t n;
};

static void
draw(struct chance *all, uint64_t *seed)
{
	struct cluster *c = &all->c;

	cluster_set(c, NODES, GROUPS);
	for (uint32_t i = 0; i < GROUPS; i++) {
		struct tg_group *g = &c->groups[i];

		g->cpu_milli = packing_random(seed, 0, 2000);
		g->memory_bytes = packing_random(seed, 0, 3) * GIB;
		g->priority = (int32_t)packing_random(seed, -1, 1);
		g->spread = packing_random(seed, 0, 3) == 0 ? "zone" : NULL;
		all->require[i] = (struct tg_label){"zone", zones[packing_random(seed, 0, 5)]};
		all->friends[i] = (uint32_t)packing_random(seed, 0, GROUPS - 1);
		all->enemies[i] = (uint32_t)packing_random(seed, 0, GROUPS - 1);
		g->require = &all->require[i];
		g->n_require = packing_random(seed, 0, 3) == 0;
		g->affinity = &all->friends[i];
		g->n_affinity = packing_random(seed, 0, 5) == 0;
		g->anti_affinity = &all->enemies[i];
		g->n_anti_affinity = packing_random(seed, 0, 5) == 0;
	}
	all->n = (uint32_t)packing_random(seed, 0, 40);
	for (uint32_t i = 0; i < all->n; i++)
		all->demands[i] = (uint32_t)packing_random(seed, 0, GROUPS - 1);
	cluster_board(c);
}

/* What is there may be there: taken away, it could be put again. */
static void
check_rules(const struct chance *all, struct board *b, const int32_t *at)
{
	uint32_t which;

	for (uint32_t i = 0; i < all->n; i++) {
		if (at[i] == TG_SCHED_NOWHERE)
			continue;
		board_take(b, all->demands[i], (uint32_t)at[i]);
		assert_int_equal(board_refusal(b, all->demands[i], (uint32_t)at[i], &which),
				 TG_REFUSAL_NONE);
		board_put(b, all->demands[i], (uint32_t)at[i]);
	}
	for (uint32_t i = 0; i < NODES; i++) {
		assert_true(board_cluster(b)->nodes[i].free_cpu_milli >= 0);
		assert_true(board_cluster(b)->nodes[i].free_memory_bytes >= 0);
	}
}

/* Of the lowest priority nothing that is left would fit anywhere. */
static void
check_rest(const struct chance *all, const struct board *b, const int32_t *at)
{
	uint32_t which;

	for (uint32_t i = 0; i < all->n; i++) {
		for (uint32_t k = 0; k < NODES && at[i] == TG_SCHED_NOWHERE; k++) {
			bool is_last = board_cluster(b)->groups[all->demands[i]].priority == -1;

			assert_false(is_last && board_refusal(b, all->demands[i], k, &which) ==
							TG_REFUSAL_NONE);
		}
	}
}

static void
check_counts(const struct chance *all, const struct board *b, const int32_t *at)
{
	uint32_t counts[NODES][GROUPS] = {{0}};

	for (uint32_t i = 0; i < all->n; i++) {
		if (at[i] != TG_SCHED_NOWHERE)
			counts[at[i]][all->demands[i]]++;
	}
	for (uint32_t i = 0; i < NODES * GROUPS; i++)
		assert_int_equal(counts[i / GROUPS][i % GROUPS],
				 board_count(b, i / GROUPS, i % GROUPS));
}

static void
no_scheduler_breaks_a_rule_or_leaves_what_fits(void **state)
{
	uint64_t seed = 7;
	struct chance all;
	int32_t at[40];

	(void)state;
	for (unsigned turn = 0; turn < TURNS(500); turn++) {
		for (size_t i = 0; quick[i] != NULL; i++) {
			struct sched_by with = by(quick[i]);

			draw(&all, &seed);
			assert_true(sched_place_all(all.c.board, &with, all.demands, all.n,
						    turn % 2 == 0, at) >= 0);
			check_rules(&all, all.c.board, at);
			check_rest(&all, all.c.board, at);
			check_counts(&all, all.c.board, at);
			board_free(all.c.board);
		}
	}
}

static void
the_same_is_answered_the_same(void **state)
{
	struct chance all;
	int32_t at[2][40];

	(void)state;
	for (size_t i = 0; quick[i] != NULL; i++) {
		for (unsigned k = 0; k < 2; k++) {
			struct sched_by with = by(quick[i]);
			uint64_t seed = 99;

			draw(&all, &seed);
			assert_true(sched_place_all(all.c.board, &with, all.demands, all.n, true,
						    at[k]) >= 0);
			board_free(all.c.board);
		}
		assert_memory_equal(at[0], at[1], all.n * sizeof(at[0][0]));
	}
}

/*** The one that goes ***/

static uint32_t
victim_node(struct cluster *c, const struct tg_module *module, uint32_t group)
{
	struct sched_by with = by(module);
	struct sched_at at[NODES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->cluster.n_nodes; i++) {
		if (board_count(c->board, i, group) > 0)
			at[n++] = (struct sched_at){.group = group, .node = (int32_t)i};
	}
	return (uint32_t)at[sched_victim(c->board, &with, at, n)].node;
}

static void
the_one_goes_whose_node_is_the_worst(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 2);
	cluster_board(&c);
	for (uint32_t i = 0; i < 3; i++)
		board_put(c.board, 0, i);
	board_put(c.board, 1, 0);
	board_put(c.board, 1, 0);
	board_put(c.board, 1, 1);
	assert_int_equal(victim_node(&c, &sched_first_fit, 0), 2);
	assert_int_equal(victim_node(&c, &sched_best_fit, 0), 2); /* then it is empty */
	assert_int_equal(victim_node(&c, &sched_dot_product, 0), 2);
	assert_int_equal(victim_node(&c, &sched_spread, 0), 0); /* the one with most beside it */
	assert_int_equal(victim_node(&c, &sched_balanced, 0), 0);
	board_put(c.board, 0, 1);
	assert_int_equal(victim_node(&c, &sched_spread, 0), 1); /* two of it */
	board_free(c.board);
}

static void
of_a_spread_service_the_fullest_value_loses(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 4, 1);
	c.groups[0].spread = "zone";
	cluster_board(&c);
	board_put(c.board, 0, 0);
	board_put(c.board, 0, 1);
	board_put(c.board, 0, 2);
	assert_int_equal(victim_node(&c, &sched_first_fit, 0), 1);
	board_free(c.board);
}

/* In this order: a spread service's fullest value, the fewest in flight, a node that takes no more, the worst node. */
static void
what_is_in_flight_counts_after_spread(void **state)
{
	struct sched_at at[] = {
		{.group = 0, .node = 0, .in_flight = 9},
		{.group = 0, .node = 1, .in_flight = 7},
		{.group = 0, .node = 2, .in_flight = 0},
	};
	struct sched_by with = by(&sched_first_fit);
	struct cluster c;

	(void)state;
	cluster_set(&c, 4, 1);
	cluster_board(&c);
	for (uint32_t i = 0; i < 3; i++)
		board_put(c.board, 0, i);
	assert_int_equal(sched_victim(c.board, &with, at, 3), 2);
	at[2].in_flight = 7;
	board_close(c.board, 1, "down");
	assert_int_equal(sched_victim(c.board, &with, at, 3), 1);
	board_close(c.board, 1, NULL);
	c.groups[0].spread = "zone";
	cluster_board(&c);
	for (uint32_t i = 0; i < 3; i++)
		board_put(c.board, 0, i);
	at[2].in_flight = 0;
	assert_int_equal(sched_victim(c.board, &with, at, 3), 1);
	/* What runs on a node that is down may be gone; on one that is not there any more is of no zone. */
	board_close(c.board, 2, "down");
	assert_int_equal(sched_victim(c.board, &with, at, 3), 2);
	board_close(c.board, 2, NULL);
	at[0].node = TG_SCHED_NOWHERE;
	assert_int_equal(sched_victim(c.board, &with, at, 3), 0);
	board_free(c.board);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_fit_takes_the_first),
		cmocka_unit_test(best_fit_leaves_the_least),
		cmocka_unit_test(spread_looks_at_the_service_first),
		cmocka_unit_test(balanced_evens_out_both_resources),
		cmocka_unit_test(dot_product_looks_for_the_shape),
		cmocka_unit_test(what_a_module_declines_is_not_taken),
		cmocka_unit_test(the_host_keeps_the_rules_and_places_the_rest),
		cmocka_unit_test(higher_priority_is_placed_first),
		cmocka_unit_test(no_scheduler_breaks_a_rule_or_leaves_what_fits),
		cmocka_unit_test(the_same_is_answered_the_same),
		cmocka_unit_test(the_one_goes_whose_node_is_the_worst),
		cmocka_unit_test(of_a_spread_service_the_fullest_value_loses),
		cmocka_unit_test(what_is_in_flight_counts_after_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
