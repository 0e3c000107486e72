#include "admin/source.h"

#include <stdlib.h>
#include <string.h>

#include "admin/cleared.h"
#include "admin/processes.h"
#include "ipc/msg.h"
#include "observe/counters.h"

uint32_t
source_listener_slot(const struct admin_source *s, size_t listener)
{
	return s->conf->listeners[listener].segment_slot;
}

uint32_t
source_service_slot(const struct admin_source *s, size_t service)
{
	return s->conf->services[service].segment_slot;
}

uint32_t
source_backend_slot(const struct admin_source *s, size_t service, size_t backend)
{
	return s->conf->services[service].backends[backend].segment_slot;
}

const char *
source_name(const struct admin_source *s, uint32_t slot, enum segment_kind kind)
{
	const char *name = slot_names_get(s->names, slot, kind);

	if (slot == TG_SESSION_NONE)
		return NULL;
	return name != NULL ? name : "<gone>";
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
		.health = h->state,
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
	return slot < segment_slots(s->segment) &&
	       atomic_load(&segment_entry(s->segment, slot)->kind) == (uint32_t)kind;
}

bool
source_fits(const struct admin_source *s, const struct conf *conf)
{
	if (!is_kind(s, 0, TG_SLOT_GLOBAL))
		return false;
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (!is_kind(s, conf->listeners[i].segment_slot, TG_SLOT_LISTENER))
			return false;
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		if (!is_kind(s, service->segment_slot, TG_SLOT_SERVICE))
			return false;
		for (size_t j = 0; j < service->n_backends; j++)
			if (!is_kind(s, service->backends[j].segment_slot, TG_SLOT_BACKEND))
				return false;
	}
	return true;
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
	if (!source_fits(s, conf))
		return -TG_EPROTO;
	s->n_slots = segment_slots(segment);
	s->rates = calloc(s->n_slots, sizeof(*s->rates));
	s->names = slot_names_new(s->n_slots);
	if (s->rates == NULL || s->names == NULL || slot_names_set(s->names, conf) < 0) {
		source_fini(s);
		return -TG_ENOMEM;
	}
	/* The numbers of a keeper before this one are no rate. */
	source_sample(s, now);
	for (uint32_t i = 0; i < segment_used(segment); i++) {
		memset(s->rates[i].per_s, 0, sizeof(s->rates[i].per_s));
		memset(s->rates[i].max_per_s, 0, sizeof(s->rates[i].max_per_s));
	}
	return 0;
}

void
source_fini(struct admin_source *s)
{
	free(s->rates);
	slot_names_free(s->names);
	s->names = NULL;
	s->rates = NULL;
}

/* Whatever was counted for another object that had the slot. */
static void
begin_slot(struct admin_source *s, uint32_t slot, unsigned streams)
{
	s->rates[slot] = (struct slot_rate){
		.before = {[TG_RATE_STREAMS] = segment_sum(s->segment, slot, streams),
			   [TG_RATE_CONNECTIONS] =
				   segment_sum(s->segment, slot, TG_L_CONNECTIONS)}};
	cleared_begin(s, slot);
}

static void
begin_service(struct admin_source *s, const struct conf_same *same,
	      const struct conf_service *service)
{
	if (conf_same_service(same, service) == NULL)
		begin_slot(s, service->segment_slot, TG_S_STREAMS);
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct conf_backend *backend = &service->backends[i];

		if (conf_same_backend(same, service, backend).service == NULL)
			begin_slot(s, backend->segment_slot, TG_B_STREAMS);
	}
}

int
source_prepare(struct admin_source *s, const struct conf_same *same)
{
	const struct conf *conf = same->next;

	for (size_t i = 0; i < conf->n_listeners; i++) {
		if (conf_same_listener(same, &conf->listeners[i]) == NULL)
			begin_slot(s, conf->listeners[i].segment_slot, TG_L_STREAMS);
	}
	for (size_t i = 0; i < conf->n_services; i++)
		begin_service(s, same, &conf->services[i]);
	return slot_names_set(s->names, conf);
}

void
source_commit(struct admin_source *s, const struct conf *conf)
{
	s->conf = conf;
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

static void
sample_slot(struct admin_source *s, uint32_t slot, unsigned streams, uint64_t interval_us)
{
	sample_gauge(s, slot, source_in_flight(s, slot));
	sample_counter(&s->rates[slot], TG_RATE_STREAMS, segment_sum(s->segment, slot, streams),
		       interval_us);
}

static void
sample_service(struct admin_source *s, size_t service, uint64_t interval_us)
{
	sample_slot(s, source_service_slot(s, service), TG_S_STREAMS, interval_us);
	for (size_t i = 0; i < s->conf->services[service].n_backends; i++)
		sample_slot(s, source_backend_slot(s, service, i), TG_B_STREAMS, interval_us);
	sample_gauge(s, source_service_slot(s, service), source_service_in_flight(s, service));
}

void
source_sample(struct admin_source *s, struct mono now)
{
	uint64_t interval_us = mono_diff_us(now, s->sampled);

	if (interval_us == 0)
		interval_us = 1;
	s->sampled = now;
	sample_slot(s, 0, TG_L_STREAMS, interval_us);
	for (size_t i = 0; i < s->conf->n_listeners; i++) {
		uint32_t slot = source_listener_slot(s, i);

		sample_slot(s, slot, TG_L_STREAMS, interval_us);
		sample_counter(&s->rates[slot], TG_RATE_CONNECTIONS,
			       segment_sum(s->segment, slot, TG_L_CONNECTIONS), interval_us);
	}
	for (size_t i = 0; i < s->conf->n_services; i++)
		sample_service(s, i, interval_us);
}

size_t
source_n_backends(const struct admin_source *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->conf->n_services; i++)
		n += s->conf->services[i].n_backends;
	return n;
}

const char *
source_host(const struct health_status *h, char *buf, size_t size)
{
	struct ip ip;

	if (!h->has_addr)
		return "-";
	if (addr_ip(&h->addr, &ip))
		ip_format(&ip, buf, size);
	else
		addr_format(&h->addr, buf, size);
	return buf;
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
	return source_gauge(&segment_load(s->segment, slot)->in_flight);
}

/* 0: none, or it is no listener's slot. */
static unsigned
configured_limit(const struct conf *conf, uint32_t slot)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		if (conf->listeners[i].segment_slot == slot)
			return conf->listeners[i].max_connections;
	}
	return 0;
}

uint64_t
source_limit(const struct admin_source *s, uint32_t slot)
{
	uint64_t all = source_gauge(&segment_shared(s->segment, 0)->limit);
	uint64_t own = source_gauge(&segment_shared(s->segment, slot)->limit);

	if (all == 0) {
		all = s->conf->max_connections;
		own = configured_limit(s->conf, slot);
	}
	return own != 0 ? own : all;
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
	uint64_t n = source_gauge(&segment_load(s->segment, slot)->in_flight_max);

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
