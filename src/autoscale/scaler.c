#include "autoscale/scaler.h"

#include <stdlib.h>
#include <string.h>

#include "autoscale/scaler_priv.h"
#include "base/container.h"

#define LOOK_MS 20u /* between two looks whether all has ended */

const char *
scaler_mode_str(enum scaler_mode mode)
{
	switch (mode) {
	case TG_SCALER_ON:
		return "on";
	case TG_SCALER_PAUSED:
		return "paused";
	case TG_SCALER_DRY_RUN:
		return "dry-run";
	case TG_SCALER_MODE_COUNT:
		break;
	}
	return "?";
}

/*** Time ***/

int64_t
scaler_ms(struct mono t)
{
	return (int64_t)(t.us / 1000);
}

int64_t
scaler_now_ms(const struct scaler *s)
{
	return scaler_ms(loop_now(s->loop));
}

void
scaler_set_timer(struct scaler *s)
{
	struct mono due = {.us = 0};
	const struct scaled *scaled;

	if (s->is_stopping)
		return;
	TAILQ_FOREACH(scaled, &s->all, link) {
		if (!mono_is_set(due) || scaled->state->due.us < due.us)
			due = scaled->state->due;
	}
	if (mono_is_set(due) && !s->is_holding)
		timer_set(s->loop, &s->timer, due);
	else
		timer_clear(&s->timer);
}

/* True: nothing is left of it, and nobody takes over what was. */
static bool
tick(struct scaled *s, struct mono now)
{
	if (s->state->due.us > now.us)
		return false;
	scaled_tick(s, now);
	return scaled_is_over(s) && !s->scaler->is_changing;
}

/* Of a service that nobody decides for any more. */
static void
end_service(struct scaler *s, struct scaled *over)
{
	store_forget(s->store, over->conf->name);
	if (!over->is_gone)
		s->services[over->conf->index] = NULL;
	scaler_let_go(s, over);
}

static void
tick_all(struct scaler *s, struct mono now)
{
	struct scaled *scaled;
	struct scaled *next;

	for (scaled = TAILQ_FIRST(&s->all); scaled != NULL; scaled = next) {
		next = TAILQ_NEXT(scaled, link);
		if (tick(scaled, now))
			end_service(s, scaled);
	}
}

/* Those that waited to know whether others go on. True: some do still. */
static bool
stop_known(struct scaler *s)
{
	struct mono now = loop_now_update(s->loop);
	struct scaled *scaled;
	bool is_waiting = false;

	TAILQ_FOREACH(scaled, &s->all, link) {
		if (scaled->state->lead.is_ending && scaled_knows_end(scaled, now))
			scaled_stop(scaled);
		is_waiting |= scaled->state->lead.is_ending;
	}
	return is_waiting;
}

/* What instances left behind is nobody's to tell of. */
static void
look_for_end(struct scaler *s)
{
	if (stop_known(s))
		store_flush(s->store);
	scaler_end_if_done(s);
	if (s->ended != NULL)
		timer_set(s->loop, &s->timer, mono_add_ms(loop_now(s->loop), LOOK_MS));
}

static struct scaled *
find_name(const struct scaler *s, const char *name)
{
	struct scaled *scaled;

	TAILQ_FOREACH(scaled, &s->all, link) {
		if (!scaled->is_gone && strcmp(scaled->conf->name, name) == 0)
			return scaled;
	}
	return NULL;
}

/* Something of another instance, perhaps what was waited for. */
static void
on_heard(void *user, const char *service)
{
	struct scaler *s = user;
	struct scaled *scaled = find_name(s, service);

	if (scaled != NULL && !s->is_holding && !s->is_stopping && !s->is_changing)
		scaled_heard(scaled);
}

static void
on_timer(struct timer *t)
{
	struct scaler *s = TG_CONTAINER(t, struct scaler, timer);
	struct mono now = loop_now_update(s->loop);

	if (s->is_stopping) {
		look_for_end(s);
		return;
	}
	tick_all(s, now);
	scaler_warn_nodes(s, now);
	store_flush(s->store);
	scaler_set_timer(s);
}

void
scaled_hurry(struct scaled *s)
{
	s->state->due = loop_now(s->scaler->loop);
	scaler_set_timer(s->scaler);
}

/*** The scaler ***/

/* NULL: it cannot be. */
static struct scaled *
begin_service(struct scaler *s, struct conf *conf, const struct conf_service *service)
{
	struct err err;
	struct scaled *scaled = scaled_new(s, conf, service, &err);

	if (scaled != NULL && scaled_begin(scaled, &err) == 0) {
		scaler_take(s, scaled);
		scaled_find_added(scaled);
		scaled_find_left(scaled);
		scaled->state->due = loop_now_update(s->loop);
		return scaled;
	}
	log_write(TG_LOG_ERROR, "a service is not scaled", "svc=%s reason=%s", service->name,
		  err.text);
	scaled_end(scaled);
	return NULL;
}

