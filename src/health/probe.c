/* health/probe.c: one backend's checks: when, where, what came out of them, and where it is to move. */
#include "health/probe_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"

#define SKIPPED_WINDOW_S 10u

enum backend_health
probe_state(const struct probe *p)
{
	/* One that has no address is down for that, and one that is not checked has no verdict. */
	if (p->ops == NULL || p->is_resting || !p->status.has_addr)
		return p->status.verdict.state;
	return quorum_state(p->service->health.share, p->status.verdict.state, &p->status.others);
}

/* Its own checks, or who finds it otherwise. */
static const char *
reason_of(const struct probe *p, char *buf, size_t size)
{
	const struct health_status *s = &p->status;
	bool is_up = s->state == TG_HEALTH_UP;

	if (s->state == s->verdict.state)
		return s->last.text;
	snprintf(buf, size, "%u of %u others find it %s", is_up ? s->others.n_up : s->others.n_down,
		 s->others.n_up + s->others.n_down, is_up ? "up" : "down");
	return buf;
}

/* It is another one, and nothing comes of that alone. */
static void
log_own(const struct probe *p)
{
	const struct health_status *s = &p->status;

	log_write(TG_LOG_INFO, "backend found otherwise here",
		  "svc=%s srv=%s state=%s own=%s others_up=%u others_down=%u reason=%s",
		  p->service->name, p->backend->name, backend_health_str(s->state),
		  backend_health_str(s->verdict.state), s->others.n_up, s->others.n_down,
		  s->last.text);
}

/* That a slot of a name has no address is nothing to warn of. */
static void
log_change(const struct probe *p)
{
	const struct health_status *s = &p->status;
	char said[TG_CHECK_TEXT_SIZE];
	const char *why = reason_of(p, said, sizeof(said));
	char where[TG_ADDR_STRLEN] = "-";

	if (p->backend->slots > 1 && !s->has_addr)
		return;
	if (s->has_addr)
		addr_format(&s->addr, where, sizeof(where));
	if (p->health->news != NULL && s->state != TG_HEALTH_CHECKING)
		p->health->news(p->health->news_user, p->service, p->backend,
				s->state == TG_HEALTH_UP, why);
	switch (s->state) {
	case TG_HEALTH_UP:
		log_write(TG_LOG_INFO, "backend up", "svc=%s srv=%s addr=%s reason=%s",
			  p->service->name, p->backend->name, where, why);
		break;
	case TG_HEALTH_DOWN:
		log_write(TG_LOG_WARN, "backend down", "svc=%s srv=%s addr=%s reason=%s",
			  p->service->name, p->backend->name, where, why);
		break;
	case TG_HEALTH_CHECKING:
	case TG_BACKEND_HEALTH_COUNT:
		break;
	}
}

/* The proxy hears of it before people do. */
void
probe_tell(struct probe *p)
{
	struct health_status *s = &p->status;
	enum backend_health state = probe_state(p);
	bool is_own = state == s->state && s->others.n_up + s->others.n_down > 0;

	if (state == s->verdict.state)
		s->since = s->verdict.since;
	else if (state != s->state)
		s->since = loop_now(p->health->loop);
	s->state = state;
	p->health->change(p->health->user, p->service->index, p->backend->index);
	if (is_own)
		log_own(p);
	else
		log_change(p);
}

static enum pace_tempo
tempo_of(const struct verdict *v)
{
	bool is_turning = v->run > 0;

	if (v->state == TG_HEALTH_DOWN)
		return is_turning ? TG_PACE_RISING : TG_PACE_DOWN;
	return is_turning ? TG_PACE_FALLING : TG_PACE_EVEN;
}

static bool
is_same_outcome(const struct check_outcome *a, const struct check_outcome *b)
{
	return a->result == b->result && a->status == b->status && strcmp(a->text, b->text) == 0;
}

