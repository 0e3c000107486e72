/* autoscale/scaled_make.c: a service that is scaled: its parts, and what they say to each other. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/schedule.h"
#include "autoscale/scaler_priv.h"

/*** What the fleet orders ***/

static int
start(void *user, const struct fleet_member *m, uint64_t token)
{
	struct scaled_state *st = user;
	const struct scaled_source *source = &st->sources[m->source];

	if (!scaled_may_order(st, m))
		return -TG_EAGAIN;
	return provider_start(source->provider, token, m->name, m->node);
}

static int
stop(void *user, const struct fleet_member *m, uint64_t token, uint64_t grace_ms)
{
	struct scaled_state *st = user;

	if (!scaled_may_order(st, m))
		return -TG_EAGAIN;
	return provider_stop(st->sources[m->source].provider, token, m->name, grace_ms);
}

static int
add(void *user, const struct fleet_member *m)
{
	struct scaled_state *st = user;
	struct scaler *s = st->of->scaler;

	if (!scaled_may_edit(st))
		return -TG_EAGAIN;
	return s->ops.add(s->user, st->of->conf->name, m->name, &m->addr,
			  m->is_others ? m->origin : "");
}

static int
take_out(void *user, const struct fleet_member *m)
{
	struct scaled_state *st = user;
	struct scaler *s = st->of->scaler;

	if (!scaled_may_edit(st))
		return -TG_EAGAIN;
	return s->ops.remove(s->user, st->of->conf->name, m->name);
}

static bool
is_taken(void *user, const char *name)
{
	const struct scaled_state *st = user;
	const struct conf_service *conf = st->of->conf;

	for (size_t i = 0; i < conf->n_backends; i++) {
		const struct conf_backend *b = &conf->backends[i];

		if (strcmp(b->name, name) == 0 || strcmp(b->entry_name, name) == 0)
			return true;
	}
	return false;
}

static int
drain(void *user, const struct fleet_member *m, bool is_on)
{
	struct scaled_state *st = user;
	struct scaler *s = st->of->scaler;

	if (!scaled_may_edit(st))
		return -TG_EAGAIN;
	return s->ops.drain(s->user, st->of->conf->name, m->name, is_on);
}

static void
cut(void *user, const struct fleet_member *m)
{
	struct scaled_state *st = user;
	struct scaler *s = st->of->scaler;

	s->ops.cut(s->user, st->of->conf->name, m->name);
}

static void
place(void *user)
{
	struct scaled_state *st = user;

	scaler_place(st->of->scaler);
}

static unsigned
prefer(void *user, const struct fleet_member *const *list, unsigned n)
{
	struct scaled_state *st = user;

	return scaler_prefer(st->of, list, n);
}

static void
told(void *user, const struct fleet_member *m, enum fleet_news what, const char *why)
{
	struct scaled_state *st = user;
	bool is_failure = what == TG_FLEET_NEWS_START_FAILED;
	char message[64];

	st->start_failures += is_failure;
	if (what == TG_FLEET_NEWS_DOWN && st->source->provider != NULL && m->node[0] != '\0')
		provider_doubt_node(st->source->provider, m->node);
	if (what == TG_FLEET_NEWS_PLACED || what == TG_FLEET_NEWS_WAITING ||
	    what == TG_FLEET_NEWS_NOMINATED)
		scaled_note_place(st->of, m, what == TG_FLEET_NEWS_PLACED, why);
	if (is_failure)
		st->of->scaler->ops.start_failed(st->of->scaler->user, st->of->conf->name, m->name,
						 why);
	snprintf(message, sizeof(message), "backend %s", fleet_news_str(what));
	log_write(is_failure ? TG_LOG_WARN : TG_LOG_INFO, message, "svc=%s srv=%s reason=%s",
		  st->of->conf->name, m->name, why);
}

static void
was_ready(void *user, const struct fleet_member *m, uint64_t took_ms)
{
	struct scaled_state *st = user;

	/* Others count their own. */
	if (!m->is_others)
		scaled_note_start(st->of, took_ms);
}

static const struct fleet_orders fleet_orders = {
	.start = start,
	.stop = stop,
	.place = place,
	.prefer = prefer,
	.add = add,
	.remove = take_out,
	.is_taken = is_taken,
	.drain = drain,
	.cut = cut,
	.told = told,
	.was_ready = was_ready,
};

/*** What the provider says ***/

