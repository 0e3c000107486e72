/* sched/solver.c: an answer of another process, or why there is none. */
#include <math.h>
#include <signal.h>
#include <unistd.h>

#include "fake/turn.h"
#include "sched/solver.h"
#include "unit/sched/cluster.h"

static struct {
	struct loop *loop;
	struct solver *solver;
	struct cluster c;
	unsigned n;
	char why[128];
	int32_t nodes[4];
	uint32_t used;
	double bound;
} world;

static void
score(const struct tg_value *options, const struct tg_cluster *cluster, uint32_t group,
      const bool *fits, double *ret_scores)
{
	(void)options;
	(void)group;
	for (uint32_t i = 0; i < cluster->n_nodes; i++)
		ret_scores[i] = fits[i] ? 1 : NAN;
}

static void
pack_on_last(const struct tg_value *options, struct tg_packing *p)
{
	(void)options;
	printf("solvers talk\n");
	fprintf(stderr, "a lot\n");
	for (uint32_t i = 0; i < p->n; i++)
		assert_true(p->put(p, i, p->cluster->n_nodes - 1));
	p->bound = 1;
}

static void
pack_crash(const struct tg_value *options, struct tg_packing *p)
{
	(void)options;
	(void)p;
	raise(SIGKILL);
}

static void
pack_exit(const struct tg_value *options, struct tg_packing *p)
{
	(void)options;
	(void)p;
	_exit(0);
}

static void
pack_hang(const struct tg_value *options, struct tg_packing *p)
{
	(void)options;
	(void)p;
	for (;;)
		pause();
}

static void
on_answer(void *user, const struct solver_answer *answer)
{
	(void)user;
	world.n++;
	snprintf(world.why, sizeof(world.why), "%s", answer->why != NULL ? answer->why : "");
	world.used = answer->used;
	world.bound = answer->bound;
	if (answer->why == NULL)
		memcpy(world.nodes, answer->nodes, answer->n * sizeof(world.nodes[0]));
}

static int
set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	fake_limit_start();
	world.loop = loop_new();
	assert_non_null(world.loop);
	world.solver = solver_new(world.loop);
	assert_non_null(world.solver);
	cluster_set(&world.c, 3, 1);
	cluster_board(&world.c);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	solver_free(world.solver);
	board_free(world.c.board);
	loop_free(world.loop);
	return 0;
}

static int
ask_for(void (*pack)(const struct tg_value *options, struct tg_packing *p), uint32_t deadline_ms)
{
	struct tg_scheduler ops = {.size = sizeof(ops), .score = score, .pack = pack};
	struct tg_module module = {.name = "slow", .ops = &ops};
	struct sched_by with = by(&module);
	uint32_t demands[] = {0, 0, 0, 0};

	return solver_ask(world.solver, world.c.board, &with, demands, 4, deadline_ms, on_answer,
			  NULL);
}

static void
await_answer(void)
{
	while (world.n == 0)
		fake_turn(world.loop);
	assert_int_equal(world.n, 1);
	assert_false(solver_is_busy(world.solver));
}

static void
an_answer_comes_and_nothing_else_is_changed(void **state)
{
	(void)state;
	assert_int_equal(ask_for(pack_on_last, 60000), 0);
	assert_true(solver_is_busy(world.solver));
	assert_int_equal(ask_for(pack_on_last, 60000), -TG_ELIMIT);
	await_answer();
	assert_string_equal(world.why, "");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(world.nodes[i], 2);
	assert_int_equal(world.used, 1);
	assert_true(world.bound == 1);
	assert_false(board_is_used(world.c.board, 2));
}

/* By the process before, which has not written it yet. */
static void
what_was_said_before_is_no_part_of_it(void **state)
{
	char before[BUFSIZ];
	int out = dup(STDOUT_FILENO);

	(void)state;
	fflush(stdout);
	assert_non_null(freopen("/dev/null", "w", stdout));
	assert_int_equal(setvbuf(stdout, before, _IOFBF, sizeof(before)), 0);
	fputs("said before\n", stdout);
	assert_int_equal(ask_for(pack_on_last, 60000), 0);
	await_answer();
	fflush(stdout);
	setvbuf(stdout, NULL, _IOLBF, 0);
	dup2(out, STDOUT_FILENO);
	close(out);
	assert_string_equal(world.why, "");
}

static void
one_that_crashes_costs_an_answer(void **state)
{
	(void)state;
	assert_int_equal(ask_for(pack_crash, 60000), 0);
	await_answer();
	assert_string_equal(world.why, "it was ended by signal 9");
}

static void
one_that_ends_without_a_word_has_none(void **state)
{
	(void)state;
	assert_int_equal(ask_for(pack_exit, 60000), 0);
	await_answer();
	assert_string_equal(world.why, "it answered nonsense");
}

static void
one_that_hangs_is_ended(void **state)
{
	(void)state;
	assert_int_equal(ask_for(pack_hang, 50), 0);
	await_answer();
	assert_string_equal(world.why, "it did not answer in time");
	world.n = 0;
	/* The next question is taken when the process is gone. */
	while (ask_for(pack_on_last, 60000) == -TG_ELIMIT)
		fake_turn(world.loop);
	await_answer();
	assert_string_equal(world.why, "");
}

static void
one_that_is_stopped_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(ask_for(pack_hang, 60000), 0);
	solver_stop(world.solver);
	assert_false(solver_is_busy(world.solver));
	while (ask_for(pack_on_last, 60000) == -TG_ELIMIT)
		fake_turn(world.loop);
	await_answer();
	assert_string_equal(world.why, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_comes_and_nothing_else_is_changed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_said_before_is_no_part_of_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_crashes_costs_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_ends_without_a_word_has_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_hangs_is_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_stopped_says_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
