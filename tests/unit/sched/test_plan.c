/* sched/plan.c, preempt.c: what would be moved, and who would make room. */
#include "fake/packing.h"
#include "unit/sched/cluster.h"

static void
nodes_that_can_be_emptied_are(void **state)
{
	struct sched_by with = by(&sched_best_fit);
	struct sched_plan plan;
	struct cluster c;

	(void)state;
	cluster_set(&c, 4, 2);
	cluster_board(&c);
	for (uint32_t i = 0; i < 3; i++)
		board_put(c.board, 0, i);
	board_put(c.board, 1, 0);
	assert_int_equal(sched_plan(c.board, &with, &plan), 0);
	assert_int_equal(plan.used, 3);
	assert_int_equal(plan.used_after, 1);
	assert_int_equal(plan.n_moves, 2);
	assert_int_equal(plan.moves[0].from, 2);
	assert_int_equal(plan.moves[0].to, 0);
	assert_int_equal(plan.moves[1].from, 1);
	assert_int_equal(board_count(c.board, 0, 0), 3);
	sched_plan_fini(&plan);
	board_free(c.board);
}

static void
what_cannot_be_emptied_stays_as_it_is(void **state)
{
	struct sched_by with = by(&sched_first_fit);
	struct sched_plan plan;
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 1);
	cluster_board(&c);
	for (unsigned i = 0; i < 3; i++) {
		board_put(c.board, 0, 0);
		board_put(c.board, 0, 1);
	}
	assert_int_equal(sched_plan(c.board, &with, &plan), 0);
	assert_int_equal(plan.n_moves, 0);
	assert_int_equal(plan.used_after, 2);
	assert_int_equal(board_count(c.board, 0, 0), 3);
	assert_int_equal(board_count(c.board, 1, 0), 3);
	sched_plan_fini(&plan);
	board_free(c.board);
}

/* A friend is not left behind. */
static void
a_plan_leaves_nobody_without_friends(void **state)
{
	static const uint32_t to[] = {1};
	struct sched_by with = by(&sched_first_fit);
	struct sched_plan plan;
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 3);
	c.groups[0].affinity = to;
	c.groups[0].n_affinity = 1;
	cluster_board(&c);
	for (unsigned i = 0; i < 2; i++)
		board_put(c.board, 2, 0);
	board_put(c.board, 0, 1);
	board_put(c.board, 1, 1);
	assert_int_equal(sched_plan(c.board, &with, &plan), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_true(board_count(c.board, i, 0) == 0 || board_count(c.board, i, 1) > 0);
	sched_plan_fini(&plan);
	board_free(c.board);
}

/* Each move fits when those before it are done, and no rule is broken. */
static void
moves_can_be_made_one_after_the_other(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned turn = 0; turn < 200; turn++) {
		struct sched_by with = by(quick[turn % 5]);
		struct sched_plan plan;
		struct cluster c;
		struct board *b;
		uint32_t which;

		cluster_set(&c, NODES, GROUPS);
		for (uint32_t i = 0; i < GROUPS; i++)
			c.groups[i].cpu_milli = packing_random(&seed, 100, 1500);
		cluster_board(&c);
		b = board_new(&c.cluster);
		assert_non_null(b);
		for (unsigned i = 0; i < 12; i++) {
			uint32_t group = (uint32_t)packing_random(&seed, 0, GROUPS - 1);
			uint32_t node = (uint32_t)packing_random(&seed, 0, NODES - 1);

			if (board_refusal(b, group, node, &which) != TG_REFUSAL_NONE)
				continue;
			board_put(b, group, node);
			board_put(c.board, group, node);
		}
		assert_int_equal(sched_plan(c.board, &with, &plan), 0);
		assert_true(plan.used_after <= plan.used);
		for (uint32_t i = 0; i < plan.n_moves; i++) {
			const struct sched_move *m = &plan.moves[i];

			assert_true(board_is_used(b, m->to));
			for (uint32_t k = 0; k < i; k++) /* nobody is moved twice */
				assert_false(plan.moves[k].group == m->group &&
					     plan.moves[k].to == m->from);
			board_take(b, m->group, m->from);
			assert_int_equal(board_refusal(b, m->group, m->to, &which), TG_REFUSAL_NONE);
			board_put(b, m->group, m->to);
		}
		sched_plan_fini(&plan);
		board_free(b);
		board_free(c.board);
	}
}

