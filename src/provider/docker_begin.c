/* provider/docker_begin.c: the way of a container until it runs; docker_container.c draws it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "provider/docker_priv.h"

static void begin_create(struct docker_container *c);

/*** Looking ***/

static bool
find_address(const struct docker_container *c, const struct docker_inspected *i, struct addr *ret)
{
	struct ip ip;

	if (i->mark.network[0] != '\0') {
		*ret = ip_addr(&i->ip, i->mark.port);
		return i->has_ip && i->mark.port != 0;
	}
	if (i->published == 0 || !docker_node_address(c->place->user.node, &ip))
		return false;
	*ret = ip_addr(&ip, i->published);
	return true;
}

static void
take_running(struct docker_container *c, const struct docker_inspected *i)
{
	const struct conf_provider *conf = c->all->provider->conf;
	bool is_waited_for = conf->has_healthcheck && i->health == DOCKER_HEALTH_STARTING;

	c->health = i->health;
	if (c->instance.state != TG_INSTANCE_STOPPING) {
		c->instance.has_addr = !is_waited_for && find_address(c, i, &c->instance.addr);
		c->instance.state =
			c->instance.has_addr ? TG_INSTANCE_RUNNING : TG_INSTANCE_STARTING;
		c->instance.is_ill = conf->has_healthcheck && i->health == DOCKER_HEALTH_BAD;
	}
	if (docker_node_is_here(c->place->user.node))
		docker_find_cgroup(i->pid, c->id, c->cgroup, sizeof(c->cgroup));
	c->instance.place.cgroup = c->cgroup[0] != '\0' ? c->cgroup : NULL;
}

static void
settle(struct docker_container *c)
{
	c->step = STEP_SETTLED;
	docker_container_tell(c);
	docker_container_answer(c, false, 0, "");
	docker_container_adopted(c);
	if (c->is_unwanted)
		docker_container_end(c);
	else if (c->has_died)
		docker_container_died(c);
}

void
docker_container_take(struct docker_container *c, const struct docker_inspected *i)
{
	switch (i->state) {
	case DOCKER_RUNNING:
		take_running(c, i);
		settle(c);
		break;
	case DOCKER_CREATED:
	case DOCKER_EXITED:
		if (c->is_unwanted)
			docker_container_remove(c);
		else
			docker_container_explain(c, i);
		break;
	case DOCKER_REMOVING:
		docker_container_gone(c, "its container is being removed");
		break;
	case DOCKER_STATE_COUNT:
		break;
	}
}

/* One that was just started cannot be used; one that is known is as it was. */
static void
not_seen(struct docker_container *c, const char *why)
{
	if (docker_container_is_awaited(c, false))
		docker_container_fail(c, -TG_EIO, why);
	else
		docker_container_lose(c, why);
}

/* -TG_ENOENT: there is none; else what failed is in `err`. */
static int
take_inspection(const struct call_end *end, struct docker_inspected *ret, struct err *err)
{
	if (end->rc == 0 && end->status == 404)
		return -TG_ENOENT;
	if (end->rc == 0 && end->status == 200)
		return docker_parse_inspect(end->body, end->n, ret, err);
	docker_verb_describe(DOCKER_INSPECT, end, err->text, TG_INSTANCE_WHY);
	return -TG_EIO;
}

static void
on_looked(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	struct docker_inspected i;
	struct err err;
	int rc = take_inspection(end, &i, &err);

	c->call = NULL;
	if (rc == -TG_ENOENT)
		docker_container_gone(c, "its container is gone");
	else if (rc < 0)
		not_seen(c, err.text);
	else
		docker_container_take(c, &i);
}

void
docker_container_look(struct docker_container *c)
{
	docker_container_ask(c, STEP_LOOKING, DOCKER_INSPECT, on_looked);
}

/*** Starting ***/

static void
set_id(struct docker_container *c, const char *id)
{
	memcpy(c->id, id, sizeof(c->id));
	c->since = loop_now(c->all->provider->loop);
}

static void
on_started(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	char why[TG_INSTANCE_WHY];

	c->call = NULL;
	if (end->rc == 0 && (end->status / 100 == 2 || end->status == 304)) {
		docker_container_look(c);
		return;
	}
	docker_verb_describe(DOCKER_START, end, why, sizeof(why));
	docker_container_fail(c, -TG_EIO, why);
}

static void
begin_start(struct docker_container *c)
{
	if (c->is_unwanted)
		docker_container_fail(c, -TG_EAGAIN, "stopped before it ran");
	else
		docker_container_ask(c, STEP_STARTING, DOCKER_START, on_started);
}

static bool
is_ours(const struct docker_container *c, const struct docker_mark *mark)
{
	return strcmp(mark->owner, c->all->owner) == 0 &&
	       strcmp(mark->service, c->all->provider->service->name) == 0 &&
	       strcmp(mark->name, c->instance.name) == 0;
}

static void
on_cleared(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	char why[TG_INSTANCE_WHY];

	c->call = NULL;
	c->id[0] = '\0';
	if (end->rc == 0 && (end->status / 100 == 2 || end->status == 404)) {
		begin_create(c);
		return;
	}
	docker_verb_describe(DOCKER_REMOVE, end, why, sizeof(why));
	docker_container_fail(c, -TG_EIO, why);
}

