#include "provider/provider.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/container.h"
#include "provider/docker_node.h"
#include "provider/provider_priv.h"

/* By type; NULL: nobody. */
static const struct provider_ops *const kinds[TG_PROVIDER_TYPE_COUNT] = {
	[TG_PROVIDER_STATIC] = NULL,
	[TG_PROVIDER_PROCESS] = &provider_process,
	[TG_PROVIDER_EXEC] = &provider_exec,
	[TG_PROVIDER_DOCKER] = &provider_docker,
};

struct providers {
	struct loop *loop;
	struct docker_hub *docker;
};

struct answer {
	STAILQ_ENTRY(answer) link;
	uint64_t token;
	bool is_list;
	int rc;
	char why[TG_INSTANCE_WHY];
};

bool
provider_name_is_good(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= TG_INSTANCE_NAME || name[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
			return false;
	}
	return true;
}

void
provider_quote(char *ret, size_t size, const char *text, size_t n)
{
	size_t used = strlen(ret);

	while (n > 0 && isspace((unsigned char)*text)) {
		text++;
		n--;
	}
	for (; n > 0 && *text != '\n' && used + 1 < size; text++, n--)
		ret[used++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
	while (used > 0 && (ret[used - 1] == ' ' || ret[used - 1] == '?'))
		used--;
	ret[used] = '\0';
}

/* answers */

void
provider_answer(struct provider *p, uint64_t token, int rc, const char *why)
{
	const struct provider_answer answer = {.token = token, .rc = rc, .why = why};

	p->n_orders--;
	p->events->answered(p->user, &answer);
}

void
provider_answer_list(struct provider *p, uint64_t token, const struct instance *instances, size_t n,
		     bool is_partial)
{
	const struct provider_answer answer = {
		.token = token, .why = "", .instances = instances, .n_instances = n,
		.is_partial = is_partial};

	p->n_orders--;
	p->events->answered(p->user, &answer);
}

static struct answer *
add_answer(struct provider *p, uint64_t token)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->token = token;
	STAILQ_INSERT_TAIL(&p->answers, a, link);
	watch_again(p->loop, &p->again);
	return a;
}

int
provider_answer_later(struct provider *p, uint64_t token, int rc, const char *why)
{
	struct answer *a = add_answer(p, token);

	if (a == NULL)
		return -TG_ENOMEM;
	a->rc = rc;
	snprintf(a->why, sizeof(a->why), "%s", why);
	return 0;
}

int
provider_list_later(struct provider *p, uint64_t token)
{
	struct answer *a = add_answer(p, token);

	if (a == NULL)
		return -TG_ENOMEM;
	a->is_list = true;
	return 0;
}

void
provider_soon(struct provider *p)
{
	watch_again(p->loop, &p->again);
}

/* Those that come meanwhile are for the turn after. */
static void
on_again(struct watch *w, unsigned what)
{
	struct provider *p = TG_CONTAINER(w, struct provider, again);
	struct answer_list due = STAILQ_HEAD_INITIALIZER(due);
	struct answer *a;

	(void)what;
	STAILQ_CONCAT(&due, &p->answers);
	while ((a = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, link);
		if (a->is_list)
			p->ops->list_now(p, a->token);
		else
			provider_answer(p, a->token, a->rc, a->why);
		free(a);
	}
	if (p->ops->soon != NULL)
		p->ops->soon(p);
}

void
provider_tell(struct provider *p, const struct instance *instance)
{
	p->events->changed(p->user, instance);
}

/* verbs */

int
provider_list(struct provider *p, uint64_t token)
{
	int rc;

	if (p->n_orders >= TG_PROVIDER_ORDERS_MAX)
		return -TG_ELIMIT;
	p->n_orders++;
	rc = p->ops->list(p, token);
	if (rc < 0)
		p->n_orders--;
	return rc;
}

int
provider_start(struct provider *p, uint64_t token, const char *name, const char *node)
{
	int rc;

	if (!provider_name_is_good(name))
		return -TG_EINVAL;
	if (p->n_orders >= TG_PROVIDER_ORDERS_MAX)
		return -TG_ELIMIT;
	p->n_orders++;
	if (p->is_stopping)
		rc = provider_answer_later(p, token, -TG_EAGAIN, "tidegate ends");
	else
		rc = p->ops->start(p, token, name, node);
	if (rc < 0)
		p->n_orders--;
	return rc;
}

