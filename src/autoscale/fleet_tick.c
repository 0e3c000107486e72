/* autoscale/fleet_tick.c: what time, and the number that is desired, make of the members of a fleet. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "autoscale/fleet_priv.h"

/*** Time ***/

static void
on_late(struct fleet *f, struct fleet_member *m, int64_t now_ms)
{
	char why[64];

	if ((m->is_held || f->is_following) &&
	    (m->state == TG_FLEET_CHECKING || m->state == TG_FLEET_DOWN))
		return;
	if (m->state == TG_FLEET_PENDING && !m->has_node)
		return; /* nobody has begun to start it */
	switch (m->state) {
	case TG_FLEET_PENDING:
	case TG_FLEET_STARTING:
	case TG_FLEET_CHECKING:
		snprintf(why, sizeof(why), "not up in %" PRIu64 " ms", f->limits.start_timeout_ms);
		fleet_fail(f, m, why, now_ms);
		break;
	case TG_FLEET_DOWN:
		snprintf(why, sizeof(why), "down for %" PRIu64 " ms", f->limits.start_timeout_ms);
		fleet_tell(f, m, TG_FLEET_NEWS_GIVEN_UP, why);
		fleet_leave(f, m, now_ms);
		break;
	case TG_FLEET_DRAINING:
	case TG_FLEET_RESTING:
		snprintf(why, sizeof(why), "%" PRId64 " in flight", m->in_flight);
		fleet_tell(f, m, TG_FLEET_NEWS_CUT, why);
		f->orders.cut(f->user, m);
		if (m->state == TG_FLEET_DRAINING)
			fleet_leave(f, m, now_ms);
		else
			fleet_enter(f, m, TG_FLEET_STOPPING, now_ms);
		break;
	case TG_FLEET_ADDING:
	case TG_FLEET_REMOVING:
	case TG_FLEET_STOPPING:
		m->is_order_open = false; /* the same order again */
		m->deadline_ms = now_ms + TG_FLEET_AGAIN_MS;
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
		fleet_leave(f, m, now_ms);
	else if (m->state == TG_FLEET_RESTING && m->is_ended)
		fleet_member_free(f, m);
	else if (m->state == TG_FLEET_RESTING)
		fleet_enter(f, m, TG_FLEET_STOPPING, now_ms);
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
		if (!f->is_listed || !m->has_node)
			return;
		m->token = ++f->token;
		rc = f->orders.start(f->user, m, m->token);
		break;
	case TG_FLEET_STOPPING:
		if (m->is_others)
			return; /* not ours to stop */
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
	if (m->state == TG_FLEET_STOPPING && m->is_others)
		fleet_member_free(f, m);
	else if ((m->state == TG_FLEET_DRAINING || m->state == TG_FLEET_RESTING) && is_quiet(m))
		on_quiet(f, m, now_ms);
	else if (now_ms >= m->deadline_ms)
		on_late(f, m, now_ms);
}

/*** What is lost ***/

static void
find_lost(struct fleet *f)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		bool is_lost = m->is_cut_off && !m->is_held &&
			       (m->state == TG_FLEET_CHECKING || m->state == TG_FLEET_DOWN);

		if (is_lost == m->is_lost)
			continue;
		m->is_lost = is_lost;
		if (is_lost)
			fleet_tell(f, m, TG_FLEET_NEWS_LOST,
				   "its checks fail, and its node does not answer");
		else if (m->state <= TG_FLEET_DOWN)
			fleet_tell(f, m, TG_FLEET_NEWS_BACK,
				   m->is_cut_off ? "its checks pass" : "its node answers");
	}
}

/*** What does not work ***/

static bool
is_replaceable(const struct fleet *f, const struct fleet_member *m)
{
	return m->source == f->source && !m->is_leaving && m->is_ill && !m->is_held && !m->is_ended && m->state >= TG_FLEET_CHECKING &&
	       m->state <= TG_FLEET_DOWN;
}

/* NULL: there is none. One that works again, before it drains, stays. */
static struct fleet_member *
find_condemned(const struct fleet *f)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (m->is_condemned && m->state <= TG_FLEET_DOWN && !is_replaceable(f, m))
			m->is_condemned = false;
		if (m->is_condemned)
			return m;
	}
	return NULL;
}

