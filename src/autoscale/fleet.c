#include "autoscale/fleet_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"

#define SETTLED_MS 2000 /* one that ends sooner after it was ready has failed to start */

/* After starts that failed. */
static const struct backoff retries = {.first_ms = 1000, .max_ms = 60000};

const char *
fleet_state_str(unsigned state)
{
	static const char *const words[TG_FLEET_STATE_COUNT] = {
		[TG_FLEET_PENDING] = "pending",   [TG_FLEET_STARTING] = "starting",
		[TG_FLEET_ADDING] = "adding",     [TG_FLEET_CHECKING] = "checking",
		[TG_FLEET_READY] = "ready",       [TG_FLEET_DOWN] = "down",
		[TG_FLEET_DRAINING] = "draining", [TG_FLEET_REMOVING] = "removing",
		[TG_FLEET_RESTING] = "resting",   [TG_FLEET_STOPPING] = "stopping",
	};

	return state < TG_FLEET_STATE_COUNT ? words[state] : "?";
}

const char *
fleet_news_str(unsigned news)
{
	static const char *const words[TG_FLEET_NEWS_COUNT] = {
#define FLEET_NEWS_WORD(id, word) [TG_FLEET_NEWS_##id] = word,
		TG_FLEET_NEWS(FLEET_NEWS_WORD)
#undef FLEET_NEWS_WORD
	};

	return news < TG_FLEET_NEWS_COUNT ? words[news] : "?";
}

/*** Members ***/

static struct fleet_member *
find(const struct fleet *f, const char *name)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

static void
note_number(struct fleet *f, const char *name)
{
	uint64_t number;
	int end = 0;

	if (sscanf(name, TG_FLEET_PREFIX "%" SCNu64 "%n", &number, &end) == 1 && name[end] == '\0' &&
	    number > f->number && number < UINT64_MAX)
		f->number = number;
}

struct fleet_member *
fleet_member_new(struct fleet *f, const char *name, int64_t now_ms)
{
	struct fleet_member *m = f->n < TG_FLEET_MAX ? calloc(1, sizeof(*m)) : NULL;

	if (m == NULL)
		return NULL;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->source = f->source;
	note_number(f, m->name);
	m->since_ms = now_ms;
	m->asked_ms = now_ms;
	m->known_ms = TG_FLEET_NEVER;
	m->ready_ms = TG_FLEET_NEVER;
	TAILQ_INSERT_TAIL(&f->members, m, link);
	f->n++;
	return m;
}

void
fleet_member_free(struct fleet *f, struct fleet_member *m)
{
	TAILQ_REMOVE(&f->members, m, link);
	f->n--;
	free((char *)m->place.cgroup);
	free(m);
}

static int64_t
deadline_of(const struct fleet *f, const struct fleet_member *m, enum fleet_state state,
	    int64_t now_ms)
{
	switch (state) {
	case TG_FLEET_PENDING:
	case TG_FLEET_STARTING:
	case TG_FLEET_ADDING:
	case TG_FLEET_CHECKING:
		return m->asked_ms + (int64_t)f->limits.start_timeout_ms;
	case TG_FLEET_DOWN:
		return now_ms + (int64_t)f->limits.start_timeout_ms;
	case TG_FLEET_DRAINING:
	case TG_FLEET_RESTING:
		return now_ms + (int64_t)f->limits.drain_timeout_ms;
	case TG_FLEET_STOPPING:
		return now_ms + (int64_t)f->limits.stop_grace_ms + TG_FLEET_AGAIN_MS;
	case TG_FLEET_REMOVING:
		return now_ms + TG_FLEET_AGAIN_MS;
	case TG_FLEET_READY:
	case TG_FLEET_STATE_COUNT:
		break;
	}
	return TG_FLEET_NEVER;
}

void
fleet_enter(struct fleet *f, struct fleet_member *m, enum fleet_state state, int64_t now_ms)
{
	m->state = state;
	m->since_ms = now_ms;
	m->deadline_ms = deadline_of(f, m, state, now_ms);
	m->is_order_open = false;
	m->is_observed = false;
	m->is_unwanted = false;
	m->is_waiting = false;
	m->nominated[0] = '\0';
	m->token = 0;
}

