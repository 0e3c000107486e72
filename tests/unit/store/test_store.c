/* store/store.c: one suite for both kinds; the second with a real redis. */
#include "unit/store/world.h"

static struct world world;

static int
setup_memory(void **state)
{
	(void)state;
	world_init(&world);
	world_open_memory(&world);
	return 0;
}

static int
setup_redis(void **state)
{
	(void)state;
	world_init(&world);
	if (!fake_redis_is_here())
		return 0;
	fake_redis_start(&world.redis);
	world_open_redis(&world, "");
	await_state(&world, true);
	return 0;
}

static void
need_store(void)
{
	if (world.store == NULL)
		skip(); /* needs redis-server */
}

static int
teardown(void **state)
{
	(void)state;
	world_fini(&world);
	return 0;
}

static struct mono
at(uint64_t ms)
{
	return (struct mono){.us = 1000000 + ms * 1000};
}

static void
put(const char *service, uint64_t ms, double in_flight)
{
	struct store_backend backends[2] = {
		{.name = "b1", .state = TG_BACKEND_READY, .sample = {.in_flight = in_flight}},
		{.name = "[::1]:80", .state = TG_BACKEND_DRAINING, .sample = {.cpu = NAN}},
	};
	struct store_point point = make_point(at(ms), in_flight);

	assert_int_equal(store_put(world.store, service, &point, backends, 2), 0);
}

static void
it_is_well(void **state)
{
	(void)state;
	need_store();
	assert_true(store_is_well(world.store));
	assert_string_equal(store_why(world.store), "");
	store_flush(world.store);
	assert_true(store_is_well(world.store));
}

static void
points_make_windows(void **state)
{
	struct tg_window w;

	(void)state;
	need_store();
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
	assert_int_equal(store_keep(world.store, "web", 1000, 250), 0);
	for (unsigned i = 0; i < 8; i++) {
		put("api", i * 250, i);
		put("web", i * 250, 100);
		store_flush(world.store);
		fake_turn(world.loop);
	}
	store_window(world.store, "api", 1000, at(1750), &w);
	assert_int_equal(w.n, 5);
	assert_int_equal(w.covered_ms, 1000);
	assert_true(w.metrics[TG_METRIC_IN_FLIGHT].mean == 5.5);
	store_window(world.store, "web", 500, at(1750), &w);
	assert_int_equal(w.n, 3);
	assert_true(w.metrics[TG_METRIC_IN_FLIGHT].mean == 100);
	store_window(world.store, "none", 500, at(1750), &w);
	assert_int_equal(w.n, 0);
}

/* Of a scale-up: a tick for each backend that is ready, and the time before is as long as it was. */
static void
hurried_ticks_shorten_no_window(void **state)
{
	struct tg_figure f;
	struct tg_window w;

	(void)state;
	need_store();
	assert_int_equal(store_keep(world.store, "api", 10000, 1000), 0);
	put("api", 0, 50);
	for (uint64_t ms = 1000; ms < 10000; ms += 1000) {
		for (unsigned i = 0; i < 20; i++)
			put("api", ms + i, 2);
		store_flush(world.store);
		fake_turn(world.loop);
	}
	put("api", 10000, 2);
	store_window(world.store, "api", 10000, at(10000), &w);
	f = w.metrics[TG_METRIC_IN_FLIGHT];
	assert_int_equal(w.covered_ms, 10000);
	assert_true(f.first == 50 && f.max == 50 && f.last == 2 && f.mean == 2);
}

/* A moment that is looked at often is not longer for that. */
static void
means_are_by_the_time_of_each_point(void **state)
{
	struct tg_window w;

	(void)state;
	need_store();
	assert_int_equal(store_keep(world.store, "api", 10000, 1000), 0);
	put("api", 0, 0);
	for (unsigned i = 1; i <= 20; i++)
		put("api", i * 10, 100);
	for (uint64_t ms = 1000; ms <= 10000; ms += 1000)
		put("api", ms, 0);
	store_window(world.store, "api", 10000, at(10000), &w);
	assert_true(fabs(w.metrics[TG_METRIC_IN_FLIGHT].mean - 2) < 1e-9);
	assert_true(w.metrics[TG_METRIC_IN_FLIGHT].max == 100);
}

