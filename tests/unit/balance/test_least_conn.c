#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "balance/balance.h"
#include "unit/balance/views.h"
#include "unit/sanitized.h"

#define OPS (&balance_least_conn)

static struct balance_query nobody_tried;
static const struct balance_outcome outcome;
static struct backends backends;

struct service {
	struct balance_shared *shared;
	struct balance *worker;
	struct view *view;
};

static void
service_open(struct service *s, const uint32_t *weights, size_t n)
{
	backends_init(&backends, n);
	s->shared = OPS->shared_new(&backends.conf, backends.loads);
	s->view = backends_view(&backends, weights);
	assert_non_null(s->shared);
	assert_non_null(s->view);
	assert_int_equal(OPS->prepare(s->shared, s->view), 0);
	s->worker = OPS->new (s->shared, 0, 1, 0);
	assert_non_null(s->worker);
	assert_int_equal(OPS->update(s->worker, s->view), 0);
}

static void
service_set(struct service *s, const uint32_t *weights)
{
	struct view *view = backends_view(&backends, weights);

	assert_non_null(view);
	assert_int_equal(OPS->prepare(s->shared, view), 0);
	assert_int_equal(OPS->update(s->worker, view), 0);
	view_unref(s->view);
	s->view = view;
}

static void
service_open_limited(struct service *s, const uint32_t *weights, const uint32_t *limits, size_t n)
{
	static const uint32_t none[BACKENDS_MAX];

	service_open(s, none, n);
	assert_true(backends_limit(&backends, limits));
	service_set(s, weights);
}

static void
service_close(struct service *s)
{
	OPS->free(s->worker);
	OPS->shared_free(s->shared);
	view_unref(s->view);
	backends_fini(&backends);
}

/* The backend that was picked; its load stays taken. */
static uint32_t
take(struct service *s, struct balance_query *query)
{
	uint32_t entry = OPS->pick(s->worker, s->view, query);

	if (entry == TG_VIEW_NONE)
		return TG_VIEW_NONE;
	assert_true(entry < s->view->n);
	return s->view->entries[entry].backend;
}

static int64_t
load_of(uint32_t backend)
{
	return backends_load(&backends, backend);
}

/* What the text of the algorithm says, found by looking at every backend. */
struct model {
	uint32_t weights[64];
	int64_t in_flight[64];
	uint64_t since[64]; /* the last change */
	double turns[64];   /* the next one */
	double turn;        /* that was taken last */
	uint64_t changes;
	size_t n;
};

static void
model_open(struct model *m, const uint32_t *weights, size_t n)
{
	*m = (struct model){.n = n};
	for (size_t i = 0; i < n; i++) {
		m->weights[i] = weights[i];
		m->since[i] = ++m->changes;
	}
}

static void
model_set(struct model *m, const uint32_t *weights)
{
	for (size_t i = 0; i < m->n; i++) {
		if (weights[i] != m->weights[i])
			m->since[i] = ++m->changes;
		m->weights[i] = weights[i];
	}
}

static void
model_count(struct model *m, uint32_t backend, int up)
{
	m->in_flight[backend] += up;
	m->since[backend] = ++m->changes;
	if (up < 0 || m->weights[backend] == 0)
		return;
	m->turn = fmax(m->turn, m->turns[backend]);
	m->turns[backend] = m->turn + 1.0 / m->weights[backend];
}

static int
model_compare(const struct model *m, uint32_t a, uint32_t b)
{
	int64_t mine = m->in_flight[a] * m->weights[b];
	int64_t its = m->in_flight[b] * m->weights[a];

	return mine < its ? -1 : mine > its;
}

/* Of its weight and number it is unchanged for longest. */
static bool
model_is_first(const struct model *m, uint32_t a, const struct balance_query *query)
{
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->weights[i] == m->weights[a] && m->in_flight[i] == m->in_flight[a] &&
		    m->since[i] < m->since[a] && !balance_is_tried(query, i))
			return false;
	}
	return true;
}

/* No other is less loaded, and none that is loaded as much has its turn earlier. */
static bool
model_is_best(const struct model *m, uint32_t a, const struct balance_query *query)
{
	for (uint32_t i = 0; i < m->n; i++) {
		int rc = model_compare(m, i, a);

		if (m->weights[i] == 0 || balance_is_tried(query, i))
			continue;
		if (rc < 0 ||
		    (rc == 0 && m->turns[i] < m->turns[a] - 1e-4 && model_is_first(m, i, query)))
			return false;
	}
	return model_is_first(m, a, query);
}

