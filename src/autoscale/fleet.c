#include "autoscale/fleet.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_PREFIX   "auto-"
#define AGAIN_MS      10000  /* an answer that did not come by then is not awaited any more */
#define SETTLED_MS    10000  /* one that ends sooner after it was ready has failed to start */
#define BACKOFF_MS    1000   /* after the first start that failed; doubles */
#define BACKOFF_MAX   60000
#define NEVER         INT64_MAX
#define AT_ONCE       INT64_MIN

TAILQ_HEAD(member_list, fleet_member);

struct fleet {
	struct fleet_limits limits;
	struct fleet_orders orders;
	void *user;
	struct member_list members; /* in the order they came */
	unsigned n;
	bool is_listed; /* what there is, is known: before that nothing is started */
	uint64_t number; /* of the name given last, or the highest found */
	uint64_t token;
	unsigned failures; /* in a row */
	int64_t retry_ms;
};

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

	if (sscanf(name, NAME_PREFIX "%" SCNu64 "%n", &number, &end) == 1 && name[end] == '\0' &&
	    number > f->number)
		f->number = number;
}

static struct fleet_member *
new_member(struct fleet *f, const char *name, int64_t now_ms)
{
	struct fleet_member *m = f->n < TG_FLEET_MAX ? calloc(1, sizeof(*m)) : NULL;

	if (m == NULL)
		return NULL;
	snprintf(m->name, sizeof(m->name), "%s", name);
	note_number(f, m->name);
	m->since_ms = now_ms;
	m->asked_ms = now_ms;
	m->known_ms = NEVER;
	m->ready_ms = NEVER;
	TAILQ_INSERT_TAIL(&f->members, m, link);
	f->n++;
	return m;
}

static void
free_member(struct fleet *f, struct fleet_member *m)
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
		return now_ms + (int64_t)f->limits.stop_grace_ms + AGAIN_MS;
	case TG_FLEET_REMOVING:
		return now_ms + AGAIN_MS;
	case TG_FLEET_READY:
	case TG_FLEET_STATE_COUNT:
		break;
	}
	return NEVER;
}

static void
enter(struct fleet *f, struct fleet_member *m, enum fleet_state state, int64_t now_ms)
{
	m->state = state;
	m->since_ms = now_ms;
	m->deadline_ms = deadline_of(f, m, state, now_ms);
	m->is_order_open = false;
	m->is_observed = false;
	m->is_unwanted = false;
	m->token = 0;
}

static void
tell(struct fleet *f, const struct fleet_member *m, const char *what, const char *why)
{
	f->orders.told(f->user, m, what, why);
}

static bool
is_configured(const struct fleet_member *m)
{
	return m->state >= TG_FLEET_CHECKING && m->state <= TG_FLEET_REMOVING;
}

/* It serves, or is on its way to. */
static bool
is_alive(const struct fleet_member *m)
{
	return m->state <= TG_FLEET_DOWN && !m->is_unwanted && !m->is_ended;
}

/*** Failures ***/

static void
count_failure(struct fleet *f, int64_t now_ms)
{
	int64_t wait = BACKOFF_MS;

	for (unsigned i = 0; i < f->failures && wait < BACKOFF_MAX; i++)
		wait *= 2;
	f->failures++;
	f->retry_ms = now_ms + (wait < BACKOFF_MAX ? wait : BACKOFF_MAX);
}

/* On its way out: of the configuration first, if it is there. */
static void
leave(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	if (is_configured(m))
		enter(f, m, TG_FLEET_REMOVING, now_ms);
	else if (m->is_ended)
		free_member(f, m);
	else
		enter(f, m, TG_FLEET_STOPPING, now_ms);
}

static void
fail(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	count_failure(f, now_ms);
	tell(f, m, "start failed", why);
	leave(f, m, now_ms);
}

static void
end_serving(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	if (m->ready_ms == NEVER) {
		fail(f, m, why, now_ms);
		return;
	}
	if (now_ms - m->ready_ms < SETTLED_MS)
		count_failure(f, now_ms);
	tell(f, m, "ended", why);
	leave(f, m, now_ms);
}

