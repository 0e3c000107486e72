#include "health/health.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"

/* Checks begun in one turn of the loop; the rest follow in the next turns. */
#define BEGIN_PER_TURN 512u

enum probe_state {
	PROBE_IDLE = 0, /* no address, or nothing to check */
	PROBE_WAITING,  /* timer: the next check */
	PROBE_QUEUED,   /* due, in health->queue */
	PROBE_RUNNING,  /* timer: the deadline of the check */
	PROBE_STATE_COUNT
};

struct probe {
	struct health *health;
	const struct conf_service *service;
	const struct conf_backend *backend;
	enum probe_state state;
	struct health_status status;
	struct timer timer;
	TAILQ_ENTRY(probe) link; /* in health->queue when queued */
	struct mono begun;       /* the check under way or the last one */
	const struct check_ops *ops;
	struct check_target target;
	struct check check;
};

struct health {
	struct loop *loop;
	const struct conf *conf;
	health_change_cb *change;
	void *user;
	struct probe *probes;
	size_t *first; /* by service: index of its first backend in probes */
	size_t n_probes;
	TAILQ_HEAD(, probe) queue;
	unsigned n_running;
	struct timer pump_timer;
	uint64_t random;
};

static struct probe *
probe_get(const struct health *health, unsigned service, unsigned backend)
{
	assert(service < health->conf->n_services);
	assert(backend < health->conf->services[service].n_backends);
	return &health->probes[health->first[service] + backend];
}

static void pump(struct health *health);

/* The one place that writes probe->state. The caller has armed or clears the timer. */
static void
probe_set_state(struct probe *p, enum probe_state state)
{
	struct health *health = p->health;

	if (p->state == PROBE_QUEUED)
		TAILQ_REMOVE(&health->queue, p, link);
	if (p->state == PROBE_RUNNING) {
		check_stop(&p->check);
		health->n_running--;
	}
	p->state = state;
	if (state == PROBE_QUEUED)
		TAILQ_INSERT_TAIL(&health->queue, p, link);
	if (state == PROBE_RUNNING)
		health->n_running++;
	if (state == PROBE_IDLE || state == PROBE_QUEUED)
		timer_clear(&p->timer);
}

/* xorshift64*; spreads checks, protects nothing. */
static uint64_t
next_random(struct health *health)
{
	health->random ^= health->random >> 12;
	health->random ^= health->random << 25;
	health->random ^= health->random >> 27;
	return health->random * 0x2545f4914f6cdd1dull;
}

static uint64_t
interval_us(struct probe *p)
{
	const struct conf_health_check *conf = &p->service->health;
	uint64_t us = conf->interval_ms * 1000;
	uint64_t jitter = us / 100 * conf->jitter_percent;

	if (jitter == 0)
		return us;
	return us - jitter + next_random(p->health) % (2 * jitter + 1);
}

/* From the beginning of the last check to the next; at once when that has passed. */
static void
probe_wait(struct probe *p)
{
	struct mono due = {.us = p->begun.us + interval_us(p)};

	probe_set_state(p, PROBE_WAITING);
	timer_set(p->health->loop, &p->timer, due);
}

