/* autoscale/plan_process.c: a plan of another process, or why there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "autoscale/plan_process.h"
#include "fake/turn.h"

#define CELLS 100000u /* more than a pipe has room for */

static struct {
	struct loop *loop;
	struct process_pool *pool;
	struct planning *planning;
	struct plan_process process;
	struct tg_snapshot snapshot;
	bool is_ended;
	char why[64];
} world;

/* What it does in the other process. */
static enum { WORKS, CRASHES, EXITS } how;

static uint32_t
numbers(const struct tg_value *options, const struct tg_snapshot *s, const struct tg_history *h, double *ret)
{
	(void)options;
	(void)h;
	ret[0] = (double)s->ready;
	ret[1] = 7;
	return 2;
}

static size_t
bytes(const double *n, uint32_t count)
{
	return count == 2 && n[1] == 7 ? CELLS * sizeof(double) : 0;
}

static void
plan(const double *n, uint32_t count, void *ret)
{
	double *cells = ret;

	(void)count;
	printf("modules talk\n");
	if (how == CRASHES)
		raise(SIGKILL);
	if (how == EXITS)
		_exit(0);
	for (uint32_t i = 0; i < CELLS; i++)
		cells[i] = n[0] * i;
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.plan_numbers = numbers,
	.plan_bytes = bytes,
	.plan = plan,
};
static const struct tg_module module = {.name = "fake", .ops = &ops};

static void
on_ended(void *user, const char *why)
{
	(void)user;
	world.is_ended = true;
	snprintf(world.why, sizeof(world.why), "%s", why != NULL ? why : "");
}

static int
set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	fake_limit_start();
	how = WORKS;
	world.loop = loop_new();
	world.pool = process_pool_new(world.loop, 1);
	world.planning = planning_new();
	assert_true(world.loop != NULL && world.pool != NULL && world.planning != NULL);
	plan_process_init(&world.process, world.loop, world.planning, on_ended, NULL);
	world.snapshot = (struct tg_snapshot){.size = sizeof(world.snapshot), .ready = 3};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	plan_process_fini(&world.process);
	planning_free(world.planning);
	process_pool_free(world.pool);
	loop_free(world.loop);
	return 0;
}

static void
look(void)
{
	world.snapshot.now_ms += TG_PLANNING_LOOK_MS;
	world.snapshot.plan = NULL;
	planning_fill(world.planning, &module, &world.snapshot);
}

static void
ask(void)
{
	world.is_ended = false;
	look();
	assert_true(planning_wants(world.planning, &module, NULL, &world.snapshot));
	plan_process_start(&world.process, world.pool, &module);
	look();
	assert_false(planning_wants(world.planning, &module, NULL, &world.snapshot));
}

static void
a_plan_comes_and_is_used_from_the_next_look_on(void **state)
{
	const double *cells;

	(void)state;
	ask();
	assert_null(world.snapshot.plan);
	fake_turn_until(world.loop, &world.is_ended);
	assert_string_equal(world.why, "");
	assert_null(world.snapshot.plan);
	look();
	assert_non_null(world.snapshot.plan);
	assert_int_equal(world.snapshot.plan->n, 2);
	assert_int_equal(world.snapshot.plan->table_bytes, CELLS * sizeof(double));
	cells = world.snapshot.plan->table;
	for (uint32_t i = 0; i < CELLS; i++)
		assert_true(cells[i] == 3.0 * i);
}

static void
one_that_fails_leaves_the_one_before(void **state)
{
	static const struct {
		int how;
		const char *why;
	} rows[] = {{CRASHES, "it was ended by signal 9"}, {EXITS, "it answered too little"}};

	(void)state;
	ask();
	fake_turn_until(world.loop, &world.is_ended);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		how = rows[i].how;
		world.snapshot.ready = 50;
		ask();
		fake_turn_until(world.loop, &world.is_ended);
		assert_string_equal(world.why, rows[i].why);
		look();
		assert_true(world.snapshot.plan->numbers[0] == 3);
	}
}

static void
numbers_without_a_table_are_not_wanted(void **state)
{
	struct tg_autoscaler none = ops;
	struct tg_module other = {.name = "other", .ops = &none};
	size_t n;
	const double bad[] = {NAN, 7};
	const double odd[] = {3, 8};

	(void)state;
	assert_null(plan_table(&module, bad, 2, &n));
	assert_null(plan_table(&module, odd, 2, &n));
	assert_null(plan_table(&module, odd, 0, &n));
	none.plan = NULL;
	assert_false(module_plans(&other));
	look();
	world.snapshot.outlook = NULL;
	planning_fill(world.planning, &other, &world.snapshot);
	assert_null(world.snapshot.outlook);
	assert_false(planning_wants(world.planning, &other, NULL, &world.snapshot));
}

static void
another_module_has_no_plan_of_this_one(void **state)
{
	(void)state;
	ask();
	fake_turn_until(world.loop, &world.is_ended);
	planning_forget(world.planning);
	look();
	assert_null(world.snapshot.plan);
	/* One that is under way is ended with its owner. */
	ask();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_plan_comes_and_is_used_from_the_next_look_on, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_fails_leaves_the_one_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_without_a_table_are_not_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_module_has_no_plan_of_this_one, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
