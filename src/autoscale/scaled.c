/* autoscale/scaled.c: one tick of one service, from what there is to what is ordered. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/point.h"
#include "autoscale/scaler_priv.h"
#include "observe/counters.h"

#define LIST_MS       10000u
#define LIST_AGAIN_MS 1000u /* where the first has failed: until then nothing can be started */
#define UNWANTED_MS   1000u
#define START_SHARE   0.3 /* of the newest start in their mean */
#define LIST_TOKEN    (UINT64_C(1) << 63)

/*** What there is ***/

int64_t
scaled_in_flight(const struct scaled *s, uint32_t slot)
{
	int64_t n = atomic_load_explicit(&segment_load(s->scaler->segment, slot)->in_flight,
					 memory_order_relaxed);

	return n > 0 ? n : 0;
}

/* Of one that goes what the tidegate before may have there too: that is not counted here, and it may give it more until
 * it has ended. */
static int64_t
left_in_flight(const struct scaled *s, const struct fleet_member *m, uint32_t slot)
{
	const struct segment_shared *all = segment_shared(s->scaler->segment, 0);
	int64_t n = scaled_in_flight(s, slot);
	bool is_going = m->state == TG_FLEET_DRAINING || m->state == TG_FLEET_REMOVING ||
			m->state == TG_FLEET_RESTING;

	if (n == 0 && is_going && atomic_load_explicit(&all->has_former, memory_order_relaxed) != 0)
		return 1;
	return n;
}

/* Of backends that are not the provider's: NULL. Good until the fleet's tick. */
static void
find_members(struct scaled *s)
{
	for (size_t i = 0; i < s->conf->n_backends; i++) {
		const struct conf_backend *b = &s->conf->backends[i];

		s->members[i] = conf_backend_is_scaled(b) ? fleet_find(s->state->fleet, b->name)
							  : NULL;
	}
}

/* Nothing is heard of the node of one, as far as that is known. */
static bool
is_cut_off(const struct scaled *s, const struct fleet_member *m)
{
	const struct provider *p = s->state->source->provider;
	struct provider_node node;

	return p != NULL && m->node[0] != '\0' && provider_node(p, m->node, &node) && node.is_away;
}

static void
observe_configured(struct scaled *s, int64_t now_ms)
{
	const struct scaler *sc = s->scaler;

	for (unsigned i = 0; i < s->conf->n_backends; i++) {
		const struct conf_backend *b = &s->conf->backends[i];

		if (s->members[i] == NULL)
			continue;
		fleet_steered(s->state->fleet, b->name,
			      sc->ops.steered(sc->user, s->conf->index, i), now_ms);
		fleet_cut_off(s->state->fleet, b->name, is_cut_off(s, s->members[i]));
		fleet_observed(s->state->fleet, b->name,
			       sc->ops.is_up(sc->user, s->conf->index, i),
			       left_in_flight(s, s->members[i], b->segment_slot) +
				       scaled_in_flight_elsewhere(s, b->name),
			       now_ms);
	}
}

struct observing {
	struct scaled *s;
	int64_t now_ms;
};

/* Out of the configuration: only what is left in flight. */
static void
observe_resting(void *user, const struct fleet_member *m)
{
	struct observing *o = user;

	if (m->state != TG_FLEET_RESTING || m->slot == 0)
		return;
	/* Who has nothing to stop waits for nobody. */
	if (m->is_others || !scaled_is_held_elsewhere(o->s, m->name))
		fleet_observed(o->s->state->fleet, m->name, false, left_in_flight(o->s, m, m->slot),
			       o->now_ms);
}

static void
observe(struct scaled *s, int64_t now_ms)
{
	struct observing o = {.s = s, .now_ms = now_ms};

	find_members(s);
	observe_configured(s, now_ms);
	fleet_walk(s->state->fleet, observe_resting, &o);
}

/*** Samples ***/

enum tg_backend_state
scaled_backend_state(const struct scaled *s, unsigned i)
{
	static const enum tg_backend_state states[TG_FLEET_STATE_COUNT] = {
		[TG_FLEET_PENDING] = TG_BACKEND_PENDING,
		[TG_FLEET_STARTING] = TG_BACKEND_STARTING,
		[TG_FLEET_ADDING] = TG_BACKEND_STARTING,
		[TG_FLEET_CHECKING] = TG_BACKEND_CHECKING,
		[TG_FLEET_READY] = TG_BACKEND_READY,
		[TG_FLEET_DOWN] = TG_BACKEND_DOWN,
		[TG_FLEET_DRAINING] = TG_BACKEND_DRAINING,
		[TG_FLEET_REMOVING] = TG_BACKEND_DRAINING,
		[TG_FLEET_RESTING] = TG_BACKEND_DRAINING,
		[TG_FLEET_STOPPING] = TG_BACKEND_STOPPING,
	};
	const struct scaler *sc = s->scaler;
	const struct fleet_member *m = s->members[i];

	if (m != NULL && m->is_held && m->state == TG_FLEET_READY)
		return TG_BACKEND_DRAINING;
	if (m != NULL)
		return states[m->state];
	return sc->ops.is_up(sc->user, s->conf->index, i) ? TG_BACKEND_READY : TG_BACKEND_DOWN;
}

