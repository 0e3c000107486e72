/*
 * autoscale/scaled_lead.c: a service that several instances of tidegate share: what this one tells the others, what it
 * hears, and whether it may act. doc/internals/store.md has the words and the rules.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/scaler_priv.h"

static const struct store_shared *
shared_of(const struct scaled *s)
{
	const struct store_shared *shared = store_shared(s->scaler->store, s->conf->name);

	return shared != NULL && shared->is_heard ? shared : NULL;
}

static enum store_authority
authority_of(const struct scaled *s)
{
	return store_authority(s->scaler->store, s->conf->name, (struct mono){0});
}

static bool
is_shared_provider(const struct scaled_state *st)
{
	return st->source->provider != NULL && provider_is_shared(st->source->provider);
}

/*** Roles ***/

static void
tell_role(const struct scaled *s, const char *what)
{
	const struct scaled_lead *lead = &s->state->lead;
	const struct store_shared *shared = shared_of(s);

	if (store_instance(s->scaler->store)[0] == '\0')
		return;
	log_write(TG_LOG_INFO, what, "svc=%s instance=%s leader=%s epoch=%" PRIu64, s->conf->name,
		  store_instance(s->scaler->store), shared != NULL ? shared->leader : "",
		  lead->epoch);
}

/* When it grew, shrank and was used last. */
static void
take_times(struct scaled_state *st, const struct store_leading *state)
{
	st->has_up = state->has_up;
	st->has_down = state->has_down;
	st->up_ms = state->up_ms;
	st->down_ms = state->down_ms;
	if (state->active_ms > st->active_ms)
		st->active_ms = state->active_ms;
}

static void
begin_leading(struct scaled *s, const struct store_shared *shared)
{
	struct scaled_state *st = s->state;
	bool was_following = st->lead.role == SCALED_FOLLOWS;

	/* A leader's own times are newer than what it has written. */
	if (st->lead.role == SCALED_UNDECIDED && shared != NULL && shared->has_state)
		take_times(st, &shared->state);
	st->lead.role = SCALED_LEADS;
	fleet_begin_leading(st->fleet, is_shared_provider(st));
	st->list_token = 0;
	st->list_due = (struct mono){.us = 0};
	if (!was_following)
		st->lead.version = 0;
}

/* By an epoch that is another one than before. */
static void
take_epoch(struct scaled *s, const struct store_shared *shared)
{
	struct scaled_lead *lead = &s->state->lead;

	if (shared == NULL || lead->epoch == shared->epoch)
		return;
	lead->epoch = shared->epoch;
	lead->version = (shared->version > lead->version ? shared->version : lead->version) + 1;
	tell_role(s, "leads a service");
	s->scaler->ops.leads(s->scaler->user, s->conf->name, store_instance(s->scaler->store),
			     lead->epoch);
}

static void
begin_following(struct scaled *s, int64_t now_ms)
{
	struct scaled_state *st = s->state;

	st->lead.role = SCALED_FOLLOWS;
	st->lead.is_asking = false;
	fleet_begin_following(st->fleet, is_shared_provider(st), now_ms);
}

static void
follow_epoch(struct scaled *s, const struct store_shared *shared)
{
	struct scaled_lead *lead = &s->state->lead;

	if (lead->epoch == shared->epoch)
		return;
	lead->epoch = shared->epoch;
	tell_role(s, "follows in a service");
}

static void
look_at_role(struct scaled *s, struct mono now)
{
	struct scaled_state *st = s->state;
	const struct store_shared *shared = shared_of(s);
	enum store_authority authority = authority_of(s);

	st->lead.may_act = authority == TG_STORE_ALONE || authority == TG_STORE_LEADS;
	if (st->lead.may_act) {
		if (st->lead.role != SCALED_LEADS)
			begin_leading(s, shared);
		if (authority == TG_STORE_LEADS)
			take_epoch(s, shared);
	} else if (authority == TG_STORE_FOLLOWS) {
		if (st->lead.role != SCALED_FOLLOWS)
			begin_following(s, scaler_ms(now));
		follow_epoch(s, shared);
	}
}

