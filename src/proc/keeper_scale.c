#include "proc/keeper_scale.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "net/resolver.h"
#include "proc/keeper_acme.h"
#include "proc/keeper_hooks.h"
#include "proc/keeper_share.h"
#include "proc/outlive.h"
#include "steer/scales.h"

#define STORE_CLOSE_MS   500u /* for what was put last */
#define OUTLIVE_MARGIN_S 5u   /* beyond the longest grace */

/*** What the scaler orders ***/

static struct reload_order
order_of(enum reload_what what, const char *service, const char *name)
{
	return (struct reload_order){
		.what = what,
		.when_us = wall_read().us,
		.who = TG_WHO_AUTOSCALE,
		.why = "",
		.service = service,
		.backend = name,
		.text = "",
		.is_enabled = true,
	};
}

static int
add(void *user, const char *service, const char *name, const struct addr *addr, const char *origin)
{
	struct keeper *k = user;
	struct reload_order order = order_of(RELOAD_ADD, service, name);
	char address[TG_ADDR_STRLEN];
	char text[TG_ADDR_STRLEN + TG_INSTANCE_NAME + 64];
	char why[TG_STORE_INSTANCE + 8];

	addr_format(addr, address, sizeof(address));
	snprintf(text, sizeof(text), "name = \"%s\"; address = \"%s\";", name, address);
	order.text = text;
	snprintf(why, sizeof(why), "%s%s", origin[0] != '\0' ? "of " : "", origin);
	order.why = why;
	return reloads_send_own(k->reloads, &order);
}

/* Another of that name may be the configuration's, or an operator's. */
static bool
is_ours(const struct keeper *k, const char *service, const char *name)
{
	struct steer_target t;

	return steer_find(k->steer, service, name, &t) &&
	       conf_backend_is_scaled(&k->conf->services[t.service].backends[t.backend]);
}

static int
take_out(void *user, const char *service, const char *name)
{
	struct keeper *k = user;
	struct reload_order order = order_of(RELOAD_DELETE, service, name);

	return reloads_send_own(k->reloads, &order);
}

static enum fleet_steer
steered(void *user, unsigned service, unsigned backend)
{
	const struct keeper *k = user;
	const struct steer_entry *entry = steer_get(k->steer, service, backend);

	if ((entry->order.told & TG_ORDER_ADMIN) == 0 || entry->order.admin == TG_ADMIN_READY)
		return TG_FLEET_STEER_NONE;
	return strcmp(entry->orders[TG_STEER_STATE].note.who, TG_WHO_AUTOSCALE) == 0
		       ? TG_FLEET_STEER_OURS
		       : TG_FLEET_STEER_OPERATOR;
}

static int
drain(void *user, const char *service, const char *name, bool is_on)
{
	struct keeper *k = user;
	struct steer_note note = {.when = wall_read(), .who = TG_WHO_AUTOSCALE};
	struct steer_target t;
	struct err err;

	if (!steer_find(k->steer, service, name, &t))
		return -TG_ENOENT;
	if (steered(k, t.service, t.backend) == TG_FLEET_STEER_OPERATOR)
		return is_on ? 0 : -TG_EEXIST;
	return steer_set(&t, TG_STEER_STATE,
			 steer_admin_str(is_on ? TG_ADMIN_DRAIN : TG_ADMIN_READY), &note, &err);
}

static void
cut(void *user, const char *service, const char *name)
{
	struct keeper *k = user;
	struct steer_target t;

	if (steer_find(k->steer, service, name, &t))
		orders_cut(k->orders, t.service, t.backend);
}

static bool
is_up(void *user, unsigned service, unsigned backend)
{
	const struct keeper *k = user;
	const struct health_status *h = health_status(k->health, service, backend);

	return h->has_addr && h->state == TG_HEALTH_UP;
}

static bool
agent_load_of(void *user, unsigned service, unsigned backend, double *ret_cpu, double *ret_memory)
{
	const struct keeper *k = user;

	return health_agent_load(k->health, service, backend, ret_cpu, ret_memory);
}

static void
refuse(void *user, unsigned service, struct mono until)
{
	struct keeper *k = user;

	if (wants_refuse(k->wants, service, until))
		orders_mark_refusal(k->orders, service);
}

static void
ends(void *user, unsigned service, unsigned backend)
{
	const struct keeper *k = user;

	health_set_checked(k->health, service, backend, false);
}

static const struct scaler_ops ops = {
	.add = add,
	.remove = take_out,
	.drain = drain,
	.cut = cut,
	.is_up = is_up,
	.agent_load = agent_load_of,
	.steered = steered,
	.scaled = keeper_hooks_scaled,
	.start_failed = keeper_hooks_start_failed,
	.leads = keeper_hooks_leads,
	.refuse = refuse,
	.ends = ends,
};

/*** What operators order ***/

_Static_assert(TG_SCALE_MAX == TG_FLEET_MAX, "what may be ordered, there may be");

static void
set_number(struct keeper *k, unsigned service)
{
	uint32_t n;

	if (steer_scales_number(steer_scales(k->steer), service, &n))
		scaler_set_number(k->scaler, service, n);
	else
		scaler_set_auto(k->scaler, service);
}

static enum scaler_mode
mode_of(const struct keeper *k, unsigned service)
{
	static const enum scaler_mode modes[TG_STEER_MODE_COUNT] = {
		[TG_STEER_RESUME] = TG_SCALER_ON,
		[TG_STEER_PAUSE] = TG_SCALER_PAUSED,
		[TG_STEER_DRY_RUN] = TG_SCALER_DRY_RUN,
	};

	return modes[steer_scales_mode(steer_scales(k->steer), service)];
}

