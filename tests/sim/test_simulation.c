/*
 * What is between a stream and its backend, under random faults; see doc/internals/simulation.md.
 *
 *	TG_SIM_SEEDS=7          one seed, or 1-100
 *	TG_SIM_STEPS=1000000    of each seed
 *
 * An argument picks the algorithm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fake/turn.h"
#include "sim/sim.h"
#include "unit/sanitized.h"

/* In fewer a world may not have come to its first stream. */
#define STEPS TURNS(10000u)
#define SEEDS SIZES(8u, 4u)
/* A view of "hash" costs a millisecond: it has this part of them. */
#define HASH_PART 4u

static struct sim sim;
static uint64_t first_seed = 1;
static uint64_t last_seed = SEEDS;
static uint64_t n_steps = STEPS;
static bool is_told; /* what to do: it may take as long as it takes */

static void
read_environment(void)
{
	const char *seeds = getenv("TG_SIM_SEEDS");
	const char *steps = getenv("TG_SIM_STEPS");
	char *rest;

	is_told = seeds != NULL || steps != NULL;
	if (seeds != NULL) {
		first_seed = strtoull(seeds, &rest, 10);
		last_seed = *rest == '-' ? strtoull(rest + 1, NULL, 10) : first_seed;
	}
	if (steps != NULL)
		n_steps = strtoull(steps, NULL, 10);
}

static int
setup(void **state)
{
	(void)state;
	if (!is_told)
		fake_limit_start();
	return 0;
}

static void
tell_counts(void)
{
	printf("# seed %llu: %llu steps, %u backends, %u workers, %llu streams, %llu queued, "
	       "%llu shed, %llu refused, %llu retries, %llu denied, %llu sticky, %llu spare, "
	       "%llu ejected, %llu views\n",
	       (unsigned long long)sim.seed, (unsigned long long)sim.step, sim.n_backends,
	       sim.n_workers, (unsigned long long)sim.n_streams, (unsigned long long)sim.n_queued,
	       (unsigned long long)sim.n_shed, (unsigned long long)sim.n_refused,
	       (unsigned long long)sim.n_retries, (unsigned long long)sim.n_denied,
	       (unsigned long long)sim.n_sticky, (unsigned long long)sim.n_spare,
	       (unsigned long long)sim.n_ejected, (unsigned long long)sim.n_views);
}

static uint64_t
steps_for(const char *balance)
{
	return is_told || strcmp(balance, "hash") != 0 ? n_steps : n_steps / HASH_PART;
}

static bool
run(uint64_t seed, const char *balance)
{
	bool is_right = sim_open(&sim, seed, balance) == 0;

	if (is_right) {
		sim_run(&sim, steps_for(balance));
		sim_drain(&sim);
		is_right = !sim.is_broken;
	}
	if (is_told)
		tell_counts();
	sim_close(&sim);
	return is_right;
}

static void
rules_hold(void **state)
{
	const char *const *balance = *state;
	uint64_t seed;

	for (seed = first_seed; seed <= last_seed; seed++)
		assert_true(run(seed, *balance));
}

static const char *balances[] = {"round-robin", "least-conn", "p2c",   "hash",
				 "ewma",        "first",      "random"};

#define TEST(i)                                                                                    \
	{                                                                                          \
		balances[i], rules_hold, setup, NULL, &balances[i]                                 \
	}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(0), TEST(1), TEST(2), TEST(3), TEST(4), TEST(5), TEST(6),
	};

	read_environment();
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_ERROR, "sim");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
