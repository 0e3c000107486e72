#include "health/health.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/container.h"
#include "base/log.h"
#include "health/pace.h"
#include "health/trial.h"

/* Programs under way, and those that were killed and are not gone. */
#define PROGRAMS_LEFT_MAX (4 * TG_HEALTH_PROGRAMS_MAX)
#define DESCRIPTORS_LEFT  1024u /* to the keeper's other work */

struct probe {
	struct health *health;
	const struct conf_service *service;
	const struct conf_backend *backend;
	struct health_status status;
	struct pace pace;            /* idle: no address, or nothing to check */
	const struct check_ops *ops; /* NULL: nothing to check */
	bool is_resting;             /* by order */
	uint16_t port;               /* to check, by order; 0: as configured */
	struct check_target target;
	struct check check;
	struct kept kept;
	struct trial *trial;               /* of status.next; NULL: it moves nowhere */
	struct backend_record next_record; /* of that address */
	struct agent *agent;               /* NULL: the service has none */
	bool had_agent;                    /* whose orders others may know */
	struct probe *before;              /* not yet in use: whose place it takes, or NULL */
	bool is_taken;                     /* into the next configuration, as it is */
	bool is_unsettled;                 /* to begin by new rules */
	struct addr unsettled_next;        /* where the one before was to move to */
};

/* By service and backend of one configuration. */
struct probe_table {
	struct probe **list;
	size_t *first; /* by service: index of its first backend in list */
	size_t n;
};

struct health_next {
	const struct conf_same *same;
	struct probe_table table; /* those of `health` where they stay as they are */
};

struct health {
	struct loop *loop;
	const struct conf *conf;
	health_change_cb *change;
	void *user;
	struct probe_table table;
	size_t n_trials;
	size_t may_keep; /* connections of further probes */
	struct lane network;
	struct lane programs;
	struct process_pool *program_pool;
	struct knocker knocker;
};

static struct probe *
probe_get(const struct health *health, unsigned service, unsigned backend)
{
	assert(service < health->conf->n_services);
	assert(backend < health->conf->services[service].n_backends);
	return health->table.list[health->table.first[service] + backend];
}

/* That a slot of a name has no address is nothing to warn of. */
static void
log_change(const struct probe *p)
{
	const struct health_status *s = &p->status;
	char where[TG_ADDR_STRLEN] = "-";

	if (p->backend->slots > 1 && !s->has_addr)
		return;
	if (s->has_addr)
		addr_format(&s->addr, where, sizeof(where));
	switch (s->verdict.state) {
	case TG_HEALTH_UP:
		log_write(TG_LOG_INFO, "backend up", "svc=%s srv=%s addr=%s reason=%s",
			  p->service->name, p->backend->name, where, s->last.text);
		break;
	case TG_HEALTH_DOWN:
		log_write(TG_LOG_WARN, "backend down", "svc=%s srv=%s addr=%s reason=%s",
			  p->service->name, p->backend->name, where, s->last.text);
		break;
	case TG_HEALTH_CHECKING:
	case TG_BACKEND_HEALTH_COUNT:
		break;
	}
}

/* The proxy hears of it before people do. */
static void
probe_tell(struct probe *p)
{
	p->health->change(p->health->user, p->service->index, p->backend->index);
	log_change(p);
}

static void probe_adopt(struct probe *p);

/* A check ended, or was ended by its deadline. */
static void
probe_judge(struct probe *p, const struct check_outcome *outcome)
{
	const struct conf_health_check *conf = &p->service->health;
	struct health_status *s = &p->status;
	struct mono now = loop_now(p->health->loop);
	bool passed = check_result_is_pass(outcome->result);

	s->last = *outcome;
	s->last_us = mono_diff_us(now, p->pace.begun);
	s->last_end = now;
	if (passed)
		s->passes++;
	else
		s->failures++;
	log_write(TG_LOG_DEBUG, "check", "svc=%s srv=%s result=%s reason=%s", p->service->name,
		  p->backend->name, check_result_str(outcome->result), outcome->text);
	pace_rest(&p->pace);
	if (verdict_step(&s->verdict, conf->rise, conf->fall, passed, now))
		probe_tell(p);
	if (p->trial != NULL && s->verdict.state != TG_HEALTH_UP)
		probe_adopt(p);
}

