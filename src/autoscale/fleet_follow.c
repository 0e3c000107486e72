/* autoscale/fleet_follow.c: a fleet that another instance of tidegate leads, and how it comes to lead itself. */
#include <stdio.h>
#include <string.h>

#include "autoscale/fleet_priv.h"

static const struct store_member *
find_told(const struct fleet_told *told, const struct fleet_member *m)
{
	for (size_t i = 0; i < told->n; i++) {
		const struct store_member *one = &told->members[i];

		if (strcmp(one->name, m->name) == 0)
			return !m->has_addr || addr_equal(&m->addr, &one->addr) ? one : NULL;
	}
	return NULL;
}

static bool
is_serving(const struct fleet_member *m)
{
	return m->state == TG_FLEET_CHECKING || m->state == TG_FLEET_READY ||
	       m->state == TG_FLEET_DOWN;
}

static void
send_away(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms)
{
	if (m->state == TG_FLEET_ADDING && m->is_order_open) {
		m->is_unwanted = true;
	} else if (m->state < TG_FLEET_CHECKING) {
		fleet_tell(f, m, TG_FLEET_NEWS_STOPPING, why);
		fleet_leave(f, m, now_ms);
	} else if (is_serving(m) && f->orders.drain(f->user, m, true) == 0) {
		fleet_enter(f, m, TG_FLEET_DRAINING, now_ms);
		fleet_tell(f, m, TG_FLEET_NEWS_DRAINING, why);
	}
}

/* Whoever places others there counts it. */
static void
take_node(struct fleet_member *m, const struct store_member *one)
{
	snprintf(m->node, sizeof(m->node), "%s", one->node);
	m->has_node = m->has_node || one->node[0] != '\0';
}

static void
follow_member(struct fleet *f, struct fleet_member *m, const struct fleet_told *told,
	      int64_t now_ms)
{
	const struct store_member *one = find_told(told, m);

	if (one == NULL) {
		send_away(f, m, "the leader has it no more", now_ms);
		return;
	}
	m->is_others = f->is_shared || strcmp(one->origin, told->self) != 0;
	snprintf(m->origin, sizeof(m->origin), "%s", one->origin);
	take_node(m, one);
	m->is_evicted = one->is_evicted;
	if (one->is_draining) {
		send_away(f, m, "the leader drains it", now_ms);
		return;
	}
	m->is_unwanted = false;
	if (m->state == TG_FLEET_DRAINING && f->orders.drain(f->user, m, false) == 0)
		fleet_return(f, m, "the leader needs it again", now_ms);
}

static void
take_in(struct fleet *f, const struct store_member *one, int64_t now_ms)
{
	struct fleet_member *m = fleet_member_new(f, one->name, now_ms);

	if (m == NULL)
		return;
	m->is_others = true;
	m->has_addr = true;
	m->addr = one->addr;
	snprintf(m->origin, sizeof(m->origin), "%s", one->origin);
	take_node(m, one);
	fleet_enter(f, m, TG_FLEET_ADDING, now_ms);
	fleet_tell(f, m, TG_FLEET_NEWS_FOUND, m->origin);
}

void
fleet_follow(struct fleet *f, const struct fleet_told *told, int64_t now_ms)
{
	struct fleet_member *m;
	struct fleet_member *next;

	for (m = TAILQ_FIRST(&f->members); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		follow_member(f, m, told, now_ms);
	}
	for (size_t i = 0; i < told->n && now_ms >= f->retry_ms; i++) {
		const struct store_member *one = &told->members[i];

		/* One of that name elsewhere leaves first. */
		if (!one->is_draining && fleet_find(f, one->name) == NULL &&
		    !f->orders.is_taken(f->user, one->name))
			take_in(f, one, now_ms);
	}
}

void
fleet_begin_following(struct fleet *f, bool is_shared, int64_t now_ms)
{
	struct fleet_member *m;
	struct fleet_member *next;

	f->is_following = true;
	f->is_shared = is_shared;
	for (m = TAILQ_FIRST(&f->members); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		m->is_others = m->is_others || is_shared;
		if (m->state == TG_FLEET_PENDING || m->state == TG_FLEET_STARTING)
			fleet_leave(f, m, now_ms);
	}
}

void
fleet_begin_leading(struct fleet *f, bool is_shared)
{
	struct fleet_member *m;

	f->is_following = false;
	f->is_shared = is_shared;
	TAILQ_FOREACH(m, &f->members, link) {
		if (!is_shared || !m->is_others)
			continue;
		m->is_others = false;
		m->known_ms = TG_FLEET_AT_ONCE;
	}
	fleet_set_source(f, f->source);
}
