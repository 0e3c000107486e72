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
	bool is_spare;    /* the same, as one of its spares */
	bool is_told;     /* workers know where it is, or that it is not served */
};

struct service_state {
	const struct conf_service *conf; /* that of shared */
	struct service_shared *shared;
	struct backend_state *backends; /* [conf->n_backends] */
	struct backends_kept kept; /* what a reload made it of; its arrays are the registry's */
	uint64_t n_views;          /* workers were told of; goes on over reloads */
	struct view *told[2]; /* the last one and that before: the last reference of one that workers
			       * leave is mostly ours, for freeing it takes longer than they have */
	bool changed;
	struct mono refused_until; /* as in struct msg_refuse */
	bool is_told;      /* that it is wanted */
	struct serving served;         /* as last published */
	struct mono next_ramp;         /* step of some backend; unset: none is on its way */
	struct mono next_compare;      /* of backends; unset: they are not */
	struct outlier_sample *before; /* [conf->n_backends]: the counters at the last comparison */
	struct outlier_history *histories; /* the same: what came between; NULL: they are not compared */
	unsigned newest;		   /* of these */
	unsigned n_ejected;
	struct mono next_end; /* of an ejection, at the earliest; unset: none is on */
	bool looks;           /* a row may eject somebody: all of them are looked at */
};

/* Which backend a slot is. */
struct place {
	struct service_state *service; /* NULL: none */
	uint32_t backend;
};

struct registry {
	struct segment *segment;
	struct service_state **services; /* in the order of the configuration */
	size_t n_services;
	struct place *places; /* by slot */
	struct loop *loop;    /* who hears alarms; NULL: nobody */
	void (*alarm)(void *arg);
	void *arg;
	struct alarm *held; /* of all services */
	struct trust_cache *trust; /* of all services, see tls/trust.h */
	size_t n_checking;
	bool has_settled; /* from then on, who comes comes back */
};

/*** registry_eject.c: passive health ***/

/* Nothing where the service ejects nobody. -TG_ENOMEM. */
TG_MUST_CHECK int eject_init(struct service_state *s);
void eject_fini(struct service_state *s);
/* Ends ejections and begins them; marks the service as changed. */
void eject_step(struct registry *r, struct service_state *s, struct mono now);
/* Another machine has its place: it is not to blame for what was. */
void eject_forget(struct service_state *s, size_t backend);
/* It was away: what it did before is not held against it, nor compared with. */
void eject_forget_history(struct service_state *s, size_t backend);
/* When to look next; unset: when somebody raises an alarm. */
struct mono eject_due(const struct service_state *s);
/* What was seen of a backend goes on to the next state of its service. */
void eject_inherit(struct service_state *s, size_t backend, const struct service_state *before,
		   size_t backend_before);

/* The earlier of the two; unset ones do not count. */
static inline struct mono
registry_earlier(struct mono a, struct mono b)
{
	if (!mono_is_set(a) || !mono_is_set(b))
		return mono_is_set(a) ? a : b;
	return a.us < b.us ? a : b;
}

#endif