static bool
model_has_any(const struct model *m, const struct balance_query *query)
{
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->weights[i] != 0 && !balance_is_tried(query, i))
			return true;
	}
	return false;
}

static void
assert_is_best(struct model *m, uint32_t got, const struct balance_query *query)
{
	if (got == TG_VIEW_NONE) {
		assert_false(model_has_any(m, query));
		return;
	}
	assert_true(m->weights[got] != 0 && !balance_is_tried(query, got));
	assert_true(model_is_best(m, got, query));
	model_count(m, got, 1);
}

static void
each_pick_is_the_least_loaded_per_weight(void **state)
{
	static const uint32_t weights[8] = {1, 2, 3, 4, 10, 100, 256, 1};
	struct model m;
	struct service s;

	(void)state;
	model_open(&m, weights, 8);
	service_open(&s, weights, 8);
	for (int i = 0; i < 3770; i++)
		assert_is_best(&m, take(&s, &nobody_tried), &nobody_tried);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(load_of(i), 10 * weights[i]);
	service_close(&s);
}

static struct balance_query
random_query(size_t n)
{
	struct balance_query query = {.n_tried = 0};

	if (random() % 4 != 0)
		return query;
	query.n_tried = 1 + (unsigned)random() % TG_BALANCE_TRIED_MAX;
	for (unsigned i = 0; i < query.n_tried; i++)
		query.tried[i] = (uint32_t)random() % (uint32_t)n;
	return query;
}

static void
random_weights(uint32_t *weights, size_t n)
{
	for (size_t i = 0; i < n; i++)
		weights[i] = random() % 5 == 0 ? 0 : 1 + (uint32_t)random() % 256;
}

/* Streams begin and end in any order, some were tried elsewhere, backends come and go. */
static void
any_order_of_picks_and_releases_agrees_with_the_model(void **state)
{
	enum { N = 24, HELD = 4096 };
	static uint32_t held[HELD];
	uint32_t weights[N];
	struct model m;
	struct service s;
	size_t n_held = 0;

	(void)state;
	srandom(3);
	random_weights(weights, N);
	model_open(&m, weights, N);
	service_open(&s, weights, N);
	for (int i = 0; i < TURNS(100000); i++) {
		struct balance_query query = random_query(N);

		if (n_held < HELD && (n_held == 0 || random() % 100 < 52)) {
			uint32_t got = take(&s, &query);

			assert_is_best(&m, got, &query);
			if (got != TG_VIEW_NONE)
				held[n_held++] = got;
		} else {
			size_t k = (size_t)random() % n_held;

			OPS->release(s.worker, s.view, held[k], backends.loads[held[k]], &outcome);
			model_count(&m, held[k], -1);
			held[k] = held[--n_held];
		}
		if (i % 500 == 499) {
			random_weights(weights, N);
			model_set(&m, weights);
			service_set(&s, weights);
		}
	}
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(load_of(i), m.in_flight[i]);
	while (n_held > 0) {
		n_held--;
		OPS->release(s.worker, s.view, held[n_held], backends.loads[held[n_held]],
			     &outcome);
	}
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(load_of(i), 0);
	service_close(&s);
}

