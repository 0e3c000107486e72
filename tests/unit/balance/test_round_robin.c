#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "balance/balance.h"
#include "unit/balance/views.h"
#include "unit/sanitized.h"

#define OPS (&balance_round_robin)

/* The linker sends realloc() here: no memory when the test says so. */
static bool out_of_memory;
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *
__wrap_realloc(void *p, size_t n)
{
	return out_of_memory ? NULL : __real_realloc(p, n);
}

static struct balance_query nobody_tried;
static const struct balance_outcome outcome;
static struct backends backends;

struct turns {
	struct balance_shared *shared;
	struct balance *worker;
	struct view *view;
};

static void
turns_open(struct turns *t, const uint32_t *weights, size_t n, unsigned worker, unsigned n_workers)
{
	backends_init(&backends, n);
	t->shared = OPS->shared_new(&backends.conf, backends.loads);
	t->view = backends_view(&backends, weights);
	assert_non_null(t->shared);
	assert_non_null(t->view);
	assert_int_equal(OPS->prepare(t->shared, t->view), 0);
	t->worker = OPS->new (t->shared, worker, n_workers, 0);
	assert_non_null(t->worker);
	assert_int_equal(OPS->update(t->worker, t->view), 0);
}

static void
turns_close(struct turns *t)
{
	OPS->free(t->worker);
	OPS->shared_free(t->shared);
	view_unref(t->view);
	backends_fini(&backends);
}

static void
turns_set(struct turns *t, const uint32_t *weights)
{
	struct view *view = backends_view(&backends, weights);

	assert_non_null(view);
	assert_int_equal(OPS->prepare(t->shared, view), 0);
	view_unref(t->view);
	t->view = view;
	assert_int_equal(OPS->update(t->worker, view), 0);
}

/* The backend picked, its load given back; TG_VIEW_NONE: none. */
static uint32_t
next(struct turns *t, struct balance_query *query)
{
	uint32_t entry = OPS->pick(t->worker, t->view, query);
	uint32_t backend;

	if (entry == TG_VIEW_NONE)
		return TG_VIEW_NONE;
	backend = t->view->entries[entry].backend;
	assert_int_equal(t->view->entry_of[backend], entry);
	OPS->release(t->worker, t->view, backend, backends.loads[backend], &outcome);
	return backend;
}

static uint64_t
sum(const uint32_t *weights, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += weights[i];
	return all;
}

static uint32_t weights_random[50];
static uint32_t weights_many[BACKENDS_MAX];
static const uint32_t weights_equal[] = {1, 1, 1};
static const uint32_t weights_heavy_equal[] = {256, 256, 256, 256, 256};
static const uint32_t weights_one[] = {7};
static const uint32_t weights_classic[] = {5, 1, 1};
static const uint32_t weights_steps[] = {1, 2, 3, 4, 5, 6};
static const uint32_t weights_extreme[] = {256, 1};
static const uint32_t weights_near[] = {256, 255, 1};
static const uint32_t weights_some_zero[] = {0, 3, 0, 1, 0};

static const struct {
	const char *name;
	const uint32_t *weights;
	size_t n;
} sets[] = {
	{"equal", weights_equal, 3},       {"heavy equal", weights_heavy_equal, 5},
	{"one", weights_one, 1},           {"5 1 1", weights_classic, 3},
	{"1 to 6", weights_steps, 6},      {"256 1", weights_extreme, 2},
	{"256 255 1", weights_near, 3},    {"some without weight", weights_some_zero, 5},
	{"50 random", weights_random, 50},
};

#define SETS (sizeof(sets) / sizeof(sets[0]))

static int
setup_weights(void **state)
{
	(void)state;
	srandom(7);
	for (size_t i = 0; i < 50; i++)
		weights_random[i] = 1 + (uint32_t)random() % 256;
	for (size_t i = 0; i < BACKENDS_MAX; i++)
		weights_many[i] = 1 + (uint32_t)random() % 3;
	return 0;
}

/* Within 1 % and one turn of what the weight says. */
static void
assert_share(const char *name, size_t i, uint64_t got, uint64_t picks, uint64_t weight,
	     uint64_t all)
{
	double expected = (double)picks * (double)weight / (double)all;
	double off = (double)got - expected;

	if (off > expected / 100 + 1 || off < -expected / 100 - 1)
		fail_msg("%s: backend %zu of weight %llu got %llu of %llu, expected %.1f", name, i,
			 (unsigned long long)weight, (unsigned long long)got,
			 (unsigned long long)picks, expected);
}

