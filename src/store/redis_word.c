#include "store/redis_word.h"

#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "store/store_priv.h"

#define LOOK_MS 2000u

static void
on_timer(struct timer *t)
{
	struct redis_word *w = TG_CONTAINER(t, struct redis_word, timer);

	w->is_pending = true;
	timer_set(w->store->loop, t, mono_add_ms(loop_now(w->store->loop), LOOK_MS));
	w->flush(w->store);
}

void
word_init(struct redis_word *w, struct store *store, void (*flush)(struct store *s))
{
	*w = (struct redis_word){
		.store = store, .flush = flush, .script = {.kind = &redis_script_word}};
	timer_init(&w->timer, on_timer);
}

void
word_fini(struct redis_word *w)
{
	if (w->store != NULL)
		timer_fini(&w->timer);
}

void
word_agree(struct redis_word *w, const char *name, const char *was, const char *own)
{
	char before[sizeof(w->key)];

	memcpy(before, w->key, sizeof(before));
	w->key[0] = '\0';
	if (name[0] == '\0') {
		timer_clear(&w->timer);
		w->is_pending = false;
		return;
	}
	snprintf(w->key, sizeof(w->key), TG_WORD_KEY "%s", name);
	snprintf(w->was, sizeof(w->was), "%s", was);
	snprintf(w->own, sizeof(w->own), "%s", own);
	if (strcmp(before, w->key) != 0)
		w->heard[0] = '\0';
	timer_set(w->store->loop, &w->timer, loop_now(w->store->loop));
}

const char *
word_key(const struct redis_word *w)
{
	return w->key[0] != '\0' ? w->key : NULL;
}

bool
word_is_pending(const struct redis_word *w)
{
	return w->is_pending && !w->is_asked && w->key[0] != '\0';
}

void
word_add(struct redis_word *w, struct redis_batch *batch)
{
	char argument[2 * TG_STORE_WORD + 1];

	if (!word_is_pending(w) || !script_is_ready(&w->script, batch))
		return;
	snprintf(argument, sizeof(argument), "%s %s", w->own, w->was);
	if (!script_run(&w->script, batch, NULL, (const char *[]){w->key}, 1, argument))
		return;
	w->is_pending = false;
	w->is_asked = true;
}

bool
word_has_asked(const struct batch_kind *kind)
{
	return script_has_asked(&redis_script_word, kind);
}

bool
word_again(struct redis_word *w, const struct batch_item *item, const redisReply *reply)
{
	if (!script_is_lost(&w->script, item, reply))
		return false;
	w->is_asked = false;
	w->is_pending = true;
	return true;
}

bool
word_answered(struct redis_word *w, const struct batch_item *item, const redisReply *reply)
{
	if (item->kind == &redis_script_word.load)
		return script_loaded(&w->script, reply);
	w->is_asked = false;
	/* What strangers wrote there is no word of ours. */
	if (reply->len == 0 || reply->len >= sizeof(w->heard) || strlen(reply->str) != reply->len ||
	    strcmp(reply->str, w->heard) == 0 || w->key[0] == '\0')
		return true;
	memcpy(w->heard, reply->str, reply->len + 1);
	if (w->store->agreed != NULL)
		w->store->agreed(w->store->agreed_user, w->heard);
	return true;
}

void
word_end_flight(struct redis_word *w)
{
	w->is_asked = false;
}
