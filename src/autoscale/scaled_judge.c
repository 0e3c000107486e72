/* autoscale/scaled_judge.c: from what is known of a service to the number it is to have, and what is told of that. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/schedule.h"
#include "autoscale/scaler_priv.h"

#define SLOW_US    100000u
#define PLACES_MAX 128u /* of one record */

/*** The snapshot ***/

static bool
make_room(struct scaled *s, size_t n)
{
	struct tg_backend *backends;
	char(*names)[TG_SCALED_NAME];

	if (n <= s->backends_room)
		return true;
	backends = realloc(s->backends, n * sizeof(*backends));
	if (backends != NULL)
		s->backends = backends;
	names = realloc(s->names, n * sizeof(*names));
	if (names != NULL)
		s->names = names;
	if (backends == NULL || names == NULL)
		return false;
	s->backends_room = n;
	return true;
}

struct filling {
	struct scaled *s;
	size_t n;
};

static void
add_backend(struct filling *f, const char *name, enum tg_backend_state state, int64_t since_ms,
	    const struct backend_sample *sample)
{
	struct scaled *s = f->s;

	snprintf(s->names[f->n], sizeof(s->names[0]), "%s", name);
	s->backends[f->n++] = (struct tg_backend){
		.state = state,
		.since_ms = since_ms,
		.in_flight = sample != NULL ? sample->in_flight : NAN,
		.cpu = sample != NULL ? sample->cpu : NAN,
		.memory = sample != NULL ? sample->memory : NAN,
	};
}

static void
add_member(void *user, const struct fleet_member *m)
{
	struct filling *f = user;

	if (m->state == TG_FLEET_PENDING || m->state == TG_FLEET_STARTING ||
	    m->state == TG_FLEET_ADDING)
		add_backend(f, m->name,
			    m->state == TG_FLEET_PENDING ? TG_BACKEND_PENDING
							 : TG_BACKEND_STARTING,
			    m->since_ms, NULL);
}

/* Those of the configuration, then those that are on their way into it. */
static bool
fill_backends(struct scaled *s)
{
	struct filling f = {.s = s};

	if (!make_room(s, s->conf->n_backends + TG_FLEET_MAX))
		return false;
	for (unsigned i = 0; i < s->conf->n_backends; i++)
		add_backend(&f, s->conf->backends[i].name, scaled_backend_state(s, i),
			    s->members[i] != NULL ? s->members[i]->since_ms : 0, &s->samples[i]);
	fleet_walk(s->state->fleet, add_member, &f);
	for (size_t i = 0; i < f.n; i++)
		s->backends[i].name = s->names[i];
	s->input.snapshot.n_backends = (uint32_t)f.n;
	s->input.snapshot.backends = s->backends;
	return true;
}

/* Those that no provider started: they count, and stay. */
void
scaled_count_fixed(struct scaled *s)
{
	const struct scaler *sc = s->scaler;

	s->n_fixed = 0;
	s->n_fixed_up = 0;
	for (unsigned i = 0; i < s->conf->n_backends; i++) {
		if (conf_backend_is_scaled(&s->conf->backends[i]))
			continue;
		s->n_fixed++;
		s->n_fixed_up += sc->ops.is_up(sc->user, s->conf->index, i);
	}
}

uint32_t
scaled_least(const struct scaled *s)
{
	const struct conf_autoscale *a = &s->conf->autoscale;
	unsigned min = schedules_min(s->schedules, a->min, wall_read());

	return min < a->max ? min : a->max;
}

