#include "sample/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "observe/counters.h"
#include "observe/histogram.h"
#include "observe/spread.h"

#define P50 500u
#define P95 950u
#define P99 990u

/* What grows of one slot. */
struct counted {
	uint64_t streams;
	uint64_t ended;
	uint64_t total_us;
	uint64_t queue_us;
	uint64_t answered; /* with any status */
	uint64_t fives;
	uint64_t cut;    /* after their status */
	uint64_t failed; /* those that were cut too */
};

/* The times of a service. */
struct times {
	struct histogram total;
	struct histogram queue;
};

/* A slot at its last sample. */
struct slot_before {
	uint64_t who; /* a hash of whose it is; 0: nobody's */
	struct mono at;
	struct counted counted;
	struct times *times; /* of a service; NULL: not yet, or no memory */
	struct spread *spread; /* of a backend; the same */
};

struct sampler {
	struct segment *segment;
	uint32_t n_slots;
	uint32_t n_seen; /* none at or beyond it was looked at: memory that was never touched */
	struct slot_before *slots;
};

const struct backend_sample backend_sample_unknown = {
	.in_flight = NAN,
	.arrivals = NAN,
	.completions = NAN,
	.errors = NAN,
	.service_time = NAN,
	.service_p50 = NAN,
	.service_p95 = NAN,
	.service_p99 = NAN,
	.cpu = NAN,
	.memory = NAN,
};

const struct service_sample service_sample_unknown = {
	.in_flight = NAN,
	.queued = NAN,
	.arrivals = NAN,
	.completions = NAN,
	.errors = NAN,
	.service_time = NAN,
	.service_p95 = NAN,
	.queue_time = NAN,
	.queue_p95 = NAN,
	.cpu = NAN,
	.memory = NAN,
};

