/* health/health_reload.c: probes over a reload: those that are asked as before stay, the others hand on what is known. */
#include <stdlib.h>

#include "health/probe_priv.h"

struct health_next {
	const struct conf_same *same;
	struct probe_table table; /* those of `health` where they stay as they are */
};

/* Whether all that its probe goes by says the same. */
static bool
is_checked_alike(const struct conf_service *a, const struct conf_service *b)
{
	return conf_health_equal(a, b) && conf_agent_equal(a, b) && a->protocol == b->protocol &&
	       conf_checks_have_tls(a) == conf_checks_have_tls(b) &&
	       (!conf_checks_have_tls(b) || conf_back_tls_equal(&a->tls, &b->tls));
}

/* The probe that stays, or a new one that is to take its place. NULL: no memory. */
static struct probe *
prepare_probe(struct health *health, const struct conf_place *before, bool is_alike,
	      const struct conf_service *service, const struct conf_backend *backend,
	      const struct probe_shared *shared)
{
	struct probe *known = NULL;
	struct probe *p;

	if (before->service != NULL)
		known = probe_get(health, before->service->index, before->backend->index);
	if (known != NULL && is_alike && probe_is_unix(&known->backend->endpoint) == probe_is_unix(&backend->endpoint))
		return known;
	p = probe_new(health, service, backend, shared);
	if (p == NULL)
		return NULL;
	p->before = known;
	p->is_unsettled = true;
	/* One that is asked as before is handed on. */
	if (known != NULL && known->agent != NULL && conf_agent_equal(known->service, service))
		return p;
	if (probe_add_agent(p) < 0) {
		probe_free(p);
		return NULL;
	}
	return p;
}

/* That of `alike`, which is checked the same way and may be NULL, where it has some already. */
static int
get_shared(struct health *health, const struct conf_service *alike,
	   const struct conf_service *service, struct probe_shared *ret)
{
	if (alike == NULL || alike->n_backends == 0)
		return probe_shared_make(health, service, ret);
	probe_shared_take(probe_get(health, alike->index, 0), ret);
	return 0;
}

static int
prepare_service(struct health *health, struct health_next *next, const struct conf_service *service)
{
	const struct conf_service *known = conf_same_service(next->same, service);
	bool is_alike = known != NULL && is_checked_alike(known, service);
	struct probe_shared shared;
	int rc = get_shared(health, is_alike ? known : NULL, service, &shared);

	for (size_t i = 0; i < service->n_backends && rc == 0; i++) {
		const struct conf_backend *backend = &service->backends[i];
		struct conf_place before = conf_same_backend(next->same, service, backend);
		struct probe *p =
			prepare_probe(health, &before, is_alike, service, backend, &shared);

		if (p == NULL)
			rc = -TG_ENOMEM;
		next->table.list[next->table.first[service->index] + i] = p;
	}
	probe_shared_fini(&shared);
	return rc;
}

int
health_prepare(struct health *health, const struct conf_same *same, struct health_next **ret)
{
	struct health_next *next = calloc(1, sizeof(*next));
	int rc;

	if (next == NULL)
		return -TG_ENOMEM;
	next->same = same;
	rc = probe_table_init(&next->table, same->next);
	for (size_t i = 0; rc == 0 && i < same->next->n_services; i++)
		rc = prepare_service(health, next, &same->next->services[i]);
	if (rc < 0) {
		health_drop(next);
		return rc;
	}
	*ret = next;
	return 0;
}

void
health_drop(struct health_next *next)
{
	if (next == NULL)
		return;
	for (size_t i = 0; next->table.list != NULL && i < next->table.n; i++) {
		struct probe *p = next->table.list[i];

		if (p != NULL && p->is_unsettled)
			probe_free(p);
	}
	probe_table_fini(&next->table);
	free(next);
}

static void
probe_rebind(struct probe *p, const struct conf_service *service,
	     const struct conf_backend *backend)
{
	p->service = service;
	p->backend = backend;
	check_target_rebind(&p->target, service, backend);
	if (p->trial != NULL)
		trial_rebind(p->trial, service, backend);
	if (p->agent != NULL)
		agent_rebind(p->agent, service, backend, p);
	if (conf_backend_has_name(backend))
		return;
	free(p->status.note);
	p->status.note = NULL;
}

static void
inherit_agent(struct probe *p, struct probe *before)
{
	p->had_agent |= before->had_agent;
	if (before->agent == NULL)
		return;
	if (p->agent != NULL) {
		agent_inherit(p->agent, before->agent);
	} else if (p->service->agent.port != 0) {
		p->agent = before->agent;
		before->agent = NULL;
	}
}

/* What is known of the backend; by which rules it became known does not count. */
static void
probe_inherit(struct probe *p)
{
	struct probe *before = p->before;

	p->before = NULL;
	if (before == NULL)
		return;
	p->status = before->status;
	before->status.next = NULL;
	before->status.note = NULL;
	verdict_rule(&p->status.verdict, p->service->health.rise, p->service->health.fall);
	p->next_record = before->next_record;
	p->is_resting = before->is_resting;
	p->port = before->port;
	probe_aim(p);
	inherit_agent(p, before);
}

static void
free_untaken(struct probe_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->list[i]->is_taken)
			t->list[i]->is_taken = false;
		else
			probe_free(t->list[i]);
	}
	probe_table_fini(t);
}

void
health_commit(struct health *health, struct health_next *next)
{
	const struct conf *conf = next->same->next;
	struct probe_table before = health->table;

	health->table = next->table;
	health->conf = conf;
	free(next);
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		for (size_t j = 0; j < service->n_backends; j++) {
			struct probe *p = probe_get(health, (unsigned)i, (unsigned)j);

			p->is_taken = !p->is_unsettled;
			if (p->is_unsettled)
				probe_inherit(p);
			probe_rebind(p, service, &service->backends[j]);
		}
	}
	free_untaken(&before);
}

/* It was to move, and is to do so still. */
static void
settle_trial(struct probe *p)
{
	struct addr *to = p->status.next;
	struct backend_record record = p->next_record;

	if (to == NULL || p->trial != NULL)
		return;
	p->status.next = NULL;
	if (!probe_try(p, to, &record))
		probe_move(p, to, &record);
	free(to);
}

static void
probe_settle(struct probe *p)
{
	struct health_status *s = &p->status;
	bool has_new_agent = p->agent != NULL && !agent_has_addr(p->agent);

	probe_keep_connection(p);
	if (!s->has_addr)
		return;
	if (has_new_agent)
		agent_set_addr(p->agent, &s->addr);
	settle_trial(p);
	if (p->ops != NULL) {
		probe_resume(p);
		if (probe_state(p) != s->state)
			probe_tell(p);
		return;
	}
	check_outcome_set(&s->last, TG_CHECK_UNCHECKED, "not checked");
	if (s->verdict.state == TG_HEALTH_UP)
		return;
	verdict_force(&s->verdict, TG_HEALTH_UP, loop_now(p->health->loop));
	probe_tell(p);
}

void
health_settle(struct health *health)
{
	for (size_t i = 0; i < health->table.n; i++) {
		struct probe *p = health->table.list[i];

		if (!p->is_unsettled)
			continue;
		p->is_unsettled = false;
		probe_settle(p);
	}
}
