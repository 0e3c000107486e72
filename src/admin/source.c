#include "admin/source.h"

#include <stdlib.h>
#include <string.h>

#include "admin/processes.h"
#include "observe/counters.h"

uint32_t
source_listener_slot(const struct admin_source *s, size_t listener)
{
	(void)s;
	return (uint32_t)(1 + listener);
}

uint32_t
source_service_slot(const struct admin_source *s, size_t service)
{
	return (uint32_t)(1 + s->conf->n_listeners + service);
}

uint32_t
source_backend_slot(const struct admin_source *s, size_t service, size_t backend)
{
	return s->backend_slots[service] + (uint32_t)backend;
}

uint32_t
source_service_id(const struct admin_source *s, size_t service)
{
	return (uint32_t)(TG_SOURCE_FIRST_ID + s->conf->n_listeners + service);
}

static bool
source_is_ejected(const struct admin_source *s, size_t service, size_t backend)
{
	uint32_t slot = source_backend_slot(s, service, backend);

	return source_gauge(&segment_shared(s->segment, slot)->ejected) != 0;
}

struct serving_state
source_serving_state(const struct admin_source *s, size_t service, size_t backend)
{
	unsigned i = (unsigned)service;
	unsigned j = (unsigned)backend;
	const struct health_status *h = health_status(s->health, i, j);
	const struct agent_status *agent = health_agent_status(s->health, i, j);

	return (struct serving_state){
		.health = h->verdict.state,
		.has_addr = h->has_addr,
		.is_ejected = source_is_ejected(s, service, backend),
		.record = h->record,
		.order = steer_effective(steer_get(s->steer, i, j),
					 agent != NULL ? &agent->order : NULL),
	};
}

static bool
is_kind(const struct admin_source *s, uint32_t slot, enum segment_kind kind)
{
	return atomic_load(&segment_entry(s->segment, slot)->kind) == (uint32_t)kind;
}

/* The first and the last slot of each kind are what the configuration says. */
static bool
is_of_conf(const struct admin_source *s)
{
	size_t listeners = s->conf->n_listeners;
	size_t services = s->conf->n_services;

	if (s->n_slots > segment_slots(s->segment) || !is_kind(s, 0, TG_SLOT_GLOBAL))
		return false;
	if (listeners > 0 && !is_kind(s, source_listener_slot(s, listeners - 1), TG_SLOT_LISTENER))
		return false;
	if (services > 0 && !is_kind(s, source_service_slot(s, services - 1), TG_SLOT_SERVICE))
		return false;
	return s->n_slots == source_service_slot(s, services) ||
	       is_kind(s, s->n_slots - 1, TG_SLOT_BACKEND);
}

int
source_init(struct admin_source *s, const struct conf *conf, struct segment *segment,
	    const struct health *health, struct steer *steer, struct mono now)
{
	*s = (struct admin_source){
		.conf = conf, .segment = segment, .health = health, .steer = steer};
	s->sampled = now;
	s->now = now;
	s->started.us = wall_read().us - mono_diff_us(mono_read(), segment_started(segment));
	s->booted = processes_boot();
	s->n_slots = source_service_slot(s, conf->n_services);
	s->backend_slots = calloc(conf->n_services + 1, sizeof(*s->backend_slots));
	if (s->backend_slots == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < conf->n_services; i++) {
		s->backend_slots[i] = s->n_slots;
		s->n_slots += (uint32_t)conf->services[i].n_backends;
	}
	s->rates = calloc(s->n_slots, sizeof(*s->rates));
	if (s->rates == NULL || !is_of_conf(s)) {
		int rc = s->rates == NULL ? -TG_ENOMEM : -TG_EPROTO;

		source_fini(s);
		return rc;
	}
	/* The numbers of a keeper before this one are no rate. */
	source_sample(s, now);
	for (uint32_t i = 0; i < s->n_slots; i++) {
		memset(s->rates[i].per_s, 0, sizeof(s->rates[i].per_s));
		memset(s->rates[i].max_per_s, 0, sizeof(s->rates[i].max_per_s));
	}
	return 0;
}