static void
put(struct scaled *s, const struct service_sample *sample, uint32_t ready)
{
	double asked;
	struct store_point point =
		point_of(sample, ready, s->state->desired + s->n_fixed,
			 s->has_decision ? &s->decision : NULL);

	s->part = point;
	scaled_add_others(s, &point);
	scaled_plan_put(s, &point);
	asked = point.values[TG_METRIC_IN_FLIGHT] + point.values[TG_METRIC_QUEUED];
	if (asked > 0 || point.values[TG_METRIC_ARRIVALS] > 0 || s->state->is_woken)
		s->state->active_ms = scaler_ms(sample->at);
	for (unsigned i = 0; i < s->conf->n_backends; i++)
		s->puts[i] = (struct store_backend){.name = s->conf->backends[i].name,
						    .state = scaled_backend_state(s, i),
						    .sample = s->samples[i]};
	if (store_put(s->scaler->store, s->conf->name, &point, s->puts, s->conf->n_backends) < 0)
		log_write(TG_LOG_ERROR, "a sample is lost", "svc=%s reason=%s", s->conf->name,
			  "no memory");
}

static void
measure(struct scaled *s, struct mono now, uint32_t ready)
{
	struct service_sample sample;

	scaled_read_usages(s, now);
	sampler_take(s->scaler->sampler, s->conf, now, s->rates, &sample, s->samples);
	s->has_samples = true;
	put(s, &sample, ready);
}

/*** Acting ***/

uint64_t
scaled_next_list(struct scaled_state *st)
{
	return ++st->last_token | LIST_TOKEN;
}

static void
list(struct scaled *s, struct mono now)
{
	struct scaled_state *st = s->state;

	if (st->source->provider == NULL || now.us < st->list_due.us || !scaled_may_list(s))
		return;
	st->list_token = scaled_next_list(st);
	st->list_asked_ms = scaler_ms(now);
	st->list_due = mono_add_ms(now, LIST_MS);
	if (provider_list(st->source->provider, st->list_token) < 0)
		st->list_token = 0;
}

/* Nobody starts one, whoever asks: by order, or as there is nobody who could. */
static bool
is_put_to_sleep(const struct scaled_state *st)
{
	return st->is_begun && st->desired == 0 &&
	       ((st->has_manual && st->manual == 0) || st->mode != TG_SCALER_ON ||
		st->source->provider == NULL);
}

/* While nothing is ready or on its way, and nothing will be soon, waiting is in vain: until then; unset: it
 * is not. */
static struct mono
vain_until(const struct scaled *s, struct mono now)
{
	const struct scaled_state *st = s->state;
	struct fleet_counts counts = fleet_counts(st->fleet);
	struct fleet_failures failures = fleet_failures(st->fleet);

	if (counts.ready + counts.pending - counts.waiting + s->n_fixed_up > 0)
		return (struct mono){0};
	if (failures.in_row > 0 && failures.retry_ms > scaler_ms(now))
		return (struct mono){.us = (uint64_t)failures.retry_ms * 1000};
	if (counts.waiting == 0 && !is_put_to_sleep(st) &&
	    !(st->list_failure[0] != '\0' && !fleet_is_listed(st->fleet)))
		return (struct mono){0};
	/* Nobody knows when, so it is not told again. */
	return mono_is_set(st->refused_until) ? st->refused_until : mono_add_ms(now, 1000);
}

/* What was refused since starts fail, until the next time they begin to. */
static void
count_refused(struct scaled *s)
{
	struct scaled_state *st = s->state;
	uint64_t all = segment_sum(s->scaler->segment, s->conf->segment_slot,
				   TG_COUNTER_OF_END(TG_END_HOLD_REFUSED));
	bool is_failing = fleet_failures(st->fleet).in_row > 0;

	if (is_failing && !st->is_failing)
		st->refused_before = all;
	st->is_failing = is_failing;
	if (is_failing)
		st->refused = all > st->refused_before ? all - st->refused_before : 0;
}

static void
refuse_or_hold(struct scaled *s, struct mono now)
{
	struct scaled_state *st = s->state;
	struct mono until = vain_until(s, now);

	if (until.us == st->refused_until.us)
		return;
	st->refused_until = until;
	s->scaler->ops.refuse(s->scaler->user, s->conf->index, until);
}