void
fleet_tell(struct fleet *f, const struct fleet_member *m, enum fleet_news what,
	   const char *why)
{
	f->orders.told(f->user, m, what, why);
}

bool
fleet_is_configured(const struct fleet_member *m)
{
	return m->state >= TG_FLEET_CHECKING && m->state <= TG_FLEET_REMOVING;
}

/*** Failures ***/

static unsigned
find_shunned(const struct fleet *f, const char *node)
{
	unsigned i = 0;

	while (i < f->n_shunned && strcmp(f->shunned[i].node, node) != 0)
		i++;
	return i;
}

/* Of too many the one where it is longest ago. */
static void
shun(struct fleet *f, const char *node, int64_t now_ms)
{
	unsigned at = find_shunned(f, node);

	if (node[0] == '\0')
		return;
	if (at == f->n_shunned && at < TG_FLEET_SHUN_MAX)
		f->n_shunned++;
	else if (at == TG_FLEET_SHUN_MAX)
		at--;
	memmove(&f->shunned[1], &f->shunned[0], at * sizeof(f->shunned[0]));
	f->shunned[0] = (struct shunned){.since_ms = now_ms};
	snprintf(f->shunned[0].node, sizeof(f->shunned[0].node), "%s", node);
}

static void
forgive(struct fleet *f, const char *node)
{
	unsigned at = find_shunned(f, node);

	if (at == f->n_shunned)
		return;
	f->n_shunned--;
	memmove(&f->shunned[at], &f->shunned[at + 1], (f->n_shunned - at) * sizeof(f->shunned[0]));
}

bool
fleet_shuns(const struct fleet *f, const char *node, int64_t now_ms)
{
	unsigned at = find_shunned(f, node);

	return at < f->n_shunned && now_ms < f->shunned[at].since_ms + TG_FLEET_SHUN_MS;
}

void
fleet_failed_on(const struct fleet *f, void (*told)(void *user, const char *node), void *user)
{
	for (unsigned i = 0; i < f->n_shunned && i < f->missing; i++)
		told(user, f->shunned[i].node);
}

static void
count_failure(struct fleet *f, const struct fleet_member *m, const char *why, int64_t now_ms)
{
	snprintf(f->failed_name, sizeof(f->failed_name), "%s", m->name);
	snprintf(f->failed_why, sizeof(f->failed_why), "%s", why);
	f->failed_ms = now_ms;
	shun(f, m->node, now_ms);
	f->retry_ms = now_ms + (int64_t)backoff_ms(&retries, f->failures, 0);
	f->failures++;
}

/* On its way out: of the configuration first, if it is there. */
void
fleet_leave(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	if (fleet_is_configured(m))
		fleet_enter(f, m, TG_FLEET_REMOVING, now_ms);
	else if (m->is_ended)
		fleet_member_free(f, m);
	else
		fleet_enter(f, m, TG_FLEET_STOPPING, now_ms);
}

void
fleet_fail(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	count_failure(f, m, why, now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_START_FAILED, why);
	fleet_leave(f, m, now_ms);
}

static void
end_serving(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	if (m->ready_ms == TG_FLEET_NEVER) {
		fleet_fail(f, m, why, now_ms);
		return;
	}
	if (now_ms - m->ready_ms < SETTLED_MS)
		count_failure(f, m, why, now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_ENDED, why);
	fleet_leave(f, m, now_ms);
}