/*** No rule is kept less than before ***/

/* What is wrong with where things are: less of it is better. */
struct harm {
	uint32_t without_friend; /* groups on nodes */
	uint32_t beside_enemy;
	uint32_t without_label[GROUPS]; /* backends of spread groups */
	uint32_t uneven[GROUPS];        /* squares of what each zone has */
	uint32_t difference[GROUPS];    /* of the fullest zone and the emptiest that may have it */
};

static bool
may_be(const struct tg_node *n, const struct tg_group *g)
{
	return g->n_require == 0 ||
	       strcmp(n->labels[n->n_labels - 1].value, g->require[0].value) == 0;
}

static void
measure_spread(const struct board *b, uint32_t group, struct harm *h)
{
	const struct tg_cluster *c = board_cluster(b);
	uint32_t tally[3] = {0, 0, 0};
	bool counts[3] = {false, false, false};
	uint32_t most = 0;
	uint32_t fewest = UINT32_MAX;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (c->nodes[i].n_labels < 2) {
			h->without_label[group] += board_count(b, i, group);
			continue;
		}
		tally[c->nodes[i].labels[0].value[0] - 'a'] += board_count(b, i, group);
		counts[c->nodes[i].labels[0].value[0] - 'a'] |=
			may_be(&c->nodes[i], &c->groups[group]);
	}
	for (unsigned i = 0; i < 3; i++) {
		h->uneven[group] += tally[i] * tally[i];
		most = tally[i] > most ? tally[i] : most;
		fewest = counts[i] && tally[i] < fewest ? tally[i] : fewest;
	}
	h->difference[group] = fewest < most ? most - fewest : 0;
}

static struct harm
measure(const struct board *b)
{
	const struct tg_cluster *c = board_cluster(b);
	struct harm h = {.without_friend = 0};

	for (uint32_t g = 0; g < c->n_groups; g++) {
		const struct tg_group *group = &c->groups[g];

		if (group->spread != NULL)
			measure_spread(b, g, &h);
		for (uint32_t i = 0; i < c->n_nodes; i++) {
			uint32_t n = board_count(b, i, g);

			for (uint32_t k = 0; n > 0 && k < group->n_affinity; k++)
				h.without_friend += board_count(b, i, group->affinity[k]) == 0;
			for (uint32_t k = 0; n > 0 && k < group->n_anti_affinity; k++)
				h.beside_enemy +=
					board_count(b, i, group->anti_affinity[k]) >
					(group->anti_affinity[k] == g);
		}
	}
	return h;
}

static void
is_no_worse(const struct harm *now, const struct harm *before)
{
	assert_true(now->without_friend <= before->without_friend);
	assert_true(now->beside_enemy <= before->beside_enemy);
	for (unsigned g = 0; g < GROUPS; g++) {
		assert_true(now->without_label[g] <= before->without_label[g]);
		if (now->without_label[g] < before->without_label[g])
			continue; /* there is one more to be spread */
		assert_true(now->uneven[g] <= before->uneven[g]);
		assert_true(now->difference[g] <= before->difference[g]);
	}
}

/* One of each rule, and none. */
static void
any_rules(struct cluster *c, uint64_t *seed)
{
	static const struct tg_label ssd[] = {{"disk", "ssd"}};
	static const uint32_t all[GROUPS] = {0, 1, 2, 3, 4, 5};

	for (uint32_t i = 0; i < NODES; i++) {
		if (packing_random(seed, 0, 7) == 0) {
			c->nodes[i].labels++; /* no zone */
			c->nodes[i].n_labels--;
		}
	}
	for (uint32_t i = 0; i < GROUPS; i++) {
		struct tg_group *g = &c->groups[i];

		g->cpu_milli = packing_random(seed, 100, 1500);
		g->spread = packing_random(seed, 0, 1) == 0 ? "zone" : NULL;
		g->require = packing_random(seed, 0, 4) == 0 ? ssd : NULL;
		g->n_require = g->require != NULL;
		g->affinity = &all[packing_random(seed, 0, GROUPS - 1)];
		g->n_affinity = packing_random(seed, 0, 3) == 0;
		g->anti_affinity = &all[packing_random(seed, 0, GROUPS - 1)];
		g->n_anti_affinity = packing_random(seed, 0, 3) == 0;
	}
}

