/* What every algorithm promises, whatever it picks by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "balance/balance.h"
#include "base/hash.h"
#include "unit/balance/service.h"
#include "unit/sanitized.h"

static struct backends backends;

/* Keys differ, time goes on. */
static struct balance_query
query_of(uint64_t i)
{
	return (struct balance_query){.key = hash_number(i), .now = {1000000 + i * 100}};
}

static void
for_each(void (*check)(const struct balance_ops *ops))
{
	for (int i = 0; i < TG_BALANCE_COUNT; i++) {
		const struct balance_ops *ops = balance_find((enum conf_balance)i);

		assert_non_null(ops);
		assert_int_equal(ops->id, i);
		check(ops);
	}
}

#define EACH(name)                                                                                 \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		for_each(check_##name);                                                            \
	}

static void
check_free_takes_null(const struct balance_ops *ops)
{
	ops->free(NULL);
	ops->shared_free(NULL);
}
EACH(free_takes_null)

/* Until all are full, each pick finds a place; then none does; then the one that was freed is found. */
static void
check_limits_are_filled_and_never_exceeded(const struct balance_ops *ops)
{
	static const uint32_t weights[6] = {1, 2, 3, 1, 9, 256};
	static const uint32_t limits[6] = {3, 1, 20, 7, 2, 5};
	struct balance_query query = query_of(0);
	struct service s;

	backends_init(&backends, 6);
	backends.conf.hash_bound_permille = 0;
	assert_true(backends_limit(&backends, limits));
	service_open(&s, ops, &backends, weights, 2, 1);
	for (unsigned i = 0; i < 38; i++) {
		query = query_of(i);
		assert_int_not_equal(service_pick(&s, i % 2, &query), TG_VIEW_NONE);
		for (uint32_t b = 0; b < 6; b++)
			assert_true(backends_load(&backends, b) <= limits[b]);
	}
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t freed = (uint32_t)hash_number(i) % 6;

		query = query_of(i);
		assert_int_equal(service_pick(&s, i % 2, &query), TG_VIEW_NONE);
		assert_int_equal(backends_in_flight(&backends), 38);
		service_release(&s, i % 2, freed);
		assert_int_equal(service_pick(&s, i % 2, &query), freed);
	}
	service_close(&s);
}
EACH(limits_are_filled_and_never_exceeded)