static void
shares_follow_weights(void **state)
{
	const unsigned picks = TURNS(100000);

	(void)state;
	for (size_t k = 0; k < SETS; k++) {
		unsigned got[50] = {0};
		struct turns t;

		turns_open(&t, sets[k].weights, sets[k].n, 0, 1);
		for (unsigned i = 0; i < picks; i++)
			got[next(&t, &nobody_tried)]++;
		for (size_t i = 0; i < sets[k].n; i++)
			assert_share(sets[k].name, i, got[i], picks, sets[k].weights[i],
				     sum(sets[k].weights, sets[k].n));
		assert_int_equal(backends_in_flight(&backends), 0);
		turns_close(&t);
	}
}

/* Nobody waits longer than twice the turns its weight allows. */
static void
nobody_starves(void **state)
{
	(void)state;
	for (size_t k = 0; k < SETS; k++) {
		uint64_t all = sum(sets[k].weights, sets[k].n);
		uint64_t last[50] = {0};
		struct turns t;

		turns_open(&t, sets[k].weights, sets[k].n, 0, 1);
		for (uint64_t i = 1; i <= TURNS(100000); i++) {
			uint32_t b = next(&t, &nobody_tried);
			uint64_t waited = i - last[b];

			if (waited > 2 * (all / sets[k].weights[b] + 1))
				fail_msg("%s: backend %u waited %llu turns", sets[k].name, b,
					 (unsigned long long)waited);
			last[b] = i;
		}
		for (size_t i = 0; i < sets[k].n; i++)
			assert_true(sets[k].weights[i] == 0 || last[i] > 0);
		turns_close(&t);
	}
}

/* Picks of one backend are spread: at no time is it far ahead of or behind its share. */
static void
spread_is_smooth(void **state)
{
	(void)state;
	for (size_t k = 0; k < SETS; k++) {
		double all = (double)sum(sets[k].weights, sets[k].n);
		double got[50] = {0};
		double bound = 1 + (double)sets[k].n / 4;
		struct turns t;

		turns_open(&t, sets[k].weights, sets[k].n, 0, 1);
		for (int i = 1; i <= TURNS(20000); i++) {
			got[next(&t, &nobody_tried)]++;
			for (size_t j = 0; j < sets[k].n; j++) {
				double off = got[j] - i * sets[k].weights[j] / all;

				if (off > bound || off < -bound)
					fail_msg("%s: backend %zu is %.2f off after %d picks",
						 sets[k].name, j, off, i);
			}
		}
		turns_close(&t);
	}
}

static void
light_ones_come_between_heavy_ones(void **state)
{
	unsigned run = 0;
	struct turns t;

	(void)state;
	turns_open(&t, weights_classic, 3, 0, 1);
	for (int i = 0; i < 7000; i++) {
		run = next(&t, &nobody_tried) == 0 ? run + 1 : 0;
		/* 5 of 7: never all of them in a row. */
		assert_true(run < 5);
	}
	turns_close(&t);
}

static void
ten_thousand_backends_all_get_their_share(void **state)
{
	static unsigned got[BACKENDS_MAX];
	uint64_t all = sum(weights_many, BACKENDS_MAX);
	struct turns t;

	(void)state;
	memset(got, 0, sizeof(got));
	turns_open(&t, weights_many, BACKENDS_MAX, 0, 1);
	for (uint64_t i = 0; i < 5 * all; i++)
		got[next(&t, &nobody_tried)]++;
	for (size_t i = 0; i < BACKENDS_MAX; i++)
		assert_share("many", i, got[i], 5 * all, weights_many[i], all);
	turns_close(&t);
}

/* What the n workers of a service pick first. */
static void
first_picks(const uint32_t *weights, size_t n, unsigned n_workers, uint32_t *ret)
{
	for (unsigned w = 0; w < n_workers; w++) {
		struct turns t;

		turns_open(&t, weights, n, w, n_workers);
		ret[w] = next(&t, &nobody_tried);
		turns_close(&t);
	}
}

