/* provider/docker_scan.c: containers of nobody: of an owner whose service is not there, or has no provider. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "provider/docker_node_priv.h"

#define SCAN_MS       1000u
#define SCAN_AGAIN_MS 30000u

static bool
is_configured(const struct docker_node *n, const char *owner, const char *service)
{
	const struct docker_user *u;

	LIST_FOREACH(u, &n->users, link) {
		if (strcmp(u->owner, owner) == 0 && strcmp(u->service, service) == 0)
			return true;
	}
	return false;
}

static struct docker_orphan *
find_orphan(const struct docker_node *n, const char *id)
{
	struct docker_orphan *o;

	LIST_FOREACH(o, &n->orphans, link) {
		if (strcmp(o->id, id) == 0)
			break;
	}
	return o;
}

static void
forget(struct docker_node *n, struct docker_orphan *o)
{
	LIST_REMOVE(o, link);
	n->n_orphans--;
	free(o);
}

/* NULL: too many. */
static struct docker_orphan *
remember(struct docker_node *n, const char *id)
{
	struct docker_orphan *o =
		n->n_orphans < TG_DOCKER_ORPHANS_MAX ? calloc(1, sizeof(*o)) : NULL;

	if (o == NULL)
		return NULL;
	snprintf(o->id, sizeof(o->id), "%s", id);
	LIST_INSERT_HEAD(&n->orphans, o, link);
	n->n_orphans++;
	return o;
}

static void
tell(const struct docker_node *n, const struct docker_listed *item)
{
	log_write(TG_LOG_WARN,
		  item->name[0] != '\0' && item->service[0] != '\0'
			  ? "a container is of a service that is not there, or has no provider"
			  : "a container has our owner, and a service or name that cannot be ours",
		  "node=%s container=%.12s svc=%s srv=%s", n->name, item->id, item->service, item->name);
}

static void
report_orphan(struct docker_node *n, const struct docker_listed *item)
{
	struct docker_orphan *o = find_orphan(n, item->id);

	if (o == NULL) {
		o = remember(n, item->id);
		if (o != NULL)
			tell(n, item);
	}
	if (o != NULL) {
		o->is_seen = true;
	} else if (!n->has_told_many) {
		n->has_told_many = true;
		log_write(TG_LOG_WARN, "more containers that nobody has are not told", "node=%s told=%u",
			  n->name, n->n_orphans);
	}
}

static void
report_orphans(struct docker_node *n, const char *owner, const struct docker_listed *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].name[0] == '\0' || !is_configured(n, owner, list[i].service))
			report_orphan(n, &list[i]);
	}
}

/* What a whole look has not seen is gone, or somebody's. */
static void
forget_unseen(struct docker_node *n)
{
	struct docker_orphan *o;
	struct docker_orphan *next;

	for (o = LIST_FIRST(&n->orphans); o != NULL; o = next) {
		next = LIST_NEXT(o, link);
		if (!o->is_seen)
			forget(n, o);
		else
			o->is_seen = false;
	}
}

static const struct docker_user *
next_owner(const struct docker_node *n, const struct docker_user *after)
{
	const struct docker_user *u = after != NULL ? LIST_NEXT(after, link) : LIST_FIRST(&n->users);
	const struct docker_user *other;

	for (; u != NULL; u = LIST_NEXT(u, link)) {
		for (other = LIST_FIRST(&n->users); strcmp(other->owner, u->owner) != 0;)
			other = LIST_NEXT(other, link);
		if (other == u)
			return u;
	}
	return NULL;
}

static void scan_next(struct docker_node *n);

static void
set_timer(struct docker_node *n, uint64_t ms)
{
	struct loop *loop = n->hub->loop;

	n->is_scan_near = ms == SCAN_MS;
	timer_set(loop, &n->scan, mono_add_ms(loop_now(loop), ms));
}

static void
on_scan(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct docker_listed *list;
	struct err err;
	size_t count;

	n->scanning = NULL;
	if (end->rc == 0 && end->status == 200 &&
	    docker_parse_list(end->body, end->n, n->scanned->owner, &list, &count, &err) == 0) {
		report_orphans(n, n->scanned->owner, list, count);
		free(list);
	} else {
		n->is_scan_partial = true;
	}
	n->scanned = next_owner(n, n->scanned);
	scan_next(n);
}

static void
scan_next(struct docker_node *n)
{
	struct docker_order order = {
		.verb = DOCKER_LIST, .what = "", .ended = on_scan, .user = n};

	if (n->scanned == NULL) {
		if (!n->is_scan_partial)
			forget_unseen(n);
		if (!n->is_scan_near)
			set_timer(n, SCAN_AGAIN_MS);
		return;
	}
	order.owner = n->scanned->owner;
	if (docker_node_call(n, &order, &n->scanning) < 0)
		n->scanned = NULL;
}

static void
cancel(struct docker_node *n)
{
	call_cancel(n->scanning);
	n->scanning = NULL;
	n->scanned = NULL;
}

static void
on_scan_due(struct timer *t)
{
	struct docker_node *n = TG_CONTAINER(t, struct docker_node, scan);

	cancel(n);
	n->is_scan_near = false;
	n->is_scan_partial = false;
	n->scanned = next_owner(n, NULL);
	scan_next(n);
}

void
docker_scan_later(struct docker_node *n)
{
	set_timer(n, SCAN_MS);
}

/* However many there are, it is no more than one look a second. */
void
docker_scan_event(struct docker_node *n, const char *owner)
{
	const struct docker_user *u;

	LIST_FOREACH(u, &n->users, link) {
		if (strcmp(u->owner, owner) == 0 && !n->is_scan_near) {
			docker_scan_later(n);
			return;
		}
	}
}

void
docker_scan_cancel(struct docker_node *n)
{
	cancel(n);
	n->is_scan_near = false;
	timer_clear(&n->scan);
}

void
docker_scan_start(struct docker_node *n)
{
	timer_init(&n->scan, on_scan_due);
	LIST_INIT(&n->orphans);
}

void
docker_scan_stop(struct docker_node *n)
{
	cancel(n);
	timer_fini(&n->scan);
	while (!LIST_EMPTY(&n->orphans))
		forget(n, LIST_FIRST(&n->orphans));
}