/* Some have a limit, some do not. */
static void
check_limits_of_some_are_kept(const struct balance_ops *ops)
{
	static const uint32_t weights[4] = {1, 1, 1, 1};
	static const uint32_t limits[4] = {2, 3, 0, 1};
	struct service s;

	backends_init(&backends, 4);
	assert_true(backends_limit(&backends, limits));
	service_open(&s, ops, &backends, weights, 1, 1);
	for (unsigned i = 0; i < 200; i++) {
		struct balance_query query = query_of(i);

		assert_int_not_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_true(i == 2 || backends_load(&backends, i) <= limits[i]);
	assert_int_equal(backends_in_flight(&backends), 200);
	service_close(&s);
}
EACH(limits_of_some_are_kept)

/* Any 8 may be tried already: another one is picked, and none when there is no other. */
static void
check_tried_ones_are_left_out(const struct balance_ops *ops)
{
	static const uint32_t weights[12] = {1, 1, 256, 256, 1, 3, 1, 1, 1, 1, 2, 2};
	struct service s;

	backends_init(&backends, 12);
	service_open(&s, ops, &backends, weights, 1, 1);
	for (unsigned i = 0; i < 3000; i++) {
		struct balance_query query = query_of(i);

		for (query.n_tried = 0; query.n_tried < TG_BALANCE_TRIED_MAX; query.n_tried++)
			query.tried[query.n_tried] = (i + query.n_tried) % 12;
		/* It asserts that the backend was not tried. */
		assert_int_not_equal(service_next(&s, 0, &query), TG_VIEW_NONE);
	}
	assert_int_equal(backends_in_flight(&backends), 0);
	service_close(&s);
}
EACH(tried_ones_are_left_out)

static void
check_all_tried_is_none(const struct balance_ops *ops)
{
	static const uint32_t weights[2][3] = {{1, 1, 1}, {1, 200, 0}};
	struct service s;

	backends_init(&backends, 3);
	service_open(&s, ops, &backends, weights[0], 1, 1);
	for (int k = 0; k < 2; k++) {
		struct balance_query query = query_of(1);

		service_set(&s, weights[k]);
		query.n_tried = 3;
		for (uint32_t i = 0; i < 3; i++)
			query.tried[i] = i;
		assert_int_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
		assert_int_equal(backends_in_flight(&backends), 0);
		query.n_tried = 0;
		assert_int_not_equal(service_next(&s, 0, &query), TG_VIEW_NONE);
	}
	service_close(&s);
}
EACH(all_tried_is_none)

/* Somebody else chooses: within the limit, and counted as a pick is. */
static void
check_take_takes_this_one(const struct balance_ops *ops)
{
	static const uint32_t weights[3] = {1, 0, 5};
	static const uint32_t limits[3] = {2, 2, 2};
	struct service s;

	backends_init(&backends, 3);
	assert_true(backends_limit(&backends, limits));
	service_open(&s, ops, &backends, weights, 1, 1);
	for (int i = 0; i < 2; i++)
		assert_true(ops->take(s.workers[0], s.view, s.view->entry_of[2]));
	assert_false(ops->take(s.workers[0], s.view, s.view->entry_of[2]));
	assert_int_equal(backends_load(&backends, 2), 2);
	for (int i = 0; i < 2; i++) {
		struct balance_query query = query_of(1);

		assert_int_equal(service_pick(&s, 0, &query), 0);
	}
	service_release(&s, 0, 2);
	assert_true(ops->take(s.workers[0], s.view, s.view->entry_of[2]));
	service_close(&s);
}
EACH(take_takes_this_one)

/* The view before the first prepared one, and one that is prepared and empty. */
static void
check_empty_views_pick_none(const struct balance_ops *ops)
{
	static const uint32_t weights[3] = {1, 2, 1};
	static const uint32_t none[3] = {0, 0, 0};
	struct balance_query query = query_of(1);
	struct view *first;
	struct service s;

	backends_init(&backends, 3);
	first = view_new(&backends.conf, 0);
	assert_non_null(first);
	service_open(&s, ops, &backends, none, 1, 1);
	assert_int_equal(ops->pick(s.workers[0], first, &query), TG_VIEW_NONE);
	assert_int_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
	service_set(&s, weights);
	assert_int_not_equal(service_next(&s, 0, &query), TG_VIEW_NONE);
	service_set(&s, none);
	assert_int_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
	view_unref(first);
	service_close(&s);
}
EACH(empty_views_pick_none)

/* The next view is prepared already, and this worker goes on with its own. */
static void
check_a_worker_may_lag_behind(const struct balance_ops *ops)
{
	static const uint32_t now[5] = {1, 2, 0, 0, 3};
	static const uint32_t later[][5] = {
		{0, 1, 1, 0, 0}, {0, 0, 1, 1, 0}, {0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}};
	struct service s;

	backends_init(&backends, 5);
	service_open(&s, ops, &backends, now, 1, 1);
	for (size_t k = 0; k < sizeof(later) / sizeof(later[0]); k++) {
		struct view *view = service_prepare(&s, later[k]);

		for (unsigned i = 0; i < 300; i++) {
			struct balance_query query = query_of(i);

			query.n_tried = i % 2;
			query.tried[0] = 4;
			assert_int_not_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
		}
		for (uint32_t b = 0; b < 5; b++) {
			while (backends_load(&backends, b) > 0)
				service_release(&s, 0, b);
		}
		view_unref(view);
	}
	service_close(&s);
}
EACH(a_worker_may_lag_behind)

/* What ends on a backend that has left is given back, and it starts from there when it is back. */
static void
check_release_comes_for_backends_in_no_view(const struct balance_ops *ops)
{
	static const uint32_t all[3] = {1, 1, 1};
	static const uint32_t last[3] = {0, 0, 1};
	struct service s;
	int64_t left;

	backends_init(&backends, 3);
	service_open(&s, ops, &backends, all, 1, 1);
	for (uint32_t i = 0; i < 3; i++) {
		for (int k = 0; k < 4; k++)
			assert_true(ops->take(s.workers[0], s.view, i));
	}
	service_set(&s, last);
	for (int k = 0; k < 3; k++)
		service_release(&s, 0, 0);
	assert_int_equal(backends_load(&backends, 0), 1);
	service_set(&s, all);
	for (unsigned i = 0; i < 30; i++) {
		struct balance_query query = query_of(i);

		assert_int_not_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
	}
	left = backends_in_flight(&backends);
	assert_int_equal(left, 39);
	for (uint32_t b = 0; b < 3; b++) {
		while (backends_load(&backends, b) > 0)
			service_release(&s, 0, b);
	}
	service_close(&s);
}
EACH(release_comes_for_backends_in_no_view)

static void
run_picks(const struct balance_ops *ops, uint64_t seed, uint32_t *ret, unsigned n)
{
	static const uint32_t weights[7] = {1, 2, 3, 4, 5, 6, 7};
	struct service s;

	backends_init(&backends, 7);
	service_open(&s, ops, &backends, weights, 1, seed);
	for (unsigned i = 0; i < n; i++) {
		struct balance_query query = query_of(i);

		ret[i] = service_pick(&s, 0, &query);
		if (i % 3 == 0)
			service_release(&s, 0, ret[i]);
	}
	service_close(&s);
}

static void
check_seeds_are_reproducible(const struct balance_ops *ops)
{
	bool throws = ops->id == TG_BALANCE_RANDOM || ops->id == TG_BALANCE_P2C ||
		      ops->id == TG_BALANCE_EWMA;
	uint32_t picks[3][500];

	run_picks(ops, 42, picks[0], 500);
	run_picks(ops, 42, picks[1], 500);
	run_picks(ops, 43, picks[2], 500);
	assert_memory_equal(picks[0], picks[1], sizeof(picks[0]));
	assert_int_equal(memcmp(picks[0], picks[2], sizeof(picks[0])) != 0, throws);
}
EACH(seeds_are_reproducible)

/* four threads; nothing is asserted in them, only recorded */

#define THREADS 4
#define STEPS   TURNS(20000)

struct worker_thread {
	pthread_t thread;
	struct service *service;
	unsigned id;
	const struct view *view;
	unsigned above;
	uint32_t held[64];
	unsigned n_held;
};

static const uint32_t thread_limits[5] = {3, 10, 1, 7, 12};

static void
step_release(struct worker_thread *w, unsigned k)
{
	static const struct balance_outcome outcome = {.latency_us = 700, .now = {5000000}};

	w->service->ops->release(w->service->workers[w->id], w->view, w->held[k],
				 backends.loads[w->held[k]], &outcome);
	w->held[k] = w->held[--w->n_held];
}

static void
step_pick(struct worker_thread *w, uint64_t i)
{
	struct balance_query query = query_of(i * THREADS + w->id);
	uint32_t entry = w->service->ops->pick(w->service->workers[w->id], w->view, &query);

	if (entry != TG_VIEW_NONE)
		w->held[w->n_held++] = w->view->entries[entry].backend;
}

static void *
run_worker(void *arg)
{
	struct worker_thread *w = arg;

	for (uint64_t i = 0; i < STEPS; i++) {
		if (w->n_held == 64 || (w->n_held > 0 && hash_number(i) % 5 < 2))
			step_release(w, (unsigned)(hash_number(i) / 5 % w->n_held));
		else
			step_pick(w, i);
		for (uint32_t b = 0; b < 5; b++)
			w->above += backends_load(&backends, b) > thread_limits[b];
	}
	return NULL;
}

static void
check_threads_keep_limits_and_counts(const struct balance_ops *ops)
{
	static const uint32_t weights[5] = {1, 2, 3, 1, 1};
	struct worker_thread threads[THREADS];
	int64_t held[5] = {0};
	struct service s;

	backends_init(&backends, 5);
	assert_true(backends_limit(&backends, thread_limits));
	service_open(&s, ops, &backends, weights, THREADS, 1);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i] = (struct worker_thread){.service = &s, .id = i, .view = s.view};
		assert_int_equal(pthread_create(&threads[i].thread, NULL, run_worker, &threads[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(threads[i].above, 0);
		for (unsigned k = 0; k < threads[i].n_held; k++)
			held[threads[i].held[k]]++;
	}
	for (uint32_t b = 0; b < 5; b++)
		assert_int_equal(backends_load(&backends, b), held[b]);
	/* Together they want more than there is: nothing that is free may have been overlooked. */
	for (unsigned i = 0; i < 40; i++) {
		struct balance_query query = query_of(i);

		service_pick(&s, 0, &query);
	}
	for (uint32_t b = 0; b < 5; b++)
		assert_int_equal(backends_load(&backends, b), thread_limits[b]);
	service_close(&s);
}
EACH(threads_keep_limits_and_counts)

/* The control thread prepares view after view while workers pick from theirs. */
static void
check_threads_pick_while_views_are_prepared(const struct balance_ops *ops)
{
	static const uint32_t weights[5] = {1, 1, 1, 1, 1};
	static const uint32_t changes[][5] = {
		{1, 0, 3, 0, 1}, {0, 0, 0, 0, 1}, {6, 5, 4, 3, 2}, {0, 2, 0, 2, 0}};
	struct worker_thread threads[THREADS];
	struct service s;

	backends_init(&backends, 5);
	service_open(&s, ops, &backends, weights, THREADS, 1);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i] = (struct worker_thread){.service = &s, .id = i, .view = s.view};
		assert_int_equal(pthread_create(&threads[i].thread, NULL, run_worker, &threads[i]),
				 0);
	}
	for (unsigned i = 0; i < 40; i++)
		view_unref(service_prepare(&s, changes[i % 4]));
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		while (threads[i].n_held > 0)
			step_release(&threads[i], 0);
	}
	assert_int_equal(backends_in_flight(&backends), 0);
	service_close(&s);
}
EACH(threads_pick_while_views_are_prepared)

#define TEST(name) cmocka_unit_test(name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(free_takes_null),
		TEST(limits_are_filled_and_never_exceeded),
		TEST(limits_of_some_are_kept),
		TEST(tried_ones_are_left_out),
		TEST(all_tried_is_none),
		TEST(take_takes_this_one),
		TEST(empty_views_pick_none),
		TEST(a_worker_may_lag_behind),
		TEST(release_comes_for_backends_in_no_view),
		TEST(seeds_are_reproducible),
		TEST(threads_keep_limits_and_counts),
		TEST(threads_pick_while_views_are_prepared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