struct sampler *
sampler_new(struct segment *segment)
{
	struct sampler *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->segment = segment;
	s->n_slots = segment_slots(segment);
	s->slots = calloc(s->n_slots, sizeof(*s->slots));
	if (s->slots == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static void
forget_slot(struct slot_before *before)
{
	free(before->times);
	free(before->spread);
	*before = (struct slot_before){.who = 0};
}

void
sampler_free(struct sampler *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->n_seen; i++)
		forget_slot(&s->slots[i]);
	free(s->slots);
	free(s);
}

/*** Whose a slot is ***/

static uint64_t
service_identity(const struct conf_service *service)
{
	return hash_bytes(service->name, strlen(service->name), 0) | 1;
}

static uint64_t
backend_identity(uint64_t service, const struct conf_backend *backend)
{
	return hash_bytes(backend->name, strlen(backend->name), service) | 1;
}

static void
mark_kept(const struct sampler *s, uint64_t *kept, uint32_t slot, uint64_t who)
{
	if (slot < s->n_slots)
		kept[slot] = who;
}

static void
mark_service(const struct sampler *s, uint64_t *kept, const struct conf_service *service)
{
	uint64_t who = service_identity(service);

	mark_kept(s, kept, service->segment_slot, who);
	for (size_t i = 0; i < service->n_backends; i++)
		mark_kept(s, kept, service->backends[i].segment_slot,
			  backend_identity(who, &service->backends[i]));
}

void
sampler_reload(struct sampler *s, const struct conf *conf)
{
	uint64_t *kept = calloc(s->n_slots, sizeof(*kept));

	/* Nothing wrong is told without: a slot is compared when it is sampled, too. */
	if (kept == NULL)
		return;
	for (size_t i = 0; i < conf->n_services; i++)
		mark_service(s, kept, &conf->services[i]);
	for (uint32_t i = 0; i < s->n_seen; i++) {
		if (s->slots[i].who != 0 && s->slots[i].who != kept[i])
			forget_slot(&s->slots[i]);
	}
	free(kept);
}

/*** Counting ***/

static void
read_counters(const struct sampler *s, uint32_t slot, uint64_t *ret)
{
	for (unsigned i = 0; i < TG_COUNTER_END + TG_END_COUNT; i++)
		ret[i] = segment_sum(s->segment, slot, i);
}

/* Without one in time, or for want of one. */
static bool
fails_service(enum end_reason reason)
{
	return end_reason_is_backends(reason) || reason == TG_END_NO_BACKEND ||
	       reason == TG_END_QUEUE_FULL || reason == TG_END_QUEUE_TIMEOUT ||
	       reason == TG_END_QUEUE_SHED || reason == TG_END_TOTAL_TIMEOUT ||
	       reason == TG_END_DEADLINE || reason == TG_END_NO_RESOURCE;
}

static bool
is_cut(enum end_reason reason)
{
	return reason == TG_END_ANSWER_CUT || reason == TG_END_BACK_IDLE_TIMEOUT;
}

/* Its status was counted already. */
static bool
fails_backend(enum end_reason reason)
{
	return end_reason_is_backends(reason) && reason != TG_END_BAD_STATUS;
}

static void
count_ends(const uint64_t *n, bool (*fails)(enum end_reason reason), struct counted *ret)
{
	for (unsigned i = 0; i < TG_END_COUNT; i++) {
		uint64_t ended = n[TG_COUNTER_OF_END(i)];

		ret->ended += ended;
		if (fails((enum end_reason)i))
			ret->failed += ended;
		if (is_cut((enum end_reason)i))
			ret->cut += ended;
	}
}

static struct counted
count_service(const struct sampler *s, uint32_t slot)
{
	uint64_t n[TG_SEGMENT_COUNTERS] = {0};
	struct counted c = {.streams = 0};

	read_counters(s, slot, n);
	c.streams = n[TG_S_STREAMS];
	c.total_us = n[TG_S_TIME_TOTAL_US];
	c.queue_us = n[TG_S_TIME_QUEUE_US];
	c.fives = n[TG_S_STATUS_5XX];
	for (unsigned i = TG_S_STATUS_1XX; i <= TG_S_STATUS_5XX; i++)
		c.answered += n[i];
	count_ends(n, fails_service, &c);
	return c;
}

static struct counted
count_backend(const struct sampler *s, uint32_t slot)
{
	uint64_t n[TG_SEGMENT_COUNTERS] = {0};
	struct counted c = {.streams = 0};

	read_counters(s, slot, n);
	c.streams = n[TG_B_STREAMS];
	c.total_us = n[TG_B_TIME_TOTAL_US];
	c.fives = n[TG_B_STATUS_5XX];
	count_ends(n, fails_backend, &c);
	return c;
}

static bool
went_back(const struct counted *now, const struct counted *before)
{
	return now->streams < before->streams || now->ended < before->ended ||
	       now->total_us < before->total_us || now->queue_us < before->queue_us ||
	       now->answered < before->answered || now->fives < before->fives ||
	       now->cut < before->cut || now->failed < before->failed;
}

static struct counted
grown(const struct counted *now, const struct counted *before)
{
	return (struct counted){
		.streams = now->streams - before->streams,
		.ended = now->ended - before->ended,
		.total_us = now->total_us - before->total_us,
		.queue_us = now->queue_us - before->queue_us,
		.answered = now->answered - before->answered,
		.fives = now->fives - before->fives,
		.cut = now->cut - before->cut,
		.failed = now->failed - before->failed,
	};
}

/* What of it happened since the slot was looked at; false: that is not known. Looked at it is in any case. */
static bool
step(struct sampler *s, uint32_t slot, uint64_t who, struct mono now, const struct counted *counted,
     struct counted *ret, uint64_t *ret_us)
{
	struct slot_before *before = &s->slots[slot];
	bool is_known = before->who == who && mono_diff_us(now, before->at) > 0 &&
			!went_back(counted, &before->counted);

	if (is_known) {
		*ret = grown(counted, &before->counted);
		*ret_us = mono_diff_us(now, before->at);
	} else {
		forget_slot(before);
	}
	if (slot >= s->n_seen)
		s->n_seen = slot + 1;
	before->who = who;
	before->at = now;
	before->counted = *counted;
	return is_known;
}

static double
per_second(uint64_t n, uint64_t us)
{
	return (double)n * 1e6 / (double)us;
}

static double
mean_seconds(uint64_t us, uint64_t n)
{
	return n > 0 ? (double)us / 1e6 / (double)n : NAN;
}

static double
gauge(const _Atomic int64_t *g)
{
	int64_t n = atomic_load_explicit(g, memory_order_relaxed);

	/* A process that died may have left it below. */
	return n > 0 ? (double)n : 0;
}

/*** Times ***/

double
sample_p95(const struct histogram *now, const struct histogram *before)
{
	uint64_t counts[TG_SEGMENT_BUCKETS];
	uint64_t us;

	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS; i++) {
		if (now->buckets[i] < before->buckets[i])
			return NAN;
		counts[i] = now->buckets[i] - before->buckets[i];
	}
	if (counts[TG_SEGMENT_BUCKETS - 1] == 0)
		return NAN;
	us = histogram_percentile_us(histogram_bounds_us, counts, TG_SEGMENT_BUCKETS, P95);
	if (us == UINT64_MAX)
		us = histogram_bounds_us[TG_SEGMENT_BUCKETS - 2];
	return (double)us / 1e6;
}

static void
take_times(struct sampler *s, uint32_t slot, bool is_known, struct service_sample *ret)
{
	struct slot_before *before = &s->slots[slot];
	struct times now = {
		.total = histogram_sum(s->segment, slot, TG_HISTOGRAM_TOTAL),
		.queue = histogram_sum(s->segment, slot, TG_HISTOGRAM_QUEUE),
	};

	if (before->times == NULL) {
		before->times = malloc(sizeof(*before->times));
	} else if (is_known) {
		ret->service_p95 = sample_p95(&now.total, &before->times->total);
		ret->queue_p95 = sample_p95(&now.queue, &before->times->queue);
	}
	if (before->times != NULL)
		*before->times = now;
}

