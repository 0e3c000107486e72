/* Services with nodes between them, whose provider is a fake, in a time of their own. */
#ifndef TG_TESTS_PLACE_WORLD_H
#define TG_TESTS_PLACE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "autoscale/builtin.h"
#include "autoscale/scaler_priv.h"
#include "fake/turn.h"
#include "module/module.h"
#include "sched/builtin.h"

#define SLOTS        16u
#define SERVICES_MAX 4u
#define LISTS_MAX    512u
#define START_US     UINT64_C(5000000000)
#define STEP_US      50000u
#define STEPS        6u /* of a pass */

/* A provider of which nothing but the nodes is there. */
struct provider {
	const struct provider_events *events;
	void *user;
	uint64_t lists[LISTS_MAX];
	unsigned n_lists;
	uint64_t stops[LISTS_MAX];
	unsigned stop_steps[LISTS_MAX]; /* until these are answered */
	unsigned n_stops;
	unsigned n_starts;
	uint64_t over[LISTS_MAX]; /* starts that are to be answered */
	unsigned n_over;
	char nodes[LISTS_MAX][TG_NODE_NAME]; /* of what was started, in order */
	char names[LISTS_MAX][TG_INSTANCE_NAME];
	bool is_stopped[LISTS_MAX]; /* of these */
};

static struct {
	struct loop *loop;
	struct segment *segment;
	struct store *store;
	struct conf *conf;
	struct scaler *scaler;
	struct provider providers[SERVICES_MAX];
	bool is_down[2];
	bool is_doubted; /* those of zone a */
	uint32_t cpu_permille; /* of each */
	bool answers; /* starts go well */
	bool fails;   /* or, on a0, do not */
	const struct provider *failing; /* or nowhere, of this one */
	const struct provider *mute; /* it does not list */
	unsigned (*stop_takes)(void); /* steps until a stop is answered; NULL: none */
	uint64_t us;  /* the time */
} world;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_provider_open(struct providers *all, const struct conf *conf,
			 const struct conf_service *service, const char *run,
			 const struct provider_events *events, void *user, struct provider **ret,
			 struct err *err);
void __wrap_provider_close(struct provider *p);
int __wrap_provider_list(struct provider *p, uint64_t token);
int __wrap_provider_start(struct provider *p, uint64_t token, const char *name, const char *node);
int __wrap_provider_stop(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms);
const char *__wrap_provider_kind(const struct provider *p);
bool __wrap_provider_has_nodes(const struct provider *p);
bool __wrap_provider_node(const struct provider *p, const char *name, struct provider_node *ret);
bool __wrap_provider_is_shared(const struct provider *p);
void __wrap_provider_set_epoch(struct provider *p, uint64_t epoch);

/* The linker sends our own code here: the test owns the time. */
int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = (time_t)(world.us / 1000000);
	ts->tv_nsec = (long)(world.us % 1000000 * 1000);
	return 0;
}

int
__wrap_provider_open(struct providers *all, const struct conf *conf,
		     const struct conf_service *service, const char *run,
		     const struct provider_events *events, void *user, struct provider **ret,
		     struct err *err)
{
	(void)all;
	(void)conf;
	(void)run;
	(void)err;
	*ret = &world.providers[service->index];
	(*ret)->events = events;
	(*ret)->user = user;
	return 0;
}

bool
__wrap_provider_is_shared(const struct provider *p)
{
	(void)p;
	return false;
}

void
__wrap_provider_set_epoch(struct provider *p, uint64_t epoch)
{
	(void)p;
	(void)epoch;
}

void
__wrap_provider_close(struct provider *p)
{
	(void)p;
}

int
__wrap_provider_list(struct provider *p, uint64_t token)
{
	assert_true(p->n_lists < LISTS_MAX);
	p->lists[p->n_lists++] = token;
	return 0;
}

int
__wrap_provider_start(struct provider *p, uint64_t token, const char *name, const char *node)
{
	assert_true(p->n_starts < LISTS_MAX);
	snprintf(p->names[p->n_starts], TG_INSTANCE_NAME, "%s", name);
	if (world.answers || p == world.failing || (world.fails && strcmp(node, "a0") == 0))
		p->over[p->n_over++] = token;
	snprintf(p->nodes[p->n_starts++], TG_NODE_NAME, "%s", node);
	return 0;
}

int
__wrap_provider_stop(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms)
{
	(void)grace_ms;
	assert_true(p->n_stops < LISTS_MAX);
	for (unsigned i = 0; i < p->n_starts; i++)
		p->is_stopped[i] |= strcmp(p->names[i], name) == 0;
	p->stop_steps[p->n_stops] = world.stop_takes != NULL ? world.stop_takes() : 0;
	p->stops[p->n_stops++] = token;
	return 0;
}

const char *
__wrap_provider_kind(const struct provider *p)
{
	(void)p;
	return "fake";
}

bool
__wrap_provider_has_nodes(const struct provider *p)
{
	(void)p;
	return true;
}

/* b0 is as large as its daemon tells. */
bool
__wrap_provider_node(const struct provider *p, const char *name, struct provider_node *ret)
{
	(void)p;
	*ret = (struct provider_node){
		.why = world.is_down[name[0] == 'b'] ? "info: timed out" : NULL,
		.cpu_permille = world.cpu_permille,
		.memory = UINT64_C(1) << 30,
		.is_doubted = world.is_doubted && name[0] == 'a',
	};
	return true;
}

static inline int
on_add(void *user, const char *service, const char *name, const struct addr *addr,
       const char *origin)
{
	(void)origin;
	(void)user;
	(void)service;
	(void)name;
	(void)addr;
	return -TG_ELIMIT;
}

