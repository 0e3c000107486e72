/* autoscale/staffing.c: backends for arrivals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/autoscale/snapshots.h"

static void
start(struct world *w, const struct conf_setting *settings, size_t n_settings, uint32_t n,
      double arrivals, double service)
{
	world_init(w, &autoscale_staffing, settings, n_settings, n);
	w->in.snapshot.max = 1000;
	world_set_all(w, TG_METRIC_IN_FLIGHT, arrivals * service);
	world_set_all(w, TG_METRIC_ARRIVALS, arrivals);
	world_set_all(w, TG_METRIC_SERVICE_TIME, service);
}

static void
places_are_as_in_tables(void **state)
{
	static const struct {
		double a;
		uint32_t want;
	} rows[] = {{1, 4}, {5, 10}, {10, 17}, {20, 29}, {50, 64}, {100, 119}, {500, 540}};
	const struct conf_setting one = NUMBER("concurrency", 1);
	const struct conf_setting eight[] = {NUMBER("concurrency", 8), NUMBER("wait", 0.05)};
	struct world w;
	struct tg_proposal p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(&w, &one, 1, 10, rows[i].a * 10, 0.1);
		p = world_propose(&w);
		assert_int_equal(p.desired, rows[i].want);
		assert_false(p.is_unsure);
		assert_true(p.load > (rows[i].want - 1) / 10.0 && p.load <= rows[i].want / 10.0);
		start(&w, eight, 2, 10, rows[i].a * 10, 0.1);
		assert_int_equal(world_propose(&w).desired, (rows[i].want + 7) / 8);
	}
}

static void
limit_of_the_service_is_its_concurrency(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL, 0, 3, 100, 0.1);
	w.in.snapshot.concurrency = 17;
	assert_int_equal(world_propose(&w).desired, 1);
	w.in.snapshot.concurrency = 16;
	assert_int_equal(world_propose(&w).desired, 2);
	w.in.snapshot.concurrency = 0;
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(world_propose(&w).desired, 3);
	assert_non_null(strstr(world_propose(&w).reason, "set concurrency or max_connections_per_backend"));
}

static void
mean_wait_is_an_objective(void **state)
{
	const struct conf_setting s[] = {NUMBER("concurrency", 1), TEXT("queue_time", "1s")};
	const struct conf_setting strict[] = {NUMBER("concurrency", 1), TEXT("queue_time", "1ms")};
	struct world w;

	(void)state;
	/* 8 erlang, a second of service: C(10,8) / (10 - 8) = 0.2 s; C(9,8) / 1 = 0.65 s. */
	start(&w, s, 2, 5, 8, 1);
	assert_int_equal(world_propose(&w).desired, 9);
	start(&w, strict, 2, 5, 8, 1);
	assert_true(world_propose(&w).desired > 12);
}

static void
what_is_missing_makes_it_unsure(void **state)
{
	const struct conf_setting s = NUMBER("concurrency", 1);
	struct world w;

	(void)state;
	start(&w, &s, 1, 7, 8, 1);
	w.windows[0].metrics[TG_METRIC_SERVICE_TIME].n = 0;
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(world_propose(&w).desired, 7);
	start(&w, &s, 1, 7, 8, 1);
	w.windows[0].metrics[TG_METRIC_ARRIVALS].n = 0;
	assert_true(world_propose(&w).is_unsure);
	/* Nobody came at all: then no request ended, and that is known. */
	start(&w, &s, 1, 7, 0, 0);
	w.windows[0].metrics[TG_METRIC_SERVICE_TIME].n = 0;
	assert_false(world_propose(&w).is_unsure);
	assert_int_equal(world_propose(&w).desired, 0);
}

static void
what_max_cannot_hold_is_more_than_max(void **state)
{
	const struct conf_setting s = NUMBER("concurrency", 4);
	struct world w;

	(void)state;
	start(&w, &s, 1, 7, 1000, 1);
	w.in.snapshot.max = 20;
	assert_int_equal(world_propose(&w).desired, 21);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_as_in_tables),
		cmocka_unit_test(limit_of_the_service_is_its_concurrency),
		cmocka_unit_test(mean_wait_is_an_objective),
		cmocka_unit_test(what_is_missing_makes_it_unsure),
		cmocka_unit_test(what_max_cannot_hold_is_more_than_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
