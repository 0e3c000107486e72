/* sched/filter.c, spread_rule.c: where a backend may be, and what is said of where it may not. */
#include "unit/sched/cluster.h"

static void
room_is_capacity_less_what_is_there(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 1);
	c.nodes[0].free_cpu_milli = 999;
	c.nodes[1].free_memory_bytes = GIB - 1;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), TG_SCHED_NOWHERE);
	assert_string_equal(cluster_says(&c, 0, 0), "cpu: 1 wanted, 0.999 of 4 free");
	assert_string_equal(cluster_says(&c, 0, 1), "memory: 1024M wanted, 1024M of 8192M free");
	c.nodes[0].free_cpu_milli = 1000;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 0);
	board_free(c.board);
}

static void
what_is_not_known_is_never_too_little(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 1, 1);
	c.nodes[0].cpu_milli = 0;
	c.nodes[0].memory_bytes = 0;
	c.nodes[0].free_cpu_milli = -5000;
	c.nodes[0].free_memory_bytes = -GIB;
	cluster_board(&c);
	for (size_t i = 0; quick[i] != NULL; i++)
		assert_int_equal(cluster_place(&c, quick[i], 0), 0);
	board_free(c.board);
}

/* A node that has too much already, as it was made smaller, takes one that needs nothing. */
static void
who_needs_nothing_fits_where_too_much_is(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 1, 1);
	c.nodes[0].free_cpu_milli = -1000;
	c.groups[0].cpu_milli = 0;
	c.groups[0].memory_bytes = 0;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_best_fit, 0), 0);
	board_free(c.board);
}

static void
closed_nodes_take_nothing(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 1);
	c.nodes[0].closed = "its daemon does not answer";
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 1);
	assert_string_equal(cluster_says(&c, 0, 0), "closed: its daemon does not answer");
	board_free(c.board);
}

static void
labels_are_required(void **state)
{
	static const struct tg_label require[] = {{"zone", "b"}, {"disk", "ssd"}};
	static const struct tg_label other[] = {{"rack", "1"}};
	struct cluster c;

	(void)state;
	cluster_set(&c, 4, 2);
	c.groups[0].require = require;
	c.groups[0].n_require = 2;
	c.groups[1].require = other;
	c.groups[1].n_require = 1;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 3);
	assert_string_equal(cluster_says(&c, 0, 0), "label: zone = \"b\" is required");
	assert_string_equal(cluster_says(&c, 0, 2), "label: disk = \"ssd\" is required");
	assert_int_equal(cluster_place(&c, &sched_first_fit, 1), TG_SCHED_NOWHERE);
	board_free(c.board);
}

static void
anti_affinity_holds_from_either_side(void **state)
{
	static const uint32_t away[] = {1};
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 2);
	c.groups[0].anti_affinity = away;
	c.groups[0].n_anti_affinity = 1;
	cluster_board(&c);
	board_put(c.board, 0, 0);
	board_put(c.board, 1, 1);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 0);
	assert_string_equal(cluster_says(&c, 0, 1), "anti-affinity: s1 is there");
	assert_int_equal(cluster_place(&c, &sched_first_fit, 1), 1);
	assert_string_equal(cluster_says(&c, 1, 0), "anti-affinity: s0 is there");
	board_free(c.board);
}

static void
anti_affinity_to_itself_is_one_per_node(void **state)
{
	static const uint32_t itself[] = {0};
	uint32_t demands[] = {0, 0, 0};
	int32_t at[3];
	struct cluster c;

	(void)state;
	for (size_t i = 0; quick[i] != NULL; i++) {
		struct sched_by with = by(quick[i]);

		cluster_set(&c, 2, 1);
		c.groups[0].anti_affinity = itself;
		c.groups[0].n_anti_affinity = 1;
		cluster_board(&c);
		assert_int_equal(sched_place_all(c.board, &with, demands, 3, true, at), 2);
		assert_int_not_equal(at[0], at[1]);
		assert_int_equal(board_count(c.board, 0, 0), 1);
		board_free(c.board);
	}
}

static void
affinity_is_to_what_is_there(void **state)
{
	static const uint32_t to[] = {1};
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 2);
	c.groups[0].affinity = to;
	c.groups[0].n_affinity = 1;
	cluster_board(&c);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), TG_SCHED_NOWHERE);
	assert_string_equal(cluster_says(&c, 0, 0), "affinity: no s1 is there");
	board_put(c.board, 1, 2);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 2);
	board_free(c.board);
}

