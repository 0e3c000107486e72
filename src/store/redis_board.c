#include "store/redis_board.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "store/redis_foreign.h"
#include "store/redis_script.h"
#include "store/store_priv.h"

#define LOOK_MS   500u
#define TEXT_SIZE 256u
#define CLOCK_MAX_MS (INT64_C(1) << 50)

/* One that redis was not told of yet. */
struct board_order {
	TAILQ_ENTRY(board_order) link;
	bool is_sent;
	bool has_at;
	struct wall when;
	uint64_t known; /* the newest order that was heard when it was given: those before it are over */
	int64_t at_ms;  /* has_at: when it was given, by the clock of redis */
	char key[3 * TEXT_SIZE]; /* service, backend and what, a line each: names have no such */
	char value[TEXT_SIZE];
	char was[TEXT_SIZE];
	char who[TEXT_SIZE];
	char why[TEXT_SIZE];
};

/*** Its life ***/

static void
on_timer(struct timer *t)
{
	struct redis_board *b = TG_CONTAINER(t, struct redis_board, timer);

	b->is_pending = true;
	timer_set(b->store->loop, t, mono_add_ms(loop_now(b->store->loop), LOOK_MS));
	b->flush(b->store);
}

void
board_init(struct redis_board *b, struct store *store, const struct conf_store *conf,
	   const char *instance, void (*flush)(struct store *s))
{
	*b = (struct redis_board){.store = store,
				  .script = {.kind = &redis_script_board},
				  .instance = instance,
				  .flush = flush,
				  .is_on = conf->share_orders};
	TAILQ_INIT(&b->waiting);
	timer_init(&b->timer, on_timer);
	if (b->is_on)
		timer_set(store->loop, &b->timer, loop_now(store->loop));
}

static void
drop(struct redis_board *b, struct board_order *order)
{
	TAILQ_REMOVE(&b->waiting, order, link);
	b->n_waiting--;
	free(order);
}

void
board_fini(struct redis_board *b)
{
	if (b->store == NULL)
		return;
	timer_fini(&b->timer);
	while (!TAILQ_EMPTY(&b->waiting))
		drop(b, TAILQ_FIRST(&b->waiting));
}

/*** Telling ***/

static struct board_order *
find_waiting(const struct redis_board *b, const char *key)
{
	struct board_order *order;

	TAILQ_FOREACH(order, &b->waiting, link) {
		if (strcmp(order->key, key) == 0)
			return order;
	}
	return NULL;
}

static void
set_key(char key[3 * TEXT_SIZE], const struct store_order *order)
{
	snprintf(key, 3 * TEXT_SIZE, "%s\n%s\n%s", order->service, order->backend, order->what);
}

int
board_tell(struct redis_board *b, const struct store_order *order)
{
	struct board_order *o = b->is_on ? calloc(1, sizeof(*o)) : NULL;
	struct board_order *before;

	if (!b->is_on)
		return 0;
	if (o == NULL)
		return -TG_ENOMEM;
	o->when = order->when;
	o->known = b->known;
	set_key(o->key, order);
	snprintf(o->value, sizeof(o->value), "%s", order->value);
	snprintf(o->was, sizeof(o->was), "%s", order->was);
	snprintf(o->who, sizeof(o->who), "%s", order->who);
	snprintf(o->why, sizeof(o->why), "%s", order->why);
	before = find_waiting(b, o->key);
	if (before != NULL)
		drop(b, before);
	if (b->n_waiting == TG_BOARD_WAITING_MAX) {
		drop(b, TAILQ_FIRST(&b->waiting));
		b->store->counts.dropped++;
	}
	TAILQ_INSERT_TAIL(&b->waiting, o, link);
	b->n_waiting++;
	timer_set(b->store->loop, &b->timer, loop_now(b->store->loop));
	return 0;
}

/* The time it was given by the clock of redis, however late that hears of it: what is told to redis, and what an
 * order that is heard meanwhile is compared with, are the same. */
static int64_t
at_of(struct board_order *o, int64_t ahead_ms)
{
	if (!o->has_at)
		o->at_ms = (int64_t)(o->when.us / 1000) + ahead_ms;
	o->has_at = true;
	return o->at_ms;
}