static void
claim(struct docker_container *c, const struct docker_inspected *i)
{
	set_id(c, i->id);
	switch (i->state) {
	case DOCKER_RUNNING:
		docker_container_take(c, i);
		break;
	case DOCKER_CREATED:
		begin_start(c);
		break;
	case DOCKER_EXITED:
		docker_container_ask(c, STEP_CLEARING, DOCKER_REMOVE, on_cleared);
		break;
	case DOCKER_REMOVING:
	case DOCKER_STATE_COUNT:
		c->id[0] = '\0';
		docker_container_fail(c, -TG_EAGAIN, "one of its name is being removed");
		break;
	}
}

static void
on_claimed(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	struct docker_inspected i;
	struct err err;
	int rc = take_inspection(end, &i, &err);

	c->call = NULL;
	if (rc == -TG_ENOENT)
		begin_create(c);
	else if (rc < 0)
		docker_container_fail(c, -TG_EIO, err.text);
	else if (!is_ours(c, &i.mark))
		docker_container_fail(c, -TG_EIO, "a container that is none of ours has its name");
	else
		claim(c, &i);
}

static void
name_of(const struct docker_container *c, char *ret, size_t size)
{
	docker_container_name(c->all->owner, c->all->provider->service->name, c->instance.name,
			      ret, size);
}

/* Once: who takes a name again and again is no rest of ours. */
static void
begin_claim(struct docker_container *c, const char *why)
{
	char name[TG_DOCKER_NAME];
	struct docker_order order = {.verb = DOCKER_INSPECT, .what = name};

	if (c->has_cleared) {
		docker_container_fail(c, -TG_EIO, why);
		return;
	}
	c->has_cleared = true;
	name_of(c, name, sizeof(name));
	(void)docker_container_request(c, STEP_CLAIMING, &order, on_claimed);
}

static void
warn_unheld(struct docker_container *c, const char *warning)
{
	if (!c->all->has_warned)
		log_write(TG_LOG_WARN, "a daemon warns of a container",
			  "svc=%s node=%s warning=%s", c->all->provider->service->name,
			  c->instance.node, warning);
	c->all->has_warned = true;
}

static void
take_created(struct docker_container *c, const struct call_end *end)
{
	char id[TG_DOCKER_ID];
	char warning[TG_INSTANCE_WHY];
	struct err err;

	if (docker_parse_created(end->body, end->n, id, warning, &err) < 0) {
		docker_container_fail(c, -TG_EIO, err.text);
		return;
	}
	set_id(c, id);
	if (warning[0] != '\0')
		warn_unheld(c, warning);
	begin_start(c);
}

static void
begin_pull(struct docker_container *c)
{
	char why[TG_INSTANCE_WHY] = "pull: ";
	struct err err;

	c->step = STEP_PULLING;
	if (docker_pull(c->place, &err) == 0)
		return;
	provider_quote(why, sizeof(why), err.text, strlen(err.text));
	docker_container_fail(c, -TG_EIO, why);
}

/* It may be there all the same: a look tells, and removes it. */
static void
fail_unsure(struct docker_container *c, const char *why)
{
	struct place *place = c->place;

	docker_container_fail(c, -TG_EIO, why);
	docker_sync(place);
}

static void
on_created(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	char why[TG_INSTANCE_WHY];

	c->call = NULL;
	if (end->rc == 0 && end->status == 201) {
		take_created(c, end);
		return;
	}
	docker_verb_describe(DOCKER_CREATE, end, why, sizeof(why));
	if (end->rc < 0)
		fail_unsure(c, why);
	else if (c->is_unwanted)
		docker_container_fail(c, -TG_EAGAIN, "stopped before it ran");
	else if (end->status == 404 && !c->has_pulled &&
		 c->all->provider->conf->pull != TG_PULL_NEVER)
		begin_pull(c);
	else if (end->status == 409)
		begin_claim(c, why);
	else
		docker_container_fail(c, -TG_EIO, why);
}

static void
begin_create(struct docker_container *c)
{
	const struct provider *p = c->all->provider;
	struct docker_plan plan = {
		.service = p->service,
		.owner = c->all->owner,
		.name = c->instance.name,
		.epoch = p->epoch,
		.is_published = p->conf->network == NULL,
		.log = docker_node_info(c->place->user.node)->log,
	};
	char name[TG_DOCKER_NAME];
	struct docker_order order = {.verb = DOCKER_CREATE, .what = name};
	char *body;

	if (c->is_unwanted) {
		docker_container_fail(c, -TG_EAGAIN, "stopped before it ran");
		return;
	}
	if (plan.is_published && !docker_node_address(c->place->user.node, &plan.address)) {
		docker_container_fail(c, -TG_EIO, "the address of its node is not known");
		return;
	}
	body = docker_create_body(&plan);
	name_of(c, name, sizeof(name));
	order.body = body;
	if (body == NULL)
		docker_container_lose(c, "no memory");
	else
		(void)docker_container_request(c, STEP_CREATING, &order, on_created);
	free(body);
}

void
docker_container_pulled(struct docker_container *c, const char *why)
{
	c->has_pulled = true;
	if (why == NULL)
		begin_create(c);
	else
		docker_container_fail(c, -TG_EIO, why);
}

void
docker_container_go_on(struct docker_container *c)
{
	if (c->is_unwanted)
		docker_container_fail(c, -TG_EAGAIN, "stopped before it ran");
	else if (c->all->provider->conf->pull == TG_PULL_ALWAYS)
		begin_pull(c);
	else
		begin_create(c);
}

void
docker_container_begin(struct docker_container *c)
{
	c->step = STEP_WAITING;
	provider_soon(c->all->provider);
}
