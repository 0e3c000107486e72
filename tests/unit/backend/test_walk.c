/* Over the connections of a worker, step by step, while they come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/capture.h"
#include "backend/walk.h"
#include "unit/backend/world.h"

#define MANY 1000u

#define L               "{ name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"tcp\"; service = \"a\"; }"
#define M               "{ name = \"m\"; bind = \"127.0.0.1:2\"; mode = \"tcp\"; service = \"a\"; }"
#define SERVICES        "services = ( { name = \"a\"; backends = ( \"127.0.0.1:9\" ); } );"
#define LISTENERS(list) "workers = 2; listeners = ( " list " ); " SERVICES

static struct world world;
static struct worker worker;
static struct walk walk;
static struct front_link fronts[MANY];
static struct worker_listener *listeners[2]; /* those of the configuration; fronts outlive that */

static struct worker_listener *
listener_of(const struct front_link *front)
{
	return listeners[front < fronts + MANY / 2 ? 0 : 1];
}

/* As L4 and L7 do it. */
static void
leave(unsigned i)
{
	struct worker_listener *l = listener_of(&fronts[i]);

	front_leave(l, &fronts[i]);
	listener_left(l);
}

static void
on_end(struct front_link *front)
{
	leave((unsigned)(front - fronts));
	front->id = 0;
}

static void
on_drain(struct front_link *front)
{
	(void)front;
}

static void
on_describe(const struct front_link *front, struct msg_session *ret)
{
	ret->bytes_in = (uint64_t)(front - fronts);
}

static const struct front_ops ops = {.end = on_end, .drain = on_drain, .describe = on_describe};

static int
setup(void **state)
{
	(void)state;
	if (world_open(&world, LISTENERS(L ", " M)) != 0 ||
	    world_open_worker(&world, &worker, 1, &ops) != 0)
		return -1;
	for (unsigned i = 0; i < 2; i++)
		listeners[i] = world_listener(&world, &worker, i);
	walk = (struct walk){.is_begun = false};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	worker_fini(&worker);
	world_close(&world);
	return 0;
}

/* Half of them on each listener. */
static void
join(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		front_join(listener_of(&fronts[i]), &fronts[i], &ops);
}

static void
all_are_found_once(void **state)
{
	static bool seen[MANY];
	unsigned steps = 0;
	unsigned n = 0;

	(void)state;
	join(MANY);
	walk.question.number = 9;
	while (!walk.is_over) {
		walk_step(&walk, &worker);
		assert_true(++steps < MANY);
		assert_true(walk.n <= TG_WALK_FOUND);
		for (unsigned i = 0; i < walk.n; i++) {
			const struct msg_session *m = &walk.found[i].session;

			assert_false(seen[m->bytes_in]);
			seen[m->bytes_in] = true;
			assert_int_equal(m->number, 9);
			assert_int_equal(m->id % TG_SESSION_WORKERS, 1);
			assert_int_equal(m->listener,
					 listener_of(&fronts[m->bytes_in])->conf->segment_slot);
			n++;
		}
	}
	assert_int_equal(n, MANY);
}

/* Where the walk stands, and before and behind it. */
static void
those_that_leave_are_passed_over(void **state)
{
	unsigned n = 0;

	(void)state;
	join(40);
	walk_step(&walk, &worker);
	assert_int_equal(walk.n, TG_WALK_FOUND);
	assert_ptr_equal(worker.walk.next, &fronts[23]);
	leave(23);
	leave(22);
	leave(30);
	leave(0);
	front_join(listeners[0], &fronts[50], &ops);
	while (!walk.is_over) {
		walk_step(&walk, &worker);
		n += walk.n;
	}
	assert_int_equal(n, 40 - TG_WALK_FOUND - 3);
}

static void
one_is_ended_by_its_id(void **state)
{
	unsigned steps = 0;

	(void)state;
	join(MANY);
	walk.question = (struct msg_question){.kind = TG_ASK_END, .id = fronts[600].id};
	while (!walk.is_over) {
		walk_step(&walk, &worker);
		steps++;
	}
	assert_int_equal(walk.n_ended, 1);
	assert_int_equal(fronts[600].id, 0);
	assert_true(steps >= 400 / TG_WALK_VISITS);
	walk.is_over = walk.is_begun = false;
	walk.n_ended = 0;
	walk.question.id = 1;
	while (!walk.is_over)
		walk_step(&walk, &worker);
	assert_int_equal(walk.n_ended, 0);
}