/* As it came to be: by the rules, or, where those were changed since, against them. */
static struct board *
any_board(struct cluster *c, uint64_t *seed)
{
	bool keeps_rules = packing_random(seed, 0, 3) != 0;
	struct board *b = board_new(&c->cluster);
	uint32_t which;

	assert_non_null(b);
	cluster_board(c);
	for (unsigned i = 0; i < 16; i++) {
		uint32_t group = (uint32_t)packing_random(seed, 0, GROUPS - 1);
		uint32_t node = (uint32_t)packing_random(seed, 0, NODES - 1);

		if (keeps_rules && board_refusal(b, group, node, &which) != TG_REFUSAL_NONE)
			continue;
		board_put(b, group, node);
		board_put(c->board, group, node);
	}
	return b;
}

/* Done in part, too. */
static void
no_move_makes_a_rule_kept_less(void **state)
{
	uint64_t seed = 11;
	unsigned moves = 0;
	uint32_t which;

	(void)state;
	for (unsigned turn = 0; turn < 3000; turn++) {
		struct sched_by with = by(quick[turn % 5]);
		struct sched_plan plan;
		struct harm before;
		struct cluster c;
		struct board *b;

		cluster_set(&c, NODES, GROUPS);
		any_rules(&c, &seed);
		b = any_board(&c, &seed);
		before = measure(b);
		assert_int_equal(sched_plan(c.board, &with, &plan), 0);
		for (uint32_t i = 0; i < plan.n_moves; i++) {
			const struct sched_move *m = &plan.moves[i];
			struct harm now;

			assert_int_not_equal(m->from, m->to);
			board_take(b, m->group, m->from);
			assert_int_equal(board_refusal(b, m->group, m->to, &which), TG_REFUSAL_NONE);
			board_put(b, m->group, m->to);
			now = measure(b);
			is_no_worse(&now, &before);
			before = now;
		}
		for (uint32_t i = 0; i < NODES; i++)
			for (uint32_t g = 0; g < GROUPS; g++)
				assert_int_equal(board_count(b, i, g), board_count(c.board, i, g));
		assert_int_equal(plan.used_after, board_count_used(b));
		moves += plan.n_moves;
		sched_plan_fini(&plan);
		board_free(b);
		board_free(c.board);
	}
	assert_true(moves > 1000);
}

/* A host was away, and is empty. */
static void
a_plan_restores_spread(void **state)
{
	struct sched_by with = by(&sched_best_fit);
	struct sched_plan plan;
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 2);
	c.groups[0].spread = "zone";
	cluster_board(&c);
	board_put(c.board, 0, 0);
	board_put(c.board, 0, 0);
	board_put(c.board, 0, 1);
	board_put(c.board, 1, 1);
	assert_int_equal(sched_plan(c.board, &with, &plan), 0);
	assert_true(plan.n_moves >= 1);
	assert_int_equal(plan.moves[0].to, 2);
	assert_true(plan.moves[0].is_spread);
	assert_int_equal(board_count(c.board, 2, 0), 1);
	assert_int_equal(board_count(c.board, 0, 0) + board_count(c.board, 1, 0), 2);
	sched_plan_fini(&plan);
	board_free(c.board);
}

/* Nor is what cannot be better moved at all. */
static void
a_plan_leaves_what_is_spread_as_it_can_be(void **state)
{
	struct sched_by with = by(&sched_first_fit);
	struct sched_plan plan;
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 2);
	c.groups[0].spread = "zone";
	cluster_board(&c);
	for (unsigned i = 0; i < 4; i++)
		board_put(c.board, 1, 2); /* zone b is full */
	for (uint32_t i = 0; i < 4; i++)
		board_put(c.board, 0, i % 2);
	for (unsigned i = 0; i < 2; i++)
		board_put(c.board, 1, i); /* and none can be emptied */
	assert_int_equal(sched_plan(c.board, &with, &plan), 0);
	assert_int_equal(plan.n_moves, 0);
	sched_plan_fini(&plan);
	board_free(c.board);
}

