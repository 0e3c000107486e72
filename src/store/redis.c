/*
 * store/redis.c: samples and records go to redis, all of a tick behind one another in one go, or of a cluster as many
 * goes as nodes have something of it (redis_nodes.h).
 *
 * At most one tick is under way to each: samples of another one meanwhile, and of any while there is no connection, are
 * dropped: the next are better. Records of decisions wait in a queue until they are answered: one may be there
 * twice, when its answer was lost. A tick with nothing to say asks whether somebody answers.
 *
 * Well: the last tick was answered in time and nothing of it refused, or none has failed so far and it greeted
 * us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "store/redis_board.h"
#include "store/redis_claims.h"
#include "store/redis_nodes.h"
#include "store/redis_sample.h"
#include "store/redis_script.h"
#include "store/redis_share.h"
#include "store/redis_votes.h"
#include "store/redis_word.h"
#include "store/store_priv.h"

/* Of all services. */
#define QUEUE_RECORDS 1024u
#define QUEUE_BYTES   ((size_t)8 << 20)
#define KEY_SIZE      512u
#define TURN_MS       10u /* of one node of several, at the end */

/* A record that is not answered yet. */
struct queued {
	TAILQ_ENTRY(queued) link;
	bool is_sent;
	size_t n;         /* of the record, without its NUL */
	const char *json; /* behind the name */
	char service[];
};

struct redis {
	struct store *store;
	struct redis_nodes nodes;
	TAILQ_HEAD(, queued) queue; /* the oldest first */
	size_t n_queued;
	size_t queued_bytes;
	unsigned n_decisions; /* that are kept of a service */
	struct redis_shares shares;
	struct redis_board board;
	struct redis_word word;
	struct redis_claims claims;
	struct redis_votes votes;
};

static void redis_flush(struct store *s);

/*** Records that wait ***/

static void
drop_queued(struct redis *r, struct queued *q)
{
	TAILQ_REMOVE(&r->queue, q, link);
	r->n_queued--;
	r->queued_bytes -= q->n;
	free(q);
}

/* The oldest that is not under way. NULL: all are. */
static struct queued *
first_waiting(struct redis *r)
{
	struct queued *q;

	TAILQ_FOREACH(q, &r->queue, link) {
		if (!q->is_sent)
			return q;
	}
	return NULL;
}

static bool
make_room(struct redis *r, size_t n)
{
	struct queued *q;

	while (r->n_queued >= QUEUE_RECORDS || r->queued_bytes + n > QUEUE_BYTES) {
		q = first_waiting(r);
		if (q == NULL)
			return false;
		drop_queued(r, q);
		r->store->counts.dropped++;
	}
	return true;
}

static void
redis_decision(struct store *s, const char *service, const char *json)
{
	struct redis *r = s->kind;
	size_t name = strlen(service) + 1;
	size_t n = strlen(json);
	struct queued *q = make_room(r, n) ? malloc(sizeof(*q) + name + n + 1) : NULL;

	if (q == NULL) {
		s->counts.dropped++;
		return;
	}
	q->is_sent = false;
	q->n = n;
	memcpy(q->service, service, name);
	memcpy(q->service + name, json, n + 1);
	q->json = q->service + name;
	TAILQ_INSERT_TAIL(&r->queue, q, link);
	r->n_queued++;
	r->queued_bytes += n;
}

/*** Where things are ***/

/* NULL: nobody is known to have it. */
static struct redis_lane *
lane_of(struct redis *r, const char *service)
{
	char key[KEY_SIZE];

	snprintf(key, sizeof(key), "tg:{%s}", service);
	return nodes_lane(&r->nodes, key);
}

/* One lane, to those who ask what it has. */
struct reach {
	struct redis *r;
	const struct redis_lane *lane;
};

static bool
has_service(void *user, const char *service)
{
	const struct reach *reach = user;

	return lane_of(reach->r, service) == reach->lane;
}