static json_t *
waiting_of(struct redis_board *b)
{
	json_t *all = json_array();
	struct board_order *o;

	if (!b->has_known)
		return all;
	TAILQ_FOREACH(o, &b->waiting, link) {
		if (json_array_append_new(
			    all, json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:s}", "key", o->key, "at",
					   (json_int_t)at_of(o, b->ahead_ms), "known",
					   (json_int_t)o->known, "value", o->value, "was", o->was,
					   "who", o->who, "why", o->why)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static char *
question_of(struct redis_board *b)
{
	json_t *all = json_pack("{s:s,s:I,s:o}", "instance", b->instance, "known",
				(json_int_t)b->known, "orders", waiting_of(b));
	char *text = all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;

	json_decref(all);
	return text;
}

bool
board_is_pending(const struct redis_board *b)
{
	return b->is_pending && !b->is_asked;
}

void
board_add(struct redis_board *b, struct redis_batch *batch)
{
	static const char *const keys[] = {TG_BOARD_KEY, TG_BOARD_KEY ":number"};
	struct board_order *o;
	char *question;
	bool is_added;

	if (!board_is_pending(b) || !script_is_ready(&b->script, batch))
		return;
	question = question_of(b);
	is_added = question != NULL && script_run(&b->script, batch, NULL, keys, 2, question);
	free(question);
	if (!is_added)
		return;
	b->is_pending = false;
	b->is_asked = true;
	TAILQ_FOREACH(o, &b->waiting, link)
		o->is_sent = b->has_known;
}

/*** Hearing ***/

bool
board_has_asked(const struct batch_kind *kind)
{
	return script_has_asked(&redis_script_board, kind);
}

bool
board_again(struct redis_board *b, const struct batch_item *item, const redisReply *reply)
{
	if (!script_is_lost(&b->script, item, reply))
		return false;
	b->is_asked = false;
	b->is_pending = true;
	return true;
}

/* The next line of a key, cut out of it. NULL: there is none. */
static char *
take_line(char **key)
{
	char *line = *key;
	char *end = line != NULL ? strchr(line, '\n') : NULL;

	*key = end != NULL ? end + 1 : NULL;
	if (end != NULL)
		*end = '\0';
	return line;
}

static const char *
text_of(const json_t *object, const char *word)
{
	const char *text = json_string_value(json_object_get(object, word));

	return text != NULL ? text : "";
}

static void
read_order(const json_t *object, bool is_first, struct wall now,
	   void (*heard)(void *user, const struct store_order *order), void *user)
{
	json_int_t age_ms = json_integer_value(json_object_get(object, "age"));
	char *copy = strdup(text_of(object, "key"));
	char *rest = copy;
	struct store_order order = {
		.service = take_line(&rest),
		.backend = take_line(&rest),
		.what = take_line(&rest),
		.value = text_of(object, "value"),
		.was = text_of(object, "was"),
		.who = text_of(object, "who"),
		.why = text_of(object, "why"),
		.origin = text_of(object, "origin"),
		.is_old = is_first,
	};

	if (age_ms < 0 || (uint64_t)age_ms > now.us / 1000)
		age_ms = 0;
	order.when.us = now.us - (uint64_t)age_ms * 1000;
	if (order.what != NULL && order.what[0] != '\0' && rest == NULL)
		heard(user, &order);
	free(copy);
}

int64_t
board_read(const char *text, size_t n, bool is_first, struct wall now, int64_t *ahead_ms,
	   void (*heard)(void *user, const struct store_order *order), void *user)
{
	json_t *all = foreign_load(text, n);
	const json_t *number = json_object_get(all, "number");
	const json_t *clock = json_object_get(all, "now");
	json_int_t newest = json_is_integer(number) && json_is_integer(clock) &&
					    json_integer_value(clock) >= 0 &&
					    json_integer_value(clock) < CLOCK_MAX_MS
				    ? json_integer_value(number)
				    : -1;
	json_t *order;
	size_t i;

	if (newest >= 0)
		*ahead_ms = json_integer_value(clock) - (int64_t)(now.us / 1000);
	if (newest >= 0)
		json_array_foreach(json_object_get(all, "orders"), i, order)
			read_order(order, is_first, now, heard, user);
	json_decref(all);
	return newest;
}

/* One that waits here was given meanwhile: as redis will, so we take the later, and at a tie the one it hears last. */
static bool
is_over(struct redis_board *b, const struct store_order *heard)
{
	char key[3 * TEXT_SIZE];
	struct board_order *waiting;

	set_key(key, heard);
	waiting = find_waiting(b, key);
	if (waiting == NULL)
		return false;
	if (at_of(waiting, b->ahead_ms) >= (int64_t)(heard->when.us / 1000) + b->ahead_ms)
		return true;
	drop(b, waiting);
	return false;
}

static void
on_heard(void *user, const struct store_order *order)
{
	struct redis_board *b = user;

	if (!is_over(b, order) && b->store->ordered != NULL)
		b->store->ordered(b->store->ordered_user, order);
}

bool
board_answered(struct redis_board *b, const struct batch_item *item, const redisReply *reply)
{
	struct board_order *o;
	struct board_order *next;
	int64_t newest;

	if (item->kind == &redis_script_board.load)
		return script_loaded(&b->script, reply);
	for (o = TAILQ_FIRST(&b->waiting); o != NULL; o = next) {
		next = TAILQ_NEXT(o, link);
		if (o->is_sent)
			drop(b, o);
	}
	b->is_asked = false;
	newest = board_read(reply->str, reply->len, !b->has_known, wall_read(), &b->ahead_ms,
			    on_heard, b);
	if (newest < 0)
		return false;
	if (!b->has_known && b->n_waiting > 0)
		b->is_pending = true;
	b->has_known = true;
	b->known = (uint64_t)newest;
	return true;
}

void
board_end_flight(struct redis_board *b)
{
	struct board_order *o;

	b->is_asked = false;
	TAILQ_FOREACH(o, &b->waiting, link)
		o->is_sent = false;
}
