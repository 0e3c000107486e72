/* provider/docker_sync.c: what nodes have, compared with what is known; and the orders that wait for that. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "provider/docker_priv.h"

/*** Strays ***/

static void
stray_free(struct stray *s)
{
	LIST_REMOVE(s, link);
	s->all->n_strays--;
	call_cancel(s->call);
	free(s);
}

/* What is left is found by the next look. */
static void
on_stray_removed(void *user, const struct call_end *end)
{
	struct stray *s = user;

	(void)end;
	s->call = NULL;
	stray_free(s);
}

/* Nobody waits for it, and nobody knows of it. */
static void
remove_stray(struct place *place, const struct docker_listed *item, const char *why)
{
	struct docker *all = place->all;
	struct docker_order order = {
		.verb = DOCKER_REMOVE,
		.what = item->id,
		.timeout_ms = all->provider->conf->timeout_ms,
		.ended = on_stray_removed,
	};
	bool may = all->n_strays < TG_DOCKER_STRAYS_MAX && provider_may_act(all->provider);
	struct stray *s = may ? calloc(1, sizeof(*s)) : NULL;

	if (s == NULL)
		return;
	s->all = all;
	s->place = place;
	order.user = s;
	LIST_INSERT_HEAD(&all->strays, s, link);
	all->n_strays++;
	log_write(TG_LOG_INFO, "removing a container", "svc=%s srv=%s node=%s container=%.12s reason=%s",
		  all->provider->service->name, item->name, docker_node_name(place->user.node),
		  item->id, why);
	if (docker_node_call(place->user.node, &order, &s->call) < 0)
		stray_free(s);
}

static void
lose_strays(struct place *place)
{
	struct stray *s;
	struct stray *next;

	for (s = LIST_FIRST(&place->all->strays); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		if (s->place == place)
			stray_free(s);
	}
}

bool
docker_place_has_strays(const struct place *place)
{
	const struct stray *s;

	LIST_FOREACH(s, &place->all->strays, link) {
		if (s->place == place)
			return true;
	}
	return false;
}

/*** What a place has ***/

static void
finish(struct place *place)
{
	place->sync_done = place->sync_begun;
	timer_clear(&place->patience);
	if (!place->is_sync_failed) {
		place->is_listed = true;
		place->is_mute = false;
	}
	provider_soon(place->all->provider);
	if (place->sync_again)
		docker_sync(place);
}

static bool
is_busy(const struct place *place)
{
	return place->sync_done != place->sync_begun;
}

void
docker_adopted(struct place *place)
{
	place->n_adopting--;
	if (place->n_adopting == 0 && place->listing == NULL && is_busy(place))
		finish(place);
}

static void
adopt(struct place *place, const struct docker_listed *item)
{
	struct docker *all = place->all;
	struct docker_container *c = docker_container_new(all, place, item->name);

	if (c == NULL)
		return;
	memcpy(c->id, item->id, sizeof(c->id));
	c->since = place->listed_at;
	c->seen = place->sync_begun;
	c->is_adopting = true;
	place->n_adopting++;
	log_write(TG_LOG_INFO, "backend of before found", "svc=%s srv=%s node=%s container=%.12s",
		  all->provider->service->name, item->name, c->instance.node, item->id);
	docker_container_look(c);
}

static void
take_unknown(struct place *place, const struct docker_listed *item)
{
	switch (item->state) {
	case DOCKER_RUNNING:
		adopt(place, item);
		break;
	case DOCKER_CREATED:
		remove_stray(place, item, "it was never started");
		break;
	case DOCKER_EXITED:
		remove_stray(place, item, "it has ended");
		break;
	case DOCKER_REMOVING:
	case DOCKER_STATE_COUNT:
		break;
	}
}