static void
fill_snapshot(struct scaled *s, struct mono now)
{
	struct fleet_counts counts = fleet_counts(s->state->fleet);
	struct tg_snapshot *snapshot = &s->input.snapshot;

	*snapshot = (struct tg_snapshot){
		.size = sizeof(*snapshot),
		.now_ms = scaler_ms(now),
		.service = s->conf->name,
		.ready = counts.ready + s->n_fixed_up,
		.pending = counts.pending,
		.draining = counts.draining,
		.desired = s->state->desired + s->n_fixed,
		.min = scaled_least(s) + s->n_fixed,
		.max = s->conf->autoscale.max + s->n_fixed,
		.concurrency = s->conf->max_connections_per_backend,
		.start_s = s->state->start_s,
		.n_windows = s->n_windows,
		.windows = s->windows,
	};
	for (uint32_t i = 0; i < s->n_windows; i++)
		store_window(s->scaler->store, s->conf->name, s->spans_ms[i], now, &s->windows[i]);
}

static void
fill_state(struct scaled *s, struct mono now)
{
	const struct conf_autoscale *a = &s->conf->autoscale;
	const struct scaled_state *st = s->state;
	int64_t retry_ms = fleet_failures(st->fleet).retry_ms;

	s->input.state = decide_state_of(a);
	s->input.state.has_manual = st->has_manual;
	s->input.state.manual = st->manual + s->n_fixed;
	s->input.state.is_paused = st->mode == TG_SCALER_PAUSED;
	s->input.state.is_dry_run = st->mode == TG_SCALER_DRY_RUN || st->source->provider == NULL;
	s->input.state.is_store_well = store_is_well(s->scaler->store) && !scaled_has_lost(s, now);
	s->input.state.is_woken = st->is_woken;
	s->input.state.has_up = st->has_up;
	s->input.state.has_down = st->has_down;
	s->input.state.up_ms = st->up_ms;
	s->input.state.down_ms = st->down_ms;
	s->input.state.active_ms = st->active_ms;
	s->input.state.retry_ms = retry_ms > scaler_ms(now) ? retry_ms : 0;
}

/*** Deciding ***/

static uint32_t
guard_bits(const struct decision *d)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < d->n_changes; i++)
		bits |= 1u << d->changes[i].by;
	return bits;
}

static void
count_guards(struct scaled_state *st, const struct decision *d)
{
	for (unsigned i = 0; i < d->n_changes; i++)
		st->by_guard[d->changes[i].by]++;
}

void
scaled_record(struct scaled *s)
{
	char *text;

	s->decision.places = s->outcomes;
	s->decision.n_places = s->n_outcomes;
	if (!s->is_news)
		return;
	s->is_news = false;
	text = record_text(&s->input, &s->decision, s->state->number, s->decided);
	if (text == NULL || store_decision(s->scaler->store, s->conf->name, text) < 0)
		log_write(TG_LOG_ERROR, "a decision is not recorded", "svc=%s reason=%s",
			  s->conf->name, "no memory");
	free(text);
}

void
scaled_note_place(struct scaled *s, const struct fleet_member *m, bool is_placed, const char *why)
{
	struct decision_place *place;
	size_t i = 0;

	while (i < s->n_outcomes && strcmp(s->outcomes[i].backend, m->name) != 0)
		i++;
	if (s->outcomes == NULL)
		s->outcomes = calloc(PLACES_MAX, sizeof(*s->outcomes));
	if (s->outcomes == NULL || i == PLACES_MAX)
		return; /* the log has it */
	place = &s->outcomes[i];
	s->n_outcomes += i == s->n_outcomes;
	snprintf(place->backend, sizeof(place->backend), "%s", m->name);
	snprintf(place->node, sizeof(place->node), "%s", m->node);
	snprintf(place->why, sizeof(place->why), "%s", why);
	place->is_placed = is_placed;
}

static void
tell_decision(const struct scaled *s, uint32_t from, uint32_t to)
{
	const struct decision *d = &s->decision;
	bool is_dry = s->input.state.is_dry_run;

	log_write(TG_LOG_INFO, is_dry ? "would scale" : "scaling",
		  "svc=%s from=%u to=%u proposed=%u guard=%s reason=%s number=%" PRIu64,
		  s->conf->name, from, to, d->proposal.desired,
		  d->n_changes > 0 ? guard_str(d->changes[d->n_changes - 1].by) : "-",
		  d->proposal.reason, s->state->number);
}

