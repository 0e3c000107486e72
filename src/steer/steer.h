/*
 * steer/steer.h: the administrative column: what operators ordered, backend by
 * backend. What is configured and what checks observe are never written into it,
 * nor it into them.
 *
 * Owned by the keeper. Every change has an author, a time and perhaps a reason;
 * the last of each backend is kept.
 */
#ifndef TG_STEER_STEER_H
#define TG_STEER_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "ipc/msg.h"

#define TG_STEER_WHO_SIZE 64u
#define TG_STEER_WHY_SIZE 128u

/* Who orders, when, and why. A value. */
struct steer_note {
	struct wall when;
	char who[TG_STEER_WHO_SIZE]; /* "" : nobody, there was no order */
	char why[TG_STEER_WHY_SIZE]; /* "" : not said */
};

/* Of one backend. Zeroed: nothing is ordered. Read-only outside steer/. */
struct steer_entry {
	struct backend_order order; /* weight, limit, state; once told, told for good */
	struct addr addr;	    /* in place of the configured one; len 0: none */
	uint16_t check_port;	    /* 0: as configured */
	bool is_unchecked;	    /* checks rest */
	struct steer_note last;
};

struct steer;

/* The order of a backend is another one. Inside the call that changed it. */
typedef void steer_change_cb(void *user, unsigned service, unsigned backend);

/* Owned by the caller; `conf` outlives it. NULL: no memory. */
struct steer *steer_new(const struct conf *conf, steer_change_cb *change, void *user);
void steer_free(struct steer *steer); /* NULL allowed */

/* Indexes as in the configuration. Valid until steer_free(). */
const struct steer_entry *steer_get(const struct steer *steer, unsigned service, unsigned backend);

/* One backend, for the functions below. A value. */
struct steer_target {
	struct steer *steer;
	unsigned service;
	unsigned backend;
	const struct steer_note *note;
};

void steer_set_admin(const struct steer_target *t, enum backend_admin admin);
/* 0..TG_ORDER_WEIGHT_MAX in place of the configured weight. */
void steer_set_weight(const struct steer_target *t, uint32_t weight);
/* The configured weight times this: 0..TG_ORDER_WEIGHT_PERMILLE_MAX. */
void steer_set_weight_permille(const struct steer_target *t, uint32_t permille);
/* Streams at a time; 0: no limit; TG_ORDER_AS_CONF. */
void steer_set_limit(const struct steer_target *t, uint32_t limit);
/* len 0: as configured. */
void steer_set_addr(const struct steer_target *t, const struct addr *addr);
void steer_set_check_port(const struct steer_target *t, uint16_t port);
void steer_set_checked(const struct steer_target *t, bool is_checked);

/* What the proxy is told: the operator's word on weight and limit goes before the agent's; of the
 * states the stricter one counts; permilles multiply. `agent` may be NULL. */
struct backend_order steer_effective(const struct steer_entry *entry,
				     const struct backend_order *agent);

/* "ready", "drain", "maint". */
const char *steer_admin_str(enum backend_admin admin);

#endif