/* Zone b is emptied by no plan, though all would fit in a. */
static void
a_plan_crowds_no_zone(void **state)
{
	struct sched_by with = by(&sched_best_fit);
	struct sched_plan plan;
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 1);
	c.groups[0].spread = "zone";
	cluster_board(&c);
	for (uint32_t i = 0; i < 3; i++)
		board_put(c.board, 0, i);
	assert_int_equal(sched_plan(c.board, &with, &plan), 0);
	/* Those of zone a can be on one node. */
	assert_int_equal(plan.n_moves, 1);
	assert_int_equal(plan.used_after, 2);
	assert_int_equal(board_count(c.board, 2, 0), 1);
	sched_plan_fini(&plan);
	board_free(c.board);
}

/*** Room for others ***/

static void
the_lowest_go_and_no_more_than_needed(void **state)
{
	uint32_t gone[8];
	struct cluster c;
	uint32_t n;

	(void)state;
	cluster_set(&c, 2, 4);
	c.groups[0].priority = 10;
	c.groups[0].cpu_milli = 2000;
	c.groups[1].priority = 1;
	c.groups[2].priority = 2;
	c.groups[3].priority = 10;
	cluster_board(&c);
	for (unsigned i = 0; i < 2; i++) {
		board_put(c.board, 2, 0);
		board_put(c.board, 3, 0);
		board_put(c.board, 1, 1);
		board_put(c.board, 3, 1);
	}
	/* n1 loses two of priority 1; n0 would lose two of priority 2. */
	assert_int_equal(sched_preempt(c.board, 0, gone, 8, &n), 1);
	assert_int_equal(n, 2);
	assert_int_equal(gone[0], 1);
	assert_int_equal(gone[1], 1);
	/* Nothing was done. */
	assert_int_equal(board_count(c.board, 1, 1), 2);
	assert_int_equal(sched_preempt(c.board, 0, gone, 1, &n), TG_SCHED_NOWHERE);
	assert_int_equal(n, 0);
	board_free(c.board);
}

static void
who_need_not_go_stays(void **state)
{
	uint32_t gone[8];
	struct cluster c;
	uint32_t n;

	(void)state;
	cluster_set(&c, 1, 3);
	c.groups[0].priority = 10;
	c.groups[0].cpu_milli = 3000;
	c.groups[1].priority = 1;
	c.groups[1].cpu_milli = 500;
	c.groups[2].priority = 2;
	c.groups[2].cpu_milli = 3000;
	cluster_board(&c);
	board_put(c.board, 1, 0);
	board_put(c.board, 2, 0);
	/* The lowest went first, and is not what stood in the way. */
	assert_int_equal(sched_preempt(c.board, 0, gone, 8, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(gone[0], 2);
	board_free(c.board);
}

static void
equals_and_betters_stay(void **state)
{
	static const struct tg_label nowhere[] = {{"zone", "z"}};
	uint32_t gone[8];
	struct cluster c;
	uint32_t n;

	(void)state;
	cluster_set(&c, 1, 2);
	c.groups[1].priority = 0;
	cluster_board(&c);
	for (unsigned i = 0; i < 4; i++)
		board_put(c.board, 1, 0);
	assert_int_equal(sched_preempt(c.board, 0, gone, 8, &n), TG_SCHED_NOWHERE);
	/* Nor does anybody go where that does not help. */
	c.groups[0].priority = 5;
	c.groups[0].require = nowhere;
	c.groups[0].n_require = 1;
	assert_int_equal(sched_preempt(c.board, 0, gone, 8, &n), TG_SCHED_NOWHERE);
	assert_int_equal(n, 0);
	board_free(c.board);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_that_can_be_emptied_are),
		cmocka_unit_test(what_cannot_be_emptied_stays_as_it_is),
		cmocka_unit_test(a_plan_leaves_nobody_without_friends),
		cmocka_unit_test(moves_can_be_made_one_after_the_other),
		cmocka_unit_test(no_move_makes_a_rule_kept_less),
		cmocka_unit_test(a_plan_crowds_no_zone),
		cmocka_unit_test(a_plan_restores_spread),
		cmocka_unit_test(a_plan_leaves_what_is_spread_as_it_can_be),
		cmocka_unit_test(the_lowest_go_and_no_more_than_needed),
		cmocka_unit_test(who_need_not_go_stays),
		cmocka_unit_test(equals_and_betters_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
