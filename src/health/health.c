/* health/health.c: the checks of all backends: what they are told, and what is asked of them. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "health/probe_priv.h"

/* Programs under way, and those that were killed and are not gone. */
#define PROGRAMS_LEFT_MAX (4 * TG_HEALTH_PROGRAMS_MAX)
#define DESCRIPTORS_LEFT  1024u /* to the keeper's other work */

struct probe *
probe_get(const struct health *health, unsigned service, unsigned backend)
{
	assert(service < health->conf->n_services);
	assert(backend < health->conf->services[service].n_backends);
	return health->table.list[health->table.first[service] + backend];
}

static bool
record_equal(const struct backend_record *a, const struct backend_record *b)
{
	return a->weight == b->weight && a->is_backup == b->is_backup;
}

static bool
is_next(const struct probe *p, const struct addr *addr)
{
	return p->trial != NULL && addr_equal(p->status.next, addr);
}

void
health_set_place(struct health *health, unsigned service, unsigned backend, const struct addr *addr,
		 const struct backend_record *record)
{
	struct probe *p = probe_get(health, service, backend);

	if (is_next(p, addr)) {
		p->next_record = *record;
		return;
	}
	if (!p->status.has_addr || !addr_equal(&p->status.addr, addr)) {
		if (!probe_try(p, addr, record))
			probe_move(p, addr, record);
		return;
	}
	probe_drop_trial(p);
	if (record_equal(&p->status.record, record))
		return;
	p->status.record = *record;
	health->change(health->user, service, backend);
}

bool
health_is_moving(const struct health *health)
{
	return health->n_trials > 0;
}

void
health_move(struct health *health, unsigned service, unsigned backend)
{
	struct probe *p = probe_get(health, service, backend);

	if (p->trial != NULL)
		probe_adopt(p);
}

void
health_set_addr(struct health *health, unsigned service, unsigned backend, const struct addr *addr)
{
	static const struct backend_record nothing;

	health_set_place(health, service, backend, addr, &nothing);
}

void
health_set_no_addr(struct health *health, unsigned service, unsigned backend, const char *why)
{
	struct probe *p = probe_get(health, service, backend);
	struct health_status *s = &p->status;

	pace_stop(&p->pace);
	kept_drop(&p->kept);
	probe_drop_trial(p);
	if (p->agent != NULL)
		agent_set_no_addr(p->agent);
	check_outcome_set(&s->last, TG_CHECK_RESOLVE, "%s", why);
	if (!s->has_addr && s->verdict.state == TG_HEALTH_DOWN)
		return;
	s->has_addr = false;
	verdict_force(&s->verdict, TG_HEALTH_DOWN, loop_now(health->loop));
	probe_tell(p);
}

void
health_set_checked(struct health *health, unsigned service, unsigned backend, bool is_checked)
{
	struct probe *p = probe_get(health, service, backend);

	if (p->is_resting == !is_checked)
		return;
	p->is_resting = !is_checked;
	pace_stop(&p->pace);
	kept_drop(&p->kept);
	if (p->is_resting && p->trial != NULL)
		probe_adopt(p);
	probe_resume(p);
	if (probe_state(p) != p->status.state)
		probe_tell(p);
}

void
health_set_check_port(struct health *health, unsigned service, unsigned backend, uint16_t port)
{
	struct probe *p = probe_get(health, service, backend);

	if (p->port == port)
		return;
	p->port = port;
	probe_resume(p);
	if (p->trial != NULL) {
		struct addr next = *p->status.next;
		struct backend_record record = p->next_record;

		if (!probe_try(p, &next, &record))
			probe_move(p, &next, &record);
	}
}

void
health_set_others(struct health *health, unsigned service, unsigned backend,
		  const struct quorum *others)
{
	struct probe *p = probe_get(health, service, backend);

	p->status.others = *others;
	if (probe_state(p) != p->status.state)
		probe_tell(p);
}

bool
health_has_vote(const struct health *health, unsigned service, unsigned backend)
{
	const struct probe *p = probe_get(health, service, backend);

	return p->ops != NULL && !p->is_resting && p->status.has_addr &&
	       p->status.verdict.state != TG_HEALTH_CHECKING;
}

void
health_recall(struct health *health, unsigned service, unsigned backend,
	      const struct health_history *history)
{
	struct health_status *s = &probe_get(health, service, backend)->status;

	s->passes = history->passes;
	s->failures = history->failures;
	s->verdict.downs = history->downs;
	s->verdict.down_us = history->down_us;
}

void
health_keep_agent(const struct health *health, unsigned service, unsigned backend, struct agent_kept *ret)
{
	const struct probe *p = probe_get(health, service, backend);

	*ret = (struct agent_kept){.at = 0};
	if (p->agent != NULL)
		agent_keep(p->agent, ret);
}

void
health_recall_agent(struct health *health, unsigned service, unsigned backend,
		    const struct agent_kept *kept)
{
	struct probe *p = probe_get(health, service, backend);

	if (p->agent != NULL)
		agent_recall(p->agent, kept);
}

