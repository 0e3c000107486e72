#include "store/redis_share.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/hash.h"
#include "store/redis_script.h"
#include "store/store_priv.h"

#define KEY_SIZE     512u
#define LOOKS        3u  /* of a lease */
#define MEMORY_TURNS 10u /* of the timer */

/* Who may not ask for it does not know. */
static const struct batch_kind kind_memory = {
	.name = "INFO", .answer = REDIS_REPLY_STRING, .also = "NOPERM"};

static bool
is_any_told(const struct redis_shares *shares)
{
	const struct share *share;

	LIST_FOREACH(share, &shares->all, link) {
		if (!share->is_gone)
			return true;
	}
	return false;
}

static void
on_timer(struct timer *t)
{
	struct redis_shares *shares = TG_CONTAINER(t, struct redis_shares, timer);
	struct share *share;

	LIST_FOREACH(share, &shares->all, link)
		share->is_pending = !share->is_gone;
	shares->is_asking_memory = shares->n_timers++ % MEMORY_TURNS == 0;
	timer_set(shares->store->loop, t,
		  mono_add_ms(loop_now(shares->store->loop), shares->self.lease_ms / LOOKS));
	if (is_any_told(shares))
		shares->flush(shares->store);
}

void
shares_init(struct redis_shares *shares, struct store *store, const struct conf_store *conf,
	    void (*flush)(struct store *s))
{
	uint64_t dice = hash_number(wall_read().us ^ hash_number((uint64_t)getpid()));

	*shares = (struct redis_shares){
		.store = store, .script = {.kind = &redis_script_exchange}, .flush = flush};
	LIST_INIT(&shares->all);
	snprintf(shares->run, sizeof(shares->run), "%016" PRIx64, dice);
	snprintf(shares->instance, sizeof(shares->instance), "%s",
		 conf->instance != NULL ? conf->instance : shares->run);
	shares->self = (struct share_self){
		.instance = shares->instance, .run = shares->run, .lease_ms = conf->lease_ms};
	timer_init(&shares->timer, on_timer);
}

void
shares_fini(struct redis_shares *shares)
{
	timer_fini(&shares->timer);
	while (!LIST_EMPTY(&shares->all)) {
		struct share *share = LIST_FIRST(&shares->all);

		LIST_REMOVE(share, link);
		share_free(share);
	}
}

void
shares_connected(struct redis_shares *shares)
{
	shares->self.link++;
	shares->self.linked = mono_read();
}

struct share *
shares_find(const struct redis_shares *shares, const char *service)
{
	struct share *share;

	LIST_FOREACH(share, &shares->all, link) {
		if (!share->is_gone && strcmp(share->service, service) == 0)
			return share;
	}
	return NULL;
}

int
shares_tell(struct redis_shares *shares, const char *service, const struct store_telling *telling)
{
	struct share *share;

	LIST_FOREACH(share, &shares->all, link) {
		if (strcmp(share->service, service) == 0)
			break;
	}
	if (share == NULL) {
		share = share_new(service);
		if (share == NULL)
			return -TG_ENOMEM;
		if (LIST_EMPTY(&shares->all))
			timer_set(shares->store->loop, &shares->timer,
				  loop_now(shares->store->loop));
		LIST_INSERT_HEAD(&shares->all, share, link);
	}
	share->is_gone = false;
	share->is_leaving = false;
	return share_tell(share, telling, mono_read());
}

void
shares_forget(struct redis_shares *shares, const char *service)
{
	struct share *share = shares_find(shares, service);

	if (share == NULL)
		return;
	share->is_gone = true;
	share->is_leaving = true;
	share->is_pending = true;
}

void
shares_leave(struct redis_shares *shares)
{
	struct share *share;

	LIST_FOREACH(share, &shares->all, link) {
		share->is_leaving = true;
		share->is_pending = true;
	}
}

/*** Questions ***/