static void
condemn(struct fleet *f)
{
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (!is_replaceable(f, m))
			continue;
		m->is_condemned = true;
		fleet_tell(f, m, TG_FLEET_NEWS_CONDEMNED, "its platform says that it does not work");
		return;
	}
}

static unsigned
count_ready(const struct fleet *f)
{
	const struct fleet_member *m;
	unsigned n = 0;

	TAILQ_FOREACH(m, &f->members, link)
		n += m->state == TG_FLEET_READY && !m->is_condemned && !m->is_held &&
		     !m->is_leaving && m->source == f->source;
	return n;
}

static void
replace_ill(struct fleet *f, uint32_t desired, int64_t now_ms)
{
	struct fleet_member *m = find_condemned(f);

	if (m == NULL) {
		condemn(f);
	} else if (m->state <= TG_FLEET_DOWN && count_ready(f) >= desired &&
		   f->orders.drain(f->user, m, true) == 0) {
		fleet_enter(f, m, TG_FLEET_DRAINING, now_ms);
		fleet_tell(f, m, TG_FLEET_NEWS_DRAINING, "it does not work, and others do");
	}
}

/*** Towards what is desired ***/

/* It serves, or is on its way to. */
static bool
is_alive(const struct fleet_member *m)
{
	return m->state <= TG_FLEET_DOWN && !m->is_unwanted && !m->is_ended && !m->is_condemned &&
	       !m->is_lost;
}

/* It was started by a source of before, by another instance, or where there is no node any more. */
static bool
is_former(const struct fleet *f, const struct fleet_member *m)
{
	return m->source != f->source || m->is_others || m->is_leaving;
}

static bool
serves(const struct fleet_member *m)
{
	return m->state == TG_FLEET_READY && is_alive(m) && !m->is_held;
}

static unsigned
count_alive(const struct fleet *f)
{
	const struct fleet_member *m;
	unsigned n = 0;

	TAILQ_FOREACH(m, &f->members, link)
		n += is_alive(m) && !is_former(f, m);
	return n;
}

static unsigned
count_serving(const struct fleet *f)
{
	const struct fleet_member *m;
	unsigned n = 0;

	TAILQ_FOREACH(m, &f->members, link)
		n += serves(m);
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
		    !m->is_held && !m->is_evicted && !m->is_condemned && !is_former(f, m) &&
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
	fleet_return(f, m, "it is needed again", now_ms);
	return true;
}

static bool
start(struct fleet *f, int64_t now_ms)
{
	char name[TG_INSTANCE_NAME];
	struct fleet_member *m;

	if (!f->is_listed || now_ms < f->retry_ms)
		return false;
	do
		snprintf(name, sizeof(name), TG_FLEET_PREFIX "%" PRIu64, ++f->number);
	while (f->orders.is_taken(f->user, name));
	m = fleet_member_new(f, name, now_ms);
	if (m == NULL)
		return false;
	fleet_enter(f, m, TG_FLEET_PENDING, now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_STARTING, "");
	return true;
}

/* Lower goes first. */
static int
reluctance(const struct fleet_member *m)
{
	if (m->is_held && m->state == TG_FLEET_READY)
		return 4; /* it serves nothing */
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
find_victim(const struct fleet *f, bool of_former)
{
	struct fleet_member *best = NULL;
	struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (is_alive(m) && is_former(f, m) == of_former &&
		    (best == NULL || goes_before(m, best)))
			best = m;
	}
	return best;
}

/* The scheduler's choice among those that are as far. */
static struct fleet_member *
find_preferred(const struct fleet *f, struct fleet_member *victim)
{
	const struct fleet_member **list = calloc(f->n, sizeof(*list));
	struct fleet_member *m;
	unsigned n = 0;
	unsigned which;

	if (list == NULL)
		return victim;
	TAILQ_FOREACH(m, &f->members, link) {
		if (is_alive(m) && !is_former(f, m) && reluctance(m) == reluctance(victim))
			list[n++] = m;
	}
	which = n > 1 ? f->orders.prefer(f->user, list, n) : n;
	TAILQ_FOREACH(m, &f->members, link) {
		if (which < n && m == list[which])
			victim = m;
	}
	free(list);
	return victim;
}

