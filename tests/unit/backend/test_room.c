#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "backend/room.h"

static void
next_is_the_first_open_one(void **state)
{
	static const uint32_t open[] = {0, 1, 63, 64, 130, 4095, 4096, 9999};
	struct room *room = room_new(10000);
	uint32_t from = 0;

	(void)state;
	assert_non_null(room);
	assert_int_equal(room_next(room, 0), TG_ROOM_NONE);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		room_open(room, open[i]);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		assert_int_equal(room_next(room, from), open[i]);
		assert_int_equal(room_next(room, open[i]), open[i]);
		from = open[i] + 1;
	}
	assert_int_equal(room_next(room, from), TG_ROOM_NONE);
	assert_int_equal(room_next(room, UINT32_MAX), TG_ROOM_NONE);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		room_close(room, open[i]);
		room_close(room, open[i]);
	}
	assert_int_equal(room_next(room, 0), TG_ROOM_NONE);
	room_free(room);
	room_free(NULL);
}

/* Against an array that is looked at from end to end. */
static void
next_agrees_with_a_plain_search(void **state)
{
	enum { N = 5000 };
	struct room *room = room_new(N);
	bool *open = calloc(N, sizeof(*open));
	uint64_t dice = 7;

	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		uint32_t i;
		uint32_t want;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		i = (uint32_t)(dice >> 33) % N;
		open[i] = dice >> 63 != 0 && step % 4 == 0;
		if (open[i])
			room_open(room, i);
		else
			room_close(room, i);
		for (want = i / 2; want < N && !open[want]; want++)
			;
		assert_int_equal(room_next(room, i / 2), want < N ? want : TG_ROOM_NONE);
	}
	free(open);
	room_free(room);
}

static void
limit_is_kept_and_told(void **state)
{
	static struct segment_load load;
	struct room *room = room_new(100);

	(void)state;
	atomic_init(&load.in_flight, 0);
	room_open(room, 70);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(room_next(room, 0), 70);
		assert_true(room_take(room, 70, &load, 3));
	}
	assert_int_equal(room_next(room, 0), TG_ROOM_NONE);
	assert_false(room_take(room, 70, &load, 3));
	assert_int_equal(atomic_load(&load.in_flight), 3);
	room_give(room, 70, &load);
	assert_int_equal(room_next(room, 0), 70);
	/* A limit that was lowered meanwhile. */
	assert_false(room_take(room, 70, &load, 1));
	assert_int_equal(room_next(room, 0), TG_ROOM_NONE);
	room_give(room, 70, &load);
	room_give(room, 70, &load);
	assert_true(room_take(room, 70, &load, 1));
	room_give(room, 70, &load);
	assert_int_equal(atomic_load(&load.in_flight), 0);
	room_free(room);
}

static void
without_a_limit_there_is_always_room(void **state)
{
	static struct segment_load load;

	(void)state;
	atomic_init(&load.in_flight, 0);
	for (int i = 0; i < 1000; i++)
		assert_true(room_take(NULL, 5, &load, 0));
	for (int i = 0; i < 1000; i++)
		room_give(NULL, 5, &load);
	assert_int_equal(atomic_load(&load.in_flight), 0);
}

/* Four threads on a few backends: bits follow the counts, whoever comes between. */

#define BACKENDS 3u
#define LIMIT    2u
#define ROUNDS   50000u

static struct segment_load loads[BACKENDS];
static struct room *shared_room;

static void *
take_and_give(void *arg)
{
	uint64_t dice = (uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t b;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		b = (uint32_t)(dice >> 33) % BACKENDS * 64;
		if (!room_take(shared_room, b, &loads[b / 64], LIMIT))
			continue;
		assert_in_range(atomic_load(&loads[b / 64].in_flight), 1, LIMIT);
		room_give(shared_room, b, &loads[b / 64]);
	}
	return NULL;
}

static void
bits_follow_the_counts(void **state)
{
	pthread_t threads[4];

	(void)state;
	shared_room = room_new(BACKENDS * 64);
	for (uint32_t b = 0; b < BACKENDS; b++) {
		atomic_init(&loads[b].in_flight, 0);
		room_open(shared_room, b * 64);
	}
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, (void *)(i + 1)),
				 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t b = 0; b < BACKENDS; b++) {
		assert_int_equal(atomic_load(&loads[b].in_flight), 0);
		assert_int_equal(room_next(shared_room, b * 64), b * 64);
	}
	room_free(shared_room);
}

/* However short it was. */
static void
the_most_is_remembered(void **state)
{
	static struct segment_load load; /* a stack is not always aligned as it wants to be */
	struct room *room = room_new(1);

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(room_take(room, 0, &load, 0));
	for (unsigned i = 0; i < 5; i++)
		room_give(room, 0, &load);
	assert_int_equal(atomic_load(&load.in_flight_max), 5);
	while (room_take(room, 0, &load, 7))
		continue;
	assert_int_equal(atomic_load(&load.in_flight_max), 7);
	room_give(room, 0, &load);
	assert_true(room_take(room, 0, &load, 7));
	assert_int_equal(atomic_load(&load.in_flight_max), 7);
	room_free(room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_is_the_first_open_one),
		cmocka_unit_test(next_agrees_with_a_plain_search),
		cmocka_unit_test(limit_is_kept_and_told),
		cmocka_unit_test(without_a_limit_there_is_always_room),
		cmocka_unit_test(bits_follow_the_counts),
		cmocka_unit_test(the_most_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
