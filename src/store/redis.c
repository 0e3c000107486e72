/*
 * store/redis.c: samples and records go to redis, all of a tick behind one another in one go.
 *
 * At most one tick is under way: samples of another one meanwhile, and of any while there is no connection, are
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
#include "store/redis_link.h"
#include "store/redis_sample.h"
#include "store/redis_share.h"
#include "store/store_priv.h"

/* Of all services. */
#define QUEUE_RECORDS 1024u
#define QUEUE_BYTES   ((size_t)8 << 20)

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
	struct redis_link *link;
	struct redis_batch next; /* of this tick */
	size_t next_samples;
	struct redis_batch sent; /* under way */
	size_t unanswered;
	struct mono began;          /* what is under way */
	TAILQ_HEAD(, queued) queue; /* the oldest first */
	size_t n_queued;
	size_t queued_bytes;
	bool is_refused;  /* something of the last tick was */
	bool must_leave;  /* another connection may do better */
	bool is_doubtful; /* the last tick failed: a greeting is not enough */
	char refusal[TG_STORE_WHY];
	unsigned n_decisions; /* that are kept of a service */
	struct redis_shares shares;
	struct redis_board board;
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

static void
add_queued(struct redis *r)
{
	struct queued *q;

	TAILQ_FOREACH(q, &r->queue, link) {
		if (!redis_record_add(&r->next, q->service, r->n_decisions, q->json, q->n, q))
			return;
		q->is_sent = true;
	}
}

/*** Answers ***/

/* Nothing is under way any more; what was not answered waits again. */
static void
end_flight(struct redis *r)
{
	struct queued *q;

	TAILQ_FOREACH(q, &r->queue, link)
		q->is_sent = false;
	shares_end_flight(&r->shares);
	board_end_flight(&r->board);
	batch_clear(&r->sent);
	r->unanswered = 0;
}

static bool
is_error(const redisReply *reply, const char *word)
{
	size_t n = strlen(word);

	return strncmp(reply->str, word, n) == 0 && (reply->str[n] == ' ' || reply->str[n] == '\0');
}

/* Only the first of a tick is told. A copy that follows another now, a redis that has been
 * restarted, may be left for the right one. */
static void
note_refusal(struct redis *r, const struct batch_kind *kind, const redisReply *reply)
{
	if (is_error(reply, "READONLY") || is_error(reply, "NOAUTH"))
		r->must_leave = true;
	if (r->is_refused)
		return;
	r->is_refused = true;
	snprintf(r->refusal, sizeof(r->refusal), "%s refused: %.160s", kind->name, reply->str);
}

static void
end_flush(struct redis *r)
{
	struct store *s = r->store;
	char why[TG_STORE_WHY];

	s->counts.answered++;
	s->counts.last_us = mono_diff_us(mono_read(), r->began);
	r->is_doubtful = r->is_refused;
	if (r->must_leave) {
		r->must_leave = false;
		redis_link_fail(r->link, r->refusal);
		return;
	}
	end_flight(r);
	redis_link_settle(r->link);
	if (!r->is_refused) {
		store_set_well(s);
		if (shares_are_pending(&r->shares) || board_is_pending(&r->board))
			redis_flush(s);
		return;
	}
	s->counts.failures++;
	snprintf(why, sizeof(why), "redis: %.240s", r->refusal);
	for (char *p = why; *p != '\0'; p++)
		*p = *p < ' ' || *p > '~' ? '?' : *p;
	store_set_unwell(s, why);
}