bool
fleet_send_away(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	if (m->state == TG_FLEET_ADDING && m->is_order_open) {
		m->is_unwanted = true; /* it is in the configuration soon, and taken out then */
		return true;
	}
	if (!fleet_is_configured(m)) {
		fleet_tell(f, m, TG_FLEET_NEWS_STOPPING, why);
		fleet_leave(f, m, now_ms);
		return true;
	}
	if (f->orders.drain(f->user, m, true) != 0)
		return false;
	fleet_enter(f, m, TG_FLEET_DRAINING, now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_DRAINING, why);
	return true;
}

static bool
retire_next(struct fleet *f, int64_t now_ms)
{
	struct fleet_member *m = find_victim(f, false);

	if (m != NULL && m->state != TG_FLEET_PENDING && f->orders.prefer != NULL)
		m = find_preferred(f, m);
	return m != NULL && fleet_send_away(f, m, "it is not needed any more", now_ms);
}

/* Those that are pending get a node, or wait. */
static void
find_homes(struct fleet *f)
{
	struct fleet_member *m;
	bool is_any = false;

	TAILQ_FOREACH(m, &f->members, link) {
		m->has_node |= f->orders.place == NULL;
		is_any |= m->state == TG_FLEET_PENDING && !m->has_node;
	}
	if (is_any && f->is_listed)
		f->orders.place(f->user);
}

/* Each but those that serve, as long as they do so in place of one that is to come. */
static void
retire_former(struct fleet *f, uint32_t desired, int64_t now_ms)
{
	unsigned serving = count_serving(f);
	struct fleet_member *m;

	while ((m = find_victim(f, true)) != NULL && (!serves(m) || serving > desired)) {
		serving -= serves(m);
		if (m->is_leaving && !f->is_listed)
			return;
		if (!fleet_send_away(f, m,
				     m->is_leaving ? "its node is not configured any more"
						   : "it is of another provider",
				     now_ms))
			return;
	}
}

static struct fleet_member *
find_last_lost(const struct fleet *f, uint32_t *ret_n)
{
	struct fleet_member *last = NULL;
	struct fleet_member *m;

	*ret_n = 0;
	TAILQ_FOREACH(m, &f->members, link) {
		if (!m->is_lost)
			continue;
		last = m;
		*ret_n += 1;
	}
	return last;
}

/* No more are waited for than are wanted at all. */
static void
retire_lost(struct fleet *f, uint32_t desired, int64_t now_ms)
{
	struct fleet_member *m;
	uint32_t n;

	while ((m = find_last_lost(f, &n)) != NULL && n > desired &&
	       fleet_send_away(f, m, "it is not needed any more", now_ms))
		m->is_lost = false;
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
	find_lost(f);
	if (!f->is_following)
		replace_ill(f, desired, now_ms);
	alive = f->is_following ? desired : count_alive(f);
	while (alive < desired && (undrain(f, now_ms) || start(f, now_ms)))
		alive++;
	f->missing = alive < desired && now_ms < f->retry_ms ? desired - alive : 0;
	while (alive > desired && retire_next(f, now_ms))
		alive--;
	if (!f->is_following) {
		retire_lost(f, desired, now_ms);
		retire_former(f, desired, now_ms);
	}
	find_homes(f);
	TAILQ_FOREACH(m, &f->members, link)
		give_order(f, m);
}

static void
count_pending(struct fleet_counts *c, const struct fleet_member *m)
{
	c->pending++;
	c->waiting += m->is_waiting;
}

struct fleet_counts
fleet_counts(const struct fleet *f)
{
	struct fleet_counts c = {.pending = 0};
	const struct fleet_member *m;

	TAILQ_FOREACH(m, &f->members, link) {
		if (m->state == TG_FLEET_READY && !m->is_held)
			c.ready++;
		else if (is_former(f, m) && !f->is_following)
			c.draining++;
		else if (m->state == TG_FLEET_DOWN || m->is_lost || (m->is_held && is_alive(m)))
			c.down++;
		else if (is_alive(m))
			count_pending(&c, m);
		else
			c.draining++;
	}
	return c;
}