bool
scaled_leads(const struct scaled *s)
{
	return s->state->lead.role == SCALED_LEADS && s->state->lead.may_act;
}

bool
scaled_is_told(const struct scaled *s)
{
	const struct scaled_lead *lead = &s->state->lead;

	return lead->role == SCALED_FOLLOWS && lead->seen_epoch == lead->epoch;
}

bool
scaled_may_list(const struct scaled *s)
{
	const struct scaled_state *st = s->state;

	return s->is_gone || s->module == NULL || scaled_leads(s) || (st->lead.role == SCALED_FOLLOWS && !is_shared_provider(st));
}

/*** Whether something may be done now ***/

bool
scaled_may_edit(const struct scaled_state *st)
{
	const struct scaled *s = st->of;

	return st->lead.role != SCALED_LEADS || s->is_gone || s->module == NULL ||
	       authority_of(s) == TG_STORE_ALONE || authority_of(s) == TG_STORE_LEADS;
}

bool
scaled_may_go_on(const struct scaled_source *source)
{
	const struct scaled *s = source->state->of;
	enum store_authority authority = authority_of(s);

	if (s->is_gone || s->module == NULL || s->scaler->is_stopping ||
	    authority == TG_STORE_ALONE || authority == TG_STORE_LEADS)
		return true;
	return authority == TG_STORE_FOLLOWS && !provider_is_shared(source->provider);
}

bool
scaled_may_order(struct scaled_state *st, const struct fleet_member *m)
{
	const struct scaled *s = st->of;
	struct scaled_lead *lead = &st->lead;
	enum store_authority authority = authority_of(s);

	provider_set_epoch(st->sources[m->source].provider, lead->epoch);
	if (s->is_gone || s->module == NULL || authority == TG_STORE_ALONE)
		return true;
	/* What this instance started, nobody else can stop. */
	if (lead->role == SCALED_FOLLOWS)
		return authority == TG_STORE_FOLLOWS && m->state == TG_FLEET_STOPPING &&
		       !m->is_others;
	if (authority == TG_STORE_LEADS && lead->is_permitted)
		return true;
	if (!lead->is_asking)
		lead->asked = mono_read();
	lead->is_asking = true;
	return false;
}

/* The answer is to a question that was asked after the orders were wanted. */
static bool
is_answer(const struct scaled *s, const struct store_shared *shared)
{
	const struct scaled_lead *lead = &s->state->lead;

	return lead->is_asking && scaled_leads(s) && shared->is_mine &&
	       shared->epoch == lead->epoch && shared->asked.us >= lead->asked.us;
}

static void
act(struct scaled *s, struct mono now)
{
	struct scaled_state *st = s->state;

	st->lead.is_asking = false;
	st->lead.is_permitted = true;
	fleet_tick(st->fleet, st->desired, scaler_ms(now));
	st->lead.is_permitted = false;
}

static bool
is_woken_elsewhere(const struct store_shared *shared)
{
	for (size_t i = 0; i < shared->n_others; i++) {
		if (shared->others[i].is_woken)
			return true;
	}
	return false;
}

void
scaled_heard(struct scaled *s)
{
	struct scaled_state *st = s->state;
	const struct store_shared *shared = shared_of(s);
	struct mono now = loop_now_update(s->scaler->loop);
	enum scaled_role before = st->lead.role;
	uint64_t epoch = st->lead.epoch;

	if (shared == NULL || s->is_gone || s->module == NULL)
		return;
	look_at_role(s, now);
	if (is_answer(s, shared) && st->is_begun && st->source->provider != NULL)
		act(s, now);
	if (before != st->lead.role || epoch != st->lead.epoch ||
	    (st->lead.role == SCALED_FOLLOWS && (shared->version != st->lead.seen_version ||
						 shared->state_epoch != st->lead.seen_epoch)) ||
	    (scaled_leads(s) && !st->is_woken && is_woken_elsewhere(shared)))
		scaled_hurry(s);
}

/*** What others hold ***/