static void
on_answer(void *user, void *item, const redisReply *reply)
{
	struct redis *r = user;
	const struct batch_item *of = item;
	const struct batch_kind *kind = of->kind;
	char reason[64];

	if (reply->type == REDIS_REPLY_ERROR) {
		if ((kind->also == NULL || !is_error(reply, kind->also)) &&
		    !shares_again(&r->shares, of, reply) && !board_again(&r->board, of, reply))
			note_refusal(r, kind, reply);
	} else if (reply->type != kind->answer ||
		   (shares_have_asked(kind) && !shares_answered(&r->shares, of, reply)) ||
		   (board_has_asked(kind) && !board_answered(&r->board, of, reply))) {
		snprintf(reason, sizeof(reason), "an unexpected answer to %s", kind->name);
		redis_link_fail(r->link, reason);
		return;
	} else if (kind == &redis_kind_record) {
		drop_queued(r, of->record);
	}
	if (--r->unanswered == 0)
		end_flush(r);
}

static void
on_ready(void *user)
{
	struct redis *r = user;

	r->store->counts.connects++;
	shares_connected(&r->shares);
	if (!r->is_doubtful)
		store_set_well(r->store);
}

static void
on_down(void *user, const char *why)
{
	struct redis *r = user;

	r->store->counts.failures++;
	r->is_doubtful = r->is_doubtful || r->unanswered > 0;
	end_flight(r);
	store_set_unwell(r->store, why);
}

static const struct redis_link_ops link_ops = {
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
	uint64_t life_ms = redis_sample_life_ms(history_interval_ms(s->history, service));
	size_t left_out = n_backends;

	/* What is known of a service is the leader's to tell. */
	if (store_authority(s, service, (struct mono){0}) == TG_STORE_FOLLOWS)
		left_out = 0;
	else if (redis_link_is_ready(r->link))
		left_out = redis_sample_add(&r->next, service, point, backends, n_backends,
					    wall_read(), life_ms);
	r->next_samples += n_backends - left_out;
	s->counts.dropped += left_out;
}

static void
send_all(struct redis *r)
{
	struct redis_batch empty = r->sent;

	r->sent = r->next;
	r->next = empty;
	r->unanswered = r->sent.n_items;
	r->is_refused = false;
	r->began = mono_read();
	redis_link_expect(r->link);
	for (size_t i = 0; i < r->sent.n_items; i++) {
		struct batch_item *item = &r->sent.items[i];

		redis_link_send(r->link, r->sent.bytes + item->at, item->n, item);
	}
	r->store->counts.flushes++;
}

static void
redis_flush(struct store *s)
{
	struct redis *r = s->kind;

	if (redis_link_is_ready(r->link) && r->unanswered == 0) {
		add_queued(r);
		shares_add(&r->shares, &r->next);
		board_add(&r->board, &r->next);
		if (r->next.n_items > 0 || redis_ping_add(&r->next))
			send_all(r);
	} else {
		s->counts.dropped += r->next_samples;
	}
	batch_clear(&r->next);
	r->next_samples = 0;
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
	snprintf(s->why, sizeof(s->why), "not connected yet");
	return redis_link_open(conf, s->loop, resolver, &link_ops, r, &r->link, err);
}

/* What is under way, then what waits. */
static void
write_rest(struct redis *r, unsigned timeout_ms)
{
	struct mono until = mono_add_ms(mono_read(), timeout_ms);
	uint64_t left_us;

	for (;;) {
		if (r->unanswered == 0 && !r->is_refused &&
		    (r->n_queued > 0 || r->next.n_items > 0 ||
		     shares_are_pending(&r->shares)))
			redis_flush(r->store);
		left_us = mono_diff_us(until, mono_read());
		if (r->unanswered == 0 || left_us < 1000 ||
		    !redis_link_drive(r->link, (int)(left_us / 1000)))
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
	if (r->link != NULL && redis_link_is_ready(r->link))
		write_rest(r, timeout_ms);
	redis_link_close(r->link);
	while (!TAILQ_EMPTY(&r->queue))
		drop_queued(r, TAILQ_FIRST(&r->queue));
	batch_fini(&r->next);
	batch_fini(&r->sent);
	board_fini(&r->board);
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
	shares_forget(&((struct redis *)s->kind)->shares, service);
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
	.instance = redis_instance,
	.memory_used = redis_memory_used,
};