/* With what is there, where a keeper before has left some. */
static void
begin(struct scaled *s)
{
	struct fleet_counts counts = fleet_counts(s->state->fleet);
	uint32_t n = counts.pending + counts.ready + counts.down;
	uint32_t min = scaled_least(s);

	s->state->desired = n < min ? min : n;
	s->state->told = s->state->source->provider != NULL ? n : s->state->desired;
	s->state->is_begun = true;
	s->state->active_ms = scaler_now_ms(s->scaler);
}

void
scaled_hold(struct scaled *s)
{
	static const struct mono held;

	if (!mono_is_set(s->state->refused_until))
		return;
	s->state->refused_until = held;
	s->scaler->ops.refuse(s->scaler->user, s->conf->index, held);
}

/* What is left of one that is not scaled any more. */
static void
tick_unwanted(struct scaled *s, int64_t now_ms)
{
	if (s->is_gone) {
		struct observing o = {.s = s, .now_ms = now_ms};

		fleet_walk(s->state->fleet, observe_resting, &o);
	} else {
		observe(s, now_ms);
		scaled_hold(s);
	}
	fleet_tick(s->state->fleet, 0, now_ms);
}

static void
tick_wanted(struct scaled *s, struct mono now)
{
	struct scaled_state *st = s->state;
	struct fleet_counts counts;

	count_refused(s);
	scaled_count_fixed(s);
	scaled_look(s, now);
	observe(s, scaler_ms(now));
	counts = fleet_counts(st->fleet);
	if (counts.ready + s->n_fixed_up > 0) {
		st->is_woken = false;
		st->is_woken_here = false;
	}
	measure(s, now, counts.ready + s->n_fixed_up);
	list(s, now);
	if (!scaled_leads(s)) {
		scaled_follow(s, now);
		refuse_or_hold(s, now);
		return;
	}
	if (!st->is_begun && st->source->provider != NULL && !fleet_is_listed(st->fleet)) {
		refuse_or_hold(s, now);
		return;
	}
	if (!st->is_begun)
		begin(s);
	scaled_judge(s, now);
	if (st->source->provider != NULL)
		fleet_tick(st->fleet, st->desired, scaler_ms(now));
	scaled_record(s);
	refuse_or_hold(s, now);
}

static bool
is_unwanted(const struct scaled *s)
{
	return s->is_gone || s->module == NULL;
}

void
scaled_tick(struct scaled *s, struct mono now)
{
	uint64_t interval_ms = is_unwanted(s) ? UNWANTED_MS : s->conf->autoscale.interval_ms;

	s->state->due = mono_add_ms(now, interval_ms);
	if (s->state->left_token != 0)
		return;
	if (is_unwanted(s)) {
		list(s, now);
		tick_unwanted(s, scaler_ms(now));
	} else {
		tick_wanted(s, now);
		scaled_tell_others(s);
	}
	scaled_close_former(s);
}

bool
scaled_is_over(const struct scaled *s)
{
	struct fleet_counts c = fleet_counts(s->state->fleet);

	return is_unwanted(s) && s->state->left_token == 0 && c.pending + c.ready + c.down + c.draining == 0;
}

void
scaled_added(struct scaled *s, const char *name, bool is_done, const char *why)
{
	const struct conf_backend *b = is_done ? conf_find_backend(s->conf, name) : NULL;

	fleet_added(s->state->fleet, name, b != NULL ? b->segment_slot : 0, is_done, why,
		    scaler_now_ms(s->scaler));
}

void
scaled_listed(struct scaled *s, const struct provider_answer *answer)
{
	struct scaled_state *st = s->state;

	if (answer->token != st->list_token)
		return;
	st->list_token = 0;
	if (answer->rc < 0) {
		log_write(TG_LOG_WARN, "cannot list what runs", "svc=%s reason=%s", s->conf->name,
			  answer->why);
		snprintf(st->list_failure, sizeof(st->list_failure), "%s",
			 answer->why[0] != '\0' ? answer->why : "?");
		if (!fleet_is_listed(st->fleet))
			st->list_due = mono_add_ms(loop_now(s->scaler->loop), LIST_AGAIN_MS);
		return;
	}
	st->list_failure[0] = '\0';
	if (answer->is_partial)
		fleet_listed_part(st->fleet, answer->instances, answer->n_instances,
				  scaler_now_ms(s->scaler));
	else
		fleet_listed(st->fleet, answer->instances, answer->n_instances, st->list_asked_ms,
			     scaler_now_ms(s->scaler));
	scaled_hurry(s);
}

bool
scaled_is_list(uint64_t token)
{
	return (token & LIST_TOKEN) != 0;
}

void
scaled_note_start(struct scaled *s, uint64_t took_ms)
{
	struct scaled_state *st = s->state;
	double took_s = (double)took_ms / 1000.0;

	st->starts++;
	outlook_started(planning_outlook(st->planning), took_s);
	st->start_s = isnan(st->start_s) ? took_s
					 : st->start_s + START_SHARE * (took_s - st->start_s);
	histogram_add(&st->cold_starts, took_ms * 1000);
}
