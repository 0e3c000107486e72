/* autoscale/plan.c: what a plan keeps at each load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "autoscale/outlook.h"
#include "autoscale/plan.h"

struct planned {
	struct plan_setup setup;
	void *table;
};

/* Loads that stay, or change by a tenth; one in `seldom` steps to twice as much. */
static void
set_shares(double *shares, double seldom)
{
	memset(shares, 0, TG_RATIOS * sizeof(*shares));
	shares[outlook_class(1)] = 0.8 - seldom;
	shares[outlook_class(0.89)] = 0.1;
	shares[outlook_class(1.13)] = 0.1;
	shares[outlook_class(2)] = seldom;
}

static struct plan_setup
setup_of(double backends, double start_s, double slots, double penalty, double switch_s)
{
	struct plan_setup s = {
		.backends = backends,
		.load_max = backends * 0.75,
		.step_s = start_s + 1.5,
		.service_s = 0.1,
		.slots = slots,
		.objective_s = 0.5,
		.penalty = penalty,
		.switch_s = switch_s,
	};

	for (unsigned i = 0; i < TG_RATIOS; i++)
		s.ratios[i] = outlook_ratio(i);
	set_shares(s.demand, 0.01);
	set_shares(s.change, 0.01);
	return s;
}

static void
make(struct planned *p, const struct plan_setup *setup)
{
	p->setup = *setup;
	p->table = calloc(1, plan_bytes(setup));
	assert_non_null(p->table);
	plan_solve(setup, p->table);
}

static uint32_t
ask(const struct planned *p, double running, double pending, double load)
{
	const struct plan_state state = {.running = running, .pending = pending, .load = load};

	return plan_answer(&p->setup, p->table, &state);
}

/*** Shapes ***/

static void
more_load_never_needs_fewer(const struct planned *p, double running, double pending)
{
	uint32_t before = 0;

	for (unsigned i = 0; i < 4 * TG_PLAN_BINS; i++) {
		double load = p->setup.load_max * i / (4 * TG_PLAN_BINS);
		uint32_t n = ask(p, running, pending, load);

		if (n < before)
			fail_msg("running %g pending %g load %g: %u after %u", running, pending, load, n, before);
		before = n;
	}
}

/* What is there is more, and so is what is kept; what is pending counts like what runs but for the wait. */
static void
more_running_never_means_fewer(const struct planned *p, double load)
{
	uint32_t before = 0;

	for (double n = 0; n <= p->setup.backends; n++) {
		uint32_t y = ask(p, n, 0, load);

		if (y < before)
			fail_msg("running %g load %g: %u after %u", n, load, y, before);
		before = y;
	}
}

/* Two numbers: below the first it goes there, above the second down to that, and in between nothing is done. */
static void
between_two_numbers_nothing_changes(const struct planned *p, double load, uint32_t *ret_width)
{
	uint32_t low = ask(p, 0, 0, load);
	uint32_t high = ask(p, p->setup.backends, 0, load);

	assert_true(low <= high);
	for (double n = low; n <= high; n++)
		assert_int_equal(ask(p, n, 0, load), (int)n);
	*ret_width = high - low;
}

static const struct {
	double backends;
	double start_s;
	double slots;
	double penalty;
	double switch_s;
} rows[] = {
	{12, 2, 10, 100, 0},  {12, 15, 10, 100, 0},  {40, 15, 1, 100, 0},    {40, 60, 10, 1000, 0},
	{40, 15, 10, 5, 30},  {100, 5, 4, 100, 10},  {60, 15, 100, 100, 0},  {30, 0, 10, 100, 5},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct plan_setup
setup_at(size_t i)
{
	return setup_of(rows[i].backends, rows[i].start_s, rows[i].slots, rows[i].penalty, rows[i].switch_s);
}

static void
plans_are_monotone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct plan_setup setup = setup_at(i);
		struct planned p;

		make(&p, &setup);
		for (uint32_t n = 0; n <= setup.backends; n += 1 + (uint32_t)setup.backends / 10) {
			more_load_never_needs_fewer(&p, n, 0);
			more_load_never_needs_fewer(&p, n, (uint32_t)setup.backends / 4);
		}
		for (unsigned bin = 0; bin < TG_PLAN_BINS; bin += 5)
			more_running_never_means_fewer(&p, plan_load(&setup, bin));
		free(p.table);
	}
}

static void
plans_have_hysteresis(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct plan_setup setup = setup_at(i);
		uint32_t widest = 0;
		struct planned p;

		make(&p, &setup);
		for (unsigned bin = 0; bin < TG_PLAN_BINS; bin++) {
			uint32_t width;

			between_two_numbers_nothing_changes(&p, plan_load(&setup, bin), &width);
			widest = width > widest ? width : widest;
		}
		assert_true(widest > 0 || setup.switch_s == 0);
		free(p.table);
	}
}

static uint32_t
sum_of_widths(const struct plan_setup *setup)
{
	struct planned p;
	uint32_t sum = 0;

	make(&p, setup);
	for (unsigned bin = 0; bin < TG_PLAN_BINS; bin++)
		sum += ask(&p, setup->backends, 0, plan_load(setup, bin)) - ask(&p, 0, 0, plan_load(setup, bin));
	free(p.table);
	return sum;
}

