/*
 * provider/docker.c: each backend is a container on one of the nodes. doc/internals/providers.md tells who owns what.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/hash.h"
#include "base/log.h"
#include "provider/docker_auth.h"
#include "provider/docker_priv.h"

/*** News of a node ***/

static void
lose_all(struct place *place)
{
	struct docker *all = place->all;
	struct docker_container *c;
	struct docker_container *next;
	char why[TG_INSTANCE_WHY];

	snprintf(why, sizeof(why), "node %s is down: %s", docker_node_name(place->user.node),
		 docker_node_why(place->user.node));
	docker_pull_cancel(place);
	docker_sync_lose(place);
	HASH_ITER(hh, all->containers, c, next) {
		if (c->place == place && c->step != STEP_SETTLED)
			docker_container_lose(c, why);
	}
}

static void
go_on(struct docker *all)
{
	struct docker_container *c;
	struct docker_container *next;

	HASH_ITER(hh, all->containers, c, next) {
		bool is_up = docker_node_state(c->place->user.node) == DOCKER_NODE_UP;
		bool is_lost = !is_up && c->place->is_given_up;

		if (c->step == STEP_WAITING && (is_up || c->is_unwanted))
			docker_container_go_on(c);
		else if (c->step == STEP_PULLING && c->is_unwanted)
			docker_container_pulled(c, "stopped before it ran");
		else if (c->step == STEP_SETTLED && c->is_stop_due && is_lost)
			docker_container_gone(c, "left running, its node does not answer");
		else if (c->step == STEP_SETTLED && c->is_stop_due)
			docker_container_end(c);
	}
}

static void
on_turned(struct docker_user *u)
{
	struct place *place = TG_CONTAINER(u, struct place, user);

	if (docker_node_state(u->node) == DOCKER_NODE_UP) {
		if (place->all->is_begun)
			docker_sync(place);
		go_on(place->all);
	} else {
		lose_all(place);
	}
	provider_soon(place->all->provider);
}

static void
on_event(struct docker_user *u, const struct docker_event *e)
{
	struct place *place = TG_CONTAINER(u, struct place, user);
	struct docker_container *c = docker_find(place->all, e->name);

	if (c == NULL || c->place != place || strcmp(c->id, e->id) != 0)
		return;
	switch (e->kind) {
	case DOCKER_EVENT_DIE:
		c->exit_code = e->exit_code;
		docker_container_died(c);
		break;
	case DOCKER_EVENT_DESTROY:
		if (c->step == STEP_SETTLED)
			docker_container_gone(c, "its container was removed");
		break;
	case DOCKER_EVENT_HEALTH:
		if (c->step == STEP_SETTLED && e->health != c->health)
			docker_container_look(c);
		break;
	case DOCKER_EVENT_OTHER:
	case DOCKER_EVENT_KIND_COUNT:
		break;
	}
}

static const struct docker_user_ops user_ops = {.turned = on_turned, .event = on_event};

/*** Verbs ***/

static int
docker_list(struct provider *p, uint64_t token)
{
	const struct docker_search search = {.token = token};
	struct docker *all = p->own;

	all->is_begun = true;
	return docker_search(all, &search);
}

/* Where something can be started. NULL: there is none of this name. "" is the first. */
static struct place *
find_place(const struct docker *all, const char *node)
{
	for (size_t i = 0; i < all->n_places && !all->places[i]->user.is_leaving; i++) {
		if (*node == '\0' ||
		    strcmp(docker_node_name(all->places[i]->user.node), node) == 0)
			return all->places[i];
	}
	return NULL;
}

static int
begin(struct docker *all, uint64_t token, const char *name, struct place *place)
{
	struct docker_container *c = docker_container_new(all, place, name);

	if (c == NULL)
		return -TG_ENOMEM;
	if (docker_container_wait(c, token, false) < 0) {
		docker_container_free(c);
		return -TG_ENOMEM;
	}
	docker_container_begin(c);
	return 0;
}

static int
start_known(struct docker_container *c, uint64_t token)
{
	struct provider *p = c->all->provider;

	if (c->is_over || c->is_unwanted || c->step >= STEP_ASKING)
		return provider_answer_later(p, token, -TG_EAGAIN, "one of its name is stopping");
	if (c->step == STEP_SETTLED)
		return provider_answer_later(p, token, 0, "");
	return docker_container_wait(c, token, false);
}

static int
docker_start(struct provider *p, uint64_t token, const char *name, const char *node)
{
	struct docker *all = p->own;
	struct docker_container *c = docker_find(all, name);
	struct place *place = find_place(all, node);
	char why[TG_INSTANCE_WHY];

	all->is_begun = true;
	if (c != NULL)
		return start_known(c, token);
	if (place == NULL) {
		snprintf(why, sizeof(why), "there is no node %.64s", node);
		return provider_answer_later(p, token, -TG_EINVAL, why);
	}
	if (docker_node_state(place->user.node) == DOCKER_NODE_DOWN) {
		snprintf(why, sizeof(why), "node %s is down: %s",
			 docker_node_name(place->user.node), docker_node_why(place->user.node));
		return provider_answer_later(p, token, -TG_EIO, why);
	}
	return begin(all, token, name, place);
}