static const struct store_hold *
find_hold(const struct store_other *other, const char *name)
{
	for (size_t i = 0; i < other->n_holds; i++) {
		if (strcmp(other->holds[i].name, name) == 0)
			return &other->holds[i];
	}
	return NULL;
}

int64_t
scaled_in_flight_elsewhere(const struct scaled *s, const char *name)
{
	const struct store_shared *shared = shared_of(s);
	int64_t n = 0;

	for (size_t i = 0; shared != NULL && i < shared->n_others; i++) {
		const struct store_hold *hold = find_hold(&shared->others[i], name);

		if (hold != NULL && n < INT64_MAX - hold->in_flight)
			n += hold->in_flight;
	}
	return n;
}

/* Of a fleet that has it not, or as it drains. */
static bool
has_seen(const struct scaled *s, const struct store_other *other)
{
	const struct scaled_lead *lead = &s->state->lead;

	return lead->role != SCALED_LEADS ||
	       (other->seen_epoch == lead->epoch && other->seen_version == lead->version);
}

bool
scaled_is_held_elsewhere(const struct scaled *s, const char *name)
{
	const struct store_shared *shared = shared_of(s);

	for (size_t i = 0; shared != NULL && i < shared->n_others; i++) {
		const struct store_other *other = &shared->others[i];

		if (!has_seen(s, other) || find_hold(other, name) != NULL)
			return true;
	}
	return false;
}

bool
scaled_has_lost(const struct scaled *s, struct mono now)
{
	const struct store_shared *shared = shared_of(s);

	return shared != NULL && now.us < shared->unsure.us;
}

/*** What is told ***/

struct telling {
	struct scaled *s;
	struct store_hold *holds;
	size_t n_holds;
	struct store_member *members;
	size_t n_members;
};

static void
add_hold(struct telling *t, const struct fleet_member *m)
{
	if (m->state < TG_FLEET_ADDING || m->state > TG_FLEET_RESTING)
		return;
	snprintf(t->holds[t->n_holds].name, sizeof(t->holds[0].name), "%s", m->name);
	t->holds[t->n_holds++].in_flight = m->slot != 0 ? scaled_in_flight(t->s, m->slot) : 0;
}

static void
add_member(struct telling *t, const struct fleet_member *m)
{
	const struct scaler *sc = t->s->scaler;
	struct store_member *one = &t->members[t->n_members];

	if (m->state < TG_FLEET_CHECKING || m->state > TG_FLEET_REMOVING || !m->has_addr)
		return;
	snprintf(one->name, sizeof(one->name), "%s", m->name);
	snprintf(one->origin, sizeof(one->origin), "%s",
		 m->is_others ? m->origin : store_instance(sc->store));
	one->addr = m->addr;
	snprintf(one->node, sizeof(one->node), "%s", m->node);
	one->is_draining = m->state >= TG_FLEET_DRAINING;
	one->is_evicted = one->is_draining && m->is_evicted;
	t->n_members++;
}

static void
add_told(void *user, const struct fleet_member *m)
{
	struct telling *t = user;

	add_hold(t, m);
	if (t->s->state->lead.role == SCALED_LEADS)
		add_member(t, m);
}

static bool
is_same(const struct store_member *a, size_t n_a, const struct store_member *b, size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++) {
		if (strcmp(a[i].name, b[i].name) != 0 || a[i].is_draining != b[i].is_draining ||
		    a[i].is_evicted != b[i].is_evicted ||
		    strcmp(a[i].origin, b[i].origin) != 0 || strcmp(a[i].node, b[i].node) != 0 || !addr_equal(&a[i].addr, &b[i].addr))
			return false;
	}
	return n_a == n_b;
}

/* The fleet is another version where it is another one. Takes the members over. */
static void
publish(struct scaled_lead *lead, struct telling *t)
{
	if (!is_same(lead->published, lead->n_published, t->members, t->n_members))
		lead->version++;
	free(lead->published);
	lead->published = t->members;
	lead->n_published = t->n_members;
}

