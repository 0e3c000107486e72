#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry_priv.h"
#include "fake/turn.h"
#include "observe/counters.h"
#include "unit/backend/world.h"

#define UP   TG_HEALTH_UP
#define DOWN TG_HEALTH_DOWN

/* a: ejects and starts slowly; four backends of weight 10 and limit 20. */
static const char text[] = WORLD(
	"{ name = \"a\"; slow_start = \"10s\"; max_connections_per_backend = 20; "
	"outlier = { consecutive = 3; success_rate = 1.0; requests = 10; interval = \"1s\"; "
	"base_ejection = \"5s\"; max_ejected = 50; }; "
	"backends = ( { name = \"0\"; address = \"127.0.0.1:1\"; weight = 10; }, "
	"{ name = \"1\"; address = \"127.0.0.1:2\"; weight = 10; }, "
	"{ name = \"2\"; address = \"127.0.0.1:3\"; weight = 10; }, "
	"{ name = \"3\"; address = \"127.0.0.1:4\"; weight = 10; } ); }");

/* The same with nothing set. */
static const char connects[] = WORLD(
	"{ name = \"a\"; backends = ( { name = \"0\"; address = \"127.0.0.1:1\"; }, "
	"{ name = \"1\"; address = \"127.0.0.1:2\"; }, { name = \"2\"; address = \"127.0.0.1:3\"; }, "
	"{ name = \"3\"; address = \"127.0.0.1:4\"; } ); }");

static struct world world;
static struct view *view;
static uint64_t now_ms;

static void
on_publish(void *arg, struct view *published)
{
	(void)arg;
	assert_int_equal(world_service_of(&world, published), 0);
	view_unref(view);
	view = published;
}

static const struct segment_shared *
shared_of(size_t backend)
{
	return segment_shared(world.segment,
			      world.conf->services[0].backends[backend].segment_slot);
}

static struct mono
now(void)
{
	return (struct mono){.us = now_ms * 1000};
}

static void
publish(void)
{
	assert_int_equal(registry_publish(world.registry, now(), on_publish, NULL), 0);
}

static void
observe(uint32_t backend, uint32_t health)
{
	assert_int_equal(world_observe(&world, 0, backend, health, (uint16_t)(80 + backend)), 0);
	publish();
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	now_ms = 1000000;
	view = NULL;
	if (world_open(&world, text) != 0)
		return -1;
	for (uint32_t i = 0; i < 4; i++)
		observe(i, UP);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	view_unref(view);
	world_close(&world);
	return 0;
}

/* Everything the registry wants to do up to then is done when it wants it. */
static void
pass_ms(uint64_t ms)
{
	uint64_t end = now_ms + ms;

	for (;;) {
		struct mono due = registry_due(world.registry);

		if (!mono_is_set(due) || due.us > end * 1000)
			break;
		now_ms = (due.us + 999) / 1000;
		publish();
	}
	now_ms = end;
	publish();
}

static void
assert_serving(const char *digits)
{
	char got[5] = "";

	for (uint32_t i = 0; i < view->n; i++)
		got[i] = (char)('0' + view->entries[i].backend);
	assert_string_equal(got, digits);
}

static void
note_in_a_row(uint32_t backend, unsigned times, enum outlier_event event)
{
	for (unsigned i = 0; i < times; i++)
		outlier_note(registry_shared(world.registry, 0)->outlier, backend, event);
	publish();
}

static void
fail_in_a_row(uint32_t backend, unsigned times)
{
	note_in_a_row(backend, times, OUTLIER_FAILED);
}

static void
whole_share_at_the_start(void **state)
{
	(void)state;
	assert_serving("0123");
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(view->entries[i].weight, 10 * TG_WEIGHT_SCALE);
		assert_int_equal(view_limit(view, i), 20);
	}
}

