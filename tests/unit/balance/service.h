/* A balancer of any algorithm with up to eight workers, as registry and workers use it. */
#ifndef TG_TESTS_UNIT_BALANCE_SERVICE_H
#define TG_TESTS_UNIT_BALANCE_SERVICE_H

#include "unit/balance/views.h"

#define WORKERS_MAX 8

struct service {
	const struct balance_ops *ops;
	struct backends *backends;
	struct balance_shared *shared;
	struct view *view;
	unsigned n_workers;
	struct balance *workers[WORKERS_MAX];
};

/* `backends` is ready: limits and configuration set. */
static inline void
service_open(struct service *s, const struct balance_ops *ops, struct backends *backends,
	     const uint32_t *weights, unsigned n_workers, uint64_t seed)
{
	*s = (struct service){.ops = ops, .backends = backends, .n_workers = n_workers};
	s->shared = ops->shared_new(&backends->conf, backends->loads);
	assert_non_null(s->shared);
	s->view = backends_view(backends, weights);
	assert_non_null(s->view);
	assert_int_equal(ops->prepare(s->shared, s->view), 0);
	for (unsigned i = 0; i < n_workers; i++) {
		s->workers[i] = ops->new (s->shared, i, n_workers, seed + i);
		assert_non_null(s->workers[i]);
		assert_int_equal(ops->update(s->workers[i], s->view), 0);
	}
}

static inline void
service_close(struct service *s)
{
	for (unsigned i = 0; i < s->n_workers; i++)
		s->ops->free(s->workers[i]);
	view_unref(s->view);
	s->ops->shared_free(s->shared);
	backends_fini(s->backends);
}

/* A view that is prepared, and no worker has yet. The caller's. */
static inline struct view *
service_prepare(struct service *s, const uint32_t *weights)
{
	struct view *view = backends_view(s->backends, weights);

	assert_non_null(view);
	assert_int_equal(s->ops->prepare(s->shared, view), 0);
	return view;
}

static inline void
service_set(struct service *s, const uint32_t *weights)
{
	struct view *view = service_prepare(s, weights);

	view_unref(s->view);
	s->view = view;
	for (unsigned i = 0; i < s->n_workers; i++)
		assert_int_equal(s->ops->update(s->workers[i], view), 0);
}

/* The backend that was picked, its load taken; TG_VIEW_NONE: none. */
static inline uint32_t
service_pick(struct service *s, unsigned worker, struct balance_query *query)
{
	uint32_t entry = s->ops->pick(s->workers[worker], s->view, query);
	uint32_t backend;

	if (entry == TG_VIEW_NONE)
		return TG_VIEW_NONE;
	assert_true(entry < s->view->n);
	backend = s->view->entries[entry].backend;
	assert_int_equal(s->view->entry_of[backend], entry);
	assert_false(balance_is_tried(query, backend));
	return backend;
}

static inline void
service_release(struct service *s, unsigned worker, uint32_t backend)
{
	static const struct balance_outcome outcome = {.now = {1}};

	s->ops->release(s->workers[worker], s->view, backend, s->backends->loads[backend],
			&outcome);
}

/* Picks and gives back at once. */
static inline uint32_t
service_next(struct service *s, unsigned worker, struct balance_query *query)
{
	uint32_t backend = service_pick(s, worker, query);

	if (backend != TG_VIEW_NONE)
		service_release(s, worker, backend);
	return backend;
}

/* Within `permille` and `turns` of what the weight says. */
static inline void
assert_share(const char *name, size_t i, uint64_t got, uint64_t picks, uint64_t weight,
	     uint64_t all, double permille, double turns)
{
	double expected = (double)picks * (double)weight / (double)all;
	double off = (double)got - expected;
	double allowed = expected * permille / 1000 + turns;

	if (off > allowed || off < -allowed)
		fail_msg("%s: backend %zu of weight %llu got %llu of %llu, expected %.1f", name, i,
			 (unsigned long long)weight, (unsigned long long)got,
			 (unsigned long long)picks, expected);
}

#endif
