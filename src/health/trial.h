/*
 * health/trial.h: an address that a backend is to move to, checked while the
 * backend still serves where it is.
 *
 * Checked at once and then at the pace of the backend's checks until one passes; that
 * is told once. What fails is no verdict on the backend.
 */
#ifndef TG_HEALTH_TRIAL_H
#define TG_HEALTH_TRIAL_H

#include "health/check.h"
#include "health/pace.h"

struct trial;

/* One check passed, or (`reason` not NULL) the first one failed. From the loop, never inside
 * trial_start(). The trial may be freed inside. */
typedef void trial_cb(void *user, const char *reason);

/* Owned by the caller; `target` is copied, what it and the others point to outlives it. NULL: no
 * memory. */
struct trial *trial_start(struct lane_flow *flow, const struct pace_conf *pace,
			  const struct check_ops *ops, const struct check_target *target,
			  trial_cb *told, void *user);
/* The same backend and the same rules in another configuration. */
void trial_rebind(struct trial *trial, const struct conf_service *service,
		  const struct conf_backend *backend);
void trial_free(struct trial *trial); /* NULL allowed */

#endif