/* A check ended, or was ended by its deadline. */
static void
probe_judge(struct probe *p, const struct check_outcome *outcome)
{
	const struct conf_health_check *conf = &p->service->health;
	struct health_status *s = &p->status;
	struct mono now = loop_now(p->health->loop);
	bool passed = check_result_is_pass(outcome->result);
	bool is_news;

	if (!is_same_outcome(&s->last, outcome))
		s->last = *outcome;
	s->last_us = mono_diff_us(now, p->pace.begun);
	s->last_end = now;
	if (passed)
		s->passes++;
	else
		s->failures++;
	log_write(TG_LOG_DEBUG, "check", "svc=%s srv=%s result=%s reason=%s", p->service->name,
		  p->backend->name, check_result_str(outcome->result), outcome->text);
	is_news = verdict_step(&s->verdict, conf->rise, conf->fall, passed, now);
	pace_set_tempo(&p->pace, tempo_of(&s->verdict));
	pace_rest(&p->pace);
	if (is_news)
		probe_tell(p);
	if (p->trial != NULL && s->verdict.state != TG_HEALTH_UP)
		probe_adopt(p);
}

/* It was not asked, so that nothing is known. */
static void
probe_skip(struct probe *p, const struct check_outcome *outcome)
{
	unsigned suppressed;

	if (log_limit_pass_in(&p->health->skipped, SKIPPED_WINDOW_S, 1, loop_now(p->health->loop),
			      &suppressed))
		log_write(TG_LOG_WARN, "a check is left out",
			  "svc=%s srv=%s reason=%s suppressed=%u", p->service->name,
			  p->backend->name, outcome->text, suppressed);
	pace_rest(&p->pace);
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

	int rc = check_start(&p->check, p->health->loop, p->ops, &p->target, on_done, &outcome);

	if (rc == -TG_ELIMIT)
		probe_skip(p, &outcome);
	else if (rc != 0)
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

void
probe_aim(struct probe *p)
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
	probe_aim(p);
	verdict_restart(&s->verdict, now);
	probe_tell(p);
	pace_start(&p->pace);
}

void
probe_drop_trial(struct probe *p)
{
	if (p->trial == NULL)
		return;
	trial_free(p->trial);
	p->trial = NULL;
	p->health->n_trials--;
	free(p->status.next);
	p->status.next = NULL;
}

void
probe_move(struct probe *p, const struct addr *addr, const struct backend_record *record)
{
	pace_stop(&p->pace);
	kept_drop(&p->kept);
	probe_drop_trial(p);
	p->status.addr = *addr;
	p->status.has_addr = true;
	p->status.record = *record;
	p->status.others = (struct quorum){.n_up = 0};
	probe_start(p, loop_now(p->health->loop));
	if (p->agent != NULL)
		agent_set_addr(p->agent, addr);
}

void
probe_adopt(struct probe *p)
{
	struct addr next = *p->status.next;
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
			  addr_format(s->next, next, sizeof(next)), reason);
		return;
	}
	probe_adopt(p);
}

/* False: it cannot stay where it is. */
bool
probe_try(struct probe *p, const struct addr *addr, const struct backend_record *record)
{
	struct check_target target = p->target;
	struct addr *next;

	if (p->ops == NULL || p->is_resting || !p->status.has_addr ||
	    p->status.verdict.state != TG_HEALTH_UP)
		return false;
	probe_drop_trial(p);
	target.addr = check_addr(p, addr);
	next = malloc(sizeof(*next));
	if (next != NULL)
		p->trial = trial_start(p->pace.flow, &p->pace.conf, p->ops, &target, on_trial, p);
	if (p->trial == NULL) {
		free(next);
		return false;
	}
	p->health->n_trials++;
	*next = *addr;
	p->status.next = next;
	p->next_record = *record;
	return true;
}

/* Without a new verdict. */
void
probe_resume(struct probe *p)
{
	if (p->ops == NULL || p->is_resting || !p->status.has_addr)
		return;
	pace_stop(&p->pace);
	kept_drop(&p->kept);
	probe_aim(p);
	pace_start(&p->pace);
}