static void
who_comes_back_gets_its_share_step_by_step(void **state)
{
	uint32_t weight = 16;
	unsigned steps = 0;

	(void)state;
	observe(2, DOWN);
	assert_serving("013");
	pass_ms(60000);
	observe(2, UP);
	assert_int_equal(view->entries[2].weight, 16);
	assert_int_equal(view_limit(view, 2), 2);
	assert_int_equal(view->entries[1].weight, 160);
	assert_int_equal(atomic_load(&shared_of(2)->ramp_permille), 100);
	assert_int_equal(atomic_load(&shared_of(1)->ramp_permille), 0);
	for (uint64_t ms = 0; ms < 10000; ms += 250) {
		pass_ms(250);
		assert_true(view->entries[2].weight >= weight);
		steps += view->entries[2].weight > weight;
		weight = view->entries[2].weight;
	}
	assert_in_range(steps, 15, 20);
	pass_ms(600);
	assert_int_equal(view->entries[2].weight, 160);
	assert_int_equal(view_limit(view, 2), 20);
	assert_int_equal(atomic_load(&shared_of(2)->ramp_permille), 0);
}

static void
failures_in_a_row_eject(void **state)
{
	(void)state;
	fail_in_a_row(1, 2);
	assert_serving("0123");
	fail_in_a_row(1, 1);
	assert_serving("023");
	pass_ms(4900);
	assert_serving("023");
	/* It is back, slowly; the next time it is for twice as long. */
	pass_ms(200);
	assert_serving("0123");
	assert_int_equal(view->entries[1].weight, 16);
	fail_in_a_row(1, 3);
	pass_ms(9900);
	assert_serving("023");
	pass_ms(200);
	assert_serving("0123");
}

/* A connect that fails is a failure as any other; and for itself it is one in a row of connects. */
static void
connects_that_fail_count_twice(void **state)
{
	struct outlier *outlier = registry_shared(world.registry, 0)->outlier;

	(void)state;
	note_in_a_row(1, 1, OUTLIER_UNREACHED);
	note_in_a_row(1, 1, OUTLIER_FAILED);
	assert_int_equal(outlier_failures(outlier, 1), 2);
	assert_int_equal(outlier_unreached(outlier, 1), 0);
	note_in_a_row(1, 1, OUTLIER_WELL);
	note_in_a_row(1, 2, OUTLIER_UNREACHED);
	assert_serving("0123");
	note_in_a_row(1, 1, OUTLIER_UNREACHED);
	assert_serving("023");
	/* For as long as any row of failures: connects alone would be forgiven by now. */
	pass_ms(4900);
	assert_serving("023");
}

static void
one_that_is_not_reached_is_asked_again_soon(void **state)
{
	struct service_shared *shared;

	(void)state;
	world_close(&world);
	assert_int_equal(world_open(&world, connects), 0);
	for (uint32_t i = 0; i < 4; i++)
		observe(i, UP);
	shared = registry_shared(world.registry, 0);
	note_in_a_row(3, 2, OUTLIER_UNREACHED);
	assert_serving("0123");
	note_in_a_row(3, 1, OUTLIER_UNREACHED);
	assert_serving("012");
	/* It was asked meanwhile, by those who did not know. */
	note_in_a_row(3, 7, OUTLIER_UNREACHED);
	pass_ms(900);
	assert_serving("012");
	pass_ms(200);
	assert_serving("0123");
	assert_int_equal(outlier_unreached(shared->outlier, 3), 0);
	note_in_a_row(3, 3, OUTLIER_UNREACHED);
	pass_ms(1900);
	assert_serving("012");
	pass_ms(200);
	assert_serving("0123");
	/* With half of them gone the third has to wait for its turn to go. */
	note_in_a_row(0, 3, OUTLIER_UNREACHED);
	note_in_a_row(1, 3, OUTLIER_UNREACHED);
	note_in_a_row(2, 3, OUTLIER_UNREACHED);
	assert_serving("23");
	pass_ms(1100);
	assert_serving("013");
}