static bool
has_board(struct redis *r, const struct redis_lane *lane)
{
	return r->board.is_on && nodes_lane(&r->nodes, TG_BOARD_KEY) == lane;
}

static bool
has_word(struct redis *r, const struct redis_lane *lane)
{
	return word_key(&r->word) != NULL && nodes_lane(&r->nodes, word_key(&r->word)) == lane;
}

static bool
has_claims(struct redis *r, const struct redis_lane *lane)
{
	return claims_are_on(&r->claims) && nodes_lane(&r->nodes, TG_CLAIMS_KEY) == lane;
}

static void
add_queued(struct redis *r, struct redis_lane *lane)
{
	struct queued *q;

	TAILQ_FOREACH(q, &r->queue, link) {
		if (q->is_sent || lane_of(r, q->service) != lane)
			continue;
		if (!redis_record_add(&lane->next, q->service, r->n_decisions, q->json, q->n, q))
			return;
		q->is_sent = true;
	}
}

static bool
is_anything_pending(struct redis *r, struct redis_lane *lane)
{
	struct reach reach = {.r = r, .lane = lane};
	struct share_reach here = {.has = has_service, .user = &reach};

	return nodes_has_keys(&r->nodes, lane) &&
	       (shares_are_pending(&r->shares, &here) || ballots_are_pending(&r->votes, &here) ||
		(board_is_pending(&r->board) && has_board(r, lane)) ||
		(word_is_pending(&r->word) && has_word(r, lane)) ||
		(claims_are_pending(&r->claims) && has_claims(r, lane)));
}

static void
add_due(struct redis *r, struct redis_lane *lane)
{
	struct reach reach = {.r = r, .lane = lane};
	struct share_reach here = {.has = has_service, .user = &reach};

	nodes_ask(&r->nodes, lane);
	if (!nodes_has_keys(&r->nodes, lane))
		return;
	add_queued(r, lane);
	shares_add(&r->shares, &lane->next, &here);
	ballots_add(&r->votes, &lane->next, &here);
	if (has_board(r, lane))
		board_add(&r->board, &lane->next);
	if (has_word(r, lane))
		word_add(&r->word, &lane->next);
	if (has_claims(r, lane))
		claims_add(&r->claims, &lane->next);
}

static void
look_for(void *user, const char *service)
{
	(void)lane_of(user, service);
}

/* Lanes to where something is due that has none yet. */
static void
open_lanes(struct redis *r)
{
	const struct queued *q;
	const struct share *share;

	TAILQ_FOREACH(q, &r->queue, link)
		(void)lane_of(r, q->service);
	LIST_FOREACH(share, &r->shares.all, link)
		(void)lane_of(r, share->service);
	ballots_each(&r->votes, look_for, r);
	if (r->board.is_on)
		(void)nodes_lane(&r->nodes, TG_BOARD_KEY);
	if (word_key(&r->word) != NULL)
		(void)nodes_lane(&r->nodes, word_key(&r->word));
	if (claims_are_on(&r->claims))
		(void)nodes_lane(&r->nodes, TG_CLAIMS_KEY);
}

/*** Answers ***/

static void
tell_state(struct redis *r)
{
	char why[TG_STORE_WHY] = "";

	switch (nodes_state(&r->nodes, why)) {
	case LANE_WELL:
		store_set_well(r->store);
		break;
	case LANE_UNWELL:
		store_set_unwell(r->store, why);
		break;
	case LANE_NEW:
	case LANE_STATE_COUNT:
		break;
	}
}

/* What was not answered, nor sent elsewhere, waits again. */
static void
release(struct redis *r, struct redis_batch *batch)
{
	for (size_t i = 0; i < batch->n_items; i++) {
		const struct batch_item *item = &batch->items[i];

		if (item->is_over)
			continue;
		if (item->kind == &redis_kind_record)
			((struct queued *)item->record)->is_sent = false;
		shares_release(item);
		ballots_release(item);
		if (board_has_asked(item->kind))
			board_end_flight(&r->board);
		if (word_has_asked(item->kind))
			word_end_flight(&r->word);
		if (claims_have_asked(item->kind))
			claims_end_flight(&r->claims);
	}
	batch_clear(batch);
}

