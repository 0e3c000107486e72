/*
 * backend/registry.h: what the proxy knows of every backend, and the views made
 * of it. Owned by the control thread of the proxy; workers see views only.
 *
 * Columns are kept apart: configured (conf), recorded (SRV), administrative (a later
 * order), observed (told by the keeper).
 */
#ifndef TG_BACKEND_REGISTRY_H
#define TG_BACKEND_REGISTRY_H

#include "backend/view.h"
#include "backend/worker.h"
#include "ipc/msg.h"

struct registry;

/* Everything is "checking": views are empty. Borrows both. NULL: no memory. */
struct registry *registry_new(const struct conf *conf, struct segment *segment);
void registry_free(struct registry *registry); /* NULL allowed */

/* What the keeper observed, and what was ordered. "Checking" never replaces a verdict and the
 * address it was about, and what is not told stays ordered: a keeper that was started again stops
 * no traffic and starts none. -TG_EPROTO: names something that does not exist. */
TG_MUST_CHECK int registry_observe(struct registry *registry, const struct msg_backend *msg);

/* Every backend has a verdict: it is known who may serve. */
bool registry_is_settled(const struct registry *registry);

/*
 * Looks who is ejected, who comes back and how far ramps are, and makes new views of
 * the services that changed since the last call. `publish` gets one reference of
 * each. -TG_ENOMEM: some services keep their old view and stay marked.
 */
TG_MUST_CHECK int registry_publish(struct registry *registry, struct mono now,
				   void (*publish)(void *arg, uint32_t service, struct view *view),
				   void *arg);
/* When registry_publish() has something to do even if nothing is observed; unset: never. */
struct mono registry_due(const struct registry *registry);
/* Before workers start: `alarm` is called in `loop` when a backend fails too often in a row; then
 * registry_publish() is to be called. */
void registry_watch(struct registry *registry, struct loop *loop, void (*alarm)(void *arg),
		    void *arg);

/* [conf->n_services]: what the workers share of each service. */
const struct service_shared *registry_shared(const struct registry *registry);

#endif
