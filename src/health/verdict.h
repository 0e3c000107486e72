/*
 * health/verdict.h: from passes and failures to up and down. Pure.
 *
 *	checking --pass--> up		the first verdict needs one check
 *	checking --fail--> down
 *	up   --`fall` failures in a row--> down
 *	down --`rise` passes in a row--> up
 */
#ifndef TG_HEALTH_VERDICT_H
#define TG_HEALTH_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "ipc/msg.h"

/* Storage is the caller's. */
struct verdict {
	enum backend_health state;
	unsigned run;	   /* checks in a row that speak against the state */
	struct mono since; /* when the state began */
	unsigned downs;	   /* times it went down after it was up */
	uint64_t down_us;  /* time spent down before the present state */
};

/* Back to `checking`; the history (downs, down_us) is kept. Zeroed storage is a fresh one. */
void verdict_restart(struct verdict *v, struct mono now);
/* Without checks: up. */
void verdict_force(struct verdict *v, enum backend_health state, struct mono now);
/* Other rules: what speaks against the state by now is not enough alone to end it. */
void verdict_rule(struct verdict *v, unsigned rise, unsigned fall);
/* One check came out. `rise` and `fall` are at least 1. True: the state changed. */
bool verdict_step(struct verdict *v, unsigned rise, unsigned fall, bool passed, struct mono now);
/* Time spent down until now. */
uint64_t verdict_down_us(const struct verdict *v, struct mono now);

/* "checking", "up", "down"; "?" outside the enum. */
const char *backend_health_str(unsigned state);

#endif
