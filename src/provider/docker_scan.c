/* provider/docker_scan.c: containers of nobody: of an owner whose service is not there, or has no provider. */
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "provider/docker_node_priv.h"

#define SCAN_MS 1000u

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

static void
report_orphans(const struct docker_node *n, const char *owner, const struct docker_listed *list,
	       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_configured(n, owner, list[i].service))
			log_write(TG_LOG_WARN,
				  "a container is of a service that is not there, or has no provider",
				  "node=%s container=%.12s svc=%s srv=%s", n->name, list[i].id,
				  list[i].service, list[i].name);
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
	}
	n->scanned = next_owner(n, n->scanned);
	scan_next(n);
}

static void
scan_next(struct docker_node *n)
{
	struct docker_order order = {
		.verb = DOCKER_LIST, .what = "", .ended = on_scan, .user = n};

	if (n->scanned == NULL)
		return;
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
	n->scanned = next_owner(n, NULL);
	scan_next(n);
}

void
docker_scan_later(struct docker_node *n)
{
	struct loop *loop = n->hub->loop;

	timer_set(loop, &n->scan, mono_add_ms(loop_now(loop), SCAN_MS));
}

void
docker_scan_cancel(struct docker_node *n)
{
	cancel(n);
	timer_clear(&n->scan);
}

void
docker_scan_start(struct docker_node *n)
{
	timer_init(&n->scan, on_scan_due);
}

void
docker_scan_stop(struct docker_node *n)
{
	cancel(n);
	timer_fini(&n->scan);
}