static void
on_order(void *user, unsigned service, enum steer_scale what)
{
	struct keeper *k = user;
	const struct steer_order *order = steer_scales_get(steer_scales(k->steer), service, what);

	keeper_save_soon(k);
	log_write(TG_LOG_INFO, k->is_restoring ? "order restored" : "ordered",
		  "svc=%s set=%s value=%s who=%s why=%s", k->conf->services[service].name,
		  steer_scale_str(what), order->value, order->note.who, order->note.why);
	/* What is restored, it is told when it begins. */
	if (k->scaler == NULL)
		return;
	if (what == TG_STEER_SCALE_NUMBER)
		set_number(k, service);
	else
		scaler_set_mode(k->scaler, service, mode_of(k, service));
	keeper_share_service(k, service, what);
}

/* What it knows already is not said again: an order makes it try at once what has failed. */
static void
tell(struct keeper *k, unsigned service, const struct scaler_status *known)
{
	uint32_t n = 0;
	bool is_ordered = steer_scales_number(steer_scales(k->steer), service, &n);

	if (is_ordered != known->has_manual || (is_ordered && n != known->manual))
		set_number(k, service);
	if (mode_of(k, service) != known->mode)
		scaler_set_mode(k->scaler, service, mode_of(k, service));
}

/* Backends that run here must end with the parent, be it killed: there is to be time for that. */
static void
outlive(const struct keeper *k)
{
	uint64_t grace_ms;

	if (conf_stop_grace(k->conf, &grace_ms) &&
	    outlive_parent((unsigned)(grace_ms / 1000) + OUTLIVE_MARGIN_S) < 0)
		log_write(TG_LOG_WARN, "backends may be left when the parent is killed",
			  "reason=%s", strerror(errno));
}

void
keeper_scale_reloaded(struct keeper *k)
{
	outlive(k);
	for (size_t i = 0; i < k->conf->n_services; i++) {
		struct scaler_status known;

		if (scaler_status(k->scaler, (unsigned)i, &known))
			tell(k, (unsigned)i, &known);
	}
}

void
keeper_scale_watch(struct keeper *k)
{
	steer_scales_watch(steer_scales(k->steer), on_order, k);
}

void
keeper_scale_on_store(void *user, bool is_well, const char *why)
{
	if (is_well)
		log_write(TG_LOG_INFO, "the store is well", NULL);
	else
		log_write(TG_LOG_WARN, "the store is not well, no service is made smaller",
			  "reason=%s", why);
	keeper_hooks_store(user, is_well, why);
}

void
keeper_scale_set_store(struct keeper *k, struct keeper_store *next)
{
	keeper_store_replace(&k->store, next);
	scaler_set_store(k->scaler, k->store.store);
	k->source.store = k->store.store;
	keeper_share_listen(k);
	keeper_votes_listen(k);
	keeper_acme_listen(k);
}

/*** Its life ***/

/* What counts is what there is: an answer may be to an order that was given twice. */
static void
on_told(void *user, enum reload_what what, const char *service, const char *backend, bool is_done,
	const char *text)
{
	struct keeper *k = user;
	bool is_add = what == RELOAD_ADD;
	char why[256];

	if (!is_done)
		is_done = is_ours(k, service, backend) == is_add;
	snprintf(why, sizeof(why), "%.*s", (int)strcspn(text, "\n"), text);
	scaler_configured(k->scaler, service, backend, is_add, is_done, why);
}

static void
on_wanted(void *user, unsigned service)
{
	struct keeper *k = user;

	scaler_wanted(k->scaler, service);
}

static int
start_providers(struct keeper *k, struct err *err)
{
	int rc = names_start_resolver(k->loop, k->conf, &k->node_resolver, err);

	if (rc < 0)
		return rc;
	k->providers = providers_new(k->loop, k->node_resolver);
	return k->providers != NULL ? 0 : err_no_memory(err);
}

int
keeper_scale_start(struct keeper *k)
{
	struct err err;

	wants_listen(k->wants, on_wanted, k);
	reloads_listen(k->reloads, on_told, k);
	if (keeper_store_open(k->conf, k->loop, keeper_scale_on_store, k, &k->store, &err) == 0 &&
	    start_providers(k, &err) == 0)
		k->scaler = scaler_new(k->loop, k->conf, k->segment, k->store.store, k->providers, &ops, k,
				       &err);
	if (k->scaler == NULL) {
		log_write(TG_LOG_ERROR, "cannot scale services", "reason=%s", err.text);
		return -TG_EINVAL;
	}
	k->source.scaler = k->scaler;
	k->source.store = k->store.store;
	keeper_share_listen(k);
	keeper_votes_start(k);
	keeper_scale_reloaded(k);
	return 0;
}

static void
on_all_stopped(void *user)
{
	keeper_hooks_stop(user);
}

void
keeper_scale_stop(struct keeper *k, uint64_t grace_ms)
{
	/* Those of an upgrade are the new keeper's. */
	if (k->is_holding || k->scaler == NULL)
		keeper_hooks_stop(k);
	else
		scaler_stop(k->scaler, grace_ms, on_all_stopped, k);
}

void
keeper_scale_fini(struct keeper *k)
{
	scaler_free(k->scaler);
	k->scaler = NULL;
	providers_free(k->providers);
	k->providers = NULL;
	resolver_free(k->node_resolver);
	k->node_resolver = NULL;
	k->source.scaler = NULL;
	k->source.store = NULL;
	keeper_store_close(&k->store, STORE_CLOSE_MS);
}