static void
another_has_the_history_of_the_one_before(void **state)
{
	struct store *before;
	struct tg_window w;

	(void)state;
	need_store();
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
	put("api", 0, 7);
	before = world.store;
	world_open_memory(&world);
	store_swap_history(world.store, before);
	store_close(before, 0);
	put("api", 250, 9);
	store_window(world.store, "api", 1000, at(250), &w);
	assert_int_equal(w.n, 2);
	assert_true(w.metrics[TG_METRIC_IN_FLIGHT].mean == 8);
}

static void
nothing_is_put_before_it_is_kept(void **state)
{
	struct store_point point = make_point(at(0), 1);

	(void)state;
	need_store();
	assert_int_equal(store_put(world.store, "api", &point, NULL, 0), -TG_ENOENT);
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
	assert_int_equal(store_put(world.store, "api", &point, NULL, 0), 0);
	store_forget(world.store, "api");
	assert_int_equal(store_put(world.store, "api", &point, NULL, 0), -TG_ENOENT);
	store_flush(world.store);
	fake_turn(world.loop);
}

static void
names_stay_between_their_braces(void **state)
{
	(void)state;
	need_store();
	assert_int_equal(store_keep(world.store, "a}b", 1000, 250), -TG_EINVAL);
	assert_int_equal(store_keep(world.store, "{", 1000, 250), -TG_EINVAL);
	assert_int_equal(store_decision(world.store, "a}b", "{}"), -TG_EINVAL);
}

static void
tell(void *user, const char *json)
{
	char *all = user;
	size_t n = strlen(all);

	snprintf(all + n, 256 - n, "%s ", json);
}

static void
decisions_are_told_in_order(void **state)
{
	char all[256] = "";

	(void)state;
	need_store();
	assert_int_equal(store_decision(world.store, "api", "{\"n\":1}"), 0);
	assert_int_equal(store_decision(world.store, "web", "{\"n\":2}"), 0);
	assert_int_equal(store_decision(world.store, "api", "{\"n\":3}"), 0);
	store_flush(world.store);
	fake_turn(world.loop);
	store_decisions(world.store, "api", 10, tell, all);
	assert_string_equal(all, "{\"n\":1} {\"n\":3} ");
	all[0] = '\0';
	store_decisions(world.store, "api", 1, tell, all);
	assert_string_equal(all, "{\"n\":3} ");
	all[0] = '\0';
	store_decisions(world.store, "none", 1, tell, all);
	assert_string_equal(all, "");
}

static void
records_are_bounded(void **state)
{
	static char text[TG_STORE_RECORD_BYTES + 1];

	(void)state;
	need_store();
	memset(text, 'x', TG_STORE_RECORD_BYTES);
	assert_int_equal(store_decision(world.store, "api", text), -TG_ELIMIT);
	store_flush(world.store);
	fake_turn(world.loop);
	assert_int_equal(store_counts(world.store).dropped, 0);
}

#define BOTH(test)                                                                                 \
	{#test "_in_memory", test, setup_memory, teardown, NULL},                                  \
	{                                                                                          \
		#test "_in_redis", test, setup_redis, teardown, NULL                               \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(it_is_well),
		BOTH(points_make_windows),
		BOTH(hurried_ticks_shorten_no_window),
		BOTH(means_are_by_the_time_of_each_point),
		BOTH(another_has_the_history_of_the_one_before),
		BOTH(nothing_is_put_before_it_is_kept),
		BOTH(names_stay_between_their_braces),
		BOTH(decisions_are_told_in_order),
		BOTH(records_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