/* Its provider has it no more. */
static void
end(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	m->is_ended = true;
	switch (m->state) {
	case TG_FLEET_PENDING:
	case TG_FLEET_STARTING:
		fail(f, m, why, now_ms);
		break;
	case TG_FLEET_CHECKING:
	case TG_FLEET_READY:
	case TG_FLEET_DOWN:
		end_serving(f, m, why, now_ms);
		break;
	case TG_FLEET_DRAINING:
		tell(f, m, "ended", why);
		leave(f, m, now_ms);
		break;
	case TG_FLEET_STOPPING:
		tell(f, m, "stopped", why);
		free_member(f, m);
		break;
	case TG_FLEET_ADDING: /* it is taken out when it is in */
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
		enter(f, m, TG_FLEET_ADDING, now_ms);
}

static void
take_instance(struct fleet *f, struct fleet_member *m, const struct instance *i, int64_t now_ms)
{
	if (m->known_ms == NEVER)
		m->known_ms = now_ms;
	if (i->state == TG_INSTANCE_ENDED) {
		end(f, m, i->why, now_ms);
		return;
	}
	take_place(m, &i->place);
	if (i->has_addr && !is_configured(m)) {
		m->has_addr = true;
		m->addr = i->addr;
	}
	go_on(f, m, now_ms);
}

/* One that nobody asked for, as of a keeper that died. */
static void
take_in(struct fleet *f, const struct instance *i, int64_t now_ms)
{
	struct fleet_member *m = new_member(f, i->name, now_ms);

	if (m == NULL)
		return;
	enter(f, m, i->state == TG_INSTANCE_STOPPING ? TG_FLEET_STOPPING : TG_FLEET_STARTING,
	      now_ms);
	tell(f, m, "found", i->why);
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
		if (m->known_ms < asked_ms && !m->is_ended && !is_listed(instances, n, m->name))
			end(f, m, "its provider has it no more", now_ms);
	}
}

void
fleet_listed(struct fleet *f, const struct instance *instances, size_t n, int64_t asked_ms,
	     int64_t now_ms)
{
	f->is_listed = true;
	end_missing(f, instances, n, asked_ms, now_ms);
	for (size_t i = 0; i < n; i++) {
		if (find(f, instances[i].name) != NULL)
			fleet_changed(f, &instances[i], now_ms);
		else if (instances[i].state != TG_INSTANCE_ENDED)
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
	m = new_member(f, name, now_ms);
	if (m == NULL)
		return -TG_ENOMEM;
	m->has_addr = true;
	m->addr = *addr;
	m->slot = slot;
	m->known_ms = AT_ONCE;
	m->ready_ms = now_ms - SETTLED_MS;
	enter(f, m, is_draining ? TG_FLEET_DRAINING : TG_FLEET_CHECKING, now_ms);
	return 0;
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
		fail(f, m, why, now_ms);
		return;
	}
	m->known_ms = now_ms;
	enter(f, m, TG_FLEET_STARTING, now_ms);
	go_on(f, m, now_ms);
}

static void
on_stopped(struct fleet *f, struct fleet_member *m, int rc, const char *why, int64_t now_ms)
{
	if (rc == 0) {
		end(f, m, "", now_ms);
		return;
	}
	tell(f, m, "not stopped", why);
	enter(f, m, TG_FLEET_STOPPING, now_ms);
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
	if (!is_done) {
		fail(f, m, why, now_ms);
		return;
	}
	is_unwanted = m->is_unwanted;
	m->slot = slot;
	enter(f, m, TG_FLEET_CHECKING, now_ms);
	if (is_unwanted)
		leave(f, m, now_ms);
	else if (m->is_ended)
		fail(f, m, "it ended before it was up", now_ms);
}

void
fleet_removed(struct fleet *f, const char *name, bool is_done, const char *why, int64_t now_ms)
{
	struct fleet_member *m = find(f, name);

	if (m == NULL || m->state != TG_FLEET_REMOVING)
		return;
	if (is_done) {
		enter(f, m, TG_FLEET_RESTING, now_ms);
		return;
	}
	tell(f, m, "not removed", why);
	m->is_order_open = true; /* once more at the deadline */
}

void
fleet_unconfigured(struct fleet *f, int64_t now_ms)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (is_configured(m))
			enter(f, m, TG_FLEET_RESTING, now_ms);
	}
}

static void
on_up(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	bool is_first = m->ready_ms == NEVER;

	enter(f, m, TG_FLEET_READY, now_ms);
	f->failures = 0;
	f->retry_ms = AT_ONCE;
	tell(f, m, "ready", is_first ? "" : "again");
	if (!is_first)
		return;
	m->ready_ms = now_ms;
	f->orders.was_ready(f->user, m, (uint64_t)(now_ms - m->asked_ms));
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
		enter(f, m, TG_FLEET_DOWN, now_ms);
		tell(f, m, "down", "");
	}
}