static void
dear_changes_are_fewer(void **state)
{
	struct plan_setup cheap = setup_of(40, 15, 10, 100, 0);
	struct plan_setup dear = setup_of(40, 15, 10, 100, 60);

	(void)state;
	assert_true(sum_of_widths(&dear) > sum_of_widths(&cheap));
}

static void
what_costs_more_is_avoided(void **state)
{
	struct plan_setup lax = setup_of(40, 15, 10, 2, 0);
	struct plan_setup strict = setup_of(40, 15, 10, 1000, 0);
	struct planned a;
	struct planned b;

	(void)state;
	make(&a, &lax);
	make(&b, &strict);
	for (unsigned bin = 1; bin < TG_PLAN_BINS / 2; bin++) {
		double load = plan_load(&lax, bin);

		assert_true(ask(&b, 0, 0, load) >= ask(&a, 0, 0, load));
		assert_true(ask(&b, 0, 0, load) >= load);
	}
	assert_true(ask(&b, 0, 0, 10) > ask(&a, 0, 0, 10));
	free(a.table);
	free(b.table);
}

/* What is on its way is not asked for again; when it is not needed it goes before what runs. */
static void
pending_ones_count(void **state)
{
	struct plan_setup setup = setup_of(40, 15, 10, 100, 0);
	struct planned p;
	uint32_t n;

	(void)state;
	make(&p, &setup);
	n = ask(&p, 10, 0, 15);
	assert_true(n > 15);
	assert_int_equal(ask(&p, 10, n - 10, 15), n);
	assert_int_equal(ask(&p, 10, 25, 3), ask(&p, 10, 0, 3));
	free(p.table);
}

/* Once it is more than chance the ones behind a queue are worth some backends, but not all there are. */
static void
a_queue_is_worked_off_at_a_price(void **state)
{
	struct plan_setup setup = setup_of(40, 15, 10, 100, 0);
	struct plan_state none = {.running = 12, .load = 10};
	struct plan_state chance = {.running = 12, .load = 10, .backlog_s = 2};
	struct plan_state queue = {.running = 12, .load = 10, .backlog_s = 30};
	struct planned p;

	(void)state;
	make(&p, &setup);
	assert_int_equal(plan_answer(&setup, p.table, &chance), plan_answer(&setup, p.table, &none));
	assert_true(plan_answer(&setup, p.table, &queue) > plan_answer(&setup, p.table, &none));
	assert_true(plan_answer(&setup, p.table, &queue) < 40);
	free(p.table);
}

/*** Numbers ***/

static void
numbers_make_the_same_plan_again(void **state)
{
	struct plan_setup setup = setup_of(40, 15, 10, 100, 3);
	double numbers[TG_PLAN_NUMBERS_MAX];
	uint32_t n = plan_to_numbers(&setup, numbers);
	struct plan_setup again;
	struct planned a;
	struct planned b;

	(void)state;
	assert_true(plan_of_numbers(numbers, n, &again));
	make(&a, &setup);
	make(&b, &again);
	assert_int_equal(plan_bytes(&setup), plan_bytes(&again));
	assert_memory_equal(a.table, b.table, plan_bytes(&setup));
	free(a.table);
	free(b.table);
}

static void
numbers_that_make_no_sense_are_none(void **state)
{
	static const double bad[] = {0, -1, 1.5, 1e9};
	struct plan_setup setup = setup_of(40, 15, 10, 100, 3);
	double numbers[TG_PLAN_NUMBERS_MAX];
	uint32_t n = plan_to_numbers(&setup, numbers);
	struct plan_setup again;

	(void)state;
	assert_false(plan_of_numbers(numbers, n - 1, &again));
	assert_false(plan_of_numbers(numbers, 0, &again));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		numbers[0] = bad[i];
		assert_false(plan_of_numbers(numbers, n, &again));
	}
	numbers[0] = 40;
	numbers[n - 1] = 0.5; /* shares that are more than all */
	assert_false(plan_of_numbers(numbers, n, &again));
}

static void
no_load_needs_none_and_all_is_bounded(void **state)
{
	struct plan_setup setup = setup_of(200, 15, 10, 100, 0);
	struct planned p;

	(void)state;
	make(&p, &setup);
	assert_int_equal(ask(&p, 0, 0, 0), 0);
	assert_true(ask(&p, 0, 0, 300) > 250);
	assert_int_equal(ask(&p, 0, 0, 1e9), TG_PLAN_BACKENDS_MAX);
	assert_true(ask(&p, 1e9, 1e9, 100) <= 200);
	free(p.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_monotone),
		cmocka_unit_test(plans_have_hysteresis),
		cmocka_unit_test(dear_changes_are_fewer),
		cmocka_unit_test(what_costs_more_is_avoided),
		cmocka_unit_test(pending_ones_count),
		cmocka_unit_test(a_queue_is_worked_off_at_a_price),
		cmocka_unit_test(numbers_make_the_same_plan_again),
		cmocka_unit_test(numbers_that_make_no_sense_are_none),
		cmocka_unit_test(no_load_needs_none_and_all_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
