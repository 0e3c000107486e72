/* store/history.c: rings of points, windows over them, records within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/history.h"

static struct history *history;

/* How many more pieces of memory there are; negative: as many as one likes. */
static int left = -1;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool
is_out(void)
{
	if (left > 0)
		left--;
	return left == 0;
}

void *
__wrap_malloc(size_t size)
{
	return is_out() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return is_out() ? NULL : __real_calloc(n, size);
}

static int
setup(void **state)
{
	(void)state;
	history = history_new();
	return history == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	history_free(history);
	history_free(NULL);
	return 0;
}

static struct mono
at(uint64_t ms)
{
	return (struct mono){.us = 1000000 + ms * 1000};
}

static void
put(uint64_t ms, double in_flight)
{
	struct store_point point = {.at = at(ms)};

	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		point.values[i] = NAN;
	point.values[TG_METRIC_IN_FLIGHT] = in_flight;
	assert_int_equal(history_put(history, "s", &point), 0);
}

static struct tg_figure
figure(uint32_t span_ms, uint64_t now_ms, struct tg_window *w)
{
	history_window(history, "s", span_ms, at(now_ms), w);
	return w->metrics[TG_METRIC_IN_FLIGHT];
}

static void
nothing_is_unknown(void **state)
{
	struct store_point point = {.at = at(0)};
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_put(history, "s", &point), -TG_ENOENT);
	f = figure(1000, 0, &w);
	assert_int_equal(w.n, 0);
	assert_int_equal(w.span_ms, 1000);
	assert_int_equal(w.covered_ms, 0);
	assert_int_equal(f.n, 0);
	assert_true(isnan(f.first) && isnan(f.last) && isnan(f.mean) && isnan(f.min) &&
		    isnan(f.max));
	assert_int_equal(history_interval_ms(history, "s"), 0);
}

static void
windows_reach_back_as_far_as_they_say(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 1000, 250), 0);
	for (unsigned i = 0; i <= 10; i++)
		put(i * 250, i);
	f = figure(1000, 2500, &w);
	assert_int_equal(w.n, 5);
	assert_int_equal(w.covered_ms, 1000);
	/* The oldest stands for a time before the window. */
	assert_true(f.first == 6 && f.last == 10 && f.mean == 8.5 && f.min == 6 && f.max == 10);
	f = figure(999, 2500, &w);
	assert_int_equal(w.n, 4);
	assert_int_equal(w.covered_ms, 750);
	assert_true(f.first == 7);
	/* More than is kept: what there is. */
	f = figure(60000, 2500, &w);
	assert_int_equal(w.n, 10);
	assert_true(f.first == 1);
	/* A clock that went on without points. */
	f = figure(1000, 3300, &w);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.covered_ms, 800);
	f = figure(1000, 9000, &w);
	assert_int_equal(w.n, 0);
	assert_int_equal(w.covered_ms, 0);
}

static void
what_is_not_known_is_left_out(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 1000, 100), 0);
	put(0, NAN);
	put(100, 4);
	put(200, NAN);
	put(300, 2);
	put(400, NAN);
	f = figure(1000, 400, &w);
	assert_int_equal(w.n, 5);
	assert_int_equal(f.n, 2);
	assert_true(f.first == 4 && f.last == 2 && f.mean == 3 && f.min == 2 && f.max == 4);
	assert_int_equal(w.metrics[TG_METRIC_CPU].n, 0);
	assert_true(isnan(w.metrics[TG_METRIC_CPU].mean));
}

static void
a_longer_span_keeps_what_there_is(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 300, 100), 0);
	for (unsigned i = 0; i < 20; i++)
		put(i * 100, i);
	assert_int_equal(history_keep(history, "s", 1000, 100), 0);
	for (unsigned i = 20; i < 24; i++)
		put(i * 100, i);
	f = figure(1000, 2300, &w);
	assert_int_equal(w.n, 11);
	assert_true(f.first == 13 && f.last == 23);
	/* It never gets less. */
	assert_int_equal(history_keep(history, "s", 100, 1000), 0);
	(void)figure(1000, 2300, &w);
	assert_int_equal(w.n, 11);
	assert_int_equal(history_interval_ms(history, "s"), 1000);
}

static void
points_are_bounded(void **state)
{
	uint32_t span_ms = 2 * TG_STORE_POINTS_MAX;
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", span_ms, 1), 0);
	for (unsigned i = 0; i < 2 * span_ms; i++)
		put(i, i);
	f = figure(span_ms, 2 * span_ms - 1, &w);
	assert_true(w.n <= TG_STORE_POINTS_MAX && w.n > TG_STORE_POINTS_MAX / 2);
	assert_true(w.covered_ms >= span_ms - 4);
	assert_true(f.last == 2 * span_ms - 1 && f.max == f.last && f.min == f.first);
	assert_true(f.first <= span_ms && f.first >= span_ms - 4);
	/* No interval is no division by it. */
	assert_int_equal(history_keep(history, "t", 1000, 0), 0);
}