/* Ejected for longer each time, the first that is back would be the last that is asked. */
static void
who_is_not_reached_serves_where_nobody_is(void **state)
{
	(void)state;
	world_close(&world);
	assert_int_equal(world_open(&world, connects), 0);
	for (uint32_t i = 0; i < 4; i++)
		observe(i, UP);
	for (uint32_t i = 0; i < 3; i++)
		note_in_a_row(i, 3, OUTLIER_UNREACHED);
	assert_serving("23");
	note_in_a_row(3, 3, OUTLIER_UNREACHED);
	assert_serving("0123");
	note_in_a_row(3, 30, OUTLIER_UNREACHED);
	pass_ms(5000);
	assert_serving("0123");
	assert_int_equal(atomic_load(&shared_of(1)->ejected), 0);
	/* One is back: as many as may be of the others are left alone. */
	note_in_a_row(1, 1, OUTLIER_WELL);
	assert_serving("13");
	/* A backend that is down by its checks is not one of them. */
	observe(1, DOWN);
	assert_serving("023");
}

/* What failed was at the address before. */
static void
another_address_is_not_to_blame(void **state)
{
	(void)state;
	fail_in_a_row(1, 3);
	assert_serving("023");
	observe(1, UP);
	assert_serving("023");
	assert_int_equal(world_observe(&world, 0, 1, UP, 90), 0);
	publish();
	assert_serving("0123");
}

static void
only_half_may_go(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		fail_in_a_row(i, 3);
	assert_serving("23");
}

static void
the_ejected_serve_when_nobody_else_is_left(void **state)
{
	(void)state;
	fail_in_a_row(0, 3);
	fail_in_a_row(1, 3);
	assert_serving("23");
	observe(2, DOWN);
	observe(3, DOWN);
	assert_serving("01");
	/* No slow start for those who stand in. */
	assert_int_equal(view->entries[0].weight, 160);
	observe(2, UP);
	assert_serving("2");
}

/* What workers count. */
static void
exchange(uint32_t backend, unsigned good, unsigned bad)
{
	uint32_t service = segment_find(world.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "a");
	const char *name = world.conf->services[0].backends[backend].name;
	uint32_t slot = segment_find(world.segment, TG_SLOT_BACKEND, service, name);
	struct segment_counters c = segment_counters(world.segment, 1, slot);

	counter_add(&c, TG_COUNTER_OF_END(TG_END_DONE), good);
	counter_add(&c, TG_B_STATUS_2XX, good);
	counter_add(&c, TG_COUNTER_OF_END(TG_END_EMPTY_ANSWER), bad);
}

static void
who_fails_more_than_the_others_is_ejected(void **state)
{
	(void)state;
	/* What was before the first look is not judged. */
	exchange(3, 0, 1000);
	pass_ms(1000);
	for (uint32_t i = 0; i < 4; i++)
		exchange(i, i == 2 ? 50 : 100, i == 2 ? 50 : 0);
	assert_serving("0123");
	pass_ms(1000);
	assert_serving("013");
	/* Good again by the time it is back. */
	pass_ms(6000);
	assert_serving("0123");
	for (uint32_t i = 0; i < 4; i++)
		exchange(i, 100, 0);
	pass_ms(1000);
	assert_serving("0123");
}

/* Too few for one interval, enough for three. */
static void
who_gets_little_is_found_and_forgiven(void **state)
{
	(void)state;
	pass_ms(1000);
	for (unsigned n = 0; n < 3; n++) {
		assert_serving("0123");
		for (uint32_t i = 0; i < 4; i++)
			exchange(i, i == 2 ? 2 : 20, i == 2 ? 2 : 0);
		pass_ms(1000);
	}
	assert_serving("013");
	pass_ms(5000);
	assert_serving("0123");
	/* It is well; that it was not is long ago, though only now it has had enough. */
	for (unsigned n = 0; n < 3; n++) {
		for (uint32_t i = 0; i < 4; i++)
			exchange(i, i == 2 ? 4 : 20, 0);
		pass_ms(1000);
		assert_serving("0123");
	}
}

static void
who_was_down_begins_anew(void **state)
{
	(void)state;
	pass_ms(1000);
	for (uint32_t i = 0; i < 4; i++)
		exchange(i, i == 2 ? 0 : 20, i == 2 ? 9 : 0);
	pass_ms(1000);
	observe(2, DOWN);
	observe(2, UP);
	for (uint32_t i = 0; i < 4; i++)
		exchange(i, i == 2 ? 9 : 20, 0);
	pass_ms(1000);
	assert_serving("0123");
}