/* Its provider has it no more. */
static void
end(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	m->is_ended = true;
	switch (m->state) {
	case TG_FLEET_PENDING:
	case TG_FLEET_STARTING:
		fleet_fail(f, m, why, now_ms);
		break;
	case TG_FLEET_CHECKING:
	case TG_FLEET_READY:
	case TG_FLEET_DOWN:
		end_serving(f, m, why, now_ms);
		break;
	case TG_FLEET_DRAINING:
		fleet_tell(f, m, TG_FLEET_NEWS_ENDED, why);
		fleet_leave(f, m, now_ms);
		break;
	case TG_FLEET_STOPPING:
		fleet_tell(f, m, TG_FLEET_NEWS_STOPPED, why);
		fleet_member_free(f, m);
		break;
	case TG_FLEET_ADDING: /* it is taken out when it is in */
		count_failure(f, m, why, now_ms);
		fleet_tell(f, m, TG_FLEET_NEWS_START_FAILED, why);
		m->is_unwanted = true;
		break;
	case TG_FLEET_REMOVING:
	case TG_FLEET_RESTING:
	case TG_FLEET_STATE_COUNT:
		break;
	}
}

/*** What happened ***/

static void
take_place(struct fleet_member *m, const struct usage_place *place)
{
	char *cgroup = place->cgroup != NULL ? strdup(place->cgroup) : NULL;

	free((char *)m->place.cgroup);
	m->place = (struct usage_place){.cgroup = cgroup, .group = place->group};
}

/* It has an address, so it can be added. */
static void
go_on(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	if (m->state == TG_FLEET_STARTING && m->has_addr)
		fleet_enter(f, m, TG_FLEET_ADDING, now_ms);
}

static void
take_instance(struct fleet *f, struct fleet_member *m, const struct instance *i, int64_t now_ms)
{
	if (m->known_ms == TG_FLEET_NEVER)
		m->known_ms = now_ms;
	if (i->state == TG_INSTANCE_ENDED) {
		end(f, m, i->why, now_ms);
		return;
	}
	take_place(m, &i->place);
	if (i->node[0] != '\0') {
		snprintf(m->node, sizeof(m->node), "%s", i->node);
		m->has_node = true;
	}
	m->is_ill = i->is_ill;
	m->is_leaving = i->is_leaving;
	if (i->has_addr && !fleet_is_configured(m)) {
		m->has_addr = true;
		m->addr = i->addr;
	}
	go_on(f, m, now_ms);
}

/* One that nobody asked for, as of a keeper that died. */
static void
take_in(struct fleet *f, const struct instance *i, int64_t now_ms)
{
	struct fleet_member *m = fleet_member_new(f, i->name, now_ms);

	if (m == NULL)
		return;
	fleet_enter(f, m,
		    i->state == TG_INSTANCE_STOPPING || f->is_following ? TG_FLEET_STOPPING
									: TG_FLEET_STARTING,
		    now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_FOUND, i->why);
	take_instance(f, m, i, now_ms);
}

void
fleet_changed(struct fleet *f, const struct instance *instance, int64_t now_ms)
{
	struct fleet_member *m = find(f, instance->name);

	if (m != NULL)
		take_instance(f, m, instance, now_ms);
}

static bool
is_listed(const struct instance *instances, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(instances[i].name, name) == 0)
			return instances[i].state != TG_INSTANCE_ENDED;
	}
	return false;
}

static void
end_missing(struct fleet *f, const struct instance *instances, size_t n, int64_t asked_ms,
	    int64_t now_ms)
{
	struct fleet_member *m;
	struct fleet_member *next;

	for (m = TAILQ_FIRST(&f->members); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		if (m->source == f->source && !m->is_others && m->known_ms < asked_ms && !m->is_ended &&
		    !is_listed(instances, n, m->name))
			end(f, m, "its provider has it no more", now_ms);
	}
}

void
fleet_listed(struct fleet *f, const struct instance *instances, size_t n, int64_t asked_ms,
	     int64_t now_ms)
{
	end_missing(f, instances, n, asked_ms, now_ms);
	fleet_listed_part(f, instances, n, now_ms);
}

void
fleet_listed_part(struct fleet *f, const struct instance *instances, size_t n, int64_t now_ms)
{
	f->is_listed = true;
	for (size_t i = 0; i < n; i++) {
		struct fleet_member *m = find(f, instances[i].name);

		if (m != NULL && m->source == f->source && !m->is_others)
			take_instance(f, m, &instances[i], now_ms);
		else if (m == NULL && instances[i].state != TG_INSTANCE_ENDED)
			take_in(f, &instances[i], now_ms);
	}
}