static void
take_spread(struct sampler *s, uint32_t slot, bool is_known, struct backend_sample *ret)
{
	struct slot_before *before = &s->slots[slot];
	struct spread now = spread_sum(s->segment, slot);

	if (before->spread == NULL) {
		before->spread = malloc(sizeof(*before->spread));
	} else if (is_known) {
		ret->service_p50 = spread_percentile(before->spread, &now, P50);
		ret->service_p95 = spread_percentile(before->spread, &now, P95);
		ret->service_p99 = spread_percentile(before->spread, &now, P99);
	}
	if (before->spread != NULL)
		*before->spread = now;
}

static void
take_queue(const struct service_counts *c, struct service_sample *ret)
{
	ret->queue_time = mean_seconds(c->queue_us, c->ended);
	if (ret->queued > 0)
		return;
	if (isnan(ret->queue_time))
		ret->queue_time = 0;
	if (isnan(ret->queue_p95))
		ret->queue_p95 = 0;
}

void
service_sample_take(const struct service_counts *c, uint64_t us, struct service_sample *ret)
{
	ret->interval_us = us;
	ret->arrivals = per_second(c->streams, us);
	ret->completions = per_second(c->ended, us);
	ret->errors = per_second(c->errors, us);
	ret->service_time =
		mean_seconds(c->total_us > c->queue_us ? c->total_us - c->queue_us : 0, c->ended);
	take_queue(c, ret);
}

/*** A sample ***/

static uint64_t
service_errors(const struct counted *c)
{
	return c->answered > 0 ? c->fives + c->cut : c->failed;
}

static void
take_service(struct sampler *s, const struct conf_service *service, uint64_t who, struct mono now,
	     struct service_sample *ret)
{
	uint32_t slot = service->segment_slot;
	struct counted counted = count_service(s, slot);
	struct counted c;
	bool is_known;

	ret->queued = gauge(&segment_shared(s->segment, slot)->queued);
	is_known = step(s, slot, who, now, &counted, &c, &ret->interval_us);
	take_times(s, slot, is_known, ret);
	if (!is_known)
		return;
	service_sample_take(&(struct service_counts){.streams = c.streams,
						     .ended = c.ended,
						     .total_us = c.total_us,
						     .queue_us = c.queue_us,
						     .errors = service_errors(&c)},
			    ret->interval_us, ret);
}

static void
take_backend(struct sampler *s, uint32_t slot, uint64_t who, struct mono now,
	     struct backend_sample *ret)
{
	struct counted counted;
	struct counted c;
	uint64_t interval_us;
	bool is_known;

	*ret = backend_sample_unknown;
	if (slot >= s->n_slots)
		return;
	counted = count_backend(s, slot);
	ret->in_flight = gauge(&segment_load(s->segment, slot)->in_flight);
	is_known = step(s, slot, who, now, &counted, &c, &interval_us);
	take_spread(s, slot, is_known, ret);
	if (!is_known)
		return;
	ret->arrivals = per_second(c.streams, interval_us);
	ret->completions = per_second(c.ended, interval_us);
	ret->errors = per_second(c.fives + c.failed, interval_us);
	ret->service_time = mean_seconds(c.total_us, c.ended);
}

/* A mean over what is known. */
struct mean {
	double sum;
	unsigned n;
};

static void
mean_add(struct mean *m, double value)
{
	if (isnan(value))
		return;
	m->sum += value;
	m->n++;
}

static double
mean_of(const struct mean *m)
{
	return m->n > 0 ? m->sum / m->n : NAN;
}

static void
take_backends(struct sampler *s, const struct conf_service *service, uint64_t who, struct mono now,
	      const struct usage_rate *usages, struct service_sample *ret,
	      struct backend_sample *backends)
{
	struct mean cpu = {.n = 0};
	struct mean memory = {.n = 0};

	ret->in_flight = 0;
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct conf_backend *backend = &service->backends[i];
		struct backend_sample *sample = &backends[i];

		take_backend(s, backend->segment_slot, backend_identity(who, backend), now, sample);
		if (usages != NULL) {
			sample->cpu = usages[i].cpu;
			sample->memory = usages[i].memory;
		}
		if (!isnan(sample->in_flight))
			ret->in_flight += sample->in_flight;
		mean_add(&cpu, sample->cpu);
		mean_add(&memory, sample->memory);
	}
	ret->cpu = mean_of(&cpu);
	ret->memory = mean_of(&memory);
}

void
sampler_take(struct sampler *s, const struct conf_service *service, struct mono now,
	     const struct usage_rate *usages, struct service_sample *ret,
	     struct backend_sample *backends)
{
	uint64_t who = service_identity(service);

	*ret = service_sample_unknown;
	ret->at = now;
	take_backends(s, service, who, now, usages, ret, backends);
	if (service->segment_slot < s->n_slots)
		take_service(s, service, who, now, ret);
}