static void
idle_equal_backends_take_turns(void **state)
{
	static const uint32_t weights[5] = {1, 1, 1, 1, 1};
	unsigned got[5] = {0};
	struct service s;

	(void)state;
	service_open(&s, weights, 5);
	for (int i = 0; i < 1000; i++) {
		uint32_t b = take(&s, &nobody_tried);

		got[b]++;
		OPS->release(s.worker, s.view, b, backends.loads[b], &outcome);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(got[i], 200);
	service_close(&s);
}

/* One stream at a time: what is idle everywhere is dealt out by weight, exactly. */
static void
idle_backends_take_turns_by_weight(void **state)
{
	static const uint32_t weights[4] = {5, 2, 1, 5};
	unsigned got[4] = {0};
	struct service s;

	(void)state;
	service_open(&s, weights, 4);
	for (int i = 0; i < 13; i++) {
		for (int k = 0; k < 13; k++) {
			uint32_t b = take(&s, &nobody_tried);

			got[b]++;
			OPS->release(s.worker, s.view, b, backends.loads[b], &outcome);
		}
		for (int b = 0; b < 4; b++)
			assert_int_equal(got[b], weights[b] * (unsigned)(i + 1));
	}
	service_close(&s);
}

/* Always so many in flight, the oldest ends: the light one starves at no number of them. */
static unsigned
share_of_the_light(unsigned n_flying)
{
	static const uint32_t weights[3] = {5, 2, 1};
	uint32_t flying[64];
	unsigned got[3] = {0};
	struct service s;

	service_open(&s, weights, 3);
	for (unsigned i = 0; i < n_flying; i++)
		flying[i] = take(&s, &nobody_tried);
	for (unsigned i = 0; i < 8000; i++) {
		uint32_t *oldest = &flying[i % n_flying];

		OPS->release(s.worker, s.view, *oldest, backends.loads[*oldest], &outcome);
		*oldest = take(&s, &nobody_tried);
		got[*oldest]++;
	}
	service_close(&s);
	return got[2];
}

static void
the_light_starve_never(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 64; n += 64 / TURNS(64))
		assert_in_range(share_of_the_light(n), 500, 2700);
	assert_int_equal(share_of_the_light(1), 1000);
	assert_int_equal(share_of_the_light(8), 1000);
}

/* Turns that were missed for being busy are not made up for. */
static void
who_was_busy_has_no_claim(void **state)
{
	static const uint32_t weights[2] = {1, 1};
	struct service s;
	uint32_t busy;

	(void)state;
	service_open(&s, weights, 2);
	busy = take(&s, &nobody_tried);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(take(&s, &nobody_tried), 1 - busy);
		OPS->release(s.worker, s.view, 1 - busy, backends.loads[1 - busy], &outcome);
	}
	OPS->release(s.worker, s.view, busy, backends.loads[busy], &outcome);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t b = take(&s, &nobody_tried);

		assert_int_equal(b, i % 2 == 0 ? 1 - busy : busy);
		OPS->release(s.worker, s.view, b, backends.loads[b], &outcome);
	}
	service_close(&s);
}

static void
released_load_is_seen_by_the_next_pick(void **state)
{
	static const uint32_t weights[3] = {1, 1, 1};
	struct service s;

	(void)state;
	service_open(&s, weights, 3);
	for (int i = 0; i < 30; i++)
		take(&s, &nobody_tried);
	for (uint32_t i = 0; i < 3; i++) {
		OPS->release(s.worker, s.view, i, backends.loads[i], &outcome);
		OPS->release(s.worker, s.view, i, backends.loads[i], &outcome);
		assert_int_equal(take(&s, &nobody_tried), i);
		assert_int_equal(take(&s, &nobody_tried), i);
	}
	service_close(&s);
}

static void
tried_ones_are_left_out(void **state)
{
	static const uint32_t weights[4] = {1, 1, 1, 1};
	struct balance_query query = {.tried = {2, 0}, .n_tried = 2};
	struct balance_query all = {.tried = {0, 1, 2, 3}, .n_tried = 4};
	struct service s;

	(void)state;
	service_open(&s, weights, 4);
	for (int i = 0; i < 10; i++) {
		uint32_t b = take(&s, &query);

		assert_true(b == 1 || b == 3);
	}
	assert_int_equal(load_of(1), 5);
	assert_int_equal(load_of(3), 5);
	assert_int_equal(take(&s, &all), TG_VIEW_NONE);
	assert_int_equal(backends_in_flight(&backends), 10);
	service_close(&s);
}

/* What runs on a backend that leaves is counted until it ends, also when the backend comes back. */
static void
load_is_kept_while_a_backend_is_away(void **state)
{
	static const uint32_t both[2] = {1, 1};
	static const uint32_t second[2] = {0, 1};
	static const uint32_t none[2] = {0, 0};
	struct service s;

	(void)state;
	service_open(&s, both, 2);
	for (int i = 0; i < 20; i++)
		take(&s, &nobody_tried);
	service_set(&s, second);
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(&s, &nobody_tried), 1);
	assert_int_equal(load_of(0), 10);
	OPS->release(s.worker, s.view, 0, backends.loads[0], &outcome);
	service_set(&s, none);
	assert_int_equal(take(&s, &nobody_tried), TG_VIEW_NONE);
	OPS->release(s.worker, s.view, 0, backends.loads[0], &outcome);
	service_set(&s, both);
	/* 8 against 15. */
	for (int i = 0; i < 7; i++)
		assert_int_equal(take(&s, &nobody_tried), 0);
	assert_int_equal(load_of(0), 15);
	assert_int_equal(load_of(1), 15);
	service_close(&s);
}

