#include "admin/cleared.h"

#include <string.h>

#include "observe/counters.h"

/* Of the counters of a slot, none has this one. */
#define CLEARED_EJECTIONS (TG_SEGMENT_COUNTERS - 1)

_Static_assert(TG_COUNTER_OF_END(TG_END_COUNT) <= CLEARED_EJECTIONS, "it is an end reason's");

/* Both sides of the segment are written by others: never below 0. */
static uint64_t
since(const struct admin_source *s, uint32_t slot, unsigned counter, uint64_t now)
{
	uint64_t then = segment_cleared(s->segment, slot, counter);

	return now > then ? now - then : 0;
}

static uint64_t
ejections(const struct admin_source *s, uint32_t slot)
{
	return source_gauge(&segment_shared(s->segment, slot)->ejections);
}

static struct segment_shared *
shared_of(const struct admin_source *s, size_t service, size_t backend)
{
	return segment_shared(s->segment, source_backend_slot(s, service, backend));
}

static uint64_t
since_gauge(uint64_t now, const _Atomic int64_t *cleared)
{
	uint64_t then = source_gauge(cleared);

	return now > then ? now - then : 0;
}

uint64_t
cleared_sum(const struct admin_source *s, uint32_t slot, unsigned counter)
{
	return since(s, slot, counter, segment_sum(s->segment, slot, counter));
}

uint64_t
cleared_ejections(const struct admin_source *s, uint32_t slot)
{
	return since(s, slot, CLEARED_EJECTIONS, ejections(s, slot));
}

uint64_t
cleared_failures(const struct admin_source *s, size_t service, size_t backend)
{
	return since_gauge(health_status(s->health, (unsigned)service, (unsigned)backend)->failures,
			   &shared_of(s, service, backend)->checks_failed_cleared);
}

uint64_t
cleared_downs(const struct admin_source *s, size_t service, size_t backend)
{
	return since_gauge(
		health_status(s->health, (unsigned)service, (unsigned)backend)->verdict.downs,
		&shared_of(s, service, backend)->downs_cleared);
}

/* Workers only ever raise it: one that does so meanwhile is not undone. */
static void
restart_maximum(_Atomic int64_t *max, const _Atomic int64_t *gauge)
{
	int64_t seen = 0;
	int64_t now;

	if (atomic_exchange(max, 0) == 0)
		return;
	now = atomic_load(gauge);
	while (now > seen && !atomic_compare_exchange_weak(max, &seen, now))
		continue;
}

static void
clear_sums(struct admin_source *s, uint32_t slot)
{
	for (unsigned i = 0; i < CLEARED_EJECTIONS; i++)
		segment_set_cleared(s->segment, slot, i, segment_sum(s->segment, slot, i));
	segment_set_cleared(s->segment, slot, CLEARED_EJECTIONS, ejections(s, slot));
}

void
cleared_begin(struct admin_source *s, uint32_t slot)
{
	struct segment_load *load = segment_load(s->segment, slot);
	struct segment_shared *shared = segment_shared(s->segment, slot);

	clear_sums(s, slot);
	restart_maximum(&load->in_flight_max, &load->in_flight);
	restart_maximum(&shared->queued_max, &shared->queued);
	restart_maximum(&shared->held_max, &shared->held);
	atomic_store(&shared->checks_failed_cleared, 0);
	atomic_store(&shared->downs_cleared, 0);
}

void
cleared_set_maxima(struct admin_source *s)
{
	for (uint32_t slot = 0; slot < segment_used(s->segment); slot++) {
		struct segment_load *load = segment_load(s->segment, slot);
		struct segment_shared *shared = segment_shared(s->segment, slot);
		struct slot_rate *rate = &s->rates[slot];

		restart_maximum(&load->in_flight_max, &load->in_flight);
		restart_maximum(&shared->queued_max, &shared->queued);
		restart_maximum(&shared->held_max, &shared->held);
		memset(rate->max_per_s, 0, sizeof(rate->max_per_s));
		rate->gauge_max = 0;
	}
}

static void
clear_health(struct admin_source *s)
{
	for (size_t i = 0; i < s->conf->n_services; i++) {
		for (size_t j = 0; j < s->conf->services[i].n_backends; j++) {
			const struct health_status *h =
				health_status(s->health, (unsigned)i, (unsigned)j);

			atomic_store(&shared_of(s, i, j)->checks_failed_cleared,
				     (int64_t)h->failures);
			atomic_store(&shared_of(s, i, j)->downs_cleared, (int64_t)h->verdict.downs);
		}
	}
}

/* Slot 0 has what workers are, not what they did. */
void
cleared_set_sums(struct admin_source *s)
{
	for (uint32_t slot = 1; slot < segment_used(s->segment); slot++)
		clear_sums(s, slot);
	clear_health(s);
}
