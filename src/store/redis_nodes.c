#include "store/redis_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/store_url.h"

#define SWEEP_MS  1000u
#define UNUSED_US UINT64_C(30000000)
#define BITS      64u

static const struct batch_kind kind_nodes = {.name = "CLUSTER", .answer = REDIS_REPLY_STRING};
static const struct batch_kind kind_asking = {.name = "ASKING", .answer = REDIS_REPLY_STATUS};

/*** Lanes ***/

static struct redis_lane *
find(const struct redis_nodes *n, const struct endpoint *at)
{
	struct redis_lane *lane;

	TAILQ_FOREACH(lane, &n->lanes, link_of) {
		if (lane != n->first && cluster_is_same(&lane->at, at))
			return lane;
	}
	return NULL;
}

static size_t
count(const struct redis_nodes *n)
{
	const struct redis_lane *lane;
	size_t total = 0;

	TAILQ_FOREACH(lane, &n->lanes, link_of)
		total++;
	return total;
}

/* NULL: no memory, or there are too many. */
static struct redis_lane *
find_or_open(struct redis_nodes *n, const struct endpoint *at)
{
	struct redis_lane *lane = find(n, at);
	struct err err;

	if (lane == NULL && count(n) <= TG_CLUSTER_NODES_MAX) {
		lane = lane_new(n->ops, n->user);
		if (lane == NULL)
			return NULL;
		lane->at = *at;
		if (redis_link_open_beside(n->first->link, at, &lane_link_ops, lane, &lane->link,
					   &err) < 0) {
			lane_free(lane);
			return NULL;
		}
		TAILQ_INSERT_TAIL(&n->lanes, lane, link_of);
	}
	if (lane != NULL)
		lane->used = loop_now(n->loop);
	return lane;
}

static void
on_sweep(struct timer *t)
{
	struct redis_nodes *n = TG_CONTAINER(t, struct redis_nodes, sweep);
	struct mono now = loop_now(n->loop);
	struct redis_lane *lane;
	struct redis_lane *next;

	for (lane = TAILQ_FIRST(&n->lanes); lane != NULL; lane = next) {
		next = TAILQ_NEXT(lane, link_of);
		if (lane == n->first || lane->unanswered > 0 || lane->later.n_items > 0 ||
		    mono_diff_us(now, lane->used) < UNUSED_US)
			continue;
		TAILQ_REMOVE(&n->lanes, lane, link_of);
		lane_free(lane);
	}
	timer_set(n->loop, t, mono_add_ms(now, SWEEP_MS));
}

int
nodes_open(struct redis_nodes *n, const struct conf_store *conf, struct loop *loop,
	   struct resolver *resolver, const struct redis_lane_ops *ops, void *user, struct err *err)
{
	struct store_url url;
	int rc = store_url_parse(conf->url, &url, err);

	*n = (struct redis_nodes){.loop = loop, .ops = ops, .user = user};
	TAILQ_INIT(&n->lanes);
	timer_init(&n->sweep, on_sweep);
	n->is_cluster = rc == 0 && url.is_cluster;
	n->by_names = rc == 0 && url.is_tls;
	n->is_stale = n->is_cluster;
	explicit_bzero(&url, sizeof(url));
	if (rc < 0)
		return rc;
	n->first = lane_new(ops, user);
	if (n->first == NULL)
		return err_no_memory(err);
	TAILQ_INSERT_TAIL(&n->lanes, n->first, link_of);
	rc = redis_link_open(conf, loop, resolver, &lane_link_ops, n->first, &n->first->link, err);
	if (rc == 0 && n->is_cluster)
		timer_set(loop, &n->sweep, mono_add_ms(loop_now(loop), SWEEP_MS));
	return rc;
}

/* The first one last: the others have of it. */
void
nodes_close(struct redis_nodes *n)
{
	struct redis_lane *lane;

	if (n->loop == NULL)
		return;
	timer_fini(&n->sweep);
	while ((lane = TAILQ_LAST(&n->lanes, redis_lanes)) != NULL) {
		TAILQ_REMOVE(&n->lanes, lane, link_of);
		lane_free(lane);
	}
	free(n->map);
	n->map = NULL;
}

/*** Keys ***/

static bool
is_used(const struct redis_nodes *n, unsigned slot)
{
	return (n->used[slot / BITS] >> slot % BITS & 1) != 0;
}

/* NULL: nobody. */
static const struct endpoint *
owner_of(const struct cluster_map *map, unsigned slot)
{
	uint8_t owner = map != NULL ? map->owners[slot] : TG_CLUSTER_NOBODY;

	return owner != TG_CLUSTER_NOBODY ? &map->nodes[owner] : NULL;
}

struct redis_lane *
nodes_lane(struct redis_nodes *n, const char *key)
{
	unsigned slot = n->is_cluster ? cluster_slot(key) : 0;
	const struct endpoint *owner;

	if (!n->is_cluster)
		return n->first;
	n->used[slot / BITS] |= UINT64_C(1) << slot % BITS;
	owner = owner_of(n->map, slot);
	if (owner == NULL)
		n->is_stale = true;
	return owner != NULL ? find_or_open(n, owner) : NULL;
}

void
nodes_forget(struct redis_nodes *n)
{
	memset(n->used, 0, sizeof(n->used));
}

bool
nodes_has_keys(const struct redis_nodes *n, const struct redis_lane *lane)
{
	return !n->is_cluster || lane != n->first;
}

/*** Who has what ***/

void
nodes_ask(struct redis_nodes *n, struct redis_lane *lane)
{
	const char *argv[] = {kind_nodes.name, "NODES"};

	if (n->is_cluster && lane == n->first && n->is_stale)
		(void)batch_add(&lane->next, &kind_nodes, NULL, 2, argv, NULL);
}