static void
affinity_to_itself_begins_anywhere(void **state)
{
	static const uint32_t itself[] = {0};
	uint32_t demands[] = {0, 0, 0, 0, 0};
	int32_t at[5];
	struct cluster c;

	(void)state;
	for (size_t i = 0; quick[i] != NULL; i++) {
		struct sched_by with = by(quick[i]);

		cluster_set(&c, 3, 1);
		c.groups[0].affinity = itself;
		c.groups[0].n_affinity = 1;
		cluster_board(&c);
		assert_int_equal(sched_place_all(c.board, &with, demands, 5, true, at), 4);
		board_free(c.board);
	}
}

/* Friends that come in the same list, whatever their order in it. */
static void
affinity_is_to_what_comes_along(void **state)
{
	static const uint32_t to[] = {1};
	static const uint32_t on[] = {2};
	uint32_t demands[] = {0, 1, 2};
	int32_t at[3];
	struct cluster c;

	(void)state;
	for (size_t i = 0; quick[i] != NULL; i++) {
		struct sched_by with = by(quick[i]);

		cluster_set(&c, 3, 3);
		c.groups[0].affinity = to;
		c.groups[0].n_affinity = 1;
		c.groups[1].affinity = on;
		c.groups[1].n_affinity = 1;
		cluster_board(&c);
		assert_int_equal(sched_place_all(c.board, &with, demands, 3, true, at), 3);
		assert_int_equal(at[0], at[1]);
		assert_int_equal(at[1], at[2]);
		board_free(c.board);
	}
}

static void
values_get_as_many_where_there_is_room(void **state)
{
	uint32_t demands[12];
	int32_t at[12];
	struct cluster c;

	(void)state;
	memset(demands, 0, sizeof(demands));
	for (size_t i = 0; quick[i] != NULL; i++) {
		struct sched_by with = by(quick[i]);
		unsigned in[3] = {0};

		cluster_set(&c, 6, 1);
		c.groups[0].spread = "zone";
		cluster_board(&c);
		assert_int_equal(sched_place_all(c.board, &with, demands, 12, true, at), 12);
		for (unsigned k = 0; k < 12; k++)
			in[at[k] / 2]++;
		assert_int_equal(in[0], 4);
		assert_int_equal(in[1], 4);
		assert_int_equal(in[2], 4);
		board_free(c.board);
	}
}

/* A full zone does not keep backends from starting. */
static void
a_value_without_room_is_passed_over(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 4, 1);
	c.groups[0].spread = "zone";
	c.nodes[0].free_cpu_milli = 0;
	c.nodes[1].free_cpu_milli = 0;
	cluster_board(&c);
	board_put(c.board, 0, 2);
	board_put(c.board, 0, 3);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 2);
	board_free(c.board);
}

static void
nodes_without_the_label_come_last(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 2, 1);
	c.groups[0].spread = "zone";
	c.nodes[0].n_labels = 0;
	cluster_board(&c);
	for (unsigned i = 0; i < 3; i++)
		board_put(c.board, 0, 1);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 1);
	assert_string_equal(cluster_says(&c, 0, 0), "spread: another value of zone has fewer, 3");
	board_put(c.board, 0, 1);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 0);
	board_free(c.board);
}

static void
words_are_there_for_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TG_REFUSAL_COUNT; i++)
		assert_string_not_equal(sched_refusal_str(i), "?");
	assert_string_equal(sched_refusal_str(TG_REFUSAL_COUNT), "?");
}

/* They take room, and no part in what is spread. */
static void
those_that_leave_are_not_counted(void **state)
{
	struct cluster c;

	(void)state;
	cluster_set(&c, 3, 1);
	c.groups[0].spread = "zone";
	cluster_board(&c);
	board_put(c.board, 0, 0);
	board_put(c.board, 0, 0);
	board_put(c.board, 0, 2);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 2);
	board_leave(c.board, 0, 0);
	board_leave(c.board, 0, 0);
	assert_int_equal(cluster_place(&c, &sched_first_fit, 0), 0);
	assert_int_equal(board_count(c.board, 0, 0), 2);
	board_free(c.board);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_is_capacity_less_what_is_there),
		cmocka_unit_test(what_is_not_known_is_never_too_little),
		cmocka_unit_test(who_needs_nothing_fits_where_too_much_is),
		cmocka_unit_test(closed_nodes_take_nothing),
		cmocka_unit_test(labels_are_required),
		cmocka_unit_test(anti_affinity_holds_from_either_side),
		cmocka_unit_test(anti_affinity_to_itself_is_one_per_node),
		cmocka_unit_test(affinity_is_to_what_is_there),
		cmocka_unit_test(affinity_to_itself_begins_anywhere),
		cmocka_unit_test(affinity_is_to_what_comes_along),
		cmocka_unit_test(values_get_as_many_where_there_is_room),
		cmocka_unit_test(a_value_without_room_is_passed_over),
		cmocka_unit_test(nodes_without_the_label_come_last),
		cmocka_unit_test(words_are_there_for_all),
		cmocka_unit_test(those_that_leave_are_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
