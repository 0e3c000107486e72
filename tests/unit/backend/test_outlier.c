#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "backend/outlier.h"
#include "backend/ramp.h"
#include "fake/turn.h"
#include "unit/sanitized.h"

#define N 6u

static struct conf_service conf;
static unsigned alarms;

static int
setup(void **state)
{
	(void)state;
	conf = (struct conf_service){
		.n_backends = N,
		.outlier = {
			.consecutive = 3,
			.success_rate_permille = 1900,
			.latency_permille = 3000,
			.requests = 100,
			.base_ejection_ms = 30000,
			.max_ejected_percent = 50,
		},
	};
	alarms = 0;
	return 0;
}

static void
on_alarm(void *arg)
{
	assert_ptr_equal(arg, &conf);
	alarms++;
}

static void
failures_in_a_row_raise_an_alarm(void **state)
{
	struct loop *loop = loop_new();
	struct outlier *o = outlier_new(&conf);

	(void)state;
	outlier_watch(o, loop, on_alarm, &conf);
	for (int i = 0; i < 2; i++)
		outlier_note(o, 4, OUTLIER_FAILED);
	outlier_note(o, 4, OUTLIER_WELL);
	for (int i = 0; i < 2; i++)
		outlier_note(o, 4, OUTLIER_FAILED);
	fake_turn(loop);
	assert_int_equal(alarms, 0);
	outlier_note(o, 4, OUTLIER_FAILED);
	/* More before anybody hears is one call. */
	outlier_note(o, 4, OUTLIER_FAILED);
	outlier_note(o, 1, OUTLIER_FAILED);
	assert_int_equal(alarms, 0);
	fake_turn(loop);
	assert_int_equal(alarms, 1);
	assert_int_equal(outlier_failures(o, 4), 4);
	assert_int_equal(outlier_failures(o, 1), 1);
	assert_int_equal(outlier_failures(o, 0), 0);
	outlier_forget_failures(o, 4);
	assert_int_equal(outlier_failures(o, 4), 0);
	outlier_free(o);
	outlier_free(NULL);
	loop_free(loop);
}

/* One alarm a row, however long it gets: who cannot be ejected is no news for every connect. */
static void
connects_in_a_row_raise_one_alarm(void **state)
{
	struct loop *loop = loop_new();
	struct outlier *o;

	(void)state;
	conf.outlier.consecutive = 0;
	conf.outlier.connects = 3;
	o = outlier_new(&conf);
	outlier_watch(o, loop, on_alarm, &conf);
	for (int i = 0; i < 10; i++) {
		outlier_note(o, 2, OUTLIER_UNREACHED);
		fake_turn(loop);
		assert_int_equal(alarms, i >= 2);
	}
	/* That it has ended is news of the others. */
	outlier_note(o, 2, OUTLIER_FAILED);
	assert_int_equal(outlier_unreached(o, 2), 0);
	fake_turn(loop);
	assert_int_equal(alarms, 2);
	outlier_note(o, 2, OUTLIER_UNREACHED);
	outlier_note(o, 2, OUTLIER_WELL);
	fake_turn(loop);
	assert_int_equal(alarms, 2);
	outlier_free(o);
	loop_free(loop);
}

static void
judge(const struct outlier_sample *samples, const char *want)
{
	struct outlier_finding found[N];
	char got[N + 1] = "";

	outlier_judge(&conf.outlier, samples, N, found);
	for (unsigned i = 0; i < N; i++)
		got[i] = "-fs"[found[i].verdict];
	assert_string_equal(got, want);
}

/* All answer in 10 ms and fail one in a hundred. */
static void
all_alike(struct outlier_sample *samples)
{
	for (unsigned i = 0; i < N; i++)
		samples[i] = (struct outlier_sample){
			.requests = 1000, .failures = 10, .answers = 1000, .response_us = 10000000};
}

static void
nobody_stands_out_among_equals(void **state)
{
	struct outlier_sample samples[N] = {{0}};

	(void)state;
	judge(samples, "------");
	all_alike(samples);
	judge(samples, "------");
	samples[2].failures = 0;
	judge(samples, "------");
}

static void
who_fails_more_stands_out(void **state)
{
	struct outlier_sample samples[N];

	(void)state;
	all_alike(samples);
	samples[3].failures = 200;
	judge(samples, "---f--");
	conf.outlier.success_rate_permille = 0;
	judge(samples, "------");
}

static void
findings_have_figures(void **state)
{
	struct outlier_sample samples[N];
	struct outlier_finding found[N];

	(void)state;
	all_alike(samples);
	samples[1].failures = 300;
	samples[2].response_us *= 10;
	outlier_judge(&conf.outlier, samples, N, found);
	assert_int_equal(found[1].requests, 1000);
	assert_true(found[1].own > 0.699 && found[1].own < 0.701);
	assert_true(found[1].others > 0.989 && found[1].others < 0.991);
	assert_int_equal(found[2].verdict, TG_OUTLIER_IS_SLOWER);
	assert_true(found[2].own == 100000 && found[2].others == 10000);
}