static void
on_done(struct check *c, const struct check_outcome *outcome)
{
	probe_judge(TG_CONTAINER(c, struct probe, check), outcome);
}

static void
probe_begin(struct pace *pace)
{
	struct probe *p = TG_CONTAINER(pace, struct probe, pace);
	struct check_outcome outcome;

	if (check_start(&p->check, p->health->loop, p->ops, &p->target, on_done, &outcome) != 0)
		probe_judge(p, &outcome);
}

static void
probe_expire(struct pace *pace)
{
	struct probe *p = TG_CONTAINER(pace, struct probe, pace);
	struct check_outcome outcome;

	check_outcome_timeout(&p->check, &outcome);
	probe_judge(p, &outcome);
}

static void
probe_stop(struct pace *pace)
{
	check_stop(&TG_CONTAINER(pace, struct probe, pace)->check);
}

static const struct pace_ops probe_pace = {
	.begin = probe_begin,
	.expire = probe_expire,
	.stop = probe_stop,
};

static struct addr
check_addr(const struct probe *p, const struct addr *addr)
{
	uint16_t port = p->port != 0 ? p->port : p->service->health.port;
	struct addr a = *addr;

	if (port != 0)
		addr_set_port(&a, port);
	return a;
}

static void
aim(struct probe *p)
{
	p->target.addr = check_addr(p, &p->status.addr);
}

/* Checked from now on, or up at once. */
static void
probe_start(struct probe *p, struct mono now)
{
	struct health_status *s = &p->status;

	if (p->ops == NULL || p->is_resting) {
		check_outcome_set(&s->last, TG_CHECK_UNCHECKED, "not checked");
		verdict_force(&s->verdict, TG_HEALTH_UP, now);
		probe_tell(p);
		return;
	}
	aim(p);
	verdict_restart(&s->verdict, now);
	probe_tell(p);
	pace_start(&p->pace);
}

static bool
record_equal(const struct backend_record *a, const struct backend_record *b)
{
	return a->weight == b->weight && a->is_backup == b->is_backup;
}

static void
drop_trial(struct probe *p)
{
	if (p->trial == NULL)
		return;
	trial_free(p->trial);
	p->trial = NULL;
	p->health->n_trials--;
	p->status.next = (struct addr){.len = 0};
}

static void
probe_move(struct probe *p, const struct addr *addr, const struct backend_record *record)
{
	pace_stop(&p->pace);
	kept_drop(&p->kept);
	drop_trial(p);
	p->status.addr = *addr;
	p->status.has_addr = true;
	p->status.record = *record;
	probe_start(p, loop_now(p->health->loop));
	if (p->agent != NULL)
		agent_set_addr(p->agent, addr);
}

static void
probe_adopt(struct probe *p)
{
	struct addr next = p->status.next;
	struct backend_record record = p->next_record;

	probe_move(p, &next, &record);
}

/* A check at the new address passed, which is a verdict, or the first one there failed. */
static void
on_trial(void *user, const char *reason)
{
	struct probe *p = user;
	struct health_status *s = &p->status;
	char at[TG_ADDR_STRLEN];
	char next[TG_ADDR_STRLEN];

	if (reason != NULL) {
		log_write(TG_LOG_WARN, "backend stays, its new address fails its checks",
			  "svc=%s srv=%s addr=%s new=%s reason=%s", p->service->name,
			  p->backend->name, addr_format(&s->addr, at, sizeof(at)),
			  addr_format(&s->next, next, sizeof(next)), reason);
		return;
	}
	probe_adopt(p);
}

