#include "store/redis_votes.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "store/redis_script.h"
#include "store/store_priv.h"
#include "store/votes.h"

#define LOOK_MS  500u
#define KEY_SIZE 512u

/* One service. */
struct ballot {
	LIST_ENTRY(ballot) link;
	char *service;
	json_t *own;     /* NULL: it ends */
	bool is_pending; /* a question is due */
	bool is_sent;    /* one is under way */
	bool is_gone;    /* freed when it is neither pending nor under way */
	struct store_votes heard;
};

/*** Its life ***/

static void
on_timer(struct timer *t)
{
	struct redis_votes *v = TG_CONTAINER(t, struct redis_votes, timer);
	struct ballot *ballot;

	LIST_FOREACH(ballot, &v->all, link)
		ballot->is_pending = true;
	timer_set(v->store->loop, t, mono_add_ms(loop_now(v->store->loop), LOOK_MS));
	if (!LIST_EMPTY(&v->all))
		v->flush(v->store);
}

void
ballots_init(struct redis_votes *v, struct store *store, const struct conf_store *conf,
	     const char *instance, void (*flush)(struct store *s))
{
	*v = (struct redis_votes){.store = store,
				  .script = {.kind = &redis_script_votes},
				  .instance = instance,
				  .lease_ms = conf->lease_ms,
				  .flush = flush};
	LIST_INIT(&v->all);
	timer_init(&v->timer, on_timer);
}

static void
ballot_free(struct ballot *ballot)
{
	votes_fini(&ballot->heard);
	json_decref(ballot->own);
	free(ballot->service);
	free(ballot);
}

void
ballots_fini(struct redis_votes *v)
{
	if (v->store == NULL)
		return;
	timer_fini(&v->timer);
	while (!LIST_EMPTY(&v->all)) {
		struct ballot *ballot = LIST_FIRST(&v->all);

		LIST_REMOVE(ballot, link);
		ballot_free(ballot);
	}
}

static struct ballot *
find(const struct redis_votes *v, const char *service)
{
	struct ballot *ballot;

	LIST_FOREACH(ballot, &v->all, link) {
		if (strcmp(ballot->service, service) == 0)
			return ballot;
	}
	return NULL;
}

/* NULL: no memory. */
static struct ballot *
find_or_add(struct redis_votes *v, const char *service)
{
	struct ballot *ballot = find(v, service);

	if (ballot != NULL)
		return ballot;
	ballot = calloc(1, sizeof(*ballot));
	if (ballot == NULL)
		return NULL;
	ballot->service = strdup(service);
	if (ballot->service == NULL) {
		free(ballot);
		return NULL;
	}
	LIST_INSERT_HEAD(&v->all, ballot, link);
	return ballot;
}

/*** Telling ***/

int
ballots_vote(struct redis_votes *v, const char *service, const struct store_vote *votes, size_t n)
{
	size_t left_out;
	json_t *own = votes_write(votes, n, &left_out);
	struct ballot *ballot = own != NULL ? find_or_add(v, service) : NULL;

	if (ballot == NULL) {
		json_decref(own);
		return -TG_ENOMEM;
	}
	if (left_out > 0)
		log_write(TG_LOG_DEBUG, "votes found no room", "svc=%s backends=%zu", service,
			  left_out);
	ballot->is_gone = false;
	ballot->is_pending = ballot->is_pending || !json_equal(ballot->own, own);
	json_decref(ballot->own);
	ballot->own = own;
	/* In the next turn, with those of other services. */
	if (ballot->is_pending)
		timer_set(v->store->loop, &v->timer, loop_now(v->store->loop));
	return 0;
}

static void
leave(struct ballot *ballot)
{
	json_decref(ballot->own);
	ballot->own = NULL;
	ballot->is_pending = true;
}

void
ballots_unvote(struct redis_votes *v, const char *service)
{
	struct ballot *ballot = find(v, service);

	if (ballot == NULL)
		return;
	leave(ballot);
	ballot->is_gone = true;
}

void
ballots_leave(struct redis_votes *v)
{
	struct ballot *ballot;

	LIST_FOREACH(ballot, &v->all, link)
		leave(ballot);
}

const struct store_votes *
ballots_get(const struct redis_votes *v, const char *service)
{
	const struct ballot *ballot = find(v, service);

	return ballot != NULL && !ballot->is_gone ? &ballot->heard : NULL;
}

void
ballots_each(const struct redis_votes *v, void (*seen)(void *user, const char *service), void *user)
{
	const struct ballot *ballot;

	LIST_FOREACH(ballot, &v->all, link)
		seen(user, ballot->service);
}

/*** Questions ***/

static bool
is_due(const struct ballot *ballot, const struct share_reach *reach)
{
	return ballot->is_pending && !ballot->is_sent &&
	       (reach->has == NULL || reach->has(reach->user, ballot->service));
}

bool
ballots_are_pending(const struct redis_votes *v, const struct share_reach *reach)
{
	const struct ballot *ballot;

	LIST_FOREACH(ballot, &v->all, link) {
		if (is_due(ballot, reach))
			return true;
	}
	return false;
}

/* NULL: no memory. */
static char *
question_of(const struct redis_votes *v, const struct ballot *ballot)
{
	json_t *all = json_pack("{s:s,s:I,s:O*}", "instance", v->instance, "lease",
				(json_int_t)v->lease_ms, "backends", ballot->own);
	char *text = all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;

	json_decref(all);
	return text;
}

static void
add_ballot(struct redis_votes *v, struct redis_batch *b, struct ballot *ballot)
{
	char *question = question_of(v, ballot);
	char key[KEY_SIZE];

	snprintf(key, sizeof(key), "tg:{%s}:votes", ballot->service);
	if (question != NULL &&
	    script_run(&v->script, b, ballot, (const char *[]){key}, 1, question)) {
		ballot->is_pending = false;
		ballot->is_sent = true;
	}
	free(question);
}

void
ballots_add(struct redis_votes *v, struct redis_batch *b, const struct share_reach *reach)
{
	struct ballot *ballot;

	if (!ballots_are_pending(v, reach) || !script_is_ready(&v->script, b))
		return;
	LIST_FOREACH(ballot, &v->all, link) {
		if (is_due(ballot, reach))
			add_ballot(v, b, ballot);
	}
}

/*** Answers ***/

bool
ballots_have_asked(const struct batch_kind *kind)
{
	return script_has_asked(&redis_script_votes, kind);
}

bool
ballots_again(struct redis_votes *v, const struct batch_item *item, const redisReply *reply)
{
	if (!script_is_lost(&v->script, item, reply))
		return false;
	((struct ballot *)item->record)->is_pending = true;
	return true;
}

bool
ballots_answered(struct redis_votes *v, const struct batch_item *item, const redisReply *reply)
{
	struct ballot *ballot = item->record;
	struct store *s = v->store;

	if (item->kind == &redis_script_votes.load)
		return script_loaded(&v->script, reply);
	if (votes_read(reply->str, reply->len, mono_read(), &ballot->heard) < 0)
		return false;
	if (!ballot->is_gone && s->voted != NULL)
		s->voted(s->voted_user, ballot->service);
	return true;
}

void
ballots_release(const struct batch_item *item)
{
	struct ballot *ballot = item->record;

	if (item->kind != &redis_script_votes.run)
		return;
	ballot->is_sent = false;
	if (!ballot->is_gone || ballot->is_pending)
		return;
	LIST_REMOVE(ballot, link);
	ballot_free(ballot);
}