int
fleet_found(struct fleet *f, const char *name, const struct addr *addr, uint32_t slot,
	    bool is_draining, int64_t now_ms)
{
	struct fleet_member *m;

	if (f->n >= TG_FLEET_MAX)
		return -TG_ELIMIT;
	m = fleet_member_new(f, name, now_ms);
	if (m == NULL)
		return -TG_ENOMEM;
	m->has_addr = true;
	m->addr = *addr;
	m->slot = slot;
	m->known_ms = TG_FLEET_AT_ONCE;
	m->ready_ms = now_ms - SETTLED_MS;
	fleet_enter(f, m, is_draining ? TG_FLEET_DRAINING : TG_FLEET_CHECKING, now_ms);
	return 0;
}

/*** Places ***/

void
fleet_put_on(struct fleet *f, const char *name, const char *node, const char *why, int64_t now_ms)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL || m->state != TG_FLEET_PENDING || m->has_node)
		return;
	snprintf(m->node, sizeof(m->node), "%s", node);
	m->has_node = true;
	if (m->is_waiting)
		m->asked_ms = now_ms;
	m->is_waiting = false;
	m->nominated[0] = '\0';
	m->deadline_ms = deadline_of(f, m, m->state, now_ms);
	if (why[0] != '\0')
		fleet_tell(f, m, TG_FLEET_NEWS_PLACED, why);
}

void
fleet_wait(struct fleet *f, const char *name, const char *why)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL || m->state != TG_FLEET_PENDING || m->has_node || m->is_waiting)
		return;
	m->is_waiting = true;
	fleet_tell(f, m, TG_FLEET_NEWS_WAITING, why);
}

void
fleet_nominate(struct fleet *f, const char *name, const char *node, const char *why)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL || m->state != TG_FLEET_PENDING || !m->is_waiting)
		return;
	snprintf(m->nominated, sizeof(m->nominated), "%s", node);
	fleet_tell(f, m, node[0] != '\0' ? TG_FLEET_NEWS_NOMINATED : TG_FLEET_NEWS_WAITING, why);
}

void
fleet_evict(struct fleet *f, const char *name, const char *why, int64_t now_ms)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL || m->is_evicted || m->state > TG_FLEET_DOWN)
		return;
	m->is_evicted = true;
	if (!fleet_send_away(f, m, why, now_ms))
		m->is_evicted = false; /* the next tick asks again */
}

void
fleet_let_leave(struct fleet *f, const char *node)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if ((m->state == TG_FLEET_DRAINING || m->is_unwanted) && strcmp(m->node, node) == 0)
			m->is_evicted = true;
	}
}

static struct fleet_member *
find_token(const struct fleet *f, uint64_t token)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (m->token == token)
			return m;
	}
	return NULL;
}

static void
on_started(struct fleet *f, struct fleet_member *m, int rc, const char *why, int64_t now_ms)
{
	if (rc < 0) {
		m->is_ended = true;
		fleet_fail(f, m, why, now_ms);
		return;
	}
	m->known_ms = now_ms;
	fleet_enter(f, m, TG_FLEET_STARTING, now_ms);
	go_on(f, m, now_ms);
}

static void
on_stopped(struct fleet *f, struct fleet_member *m, int rc, const char *why, int64_t now_ms)
{
	if (rc == 0) {
		end(f, m, "", now_ms);
		return;
	}
	fleet_tell(f, m, TG_FLEET_NEWS_NOT_STOPPED, why);
	fleet_enter(f, m, TG_FLEET_STOPPING, now_ms);
	m->is_order_open = true; /* once more at the deadline, not at once */
}