void
source_fini(struct admin_source *s)
{
	free(s->backend_slots);
	free(s->rates);
	s->backend_slots = NULL;
	s->rates = NULL;
}

static void
sample_counter(struct slot_rate *r, unsigned which, uint64_t now, uint64_t interval_us)
{
	uint64_t grown = now > r->before[which] ? now - r->before[which] : 0;

	r->before[which] = now;
	r->per_s[which] = grown * 1000000 / interval_us;
	if (r->per_s[which] > r->max_per_s[which])
		r->max_per_s[which] = r->per_s[which];
}

static void
sample_gauge(struct admin_source *s, uint32_t slot, uint64_t now)
{
	if (now > s->rates[slot].gauge_max)
		s->rates[slot].gauge_max = now;
}

void
source_sample(struct admin_source *s, struct mono now)
{
	uint64_t interval_us = mono_diff_us(now, s->sampled);
	uint32_t first_service = source_service_slot(s, 0);
	uint32_t first_backend = source_service_slot(s, s->conf->n_services);

	if (interval_us == 0)
		interval_us = 1;
	s->sampled = now;
	for (uint32_t slot = 0; slot < s->n_slots; slot++) {
		struct slot_rate *r = &s->rates[slot];
		unsigned streams = slot >= first_backend   ? (unsigned)TG_B_STREAMS
				   : slot >= first_service ? (unsigned)TG_S_STREAMS
							   : (unsigned)TG_L_STREAMS;

		sample_gauge(s, slot, source_in_flight(s, slot));
		sample_counter(r, TG_RATE_STREAMS, segment_sum(s->segment, slot, streams),
			       interval_us);
		if (slot > 0 && slot < first_service)
			sample_counter(r, TG_RATE_CONNECTIONS,
				       segment_sum(s->segment, slot, TG_L_CONNECTIONS),
				       interval_us);
	}
	for (size_t i = 0; i < s->conf->n_services; i++)
		sample_gauge(s, source_service_slot(s, i), source_service_in_flight(s, i));
}

size_t
source_n_backends(const struct admin_source *s)
{
	return s->n_slots - source_service_slot(s, s->conf->n_services);
}

bool
source_has_proxy(const struct admin_source *s)
{
	return s->has_proxy != NULL && s->has_proxy(s->proxy_user);
}

uint64_t
source_gauge(const _Atomic int64_t *gauge)
{
	int64_t n = atomic_load_explicit(gauge, memory_order_relaxed);

	return n > 0 ? (uint64_t)n : 0;
}

uint64_t
source_in_flight(const struct admin_source *s, uint32_t slot)
{
	return source_gauge(&segment_shared(s->segment, slot)->in_flight);
}

uint32_t
source_ramp_permille(const struct admin_source *s, size_t service, size_t backend)
{
	uint32_t slot = source_backend_slot(s, service, backend);
	uint64_t permille = source_gauge(&segment_shared(s->segment, slot)->ramp_permille);

	return permille > 0 && permille < 1000 ? (uint32_t)permille : 1000;
}

uint64_t
source_service_in_flight(const struct admin_source *s, size_t service)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->conf->services[service].n_backends; i++)
		sum += source_in_flight(s, source_backend_slot(s, service, i));
	return sum;
}

uint64_t
source_in_flight_max(const struct admin_source *s, uint32_t slot)
{
	uint64_t n = source_gauge(&segment_shared(s->segment, slot)->in_flight_max);

	return n > s->rates[slot].gauge_max ? n : s->rates[slot].gauge_max;
}

uint64_t
source_service_in_flight_max(const struct admin_source *s, size_t service)
{
	uint64_t most = source_in_flight_max(s, source_service_slot(s, service));

	for (size_t i = 0; i < s->conf->services[service].n_backends; i++) {
		uint64_t n = source_in_flight_max(s, source_backend_slot(s, service, i));

		if (n > most)
			most = n;
	}
	return most;
}
