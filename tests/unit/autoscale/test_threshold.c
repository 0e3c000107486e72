/* autoscale/threshold.c: the classic rule, as it should be and as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/autoscale/snapshots.h"

static void
start(struct world *w, const struct conf_setting *settings, size_t n_settings, uint32_t n, double cpu,
      double memory)
{
	world_init(w, &autoscale_threshold, settings, n_settings, n);
	world_set_all(w, TG_METRIC_CPU, cpu);
	world_set_all(w, TG_METRIC_MEMORY, memory);
}

static uint32_t
desired(const struct world *w)
{
	return world_propose(w).desired;
}

static void
above_is_one_more_and_below_half_one_fewer(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL, 0, 4, 0.9, 0.52);
	assert_int_equal(desired(&w), 5);
	start(&w, NULL, 0, 4, 0.9, 0.5);
	assert_int_equal(desired(&w), 4);
	start(&w, NULL, 0, 4, 0.4, 0.32);
	assert_int_equal(desired(&w), 4);
	start(&w, NULL, 0, 4, 0.4, 0.28);
	assert_int_equal(desired(&w), 3);
	assert_true(fabs(world_propose(&w).load - 0.34 / 0.7) < 1e-9);
}

static void
what_is_combined_can_be_chosen(void **state)
{
	const struct conf_setting max = TEXT("combine", "max");
	const struct conf_setting cpu = TEXT("combine", "cpu");
	const struct conf_setting memory = TEXT("combine", "memory");
	struct world w;

	(void)state;
	start(&w, &max, 1, 4, 0.8, 0.1);
	assert_int_equal(desired(&w), 5);
	start(&w, &cpu, 1, 4, 0.1, 0.9);
	assert_int_equal(desired(&w), 3);
	start(&w, &memory, 1, 4, 0.1, 0.9);
	assert_int_equal(desired(&w), 5);
}

/* One burst is answered once. */
static void
pending_capacity_counts(void **state)
{
	const struct conf_setting strict = TRUTH("strict");
	struct world w;

	(void)state;
	start(&w, NULL, 0, 4, 0.8, 0.8);
	w.in.snapshot.desired = 5;
	w.in.snapshot.pending = 1;
	assert_int_equal(desired(&w), 5);
	/* As soon as even that is not enough, one more. */
	start(&w, NULL, 0, 4, 0.9, 0.9);
	w.in.snapshot.desired = 5;
	w.in.snapshot.pending = 1;
	assert_int_equal(desired(&w), 6);
	/* The literal rule does not look. */
	start(&w, &strict, 1, 4, 0.8, 0.8);
	w.in.snapshot.desired = 5;
	w.in.snapshot.pending = 1;
	assert_int_equal(desired(&w), 6);
}

static void
strict_is_the_literal_rule(void **state)
{
	const struct conf_setting strict = TRUTH("strict");
	struct world w;

	(void)state;
	start(&w, &strict, 1, 1, 0.3, 0.3);
	assert_int_equal(desired(&w), 0);
	assert_true(isnan(world_propose(&w).load));
	start(&w, &strict, 1, 2, 0.8, 0.8);
	assert_int_equal(desired(&w), 3);
}

static void
a_step_never_overloads_those_that_stay(void **state)
{
	const struct conf_setting step = NUMBER("step", 10);
	struct world w;

	(void)state;
	for (double u = 0.01; u < 0.35; u += 0.01) {
		uint32_t n;

		start(&w, &step, 1, 20, u, u);
		n = desired(&w);
		assert_true(n >= 10 && u * 20 / n < 0.7);
	}
	start(&w, &step, 1, 20, 0.9, 0.9);
	assert_int_equal(desired(&w), 30);
	/* The last one is not its to take. */
	start(&w, &step, 1, 1, 0.01, 0.01);
	assert_int_equal(desired(&w), 1);
}

static void
what_is_missing_makes_it_unsure(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL, 0, 4, 0.1, 0.1);
	w.windows[0].metrics[TG_METRIC_CPU].n = 0;
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 4);
	/* All zero is no reading: what runs has memory. */
	start(&w, NULL, 0, 4, 0, 0);
	assert_true(world_propose(&w).is_unsure);
	start(&w, NULL, 0, 4, 0.9, 0.9);
	w.in.snapshot.ready = 0;
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 4);
}

/* Sawtooth of load over a model of backends: never over and over around one point. */
static void
steady_load_settles(void **state)
{
	struct world w;

	(void)state;
	for (double load = 0.1; load < 40; load += 0.1) {
		uint32_t n = 20;
		unsigned changes = 0;

		for (unsigned tick = 0; tick < 200; tick++) {
			uint32_t next;

			start(&w, NULL, 0, n, load / n, load / n);
			next = desired(&w);
			changes += next != n;
			n = next;
		}
		/* One way only: as many changes as there are steps to where it stays. */
		assert_int_equal(changes, n > 20 ? n - 20 : 20 - n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(above_is_one_more_and_below_half_one_fewer),
		cmocka_unit_test(what_is_combined_can_be_chosen),
		cmocka_unit_test(pending_capacity_counts),
		cmocka_unit_test(strict_is_the_literal_rule),
		cmocka_unit_test(a_step_never_overloads_those_that_stay),
		cmocka_unit_test(what_is_missing_makes_it_unsure),
		cmocka_unit_test(steady_load_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