/* Whether something is to be asked of it that no event told, or whose event got lost. */
static bool
is_stale(const struct docker_container *c, const struct docker_listed *item)
{
	if (c->instance.state == TG_INSTANCE_STOPPING)
		return false;
	return item->health != c->health ||
	       (!c->instance.has_addr && item->health != DOCKER_HEALTH_STARTING);
}

static void
take_known(struct docker_container *c, const struct docker_listed *item)
{
	c->seen = c->place->sync_begun;
	if (c->step != STEP_SETTLED)
		return;
	if (item->state == DOCKER_EXITED)
		docker_container_died(c);
	else if (item->state == DOCKER_RUNNING && is_stale(c, item))
		docker_container_look(c);
}

/* Where a daemon does not tell who it is, or each time something else, as podman does. Told once. */
static void
tell_shared(struct place *place, const struct docker_container *c)
{
	if (!place->is_shared)
		log_write(TG_LOG_ERROR, "a node has a container of another node, they are one daemon",
			  "svc=%s srv=%s node=%s other=%s container=%.12s",
			  place->all->provider->service->name, c->instance.name,
			  docker_node_name(place->user.node), c->instance.node, c->id);
	place->is_shared = true;
}

/* It is known of another place. */
static void
meet_again(struct place *place, struct docker_container *c)
{
	if (c->place->user.is_leaving)
		docker_hand_over(c, place);
	else if (!place->user.is_leaving)
		tell_shared(place, c);
}

/* Two of one name are one too many: it is the one that was not known. One whose own is being made on another node is left
 * for the next look: that node may be this one. */
static void
take_listed(struct place *place, const struct docker_listed *item)
{
	struct docker_container *c = docker_find(place->all, item->name);

	if (c == NULL)
		take_unknown(place, item);
	else if (c->place != place && strcmp(c->id, item->id) == 0)
		meet_again(place, c);
	else if (c->place != place && c->id[0] == '\0')
		return;
	else if (c->place == place && (c->id[0] == '\0' || strcmp(c->id, item->id) == 0))
		take_known(c, item);
	else if (c->place != place || c->step == STEP_SETTLED)
		remove_stray(place, item, "another one has its name");
}

static void
end_unseen(struct place *place)
{
	struct docker_container *c;
	struct docker_container *next;

	HASH_ITER(hh, place->all->containers, c, next) {
		if (c->place == place && c->step == STEP_SETTLED && c->seen != place->sync_begun &&
		    c->since.us < place->listed_at.us)
			docker_container_gone(c, "its container is gone");
	}
}

static int
take_list(struct place *place, const struct call_end *end, struct err *err)
{
	struct docker_listed *list;
	size_t n;
	int rc;

	if (end->rc < 0)
		return err_set(err, TG_EIO, "list: %s", end->why);
	if (end->status != 200)
		return err_set(err, TG_EIO, "list: status %u", end->status);
	rc = docker_parse_list(end->body, end->n, place->all->owner, &list, &n, err);
	if (rc < 0)
		return rc;
	place->n_adopting++; /* it is not done before all are gone through */
	for (size_t i = 0; i < n; i++) {
		if (list[i].name[0] != '\0' &&
		    strcmp(list[i].service, place->all->provider->service->name) == 0)
			take_listed(place, &list[i]);
	}
	end_unseen(place);
	free(list);
	place->n_adopting--;
	return 0;
}

static void
on_listed(void *user, const struct call_end *end)
{
	struct place *place = user;
	struct err err;

	place->listing = NULL;
	place->is_sync_failed = take_list(place, end, &err) < 0;
	if (place->is_sync_failed)
		log_write(TG_LOG_WARN, "cannot list what a node has", "svc=%s node=%s reason=%s",
			  place->all->provider->service->name, docker_node_name(place->user.node),
			  err.text);
	if (place->n_adopting == 0)
		finish(place);
}