static int
docker_stop(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms)
{
	struct docker *all = p->own;
	struct docker_container *c = docker_find(all, name);
	struct docker_search search = {.token = token, .is_stop = true, .grace_ms = grace_ms};
	char why[TG_INSTANCE_WHY];

	all->is_begun = true;
	if (c == NULL) {
		snprintf(search.name, sizeof(search.name), "%s", name);
		return docker_search(all, &search);
	}
	if (docker_node_state(c->place->user.node) == DOCKER_NODE_DOWN && !c->place->is_given_up) {
		snprintf(why, sizeof(why), "node %s is down: %s", c->instance.node,
			 docker_node_why(c->place->user.node));
		return provider_answer_later(p, token, -TG_EIO, why);
	}
	if (docker_container_wait(c, token, true) < 0)
		return -TG_ENOMEM;
	docker_container_stop(c, grace_ms);
	return 0;
}

static void
stop_found(struct docker *all)
{
	struct docker_container *c;
	struct docker_container *next;

	HASH_ITER(hh, all->containers, c, next) {
		if (!c->is_unwanted && docker_node_state(c->place->user.node) != DOCKER_NODE_DOWN)
			docker_container_stop(c, all->grace_ms);
	}
}

static void
docker_soon(struct provider *p)
{
	struct docker *all = p->own;

	go_on(all);
	docker_search_answer(all);
	if (all->is_ending)
		stop_found(all);
	else if (all->is_begun)
		docker_leave(all);
}

/* A keeper that began a moment ago knows of none yet: there may be some of the one before. */
static void
docker_stop_all(struct provider *p, uint64_t grace_ms)
{
	struct docker *all = p->own;

	if (p->conf->keeps)
		return;
	all->is_begun = true;
	all->is_ending = true;
	all->grace_ms = grace_ms;
	for (size_t i = 0; i < all->n_places; i++)
		docker_sync(all->places[i]);
	provider_soon(p);
}

/* Of what is on a node that is down nothing can be said, nor done. */
static size_t
docker_count(const struct provider *p)
{
	const struct docker *all = p->own;
	const struct docker_container *c;
	size_t n = 0;

	if (p->is_stopping && p->conf->keeps)
		return 0;
	for (c = all->containers; c != NULL; c = c->hh.next)
		n += docker_node_state(c->place->user.node) != DOCKER_NODE_DOWN;
	for (size_t i = 0; all->is_ending && i < all->n_places; i++)
		n += docker_place_is_awaited(all->places[i]);
	return n;
}

/*** What is known ***/

/* Else the owner is of this host and this configuration file. */
static bool
docker_is_shared(const struct provider *p)
{
	return p->conf->owner != NULL;
}

static bool
docker_told_usage(const struct provider *p, const char *name, struct usage ret[2])
{
	const struct docker_container *c = docker_find(p->own, name);

	return c != NULL && docker_usage(c, ret);
}

static struct provider_node
tell_node(const struct place *place)
{
	const struct docker_node *n = place->user.node;
	struct provider_node told = {
		.why = docker_place_why(place),
		.cpu_permille = docker_node_info(n)->cpu_permille,
		.memory = docker_node_info(n)->memory,
		.orphans = docker_node_orphans(n),
	};
	told.is_away = told.why != NULL && docker_node_state(n) != DOCKER_NODE_ASKED;
	told.is_doubted = docker_node_is_doubted(n);
	return told;
}

static bool
docker_node(const struct provider *p, const char *name, struct provider_node *ret)
{
	const struct place *place = find_place(p->own, name);

	if (place != NULL)
		*ret = tell_node(place);
	return place != NULL;
}

static void
doubt_node(struct provider *p, const char *name)
{
	const struct place *place = find_place(p->own, name);

	if (place != NULL)
		docker_node_doubt(place->user.node);
}

static bool
left_node(const struct provider *p, const char *name, struct provider_node *ret)
{
	const struct docker *all = p->own;

	for (size_t i = 0; i < all->n_places; i++) {
		const struct place *place = all->places[i];

		if (!place->user.is_leaving || strcmp(docker_node_name(place->user.node), name) != 0)
			continue;
		*ret = tell_node(place);
		return true;
	}
	return false;
}

/*** Open and close ***/

/* Host and path, of letters that a label and a filter can have; another path is another owner. */
static void
make_owner(struct docker *all)
{
	const char *run = all->provider->run;
	char host[256] = "";
	bool has_others = false;
	int n;

	if (all->provider->conf->owner != NULL) {
		snprintf(all->owner, sizeof(all->owner), "%s", all->provider->conf->owner);
		return;
	}
	if (gethostname(host, sizeof(host) - 1) < 0)
		snprintf(host, sizeof(host), "localhost");
	n = snprintf(all->owner, 512, "%s:%s", host, run);
	has_others = n >= 512;
	for (char *p = all->owner; *p != '\0'; p++) {
		if (isalnum((unsigned char)*p) || strchr("-_./:@", *p) != NULL)
			continue;
		*p = '_';
		has_others = true;
	}
	n = (int)strlen(all->owner);
	if (has_others)
		snprintf(all->owner + n, sizeof(all->owner) - (size_t)n, ".%08x",
			 (unsigned)(hash_bytes(run, strlen(run), 0) >> 32));
}