static struct store_telling
telling_of(const struct scaled *s, const struct telling *t)
{
	const struct scaled_state *st = s->state;
	const struct scaled_lead *lead = &st->lead;
	bool leads = lead->role == SCALED_LEADS;

	return (struct store_telling){
		.wants_lead = !s->scaler->is_holding && !s->scaler->is_stopping,
		.part = s->part,
		.is_woken = st->is_woken_here,
		.is_ending = lead->is_ending,
		.seen_epoch = leads ? lead->epoch : lead->seen_epoch,
		.seen_version = leads ? lead->version : lead->seen_version,
		.holds = t->holds,
		.n_holds = t->n_holds,
		.epoch = scaled_leads(s) && st->is_begun ? lead->epoch : 0,
		.version = lead->version,
		.members = lead->published,
		.n_members = lead->n_published,
		.state = {
			.desired = st->desired,
			.proposed = decision_raw(s->has_decision ? &s->decision : NULL),
			.has_up = st->has_up,
			.has_down = st->has_down,
			.up_ms = st->up_ms,
			.down_ms = st->down_ms,
			.active_ms = st->active_ms,
		},
	};
}

void
scaled_tell_others(struct scaled *s)
{
	struct fleet_counts counts = fleet_counts(s->state->fleet);
	size_t room = (size_t)counts.pending + counts.ready + counts.down + counts.draining + 1;
	struct telling t = {.s = s};
	struct store_telling telling;
	int rc = -TG_ENOMEM;

	if (store_instance(s->scaler->store)[0] == '\0')
		return;
	t.holds = calloc(room, sizeof(t.holds[0]));
	t.members = calloc(room, sizeof(t.members[0]));
	if (t.holds != NULL && t.members != NULL) {
		fleet_walk(s->state->fleet, add_told, &t);
		publish(&s->state->lead, &t);
		t.members = NULL;
		telling = telling_of(s, &t);
		rc = store_tell(s->scaler->store, s->conf->name, &telling);
	}
	free(t.holds);
	free(t.members);
	if (rc < 0)
		log_write(TG_LOG_ERROR, "other instances are not told", "svc=%s reason=%s",
			  s->conf->name, "no memory");
}

/*** What is heard ***/

static double
sum(double a, double b)
{
	if (isnan(a))
		return b;
	return isnan(b) ? a : a + b;
}