static void
workers_start_apart(void **state)
{
	static const uint32_t equal[8] = {3, 3, 3, 3, 3, 3, 3, 3};
	static const uint32_t mixed[4] = {2, 3, 2, 3};
	uint32_t first[8];

	(void)state;
	first_picks(equal, 8, 2, first);
	assert_int_not_equal(first[0], first[1]);
	first_picks(equal, 8, 8, first);
	for (int i = 0; i < 8; i++) {
		for (int j = 0; j < i; j++)
			assert_int_not_equal(first[i], first[j]);
	}
	first_picks(mixed, 4, 2, first);
	assert_int_not_equal(first[0], first[1]);
}

/* Few requests, many workers: what all workers pick first follows the weights roughly too. */
static void
first_picks_of_many_workers_are_spread(void **state)
{
	static const uint32_t mixed[4] = {1, 2, 1, 2};
	uint32_t first[16];
	unsigned got[4] = {0};

	(void)state;
	first_picks(mixed, 4, 16, first);
	for (int i = 0; i < 16; i++)
		got[first[i]]++;
	for (int i = 0; i < 4; i++)
		assert_true(got[i] <= 8);
}

static void
tried_ones_are_left_out(void **state)
{
	static const uint32_t *const both[] = {weights_steps, weights_heavy_equal};

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct balance_query query = {.tried = {1, 4, 2}, .n_tried = 3};
		bool seen[6] = {false};
		struct turns t;

		turns_open(&t, both[k], 5, 0, 1);
		for (int i = 0; i < 1000; i++) {
			uint32_t b = next(&t, &query);

			assert_true(b == 0 || b == 3);
			seen[b] = true;
		}
		assert_true(seen[0] && seen[3]);
		turns_close(&t);
	}
}

static void
all_tried_is_none_and_takes_no_load(void **state)
{
	static const uint32_t weights[2][3] = {{1, 1, 1}, {1, 2, 3}};

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct balance_query query = {.tried = {0, 1, 2}, .n_tried = 3};
		struct turns t;

		turns_open(&t, weights[k], 3, 0, 1);
		assert_int_equal(OPS->pick(t.worker, t.view, &query), TG_VIEW_NONE);
		assert_int_equal(backends_in_flight(&backends), 0);
		assert_int_not_equal(next(&t, &nobody_tried), TG_VIEW_NONE);
		turns_close(&t);
	}
}

/* A turn that is left out goes to the others of its weight: they get twice their share at most. */
static void
assert_rough_share(size_t i, uint64_t got, uint64_t picks, uint64_t weight, uint64_t all)
{
	double expected = (double)picks * (double)weight / (double)all;

	if ((double)got < expected / 2 || (double)got > 2 * expected)
		fail_msg("retries: backend %zu got %llu, expected %.1f", i, (unsigned long long)got,
			 expected);
}

/* What becomes of streams whose first try fails on backend 0: how many began and ended where. */
static void
serve_with_one_dead(const uint32_t *weights, size_t n, unsigned streams, unsigned *first,
		    unsigned *retries)
{
	struct balance_query failed = {.tried = {0}, .n_tried = 1};
	struct turns t;

	turns_open(&t, weights, n, 0, 1);
	for (unsigned i = 0; i < streams; i++) {
		uint32_t b = next(&t, &nobody_tried);

		first[b]++;
		if (b == 0)
			retries[next(&t, &failed)]++;
	}
	turns_close(&t);
}

/* A retry must not take the turn between two of the one that failed. */
static void
requests_and_retries_do_not_run_in_lockstep(void **state)
{
	static const struct {
		uint32_t weights[6];
		size_t n;
	} services[] = {
		{{1, 1}, 2},    {{2, 1}, 2},          {{1, 3}, 2},
		{{1, 1, 1}, 3}, {{1, 1, 1, 1, 1}, 5}, {{2, 1, 2, 1}, 4},
		{{1, 5, 1}, 3}, {{1, 2, 3, 4, 5}, 5}, {{256, 255, 1}, 3},
	};
	const unsigned streams = 30720;

	(void)state;
	for (size_t k = 0; k < sizeof(services) / sizeof(services[0]); k++) {
		const uint32_t *weights = services[k].weights;
		uint64_t all = sum(weights, services[k].n);
		unsigned first[6] = {0};
		unsigned retries[6] = {0};

		serve_with_one_dead(weights, services[k].n, streams, first, retries);
		for (size_t i = 0; i < services[k].n; i++) {
			assert_share("first tries", i, first[i], streams, weights[i], all);
			if (i > 0)
				assert_rough_share(i, retries[i], first[0], weights[i],
						   all - weights[0]);
		}
		assert_int_equal(retries[0], 0);
	}
}

