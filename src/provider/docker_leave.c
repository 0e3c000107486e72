/*
 * provider/docker_leave.c: nodes that a reload took out of the configuration. What runs there is told as leaving, so that
 * whoever decides has others started elsewhere, and stops it.
 *
 *	LEAVING --- a look finds nothing ---> (let go)
 *	   |  ^
 *	down  up
 *	   v  |
 *	GIVEN UP: what is to stop there counts as stopped, and runs on
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "provider/docker_priv.h"

void
docker_place_free(struct place *place)
{
	docker_sync_stop(place);
	docker_pull_cancel(place);
	docker_user_leave(&place->user);
	free(place);
}

static size_t
count_on(const struct place *place)
{
	const struct docker_container *c;
	size_t n = 0;

	for (c = place->all->containers; c != NULL; c = c->hh.next)
		n += c->place == place;
	return n;
}

void
docker_tell_left(const struct place *place)
{
	const struct docker_node *n = place->user.node;
	size_t left = count_on(place);
	const char *why = docker_place_why(place);

	if (left > 0)
		log_write(TG_LOG_WARN,
			  place->user.is_leaving
				  ? "containers are left running on a node that has left the configuration, nobody takes them over"
				  : "containers are left running, the next start of tidegate takes them over",
			  "node=%s svc=%s containers=%zu label=tidegate.owner=%s reason=%s",
			  docker_node_name(n), place->user.service, left, place->user.owner,
			  why != NULL ? why : "its daemon did not stop them in time");
	else if (!place->is_listed)
		log_write(TG_LOG_WARN,
			  "a node never told which containers it has, some may be left running",
			  "node=%s svc=%s label=tidegate.owner=%s reason=%s", docker_node_name(n),
			  place->user.service, place->user.owner,
			  why != NULL ? why : "its daemon did not list them in time");
}

/*** Nodes that have left ***/

static bool
has_passed(struct mono since, struct mono until)
{
	return mono_diff_us(until, since) >= (int64_t)TG_DOCKER_LEAVE_MS * 1000;
}

static bool
is_empty(const struct place *place)
{
	return docker_node_state(place->user.node) == DOCKER_NODE_UP && count_on(place) == 0 &&
	       !docker_place_has_strays(place) && place->is_listed && !place->is_sync_failed &&
	       !docker_place_is_awaited(place) && has_passed(place->since, place->listed_at);
}

static void
let_go(struct docker *all, size_t i)
{
	struct place *place = all->places[i];

	log_write(TG_LOG_INFO, "a node that has left the configuration is empty", "node=%s svc=%s",
		  docker_node_name(place->user.node), place->user.service);
	docker_search_forget(all, i);
	all->n_places--;
	memmove(&all->places[i], &all->places[i + 1], (all->n_places - i) * sizeof(all->places[0]));
	docker_place_free(place);
}

/* What it has may serve still, and drains as all else does. */
static void
give_up(struct place *place)
{
	const struct docker_node *n = place->user.node;

	place->is_given_up = true;
	log_write(TG_LOG_WARN,
		  "a node that has left the configuration does not answer, containers there may be left running",
		  "node=%s svc=%s containers=%zu label=tidegate.owner=%s reason=%s",
		  docker_node_name(n), place->user.service, count_on(place), place->user.owner,
		  docker_place_why(place));
}

/* Or answers all but what it has. */
static void
look_whether_down(struct place *place, struct mono now)
{
	if (docker_place_why(place) == NULL) {
		place->down_since = (struct mono){0};
		place->is_given_up = false;
	} else if (!mono_is_set(place->down_since)) {
		place->down_since = now;
	} else if (!place->is_given_up && has_passed(place->down_since, now)) {
		give_up(place);
	}
}

void
docker_leave(struct docker *all)
{
	struct mono now = loop_now(all->provider->loop);

	for (size_t i = all->n_places; i > 0 && all->places[i - 1]->user.is_leaving; i--) {
		look_whether_down(all->places[i - 1], now);
		if (is_empty(all->places[i - 1]))
			let_go(all, i - 1);
	}
}

/* One in the midst of something else is handed over by the next look. */
void
docker_hand_over(struct docker_container *c, struct place *place)
{
	if ((c->step != STEP_SETTLED && c->step != STEP_LOOKING) || c->stats != NULL || c->is_stop_due)
		return;
	call_cancel(c->call);
	c->call = NULL;
	docker_container_adopted(c);
	c->place = place;
	c->seen = place->sync_begun;
	c->is_adopting = true;
	place->n_adopting++;
	snprintf(c->instance.node, sizeof(c->instance.node), "%s",
		 docker_node_name(place->user.node));
	c->instance.is_leaving = false;
	docker_container_look(c);
}