bool
nodes_have_asked(const struct batch_kind *kind)
{
	return kind == &kind_nodes;
}

static bool
is_any_moved(const struct redis_nodes *n, const struct cluster_map *next)
{
	for (unsigned slot = 0; slot < TG_CLUSTER_SLOTS; slot++) {
		const struct endpoint *before = owner_of(n->map, slot);
		const struct endpoint *now = owner_of(next, slot);

		if (is_used(n, slot) && before != NULL &&
		    (now == NULL || !cluster_is_same(before, now)))
			return true;
	}
	return false;
}

int
nodes_answered(struct redis_nodes *n, const redisReply *reply, bool *ret_moved)
{
	struct cluster_map *next = malloc(sizeof(*next));
	int rc = next != NULL ? cluster_map_read(reply->str, reply->len,
						 redis_link_where(n->first->link), n->by_names, next)
			      : -TG_ENOMEM;

	if (rc < 0) {
		free(next);
		return rc;
	}
	*ret_moved = is_any_moved(n, next);
	redis_link_learn(n->first->link, next->nodes, next->n_nodes);
	free(n->map);
	n->map = next;
	n->is_stale = false;
	return 0;
}

void
nodes_failed(struct redis_nodes *n)
{
	bool has_told = !n->is_stale;

	if (!n->is_cluster)
		return;
	n->is_stale = true;
	if (has_told && lane_is_idle(n->first))
		redis_link_fail(n->first->link, "another node is asked");
}

/*** Redirections ***/

static bool
add_asking(struct redis_batch *b)
{
	const char *argv[] = {kind_asking.name};

	return batch_add(b, &kind_asking, NULL, 1, argv, NULL);
}

static bool
add_later(struct redis_lane *lane, const struct redis_lane *from, const struct batch_item *item,
	  bool is_ask)
{
	size_t before = lane->later.n_items;

	if ((!is_ask || add_asking(&lane->later)) &&
	    batch_add_again(&lane->later, &from->sent, item))
		return true;
	batch_cut(&lane->later, before);
	return false;
}

bool
nodes_redirect(struct redis_nodes *n, const struct redis_lane *from, const struct batch_item *item,
	       const redisReply *reply, bool *ret_moved)
{
	struct cluster_redirect found;
	struct redis_lane *to;

	if (!n->is_cluster || cluster_redirect_parse(reply->str, redis_link_where(from->link),
						     &found) < 0)
		return false;
	if (!found.is_ask) {
		n->is_stale = true;
		if (n->map != NULL && cluster_map_move(n->map, found.slot, &found.at) == 0)
			*ret_moved = true;
	}
	to = item->hops < TG_CLUSTER_HOPS_MAX ? find_or_open(n, &found.at) : NULL;
	return to != NULL && !to->is_down && add_later(to, from, item, found.is_ask);
}

/*** How it is ***/

static enum lane_state
state_of(const struct redis_lane *lane, char *why)
{
	if (lane->state == LANE_UNWELL)
		snprintf(why, TG_STORE_WHY, "%s", lane->why);
	return lane->state;
}

/* Of who has slots that are used, each once. */
static enum lane_state
state_of_used(const struct redis_nodes *n, char *why)
{
	bool is_seen[TG_CLUSTER_NODES_MAX] = {false};
	enum lane_state all = LANE_WELL;

	for (unsigned slot = 0; slot < TG_CLUSTER_SLOTS; slot++) {
		const struct endpoint *owner = is_used(n, slot) ? owner_of(n->map, slot) : NULL;
		const struct redis_lane *lane;

		if (!is_used(n, slot) || (owner != NULL && is_seen[n->map->owners[slot]]))
			continue;
		if (owner == NULL) {
			snprintf(why, TG_STORE_WHY, "redis: no node of the cluster has slot %u",
				 slot);
			return LANE_UNWELL;
		}
		is_seen[n->map->owners[slot]] = true;
		lane = find(n, owner);
		if (lane != NULL && state_of(lane, why) == LANE_UNWELL)
			return LANE_UNWELL;
		if (lane == NULL || lane->state == LANE_NEW)
			all = LANE_NEW;
	}
	return all;
}

enum lane_state
nodes_state(const struct redis_nodes *n, char *why)
{
	enum lane_state first = state_of(n->first, why);

	if (!n->is_cluster)
		return first;
	if (n->map == NULL)
		return first == LANE_UNWELL ? LANE_UNWELL : LANE_NEW;
	return state_of_used(n, why);
}

static void
format_where(const struct endpoint *at, char *ret, size_t size)
{
	if (at->kind == TG_ENDPOINT_ADDR && at->addr.len == 0)
		ret[0] = '\0';
	else if (at->kind == TG_ENDPOINT_ADDR)
		addr_format(&at->addr, ret, size);
	else
		snprintf(ret, size, "%s:%u", at->host, at->port);
}

void
nodes_each(const struct redis_nodes *n,
	   void (*told)(void *user, const struct store_connection *connection), void *user)
{
	const struct redis_lane *lane;
	char where[TG_ADDR_STRLEN + sizeof(lane->at.host)];

	TAILQ_FOREACH(lane, &n->lanes, link_of) {
		const char *use = !n->is_cluster ? "all" : lane == n->first ? "map" : "keys";

		format_where(lane == n->first ? redis_link_where(lane->link) : &lane->at, where,
			     sizeof(where));
		told(user, &(struct store_connection){.at = where,
						      .use = use,
						      .is_known = lane->state != LANE_NEW,
						      .is_well = lane->state == LANE_WELL,
						      .why = lane->state == LANE_UNWELL ? lane->why : ""});
	}
}
