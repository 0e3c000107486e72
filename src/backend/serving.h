/*
 * backend/serving.h: which backends of a service get streams, and how many. Pure.
 *
 * Columns make the answer: what is configured, what is ordered, what is observed, and
 * what the name's SRV record says of the address. None is ever written into another.
 */
#ifndef TG_BACKEND_SERVING_H
#define TG_BACKEND_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "ipc/msg.h"

/* Streams at a time; 0: no limit. */
uint32_t serving_limit(const struct conf_service *service, const struct conf_backend *backend,
		       const struct backend_order *order);

/* What is observed of one backend, what is ordered, and what its name says of it. */
struct serving_state {
	enum backend_health health;
	bool has_addr;
	bool is_ejected; /* by what happened to its streams */
	struct backend_order order;
	struct backend_record record;
};

/* The weight of the record, else the configured one, unless an order names another, times the
 * permille of an order; in units of which a weight of 1 has TG_WEIGHT_SCALE. At least 1 unless one of
 * them is 0, at most TG_WEIGHT_MAX. */
uint32_t serving_weight(const struct conf_backend *backend, const struct serving_state *state);

/* Of backups, as configured; a primary whose record has not the lowest priority is of the first. 0: none. */
unsigned serving_tier(const struct conf_backend *backend, const struct serving_state *state);

/* A slot of a name that no address has now: it is nobody, neither wanted nor missed. */
bool serving_is_vacant(const struct conf_backend *backend, const struct serving_state *state);

/* Nothing configured or ordered speaks against new streams. */
bool serving_is_wanted(const struct conf_backend *backend, const struct serving_state *state);

/* The wanted backends of one service; zeroed first. */
struct serving_count {
	uint32_t wanted;   /* primaries */
	uint32_t checking; /* of these: no verdict yet */
	uint32_t located;  /* of these: with an address */
	uint32_t up;       /* of these: with an address, and up */
	uint32_t ejected;  /* of these that are up */
	uint32_t backups[TG_TIER_MAX + 1]; /* by tier: with an address, and up */
};
void serving_count_add(struct serving_count *count, const struct conf_backend *backend,
		       const struct serving_state *state);

/*
 * Who gets streams: the primaries that are up and not ejected. When these are none, or fewer than
 * health.fail_open wants and all have their verdict, the ejected too, which pass their checks after
 * all; when all that are up are still too few, those that are down too. When no primary is up and not
 * ejected, the lowest tier of backups that has some up, before all of that.
 */
struct serving {
	unsigned tier; /* 0: primaries */
	bool is_fail_open;
	bool has_ejected; /* they are used in spite of it */
	bool is_short;    /* there are some, and that is why */
	uint32_t n;
};
struct serving serving_decide(const struct serving_count *count, unsigned fail_open_percent);

/* Whether this one is among the n. */
bool serving_has(const struct serving *serving, const struct conf_backend *backend,
		 const struct serving_state *state);
/* Whether a retry may go there when all of the n have failed it: of a higher tier, up, and not ejected. */
bool serving_is_spare(const struct serving *serving, const struct conf_backend *backend,
		      const struct serving_state *state);

#endif