static int
begin_all(struct scaler *s, struct conf *conf, struct err *err)
{
	s->services = calloc(conf->n_services + 1, sizeof(struct scaled *));
	if (s->services == NULL)
		return err_no_memory(err);
	s->n_services = conf->n_services;
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf_is_scaled(&conf->services[i]) || scaled_is_left(&conf->services[i]))
			s->services[i] = begin_service(s, conf, &conf->services[i]);
	}
	return 0;
}

struct scaler *
scaler_new(struct loop *loop, struct conf *conf, struct segment *segment, struct store *store,
	   struct providers *providers, const struct scaler_ops *ops, void *user, struct err *err)
{
	struct scaler *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_no_memory(err);
		return NULL;
	}
	s->loop = loop;
	s->conf = conf;
	s->segment = segment;
	s->store = store;
	s->providers = providers;
	s->ops = *ops;
	s->user = user;
	timer_init(&s->timer, on_timer);
	TAILQ_INIT(&s->all);
	store_listen(store, on_heard, s);
	s->sampler = sampler_new(segment);
	s->fewest = scaler_fewest_new(loop);
	s->plans = process_pool_new(loop, TG_PLAN_PROCESSES);
	if (s->sampler == NULL || s->fewest == NULL || s->plans == NULL)
		err_no_memory(err);
	else if (begin_all(s, conf, err) == 0) {
		scaler_set_timer(s);
		return s;
	}
	scaler_free(s);
	return NULL;
}

void
scaler_free(struct scaler *s)
{
	if (s == NULL)
		return;
	timer_fini(&s->timer);
	store_listen(s->store, NULL, NULL);
	while (!TAILQ_EMPTY(&s->all))
		scaler_let_go(s, TAILQ_FIRST(&s->all));
	free(s->services);
	free(s->warned);
	sampler_free(s->sampler);
	scaler_fewest_free(s->fewest);
	process_pool_free(s->plans);
	free(s);
}