static void
on_answered(void *user, const struct provider_answer *answer)
{
	const struct scaled_source *source = user;
	struct scaled_state *st = source->state;

	if (scaled_is_list(answer->token)) {
		if (source == st->source)
			scaled_listed(st->of, answer);
		else if (answer->token == st->left_token)
			scaled_left_listed(st, answer);
		return;
	}
	fleet_answered(st->fleet, answer->token, answer->rc, answer->why,
		       scaler_now_ms(st->of->scaler));
	scaled_hurry(st->of);
}

static void
on_instance(void *user, const struct instance *instance)
{
	const struct scaled_source *source = user;
	struct scaled_state *st = source->state;
	struct scaler *s = st->of->scaler;
	const struct fleet_member *m = fleet_find(st->fleet, instance->name);

	if (s->is_stopping) {
		scaler_end_if_done(s);
		return;
	}
	if (m != NULL && !m->is_others && &st->sources[m->source] == source)
		fleet_changed(st->fleet, instance, scaler_now_ms(s));
	scaled_hurry(st->of);
}

static bool
may_act(void *user)
{
	return scaled_may_go_on(user);
}

const struct provider_events scaled_provider_events = {
	.may_act = may_act,
	.answered = on_answered,
	.changed = on_instance,
};

/*** A service as it is configured ***/

static void
free_configured(struct scaled *s)
{
	if (s == NULL)
		return;
	free(s->values);
	free(s->scheduler_values);
	free(s->outcomes);
	schedules_free(s->schedules);
	free(s->members);
	free(s->samples);
	free(s->rates);
	free(s->places);
	free(s->reads);
	free(s->puts);
	free(s->backends);
	free(s->names);
	conf_unref(s->owner);
	free(s);
}

void
scaled_source_close(struct scaled_source *source)
{
	provider_close(source->provider);
	conf_unref(source->owner);
	free(source->own);
	*source = (struct scaled_source){.state = source->state};
}

static void
free_state(struct scaled_state *st)
{
	if (st == NULL)
		return;
	for (size_t i = 0; i < TG_PROVIDER_TYPE_COUNT; i++)
		scaled_source_close(&st->sources[i]);
	scaled_plan_fini(st);
	fleet_free(st->fleet);
	free(st->lead.published);
	free(st);
}

static int
take_values(struct scaled *s, struct err *err)
{
	const struct conf_autoscale *a = &s->conf->autoscale;
	size_t bad;

	s->module = module_find(TG_MODULE_AUTOSCALER, a->module);
	if (s->module == NULL)
		return err_set(err, TG_ENOENT, "service \"%s\": no autoscaler \"%s\"", s->conf->name,
			       a->module);
	s->values = calloc(TG_OPTIONS_MAX, sizeof(s->values[0]));
	if (s->values == NULL)
		return err_no_memory(err);
	if (module_values(s->module, a->settings, a->n_settings, s->values, &bad, err) < 0)
		return -TG_EINVAL;
	return schedules_new(a, &s->schedules, err);
}

static int
take_scheduler(struct scaled *s, struct err *err)
{
	const struct conf_placement *p = &s->conf->placement;
	size_t bad;

	s->scheduler = module_find(TG_MODULE_SCHEDULER, s->conf->scheduler);
	if (s->scheduler == NULL)
		return err_set(err, TG_ENOENT, "service \"%s\": no scheduler \"%s\"", s->conf->name,
			       s->conf->scheduler);
	s->scheduler_values = calloc(TG_OPTIONS_MAX, sizeof(s->scheduler_values[0]));
	if (s->scheduler_values == NULL)
		return err_no_memory(err);
	return module_values(s->scheduler, p->settings, p->n_settings, s->scheduler_values, &bad,
			     err);
}

static int
keep_windows(struct scaled *s, struct err *err)
{
	uint32_t longest = 0;

	s->n_windows = module_windows(s->module, s->values, s->spans_ms);
	for (uint32_t i = 0; i < s->n_windows; i++)
		longest = s->spans_ms[i] > longest ? s->spans_ms[i] : longest;
	if (store_keep(s->scaler->store, s->conf->name, longest,
		       (uint32_t)s->conf->autoscale.interval_ms) < 0)
		return err_no_memory(err);
	return 0;
}

struct scaled *
scaled_new(struct scaler *scaler, struct conf *owner, const struct conf_service *conf,
	   struct err *err)
{
	struct scaled *s = calloc(1, sizeof(*s));
	size_t n = conf->n_backends + 1;