/*** Time ***/

static void
on_late(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	char why[64];

	switch (m->state) {
	case TG_FLEET_PENDING:
	case TG_FLEET_STARTING:
	case TG_FLEET_CHECKING:
		snprintf(why, sizeof(why), "not up in %" PRIu64 " ms", f->limits.start_timeout_ms);
		fail(f, m, why, now_ms);
		break;
	case TG_FLEET_DOWN:
		snprintf(why, sizeof(why), "down for %" PRIu64 " ms", f->limits.start_timeout_ms);
		tell(f, m, "given up", why);
		leave(f, m, now_ms);
		break;
	case TG_FLEET_DRAINING:
	case TG_FLEET_RESTING:
		snprintf(why, sizeof(why), "%" PRId64 " in flight", m->in_flight);
		tell(f, m, "cut", why);
		f->orders.cut(f->user, m);
		if (m->state == TG_FLEET_DRAINING)
			leave(f, m, now_ms);
		else
			enter(f, m, TG_FLEET_STOPPING, now_ms);
		break;
	case TG_FLEET_ADDING:
	case TG_FLEET_REMOVING:
	case TG_FLEET_STOPPING:
		m->is_order_open = false; /* the same order again */
		m->deadline_ms = now_ms + AGAIN_MS;
		break;
	case TG_FLEET_READY:
	case TG_FLEET_STATE_COUNT:
		break;
	}
}

/* What nothing is in flight at any more goes on; what ended has nothing to wait for. */
static void
on_quiet(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	if (m->state == TG_FLEET_DRAINING)
		leave(f, m, now_ms);
	else if (m->state == TG_FLEET_RESTING && m->is_ended)
		free_member(f, m);
	else if (m->state == TG_FLEET_RESTING)
		enter(f, m, TG_FLEET_STOPPING, now_ms);
}

static bool
is_quiet(const struct fleet_member *m)
{
	return (m->is_observed && m->in_flight == 0) ||
	       (m->state == TG_FLEET_RESTING && m->is_ended);
}

static void
give_order(struct fleet *f, struct fleet_member *m)
{
	int rc = 0;

	if (m->is_order_open)
		return;
	switch (m->state) {
	case TG_FLEET_PENDING:
		m->token = ++f->token;
		rc = f->orders.start(f->user, m, m->token);
		break;
	case TG_FLEET_STOPPING:
		m->token = ++f->token;
		rc = f->orders.stop(f->user, m, m->token, f->limits.stop_grace_ms);
		break;
	case TG_FLEET_ADDING:
		rc = f->orders.add(f->user, m);
		break;
	case TG_FLEET_REMOVING:
		rc = f->orders.remove(f->user, m);
		break;
	case TG_FLEET_STARTING:
	case TG_FLEET_CHECKING:
	case TG_FLEET_READY:
	case TG_FLEET_DOWN:
	case TG_FLEET_DRAINING:
	case TG_FLEET_RESTING:
	case TG_FLEET_STATE_COUNT:
		return;
	}
	m->is_order_open = rc == 0;
	if (rc != 0)
		m->token = 0;
}

static void
tick_member(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	if ((m->state == TG_FLEET_DRAINING || m->state == TG_FLEET_RESTING) && is_quiet(m))
		on_quiet(f, m, now_ms);
	else if (now_ms >= m->deadline_ms)
		on_late(f, m, now_ms);
}

/*** Towards what is desired ***/

static unsigned
count_alive(const struct fleet *f)
{
	const struct fleet_member *m;
	unsigned n = 0;

	TAILQ_FOREACH(m, &f->members, link)
		n += is_alive(m);
	return n;
}

/* What leaves and can come back: the last one that was sent away has the most left to do. */
static struct fleet_member *
find_leaving(const struct fleet *f)
{
	struct fleet_member *best = NULL;
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if ((m->state == TG_FLEET_DRAINING || m->is_unwanted) && !m->is_ended &&
		    (best == NULL || m->since_ms >= best->since_ms))
			best = m;
	}
	return best;
}

