#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tls/replay.h"

static const struct mono start = {7000000};
static const struct wall morning = {UINT64_C(1700000000000000)};

static struct wall
wall_at(struct mono now)
{
	return (struct wall){morning.us + (now.us - start.us)};
}

static bool
take(struct replay *r, struct mono now, const unsigned char *name, uint64_t number)
{
	unsigned char id[TG_REPLAY_ID_BYTES] = {0};

	number *= 2;
	memcpy(id, &number, sizeof(number));
	return replay_take(r, now, wall_at(now), name, TG_REPLAY_NAME_BYTES, id);
}

static void
once_and_with_a_ticket_of_this_process(void **state)
{
	unsigned char name[TG_REPLAY_NAME_BYTES];
	unsigned char other[TG_REPLAY_NAME_BYTES];
	unsigned char id[TG_REPLAY_ID_BYTES] = {9};
	struct replay *r = replay_new();
	struct replay *second = replay_new();
	struct mono end = mono_add_ms(start, TG_REPLAY_FRESH_MS);

	(void)state;
	replay_name(r, start, morning, name);
	replay_name(second, start, morning, other);
	assert_memory_not_equal(name, other, sizeof(name));
	assert_false(take(r, start, other, 1));
	assert_false(replay_take(r, start, morning, name, 0, id));
	assert_true(take(r, start, name, 1));
	assert_true(take(r, start, name, 2));
	for (struct mono now = start; now.us <= end.us; now = mono_add_ms(now, 1000))
		assert_false(take(r, now, name, 1));
	replay_free(r);
	replay_free(second);
}

/* Whenever it was taken, it is known as long as it is fresh. */
static void
remembered_as_long_as_it_could_be_played_again(void **state)
{
	unsigned char name[TG_REPLAY_NAME_BYTES];
	struct replay *r = replay_new();
	struct mono now = start;

	(void)state;
	replay_name(r, now, wall_at(now), name);
	for (uint64_t i = 1; i < 40; i++) {
		now = mono_add_ms(now, 3700);
		assert_true(take(r, now, name, i));
		assert_false(take(r, mono_add_ms(now, TG_REPLAY_FRESH_MS), name, i));
	}
	replay_free(r);
}

static void
refused_where_there_are_too_many(void **state)
{
	unsigned char name[TG_REPLAY_NAME_BYTES];
	struct replay *r = replay_new();

	(void)state;
	replay_name(r, start, morning, name);
	for (uint64_t i = 1; i <= TG_REPLAY_TABLE_MAX; i++)
		assert_true(take(r, start, name, i * 7919));
	assert_false(take(r, start, name, 5));
	assert_true(take(r, mono_add_ms(start, TG_REPLAY_TABLE_MS), name, 5));
	replay_free(r);
}

static void
a_clock_that_jumps_makes_tickets_those_of_another(void **state)
{
	unsigned char name[TG_REPLAY_NAME_BYTES];
	unsigned char id[TG_REPLAY_ID_BYTES] = {3};
	struct replay *r = replay_new();
	struct wall back = {morning.us - 3600000000u};

	(void)state;
	replay_name(r, start, morning, name);
	assert_false(replay_take(r, start, back, name, sizeof(name), id));
	assert_false(replay_take(r, start, back, name, sizeof(name), id));
	replay_name(r, start, back, name);
	assert_true(replay_take(r, start, back, name, sizeof(name), id));
	replay_free(r);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_and_with_a_ticket_of_this_process),
		cmocka_unit_test(remembered_as_long_as_it_could_be_played_again),
		cmocka_unit_test(refused_where_there_are_too_many),
		cmocka_unit_test(a_clock_that_jumps_makes_tickets_those_of_another),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