uint32_t
scaled_started(const struct scaled *s, uint32_t n)
{
	return n > s->n_fixed ? n - s->n_fixed : 0;
}

/* Another number than before, or another guard that says so, is worth a record. A dry run has decided before what
 * it decides again, though nothing came of it. */
static bool
is_news(const struct scaled *s)
{
	const struct scaled_state *st = s->state;
	uint32_t before = s->input.state.is_dry_run && st->is_last_dry ? st->last_desired : st->desired;

	return !s->has_decision || s->decision.desired != before + s->n_fixed ||
	       guard_bits(&s->decision) != st->last_guards;
}

static void
take_number(struct scaled *s, uint32_t n, int64_t now_ms)
{
	struct scaled_state *st = s->state;

	if (n > st->desired) {
		st->has_up = true;
		st->up_ms = now_ms;
		st->ups++;
	} else if (n < st->desired) {
		st->has_down = true;
		st->down_ms = now_ms;
		st->downs++;
	}
	st->desired = n;
}

/* The module's reason is none where somebody else said how many. */
static const char *
why_scaled(const struct decision *d, bool is_up)
{
	uint32_t last = d->n_changes > 0 ? d->changes[d->n_changes - 1].by : TG_GUARD_COUNT;

	if (last == TG_GUARD_MANUAL)
		return "an operator ordered this number";
	return is_up && last == TG_GUARD_MIN ? "min asks for so many" : d->proposal.reason;
}

/* In what people are told, as in the log, only what a provider starts counts. The first number is that of a keeper's
 * beginning: it is told as far as it is not there yet. */
static void
tell_scaled(struct scaled *s)
{
	const struct scaler *sc = s->scaler;
	struct scaled_state *st = s->state;

	if (st->desired != st->told)
		sc->ops.scaled(sc->user, s->conf->name, st->told, st->desired,
			       why_scaled(&s->decision, st->desired > st->told));
	st->told = st->desired;
}

static void
take_decision(struct scaled *s, int64_t now_ms)
{
	struct scaled_state *st = s->state;
	const struct decision *d = &s->decision;
	uint32_t n = scaled_started(s, d->desired);
	bool news = is_news(s);

	count_guards(st, d);
	s->has_decision = true;
	if (!news)
		return;
	st->number++;
	st->last_guards = guard_bits(d);
	st->last_desired = n;
	st->is_last_dry = s->input.state.is_dry_run;
	if (n != st->desired)
		tell_decision(s, st->desired, n);
	s->is_news = true;
	s->n_outcomes = 0;
	if (s->input.state.is_dry_run)
		return;
	take_number(s, n, now_ms);
}

/* For the parent, should this process not come back from there. */
static void
note_judged(const struct scaled *s, uint32_t slot)
{
	atomic_store_explicit(&segment_shared(s->scaler->segment, 0)->judged, slot,
			      memory_order_relaxed);
}

void
scaled_judge(struct scaled *s, struct mono now)
{
	fill_snapshot(s, now);
	fill_state(s, now);
	if (!fill_backends(s)) {
		log_write(TG_LOG_ERROR, "no decision", "svc=%s reason=%s", s->conf->name,
			  "no memory");
		return;
	}
	s->input.module = s->module;
	s->input.values = s->values;
	scaled_tell(s);
	note_judged(s, s->conf->segment_slot);
	scaled_plan(s);
	decide(&s->input, &s->decision);
	note_judged(s, 0);
	s->decided = wall_read();
	if (s->decision.took_us > SLOW_US)
		slow_tell(&s->scaler->slow, s->module, s->conf->name, s->decision.took_us, now);
	take_decision(s, scaler_ms(now));
	tell_scaled(s);
}