/* As few as may be compared; the one that fails is in the mean of all, and not in that of the others. */
static void
one_of_few_stands_out(void **state)
{
	struct outlier_sample samples[N];

	(void)state;
	for (unsigned n = 3; n < N; n++) {
		all_alike(samples);
		for (unsigned i = n; i < N; i++)
			samples[i] = (struct outlier_sample){0};
		samples[1].failures = 1000;
		samples[2].response_us *= 4;
		judge(samples, "-fs---");
		samples[1].failures = 120;
		judge(samples, "-fs---");
	}
	samples[3] = samples[4] = samples[5] = (struct outlier_sample){0};
	samples[2].requests = 0;
	judge(samples, "------");
}

/* Less than a factor of points; and what chance does to few requests. */
static void
trifles_are_no_outliers(void **state)
{
	struct outlier_sample samples[N];

	(void)state;
	all_alike(samples);
	samples[4].failures = 60;
	judge(samples, "------");
	samples[4].failures = 70;
	judge(samples, "----f-");
	conf.outlier.requests = 10;
	for (unsigned i = 0; i < N; i++)
		samples[i] = (struct outlier_sample){.requests = 10};
	samples[4].failures = 2;
	judge(samples, "------");
	samples[4].failures = 6;
	judge(samples, "----f-");
}

/* xorshift: the same numbers each time. */
static uint64_t
throw_dice(void)
{
	static uint64_t dice = 88172645463325252u;

	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

static uint64_t
failures_by_chance(uint64_t requests, uint64_t permille)
{
	uint64_t failures = 0;

	for (uint64_t i = 0; i < requests; i++)
		failures += throw_dice() % 1000 < permille;
	return failures;
}

/* All fail alike, more or less often, as chance has it: verdicts of TURNS(1000) intervals. */
static unsigned
ejected_by_chance(unsigned n, uint64_t requests, uint64_t permille)
{
	struct outlier_sample samples[N];
	struct outlier_finding found[N];
	unsigned ejected = 0;

	for (unsigned round = 0; round < TURNS(1000); round++) {
		for (unsigned i = 0; i < n; i++)
			samples[i] = (struct outlier_sample){
				.requests = requests,
				.failures = failures_by_chance(requests, permille)};
		outlier_judge(&conf.outlier, samples, n, found);
		for (unsigned i = 0; i < n; i++)
			ejected += found[i].verdict != TG_OUTLIER_FINE;
	}
	return ejected;
}

static void
ordinary_noise_ejects_nobody(void **state)
{
	static const uint64_t permilles[] = {0, 1, 10, 50, 200, 500};
	unsigned ejected = 0;

	(void)state;
	for (unsigned n = 3; n <= N; n++) {
		for (unsigned i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++) {
			ejected += ejected_by_chance(n, 100, permilles[i]);
			ejected += ejected_by_chance(n, 400, permilles[i]);
		}
	}
	/* Of 216,000 verdicts, or a fifth of them. */
	assert_in_range(ejected, 0, 2);
}

static void
who_is_slower_stands_out(void **state)
{
	struct outlier_sample samples[N];

	(void)state;
	all_alike(samples);
	samples[0].response_us *= 3;
	judge(samples, "------");
	samples[0].response_us += 1000;
	samples[5].response_us *= 50;
	judge(samples, "s----s");
	conf.outlier.latency_permille = 0;
	judge(samples, "------");
}

static void
quiet_ones_are_not_judged(void **state)
{
	struct outlier_sample samples[N];

	(void)state;
	all_alike(samples);
	samples[1] = (struct outlier_sample){
		.requests = 99, .failures = 99, .answers = 99, .response_us = 99000000000};
	judge(samples, "------");
	samples[1].requests = samples[1].failures = samples[1].answers = 100;
	judge(samples, "-f----");
	/* Nor compared with: two are too few. */
	for (unsigned i = 2; i < N; i++)
		samples[i].requests = 5;
	judge(samples, "------");
}

static struct mono
at_s(uint64_t s)
{
	return (struct mono){.us = (1000 + s) * 1000000};
}

/* `n` intervals that are alike, of which the newest is number 2, behind others in which there was nothing. */
static void
repeat(struct outlier_history *h, const struct outlier_sample *s, unsigned n)
{
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < n; i++)
		h->samples[(2 + TG_OUTLIER_INTERVALS - i) % TG_OUTLIER_INTERVALS] = *s;
}

static void
judge_histories(const struct outlier_history *histories, const char *want)
{
	struct outlier_finding found[N];
	char got[N + 1] = "";

	outlier_judge_history(&conf.outlier, histories, N, 2, found);
	for (size_t i = 0; i < N; i++)
		got[i] = ".fs"[found[i].verdict];
	assert_string_equal(got, want);
}

