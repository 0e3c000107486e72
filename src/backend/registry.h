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

/* Everything is "checking": views are empty. Services refer to `conf`, counted; borrows the segment.
 * NULL: no memory. */
struct registry *registry_new(struct conf *conf, struct segment *segment);
void registry_free(struct registry *registry); /* NULL allowed */

/* What the keeper observed, and what was ordered. "Checking" never replaces a verdict and the
 * address it was about, and what is not told stays ordered: a keeper that was started again stops
 * no traffic and starts none. A backend that is not known is none any more. -TG_EPROTO: no sense. */
TG_MUST_CHECK int registry_observe(struct registry *registry, const struct msg_backend *msg);

/* What the keeper said of who is held. A service that is not known is none any more. -TG_EPROTO: no sense. */
TG_MUST_CHECK int registry_refuse(struct registry *registry, const struct msg_refuse *msg);

/*
 * After registry_publish(): `tell` is called for each service of which somebody is held while nothing
 * of it is up, once until nobody is. False from it: it could not be told, and is again.
 */
void registry_tell_wanted(struct registry *registry, bool (*tell)(void *arg, uint32_t slot), void *arg);
/* Nobody knows any more what was told. */
void registry_forget_wanted(struct registry *registry);

/* Every backend has a verdict: it is known who may serve. */
bool registry_is_settled(const struct registry *registry);

/*
 * Looks who is ejected, who comes back and how far ramps are, and makes new views of
 * the services that changed since the last call. `publish` gets one reference of
 * each. -TG_ENOMEM: some services keep their old view and stay marked.
 */
TG_MUST_CHECK int registry_publish(struct registry *registry, struct mono now,
				   void (*publish)(void *arg, struct view *view), void *arg);
/* When registry_publish() has something to do even if nothing is observed; unset: never. */
struct mono registry_due(const struct registry *registry);
/* Before workers start: `alarm` is called in `loop` when a backend fails too often in a row, and when a first
 * stream is held, or a last one no more; then registry_publish() and registry_tell_wanted() are to be
 * called. */
void registry_watch(struct registry *registry, struct loop *loop, void (*alarm)(void *arg),
		    void *arg);

size_t registry_n_services(const struct registry *registry);
/* What the workers share of a service, by its place in the configuration. */
struct service_shared *registry_shared(const struct registry *registry, size_t service);
/*** Reload ***/

/* Another configuration, made beside the present one. */
struct registry_next;

/*
 * Services that are as they were are the same ones in both. `is_edited` [conf->n_services]: those that are
 * not, where orders have made `conf` of the present one; NULL: look. -TG_ENOMEM, -TG_EINVAL; -TG_EPROTO:
 * slots that are not there.
 */
TG_MUST_CHECK int registry_prepare(const struct registry *registry, struct conf *conf,
				   const bool *is_edited, struct registry_next **ret);
/* Of a service that is new, or not as it was; NULL: one that is as it was. */
struct service_shared *registry_next_shared(const struct registry_next *next, size_t service);
/* Of such a service: which of its backends the workers have by then. Until registry_drop(). */
const struct backends_kept *registry_next_kept(const struct registry_next *next, size_t service);
/*
 * Goes over to it; what is known of a backend, by its slot, it keeps. `publish` as in
 * registry_publish(), at least for all that are new; where no backend of one is known to be up, those
 * without a verdict are taken for it until they have one. What is left in `next` is what no service needs
 * any more, for registry_drop() when no worker uses it.
 */
TG_MUST_CHECK int registry_commit(struct registry *registry, struct registry_next *next,
				  struct mono now, void (*publish)(void *arg, struct view *view),
				  void *arg);
void registry_drop(struct registry_next *next); /* NULL allowed */

#endif