/* The shared part is newer than this worker's view: only what is in both is picked. */
static void
worker_that_lags_behind_picks_what_both_know(void **state)
{
	static const uint32_t before[4] = {1, 1, 1, 0};
	static const uint32_t after[4] = {0, 1, 0, 1};
	struct service s;
	struct view *newer;

	(void)state;
	service_open(&s, before, 4);
	newer = backends_view(&backends, after);
	assert_non_null(newer);
	assert_int_equal(OPS->prepare(s.shared, newer), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(take(&s, &nobody_tried), 1);
	view_unref(newer);
	service_close(&s);
}

/* All of its view has left already: better a backend that drains than an error of ours. */
static void
worker_whose_whole_view_has_left_still_picks(void **state)
{
	static const uint32_t before[4] = {1, 2, 0, 0};
	static const uint32_t after[4] = {0, 0, 1, 1};
	struct balance_query first_tried = {.tried = {0}, .n_tried = 1};
	struct balance_query both_tried = {.tried = {0, 1}, .n_tried = 2};
	struct service s;
	struct view *newer;

	(void)state;
	service_open(&s, before, 4);
	newer = backends_view(&backends, after);
	assert_non_null(newer);
	assert_int_equal(OPS->prepare(s.shared, newer), 0);
	for (int i = 0; i < 30; i++)
		assert_true(take(&s, &nobody_tried) < 2);
	assert_int_equal(load_of(0), 15);
	assert_int_equal(load_of(1), 15);
	assert_int_equal(take(&s, &first_tried), 1);
	assert_int_equal(take(&s, &both_tried), TG_VIEW_NONE);
	for (uint32_t i = 0; i < 16; i++)
		OPS->release(s.worker, s.view, 1, backends.loads[1], &outcome);
	for (uint32_t i = 0; i < 15; i++)
		OPS->release(s.worker, s.view, 0, backends.loads[0], &outcome);
	assert_int_equal(backends_in_flight(&backends), 0);
	view_unref(newer);
	service_close(&s);
}

static void
ten_thousand_backends_fill_evenly(void **state)
{
	static uint32_t weights[BACKENDS_MAX];
	struct service s;
	uint64_t all = 0;

	(void)state;
	for (uint32_t i = 0; i < BACKENDS_MAX; i++)
		all += weights[i] = 1 + i % 3;
	service_open(&s, weights, BACKENDS_MAX);
	for (uint64_t i = 0; i < 4 * all; i++)
		take(&s, &nobody_tried);
	for (uint32_t i = 0; i < BACKENDS_MAX; i++)
		assert_int_equal(load_of(i), 4 * weights[i]);
	service_close(&s);
}

/* Each class has its own limit; who is full is passed over, and comes back with its first free place. */
static void
full_ones_are_passed_over_until_they_have_room(void **state)
{
	static const uint32_t weights[6] = {1, 1, 1, 2, 2, 5};
	static const uint32_t limits[6] = {3, 3, 0, 1, 1, 2};
	struct service s;

	(void)state;
	service_open_limited(&s, weights, limits, 6);
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(take(&s, &nobody_tried), TG_VIEW_NONE);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(load_of(i), i == 2 ? 90 : limits[i]);
	OPS->release(s.worker, s.view, 4, backends.loads[4], &outcome);
	assert_int_equal(take(&s, &nobody_tried), 4);
	assert_int_equal(take(&s, &nobody_tried), 2);
	for (int i = 0; i < 2; i++)
		OPS->release(s.worker, s.view, 0, backends.loads[0], &outcome);
	assert_int_equal(take(&s, &nobody_tried), 0);
	assert_int_equal(take(&s, &nobody_tried), 0);
	assert_int_equal(take(&s, &nobody_tried), 2);
	service_close(&s);
}

/* A limit below what is in flight already: none until it is below. */
static void
lowered_limit_is_waited_for(void **state)
{
	static const uint32_t weights[2] = {1, 1};
	static const uint32_t high[2] = {10, 10};
	static const uint32_t low[2] = {2, 10};
	struct service s;

	(void)state;
	service_open_limited(&s, weights, high, 2);
	for (int i = 0; i < 10; i++)
		take(&s, &nobody_tried);
	assert_true(backends_limit(&backends, low));
	service_set(&s, weights);
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(&s, &nobody_tried), 1);
	assert_int_equal(take(&s, &nobody_tried), TG_VIEW_NONE);
	for (int i = 0; i < 3; i++) {
		OPS->release(s.worker, s.view, 0, backends.loads[0], &outcome);
		assert_int_equal(take(&s, &nobody_tried), TG_VIEW_NONE);
	}
	OPS->release(s.worker, s.view, 0, backends.loads[0], &outcome);
	assert_int_equal(take(&s, &nobody_tried), 0);
	assert_int_equal(take(&s, &nobody_tried), TG_VIEW_NONE);
	service_close(&s);
}