/* What was sent here goes first; what finds no room behind it are samples. */
static void
put_later_first(struct redis *r, struct redis_lane *lane)
{
	struct redis_batch put = lane->next;

	if (lane->later.n_items == 0)
		return;
	lane->next = lane->later;
	lane->later = (struct redis_batch){.bytes = NULL};
	if (batch_add_all(&lane->next, &put) < put.n_items)
		r->store->counts.dropped += lane->next_samples;
	batch_fini(&put);
}

/* What is there and what is due; nothing of it, and `is_tick`: asks whether somebody answers. */
static void
flush_lane(struct redis *r, struct redis_lane *lane, bool is_tick)
{
	if (lane_is_idle(lane)) {
		put_later_first(r, lane);
		add_due(r, lane);
		if (lane->next.n_items > 0 || (is_tick && redis_ping_add(&lane->next))) {
			lane_send(lane);
			r->store->counts.flushes++;
		}
	} else {
		r->store->counts.dropped += lane->next_samples;
	}
	batch_clear(&lane->next);
	lane->next_samples = 0;
}

static bool
is_error(const redisReply *reply, const char *word)
{
	size_t n = strlen(word);

	return strncmp(reply->str, word, n) == 0 && (reply->str[n] == ' ' || reply->str[n] == '\0');
}

/* Of a key of another type it is told which. */
static void
note_plain(struct redis_lane *lane, const struct batch_item *item, const redisReply *reply)
{
	int n = snprintf(lane->refusal, sizeof(lane->refusal), "%s refused: %.120s",
			 item->kind->name, reply->str);
	char key[96];

	if (n > 0 && (size_t)n < sizeof(lane->refusal) && is_error(reply, "WRONGTYPE") &&
	    batch_key(&lane->sent, item, key, sizeof(key)))
		snprintf(lane->refusal + n, sizeof(lane->refusal) - (size_t)n, ": %s", key);
}

/* Only the first of a tick is told. A copy that follows another now, a redis that has been
 * restarted, may be left for the right one. */
static void
note_refusal(struct redis *r, struct redis_lane *lane, const struct batch_item *item,
	     const redisReply *reply)
{
	bool is_redirect = is_error(reply, "MOVED") || is_error(reply, "ASK");

	if (is_error(reply, "READONLY") || is_error(reply, "NOAUTH"))
		lane->must_leave = true;
	if (is_error(reply, "CLUSTERDOWN"))
		nodes_failed(&r->nodes);
	if (lane->is_refused)
		return;
	lane->is_refused = true;
	if (is_redirect && !r->nodes.is_cluster)
		snprintf(lane->refusal, sizeof(lane->refusal),
			 "%s refused: a node of a Redis Cluster, which url has with redis+cluster://: "
			 "%.80s", item->kind->name, reply->str);
	else if (is_redirect && item->hops == TG_CLUSTER_HOPS_MAX)
		snprintf(lane->refusal, sizeof(lane->refusal),
			 "%s refused: redirected more than %u times: %.80s", item->kind->name,
			 TG_CLUSTER_HOPS_MAX, reply->str);
	else
		note_plain(lane, item, reply);
}

/* Who redis says has it, and all that waits for them now that this is answered. */
static void
flush_later(struct redis *r)
{
	struct redis_lane *lane;

	TAILQ_FOREACH(lane, &r->nodes.lanes, link_of) {
		if (lane->later.n_items > 0 && lane_is_idle(lane))
			flush_lane(r, lane, false);
	}
}