/* False: it cannot stay where it is. */
static bool
probe_try(struct probe *p, const struct addr *addr, const struct backend_record *record)
{
	struct check_target target = p->target;

	if (p->ops == NULL || p->is_resting || !p->status.has_addr ||
	    p->status.verdict.state != TG_HEALTH_UP)
		return false;
	drop_trial(p);
	target.addr = check_addr(p, addr);
	p->trial = trial_start(p->pace.lane, &p->pace.conf, p->ops, &target, on_trial, p);
	if (p->trial == NULL)
		return false;
	p->health->n_trials++;
	p->status.next = *addr;
	p->next_record = *record;
	return true;
}

static bool
is_next(const struct probe *p, const struct addr *addr)
{
	return p->trial != NULL && addr_equal(&p->status.next, addr);
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
	drop_trial(p);
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
	drop_trial(p);
	if (p->agent != NULL)
		agent_set_no_addr(p->agent);
	check_outcome_set(&s->last, TG_CHECK_RESOLVE, "%s", why);
	if (!s->has_addr && s->verdict.state == TG_HEALTH_DOWN)
		return;
	s->has_addr = false;
	verdict_force(&s->verdict, TG_HEALTH_DOWN, loop_now(health->loop));
	probe_tell(p);
}

/* Without a new verdict. */
static void
probe_resume(struct probe *p)
{
	if (p->ops == NULL || p->is_resting || !p->status.has_addr)
		return;
	pace_stop(&p->pace);
	kept_drop(&p->kept);
	aim(p);
	pace_start(&p->pace);
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
		struct addr next = p->status.next;
		struct backend_record record = p->next_record;

		if (!probe_try(p, &next, &record))
			probe_move(p, &next, &record);
	}
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
health_set_note(struct health *health, unsigned service, unsigned backend, const char *note)
{
	struct health_status *s = &probe_get(health, service, backend)->status;

	snprintf(s->note, sizeof(s->note), "%s", note);
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

static void
on_agent_change(void *user)
{
	struct probe *p = user;

	p->health->change(p->health->user, p->service->index, p->backend->index);
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

static bool
is_unix(const struct endpoint *endpoint)
{
	return endpoint->kind == TG_ENDPOINT_ADDR && endpoint->addr.u.sa.sa_family == AF_UNIX;
}

static void
keep_connection(struct probe *p)
{
	kept_init(&p->kept);
	if (!p->service->health.keep || is_unix(&p->backend->endpoint))
		return;
	if (p->health->may_keep == 0) {
		log_write(TG_LOG_WARN, "check connects anew each time", "svc=%s srv=%s reason=%s",
			  p->service->name, p->backend->name, "too few open files are allowed");
		return;
	}
	p->health->may_keep--;
	p->target.kept = &p->kept;
}

static void
probe_free(struct probe *p)
{
	if (p == NULL)
		return;
	pace_fini(&p->pace);
	kept_drop(&p->kept);
	p->health->may_keep += p->target.kept != NULL;
	drop_trial(p);
	agent_free(p->agent);
	free(p);
}

/* It has no agent yet, and keeps no connection. NULL: no memory. */
static struct probe *
probe_new(struct health *health, const struct conf_service *service,
	  const struct conf_backend *backend)
{
	const struct pace_conf pace = {
		.interval_ms = service->health.interval_ms,
		.timeout_ms = service->health.timeout_ms,
		.jitter_percent = service->health.jitter_percent,
	};
	struct probe *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->health = health;
	p->service = service;
	p->backend = backend;
	p->ops = check_ops_find(service->health.type);
	p->target = (struct check_target){
		.conf = &service->health,
		.service = service,
		.backend = backend,
		.programs = health->program_pool,
		.knocker = &health->knocker,
	};
	kept_init(&p->kept);
	p->status.verdict.since = loop_now(health->loop);
	check_outcome_set(&p->status.last, TG_CHECK_NONE, "no check yet");
	pace_init(&p->pace, p->ops == &check_exec ? &health->programs : &health->network,
		  &probe_pace, &pace);
	return p;
}

/* -TG_ENOMEM */
static int
probe_add_agent(struct probe *p)
{
	if (p->service->agent.port == 0)
		return 0;
	p->agent = agent_new(&p->health->network, p->service, p->backend, on_agent_change, p);
	p->had_agent = true;
	return p->agent != NULL ? 0 : -TG_ENOMEM;
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
static int
table_init(struct probe_table *t, const struct conf *conf)
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

static void
table_fini(struct probe_table *t)
{
	free(t->list);
	free(t->first);
}

static int
make_probes(struct health *health, const struct conf_service *service)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		struct probe *p = probe_new(health, service, &service->backends[i]);

		health->table.list[health->table.first[service->index] + i] = p;
		if (p == NULL || probe_add_agent(p) < 0)
			return -TG_ENOMEM;
		keep_connection(p);
	}
	return 0;
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
	lane_init(&health->network, loop, TG_HEALTH_RUNNING_MAX, mono_read().us);
	lane_init(&health->programs, loop, TG_HEALTH_PROGRAMS_MAX, mono_read().us);
	health->program_pool = process_pool_new(loop, PROGRAMS_LEFT_MAX);
	if (health->program_pool == NULL || table_init(&health->table, conf) < 0) {
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
health_free(struct health *health)
{
	if (health == NULL)
		return;
	for (size_t i = 0; health->table.list != NULL && i < health->table.n; i++)
		probe_free(health->table.list[i]);
	lane_fini(&health->network);
	lane_fini(&health->programs);
	process_pool_free(health->program_pool);
	knocker_fini(&health->knocker);
	table_fini(&health->table);
	free(health);
}

/* reload */

/* Whether all that its probe goes by says the same. */
static bool
is_checked_alike(const struct conf_service *a, const struct conf_service *b)
{
	return conf_health_equal(a, b) && conf_agent_equal(a, b);
}

/* The probe that stays, or a new one that is to take its place. NULL: no memory. */
static struct probe *
prepare_probe(struct health *health, const struct conf_place *before, bool is_alike,
	      const struct conf_service *service, const struct conf_backend *backend)
{
	struct probe *known = NULL;
	struct probe *p;

	if (before->service != NULL)
		known = probe_get(health, before->service->index, before->backend->index);
	if (known != NULL && is_alike && is_unix(&known->backend->endpoint) == is_unix(&backend->endpoint))
		return known;
	p = probe_new(health, service, backend);
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

static int
prepare_service(struct health *health, struct health_next *next, const struct conf_service *service)
{
	const struct conf_service *known = conf_same_service(next->same, service);
	bool is_alike = known != NULL && is_checked_alike(known, service);

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct conf_backend *backend = &service->backends[i];
		struct conf_place before = conf_same_backend(next->same, service, backend);
		struct probe *p = prepare_probe(health, &before, is_alike, service, backend);

		if (p == NULL)
			return -TG_ENOMEM;
		next->table.list[next->table.first[service->index] + i] = p;
	}
	return 0;
}

int
health_prepare(struct health *health, const struct conf_same *same, struct health_next **ret)
{
	struct health_next *next = calloc(1, sizeof(*next));
	int rc;

	if (next == NULL)
		return -TG_ENOMEM;
	next->same = same;
	rc = table_init(&next->table, same->next);
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
	table_fini(&next->table);
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
	if (!conf_backend_has_name(backend))
		p->status.note[0] = '\0';
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
	verdict_rule(&p->status.verdict, p->service->health.rise, p->service->health.fall);
	p->next_record = before->next_record;
	p->unsettled_next = before->status.next;
	p->status.next = (struct addr){.len = 0};
	p->is_resting = before->is_resting;
	p->port = before->port;
	aim(p);
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
	table_fini(t);
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
	struct addr next = p->unsettled_next;
	struct backend_record record = p->next_record;

	p->unsettled_next = (struct addr){.len = 0};
	if (next.len != 0 && !probe_try(p, &next, &record))
		probe_move(p, &next, &record);
}

static void
probe_settle(struct probe *p)
{
	struct health_status *s = &p->status;
	bool has_new_agent = p->agent != NULL && !agent_has_addr(p->agent);

	keep_connection(p);
	if (!s->has_addr)
		return;
	if (has_new_agent)
		agent_set_addr(p->agent, &s->addr);
	settle_trial(p);
	if (p->ops != NULL) {
		probe_resume(p);
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