void
fleet_answered(struct fleet *f, uint64_t token, int rc, const char *why, int64_t now_ms)
{
	struct fleet_member *m = token != 0 ? find_token(f, token) : NULL;

	if (m == NULL)
		return;
	m->token = 0;
	if (m->state == TG_FLEET_PENDING)
		on_started(f, m, rc, why, now_ms);
	else if (m->state == TG_FLEET_STOPPING)
		on_stopped(f, m, rc, why, now_ms);
}

void
fleet_added(struct fleet *f, const char *name, uint32_t slot, bool is_done, const char *why,
	    int64_t now_ms)
{
	struct fleet_member *m = find(f, name);
	bool is_unwanted;

	if (m == NULL || m->state != TG_FLEET_ADDING)
		return;
	is_unwanted = m->is_unwanted;
	if (!is_done && !is_unwanted) {
		fleet_fail(f, m, why, now_ms);
		return;
	}
	if (is_done) {
		m->slot = slot;
		fleet_enter(f, m, TG_FLEET_CHECKING, now_ms);
	}
	if (is_unwanted)
		fleet_leave(f, m, now_ms);
}

void
fleet_removed(struct fleet *f, const char *name, bool is_done, const char *why, int64_t now_ms)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL || m->state != TG_FLEET_REMOVING)
		return;
	if (is_done) {
		fleet_enter(f, m, TG_FLEET_RESTING, now_ms);
		return;
	}
	fleet_tell(f, m, TG_FLEET_NEWS_NOT_REMOVED, why);
	m->is_order_open = true; /* once more at the deadline */
}

void
fleet_unconfigured(struct fleet *f, int64_t now_ms)
{
	struct fleet_member *m;
	struct fleet_member *next;

	for (m = TAILQ_FIRST(&f->members); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		if (fleet_is_configured(m))
			fleet_enter(f, m, TG_FLEET_RESTING, now_ms);
		else if (m->state == TG_FLEET_ADDING)
			fleet_leave(f, m, now_ms); /* no answer comes any more */
	}
}

void
fleet_look(struct fleet *f, bool (*is_there)(void *user, const char *name), void *user,
	   int64_t now_ms)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (!fleet_is_configured(m) || is_there(user, m->name))
			continue;
		if (m->state != TG_FLEET_REMOVING)
			fleet_tell(f, m, TG_FLEET_NEWS_TAKEN_OUT, "an operator deleted it");
		fleet_enter(f, m, TG_FLEET_RESTING, now_ms);
	}
}

void
fleet_set_source(struct fleet *f, unsigned source)
{
	struct fleet_member *m;

	f->source = source;
	f->is_listed = false;
	TAILQ_FOREACH(m, &f->members, link) {
		if (m->token == 0 || m->source != source)
			continue;
		m->token = 0;
		m->is_order_open = false;
	}
}

void
fleet_leave_nodes(struct fleet *f, bool (*has_left)(void *user, const char *node), void *user)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link)
		m->is_leaving = m->has_node && !m->is_others && has_left(user, m->node);
}

void
fleet_take_over(struct fleet *f, unsigned source)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (m->source == source)
			m->source = f->source;
	}
}

static void
take_left(struct fleet *f, unsigned source, const struct instance *i, int64_t now_ms)
{
	struct fleet_member *m = find(f, i->name);

	if (m == NULL) {
		m = fleet_member_new(f, i->name, now_ms);
		if (m == NULL)
			return;
		fleet_enter(f, m, TG_FLEET_STOPPING, now_ms);
		fleet_tell(f, m, TG_FLEET_NEWS_FOUND, "of another provider");
	}
	m->source = source;
	m->known_ms = now_ms;
}

void
fleet_left(struct fleet *f, unsigned source, const struct instance *instances, size_t n,
	   int64_t now_ms)
{
	for (size_t i = 0; i < n; i++) {
		if (instances[i].state != TG_INSTANCE_ENDED)
			take_left(f, source, &instances[i], now_ms);
	}
}

bool
fleet_has_source(const struct fleet *f, unsigned source)
{
	const struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (m->source == source)
			return true;
	}
	return false;
}