static void
on_ended(void *user, struct redis_lane *lane)
{
	struct redis *r = user;
	struct store *s = r->store;
	char why[TG_STORE_WHY];

	s->counts.answered++;
	s->counts.last_us = mono_diff_us(mono_read(), lane->began);
	lane->is_doubtful = lane->is_refused;
	if (lane->must_leave) {
		lane->must_leave = false;
		redis_link_fail(lane->link, lane->refusal);
		return;
	}
	release(r, &lane->sent);
	redis_link_settle(lane->link);
	if (lane->is_refused) {
		s->counts.failures++;
		snprintf(why, sizeof(why), "redis: %.240s", lane->refusal);
		lane_set_unwell(lane, why);
	} else {
		lane->state = LANE_WELL;
	}
	tell_state(r);
	flush_later(r);
	if (!lane->is_refused && lane_is_idle(lane) && is_anything_pending(r, lane))
		flush_lane(r, lane, false);
}

/* False: it is an error for whoever asked. */
static bool
is_redirected(struct redis *r, struct redis_lane *lane, struct batch_item *item,
	      const redisReply *reply)
{
	bool is_moved = false;

	item->is_over = nodes_redirect(&r->nodes, lane, item, reply, &is_moved);
	if (is_moved)
		shares_connected(&r->shares);
	return item->is_over;
}

static void
on_error(struct redis *r, struct redis_lane *lane, struct batch_item *item, const redisReply *reply)
{
	if ((item->kind->also != NULL && is_error(reply, item->kind->also)) ||
	    shares_again(&r->shares, item, reply) || board_again(&r->board, item, reply) ||
	    ballots_again(&r->votes, item, reply) || word_again(&r->word, item, reply) ||
	    claims_again(&r->claims, item, reply) ||
	    is_redirected(r, lane, item, reply))
		return;
	note_refusal(r, lane, item, reply);
}

static void
take_record(struct redis *r, struct batch_item *item)
{
	drop_queued(r, item->record);
	item->is_over = true;
}

/* False: no answer that redis would give. */
static bool
take_answer(struct redis *r, struct batch_item *item, const redisReply *reply)
{
	bool is_moved = false;
	bool is_good = true;

	if (shares_have_asked(item->kind))
		is_good = shares_answered(&r->shares, item, reply);
	else if (board_has_asked(item->kind))
		is_good = board_answered(&r->board, item, reply);
	else if (word_has_asked(item->kind))
		is_good = word_answered(&r->word, item, reply);
	else if (claims_have_asked(item->kind))
		is_good = claims_answered(&r->claims, item, reply);
	else if (ballots_have_asked(item->kind))
		is_good = ballots_answered(&r->votes, item, reply);
	else if (nodes_have_asked(item->kind))
		is_good = nodes_answered(&r->nodes, reply, &is_moved) == 0;
	else if (item->kind == &redis_kind_record)
		take_record(r, item);
	if (is_moved)
		shares_connected(&r->shares);
	if (nodes_have_asked(item->kind))
		open_lanes(r);
	return is_good;
}

static void
on_answer(void *user, struct redis_lane *lane, struct batch_item *item, const redisReply *reply)
{
	struct redis *r = user;
	char reason[96];

	if (reply->type == REDIS_REPLY_ERROR) {
		on_error(r, lane, item, reply);
	} else if (reply->type != item->kind->answer || !take_answer(r, item, reply)) {
		snprintf(reason, sizeof(reason), "an unexpected answer to %s", item->kind->name);
		redis_link_fail(lane->link, reason);
		return;
	}
	if (--lane->unanswered == 0)
		on_ended(r, lane);
}

static void
on_ready(void *user, struct redis_lane *lane)
{
	struct redis *r = user;

	r->store->counts.connects++;
	if (nodes_has_keys(&r->nodes, lane))
		shares_connected(&r->shares);
	tell_state(r);
	if (r->nodes.is_cluster)
		flush_lane(r, lane, false);
}

static void
on_down(void *user, struct redis_lane *lane, const char *why)
{
	struct redis *r = user;

	(void)why;
	r->store->counts.failures++;
	lane->unanswered = 0;
	release(r, &lane->sent);
	release(r, &lane->later);
	if (lane != r->nodes.first)
		nodes_failed(&r->nodes);
	tell_state(r);
}