/* What is no UTF-8 cannot be said to a daemon. */
static int
check_body(const struct docker *all, struct err *err)
{
	const struct docker_plan plan = {
		.service = all->provider->service, .owner = all->owner, .name = "x"};
	char *body = docker_create_body(&plan);

	if (body == NULL)
		return err_set(err, TG_EINVAL,
			       "service \"%s\": no memory, or command, environment or volumes are "
			       "not UTF-8",
			       all->provider->service->name);
	free(body);
	return 0;
}

/* What cannot be used would be missed at the first pull only. */
static int
check_credentials(const struct docker *all, struct err *err)
{
	const struct conf_provider *conf = all->provider->conf;
	char *header = NULL;
	int rc = 0;

	if (conf->registry_credentials != NULL)
		rc = docker_auth_read(conf->registry_credentials, conf->image, &header, err);
	docker_auth_free(header);
	return rc;
}

/* The place is the provider's with the return, joined or not. */
static int
join(struct docker *all, const struct conf_node *node, bool is_leaving, struct err *err)
{
	struct provider *p = all->provider;
	struct place *place = calloc(1, sizeof(*place));
	int rc;

	if (place == NULL)
		return err_no_memory(err);
	place->all = all;
	docker_sync_start(place);
	place->user.ops = &user_ops;
	place->user.owner = all->owner;
	place->user.service = p->service->name;
	place->user.is_leaving = is_leaving;
	place->since = loop_now(p->loop);
	rc = docker_user_join(providers_docker(p->all), node, &place->user, err);
	if (rc == 0)
		all->places[all->n_places++] = place;
	else
		docker_place_free(place);
	return rc;
}

/* What can be done there is done; it holds up nothing else. */
static int
join_left(struct docker *all, const struct conf_node *node, struct err *err)
{
	int rc = join(all, node, true, err);

	if (rc == 0 || rc == -TG_ENOMEM)
		return rc;
	log_write(TG_LOG_WARN, "a node that has left the configuration cannot be asked, containers there may be left running",
		  "node=%s svc=%s label=tidegate.owner=%s reason=%s", node->name,
		  all->provider->service->name, all->owner, err->text);
	return 0;
}

static int
join_all(struct docker *all, struct err *err)
{
	const struct conf *conf = all->provider->of;
	int rc = 0;

	all->places = calloc(conf->n_nodes + conf->n_left_nodes + 1, sizeof(all->places[0]));
	if (all->places == NULL)
		return err_no_memory(err);
	for (size_t i = 0; i < conf->n_nodes && rc == 0; i++)
		rc = join(all, &conf->nodes[i], false, err);
	for (size_t i = 0; i < conf->n_left_nodes && rc == 0; i++)
		rc = join_left(all, &conf->left_nodes[i], err);
	return rc;
}

static int
docker_open(struct provider *p, struct err *err)
{
	struct docker *all = calloc(1, sizeof(*all));
	int rc;

	if (all == NULL)
		return err_no_memory(err);
	p->own = all;
	all->provider = p;
	LIST_INIT(&all->strays);
	STAILQ_INIT(&all->searches);
	docker_usage_start(all);
	make_owner(all);
	rc = check_body(all, err);
	if (rc == 0)
		rc = check_credentials(all, err);
	return rc == 0 ? join_all(all, err) : rc;
}

static void
docker_close(struct provider *p)
{
	struct docker *all = p->own;
	struct docker_container *c;
	struct docker_container *next;

	if (all == NULL)
		return;
	/* What is kept the next start finds again, but on no node that it does not know. */
	for (size_t i = 0; p->is_stopping && i < all->n_places; i++) {
		if (all->is_ending || all->places[i]->user.is_leaving)
			docker_tell_left(all->places[i]);
	}
	HASH_ITER(hh, all->containers, c, next)
		docker_container_free(c);
	docker_sync_free(all);
	for (size_t i = 0; i < all->n_places; i++)
		docker_place_free(all->places[i]);
	timer_fini(&all->usage_timer);
	free(all->places);
	free(all);
}

const struct provider_ops provider_docker = {
	.name = "docker",
	.can = TG_PROVIDER_ADOPTS | TG_PROVIDER_EVENTS | TG_PROVIDER_USAGE,
	.open = docker_open,
	.close = docker_close,
	.list = docker_list,
	.start = docker_start,
	.stop = docker_stop,
	.soon = docker_soon,
	.stop_all = docker_stop_all,
	.count = docker_count,
	.is_shared = docker_is_shared,
	.usage = docker_told_usage,
	.node = docker_node,
	.doubt_node = doubt_node,
	.left_node = left_node,
};