static void
one_is_found_by_its_id(void **state)
{
	(void)state;
	join(3);
	walk.question = (struct msg_question){.kind = TG_ASK_SESSION, .id = fronts[1].id};
	walk_step(&walk, &worker);
	assert_true(walk.is_over);
	assert_int_equal(walk.n, 1);
	assert_int_equal(walk.found[0].session.bytes_in, 1);
}

/* Up to a step that finds something, or the last one. */
static void
walk_captures(void)
{
	unsigned steps = 0;

	walk.is_over = walk.is_begun = false;
	do {
		walk_step(&walk, &worker);
		assert_true(++steps <= 2 + segment_slots(world.segment) / TG_WALK_SLOTS);
	} while (walk.n == 0 && !walk.is_over);
}

static void
captures_are_found(void **state)
{
	struct msg_capture what = {.listener = 1};

	(void)state;
	walk.question = (struct msg_question){.kind = TG_ASK_CAPTURES, .number = 4};
	walk_captures();
	assert_int_equal(walk.n, 0);
	capture_set(&listeners[1]->capture, &what, "x", 1);
	capture_set(&world_service(&world, &worker, 0)->capture, &what, "y", 1);
	walk_captures();
	assert_int_equal(walk.n, 2);
	assert_int_equal(walk.found[0].capture.number, 4);
	assert_int_equal(walk.found[0].capture.bytes[0], 'x');
	assert_int_equal(walk.found[0].capture.worker, 1);
	assert_int_equal(walk.found[1].capture.bytes[0], 'y');
}

/* Of what is gone when the next configuration comes; slots are given again later. */
static void
captures_name_nothing_that_is_gone(void **state)
{
	struct worker_service *service = world_service(&world, &worker, 0);
	uint32_t backend = world_slot(&world, 0, 0);
	struct msg_capture what = {.listener = listeners[0]->conf->segment_slot,
				   .service = service->conf->segment_slot,
				   .backend = backend};
	struct worker_backend *there = worker.backends[backend];

	(void)state;
	capture_set(&service->capture, &what, "y", 1);
	captures_settle(&worker);
	assert_int_equal(service->capture->m.listener, what.listener);
	assert_int_equal(service->capture->m.backend, backend);
	worker_listener_remove(listeners[0], world.conf);
	worker.backends[backend] = NULL;
	captures_settle(&worker);
	assert_int_equal(service->capture->m.listener, TG_SESSION_NONE);
	assert_int_equal(service->capture->m.backend, TG_SESSION_NONE);
	assert_int_equal(service->capture->m.bytes[0], 'y');
	worker.backends[backend] = there;
}

/* Counts each that is found, up to the end. */
static void
walk_on(unsigned *counts)
{
	unsigned steps = 0;

	do {
		walk_step(&walk, &worker);
		for (unsigned i = 0; i < walk.n; i++)
			counts[walk.found[i].session.bytes_in]++;
		assert_true(++steps < MANY);
	} while (!walk.is_over);
}

static void
step(unsigned *counts)
{
	walk_step(&walk, &worker);
	assert_false(walk.is_over);
	for (unsigned i = 0; i < walk.n; i++)
		counts[walk.found[i].session.bytes_in]++;
}

static void
assert_counts(const unsigned *counts, unsigned from, unsigned to, unsigned n)
{
	for (unsigned i = from; i < to; i++)
		assert_int_equal(counts[i], n);
}

/* Half on each of two listeners, both with more than a step finds. */
static void
join_both(void)
{
	for (unsigned i = 0; i < 40; i++)
		front_join(listener_of(&fronts[i]), &fronts[i], &ops);
	for (unsigned i = MANY / 2; i < MANY / 2 + 40; i++)
		front_join(listener_of(&fronts[i]), &fronts[i], &ops);
}