static void
on_agent_change(void *user)
{
	struct probe *p = user;

	p->health->change(p->health->user, p->service->index, p->backend->index);
}

bool
probe_is_unix(const struct conf_endpoint *endpoint)
{
	return endpoint->kind == TG_ENDPOINT_ADDR && endpoint->addr.u.sa.sa_family == AF_UNIX;
}

void
probe_keep_connection(struct probe *p)
{
	kept_init(&p->kept);
	if (!p->service->health.keep || probe_is_unix(&p->backend->endpoint))
		return;
	if (p->health->may_keep == 0) {
		log_write(TG_LOG_WARN, "check connects anew each time", "svc=%s srv=%s reason=%s",
			  p->service->name, p->backend->name, "too few open files are allowed");
		return;
	}
	p->health->may_keep--;
	p->target.kept = &p->kept;
}

void
probe_free(struct probe *p)
{
	if (p == NULL)
		return;
	pace_fini(&p->pace);
	kept_drop(&p->kept);
	p->health->may_keep += p->target.kept != NULL;
	probe_drop_trial(p);
	free(p->status.next);
	free(p->status.note);
	tls_client_unref(p->target.tls);
	agent_free(p->agent);
	free(p);
}

static struct lane_flow *
make_flow(struct health *health, const struct conf_service *service)
{
	if (service->health.type != TG_HEALTH_EXEC)
		return lane_flow_ref(health->network_flow);
	return lane_flow_new(&health->programs, service->health.concurrency);
}

int
probe_shared_make(struct health *health, const struct conf_service *service,
		  struct probe_shared *ret)
{
	struct err err;

	*ret = (struct probe_shared){.flow = make_flow(health, service)};
	if (ret->flow == NULL)
		return -TG_ENOMEM;
	if (!conf_checks_have_tls(service) ||
	    tls_client_new(service, &health->trust, &ret->tls, &err) == 0)
		return 0;
	log_write(TG_LOG_ERROR, "no TLS for checks", "reason=%s", err.text);
	return -TG_ENOMEM;
}

void
probe_shared_take(const struct probe *p, struct probe_shared *ret)
{
	ret->flow = lane_flow_ref(p->pace.flow);
	ret->tls = tls_client_ref(p->target.tls);
}

void
probe_shared_fini(struct probe_shared *shared)
{
	lane_flow_unref(shared->flow);
	tls_client_unref(shared->tls);
}

struct probe *
probe_new(struct health *health, const struct conf_service *service,
	  const struct conf_backend *backend, const struct probe_shared *shared)
{
	const struct conf_health_check *conf = &service->health;
	const struct pace_conf pace = {
		.interval_ms =
			{
				[TG_PACE_EVEN] = conf->interval_ms,
				[TG_PACE_FALLING] = conf->interval_fast_ms,
				[TG_PACE_DOWN] = conf->interval_down_ms,
				[TG_PACE_RISING] = conf->interval_fast_ms < conf->interval_down_ms ?
							   conf->interval_fast_ms :
							   conf->interval_down_ms,
			},
		.timeout_ms = conf->timeout_ms,
		.jitter_percent = conf->jitter_percent,
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
		.tls = tls_client_ref(shared->tls),
		.tls_output = health->tls_output,
		.h2 = health->h2,
	};
	kept_init(&p->kept);
	p->status.verdict.since = loop_now(health->loop);
	p->status.since = p->status.verdict.since;
	check_outcome_set(&p->status.last, TG_CHECK_NONE, "no check yet");
	pace_init(&p->pace, shared->flow, &probe_pace, &pace);
	return p;
}

/* -TG_ENOMEM */
int
probe_add_agent(struct probe *p)
{
	if (p->service->agent.port == 0)
		return 0;
	p->agent = agent_new(p->health->network_flow, p->service, p->backend, on_agent_change, p);
	p->had_agent = true;
	return p->agent != NULL ? 0 : -TG_ENOMEM;
}
