/*
 * autoscale/decide.h: one decision: how many backends there should be.
 *
 * Pure: what a module proposes, and what guards make of it, follows from the input alone; the
 * input is recorded with it (autoscale/record.h), so that each can be made again.
 *
 *	proposal -> manual or paused -> idle, wake -> blind, store -> no-flap -> steps -> cooldowns,
 *	back-off -> min, max
 *
 * A number that an operator ordered passes as it is, beyond min and max too; a paused one passes
 * min and max alone. Who wakes a service from zero, or is below min, waits for no
 * cooldown. Capacity that is pending is credited everywhere: what is changed is the number that was decided
 * last, which it is part of.
 *
 * Idleness is what the proxy itself counted: after the idle time a service with min = 0 goes to
 * zero whatever its module knows, also one that is unsure for want of figures of backends. But for
 * that, nothing shrinks while the module is unsure, or while the store is not well.
 */
#ifndef TG_AUTOSCALE_DECIDE_H
#define TG_AUTOSCALE_DECIDE_H

#include "module/module.h"
#include "sample/sample.h"

/* Who changed the number on its way from the module's to the decision's. */
#define TG_GUARDS(X)                                                                               \
	X(MANUAL, "manual", "an operator ordered a number")                                        \
	X(PAUSED, "paused", "an operator paused it: the number stays")                             \
	X(IDLE, "idle", "to zero only after the idle time without a request")                      \
	X(WAKE, "wake", "a request is held for a service without backends")                        \
	X(BLIND, "blind", "figures are missing or stale: nothing is removed")                      \
	X(STORE, "store", "the store is not well: nothing is removed")                             \
	X(NO_FLAP, "no-flap", "those that stay would have too much: load < 1 - k/n")               \
	X(STEP_UP, "step-up", "at most so many more at once")                                      \
	X(STEP_DOWN, "step-down", "at most so many fewer at once")                                 \
	X(COOLDOWN_UP, "cooldown-up", "more only so long after the last change upwards")           \
	X(COOLDOWN_DOWN, "cooldown-down", "fewer only so long after the last change")              \
	X(BACKOFF, "back-off", "starts have failed: the next one is not due yet")                  \
	X(MIN, "min", "the fewest that are configured, schedules included")                        \
	X(MAX, "max", "the most that are configured")

enum guard {
#define TG_GUARD_ENUM(id, word, help) TG_GUARD_##id,
	TG_GUARDS(TG_GUARD_ENUM)
#undef TG_GUARD_ENUM
	TG_GUARD_COUNT
};
/* "manual", ...; "?" outside the enum. */
const char *guard_str(unsigned guard);

/* What does not come from samples. A value. */
struct decide_state {
	uint32_t step_up;          /* 0: no bound */
	uint32_t step_down;        /* the same */
	uint64_t cooldown_up_ms;
	uint64_t cooldown_down_ms;
	uint64_t idle_ms;          /* without a request, until min = 0 may be reached */
	bool has_manual;
	uint32_t manual;           /* scale S N */
	bool is_paused;
	bool is_dry_run;
	bool is_store_well;
	bool is_woken;             /* a request is held */
	bool has_up;               /* it was made larger before, at: */
	bool has_down;             /* the same, smaller */
	int64_t up_ms;             /* all on the clock of the snapshot */
	int64_t down_ms;
	int64_t active_ms;         /* the last time anything was in flight, queued or arrived, or that was not known */
	int64_t retry_ms;          /* after starts that failed: nothing is started before; 0: at once */
};

/* What only people are told, in the record: it decides nothing. */
struct decide_told {
	const struct backend_sample *samples; /* of the first backends of the snapshot; NULL: none */
	uint32_t n_samples;
	/* What the module looks at and is not known of some backends: of how many, and why; NULL: all is known. */
	const char *cpu_unknown;
	const char *memory_unknown;
	const char *instance; /* of tidegate; NULL: there is no other */
	uint64_t epoch;       /* the same: by which it leads */
};

/* Windows of the snapshot may be any: the module gets those it asks for, each by its span, or else the shortest one
 * that is longer, or else the longest; without any, empty ones. */
struct decide_input {
	const struct tg_module *module;
	const struct tg_value *values; /* by its options */
	struct tg_snapshot snapshot;
	struct decide_state state;
	struct decide_told told;
};

/* What became of a backend that was to be started: of the fleet, not of decide(). */
struct decision_place {
	char backend[64];
	char node[64];  /* "": of a kind that has one place, or nowhere */
	bool is_placed; /* else it waits */
	char why[128];
};

/* A value. */
struct decision {
	struct tg_proposal proposal; /* made sound: raw is always there, load is NAN or 0 and more, reason is printable */
	uint32_t desired; /* at last */
	struct {
		uint32_t by;   /* enum guard */
		uint32_t from;
		uint32_t to;
	} changes[TG_GUARD_COUNT]; /* in order; those that changed nothing are not there */
	unsigned n_changes;
	bool is_blind;
	const struct decision_place *places; /* the owner's, put here when it is done */
	size_t n_places;
	uint64_t took_us; /* in the module; the only part that is not the same when made again */
};

void decide(const struct decide_input *in, struct decision *ret);
/* What it proposed before anything bound it; NAN: nothing, or it was unsure. NULL: there is no decision. */
double decision_raw(const struct decision *d);
/* What is configured of it; the rest is unset. */
struct decide_state decide_state_of(const struct conf_autoscale *conf);

#endif