/* In-flight numbers far apart: as many buckets as backends, and no more. */
static void
every_backend_may_have_a_number_of_its_own(void **state)
{
	enum { N = TURNS(300) };
	static uint32_t weights[N];
	struct service s;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		weights[i] = 1;
	service_open(&s, weights, N);
	for (uint32_t i = 0; i < N; i++) {
		for (uint32_t k = 0; k < 7 * i; k++)
			assert_true(OPS->take(s.worker, s.view, s.view->entry_of[i]));
	}
	for (uint32_t k = 0; k < 7 * N * (N - 1) / 2; k++)
		take(&s, &nobody_tried);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(load_of(i), 7 * (N - 1));
	for (uint32_t i = 0; i < N; i++) {
		while (load_of(i) > (int64_t)i)
			OPS->release(s.worker, s.view, i, backends.loads[i], &outcome);
	}
	for (uint32_t i = 0; i < N - 1; i++) {
		for (uint32_t k = 0; k <= i; k++)
			assert_true(take(&s, &nobody_tried) <= i);
	}
	service_close(&s);
}

/* four threads, as workers are: nothing is asserted in them, only recorded */

#define THREADS    4
#define OF_THREADS 6
#define STEPS      TURNS(30000)
#define KEPT       350

struct worker_thread {
	pthread_t thread;
	struct balance *balance;
	const struct view *view;
	unsigned seed;
	uint32_t held[STEPS];
	size_t n_held;
	unsigned negative;
	unsigned refused;
};

static void
step_release(struct worker_thread *w)
{
	size_t k = (size_t)rand_r(&w->seed) % w->n_held;

	OPS->release(w->balance, w->view, w->held[k], backends.loads[w->held[k]], &outcome);
	w->held[k] = w->held[--w->n_held];
}

static void *
run_worker(void *arg)
{
	struct worker_thread *w = arg;
	struct balance_query query = {.n_tried = 0};

	for (int i = 0; i < STEPS; i++) {
		uint32_t entry;

		if (w->n_held > 0 && rand_r(&w->seed) % 2 == 0) {
			step_release(w);
			continue;
		}
		entry = OPS->pick(w->balance, w->view, &query);
		if (entry == TG_VIEW_NONE) {
			w->refused++;
			continue;
		}
		w->held[w->n_held++] = w->view->entries[entry].backend;
		for (uint32_t b = 0; b < OF_THREADS; b++)
			w->negative += load_of(b) < 0;
	}
	while (w->n_held > KEPT)
		step_release(w);
	while (w->n_held < KEPT) {
		uint32_t entry = OPS->pick(w->balance, w->view, &query);

		w->held[w->n_held++] = w->view->entries[entry].backend;
	}
	return NULL;
}

static struct worker_thread threads[THREADS];

static void
threads_start(const struct service *s)
{
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i] = (struct worker_thread){.view = s->view, .seed = i + 1};
		threads[i].balance = OPS->new (s->shared, i, THREADS, 0);
		assert_non_null(threads[i].balance);
		assert_int_equal(pthread_create(&threads[i].thread, NULL, run_worker, &threads[i]),
				 0);
	}
}

static void
threads_join(void)
{
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].negative, 0);
		assert_int_equal(threads[i].n_held, KEPT);
	}
}