void
docker_sync(struct place *place)
{
	struct docker *all = place->all;
	struct docker_order order = {
		.verb = DOCKER_LIST,
		.what = "",
		.owner = all->owner,
		.service = all->provider->service->name,
		.timeout_ms = all->provider->conf->timeout_ms,
		.ended = on_listed,
		.user = place,
	};

	if (is_busy(place)) {
		place->sync_again = true;
		return;
	}
	place->sync_again = false;
	if (docker_node_call(place->user.node, &order, &place->listing) < 0)
		return; /* down, or it is asked again */
	place->sync_begun++;
	place->listed_at = loop_now_update(all->provider->loop);
	timer_set(all->provider->loop, &place->patience,
		  mono_add_ms(place->listed_at, TG_DOCKER_LOOK_MS));
}

/* Told once, until it has listed. */
static void
on_patience(struct timer *t)
{
	struct place *place = TG_CONTAINER(t, struct place, patience);

	if (!place->is_mute)
		log_write(TG_LOG_WARN, "a node does not tell what it has, it is not waited for",
			  "svc=%s node=%s after_ms=%u", place->all->provider->service->name,
			  docker_node_name(place->user.node), TG_DOCKER_LOOK_MS);
	place->is_mute = true;
	provider_soon(place->all->provider);
}

void
docker_sync_start(struct place *place)
{
	timer_init(&place->patience, on_patience);
}

void
docker_sync_stop(struct place *place)
{
	call_cancel(place->listing);
	place->listing = NULL;
	timer_fini(&place->patience);
}

/* What was asked is not answered any more; containers are lost one by one. */
void
docker_sync_lose(struct place *place)
{
	call_cancel(place->listing);
	place->listing = NULL;
	place->sync_again = false;
	timer_clear(&place->patience);
	place->is_mute = false;
	lose_strays(place);
	place->is_sync_failed = true;
	if (is_busy(place) && place->n_adopting == 0)
		finish(place);
	provider_soon(place->all->provider);
}

/* Without its containers it would look emptier than it is. Before anybody has asked nobody has looked. */
const char *
docker_place_why(const struct place *place)
{
	switch (docker_node_state(place->user.node)) {
	case DOCKER_NODE_UP:
		if (place->is_listed || !place->all->is_begun)
			return NULL;
		return place->is_mute || place->is_sync_failed
			       ? "its daemon does not list its containers"
			       : "its daemon has not listed its containers yet";
	case DOCKER_NODE_DOWN:
		return docker_node_why(place->user.node);
	case DOCKER_NODE_ASKED:
	case DOCKER_NODE_STATE_COUNT:
		break;
	}
	return "its daemon has not answered yet";
}

bool
docker_place_is_awaited(const struct place *place)
{
	return docker_node_state(place->user.node) == DOCKER_NODE_ASKED ||
	       (is_busy(place) && !place->is_mute);
}

/*** Orders that wait ***/

static bool
is_waiting(const struct docker *all, const struct docker_search *search)
{
	for (size_t i = 0; i < all->n_places; i++) {
		const struct place *place = all->places[i];
		enum docker_node_state state = docker_node_state(place->user.node);

		if (state == DOCKER_NODE_ASKED ||
		    (state == DOCKER_NODE_UP && !place->is_mute &&
		     place->sync_done - search->needed[i] > UINT32_MAX / 2))
			return true;
	}
	return false;
}

static void
search_free(struct docker_search *search)
{
	free(search->needed);
	free(search);
}

/* NULL: all could be asked now. Else one that could not. */
static const struct place *
find_unknown(const struct docker *all, bool is_now)
{
	for (size_t i = 0; i < all->n_places; i++) {
		const struct place *place = all->places[i];

		if (is_now && place->is_given_up)
			continue;
		if (!place->is_listed ||
		    (is_now && (place->is_sync_failed || place->is_mute ||
				docker_node_state(place->user.node) != DOCKER_NODE_UP)))
			return place;
	}
	return NULL;
}

