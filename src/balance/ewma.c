/*
 * balance/ewma.c: of two backends by chance, the one that will answer sooner.
 *
 * Peak-EWMA, as in Finagle and Linkerd: what a backend costs is its latency times
 * what it has in flight, per weight, and one more. The choices are by weight already, so
 * what is idle costs its latency alone, and of two that cost about the same the first
 * choice is had: chance keeps the shares of equals, however light. Known are a mean and a peak. The mean is drawn to each
 * latency by how long ago the last one was; a latency above it is a peak at once: slow is noticed in one answer, fast is
 * believed after some. Without answers both fade, so that a backend that was slow is asked again, and what the peak has above
 * the mean sooner: a single late answer is no verdict, but whoever is late again when it is asked has it in its mean. (Finagle
 * and Linkerd have the peak alone, and leave who was late once alone as long as who always is.) One never
 * measured counts as fast as whom it is compared with.
 *
 * What was learned is shared by all workers, without a lock: an answer that is lost between two workers is one of
 * many.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/plain_priv.h"
#include "balance/two_priv.h"

/* A failure costs as much as an answer this late: failing fast is not fast. */
#define FAILED_US 1e6
/* Costs that differ by less are the same: latencies are never equal. */
#define SAME 1.25

/* Microseconds. */
struct learned {
	float mean;
	float above; /* that, the peak was */
};

/* One word for all workers. */
union learned_word {
	struct learned learned;
	uint64_t word;
};

_Static_assert(sizeof(struct learned) == sizeof(uint64_t), "learned at once, or not at all");

struct latency {
	_Alignas(16) _Atomic uint64_t learned; /* union learned_word, as it was at `at` */
	_Atomic uint64_t at;                   /* 0: never measured */
};

struct balance_shared {
	double decay_us;
	unsigned char *latencies; /* by index of the backend, see base/lone.h */
};

struct comparison {
	const struct balance_shared *shared;
	struct mono now;
};

static struct latency *
latency_of(const struct balance_shared *s, uint32_t backend)
{
	return (void *)(s->latencies + lone_at(backend, sizeof(struct latency)));
}

static void
ewma_shared_free(struct balance_shared *s)
{
	if (s == NULL)
		return;
	free(s->latencies);
	free(s);
}

static struct balance_shared *
ewma_shared_new(const struct conf_service *conf, struct segment_load *const *loads)
{
	struct balance_shared *s = calloc(1, sizeof(*s));
	uint32_t n = (uint32_t)conf->n_backends;

	(void)loads;
	if (s == NULL)
		return NULL;
	s->decay_us = (double)conf->ewma_decay_ms * 1000;
	s->latencies = aligned_alloc(TG_CACHELINE, lone_bytes(n + 1, sizeof(struct latency)));
	if (s->latencies == NULL) {
		ewma_shared_free(s);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++) {
		atomic_init(&latency_of(s, i)->learned, 0);
		atomic_init(&latency_of(s, i)->at, 0);
	}
	return s;
}

static struct learned
learned_of(const struct latency *l)
{
	union learned_word w = {.word = atomic_load_explicit(&l->learned, memory_order_relaxed)};

	return w.learned;
}

/* A peak fades four times as fast. */
static double
fade_peak(double left)
{
	double half = left * left;

	return half * half;
}

/* What is left at `now` of what was learned at `at`. */
static double
fade(const struct balance_shared *s, struct mono now, uint64_t at)
{
	return exp(-(double)mono_diff_us(now, (struct mono){.us = at}) / s->decay_us);
}

/* What is in flight counts by the weight in parts of `mean`, that of the two. Not below a
 * microsecond, so that it counts always. */
static double
cost_of(const struct comparison *c, const struct view_entry *e, double mean, uint64_t at)
{
	struct learned l = learned_of(latency_of(c->shared, e->backend));
	double left = fade(c->shared, c->now, at);

	return ((double)l.mean * left + (double)l.above * fade_peak(left) + 1) *
	       ((double)two_in_flight(e) * mean / (double)e->weight + 1);
}

static bool
is_faster(const void *arg, const struct view *view, uint32_t a, uint32_t b)
{
	const struct comparison *c = arg;
	const struct view_entry *x = &view->entries[a];
	const struct view_entry *y = &view->entries[b];
	double mean = ((double)x->weight + (double)y->weight) / 2;
	uint64_t x_at;
	uint64_t y_at;

	x_at = atomic_load_explicit(&latency_of(c->shared, x->backend)->at, memory_order_relaxed);
	y_at = atomic_load_explicit(&latency_of(c->shared, y->backend)->at, memory_order_relaxed);
	if (x_at == 0 || y_at == 0)
		return two_is_less_loaded(view, a, b);
	return cost_of(c, x, mean, x_at) <= SAME * cost_of(c, y, mean, y_at);
}

static uint32_t
ewma_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	struct comparison c = {.shared = b->shared, .now = query->now};

	return two_pick(&b->ahead, view, query, is_faster, &c);
}

/* When the last one before was; time does not go back when workers disagree on it. */
static uint64_t
set_time(struct latency *l, struct mono now)
{
	uint64_t at = atomic_load_explicit(&l->at, memory_order_relaxed);

	while (at < now.us &&
	       !atomic_compare_exchange_weak_explicit(&l->at, &at, now.us, memory_order_relaxed,
						      memory_order_relaxed))
		continue;
	return at;
}

static void
learn(const struct balance_shared *s, struct latency *l, double us, struct mono now)
{
	double left = fade(s, now, set_time(l, now));
	union learned_word before = {.learned = learned_of(l)};
	union learned_word after;

	do {
		double mean = (double)before.learned.mean * left + us * (1 - left);
		double above = fmax(us - mean, (double)before.learned.above * fade_peak(left));

		after.learned = (struct learned){.mean = (float)mean, .above = (float)above};
	} while (!atomic_compare_exchange_weak_explicit(
		&l->learned, &before.word, after.word, memory_order_relaxed, memory_order_relaxed));
}

/* A failure is never better than what was known. */
static double
failed_us(const struct latency *l, double us)
{
	struct learned known = learned_of(l);

	return fmax(fmax(us, FAILED_US), (double)known.mean + (double)known.above);
}

static void
ewma_release(struct balance *b, const struct view *view, uint32_t backend,
	     struct segment_load *load, const struct balance_outcome *outcome)
{
	struct balance_shared *s = b->shared;
	struct latency *l = latency_of(s, backend);

	balance_load_release(view, backend, load);
	if (outcome->failed)
		learn(s, l, failed_us(l, (double)outcome->latency_us), outcome->now);
	else if (outcome->latency_us != 0)
		learn(s, l, (double)outcome->latency_us, outcome->now);
}

static void
ewma_inherit(struct balance_shared *to, uint32_t to_backend, const struct balance_shared *from,
	     uint32_t from_backend)
{
	const struct latency *l = latency_of(from, from_backend);
	struct latency *heir = latency_of(to, to_backend);

	atomic_store_explicit(&heir->learned, atomic_load_explicit(&l->learned, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&heir->at, atomic_load_explicit(&l->at, memory_order_relaxed),
			      memory_order_relaxed);
}

const struct balance_ops balance_ewma = {
	.name = "ewma",
	.id = TG_BALANCE_EWMA,
	.shared_new = ewma_shared_new,
	.shared_free = ewma_shared_free,
	.prepare = plain_prepare_alias,
	.new = plain_new,
	.free = plain_free,
	.update = plain_update,
	.pick = ewma_pick,
	.take = plain_take,
	.release = ewma_release,
	.inherit = ewma_inherit,
};
