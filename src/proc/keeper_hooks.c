#include "proc/keeper_hooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "observe/counters.h"

#define END_MS    1500u  /* of the margin that the parent leaves for the end of a child */
#define QUIET_US  (UINT64_C(10) * 1000000) /* without a refusal, before one is news again */

/* Streams that were refused as hold is full, by slot of their service. */
struct refusals {
	uint64_t seen;
	struct mono last; /* unset: none yet */
};

/*** What happens ***/

void
keeper_hooks_scaled(void *user, const char *service, uint32_t from, uint32_t to, const char *why)
{
	struct keeper *k = user;
	struct hook_event event = {.event = to > from ? TG_HOOK_SCALE_UP : TG_HOOK_SCALE_DOWN,
				   .service = service,
				   .has_numbers = true,
				   .from = from,
				   .to = to,
				   .reason = why};

	hooks_tell(k->hooks, &event);
}

void
keeper_hooks_start_failed(void *user, const char *service, const char *backend, const char *why)
{
	struct keeper *k = user;
	struct hook_event event = {.event = TG_HOOK_START_FAILED,
				   .service = service,
				   .backend = backend,
				   .reason = why};

	hooks_tell(k->hooks, &event);
}

void
keeper_hooks_leads(void *user, const char *service, const char *instance, uint64_t epoch)
{
	struct keeper *k = user;
	char why[160];
	struct hook_event event = {
		.event = TG_HOOK_LEADER_CHANGE, .service = service, .reason = why};

	snprintf(why, sizeof(why), "%s leads, epoch %" PRIu64, instance, epoch);
	hooks_tell(k->hooks, &event);
}

static void
on_health(void *user, const struct conf_service *service, const struct conf_backend *backend,
	  bool is_up, const char *why)
{
	struct keeper *k = user;
	struct hook_event event = {.event = is_up ? TG_HOOK_BACKEND_UP : TG_HOOK_BACKEND_DOWN,
				   .service = service->name,
				   .backend = backend->name,
				   .reason = why};

	hooks_tell(k->hooks, &event);
}

/* That it is well is news after it was not. */
void
keeper_hooks_store(void *user, bool is_well, const char *why)
{
	struct keeper *k = user;
	struct hook_event event = {.event = is_well ? TG_HOOK_STORE_UP : TG_HOOK_STORE_DOWN,
				   .reason = why};
	bool is_news = is_well == k->is_store_lost;

	k->is_store_lost = !is_well;
	if (is_news)
		hooks_tell(k->hooks, &event);
}

static void
look_at_hold(struct keeper *k, const struct conf_service *service, struct mono now)
{
	struct refusals *r = &k->refusals[service->segment_slot];
	uint64_t all = segment_sum(k->segment, service->segment_slot,
				   TG_COUNTER_OF_END(TG_END_HOLD_FULL));
	uint64_t n = all > r->seen ? all - r->seen : 0;
	bool is_news = n > 0 && (!mono_is_set(r->last) || mono_diff_us(now, r->last) > QUIET_US);
	char why[96];
	struct hook_event event = {
		.event = TG_HOOK_HOLD_FULL, .service = service->name, .reason = why};

	r->seen = all;
	if (n > 0)
		r->last = now;
	if (!is_news)
		return;
	snprintf(why, sizeof(why), "%llu refused within a second, %u are held",
		 (unsigned long long)n, service->hold.requests);
	hooks_tell(k->hooks, &event);
}

void
keeper_hooks_tick(struct keeper *k)
{
	if (!hooks_want(k->hooks, TG_HOOK_HOLD_FULL))
		return;
	for (size_t i = 0; i < k->conf->n_services; i++)
		look_at_hold(k, &k->conf->services[i], loop_now(k->loop));
}

/*** Its life ***/

static bool
has_url(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_hooks; i++) {
		if (conf->hooks[i].url != NULL)
			return true;
	}
	return false;
}

/* NULL in *ret: no hook needs one. */
static int
start_resolver(struct keeper *k, const struct conf *conf, struct resolver **ret, struct err *err)
{
	*ret = NULL;
	return has_url(conf) ? names_start_resolver(k->loop, conf, ret, err) : 0;
}

/* What was refused before this keeper is no news. Slots that nobody used are not read: that would give them memory. */
static int
note_refusals(struct keeper *k)
{
	uint32_t n = segment_slots(k->segment);

	k->refusals = calloc(n, sizeof(k->refusals[0]));
	if (k->refusals == NULL)
		return -TG_ENOMEM;
	for (uint32_t i = 0; i < segment_used(k->segment); i++)
		if (atomic_load_explicit(&segment_entry(k->segment, i)->kind,
					 memory_order_acquire) == TG_SLOT_SERVICE)
			k->refusals[i].seen =
				segment_sum(k->segment, i, TG_COUNTER_OF_END(TG_END_HOLD_FULL));
	return 0;
}

int
keeper_hooks_start(struct keeper *k)
{
	struct resolver *resolver;
	struct err err;
	int rc = start_resolver(k, k->conf, &resolver, &err);

	if (rc == 0)
		rc = hooks_new(k->loop, k->conf, resolver, &k->hooks, &err);
	if (rc == 0 && note_refusals(k) < 0)
		rc = err_no_memory(&err);
	if (rc < 0) {
		log_write(TG_LOG_ERROR, "cannot start hooks", "reason=%s", err.text);
		return rc;
	}
	health_listen(k->health, on_health, k);
	k->source.hooks = k->hooks;
	return 0;
}

static void
on_ended(void *user)
{
	struct keeper *k = user;

	loop_stop(k->loop);
}

void
keeper_hooks_stop(struct keeper *k)
{
	hooks_end(k->hooks, END_MS, on_ended, k);
}

void
keeper_hooks_fini(struct keeper *k)
{
	if (k->health != NULL)
		health_listen(k->health, NULL, NULL);
	k->source.hooks = NULL;
	hooks_free(k->hooks);
	k->hooks = NULL;
	free(k->refusals);
	k->refusals = NULL;
}

int
keeper_hooks_prepare(struct keeper *k, struct conf *conf, struct hooks_next **ret, struct err *err)
{
	struct resolver *resolver = NULL;
	int rc = 0;

	if (!has_url(k->conf) || !names_has_same_servers(k->conf, conf))
		rc = start_resolver(k, conf, &resolver, err);
	return rc < 0 ? rc : hooks_prepare(k->hooks, conf, resolver, ret, err);
}
