/*
 * backend/registry_priv.h: what the registry keeps of services and backends.
 */
#ifndef TG_BACKEND_REGISTRY_PRIV_H
#define TG_BACKEND_REGISTRY_PRIV_H

#include "backend/outlier.h"
#include "backend/registry.h"
#include "backend/serving.h"

struct backend_state {
	struct serving_state serving;
	struct addr addr;
	struct ejection ejection;
	struct mono ramp; /* when it came back; unset: it has its whole share */
	bool is_serving;  /* in the last view */
};

struct service_state {
	const struct conf_service *conf;
	const struct balance_ops *ops;
	struct backend_state *backends;
	struct segment_shared **loads;
	uint32_t first_slot; /* of its backends, in the segment */
	bool changed;
	struct serving served;         /* as last published */
	struct mono next_ramp;         /* step of some backend; unset: none is on its way */
	struct mono next_compare;      /* of backends; unset: they are not */
	struct outlier_sample *before; /* [conf->n_backends]: the counters at the last comparison */
};

struct registry {
	const struct conf *conf;
	struct segment *segment;
	struct service_state *services;
	struct service_shared *shared; /* [conf->n_services] */
	size_t n_checking;
	bool has_settled; /* from then on, who comes comes back */
};

/*** registry_eject.c: passive health ***/

/* Nothing where the service ejects nobody. -TG_ENOMEM. */
TG_MUST_CHECK int eject_init(struct service_state *s, struct service_shared *shared);
void eject_fini(struct service_state *s, struct service_shared *shared);
/* Ends ejections and begins them; marks the service as changed. */
void eject_step(struct registry *r, size_t service, struct mono now);
/* Another machine has its place: it is not to blame for what was. */
void eject_forget(struct registry *r, size_t service, size_t backend);
/* When to look next; unset: when somebody raises an alarm. */
struct mono eject_due(const struct service_state *s);

/* The earlier of the two; unset ones do not count. */
static inline struct mono
registry_earlier(struct mono a, struct mono b)
{
	if (!mono_is_set(a) || !mono_is_set(b))
		return mono_is_set(a) ? a : b;
	return a.us < b.us ? a : b;
}

#endif