static void
gauges_tell_who_is_ejected(void **state)
{
	const struct segment_shared *shared = shared_of(1);

	(void)state;
	fail_in_a_row(1, 3);
	assert_int_equal(atomic_load(&shared->ejected), 1);
	assert_int_equal(atomic_load(&shared->ejections), 1);
	pass_ms(5100);
	assert_int_equal(atomic_load(&shared->ejected), 0);
	assert_int_equal(atomic_load(&shared->ejections), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Another one of the same services that always looks at every backend. */
static struct world thorough;

static void
drop(void *arg, struct view *published)
{
	(void)arg;
	view_unref(published);
}

static void
publish_both(void)
{
	struct service_state *all = thorough.registry->services[0];

	all->looks = true;
	all->next_end = now();
	publish();
	assert_int_equal(registry_publish(thorough.registry, now(), drop, NULL), 0);
}

static uint32_t
pick(uint32_t n)
{
	static uint32_t seed = 1;

	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)seed * n) >> 32);
}

static void
something_happens(void)
{
	uint32_t backend = pick(4);
	enum outlier_event event = (enum outlier_event)pick(3);
	uint32_t health = pick(3) == 0 ? DOWN : UP;
	uint16_t port = (uint16_t)(pick(8) == 0 ? 90 + pick(4) : 80 + backend);
	unsigned n;

	switch (pick(4)) {
	case 0:
		assert_int_equal(world_observe(&world, 0, backend, health, port), 0);
		assert_int_equal(world_observe(&thorough, 0, backend, health, port), 0);
		break;
	case 1:
		now_ms += pick(4000);
		break;
	default:
		for (n = pick(4) + 1; n > 0; n--) {
			outlier_note(registry_shared(world.registry, 0)->outlier, backend, event);
			outlier_note(registry_shared(thorough.registry, 0)->outlier, backend,
				     event);
		}
		break;
	}
}

/* Looking where there may be something to find finds all that looking everywhere does. */
static void
assert_nothing_is_missed(const char *services)
{
	world_close(&world);
	view_unref(view);
	view = NULL;
	assert_int_equal(world_open(&world, services), 0);
	assert_int_equal(world_open(&thorough, services), 0);
	for (unsigned step = 0; step < 4000; step++) {
		something_happens();
		if (pick(3) == 0)
			continue;
		publish_both();
		for (size_t i = 0; i < 4; i++) {
			uint32_t slot = thorough.conf->services[0].backends[i].segment_slot;
			const struct segment_shared *other =
				segment_shared(thorough.segment, slot);

			if (shared_of(i)->ejected != other->ejected ||
			    shared_of(i)->ejections != other->ejections)
				fail_msg("step %u, backend %zu", step, i);
		}
	}
	assert_true(shared_of(0)->ejections > 20);
	world_close(&thorough);
}

static void
nobody_is_missed_who_fails_in_a_row(void **state)
{
	(void)state;
	assert_nothing_is_missed(text);
}

static void
nobody_is_missed_who_takes_no_connections(void **state)
{
	(void)state;
	assert_nothing_is_missed(connects);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_share_at_the_start),
		TEST(who_comes_back_gets_its_share_step_by_step),
		TEST(failures_in_a_row_eject),
		TEST(connects_that_fail_count_twice),
		TEST(one_that_is_not_reached_is_asked_again_soon),
		TEST(who_is_not_reached_serves_where_nobody_is),
		TEST(another_address_is_not_to_blame),
		TEST(only_half_may_go),
		TEST(the_ejected_serve_when_nobody_else_is_left),
		TEST(who_fails_more_than_the_others_is_ejected),
		TEST(who_gets_little_is_found_and_forgiven),
		TEST(who_was_down_begins_anew),
		TEST(gauges_tell_who_is_ejected),
		TEST(nobody_is_missed_who_fails_in_a_row),
		TEST(nobody_is_missed_who_takes_no_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