/* Whatever others retry, the first tries have their exact shares. */
static void
retries_do_not_take_a_share_away(void **state)
{
	static const uint32_t *const both[] = {weights_steps, weights_heavy_equal};
	const unsigned picks = TURNS(100000);

	(void)state;
	for (int k = 0; k < 2; k++) {
		unsigned got[6] = {0};
		size_t n = k == 0 ? 6 : 5;
		struct turns t;

		turns_open(&t, both[k], n, 0, 1);
		for (unsigned i = 0; i < picks; i++) {
			struct balance_query query = {
				.tried = {(uint32_t)(i / 7 % n)},
				.n_tried = 1,
			};

			if (i % 7 == 0)
				assert_int_not_equal(next(&t, &query), TG_VIEW_NONE);
			got[next(&t, &nobody_tried)]++;
		}
		for (size_t i = 0; i < n; i++)
			assert_share("with retries", i, got[i], picks, both[k][i], sum(both[k], n));
		turns_close(&t);
	}
}

/* What was left out by many retries has failed them: it must not get a burst for it. */
static void
turns_that_retries_leave_out_are_lost(void **state)
{
	static const uint32_t weights[] = {13, 22, 7};
	struct balance_query failed = {.tried = {0}, .n_tried = 1};
	struct balance_query other = {.tried = {2}, .n_tried = 1};
	unsigned run = 0;
	unsigned longest = 0;
	struct turns t;

	(void)state;
	turns_open(&t, weights, 3, 0, 1);
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(next(&t, &failed), 0);
	for (int i = 0; i < 100; i++) {
		run = next(&t, &other) == 0 ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	assert_in_range(longest, 1, 2);
	turns_close(&t);
}

/* A ramp has weights that divide nothing: not one turn is lost in dividing by them. */
static void
odd_weights_are_exact_over_whole_rounds(void **state)
{
	enum { N = 100, ROUNDS = TURNS(10) };
	static uint32_t weights[N];
	static unsigned got[N];
	struct view *view;
	struct turns t;

	(void)state;
	for (size_t i = 0; i < N; i++)
		weights[i] = 256;
	turns_open(&t, weights, N, 0, 1);
	view = backends_view(&backends, weights);
	assert_non_null(view);
	view->entries[7].weight = TG_WEIGHT_MAX - 1;
	assert_int_equal(OPS->prepare(t.shared, view), 0);
	assert_int_equal(OPS->update(t.worker, view), 0);
	view_unref(t.view);
	t.view = view;
	for (unsigned i = 0; i < ROUNDS * (N * TG_WEIGHT_MAX - 1); i++)
		got[next(&t, &nobody_tried)]++;
	for (size_t i = 0; i < N; i++)
		assert_int_equal(got[i], ROUNDS * (TG_WEIGHT_MAX - (i == 7)));
	turns_close(&t);
}

static void
load_is_taken_and_released(void **state)
{
	struct turns t;

	(void)state;
	turns_open(&t, weights_steps, 6, 0, 1);
	for (int i = 1; i <= 2100; i++) {
		assert_int_not_equal(OPS->pick(t.worker, t.view, &nobody_tried), TG_VIEW_NONE);
		assert_int_equal(backends_in_flight(&backends), i);
	}
	for (size_t i = 0; i < 6; i++) {
		int64_t load = atomic_load(&backends.loads[i]->in_flight);

		assert_in_range(load, 100 * (int64_t)weights_steps[i] - 3,
				100 * (int64_t)weights_steps[i] + 3);
		while (load-- > 0)
			OPS->release(t.worker, t.view, (uint32_t)i, backends.loads[(uint32_t)i],
				     &outcome);
		assert_int_equal(atomic_load(&backends.loads[i]->in_flight), 0);
	}
	turns_close(&t);
}

static void
empty_view_picks_none(void **state)
{
	static const uint32_t none[3] = {0, 0, 0};
	struct turns t;

	(void)state;
	turns_open(&t, none, 3, 1, 2);
	assert_int_equal(next(&t, &nobody_tried), TG_VIEW_NONE);
	turns_set(&t, weights_classic);
	assert_int_not_equal(next(&t, &nobody_tried), TG_VIEW_NONE);
	turns_set(&t, none);
	assert_int_equal(next(&t, &nobody_tried), TG_VIEW_NONE);
	turns_close(&t);
}

/* Backends come and go, weights change: from then on the shares are those of the new view. */
static void
shares_follow_each_new_view(void **state)
{
	static const uint32_t views[][4] = {
		{1, 1, 1, 1}, {0, 0, 1, 0}, {4, 0, 2, 1}, {9, 9, 9, 0},
		{1, 0, 0, 0}, {1, 2, 3, 4}, {0, 2, 3, 0}, {5, 5, 5, 5},
	};
	struct turns t;

	(void)state;
	turns_open(&t, views[0], 4, 0, 2);
	for (size_t v = 0; v < sizeof(views) / sizeof(views[0]); v++) {
		unsigned got[4] = {0};

		turns_set(&t, views[v]);
		for (int i = 0; i < 9973; i++)
			got[next(&t, &nobody_tried)]++;
		for (size_t i = 0; i < 4; i++)
			assert_share("changed", i, got[i], 9973, views[v][i], sum(views[v], 4));
	}
	turns_close(&t);
}

/* A view that changes often must not always begin with the same backend. */
static void
equal_ones_go_on_where_they_were(void **state)
{
	unsigned got[5] = {0};
	struct turns t;

	(void)state;
	turns_open(&t, weights_heavy_equal, 5, 0, 1);
	for (int i = 0; i < 1000; i++) {
		turns_set(&t, weights_heavy_equal);
		got[next(&t, &nobody_tried)]++;
	}
	for (size_t i = 0; i < 5; i++)
		assert_share("changing", i, got[i], 1000, 1, 5);
	turns_close(&t);
}

/* Who is full loses its turn: the others get what it does not, and nothing is made up for later. */
static void
full_ones_lose_their_turn(void **state)
{
	static const uint32_t weights[4] = {1, 1, 1, 3};
	static const uint32_t limits[4] = {0, 2, 0, 0};
	unsigned got[4] = {0};
	struct turns t;

	(void)state;
	turns_open(&t, weights, 4, 0, 1);
	assert_true(backends_limit(&backends, limits));
	turns_set(&t, weights);
	assert_true(OPS->take(t.worker, t.view, 1));
	assert_true(OPS->take(t.worker, t.view, 1));
	assert_false(OPS->take(t.worker, t.view, 1));
	for (int i = 0; i < 1000; i++)
		got[next(&t, &nobody_tried)]++;
	assert_int_equal(got[1], 0);
	for (size_t i = 0; i < 4; i++)
		assert_true(i == 1 || (got[i] > 150 * weights[i] && got[i] < 250 * weights[i]));
	OPS->release(t.worker, t.view, 1, backends.loads[1], &outcome);
	OPS->release(t.worker, t.view, 1, backends.loads[1], &outcome);
	memset(got, 0, sizeof(got));
	for (int i = 0; i < 600; i++)
		got[next(&t, &nobody_tried)]++;
	for (size_t i = 0; i < 4; i++)
		assert_share("room again", i, got[i], 600, weights[i], 6);
	turns_close(&t);
}

/* All but one of many are full: it is found. */
static void
the_last_with_room_is_found(void **state)
{
	static uint32_t weights[BACKENDS_MAX];
	static uint32_t limits[BACKENDS_MAX];
	struct turns t;

	(void)state;
	for (size_t i = 0; i < BACKENDS_MAX; i++)
		weights[i] = limits[i] = 1;
	turns_open(&t, weights, BACKENDS_MAX, 0, 1);
	assert_true(backends_limit(&backends, limits));
	turns_set(&t, weights);
	for (size_t i = 0; i < BACKENDS_MAX; i++)
		assert_int_not_equal(OPS->pick(t.worker, t.view, &nobody_tried), TG_VIEW_NONE);
	assert_int_equal(OPS->pick(t.worker, t.view, &nobody_tried), TG_VIEW_NONE);
	for (uint32_t i = 7; i < BACKENDS_MAX; i += 977) {
		OPS->release(t.worker, t.view, i, backends.loads[i], &outcome);
		assert_int_equal(OPS->pick(t.worker, t.view, &nobody_tried), t.view->entry_of[i]);
	}
	assert_int_equal(OPS->pick(t.worker, t.view, &nobody_tried), TG_VIEW_NONE);
	turns_close(&t);
}

/* The same wheel, each from its own place: together they are as even as one. */
static void
workers_together_are_even(void **state)
{
	static const uint32_t weights[5] = {4, 1, 1, 1, 1};
	struct balance *workers[8];
	unsigned got[5] = {0};
	struct turns t;

	(void)state;
	turns_open(&t, weights, 5, 0, 8);
	for (unsigned w = 0; w < 8; w++) {
		workers[w] = OPS->new (t.shared, w, 8, 0);
		assert_non_null(workers[w]);
		assert_int_equal(OPS->update(workers[w], t.view), 0);
	}
	for (unsigned w = 0; w < 8; w++) {
		uint32_t entry = OPS->pick(workers[w], t.view, &nobody_tried);

		got[t.view->entries[entry].backend]++;
		OPS->free(workers[w]);
	}
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(got[i], weights[i]);
	turns_close(&t);
}

static void
without_memory_the_new_view_is_served_in_turns(void **state)
{
	static const uint32_t after[6] = {9, 1, 0, 2, 2, 9};
	struct turns t;
	struct view *view;
	unsigned got[6] = {0};

	(void)state;
	turns_open(&t, weights_steps, 6, 0, 1);
	view = backends_view(&backends, after);
	assert_non_null(view);
	assert_int_equal(OPS->prepare(t.shared, view), 0);
	out_of_memory = true;
	assert_int_equal(OPS->update(t.worker, view), -TG_ENOMEM);
	out_of_memory = false;
	view_unref(t.view);
	t.view = view;
	for (int i = 0; i < 1000; i++)
		got[next(&t, &nobody_tried)]++;
	for (int i = 0; i < 6; i++)
		assert_int_equal(got[i], i == 2 ? 0 : 200);
	turns_set(&t, after);
	memset(got, 0, sizeof(got));
	for (int i = 0; i < 2300; i++)
		got[next(&t, &nobody_tried)]++;
	for (size_t i = 0; i < 6; i++)
		assert_share("memory again", i, got[i], 2300, after[i], 23);
	turns_close(&t);
}

static void
algorithms_are_found_and_free_takes_null(void **state)
{
	(void)state;
	for (int i = 0; i < TG_BALANCE_COUNT; i++) {
		const struct balance_ops *ops = balance_find((enum conf_balance)i);

		assert_non_null(ops);
		assert_int_equal(ops->id, i);
		ops->free(NULL);
		ops->shared_free(NULL);
	}
	assert_ptr_equal(balance_find(TG_BALANCE_ROUND_ROBIN), OPS);
	assert_string_equal(OPS->name, "round-robin");
	assert_null(balance_find(TG_BALANCE_COUNT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(spread_is_smooth),
		cmocka_unit_test(light_ones_come_between_heavy_ones),
		cmocka_unit_test(ten_thousand_backends_all_get_their_share),
		cmocka_unit_test(workers_start_apart),
		cmocka_unit_test(first_picks_of_many_workers_are_spread),
		cmocka_unit_test(tried_ones_are_left_out),
		cmocka_unit_test(all_tried_is_none_and_takes_no_load),
		cmocka_unit_test(requests_and_retries_do_not_run_in_lockstep),
		cmocka_unit_test(retries_do_not_take_a_share_away),
		cmocka_unit_test(turns_that_retries_leave_out_are_lost),
		cmocka_unit_test(odd_weights_are_exact_over_whole_rounds),
		cmocka_unit_test(load_is_taken_and_released),
		cmocka_unit_test(empty_view_picks_none),
		cmocka_unit_test(shares_follow_each_new_view),
		cmocka_unit_test(equal_ones_go_on_where_they_were),
		cmocka_unit_test(full_ones_lose_their_turn),
		cmocka_unit_test(the_last_with_room_is_found),
		cmocka_unit_test(workers_together_are_even),
		cmocka_unit_test(without_memory_the_new_view_is_served_in_turns),
		cmocka_unit_test(algorithms_are_found_and_free_takes_null),
	};

	return cmocka_run_group_tests(tests, setup_weights, NULL);
}
