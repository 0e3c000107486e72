/*
 * sim/policy.h: one autoscaler at work: a module with its keys, the windows over what it saw, the guards, and what
 * was decided last. The module, the windows and the guards are those of the daemon: module/, store/history.h,
 * autoscale/decide.h; a key here is a key of `autoscale` there, and is checked by the same tables.
 */
#ifndef TG_SIM_POLICY_H
#define TG_SIM_POLICY_H

#include <stdio.h>

#include "autoscale/decide.h"
#include "sim/world.h"

#define TG_POLICY_SETTINGS_MAX 64u

/* What a policy is made of. A value; text is the caller's. */
struct policy_spec {
	const char *module;
	const char *const *settings; /* "key=value", NULL at the end; later ones replace earlier ones of the same key */
	const char *presets;         /* the same, separated by blanks, for keys that are not there; NULL: none */
	uint32_t concurrency;        /* requests a backend gets at a time */
	uint32_t min;                /* where no key says so */
	uint32_t max;
};

struct policy;

/* Freed with policy_free(). What is wrong names module, key and what is allowed. -TG_EINVAL, -TG_ENOMEM. */
TG_MUST_CHECK int policy_new(const struct policy_spec *spec, struct policy **ret, struct err *err);
void policy_free(struct policy *p); /* NULL allowed */

/* Each decision that is another than the one before goes there as a record (autoscale/record.h); NULL: nowhere. */
void policy_log(struct policy *p, FILE *out);

/* From one decision to the next. */
uint64_t policy_interval_us(const struct policy *p);
uint32_t policy_min(const struct policy *p);
uint32_t policy_max(const struct policy *p);
/* It begins with so many. */
void policy_begin(struct policy *p, uint32_t desired);
/* Takes a sample of the world and decides. -TG_ENOMEM, -TG_EIO: the log. */
TG_MUST_CHECK int policy_tick(struct policy *p, struct world *w, uint32_t *ret_desired,
			      struct err *err);

/* It, with its keys, takes the place of the module in another decision's input. Valid as long as the policy. */
void policy_judge(const struct policy *p, struct decide_input *in);

/* How often the number went another way than the time before: up after down, or down after up. */
uint32_t policy_reversals(const struct policy *p);
/* How often it changed. */
uint32_t policy_changes(const struct policy *p);

#endif
