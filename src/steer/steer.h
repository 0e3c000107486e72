/*
 * steer/steer.h: the administrative column: what operators ordered, backend by
 * backend and property by property. What is configured and what checks observe are
 * never written into it, nor it into them.
 *
 * Owned by the keeper. Orders are texts, as commands give them and the state file keeps
 * them; each has an author, a time and perhaps a reason, and remembers what was
 * configured when it was given.
 */
#ifndef TG_STEER_STEER_H
#define TG_STEER_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "ipc/msg.h"

#define TG_STEER_WHO_SIZE   64u
#define TG_STEER_WHY_SIZE   128u
#define TG_STEER_VALUE_SIZE 136u /* the longest is an address */

/* What can be ordered: word, and what is allowed. */
#define TG_STEER_PROPERTIES(X)                                                             \
	X(STATE, "state", "ready, drain or maint")                                         \
	X(WEIGHT, "weight", "0 to 256, or 0% to 25600% of the configured one")             \
	X(LIMIT, "maxconn", "0 to 1000000; 0: no limit")                                   \
	X(ADDR, "addr", "an address with its port, unix:/path, or configured")             \
	X(CHECK_PORT, "check-port", "0 to 65535; 0: as configured")                        \
	X(CHECKS, "checks", "on or off")

enum steer_property {
#define TG_STEER_ENUM(id, word, allowed) TG_STEER_##id,
	TG_STEER_PROPERTIES(TG_STEER_ENUM)
#undef TG_STEER_ENUM
	TG_STEER_PROPERTY_COUNT
};

/* The word; "?" outside the enum. */
const char *steer_property_str(enum steer_property property);
/* False: no such property. */
bool steer_property_find(const char *word, enum steer_property *ret);

/* Who orders, when, and why. A value. */
struct steer_note {
	struct wall when;
	char who[TG_STEER_WHO_SIZE];
	char why[TG_STEER_WHY_SIZE]; /* "": not said */
};

/* One order. A value. */
struct steer_order {
	struct steer_note note;
	char value[TG_STEER_VALUE_SIZE]; /* "": there is none */
	char was[TG_STEER_VALUE_SIZE];	 /* what was configured when it was given */
};

/* Of one backend. Zeroed: nothing is ordered. Read-only outside steer/. */
struct steer_entry {
	struct steer_order orders[TG_STEER_PROPERTY_COUNT];
	/* the same, worked out: */
	struct backend_order order; /* weight, limit, state; once told, told for good */
	struct addr addr;	    /* in place of the configured one; len 0: none */
	uint16_t check_port;	    /* 0: as configured */
	bool is_unchecked;	    /* checks rest */
};

struct steer;
struct steer_limits;
struct steer_scales;

/* The order of a backend is another one. Inside the call that changed it. */
typedef void steer_change_cb(void *user, unsigned service, unsigned backend,
			     enum steer_property property);

/* Owned by the caller; `conf` outlives it. NULL: no memory. */
struct steer *steer_new(const struct conf *conf, steer_change_cb *change, void *user);
void steer_free(struct steer *steer); /* NULL allowed */

/* That of which it is now: given to steer_new(), or by a reload (steer/carry.h). */
const struct conf *steer_conf(const struct steer *steer);
/* Indexes as in the configuration. Valid until something is ordered of it, a reload, or steer_free(). */
const struct steer_entry *steer_get(const struct steer *steer, unsigned service, unsigned backend);

/* Those of client connections: steer/limits.h. */
struct steer_limits *steer_limits(const struct steer *steer);
/* Those of services that are scaled: steer/scales.h. */
struct steer_scales *steer_scales(const struct steer *steer);

/* One backend. A value. */
struct steer_target {
	struct steer *steer;
	unsigned service;
	unsigned backend;
};

/* By their names; false: there is none. */
bool steer_find(struct steer *steer, const char *service, const char *backend,
		struct steer_target *ret);

/* -TG_EINVAL: the value is not allowed, with what is in `err`; -TG_EEXIST: what is configured excludes
 * it. Nothing changes then. */
TG_MUST_CHECK int steer_set(const struct steer_target *t, enum steer_property property,
			    const char *value, const struct steer_note *note, struct err *err);
/* What is configured, in the words of an order; "" where nothing is configured that an order could
 * contradict. */
void steer_configured(const struct conf *conf, unsigned service, unsigned backend,
		      enum steer_property property, char *buf, size_t size);
/* Whether there is an order that says something else than what is configured. */
bool steer_differs(const struct steer *steer, unsigned service, unsigned backend,
		   enum steer_property property);

/* What the proxy is told: the operator's word on weight and limit goes before the agent's; of the
 * states the stricter one counts; permilles multiply. `agent` may be NULL. */
struct backend_order steer_effective(const struct steer_entry *entry,
				     const struct backend_order *agent);

/* "ready", "drain", "maint". */
const char *steer_admin_str(enum backend_admin admin);

#endif
