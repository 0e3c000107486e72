/*
 * provider/docker_usage.c: what containers use, of nodes that are not this machine: asked of the daemon in turn.
 *
 * Two readings are compared by the daemon's clock: how long an answer took does not matter then. Where that
 * clock and ours do not go together, as one of them was set, what is used is not known until the next reading.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "provider/docker_priv.h"

#define UNDER_WAY_MAX 4u /* of a node and service */
#define PERIOD_MIN_MS 500u
#define PERIOD_MAX_MS 10000u
#define DRIFT_US      UINT64_C(2000000)

/*** The cgroup of one here ***/

/* Behind the second colon of "4:memory:/docker/ID": version 1 by its controller, version 2 with none. */
static const char *
path_of(const char *line, const char *controller)
{
	const char *first = strchr(line, ':');
	const char *second = first != NULL ? strchr(first + 1, ':') : NULL;
	size_t n = strlen(controller);

	if (second == NULL || second[1] != '/' || (size_t)(second - first - 1) != n ||
	    strncmp(first + 1, controller, n) != 0)
		return NULL;
	return second + 2;
}

/* A process of another machine may have the same number; one with that id in its path is the one. */
static bool
take_path(const char *path, const char *id, char *ret, size_t size)
{
	size_t n = strcspn(path, "\n");

	if (n >= size || memmem(path, n, id, strlen(id)) == NULL)
		return false;
	memcpy(ret, path, n);
	ret[n] = '\0';
	return true;
}

void
docker_find_cgroup(int64_t pid, const char *id, char *ret, size_t size)
{
	char name[64];
	char line[1024];
	FILE *file;

	ret[0] = '\0';
	if (pid <= 0)
		return;
	snprintf(name, sizeof(name), "/proc/%" PRId64 "/cgroup", pid);
	file = fopen(name, "re");
	if (file == NULL)
		return;
	while (ret[0] == '\0' && fgets(line, sizeof(line), file) != NULL) {
		const char *path = path_of(line, "memory");

		if (path == NULL)
			path = path_of(line, "");
		if (path != NULL)
			(void)take_path(path, id, ret, size);
	}
	fclose(file);
}

/*** Readings ***/

static void
take_reading(struct docker_container *c, const struct docker_stats *s)
{
	struct mono now = loop_now(c->all->provider->loop);
	struct usage reading = {
		.at = now,
		.has_cpu = s->has_cpu,
		.cpu_us = s->cpu_us,
		.has_memory = s->has_memory,
		.memory = s->memory,
	};
	uint64_t at_us = c->usage[1].at.us + (s->read_us - c->read_us);
	bool is_first = c->read_us == 0;
	bool is_together = !is_first && s->read_us > c->read_us && at_us < now.us + DRIFT_US &&
			   now.us < at_us + DRIFT_US;

	if (!is_first && s->read_us == c->read_us)
		return; /* the same once more */
	if (is_together)
		reading.at.us = at_us < now.us ? at_us : now.us;
	c->usage[0] = c->usage[1];
	if (!is_together)
		c->usage[0].has_cpu = false;
	c->usage[1] = reading;
	c->read_us = s->read_us;
}

static void
on_stats(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	struct docker_stats stats;

	c->stats = NULL;
	c->place->n_stats--;
	if (end->rc == 0 && end->status == 200 &&
	    docker_parse_stats(end->body, end->n, &stats, NULL) == 0 && stats.read_us > 0)
		take_reading(c, &stats);
}

static void
ask(struct docker_container *c, struct mono now, uint64_t period_ms)
{
	struct docker_order order = {
		.verb = DOCKER_STATS, .what = c->id, .ended = on_stats, .user = c};

	if (docker_node_call(c->place->user.node, &order, &c->stats) < 0)
		return;
	c->place->n_stats++;
	c->stats_due = mono_add_ms(now, period_ms);
}

static bool
is_due(const struct docker_container *c, struct mono now)
{
	return c->cgroup[0] == '\0' && c->id[0] != '\0' && c->stats == NULL &&
	       c->instance.state == TG_INSTANCE_RUNNING && c->stats_due.us <= now.us &&
	       c->place->n_stats < UNDER_WAY_MAX;
}

static uint64_t
period_of(const struct docker *all)
{
	uint64_t ms = all->provider->service->autoscale.interval_ms;

	return ms < PERIOD_MIN_MS ? PERIOD_MIN_MS : ms > PERIOD_MAX_MS ? PERIOD_MAX_MS : ms;
}

static void
on_timer(struct timer *t)
{
	struct docker *all = TG_CONTAINER(t, struct docker, usage_timer);
	struct loop *loop = all->provider->loop;
	uint64_t period_ms = period_of(all);
	struct docker_container *c;
	struct docker_container *next;

	HASH_ITER(hh, all->containers, c, next) {
		if (is_due(c, loop_now(loop)))
			ask(c, loop_now(loop), period_ms);
	}
	timer_set(loop, &all->usage_timer, mono_add_ms(loop_now(loop), period_ms / 4));
}

void
docker_usage_start(struct docker *all)
{
	struct loop *loop = all->provider->loop;

	timer_init(&all->usage_timer, on_timer);
	timer_set(loop, &all->usage_timer, mono_add_ms(loop_now(loop), PERIOD_MIN_MS));
}

bool
docker_usage(const struct docker_container *c, struct usage ret[2])
{
	if (c->cgroup[0] != '\0')
		return false;
	ret[0] = c->usage[0];
	ret[1] = c->usage[1];
	return true;
}