void
scaler_take(struct scaler *s, struct scaled *scaled)
{
	struct scaled *lower;

	TAILQ_FOREACH(lower, &s->all, link) {
		if (lower->conf->placement.priority < scaled->conf->placement.priority) {
			TAILQ_INSERT_BEFORE(lower, scaled, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&s->all, scaled, link);
}

void
scaler_let_go(struct scaler *s, struct scaled *scaled)
{
	TAILQ_REMOVE(&s->all, scaled, link);
	scaled_end(scaled);
}

void
scaler_set_store(struct scaler *s, struct store *store)
{
	store_listen(s->store, NULL, NULL);
	s->store = store;
	store_listen(store, on_heard, s);
}

void
scaler_retire(struct scaler *s, struct scaled *gone)
{
	gone->is_gone = true;
	gone->state->due = loop_now(s->loop);
	fleet_unconfigured(gone->state->fleet, scaler_now_ms(s));
}

/*** Events ***/

static struct scaled *
scaled_of(const struct scaler *s, unsigned service)
{
	return service < s->n_services ? s->services[service] : NULL;
}

void
scaler_wanted(struct scaler *s, unsigned service)
{
	struct scaled *scaled = scaled_of(s, service);

	if (scaled == NULL || s->is_stopping)
		return;
	scaled->state->is_woken = true;
	scaled->state->is_woken_here = true;
	scaled_hurry(scaled);
}

void
scaler_noticed(struct scaler *s, unsigned service)
{
	if (s != NULL && service < s->n_services && s->services[service] != NULL)
		scaled_hurry(s->services[service]);
}

void
scaler_configured(struct scaler *s, const char *service, const char *name, bool is_added,
		  bool is_done, const char *why)
{
	struct scaled *scaled = find_name(s, service);

	if (scaled == NULL)
		return;
	if (is_added)
		scaled_added(scaled, name, is_done, why);
	else
		fleet_removed(scaled->state->fleet, name, is_done, why,
			      scaler_now_ms(s));
	scaled_hurry(scaled);
}

void
scaler_hold(struct scaler *s, bool is_on)
{
	s->is_holding = is_on;
	scaler_set_timer(s);
}

/*** The end ***/

static bool
has_instances(const struct scaler *s)
{
	const struct scaled *scaled;

	TAILQ_FOREACH(scaled, &s->all, link) {
		if (scaled->state->lead.is_ending || scaled_count(scaled) > 0)
			return true;
	}
	return false;
}

void
scaler_end_if_done(struct scaler *s)
{
	void (*ended)(void *user) = s->ended;

	if (ended == NULL || has_instances(s))
		return;
	s->ended = NULL;
	ended(s->ended_user);
}

void
scaler_stop(struct scaler *s, uint64_t grace_ms, void (*ended)(void *user), void *user)
{
	struct scaled *scaled;

	s->is_stopping = true;
	s->ended = ended;
	s->ended_user = user;
	s->grace_ms = grace_ms;
	TAILQ_FOREACH(scaled, &s->all, link) {
		if (!scaled_announce_end(scaled))
			scaled_stop(scaled);
	}
	look_for_end(s);
}

/*** Operators ***/

bool
scaler_has(const struct scaler *s, unsigned service)
{
	return scaled_of(s, service) != NULL;
}

/* Backends may come by an order again: who comes before the next tick is held as who comes after it. Where that finds
 * that they come in vain all the same, it refuses. */
static void
ordered(struct scaler *s, unsigned service)
{
	struct scaled *scaled = s->services[service];
	const struct scaled_state *st = scaled->state;
	bool may_start = st->has_manual ? st->manual > 0 : st->mode == TG_SCALER_ON;

	if (may_start && st->source->provider != NULL)
		scaled_hold(scaled);
	scaled_hurry(scaled);
}

void
scaler_set_number(struct scaler *s, unsigned service, uint32_t n)
{
	struct scaled_state *st = s->services[service]->state;

	st->has_manual = true;
	st->manual = n;
	fleet_retry(st->fleet);
	ordered(s, service);
}

void
scaler_set_auto(struct scaler *s, unsigned service)
{
	s->services[service]->state->has_manual = false;
	ordered(s, service);
}

void
scaler_set_mode(struct scaler *s, unsigned service, enum scaler_mode mode)
{
	s->services[service]->state->mode = mode;
	ordered(s, service);
}

static const char *
last_guard(const struct scaled *s)
{
	const struct decision *d = &s->decision;

	return s->has_decision && d->n_changes > 0 ? guard_str(d->changes[d->n_changes - 1].by)
						   : NULL;
}

static void
fill_lead(const struct scaler *s, const struct scaled *scaled, struct scaler_status *ret)
{
	const struct store_shared *shared = store_shared(s->store, scaled->conf->name);

	ret->authority = store_authority(s->store, scaled->conf->name, (struct mono){0});
	ret->is_cut_off = !store_is_well(s->store);
	ret->instance = store_instance(s->store);
	ret->leader = shared != NULL ? shared->leader : "";
	ret->epoch = scaled->state->lead.epoch;
	ret->others = shared != NULL ? shared->n_others : 0;
}

bool
scaler_status(const struct scaler *s, unsigned service, struct scaler_status *ret)
{
	const struct scaled *scaled = scaled_of(s, service);
	const struct scaled_state *st;
	int64_t now = scaler_now_ms(s);

	if (scaled == NULL || scaled->module == NULL)
		return false;
	st = scaled->state;
	*ret = (struct scaler_status){
		.module = scaled->module->name,
		.provider = st->source->provider != NULL ? provider_kind(st->source->provider) : "static",
		.mode = st->mode,
		.has_manual = st->has_manual,
		.manual = st->manual,
		.desired = st->desired,
		.proposed = scaled_started(scaled, scaled->decision.proposal.desired),
		.min = scaled_least(scaled),
		.max = scaled->conf->autoscale.max,
		.counts = fleet_counts(st->fleet),
		.failures = fleet_failures(st->fleet),
		.refused = st->refused,
		.is_refusing = mono_is_set(st->refused_until),
		.list_failure = st->list_failure,
		.reason = scaled->has_decision ? scaled->decision.proposal.reason : "",
		.guard = last_guard(scaled),
		.decisions = st->number,
		.ups = st->ups,
		.downs = st->downs,
		.starts = st->starts,
		.start_failures = st->start_failures,
		.cold_starts = histogram_of(&st->cold_starts),
		.fleet = st->fleet,
	};
	if (ret->failures.retry_ms > now)
		ret->retry_ms = (uint64_t)(ret->failures.retry_ms - now);
	fill_lead(s, scaled, ret);
	memcpy(ret->by_guard, st->by_guard, sizeof(ret->by_guard));
	return true;
}

const struct backend_sample *
scaler_samples(const struct scaler *s, unsigned service)
{
	const struct scaled *scaled = scaled_of(s, service);

	return scaled != NULL && scaled->has_samples ? scaled->samples : NULL;
}

char *
scaler_last_record(const struct scaler *s, unsigned service)
{
	const struct scaled *scaled = scaled_of(s, service);

	if (scaled == NULL || scaled->input.module == NULL)
		return NULL;
	return record_text(&scaled->input, &scaled->decision, scaled->state->number,
			   scaled->decided);
}