	if (s == NULL) {
		err_no_memory(err);
		return NULL;
	}
	s->scaler = scaler;
	s->owner = conf_ref(owner);
	s->conf = conf;
	s->members = calloc(n, sizeof(struct fleet_member *));
	s->samples = calloc(n, sizeof(s->samples[0]));
	s->rates = calloc(n, sizeof(s->rates[0]));
	s->places = calloc(n, sizeof(s->places[0]));
	s->reads = calloc(n, sizeof(s->reads[0]));
	s->puts = calloc(n, sizeof(s->puts[0]));
	if (s->members == NULL || s->samples == NULL || s->rates == NULL || s->places == NULL ||
	    s->reads == NULL || s->puts == NULL)
		err_no_memory(err);
	else if (!conf_is_scaled(conf) ||
		 (take_values(s, err) == 0 && take_scheduler(s, err) == 0 &&
		  keep_windows(s, err) == 0))
		return s;
	free_configured(s);
	return NULL;
}

static struct fleet_limits
limits_of(const struct conf_service *conf)
{
	return (struct fleet_limits){
		.start_timeout_ms = conf->autoscale.start_timeout_ms,
		.drain_timeout_ms = conf->autoscale.drain_timeout_ms,
		.stop_grace_ms = conf->provider.stop_grace_ms,
	};
}

static struct scaled_state *
state_new(struct scaled *s, struct err *err)
{
	struct scaled_state *st = calloc(1, sizeof(*st));
	struct fleet_limits limits = limits_of(s->conf);

	if (st == NULL) {
		err_no_memory(err);
		return NULL;
	}
	st->of = s;
	for (size_t i = 0; i < TG_PROVIDER_TYPE_COUNT; i++)
		st->sources[i].state = st;
	st->source = &st->sources[s->conf->provider.type];
	st->start_s = NAN;
	st->mode = s->conf->autoscale.dry_run ? TG_SCALER_DRY_RUN : TG_SCALER_ON;
	st->fleet = fleet_new(&limits, &fleet_orders, st);
	if (st->fleet == NULL || scaled_plan_init(st) < 0) {
		err_no_memory(err);
		free_state(st);
		return NULL;
	}
	return st;
}

int
scaled_open(struct scaled *s, struct scaled_state *st, struct provider **ret, struct err *err)
{
	return provider_open(s->scaler->providers, s->owner, s->conf, s->owner->origin,
			     &scaled_provider_events, &st->sources[s->conf->provider.type], ret,
			     err);
}

static void
find_one(struct scaled *s, unsigned i)
{
	const struct scaler *sc = s->scaler;
	const struct conf_backend *b = &s->conf->backends[i];
	const struct fleet_member *m = fleet_find(s->state->fleet, b->name);
	enum fleet_steer by = sc->ops.steered(sc->user, s->conf->index, i);

	/* Its answer may come when it is gone again, with its service. */
	if (m != NULL && m->state == TG_FLEET_ADDING)
		fleet_added(s->state->fleet, b->name, b->segment_slot, true, "", scaler_now_ms(sc));
	if (m == NULL && fleet_found(s->state->fleet, b->name, &b->endpoint.addr, b->segment_slot,
				     by == TG_FLEET_STEER_OURS, scaler_now_ms(sc)) < 0)
		log_write(TG_LOG_ERROR, "a backend is left alone", "svc=%s srv=%s", s->conf->name,
			  b->name);
}

static bool
is_there(void *user, const char *name)
{
	const struct scaled *s = user;

	return conf_find_backend(s->conf, name) != NULL;
}

void
scaled_find_added(struct scaled *s)
{
	fleet_look(s->state->fleet, is_there, s, scaler_now_ms(s->scaler));
	for (unsigned i = 0; i < s->conf->n_backends; i++) {
		const struct conf_backend *b = &s->conf->backends[i];

		if (conf_backend_is_scaled(b))
			find_one(s, i);
	}
}

int
scaled_begin(struct scaled *s, struct err *err)
{
	struct scaled_state *st = state_new(s, err);

	if (st == NULL)
		return -TG_ENOMEM;
	if (scaled_open(s, st, &st->source->provider, err) < 0) {
		free_state(st);
		return -TG_EINVAL;
	}
	st->source->owner = conf_ref(s->owner);
	st->source->conf = s->conf;
	fleet_set_source(st->fleet, s->conf->provider.type);
	s->state = st;
	return 0;
}