static double
greater(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

/* Of two means, each of so many. */
static double
mean(double a, double n_a, double b, double n_b)
{
	if (isnan(a) || !(n_a > 0))
		return isnan(b) ? a : b;
	if (isnan(b) || !(n_b > 0))
		return a;
	return (a * n_a + b * n_b) / (n_a + n_b);
}

static void
add_part(double *all, const double *part)
{
	static const enum tg_metric sums[] = {TG_METRIC_IN_FLIGHT, TG_METRIC_QUEUED,
					      TG_METRIC_ARRIVALS, TG_METRIC_COMPLETIONS,
					      TG_METRIC_ERRORS};
	double done = all[TG_METRIC_COMPLETIONS];
	double came = all[TG_METRIC_ARRIVALS];

	all[TG_METRIC_SERVICE_TIME] = mean(all[TG_METRIC_SERVICE_TIME], done,
					   part[TG_METRIC_SERVICE_TIME], part[TG_METRIC_COMPLETIONS]);
	all[TG_METRIC_QUEUE_TIME] = mean(all[TG_METRIC_QUEUE_TIME], came,
					 part[TG_METRIC_QUEUE_TIME], part[TG_METRIC_ARRIVALS]);
	all[TG_METRIC_SERVICE_P95] = greater(all[TG_METRIC_SERVICE_P95], part[TG_METRIC_SERVICE_P95]);
	all[TG_METRIC_QUEUE_P95] = greater(all[TG_METRIC_QUEUE_P95], part[TG_METRIC_QUEUE_P95]);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		all[sums[i]] = sum(all[sums[i]], part[sums[i]]);
	/* These are of backends, whoever looks: once. */
	if (isnan(all[TG_METRIC_CPU]))
		all[TG_METRIC_CPU] = part[TG_METRIC_CPU];
	if (isnan(all[TG_METRIC_MEMORY]))
		all[TG_METRIC_MEMORY] = part[TG_METRIC_MEMORY];
}

void
scaled_add_others(struct scaled *s, struct store_point *point)
{
	const struct store_shared *shared = shared_of(s);
	struct scaled_state *st = s->state;

	if (shared == NULL)
		return;
	for (size_t i = 0; i < shared->n_others; i++)
		add_part(point->values, shared->others[i].part.values);
	if (st->lead.role == SCALED_FOLLOWS) {
		point->values[TG_METRIC_DESIRED] = shared->state.desired + s->n_fixed;
		point->values[TG_METRIC_PROPOSED] = shared->state.proposed;
	} else if (is_woken_elsewhere(shared)) {
		st->is_woken = true;
	}
}

static void
follow(struct scaled *s, const struct store_shared *shared, int64_t now_ms)
{
	struct scaled_state *st = s->state;
	struct fleet_told told = {.members = shared->members,
				  .n = shared->n_members,
				  .self = store_instance(s->scaler->store)};

	/* The state of a leader of before says nothing of what this one has. */
	if (!shared->has_state || shared->state_epoch != shared->epoch)
		return;
	st->desired = shared->state.desired;
	st->told = st->desired; /* by the leader */
	st->is_begun = true;
	take_times(st, &shared->state);
	fleet_follow(st->fleet, &told, now_ms);
	st->lead.seen_epoch = shared->state_epoch;
	st->lead.seen_version = shared->version;
}

void
scaled_look(struct scaled *s, struct mono now)
{
	look_at_role(s, now);
}

void
scaled_follow(struct scaled *s, struct mono now)
{
	const struct store_shared *shared = shared_of(s);

	if (s->state->lead.role != SCALED_FOLLOWS || shared == NULL ||
	    authority_of(s) != TG_STORE_FOLLOWS)
		return;
	follow(s, shared, scaler_ms(now));
	fleet_tick(s->state->fleet, s->state->desired, scaler_ms(now));
}

/*** The end ***/

/* Each instance tells that it ends, and then hears who does not: all exchanges of a service are one after the other, so of
 * those that end together the last one finds nobody else who stays. */
#define END_MS 2000u

static bool
has_shared_provider(const struct scaled_state *st)
{
	for (size_t i = 0; i < TG_PROVIDER_TYPE_COUNT; i++) {
		const struct provider *p = st->sources[i].provider;

		if (p != NULL && provider_is_shared(p))
			return true;
	}
	return false;
}

static bool
has_others(const struct scaled *s, const struct store_shared *shared)
{
	return shared != NULL &&
	       (shared->n_others > 0 || s->state->lead.role == SCALED_FOLLOWS);
}

bool
scaled_announce_end(struct scaled *s)
{
	struct scaled_lead *lead = &s->state->lead;

	if (s->is_gone || s->module == NULL || !has_shared_provider(s->state) ||
	    !has_others(s, shared_of(s)))
		return false;
	lead->is_ending = true;
	lead->end_asked = mono_read();
	scaled_tell_others(s);
	return true;
}

static bool
is_end_heard(const struct scaled *s, const struct store_shared *shared)
{
	const struct scaled_lead *lead = &s->state->lead;

	return shared != NULL && mono_is_set(lead->end_asked) &&
	       shared->asked.us >= lead->end_asked.us;
}

bool
scaled_knows_end(const struct scaled *s, struct mono now)
{
	return is_end_heard(s, shared_of(s)) ||
	       now.us >= mono_add_ms(s->state->lead.end_asked, END_MS).us;
}

static bool
does_any_stay(const struct store_shared *shared)
{
	for (size_t i = 0; i < shared->n_others; i++) {
		if (!shared->others[i].is_ending)
			return true;
	}
	return shared->leader[0] != '\0' && !shared->is_mine;
}

bool
scaled_leaves_backends(const struct scaled *s, const struct scaled_source *source)
{
	const struct store_shared *shared = shared_of(s);

	if (shared == NULL || !provider_is_shared(source->provider))
		return false;
	return is_end_heard(s, shared) ? does_any_stay(shared) : has_others(s, shared);
}