static void
a_listener_that_leaves_under_the_walk_is_told_once(void **state)
{
	unsigned counts[MANY] = {0};

	(void)state;
	join_both();
	step(counts);
	assert_ptr_equal(worker.walk.listener, listeners[0]);
	worker_listener_remove(listeners[0], world.conf);
	walk_on(counts);
	assert_counts(counts, 0, 40, 1);
	assert_counts(counts, MANY / 2, MANY / 2 + 40, 1);
	for (unsigned i = 0; i < 40; i++)
		leave(i);
}

static void
listeners_that_leave_before_and_behind_the_walk_are_told_once(void **state)
{
	unsigned counts[MANY] = {0};

	(void)state;
	join_both();
	for (unsigned i = 0; i < 4; i++)
		step(counts);
	assert_ptr_equal(worker.walk.listener, listeners[1]);
	worker_listener_remove(listeners[0], world.conf);
	worker_listener_remove(listeners[1], world.conf);
	walk_on(counts);
	assert_counts(counts, 0, 40, 1);
	assert_counts(counts, MANY / 2, MANY / 2 + 40, 1);
	for (unsigned i = 0; i < 40; i++) {
		leave(i);
		leave(MANY / 2 + i);
	}
}

/* The last of its connections ends between two steps: the listener goes with it. */
static void
a_listener_that_is_freed_under_the_walk_is_passed_over(void **state)
{
	unsigned counts[MANY] = {0};

	(void)state;
	join_both();
	worker_listener_remove(listeners[0], world.conf);
	for (unsigned i = 0; i < 4; i++)
		step(counts);
	assert_ptr_equal(worker.walk.listener, listeners[0]);
	assert_non_null(worker.walk.next);
	for (unsigned i = 0; i < 40; i++)
		leave(i);
	assert_true(TAILQ_EMPTY(&worker.leaving));
	assert_null(worker.walk.listener);
	walk_on(counts);
	assert_counts(counts, MANY / 2, MANY / 2 + 40, 1);
}

/* The same with some still to come behind it. */
static void
the_walk_goes_on_behind_a_listener_that_is_freed(void **state)
{
	unsigned counts[MANY] = {0};

	(void)state;
	join_both();
	step(counts);
	worker_listener_remove(listeners[0], world.conf);
	assert_ptr_equal(worker.walk.listener, listeners[0]);
	for (unsigned i = 0; i < 40; i++)
		leave(i);
	assert_ptr_equal(worker.walk.listener, listeners[1]);
	walk_on(counts);
	assert_counts(counts, MANY / 2, MANY / 2 + 40, 1);
	assert_counts(counts, 40 - TG_WALK_FOUND, 40, 1);
	assert_counts(counts, 0, 40 - TG_WALK_FOUND, 0);
}

/* Ended by the walk itself, which stands on it. */
static void
the_last_one_of_a_listener_that_leaves_is_ended(void **state)
{
	(void)state;
	join(1);
	worker_listener_remove(listeners[0], world.conf);
	walk.question = (struct msg_question){.kind = TG_ASK_END, .id = fronts[0].id};
	while (!walk.is_over)
		walk_step(&walk, &worker);
	assert_int_equal(walk.n_ended, 1);
	assert_true(TAILQ_EMPTY(&worker.leaving));
}

static void
ids_of_a_later_worker_are_higher(void **state)
{
	uint64_t id;

	(void)state;
	join(1);
	id = fronts[0].id;
	assert_int_equal(teardown(state) | setup(state), 0);
	join(1);
	assert_true(fronts[0].id > id);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(all_are_found_once),
		CASE(those_that_leave_are_passed_over),
		CASE(one_is_ended_by_its_id),
		CASE(one_is_found_by_its_id),
		CASE(captures_are_found),
		CASE(captures_name_nothing_that_is_gone),
		CASE(a_listener_that_leaves_under_the_walk_is_told_once),
		CASE(listeners_that_leave_before_and_behind_the_walk_are_told_once),
		CASE(a_listener_that_is_freed_under_the_walk_is_passed_over),
		CASE(the_walk_goes_on_behind_a_listener_that_is_freed),
		CASE(the_last_one_of_a_listener_that_leaves_is_ended),
		CASE(ids_of_a_later_worker_are_higher),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