/* Where load decides who gets streams, who is slow gets a tenth. */
static void
who_gets_little_is_judged_by_more_intervals(void **state)
{
	const struct outlier_sample well = {
		.requests = 300, .answers = 300, .response_us = 300 * 5000};
	const struct outlier_sample slow = {
		.requests = 30, .answers = 30, .response_us = 30 * 50000};
	const struct outlier_sample fails = {
		.requests = 30, .failures = 10, .answers = 30, .response_us = 30 * 5000};
	struct outlier_history histories[N];

	(void)state;
	for (unsigned n = 1; n <= TG_OUTLIER_INTERVALS; n++) {
		for (size_t i = 0; i < N; i++)
			repeat(&histories[i], &well, n);
		repeat(&histories[1], &slow, n);
		repeat(&histories[4], &fails, n);
		judge_histories(histories, n * 30 >= conf.outlier.requests ? ".s..f." : "......");
	}
	conf.outlier.requests = 301; /* of ten intervals */
	judge_histories(histories, "......");
}

/* Who has enough in the last one is judged by that alone, and who failed with all others did as they did. */
static void
what_is_past_is_held_against_nobody(void **state)
{
	const struct outlier_sample well = {.requests = 300, .answers = 300};
	const struct outlier_sample few = {.requests = 30, .answers = 30};
	struct outlier_history histories[N];

	(void)state;
	for (size_t i = 0; i < N; i++)
		repeat(&histories[i], i == 1 ? &few : &well, 5);
	histories[0].samples[1].failures = 300;
	judge_histories(histories, "......");
	for (size_t i = 0; i < N; i++)
		histories[i].samples[1].failures = histories[i].samples[1].requests;
	judge_histories(histories, "......");
}

static void
ejections_grow_and_are_forgiven(void **state)
{
	struct ejection e = {.times = 0};
	uint64_t now = 0;

	(void)state;
	for (unsigned i = 1; i <= 12; i++) {
		uint64_t want = i < TG_OUTLIER_LONGEST ? i * 30 : TG_OUTLIER_LONGEST * 30;

		assert_int_equal(ejection_begin(&e, conf.outlier.base_ejection_ms, at_s(now)),
				 want * 1000);
		assert_true(ejection_is_on(&e));
		assert_false(ejection_step(&e, at_s(now + want - 1)));
		assert_true(ejection_step(&e, at_s(now + want)));
		assert_false(ejection_step(&e, at_s(now + want)));
		assert_false(ejection_is_on(&e));
		now += want + 1;
	}
	now += 301;
	assert_int_equal(ejection_begin(&e, conf.outlier.base_ejection_ms, at_s(now)), 30000);
}

static void
only_so_many_may_be_ejected(void **state)
{
	(void)state;
	assert_int_equal(ejection_max(&conf.outlier, 10), 5);
	assert_int_equal(ejection_max(&conf.outlier, 3), 1);
	assert_int_equal(ejection_max(&conf.outlier, 1), 0);
	assert_int_equal(ejection_max(&conf.outlier, 0), 0);
	conf.outlier.max_ejected_percent = 10;
	assert_int_equal(ejection_max(&conf.outlier, 2), 1);
	conf.outlier.max_ejected_percent = 0;
	assert_int_equal(ejection_max(&conf.outlier, 100), 0);
	conf.outlier.max_ejected_percent = 100;
	assert_int_equal(ejection_max(&conf.outlier, 4), 4);
}

static void
ramp_goes_from_a_tenth_to_all(void **state)
{
	uint32_t before = 0;

	(void)state;
	assert_int_equal(ramp_permille((struct mono){0}, 10000, at_s(5)), 1000);
	assert_int_equal(ramp_permille(at_s(5), 10000, at_s(5)), 100);
	assert_int_equal(ramp_permille(at_s(5), 10000, at_s(10)), 550);
	assert_int_equal(ramp_permille(at_s(5), 10000, at_s(15)), 1000);
	for (uint64_t s = 5; s < 20; s++) {
		assert_true(ramp_permille(at_s(5), 10000, at_s(s)) >= before);
		before = ramp_permille(at_s(5), 10000, at_s(s));
	}
	assert_int_equal(ramp_of(160, 100), 16);
	assert_int_equal(ramp_of(1, 100), 1);
	assert_int_equal(ramp_of(0, 100), 0);
	assert_int_equal(ramp_of(4096, 1000), 4096);
	assert_int_equal(ramp_step_ms(10000), 500);
	assert_int_equal(ramp_step_ms(1000), 100);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(failures_in_a_row_raise_an_alarm),
		TEST(connects_in_a_row_raise_one_alarm),
		TEST(nobody_stands_out_among_equals),
		TEST(who_fails_more_stands_out),
		TEST(findings_have_figures),
		TEST(one_of_few_stands_out),
		TEST(trifles_are_no_outliers),
		TEST(ordinary_noise_ejects_nobody),
		TEST(who_is_slower_stands_out),
		TEST(quiet_ones_are_not_judged),
		TEST(who_gets_little_is_judged_by_more_intervals),
		TEST(what_is_past_is_held_against_nobody),
		TEST(ejections_grow_and_are_forgiven),
		TEST(only_so_many_may_be_ejected),
		TEST(ramp_goes_from_a_tenth_to_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