void
health_set_note(struct health *health, unsigned service, unsigned backend, const char *note)
{
	struct health_status *s = &probe_get(health, service, backend)->status;

	free(s->note);
	s->note = note[0] != '\0' ? strndup(note, TG_CHECK_TEXT_SIZE - 1) : NULL;
}

const struct health_status *
health_status(const struct health *health, unsigned service, unsigned backend)
{
	return &probe_get(health, service, backend)->status;
}

const struct agent_status *
health_agent_status(const struct health *health, unsigned service, unsigned backend)
{
	const struct probe *p = probe_get(health, service, backend);

	return p->agent != NULL ? agent_status(p->agent) : NULL;
}

bool
health_agent_load(const struct health *health, unsigned service, unsigned backend, double *ret_cpu,
		  double *ret_memory)
{
	const struct probe *p = probe_get(health, service, backend);

	return p->agent != NULL &&
	       agent_load(p->agent, loop_now(health->loop), ret_cpu, ret_memory);
}

const struct backend_order *
health_agent_order(const struct health *health, unsigned service, unsigned backend)
{
	static const struct backend_order nothing = TG_ORDER_NOTHING;
	const struct probe *p = probe_get(health, service, backend);

	if (p->agent != NULL)
		return &agent_status(p->agent)->order;
	return p->had_agent ? &nothing : NULL;
}

/* A kept connection takes a descriptor from checks, names and clients of the admin socket. */
static size_t
may_keep(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= DESCRIPTORS_LEFT)
		return 0;
	return limit.rlim_cur - DESCRIPTORS_LEFT;
}

static size_t
count_backends(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends;
	return n;
}

/* All empty. -TG_ENOMEM. */
int
probe_table_init(struct probe_table *t, const struct conf *conf)
{
	t->list = calloc(count_backends(conf) + 1, sizeof(t->list[0]));
	t->first = calloc(conf->n_services + 1, sizeof(t->first[0]));
	if (t->list == NULL || t->first == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < conf->n_services; i++) {
		t->first[i] = t->n;
		t->n += conf->services[i].n_backends;
	}
	return 0;
}

void
probe_table_fini(struct probe_table *t)
{
	free(t->list);
	free(t->first);
}

static int
make_probes(struct health *health, const struct conf_service *service)
{
	struct probe_shared shared;
	int rc = probe_shared_make(health, service, &shared);

	for (size_t i = 0; i < service->n_backends && rc == 0; i++) {
		struct probe *p = probe_new(health, service, &service->backends[i], &shared);

		health->table.list[health->table.first[service->index] + i] = p;
		rc = p != NULL ? probe_add_agent(p) : -TG_ENOMEM;
		if (rc == 0)
			probe_keep_connection(p);
	}
	probe_shared_fini(&shared);
	return rc;
}

struct health *
health_new(struct loop *loop, const struct conf *conf, health_change_cb *change, void *user)
{
	struct health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return NULL;
	health->loop = loop;
	health->conf = conf;
	health->change = change;
	health->user = user;
	health->may_keep = may_keep();
	lane_init(&health->network, loop, TG_HEALTH_RUNNING_MAX, TG_HEALTH_RUNNING_MAX,
		  mono_read().us);
	lane_init(&health->programs, loop, TG_HEALTH_PROGRAMS_MAX, TG_HEALTH_PROGRAMS_COMMON,
		  mono_read().us);
	health->network_flow = lane_flow_new(&health->network, TG_HEALTH_RUNNING_MAX);
	health->program_pool = process_pool_new(loop, PROGRAMS_LEFT_MAX);
	health->tls_output = tls_output_new();
	buf_pool_init(&health->bufs, NULL);
	health->h2 = h2_shared_new(&health->bufs);
	if (health->network_flow == NULL || health->program_pool == NULL ||
	    health->tls_output == NULL || health->h2 == NULL ||
	    probe_table_init(&health->table, conf) < 0) {
		health_free(health);
		return NULL;
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		if (make_probes(health, &conf->services[i]) < 0) {
			health_free(health);
			return NULL;
		}
	}
	return health;
}

void
health_listen(struct health *health, health_news_cb *news, void *user)
{
	health->news = news;
	health->news_user = user;
}

void
health_free(struct health *health)
{
	if (health == NULL)
		return;
	for (size_t i = 0; health->table.list != NULL && i < health->table.n; i++)
		probe_free(health->table.list[i]);
	lane_flow_unref(health->network_flow);
	lane_fini(&health->network);
	lane_fini(&health->programs);
	process_pool_free(health->program_pool);
	knocker_fini(&health->knocker);
	trust_cache_fini(&health->trust);
	tls_output_free(health->tls_output);
	h2_shared_free(health->h2);
	buf_pool_fini(&health->bufs);
	probe_table_fini(&health->table);
	free(health);
}