/* Where the same module decides on, what it decided is no news after a reload. */
static void
take_decision_over(struct scaled *s, const struct scaled *was)
{
	if (s->module != was->module)
		return;
	s->has_decision = was->has_decision;
	s->decision = was->decision;
	s->n_fixed = was->n_fixed;
}

static bool
has_left(void *user, const char *node)
{
	struct provider_node ignored;

	return provider_left_node(user, node, &ignored);
}

void
scaled_take_over(struct scaled *s, struct scaled *was, struct provider *provider)
{
	struct scaled_state *st = was->state;
	const struct scaled_source *before = st->source;
	struct fleet_limits limits = limits_of(s->conf);
	bool is_unknown;

	was->state = NULL;
	s->state = st;
	st->of = s;
	take_decision_over(s, was);
	scaled_plan_take_over(st);
	if (conf_is_scaled(s->conf))
		fleet_set_limits(st->fleet, &limits);
	if (provider == NULL)
		return;
	st->source = &st->sources[s->conf->provider.type];
	scaled_source_close(st->source);
	st->source->provider = provider;
	st->source->owner = conf_ref(s->owner);
	st->source->conf = s->conf;
	st->list_token = 0;
	st->list_failure[0] = '\0';
	st->list_due = (struct mono){.us = 0};
	fleet_set_source(st->fleet, s->conf->provider.type);
	fleet_leave_nodes(st->fleet, has_left, provider);
	/* Whose they are was not told yet, and the one that was asked is closed. */
	is_unknown = st->left_token != 0 && st->source == &st->sources[TG_PROVIDER_PROCESS];
	if (is_unknown)
		st->left_token = 0;
	if (before->provider == NULL || is_unknown)
		fleet_take_over(st->fleet, (unsigned)(before - st->sources));
	fleet_retry(st->fleet);
	if (s->scaler->is_stopping)
		scaled_stop(s);
}

void
scaled_begin_again(struct scaled *s)
{
	s->has_decision = false;
	s->state->is_begun = false;
	s->state->is_woken = false;
	s->state->is_woken_here = false;
	s->state->has_up = false;
	s->state->has_down = false;
	s->state->refused_until = (struct mono){0};
}

static void
tell_ends(const struct scaled *s, const struct scaled_source *source)
{
	const struct scaler *sc = s->scaler;
	bool is_shared = provider_is_shared(source->provider);

	for (unsigned i = 0; i < s->conf->n_backends && !s->is_gone; i++) {
		const struct fleet_member *m = fleet_find(s->state->fleet, s->conf->backends[i].name);

		if (m != NULL && &s->state->sources[m->source] == source && (is_shared || !m->is_others))
			sc->ops.ends(sc->user, s->conf->index, i);
	}
}

/* Each with its own grace: of one that is not scaled any more there is no other than that of before. */
void
scaled_stop(struct scaled *s)
{
	s->state->lead.is_ending = false;
	for (size_t i = 0; i < TG_PROVIDER_TYPE_COUNT; i++) {
		struct scaled_source *source = &s->state->sources[i];
		uint64_t grace_ms;

		if (source->provider == NULL)
			continue;
		if (scaled_leaves_backends(s, source)) {
			log_write(TG_LOG_INFO, "backends are left to other instances", "svc=%s provider=%s",
				  s->conf->name, provider_kind(source->provider));
			scaled_source_close(source);
			continue;
		}
		tell_ends(s, source);
		grace_ms = source->conf->provider.stop_grace_ms;
		provider_stop_all(source->provider,
				  grace_ms < s->scaler->grace_ms ? grace_ms : s->scaler->grace_ms);
	}
}

size_t
scaled_count(const struct scaled *s)
{
	size_t n = 0;

	for (size_t i = 0; i < TG_PROVIDER_TYPE_COUNT; i++) {
		if (s->state->sources[i].provider != NULL)
			n += provider_count(s->state->sources[i].provider);
	}
	return n;
}

void
scaled_close_former(struct scaled *s)
{
	/* What it has is not known before it has told. */
	for (unsigned i = 0; i < TG_PROVIDER_TYPE_COUNT && s->state->left_token == 0; i++) {
		struct scaled_source *source = &s->state->sources[i];

		if (source != s->state->source && source->provider != NULL &&
		    !fleet_has_source(s->state->fleet, i))
			scaled_source_close(source);
	}
}

void
scaled_end(struct scaled *s)
{
	if (s == NULL)
		return;
	free_state(s->state);
	free_configured(s);
}