static bool
is_any_listed(const struct docker *all)
{
	for (size_t i = 0; i < all->n_places; i++) {
		if (all->places[i]->is_listed)
			return true;
	}
	return false;
}

static size_t
fill_list(const struct docker *all, struct instance *list)
{
	const struct docker_container *c;
	size_t n = 0;

	for (c = all->containers; c != NULL; c = c->hh.next) {
		if (!c->is_over)
			list[n++] = c->instance;
	}
	return n;
}

static void
describe_unknown(const struct place *place, char *ret, size_t size)
{
	const char *why = docker_place_why(place);

	snprintf(ret, size, "node %s cannot be asked%s%s", docker_node_name(place->user.node),
		 why != NULL ? ": " : "", why != NULL ? why : "");
}

static void
answer_list(struct docker *all, uint64_t token)
{
	struct provider *p = all->provider;
	const struct place *unknown = find_unknown(all, false);
	struct instance *list = calloc(HASH_COUNT(all->containers) + 1, sizeof(*list));
	char why[TG_INSTANCE_WHY];

	if (list == NULL) {
		provider_answer(p, token, -TG_ENOMEM, "no memory");
	} else if (!is_any_listed(all)) {
		describe_unknown(unknown, why, sizeof(why));
		provider_answer(p, token, -TG_EIO, why);
	} else {
		provider_answer_list(p, token, list, fill_list(all, list), unknown != NULL);
	}
	free(list);
}

/* What is nowhere is gone; but not what may be where nobody could look. */
static void
answer_stop(struct docker *all, const struct docker_search *search)
{
	struct docker_container *c = docker_find(all, search->name);
	const struct place *unknown = find_unknown(all, true);
	char why[TG_INSTANCE_WHY];

	if (c != NULL && docker_container_wait(c, search->token, true) == 0) {
		docker_container_stop(c, search->grace_ms);
	} else if (c != NULL) {
		provider_answer(all->provider, search->token, -TG_ENOMEM, "no memory");
	} else if (unknown != NULL) {
		describe_unknown(unknown, why, sizeof(why));
		provider_answer(all->provider, search->token, -TG_EIO, why);
	} else {
		provider_answer(all->provider, search->token, 0, "");
	}
}

void
docker_search_answer(struct docker *all)
{
	struct docker_search *search;

	while ((search = STAILQ_FIRST(&all->searches)) != NULL && !is_waiting(all, search)) {
		STAILQ_REMOVE_HEAD(&all->searches, link);
		if (search->is_stop)
			answer_stop(all, search);
		else
			answer_list(all, search->token);
		search_free(search);
	}
}

int
docker_search(struct docker *all, const struct docker_search *order)
{
	struct docker_search *search = malloc(sizeof(*search));

	if (search == NULL)
		return -TG_ENOMEM;
	*search = *order;
	search->needed = calloc(all->n_places + 1, sizeof(search->needed[0]));
	if (search->needed == NULL) {
		free(search);
		return -TG_ENOMEM;
	}
	for (size_t i = 0; i < all->n_places; i++) {
		struct place *place = all->places[i];

		search->needed[i] = place->sync_begun + 1;
		docker_sync(place);
	}
	STAILQ_INSERT_TAIL(&all->searches, search, link);
	provider_soon(all->provider);
	return 0;
}

void
docker_search_forget(struct docker *all, size_t place)
{
	struct docker_search *search;

	STAILQ_FOREACH(search, &all->searches, link)
		memmove(&search->needed[place], &search->needed[place + 1],
			(all->n_places - place - 1) * sizeof(search->needed[0]));
}

void
docker_sync_free(struct docker *all)
{
	struct docker_search *search;

	while (!LIST_EMPTY(&all->strays))
		stray_free(LIST_FIRST(&all->strays));
	while ((search = STAILQ_FIRST(&all->searches)) != NULL) {
		STAILQ_REMOVE_HEAD(&all->searches, link);
		search_free(search);
	}
}