static const struct redis_lane_ops lane_ops = {
	.ready = on_ready,
	.answer = on_answer,
	.down = on_down,
};

/*** Ticks ***/

static void
redis_put(struct store *s, const char *service, const struct store_point *point,
	  const struct store_backend *backends, size_t n_backends)
{
	struct redis *r = s->kind;
	struct redis_lane *lane = lane_of(r, service);
	uint64_t life_ms = redis_sample_life_ms(history_interval_ms(s->history, service));
	size_t left_out = n_backends;

	/* What is known of a service is the leader's to tell. */
	if (store_authority(s, service, (struct mono){0}) == TG_STORE_FOLLOWS)
		left_out = 0;
	else if (lane != NULL && redis_link_is_ready(lane->link))
		left_out = redis_sample_add(&lane->next, service, point, backends, n_backends,
					    wall_read(), life_ms);
	if (lane != NULL)
		lane->next_samples += n_backends - left_out;
	s->counts.dropped += left_out;
}

static void
redis_flush(struct store *s)
{
	struct redis *r = s->kind;
	struct redis_lane *lane;

	if (r->nodes.is_cluster)
		open_lanes(r);
	TAILQ_FOREACH(lane, &r->nodes.lanes, link_of)
		flush_lane(r, lane, true);
}

static int
redis_open(struct store *s, const struct conf_store *conf, struct resolver *resolver,
	   struct err *err)
{
	struct redis *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_no_memory(err);
	s->kind = r;
	r->store = s;
	r->n_decisions = conf->decisions;
	TAILQ_INIT(&r->queue);
	shares_init(&r->shares, s, conf, redis_flush);
	board_init(&r->board, s, conf, r->shares.instance, redis_flush);
	ballots_init(&r->votes, s, conf, r->shares.instance, redis_flush);
	word_init(&r->word, s, redis_flush);
	claims_init(&r->claims, s, r->shares.instance, r->shares.run, redis_flush);
	snprintf(s->why, sizeof(s->why), "not connected yet");
	return nodes_open(&r->nodes, conf, s->loop, resolver, &lane_ops, r, err);
}

/* Sends what waits and can be sent; whether something is under way then. */
static bool
write_waiting(struct redis *r)
{
	struct redis_lane *lane;
	bool is_any = false;

	TAILQ_FOREACH(lane, &r->nodes.lanes, link_of) {
		if (lane_is_idle(lane) && !lane->is_refused)
			flush_lane(r, lane, false);
		is_any = is_any || lane->unanswered > 0;
	}
	return is_any;
}

/* The first whose answers come goes on; false: nothing came of any. */
static bool
drive(struct redis *r, uint64_t left_ms)
{
	struct redis_lane *lane;
	bool has_come = false;

	TAILQ_FOREACH(lane, &r->nodes.lanes, link_of) {
		if (lane->unanswered > 0)
			has_come = redis_link_drive(lane->link, (int)left_ms) || has_come;
	}
	return has_come;
}

/* What is under way, then what waits. Of several each has its turn, for a short while. */
static void
write_rest(struct redis *r, unsigned timeout_ms)
{
	struct mono until = mono_add_ms(mono_read(), timeout_ms);
	uint64_t left_ms;

	while (write_waiting(r)) {
		left_ms = mono_diff_us(until, mono_read()) / 1000;
		if (left_ms == 0)
			return;
		if (!drive(r, r->nodes.is_cluster && left_ms > TURN_MS ? TURN_MS : left_ms) &&
		    !r->nodes.is_cluster)
			return;
	}
}