/* A tick each interval, and bursts of others. */
static void
put_bursts(uint64_t from_ms, uint64_t to_ms)
{
	for (uint64_t ms = from_ms; ms <= to_ms; ms += 100) {
		put(ms, 1);
		for (unsigned i = 1; i < 20; i++)
			put(ms + i, 1);
	}
}

static void
a_burst_takes_no_room_from_the_past(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 3000, 100), 0);
	put(0, 9);
	put_bursts(100, 2900);
	f = figure(3000, 3000, &w);
	assert_int_equal(w.covered_ms, 3000);
	assert_true(f.first == 9 && f.max == 9 && f.last == 1);
	assert_true(w.n <= 62);
}

static void
means_are_by_time(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 1000, 100), 0);
	put(0, 1);
	/* A moment with many ticks, and much. */
	for (unsigned i = 1; i <= 10; i++)
		put(i, 101);
	put(110, 1);
	put(200, 1);
	f = figure(200, 200, &w);
	assert_true(fabs(f.mean - (1 + 100 * 10.0 / 200)) < 1e-9);
	assert_true(f.max == 101 && f.min == 1 && f.first == 1 && f.last == 1);
	/* As much of it as is in the window: half of the moment and what came after, of a gap the last part. */
	put(1000, 5);
	f = figure(100, 1050, &w);
	assert_true(w.n == 1 && f.mean == 5);
	f = figure(900, 1050, &w);
	assert_true(fabs(f.mean - (1 * 50 + 5 * 800) / 850.0) < 1e-9);
}

/* What a rule looks for may have been there between two hurried ticks alone. */
static void
what_was_put_together_keeps_its_extremes(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 1000, 100), 0);
	put(0, 4);
	put(10, 20);
	put(11, 2);
	put(12, NAN);
	put(13, 7);
	f = figure(1000, 13, &w);
	assert_int_equal(w.n, 2);
	assert_true(f.first == 4 && f.last == 7 && f.min == 2 && f.max == 20);
	/* As the oldest of a window, too: the window begins in it. */
	for (unsigned i = 1; i <= 10; i++)
		put(13 + i * 100, 5);
	f = figure(1000, 1013, &w);
	assert_true(f.first == 20 && f.max == 20 && f.min == 2 && f.last == 5);
	f = figure(899, 1013, &w);
	assert_true(f.first == 5 && f.max == 5);
}

static void
what_becomes_known_meanwhile_is_known(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 1000, 100), 0);
	put(0, NAN);
	put(10, NAN);
	put(20, 6);
	f = figure(1000, 20, &w);
	assert_int_equal(w.n, 2);
	assert_int_equal(f.n, 1);
	assert_true(f.first == 6 && f.last == 6 && f.min == 6 && f.max == 6 && f.mean == 6);
}

/* Ticks are not exact, and none of them is hurried. */
static void
ticks_that_are_not_exact_are_points_each(void **state)
{
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 1000, 100), 0);
	for (unsigned i = 0; i <= 10; i++)
		put(i * 100 + (i % 2) * 40, 1);
	(void)figure(1000, 1000, &w);
	assert_int_equal(w.n, 11);
}

struct told {
	unsigned n;
	char first[32];
	char last[32];
};

static void
tell(void *user, const char *json)
{
	struct told *told = user;

	if (told->n++ == 0)
		snprintf(told->first, sizeof(told->first), "%.31s", json);
	snprintf(told->last, sizeof(told->last), "%.31s", json);
}

static struct told
last(size_t n)
{
	struct told told = {.n = 0};

	history_decisions(history, "s", n, tell, &told);
	return told;
}

static void
the_last_records_are_kept(void **state)
{
	struct told told = last(10);
	char text[32];

	(void)state;
	assert_int_equal(told.n, 0);
	for (unsigned i = 0; i < TG_STORE_RECORDS_MAX + 5; i++) {
		snprintf(text, sizeof(text), "{\"n\":%u}", i);
		assert_int_equal(history_decision(history, "s", text), 0);
	}
	told = last(SIZE_MAX);
	assert_int_equal(told.n, TG_STORE_RECORDS_MAX);
	assert_string_equal(told.first, "{\"n\":5}");
	assert_string_equal(told.last, "{\"n\":68}");
	told = last(3);
	assert_int_equal(told.n, 3);
	assert_string_equal(told.first, "{\"n\":66}");
	told = last(0);
	assert_int_equal(told.n, 0);
	history_forget(history, "s");
	history_forget(history, "s");
	told = last(10);
	assert_int_equal(told.n, 0);
}

