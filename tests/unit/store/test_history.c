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
	assert_true(f.first == 6 && f.last == 10 && f.mean == 8 && f.min == 6 && f.max == 10);
	f = figure(999, 2500, &w);
	assert_int_equal(w.n, 4);
	assert_int_equal(w.covered_ms, 750);
	assert_true(f.first == 7);
	/* More than is kept: what there is. */
	f = figure(60000, 2500, &w);
	assert_int_equal(w.n, 6);
	assert_true(f.first == 5);
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
	assert_int_equal(w.n, 9);
	assert_true(f.first == 15 && f.last == 23);
	/* It never gets less. */
	assert_int_equal(history_keep(history, "s", 100, 1000), 0);
	(void)figure(1000, 2300, &w);
	assert_int_equal(w.n, 9);
	assert_int_equal(history_interval_ms(history, "s"), 1000);
}

static void
points_are_bounded(void **state)
{
	struct tg_window w;

	(void)state;
	assert_int_equal(history_keep(history, "s", UINT32_MAX, 1), 0);
	for (unsigned i = 0; i < TG_STORE_POINTS_MAX + 10; i++)
		put(i, i);
	(void)figure(UINT32_MAX, TG_STORE_POINTS_MAX + 9, &w);
	assert_int_equal(w.n, TG_STORE_POINTS_MAX);
	assert_true(w.metrics[TG_METRIC_IN_FLIGHT].first == 10);
	/* No interval is no division by it. */
	assert_int_equal(history_keep(history, "t", 1000, 0), 0);
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
	/* Two services, points twice, a record, and what uthash needs of its own. */
	assert_true(n >= 5);
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
		cmocka_unit_test_setup_teardown(the_last_records_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_is_an_error_and_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_of_records_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