static inline int
on_remove(void *user, const char *service, const char *name)
{
	(void)user;
	(void)service;
	(void)name;
	return -TG_ELIMIT;
}

static inline int
on_drain(void *user, const char *service, const char *name, bool is_on)
{
	(void)user;
	(void)service;
	(void)name;
	(void)is_on;
	return 0;
}

static inline void
on_cut(void *user, const char *service, const char *name)
{
	(void)user;
	(void)service;
	(void)name;
}

static inline bool
is_up(void *user, unsigned service, unsigned backend)
{
	(void)user;
	(void)service;
	(void)backend;
	return true;
}

static inline enum fleet_steer
steered(void *user, unsigned service, unsigned backend)
{
	(void)user;
	(void)service;
	(void)backend;
	return TG_FLEET_STEER_NONE;
}

static inline void
on_refuse(void *user, unsigned service, struct mono until)
{
	(void)user;
	(void)service;
	(void)until;
}

static inline void
on_scaled(void *user, const char *service, uint32_t from, uint32_t to, const char *why)
{
	(void)user;
	(void)service;
	(void)why;
	assert_int_not_equal(from, to);
}

static inline void
on_start_failed(void *user, const char *service, const char *backend, const char *why)
{
	(void)user;
	if (!world.fails && world.failing == NULL)
		fail_msg("%s/%s: %s", service, backend, why);
}

static inline void
on_ends(void *user, unsigned service, unsigned backend)
{
	(void)user;
	(void)service;
	(void)backend;
}

static const struct scaler_ops place_ops = {
	.add = on_add,
	.remove = on_remove,
	.drain = on_drain,
	.cut = on_cut,
	.is_up = is_up,
	.steered = steered,
	.scaled = on_scaled,
	.start_failed = on_start_failed,
	.refuse = on_refuse,
	.ends = on_ends,
};

static inline void
on_store(void *user, bool is_well, const char *why)
{
	(void)user;
	(void)is_well;
	(void)why;
}

static inline int
place_world_open(const char *text)
{
	static char origin[] = "/a test of placement";
	struct conf_errors errors = {.list = NULL};
	struct err err;

	memset(&world, 0, sizeof(world));
	world.us = START_US;
	world.cpu_permille = 2000;
	fake_limit_start();
	world.loop = loop_new();
	assert_non_null(world.loop);
	assert_int_equal(segment_create(1, SLOTS, 1 << 16, &world.segment, &err), 0);
	if (conf_load_text(text, strlen(text), "test", &world.conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	assert_true(world.conf->n_services <= SERVICES_MAX);
	world.conf->origin = origin;
	assert_int_equal(store_open(&world.conf->store, world.loop, NULL, on_store, NULL,
				    &world.store, &err),
			 0);
	world.scaler = scaler_new(world.loop, world.conf, world.segment, world.store, NULL, &place_ops,
				  NULL, &err);
	assert_non_null(world.scaler);
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	scaler_free(world.scaler);
	store_close(world.store, 0);
	conf_unref(world.conf);
	segment_close(world.segment);
	loop_free(world.loop);
	return 0;
}

/*** Time ***/

static inline void
answer_stops(struct provider *p)
{
	unsigned left = 0;

	for (unsigned i = 0; i < p->n_stops; i++) {
		struct provider_answer a = {.token = p->stops[i], .why = ""};

		if (p->stop_steps[i] == 0) {
			p->events->answered(p->user, &a);
			continue;
		}
		p->stops[left] = p->stops[i];
		p->stop_steps[left++] = p->stop_steps[i] - 1;
	}
	p->n_stops = left;
}

static inline void
answer(struct provider *p)
{
	bool fails = world.fails || p == world.failing;

	for (unsigned i = 0; i < p->n_lists; i++) {
		struct provider_answer a = {.token = p->lists[i], .is_partial = true, .why = ""};

		if (p != world.mute)
			p->events->answered(p->user, &a);
	}
	p->n_lists = 0;
	for (unsigned i = 0; i < p->n_over; i++) {
		struct provider_answer a = {.token = p->over[i],
					    .rc = fails ? -TG_EIO : 0,
					    .why = fails ? "its disk is full" : ""};

		p->events->answered(p->user, &a);
	}
	p->n_over = 0;
	answer_stops(p);
}

/* Time passes, and what is due is done. */
static inline void
step(void)
{
	struct timer *timer = &world.scaler->timer;

	world.us += STEP_US;
	if (mono_is_set(timer->deadline) && timer->deadline.us <= world.us) {
		timer_clear(timer);
		timer->cb(timer);
	}
	fake_turn(world.loop);
}

/* Some ticks of all, with what was asked answered between them. */
static inline void
pass(void)
{
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		for (size_t k = 0; k < world.conf->n_services; k++)
			answer(&world.providers[k]);
	}
}

static inline void
order(unsigned service, uint32_t n)
{
	scaler_set_number(world.scaler, service, n);
	pass();
}

static inline unsigned
started_on(unsigned service, const char *node)
{
	const struct provider *p = &world.providers[service];
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_starts; i++)
		n += strcmp(p->nodes[i], node) == 0;
	return n;
}

static inline unsigned
stopped_on(unsigned service, const char *node)
{
	const struct provider *p = &world.providers[service];
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_starts; i++)
		n += strcmp(p->nodes[i], node) == 0 && p->is_stopped[i];
	return n;
}

static inline struct fleet_counts
counts(unsigned service)
{
	struct scaler_status status;

	assert_true(scaler_status(world.scaler, service, &status));
	return status.counts;
}

#endif