static void
on_up(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	bool is_first = m->ready_ms == TG_FLEET_NEVER;

	fleet_enter(f, m, TG_FLEET_READY, now_ms);
	f->failures = 0;
	f->retry_ms = TG_FLEET_AT_ONCE;
	fleet_tell(f, m, TG_FLEET_NEWS_READY, is_first ? "" : "again");
	if (!is_first)
		return;
	forgive(f, m->node);
	m->ready_ms = now_ms;
	f->orders.was_ready(f->user, m, (uint64_t)(now_ms - m->asked_ms));
}

/* A start has its time anew. */
static void
give_time(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	if (m->state == TG_FLEET_CHECKING || m->state == TG_FLEET_DOWN)
		m->deadline_ms = now_ms + (int64_t)f->limits.start_timeout_ms;
}

void
fleet_return(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	fleet_enter(f, m, m->ready_ms != TG_FLEET_NEVER ? TG_FLEET_READY : TG_FLEET_CHECKING, now_ms);
	give_time(f, m, now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_UNDRAINED, why);
}

void
fleet_steered(struct fleet *f, const char *name, enum fleet_steer by, int64_t now_ms)
{
	struct fleet_member *m = find(f, name);
	bool was_held;

	if (m == NULL)
		return;
	was_held = m->is_held;
	m->is_held = by == TG_FLEET_STEER_OPERATOR;
	if (m->state == TG_FLEET_DRAINING && by == TG_FLEET_STEER_NONE)
		fleet_return(f, m, "an operator made it ready", now_ms);
	else if (was_held && !m->is_held)
		give_time(f, m, now_ms);
}

void
fleet_cut_off(struct fleet *f, const char *name, bool is_cut_off)
{
	struct fleet_member *m = find(f, name);

	if (m != NULL)
		m->is_cut_off = is_cut_off;
}

void
fleet_observed(struct fleet *f, const char *name, bool is_up, int64_t in_flight, int64_t now_ms)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL)
		return;
	m->in_flight = in_flight;
	m->is_observed = true;
	if (is_up && (m->state == TG_FLEET_CHECKING || m->state == TG_FLEET_DOWN)) {
		on_up(f, m, now_ms);
	} else if (!is_up && m->state == TG_FLEET_READY) {
		fleet_enter(f, m, TG_FLEET_DOWN, now_ms);
		fleet_tell(f, m, TG_FLEET_NEWS_DOWN, "");
	}
}

/*** The fleet ***/

struct fleet *
fleet_new(const struct fleet_limits *limits, const struct fleet_orders *orders, void *user)
{
	struct fleet *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->limits = *limits;
	f->orders = *orders;
	f->user = user;
	f->retry_ms = TG_FLEET_AT_ONCE;
	TAILQ_INIT(&f->members);
	return f;
}

void
fleet_free(struct fleet *f)
{
	if (f == NULL)
		return;
	while (!TAILQ_EMPTY(&f->members))
		fleet_member_free(f, TAILQ_FIRST(&f->members));
	free(f);
}

void
fleet_set_limits(struct fleet *f, const struct fleet_limits *limits)
{
	f->limits = *limits;
}

struct fleet_failures
fleet_failures(const struct fleet *f)
{
	return (struct fleet_failures){
		.in_row = f->failures,
		.retry_ms = f->retry_ms,
		.name = f->failed_name,
		.why = f->failed_why,
		.at_ms = f->failed_ms,
	};
}

void
fleet_retry(struct fleet *f)
{
	f->failures = 0;
	f->retry_ms = TG_FLEET_AT_ONCE;
}

bool
fleet_is_listed(const struct fleet *f)
{
	return f->is_listed;
}

struct usage *
fleet_usage(struct fleet *f, const char *name)
{
	struct fleet_member *m = find(f, name);

	return m != NULL ? &m->usage : NULL;
}

const struct fleet_member *
fleet_find(const struct fleet *f, const char *name)
{
	return find(f, name);
}

void
fleet_walk(const struct fleet *f, void (*told)(void *user, const struct fleet_member *m),
	   void *user)
{
	const struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link)
		told(user, m);
}
