/* provider/docker_hub.c: the nodes of all services, and who comes to them and goes. */
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/compare.h"
#include "conf/docker_url.h"
#include "provider/docker_node_priv.h"

/*** Joining ***/

static struct docker_node *
find(const struct docker_hub *hub, const struct conf_node *c)
{
	struct docker_node *n;

	LIST_FOREACH(n, &hub->nodes, link) {
		if (strcmp(n->name, c->name) == 0 && strcmp(n->docker, c->docker) == 0 &&
		    conf_is_equal_text(n->ca, c->tls.ca) &&
		    conf_is_equal_text(n->certificate, c->tls.certificate) &&
		    conf_is_equal_text(n->key, c->tls.key) && conf_is_equal_text(n->address, c->address))
			return n;
	}
	return NULL;
}

static bool
copy(char **ret, const char *text)
{
	if (text == NULL)
		return true;
	*ret = strdup(text);
	return *ret != NULL;
}

static void
node_free(struct docker_node *n)
{
	if (n == NULL)
		return;
	docker_node_stop(n);
	resolver_watch_stop(&n->watch);
	free(n->name);
	free(n->docker);
	free(n->ca);
	free(n->certificate);
	free(n->key);
	free(n->address);
	docker_line_fini(&n->line);
	free(n);
}

static void
on_name(struct resolver_watch *w, const struct resolver_news *news)
{
	struct docker_node *n = TG_CONTAINER(w, struct docker_node, watch);
	struct addr found;

	if (news->n == 0)
		return;
	found = ip_addr(&news->list[0].ip, n->at.port);
	docker_node_found(n, &found);
}

static int
find_address(struct docker_node *n, struct err *err)
{
	if (n->at.kind == TG_ENDPOINT_ADDR) {
		n->found = n->at.addr;
		return 0;
	}
	if (n->hub->resolver == NULL)
		return err_set(err, TG_EINVAL, "node \"%s\": its host name cannot be looked up",
			       n->name);
	return resolver_watch_start(n->hub->resolver, &n->watch, n->at.host, on_name) < 0
		       ? err_no_memory(err)
		       : 0;
}

static bool
copy_all(struct docker_node *n, const struct conf_node *c)
{
	return docker_line_init(&n->line, TG_DOCKER_LINE_MAX) && copy(&n->name, c->name) &&
	       copy(&n->docker, c->docker) && copy(&n->ca, c->tls.ca) &&
	       copy(&n->certificate, c->tls.certificate) && copy(&n->key, c->tls.key) &&
	       copy(&n->address, c->address);
}

static int
open_node(struct docker_node *n, struct err *err)
{
	int rc = docker_url_parse(n->docker, n->ca != NULL, &n->at, err);

	if (rc == 0)
		rc = call_check(err);
	return rc == 0 ? find_address(n, err) : rc;
}

static int
node_new(struct docker_hub *hub, const struct conf_node *c, struct docker_node **ret,
	 struct err *err)
{
	struct docker_node *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return err_no_memory(err);
	n->hub = hub;
	docker_node_start(n);
	rc = copy_all(n, c) ? open_node(n, err) : err_no_memory(err);
	if (rc < 0) {
		node_free(n);
		return rc;
	}
	LIST_INSERT_HEAD(&hub->nodes, n, link);
	*ret = n;
	return 0;
}

int
docker_user_join(struct docker_hub *hub, const struct conf_node *conf, struct docker_user *u,
		 struct err *err)
{
	struct docker_node *n = find(hub, conf);
	int rc = n != NULL ? 0 : node_new(hub, conf, &n, err);

	if (rc < 0)
		return rc;
	u->node = n;
	LIST_INSERT_HEAD(&n->users, u, link);
	return 0;
}

void
docker_user_leave(struct docker_user *u)
{
	struct docker_node *n = u->node;

	if (n == NULL)
		return;
	docker_scan_cancel(n);
	LIST_REMOVE(u, link);
	u->node = NULL;
	if (LIST_EMPTY(&n->users)) {
		LIST_REMOVE(n, link);
		docker_node_left(n->hub);
		node_free(n);
	} else if (n->state == DOCKER_NODE_UP) {
		docker_scan_later(n);
	}
}

/*** The hub ***/

struct docker_hub *
docker_hub_new(struct loop *loop, struct resolver *resolver)
{
	struct docker_hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	hub->loop = loop;
	hub->resolver = resolver;
	LIST_INIT(&hub->nodes);
	return hub;
}

void
docker_hub_free(struct docker_hub *hub)
{
	free(hub);
}