static bool
undrain(struct fleet *f, int64_t now_ms)
{
	struct fleet_member *m = find_leaving(f);

	if (m != NULL && m->is_unwanted) {
		m->is_unwanted = false;
		return true;
	}
	if (m == NULL || f->orders.drain(f->user, m, false) != 0)
		return false;
	enter(f, m, m->ready_ms != NEVER ? TG_FLEET_READY : TG_FLEET_CHECKING, now_ms);
	tell(f, m, "undrained", "it is needed again");
	return true;
}

static bool
start(struct fleet *f, int64_t now_ms)
{
	char name[TG_INSTANCE_NAME];
	struct fleet_member *m;

	if (!f->is_listed || now_ms < f->retry_ms)
		return false;
	snprintf(name, sizeof(name), NAME_PREFIX "%" PRIu64, f->number + 1);
	m = new_member(f, name, now_ms);
	if (m == NULL)
		return false;
	enter(f, m, TG_FLEET_PENDING, now_ms);
	tell(f, m, "starting", "");
	return true;
}

/* Lower goes first. */
static int
reluctance(const struct fleet_member *m)
{
	switch (m->state) {
	case TG_FLEET_PENDING:
		return 0;
	case TG_FLEET_STARTING:
		return 1;
	case TG_FLEET_ADDING:
		return 2;
	case TG_FLEET_CHECKING:
		return 3;
	case TG_FLEET_DOWN:
		return 4;
	default:
		return 5;
	}
}

static bool
goes_before(const struct fleet_member *a, const struct fleet_member *b)
{
	int difference = reluctance(a) - reluctance(b);

	if (difference != 0)
		return difference < 0;
	return a->in_flight <= b->in_flight; /* of equals the newest */
}

static struct fleet_member *
find_victim(const struct fleet *f)
{
	struct fleet_member *best = NULL;
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (is_alive(m) && (best == NULL || goes_before(m, best)))
			best = m;
	}
	return best;
}

static bool
retire(struct fleet *f, int64_t now_ms)
{
	struct fleet_member *m = find_victim(f);

	if (m == NULL)
		return false;
	if (m->state == TG_FLEET_ADDING && m->is_order_open) {
		m->is_unwanted = true; /* it is in the configuration soon, and taken out then */
		return true;
	}
	if (!is_configured(m)) {
		tell(f, m, "stopping", "it is not needed any more");
		leave(f, m, now_ms);
		return true;
	}
	if (f->orders.drain(f->user, m, true) != 0)
		return false;
	enter(f, m, TG_FLEET_DRAINING, now_ms);
	tell(f, m, "draining", "it is not needed any more");
	return true;
}

void
fleet_tick(struct fleet *f, uint32_t desired, int64_t now_ms)
{
	struct fleet_member *m;
	struct fleet_member *next;
	unsigned alive;

	for (m = TAILQ_FIRST(&f->members); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		tick_member(f, m, now_ms);
	}
	alive = count_alive(f);
	while (alive < desired && (undrain(f, now_ms) || start(f, now_ms)))
		alive++;
	while (alive > desired && retire(f, now_ms))
		alive--;
	TAILQ_FOREACH(m, &f->members, link)
		give_order(f, m);
}

/*** The fleet ***/

struct fleet *
fleet_new(const struct fleet_limits *limits,
	  const struct fleet_orders *orders, void *user)
{
	struct fleet *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->limits = *limits;
	f->orders = *orders;
	f->user = user;
	f->retry_ms = AT_ONCE;
	TAILQ_INIT(&f->members);
	return f;
}

void
fleet_free(struct fleet *f)
{
	if (f == NULL)
		return;
	while (!TAILQ_EMPTY(&f->members))
		free_member(f, TAILQ_FIRST(&f->members));
	free(f);
}

void
fleet_set_limits(struct fleet *f, const struct fleet_limits *limits)
{
	f->limits = *limits;
}

struct fleet_counts
fleet_counts(const struct fleet *f)
{
	struct fleet_counts c = {.pending = 0};
	const struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (m->state == TG_FLEET_READY)
			c.ready++;
		else if (m->state == TG_FLEET_DOWN)
			c.down++;
		else if (is_alive(m))
			c.pending++;
		else
			c.draining++;
	}
	return c;
}

unsigned
fleet_failures(const struct fleet *f, int64_t *ret_retry_ms)
{
	*ret_retry_ms = f->retry_ms;
	return f->failures;
}

void
fleet_retry(struct fleet *f)
{
	f->failures = 0;
	f->retry_ms = AT_ONCE;
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
