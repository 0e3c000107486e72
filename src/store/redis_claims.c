#include "store/redis_claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "store/store_priv.h"

#define LOOK_MS 1000u
#define SOON_MS 500u

static struct claim *
find(const struct redis_claims *c, const char *name)
{
	for (size_t i = 0; i < c->all.n; i++) {
		if (strcmp(c->all.list[i].heard.name, name) == 0)
			return (struct claim *)(uintptr_t)&c->all.list[i];
	}
	return NULL;
}

static bool
is_taken(const struct redis_claims *c)
{
	for (size_t i = 0; i < c->all.n; i++) {
		if (c->all.list[i].heard.holder[0] != '\0' && !c->all.list[i].heard.is_mine)
			return true;
	}
	return false;
}

static bool
is_any_wanted(const struct redis_claims *c)
{
	for (size_t i = 0; i < c->all.n; i++) {
		if (c->all.list[i].is_wanted)
			return true;
	}
	return false;
}

bool
claims_are_on(const struct redis_claims *c)
{
	return c->all.n > 0;
}

static void
ask_at_once(struct redis_claims *c)
{
	c->is_again = c->is_asked;
	if (claims_are_on(c))
		timer_set(c->store->loop, &c->timer, loop_now(c->store->loop));
}

static void
on_timer(struct timer *t)
{
	struct redis_claims *c = TG_CONTAINER(t, struct redis_claims, timer);
	uint64_t ms = is_any_wanted(c) || is_taken(c) ? SOON_MS : LOOK_MS;

	if (!claims_are_on(c))
		return;
	c->is_pending = true;
	timer_set(c->store->loop, t, mono_add_ms(loop_now(c->store->loop), ms));
	c->flush(c->store);
}

void
claims_init(struct redis_claims *c, struct store *store, const char *instance, const char *run,
	    void (*flush)(struct store *s))
{
	*c = (struct redis_claims){.store = store,
				   .flush = flush,
				   .instance = instance,
				   .run = run,
				   .script = {.kind = &redis_script_claims}};
	timer_init(&c->timer, on_timer);
}

void
claims_fini(struct redis_claims *c)
{
	if (c->store == NULL)
		return;
	timer_fini(&c->timer);
	free(c->all.own);
	free(c->all.others);
}

/* NULL: no memory, or there are too many. */
static struct claim *
add(struct redis_claims *c, const char *name)
{
	struct claim *claim;

	if (c->all.others == NULL)
		c->all.others = calloc(TG_CHALLENGES_MAX, sizeof(c->all.others[0]));
	if (c->all.others == NULL || c->all.n == TG_STORE_CLAIMS_MAX ||
	    strlen(name) >= TG_STORE_CLAIM_NAME)
		return NULL;
	claim = &c->all.list[c->all.n++];
	*claim = (struct claim){.is_wanted = false};
	snprintf(claim->heard.name, sizeof(claim->heard.name), "%s", name);
	ask_at_once(c);
	return claim;
}

int
claims_claim(struct redis_claims *c, const char *name, bool is_wanted)
{
	struct claim *claim = find(c, name);

	if (claim == NULL)
		claim = add(c, name);
	if (claim == NULL)
		return -TG_ELIMIT;
	claim->is_gone = false;
	if (claim->is_wanted == is_wanted)
		return 0;
	claim->is_wanted = is_wanted;
	if (!is_wanted)
		claim->heard.is_mine = false;
	ask_at_once(c);
	return 0;
}

void
claims_ended(struct redis_claims *c, const char *name, bool is_done, uint64_t mark,
	     uint64_t wait_ms)
{
	struct claim *claim = find(c, name);

	if (claim == NULL)
		return;
	claim->has_ended = true;
	claim->is_done = is_done;
	claim->mark = mark;
	claim->wait_ms = wait_ms;
	claim->is_wanted = false;
	claim->heard.is_mine = false;
	ask_at_once(c);
}

void
claims_forget(struct redis_claims *c, const char *name)
{
	struct claim *claim = find(c, name);

	if (claim == NULL)
		return;
	claim->is_wanted = false;
	claim->heard.is_mine = false;
	claim->is_gone = true;
	ask_at_once(c);
}

const struct store_claim *
claims_find(const struct redis_claims *c, const char *name)
{
	const struct claim *claim = find(c, name);

	return claim != NULL && !claim->is_gone ? &claim->heard : NULL;
}

int
claims_tell(struct redis_claims *c, const struct challenge *list, size_t n)
{
	struct challenge *own = calloc(n + 1, sizeof(own[0]));

	if (own == NULL)
		return -TG_ENOMEM;
	memcpy(own, list, n * sizeof(own[0]));
	free(c->all.own);
	c->all.own = own;
	c->all.n_own = n;
	ask_at_once(c);
	return 0;
}

void
claims_leave(struct redis_claims *c)
{
	for (size_t i = 0; i < c->all.n; i++)
		c->all.list[i].is_wanted = false;
	c->all.n_own = 0;
	c->is_pending = claims_are_on(c);
}

bool
claims_are_pending(const struct redis_claims *c)
{
	return c->is_pending && !c->is_asked && claims_are_on(c);
}

void
claims_add(struct redis_claims *c, struct redis_batch *batch)
{
	static const char *const keys[] = {TG_CLAIMS_KEY, TG_OUTCOMES_KEY, TG_CHALLENGES_KEY};
	char *question;

	if (!claims_are_pending(c) || !script_is_ready(&c->script, batch))
		return;
	question = claims_question(&c->all, c->instance, c->run);
	if (question != NULL && script_run(&c->script, batch, NULL, keys, 3, question)) {
		c->is_pending = false;
		c->is_asked = true;
		c->is_again = false;
		c->sent = mono_read();
	}
	free(question);
}

bool
claims_have_asked(const struct batch_kind *kind)
{
	return script_has_asked(&redis_script_claims, kind);
}

bool
claims_again(struct redis_claims *c, const struct batch_item *item, const redisReply *reply)
{
	if (!script_is_lost(&c->script, item, reply))
		return false;
	c->is_asked = false;
	c->is_pending = true;
	return true;
}

/* What was told with the question is known there; those that are gone are. */
static void
settle(struct redis_claims *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->all.n; i++) {
		struct claim *claim = &c->all.list[i];

		claim->has_ended = claim->has_ended && c->is_again;
		if (!claim->is_gone || c->is_again)
			c->all.list[n++] = *claim;
	}
	c->all.n = n;
}

bool
claims_answered(struct redis_claims *c, const struct batch_item *item, const redisReply *reply)
{
	struct store *s = c->store;

	if (item->kind == &redis_script_claims.load)
		return script_loaded(&c->script, reply);
	c->is_asked = false;
	if (claims_answer(&c->all, reply->str, reply->len, c->instance, c->sent, mono_read()) < 0)
		return false;
	settle(c);
	if (s->claimed != NULL)
		s->claimed(s->claimed_user, c->all.others, c->all.n_others, is_taken(c));
	return true;
}

void
claims_end_flight(struct redis_claims *c)
{
	c->is_asked = false;
}