static void
bytes_of_records_are_bounded(void **state)
{
	size_t n = TG_STORE_RECORD_BYTES / 4;
	char *text = malloc(TG_STORE_RECORD_BYTES + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', TG_STORE_RECORD_BYTES);
	text[TG_STORE_RECORD_BYTES] = '\0';
	assert_int_equal(history_decision(history, "s", text), -TG_ELIMIT);
	text[n - 1] = '\0';
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(history_decision(history, "s", text), 0);
	assert_int_equal(last(100).n, 4);
	text[n - 1] = 'x';
	text[TG_STORE_RECORD_BYTES - 1] = '\0';
	assert_int_equal(history_decision(history, "s", text), 0);
	assert_int_equal(last(100).n, 1);
	free(text);
}

/* All that can be done, with memory for `n` pieces; true: that was enough. */
static bool
do_all(int n)
{
	struct store_point point = {.at = at(0)};
	struct tg_window w;
	int rc;

	left = n + 1;
	rc = history_keep(history, "s", 1000, 100);
	if (rc == 0)
		rc = history_put(history, "s", &point);
	for (uint64_t ms = 1; rc == 0 && ms < 3; ms++) {
		point.at = at(ms);
		rc = history_put(history, "s", &point);
	}
	if (rc == 0)
		rc = history_keep(history, "s", 9000, 100);
	if (rc == 0)
		rc = history_decision(history, "t", "{}");
	left = -1;
	assert_true(rc == 0 || rc == -TG_ENOMEM);
	history_window(history, "s", 1000, at(0), &w);
	history_forget(history, "s");
	history_forget(history, "t");
	return rc == 0;
}

static void
no_memory_is_an_error_and_no_end(void **state)
{
	int n = 0;

	(void)state;
	while (!do_all(n))
		n++;
	/* Two services, points twice, extremes, a record, and what uthash needs of its own. */
	assert_true(n >= 6);
}

/* A window point by point, without what makes it quick. Points are an interval apart, so none was put together. */
static struct tg_figure
plain(const double *values, unsigned n, uint32_t points)
{
	struct tg_figure f = {.first = NAN, .last = NAN, .mean = NAN, .min = NAN, .max = NAN};
	double weights = 0;
	double sum = 0;

	for (unsigned i = n > points ? n - points : 0; i < n; i++) {
		/* The oldest stands for a time before the window. */
		double weight = i == n - points ? 0 : 1;

		if (isnan(values[i]))
			continue;
		f.first = f.n++ == 0 ? values[i] : f.first;
		f.last = values[i];
		f.min = fmin(f.min, values[i]);
		f.max = fmax(f.max, values[i]);
		sum += weight * values[i];
		weights += weight;
		f.mean = weights > 0 ? sum / weights : values[i];
	}
	return f;
}

/* Of any length, at any place of the ring, with points that are not known. */
static void
windows_are_what_their_points_are(void **state)
{
	static double values[700];
	uint64_t dice = 12345;

	(void)state;
	assert_int_equal(history_keep(history, "s", 200000, 1000), 0);
	for (unsigned n = 0; n < 700; n++) {
		dice = dice * 6364136223846793005u + 1442695040888963407u;
		values[n] = dice >> 61 == 0 ? NAN : (double)(dice >> 40 & 1023);
		put(n * 1000, values[n]);
		for (unsigned points = 1; points <= 201; points += 1 + (unsigned)(dice >> 60)) {
			struct tg_window w;
			struct tg_figure f = figure((points - 1) * 1000 + (points == 1), n * 1000, &w);
			struct tg_figure want = plain(values, n + 1, points);
			uint32_t most = points < n + 1 ? points : n + 1;

			assert_int_equal(w.n, most);
			assert_int_equal(f.n, want.n);
			if (f.n == 0)
				continue;
			assert_true(f.first == want.first && f.last == want.last);
			assert_true(f.min == want.min && f.max == want.max);
			if (points > 1)
				assert_true(fabs(f.mean - want.mean) < 1e-9);
		}
	}
}

/* What never changes has exactly that mean: a rule at its limit does not waver. */
static void
the_mean_of_the_same_is_the_same(void **state)
{
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", 100000, 1000), 0);
	for (unsigned i = 0; i < 300; i++) {
		put(i * 1000, 0.1);
		assert_true(figure(60000, i * 1000, &w).mean == 0.1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(windows_reach_back_as_far_as_they_say, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_longer_span_keeps_what_there_is, setup, teardown),
		cmocka_unit_test_setup_teardown(points_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_burst_takes_no_room_from_the_past, setup,
						teardown),
		cmocka_unit_test_setup_teardown(means_are_by_time, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_put_together_keeps_its_extremes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_becomes_known_meanwhile_is_known, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ticks_that_are_not_exact_are_points_each, setup,
						teardown),
		cmocka_unit_test_setup_teardown(windows_are_what_their_points_are, setup, teardown),
		cmocka_unit_test_setup_teardown(the_mean_of_the_same_is_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_records_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_is_an_error_and_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_of_records_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