static void
log_change(const struct probe *p)
{
	const struct health_status *s = &p->status;
	char where[TG_ADDR_STRLEN] = "-";

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

static void
probe_tell(struct probe *p)
{
	log_change(p);
	p->health->change(p->health->user, p->service->index, p->backend->index);
}

/* A check ended, or was ended by its deadline. */
static void
probe_judge(struct probe *p, const struct check_outcome *outcome)
{
	const struct conf_health_check *conf = &p->service->health;
	struct health_status *s = &p->status;
	struct mono now = loop_now(p->health->loop);
	bool passed = check_result_is_pass(outcome->result);

	s->last = *outcome;
	s->last_us = mono_diff_us(now, p->begun);
	s->last_end = now;
	if (passed)
		s->passes++;
	else
		s->failures++;
	log_write(TG_LOG_DEBUG, "check", "svc=%s srv=%s result=%s reason=%s", p->service->name,
		  p->backend->name, check_result_str(outcome->result), outcome->text);
	probe_wait(p);
	if (verdict_step(&s->verdict, conf->rise, conf->fall, passed, now))
		probe_tell(p);
}

static void
on_done(struct check *c, const struct check_outcome *outcome)
{
	struct probe *p = TG_CONTAINER(c, struct probe, check);

	probe_judge(p, outcome);
	pump(p->health);
}

static void
probe_begin(struct probe *p)
{
	struct health *health = p->health;
	struct check_outcome outcome;

	p->begun = loop_now_update(health->loop);
	probe_set_state(p, PROBE_RUNNING);
	timer_set(health->loop, &p->timer, mono_add_ms(p->begun, p->service->health.timeout_ms));
	if (check_start(&p->check, health->loop, p->ops, &p->target, on_done, &outcome) < 0)
		probe_judge(p, &outcome);
}

/* Begins what is due, as far as the bounds allow. */
static void
pump(struct health *health)
{
	unsigned begun = 0;
	struct probe *p;

	while ((p = TAILQ_FIRST(&health->queue)) != NULL &&
	       health->n_running < TG_HEALTH_RUNNING_MAX) {
		if (begun++ == BEGIN_PER_TURN) {
			timer_set(health->loop, &health->pump_timer, loop_now(health->loop));
			return;
		}
		probe_begin(p);
	}
}

static void
on_pump_timer(struct timer *t)
{
	pump(TG_CONTAINER(t, struct health, pump_timer));
}

static void
on_probe_timer(struct timer *t)
{
	struct probe *p = TG_CONTAINER(t, struct probe, timer);
	struct check_outcome outcome;

	switch (p->state) {
	case PROBE_WAITING:
		probe_set_state(p, PROBE_QUEUED);
		break;
	case PROBE_RUNNING:
		check_outcome_timeout(&p->check, &outcome);
		probe_judge(p, &outcome);
		break;
	case PROBE_IDLE:
	case PROBE_QUEUED:
	case PROBE_STATE_COUNT:
		return;
	}
	pump(p->health);
}

void
health_set_addr(struct health *health, unsigned service, unsigned backend, const struct addr *addr)
{
	struct probe *p = probe_get(health, service, backend);
	struct health_status *s = &p->status;
	struct mono now = loop_now(health->loop);

	if (s->has_addr && addr_equal(&s->addr, addr))
		return;
	s->addr = *addr;
	s->has_addr = true;
	p->target.addr = *addr;
	if (p->ops == NULL) {
		check_outcome_set(&s->last, TG_CHECK_UNCHECKED, "not checked");
		verdict_force(&s->verdict, TG_HEALTH_UP, now);
		probe_tell(p);
		return;
	}
	if (p->service->health.port != 0 && addr->u.sa.sa_family == AF_INET)
		p->target.addr.u.in.sin_port = htons(p->service->health.port);
	else if (p->service->health.port != 0 && addr->u.sa.sa_family == AF_INET6)
		p->target.addr.u.in6.sin6_port = htons(p->service->health.port);
	verdict_restart(&s->verdict, now);
	probe_set_state(p, PROBE_QUEUED);
	probe_tell(p);
	pump(health);
}

void
health_set_no_addr(struct health *health, unsigned service, unsigned backend, const char *why)
{
	struct probe *p = probe_get(health, service, backend);
	struct health_status *s = &p->status;

	assert(!s->has_addr);
	check_outcome_set(&s->last, TG_CHECK_RESOLVE, "%s", why);
	if (s->verdict.state == TG_HEALTH_DOWN)
		return;
	verdict_force(&s->verdict, TG_HEALTH_DOWN, loop_now(health->loop));
	probe_tell(p);
}

const struct health_status *
health_status(const struct health *health, unsigned service, unsigned backend)
{
	return &probe_get(health, service, backend)->status;
}

static void
probe_init(struct probe *p, struct health *health, const struct conf_service *service,
	   const struct conf_backend *backend)
{
	p->health = health;
	p->service = service;
	p->backend = backend;
	p->ops = check_ops_find(service->health.type);
	p->target = (struct check_target){.conf = &service->health, .backend = backend};
	p->status.verdict.since = loop_now(health->loop);
	check_outcome_set(&p->status.last, TG_CHECK_NONE, "no check yet");
	timer_init(&p->timer, on_probe_timer);
}

static size_t
count_backends(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends;
	return n;
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
	health->random = mono_read().us | 1;
	TAILQ_INIT(&health->queue);
	timer_init(&health->pump_timer, on_pump_timer);
	health->probes = calloc(count_backends(conf) + 1, sizeof(*health->probes));
	health->first = calloc(conf->n_services + 1, sizeof(*health->first));
	if (health->probes == NULL || health->first == NULL) {
		health_free(health);
		return NULL;
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		health->first[i] = health->n_probes;
		for (size_t j = 0; j < service->n_backends; j++)
			probe_init(&health->probes[health->n_probes++], health, service,
				   &service->backends[j]);
	}
	return health;
}

void
health_free(struct health *health)
{
	if (health == NULL)
		return;
	for (size_t i = 0; i < health->n_probes; i++) {
		probe_set_state(&health->probes[i], PROBE_IDLE);
		timer_fini(&health->probes[i].timer);
	}
	timer_fini(&health->pump_timer);
	free(health->probes);
	free(health->first);
	free(health);
}
