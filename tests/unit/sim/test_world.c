/* sim/world.c: a queue in virtual time, against what is known of queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale/erlang.h"
#include "sim/world.h"

#define SECOND UINT64_C(1000000)

static double rates[64];
static struct workload load;
static struct world_setup setup;
static struct world *world;

/* So many seconds of each rate. */
static void
start(uint32_t n, uint64_t seconds, size_t n_rates, uint32_t backends)
{
	world_free(world);
	load = (struct workload){.name = "t", .step_us = seconds * SECOND, .n = n_rates, .rates = rates};
	setup.slots = n;
	world = world_new(&setup, &load, backends);
	assert_non_null(world);
}

static int
prepare(void **state)
{
	(void)state;
	setup = (struct world_setup){.service_us = 100000,
				     .start_us = 15 * SECOND,
				     .queue = 100000,
				     .queue_timeout_us = 100 * SECOND,
				     .objective_us = SECOND / 10,
				     .seed = 1};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_free(world);
	world_free(NULL);
	world = NULL;
	return 0;
}

/* M/M/n: the share that waits longer than t is C exp(-(n - a) t / s). Here a = 8 of 10, t = s: 0.409 * e^-2. */
static void
waits_are_as_erlang_says(void **state)
{
	double share;

	(void)state;
	rates[0] = 80;
	start(10, 40000, 1, 1);
	world_run(world, 40000 * SECOND);
	assert_true(world_counts(world)->requests > 3180000 && world_counts(world)->requests < 3220000);
	share = (double)world_counts(world)->beyond / (double)world_counts(world)->requests;
	assert_true(share > erlang_c(10, 8) * 0.135335 * 0.97 && share < erlang_c(10, 8) * 0.135335 * 1.03);
	assert_true(world_counts(world)->refused == 0);
}

/* Whatever is decided, the same requests come, and take as long. */
static void
decisions_change_no_request(void **state)
{
	uint64_t requests;
	uint64_t total_us;

	(void)state;
	rates[0] = 50;
	start(10, 100, 1, 5);
	world_run(world, 100 * SECOND);
	requests = world_counts(world)->requests;
	world_run(world, 200 * SECOND);
	total_us = world_meter(world)->counts.total_us - world_meter(world)->counts.queue_us;
	start(10, 100, 1, 1);
	world_run(world, 30 * SECOND);
	world_scale(world, 3);
	world_run(world, 200 * SECOND);
	assert_true(world_counts(world)->requests == requests);
	assert_true(world_meter(world)->counts.total_us - world_meter(world)->counts.queue_us == total_us);
	/* Another seed has others. */
	setup.seed = 2;
	start(10, 100, 1, 5);
	world_run(world, 100 * SECOND);
	assert_true(world_counts(world)->requests != requests);
}

static void
steps_of_the_load_are_followed(void **state)
{
	uint64_t first;

	(void)state;
	rates[0] = 100;
	rates[1] = 0;
	rates[2] = 10;
	start(10, 100, 3, 5);
	world_run(world, 100 * SECOND);
	first = world_counts(world)->requests;
	assert_true(first > 9600 && first < 10400);
	world_run(world, 200 * SECOND);
	assert_true(world_counts(world)->requests == first);
	world_run(world, 400 * SECOND);
	assert_true(world_counts(world)->requests > first + 850);
	assert_true(world_counts(world)->requests < first + 1150);
	assert_true(world_replicas(world)->in_flight == 0);
}

/* Twice what one backend can do: the queue fills, what is beyond it is refused, the rest waits too long. */
static void
the_queue_has_a_bound_and_a_deadline(void **state)
{
	(void)state;
	setup.is_constant = true;
	setup.queue = 50;
	rates[0] = 200;
	start(10, 100, 1, 1);
	world_run(world, 50 * SECOND);
	assert_int_equal(world_queued(world), 50);
	assert_true(world_counts(world)->refused > 4000 && world_counts(world)->refused < 6000);
	setup.queue = 100000;
	setup.queue_timeout_us = 2 * SECOND;
	start(10, 100, 1, 1);
	world_run(world, 50 * SECOND);
	assert_true(world_queued(world) > 350 && world_queued(world) < 450);
	assert_true(world_counts(world)->refused > 4000 && world_counts(world)->refused < 6000);
	setup.queue = 0;
	start(10, 100, 1, 1);
	world_run(world, 50 * SECOND);
	assert_int_equal(world_queued(world), 0);
}

static void
note_ready(void *user, uint64_t now_us, uint32_t ready)
{
	uint64_t *seen = user;

	seen[0]++;
	seen[1] = now_us;
	seen[2] = ready;
}

static void
who_waits_is_served_by_one_that_starts(void **state)
{
	uint64_t seen[3] = {0};

	(void)state;
	rates[0] = 1;
	start(10, 100, 1, 0);
	world_watch(world, note_ready, seen);
	world_run(world, 10 * SECOND);
	assert_true(world_queued(world) > 3);
	world_scale(world, 1);
	world_run(world, 25 * SECOND);
	assert_true(world_queued(world) > 0 && seen[0] == 0);
	world_run(world, 26 * SECOND);
	assert_int_equal(world_queued(world), 0);
	assert_true(seen[0] == 1 && seen[1] == 25 * SECOND && seen[2] == 1);
	assert_false(world_is_broken(world));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(waits_are_as_erlang_says, prepare, teardown),
		cmocka_unit_test_setup_teardown(decisions_change_no_request, prepare, teardown),
		cmocka_unit_test_setup_teardown(steps_of_the_load_are_followed, prepare, teardown),
		cmocka_unit_test_setup_teardown(the_queue_has_a_bound_and_a_deadline, prepare, teardown),
		cmocka_unit_test_setup_teardown(who_waits_is_served_by_one_that_starts, prepare, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