static bool
is_due(const struct share *share, const struct share_reach *reach)
{
	return share->is_pending && !share->is_sent &&
	       (reach->has == NULL || reach->has(reach->user, share->service));
}

bool
shares_are_pending(const struct redis_shares *shares, const struct share_reach *reach)
{
	const struct share *share;

	LIST_FOREACH(share, &shares->all, link) {
		if (is_due(share, reach))
			return true;
	}
	return false;
}

static bool
add_exchange(struct redis_shares *shares, struct redis_batch *b, struct share *share)
{
	static const char *const kinds[TG_SCRIPT_KEYS] = {"lease", "epoch", "instances",
							  "i:",    "fleet", "state"};
	char keys[TG_SCRIPT_KEYS][KEY_SIZE];
	const char *list[TG_SCRIPT_KEYS];
	char *question = share_question(share, &shares->self, mono_read());
	bool is_added;

	for (unsigned i = 0; i < TG_SCRIPT_KEYS; i++) {
		snprintf(keys[i], KEY_SIZE, "tg:{%s}:%s%s", share->service, kinds[i],
			 kinds[i][1] == ':' ? shares->instance : "");
		list[i] = keys[i];
	}
	is_added = question != NULL &&
		   script_run(&shares->script, b, share, list, TG_SCRIPT_KEYS, question);
	free(question);
	return is_added;
}

static void
add_memory(struct redis_shares *shares, struct redis_batch *b)
{
	const char *argv[] = {kind_memory.name, "memory"};

	shares->is_asking_memory = !batch_add(b, &kind_memory, NULL, 2, argv, NULL);
}

void
shares_add(struct redis_shares *shares, struct redis_batch *b, const struct share_reach *reach)
{
	struct share *share;

	if (shares->is_asking_memory && is_any_told(shares))
		add_memory(shares, b);
	if (!shares_are_pending(shares, reach) || !script_is_ready(&shares->script, b))
		return;
	LIST_FOREACH(share, &shares->all, link) {
		if (!is_due(share, reach) || !add_exchange(shares, b, share))
			continue;
		share->is_pending = false;
		share->is_sent = true;
		share->sent = mono_read();
	}
}

/*** Answers ***/

bool
shares_have_asked(const struct batch_kind *kind)
{
	return script_has_asked(&redis_script_exchange, kind) || kind == &kind_memory;
}

bool
shares_again(struct redis_shares *shares, const struct batch_item *item, const redisReply *reply)
{
	struct share *share = item->record;

	if (!script_is_lost(&shares->script, item, reply))
		return false;
	share->is_pending = true;
	return true;
}

static void
take_memory(struct redis_shares *shares, const redisReply *reply)
{
	static const char key[] = "used_memory:";
	const char *at = strstr(reply->str, key);

	shares->memory = at != NULL ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

static bool
take_exchange(struct redis_shares *shares, struct share *share, const redisReply *reply)
{
	struct store *s = shares->store;
	bool was_mine = share->heard.is_mine;
	uint64_t epoch = share->heard.epoch;

	if (share_answer(share, &shares->self, reply->str, reply->len, mono_read()) < 0)
		return false;
	s->counts.exchanges++;
	s->counts.takeovers +=
		share->heard.is_mine && (!was_mine || epoch != share->heard.epoch);
	if (!share->is_gone && s->heard != NULL)
		s->heard(s->heard_user, share->service);
	return true;
}

bool
shares_answered(struct redis_shares *shares, const struct batch_item *item,
		const redisReply *reply)
{
	if (item->kind == &redis_script_exchange.load)
		return script_loaded(&shares->script, reply);
	if (item->kind == &redis_script_exchange.run)
		return take_exchange(shares, item->record, reply);
	take_memory(shares, reply);
	return true;
}

void
shares_release(const struct batch_item *item)
{
	struct share *share = item->record;

	if (item->kind != &redis_script_exchange.run)
		return;
	share->is_sent = false;
	if (!share->is_gone || share->is_pending)
		return;
	LIST_REMOVE(share, link);
	share_free(share);
}