/* What the threads hold is what is counted, backend by backend. */
static void
assert_counts_are_exact(void)
{
	int64_t held[OF_THREADS] = {0};

	for (int i = 0; i < THREADS; i++) {
		for (size_t k = 0; k < threads[i].n_held; k++)
			held[threads[i].held[k]]++;
	}
	for (uint32_t b = 0; b < OF_THREADS; b++)
		assert_int_equal(load_of(b), held[b]);
}

static void
threads_release_all(void)
{
	for (int i = 0; i < THREADS; i++) {
		for (size_t k = 0; k < threads[i].n_held; k++)
			OPS->release(threads[i].balance, threads[i].view, threads[i].held[k],
				     backends.loads[threads[i].held[k]], &outcome);
		OPS->free(threads[i].balance);
	}
	for (uint32_t b = 0; b < OF_THREADS; b++)
		assert_int_equal(load_of(b), 0);
}

static void
four_threads_count_exactly(void **state)
{
	static const uint32_t weights[OF_THREADS] = {1, 2, 3, 4, 5, 6};
	struct service s;

	(void)state;
	service_open(&s, weights, OF_THREADS);
	threads_start(&s);
	threads_join();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(threads[i].refused, 0);
	assert_counts_are_exact();
	threads_release_all();
	service_close(&s);
}

struct filler {
	pthread_t thread;
	struct balance *balance;
	const struct view *view;
};

static void *
fill(void *arg)
{
	struct filler *f = arg;
	struct balance_query query = {.n_tried = 0};

	for (int i = 0; i < 21 * 100; i++)
		OPS->pick(f->balance, f->view, &query);
	return NULL;
}

/* No worker picks by what another had a moment ago: together they fill to the last stream. */
static void
four_threads_fill_to_the_exact_share(void **state)
{
	static const uint32_t weights[OF_THREADS] = {1, 2, 3, 4, 5, 6};
	struct filler fillers[THREADS];
	struct service s;

	(void)state;
	service_open(&s, weights, OF_THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		fillers[i].view = s.view;
		fillers[i].balance = OPS->new (s.shared, i, THREADS, 0);
		assert_non_null(fillers[i].balance);
		assert_int_equal(pthread_create(&fillers[i].thread, NULL, fill, &fillers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(fillers[i].thread, NULL);
		OPS->free(fillers[i].balance);
	}
	for (uint32_t b = 0; b < OF_THREADS; b++)
		assert_int_equal(load_of(b), 400 * weights[b]);
	service_close(&s);
}

/* The control thread changes weights and takes backends away while workers pick. */
static void
views_may_change_under_the_threads(void **state)
{
	static const uint32_t all[OF_THREADS] = {1, 1, 1, 1, 1, 1};
	static const uint32_t changes[][OF_THREADS] = {
		{1, 0, 1, 0, 1, 0},
		{9, 1, 0, 0, 3, 3},
		{0, 0, 0, 0, 0, 1},
		{6, 5, 4, 3, 2, 1},
	};
	struct service s;

	(void)state;
	service_open(&s, all, OF_THREADS);
	threads_start(&s);
	for (int i = 0; i < 2000; i++) {
		struct view *view = backends_view(&backends, changes[i % 4]);

		assert_non_null(view);
		assert_int_equal(OPS->prepare(s.shared, view), 0);
		view_unref(view);
	}
	assert_int_equal(OPS->prepare(s.shared, s.view), 0);
	threads_join();
	assert_counts_are_exact();
	threads_release_all();
	service_close(&s);
}

#define TEST(name) cmocka_unit_test(name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_pick_is_the_least_loaded_per_weight),
		TEST(any_order_of_picks_and_releases_agrees_with_the_model),
		TEST(idle_equal_backends_take_turns),
		TEST(idle_backends_take_turns_by_weight),
		TEST(the_light_starve_never),
		TEST(who_was_busy_has_no_claim),
		TEST(released_load_is_seen_by_the_next_pick),
		TEST(tried_ones_are_left_out),
		TEST(load_is_kept_while_a_backend_is_away),
		TEST(worker_that_lags_behind_picks_what_both_know),
		TEST(worker_whose_whole_view_has_left_still_picks),
		TEST(ten_thousand_backends_fill_evenly),
		TEST(full_ones_are_passed_over_until_they_have_room),
		TEST(lowered_limit_is_waited_for),
		TEST(every_backend_may_have_a_number_of_its_own),
		TEST(four_threads_count_exactly),
		TEST(four_threads_fill_to_the_exact_share),
		TEST(views_may_change_under_the_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