static void
redis_close(struct store *s, unsigned timeout_ms)
{
	struct redis *r = s->kind;

	if (r == NULL)
		return;
	shares_leave(&r->shares);
	ballots_leave(&r->votes);
	claims_leave(&r->claims);
	if (r->nodes.first != NULL && r->nodes.first->link != NULL)
		write_rest(r, timeout_ms);
	nodes_close(&r->nodes);
	while (!TAILQ_EMPTY(&r->queue))
		drop_queued(r, TAILQ_FIRST(&r->queue));
	board_fini(&r->board);
	word_fini(&r->word);
	claims_fini(&r->claims);
	ballots_fini(&r->votes);
	shares_fini(&r->shares);
	free(r);
}

/*** Others ***/

static int
redis_tell(struct store *s, const char *service, const struct store_telling *telling)
{
	return shares_tell(&((struct redis *)s->kind)->shares, service, telling);
}

static const struct store_shared *
redis_shared(const struct store *s, const char *service)
{
	const struct share *share =
		shares_find(&((const struct redis *)s->kind)->shares, service);

	return share != NULL ? &share->heard : NULL;
}

static int
redis_order(struct store *s, const struct store_order *order)
{
	return board_tell(&((struct redis *)s->kind)->board, order);
}

static void
redis_forget(struct store *s, const char *service)
{
	struct redis *r = s->kind;

	shares_forget(&r->shares, service);
	/* Others use what they did: one that is lost stays known to be. */
	nodes_forget(&r->nodes);
	if (r->nodes.is_cluster)
		open_lanes(r);
}

static int
redis_vote(struct store *s, const char *service, const struct store_vote *votes, size_t n)
{
	return ballots_vote(&((struct redis *)s->kind)->votes, service, votes, n);
}

static void
redis_unvote(struct store *s, const char *service)
{
	ballots_unvote(&((struct redis *)s->kind)->votes, service);
}

static const struct store_votes *
redis_votes(const struct store *s, const char *service)
{
	return ballots_get(&((const struct redis *)s->kind)->votes, service);
}

static void
redis_agree(struct store *s, const char *name, const char *was, const char *own)
{
	word_agree(&((struct redis *)s->kind)->word, name, was, own);
}

static int
redis_claim(struct store *s, const char *name, bool is_wanted)
{
	return claims_claim(&((struct redis *)s->kind)->claims, name, is_wanted);
}

static void
redis_claim_ended(struct store *s, const char *name, bool is_done, uint64_t mark, uint64_t wait_ms)
{
	claims_ended(&((struct redis *)s->kind)->claims, name, is_done, mark, wait_ms);
}

static void
redis_claim_forget(struct store *s, const char *name)
{
	claims_forget(&((struct redis *)s->kind)->claims, name);
}

static const struct store_claim *
redis_claim_find(const struct store *s, const char *name)
{
	return claims_find(&((const struct redis *)s->kind)->claims, name);
}

static int
redis_tell_challenges(struct store *s, const struct challenge *list, size_t n)
{
	return claims_tell(&((struct redis *)s->kind)->claims, list, n);
}

static const char *
redis_instance(const struct store *s)
{
	return ((const struct redis *)s->kind)->shares.instance;
}

static uint64_t
redis_memory_used(const struct store *s)
{
	return ((const struct redis *)s->kind)->shares.memory;
}

static void
redis_connections(const struct store *s,
		  void (*told)(void *user, const struct store_connection *connection), void *user)
{
	nodes_each(&((const struct redis *)s->kind)->nodes, told, user);
}

const struct store_ops store_redis = {
	.name = "redis",
	.open = redis_open,
	.close = redis_close,
	.put = redis_put,
	.decision = redis_decision,
	.flush = redis_flush,
	.tell = redis_tell,
	.shared = redis_shared,
	.order = redis_order,
	.forget = redis_forget,
	.vote = redis_vote,
	.unvote = redis_unvote,
	.votes = redis_votes,
	.agree = redis_agree,
	.claim = redis_claim,
	.claim_ended = redis_claim_ended,
	.claim_forget = redis_claim_forget,
	.claim_find = redis_claim_find,
	.tell_challenges = redis_tell_challenges,
	.instance = redis_instance,
	.memory_used = redis_memory_used,
	.connections = redis_connections,
};