int
provider_stop(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms)
{
	int rc;

	if (!provider_name_is_good(name))
		return -TG_EINVAL;
	if (p->n_orders >= TG_PROVIDER_ORDERS_MAX)
		return -TG_ELIMIT;
	p->n_orders++;
	rc = p->ops->stop(p, token, name, grace_ms);
	if (rc < 0)
		p->n_orders--;
	return rc;
}

void
provider_stop_all(struct provider *p, uint64_t grace_ms)
{
	p->is_stopping = true;
	p->ops->stop_all(p, grace_ms);
}

size_t
provider_count(const struct provider *p)
{
	return p->ops->count(p);
}

const char *
provider_kind(const struct provider *p)
{
	return p->ops->name;
}

unsigned
provider_can(const struct provider *p)
{
	return p->ops->can;
}

bool
provider_is_shared(const struct provider *p)
{
	return p->ops->is_shared != NULL && p->ops->is_shared(p);
}

bool
provider_may_act(const struct provider *p)
{
	return p->events->may_act == NULL || p->events->may_act(p->user);
}

void
provider_set_epoch(struct provider *p, uint64_t epoch)
{
	p->epoch = epoch;
}

bool
provider_has_nodes(const struct provider *p)
{
	return p->ops->node != NULL;
}

bool
provider_node(const struct provider *p, const char *name, struct provider_node *ret)
{
	return p->ops->node != NULL && p->ops->node(p, name, ret);
}

void
provider_doubt_node(struct provider *p, const char *name)
{
	if (p->ops->doubt_node != NULL)
		p->ops->doubt_node(p, name);
}

bool
provider_left_node(const struct provider *p, const char *name, struct provider_node *ret)
{
	return p->ops->left_node != NULL && p->ops->left_node(p, name, ret);
}

bool
provider_usage(const struct provider *p, const char *name, struct usage ret[2])
{
	return p->ops->usage != NULL && p->ops->usage(p, name, ret);
}

/* what they share */

struct providers *
providers_new(struct loop *loop, struct resolver *resolver)
{
	struct providers *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->loop = loop;
	all->docker = docker_hub_new(loop, resolver);
	if (all->docker != NULL)
		return all;
	free(all);
	return NULL;
}

void
providers_free(struct providers *all)
{
	if (all == NULL)
		return;
	docker_hub_free(all->docker);
	free(all);
}

struct docker_hub *
providers_docker(struct providers *all)
{
	return all->docker;
}

/* open and close */

static int
open_common(struct provider *p, const char *run, struct err *err)
{
	if (strlen(run) == 0 || strlen(run) > TG_PROVIDER_RUN_MAX)
		return err_set(err, TG_EINVAL,
			       "the path of the configuration file has %zu bytes; allowed: 1 to %u",
			       strlen(run), TG_PROVIDER_RUN_MAX);
	p->run = strdup(run);
	if (p->run == NULL)
		return err_no_memory(err);
	p->again_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->again_fd < 0)
		return err_set_errno(err, "eventfd");
	if (watch_start_level(p->loop, &p->again, p->again_fd, on_again) < 0)
		return err_no_memory(err);
	return 0;
}

int
provider_open(struct providers *all, const struct conf *conf, const struct conf_service *service,
	      const char *run, const struct provider_events *events, void *user, struct provider **ret,
	      struct err *err)
{
	const struct provider_ops *ops = kinds[service->provider.type];
	struct provider *p;
	int rc;

	if (ops == NULL) {
		*ret = NULL;
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_no_memory(err);
	p->ops = ops;
	p->all = all;
	p->loop = all->loop;
	p->of = conf;
	p->service = service;
	p->conf = &service->provider;
	p->events = events;
	p->user = user;
	p->again_fd = -1;
	STAILQ_INIT(&p->answers);
	rc = open_common(p, run, err);
	if (rc == 0)
		rc = ops->open(p, err);
	if (rc < 0) {
		provider_close(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
provider_close(struct provider *p)
{
	struct answer *a;

	if (p == NULL)
		return;
	p->ops->close(p);
	while ((a = STAILQ_FIRST(&p->answers)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->answers, link);
		free(a);
	}
	watch_stop(p->loop, &p->again);
	if (p->again_fd >= 0)
		close(p->again_fd);
	free(p->run);
	free(p);
}
