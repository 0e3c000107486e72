#include "proc/keeper_acme.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/acme.h"
#include "base/hash.h"
#include "base/log.h"
#include "proc/guard.h"
#include "proc/keeper_priv.h"
#include "tls/cover.h"

#define TELL_MS                                                                                    \
	2500u /* others hear within this of a claim, and then let authorities wait for tokens */
#define FIRST_MS 2000u /* clients, and so authorities, are let in by then */

/*** What is in use ***/

static void
add_certificate(const struct conf_loaded *l, const struct conf_acme *acme, struct acme_facts *ret)
{
	struct tls_cover cover;

	if (l->is_placeholder ||
	    tls_cover_read(l->pem.chain, l->pem.chain_n, acme->names, acme->n_names, &cover) < 0) {
		ret->is_there = false;
		return;
	}
	ret->has_names = ret->has_names && cover.has_names;
	if (ret->to.us == 0 || cover.to.us < ret->to.us) {
		ret->from = cover.from;
		ret->to = cover.to;
	}
	ret->mark ^= cover.mark;
}

/* Several listeners may have it: all of them count. */
static void
look(void *user, const struct conf_acme *acme, struct acme_facts *ret)
{
	const struct keeper *k = user;

	*ret = (struct acme_facts){.is_there = true, .has_names = true};
	for (size_t i = 0; i < k->conf->n_listeners; i++) {
		const struct conf_tls *tls = &k->conf->listeners[i].tls;

		for (size_t j = 0; j < tls->n_certificates; j++) {
			const struct conf_certificate *c = &tls->certificates[j];

			if (c->acme == NULL || strcmp(c->acme, acme->name) != 0)
				continue;
			for (size_t l = 0; l < c->n_loaded; l++)
				add_certificate(&c->loaded[l], acme, ret);
		}
	}
}

/* What comes of it is seen by what is in use then. */
static void
load(void *user)
{
	const struct keeper *k = user;
	const struct reload_order order = {.what = RELOAD_RENEW,
					   .when_us = wall_read().us,
					   .who = "acme",
					   .why = "",
					   .service = "",
					   .backend = "",
					   .text = ""};
	uint32_t id;

	if (reloads_send(k->reloads, &order, &id) < 0)
		log_write(TG_LOG_WARN, "files of certificates are not read at once", NULL);
}

/*** What authorities are answered ***/

static void
fill_challenge(void *user, struct msg_challenge *m)
{
	const struct keeper *k = user;

	if (k->acme != NULL)
		acme_challenge(k->acme, m);
}

/*** Whose turn it is ***/

static bool
is_alone(const struct keeper *k)
{
	return k->store.store == NULL || k->conf->store.type == TG_STORE_MEMORY;
}

/* Who wants the same names wants the same certificate, whatever its command is. */
static uint64_t
mark_of(const struct conf_acme *acme)
{
	uint64_t mark = 0;

	for (size_t i = 0; i < acme->n_names; i++)
		mark = hash_bytes(acme->names[i], strlen(acme->names[i]), mark);
	return mark;
}

/* NULL: nothing was heard of late. */
static const struct store_claim *
find_claim(const struct keeper *k, const struct conf_acme *acme)
{
	const struct store_claim *c = store_claim_find(k->store.store, acme->name);

	if (c == NULL || !c->is_heard || !store_is_well(k->store.store) ||
	    mono_diff_us(loop_now(k->loop), c->at) > TG_STORE_CLAIM_LEASE_MS * UINT64_C(1000))
		return NULL;
	return c;
}

static bool
want(const struct keeper *k, const struct conf_acme *acme, bool is_wanted)
{
	return store_claim(k->store.store, acme->name, is_wanted) == 0;
}

static uint64_t
age_ms(const struct keeper *k, const struct store_claim *c)
{
	return c->age_ms + mono_diff_us(loop_now(k->loop), c->at) / 1000;
}

/* What came of it at another one, or before this keeper. True: nothing is to be done now. */
static bool
is_settled(const struct keeper *k, const struct store_claim *c, const struct conf_acme *acme,
	   enum acme_turn *ret, uint64_t *ret_wait_ms, char *why)
{
	bool is_own = strcmp(c->by, store_instance(k->store.store)) == 0;
	uint64_t age;

	if (!c->has_outcome || c->mark != mark_of(acme))
		return false;
	age = age_ms(k, c);
	if (c->is_done && !is_own) {
		snprintf(why, TG_ACME_WHY, "%s has got it %llu s ago, its files are not here yet",
			 c->by, (unsigned long long)(age / 1000));
		*ret = ACME_TURN_DONE;
		return true;
	}
	if (c->is_done || age >= c->wait_ms)
		return false;
	snprintf(why, TG_ACME_WHY, "%s has failed", c->by);
	*ret_wait_ms = c->wait_ms - age;
	*ret = ACME_TURN_FAILED;
	return true;
}

static enum acme_turn
turn(void *user, const struct conf_acme *acme, bool is_ordered, uint64_t *ret_wait_ms, char *why)
{
	const struct keeper *k = user;
	enum acme_turn turn = ACME_TURN_NOT_NOW;
	const struct store_claim *c;

	if (is_alone(k))
		return ACME_TURN_OURS;
	c = find_claim(k, acme);
	if (c == NULL) {
		snprintf(why, TG_ACME_WHY, "others are not heard: %.160s",
			 store_why(k->store.store));
		return turn;
	}
	if (!is_ordered && is_settled(k, c, acme, &turn, ret_wait_ms, why)) {
		(void)want(k, acme, false);
		return turn;
	}
	if (!want(k, acme, true)) {
		snprintf(why, TG_ACME_WHY, "no memory");
	} else if (!c->is_mine) {
		snprintf(why, TG_ACME_WHY, "%s",
			 c->holder[0] != '\0' ? "another one is at it: " : "");
		snprintf(why + strlen(why), TG_ACME_WHY - strlen(why), "%s",
			 c->holder[0] != '\0' ? c->holder : "others are told");
	} else if (mono_diff_us(loop_now(k->loop), c->since) < TELL_MS * 1000) {
		snprintf(why, TG_ACME_WHY, "others are told");
	} else {
		return ACME_TURN_OURS;
	}
	return turn;
}

static bool
keeps(void *user, const struct conf_acme *acme)
{
	const struct keeper *k = user;
	const struct store_claim *c;

	if (is_alone(k))
		return true;
	c = store_claim_find(k->store.store, acme->name);
	return c != NULL && c->is_mine && loop_now(k->loop).us < c->until.us;
}

static void
leave(void *user, const struct conf_acme *acme)
{
	const struct keeper *k = user;

	if (!is_alone(k))
		(void)want(k, acme, false);
}

static void
forget(void *user, const struct conf_acme *acme)
{
	const struct keeper *k = user;

	if (!is_alone(k))
		store_claim_forget(k->store.store, acme->name);
}

static void
ended(void *user, const struct conf_acme *acme, uint64_t wait_ms)
{
	const struct keeper *k = user;

	if (!is_alone(k))
		store_claim_ended(k->store.store, acme->name, wait_ms == 0, mark_of(acme), wait_ms);
}

static void
on_claims(void *user, const struct challenge *list, size_t n, bool is_any_taken)
{
	struct keeper *k = user;

	if (k->acme == NULL)
		return;
	k->acme_heard = loop_now(k->loop);
	acme_hear(k->acme, list, n, is_any_taken);
}

/* What others say holds for a lease. */
static void
forget_others(struct keeper *k)
{
	if (!mono_is_set(k->acme_heard) || mono_diff_us(loop_now(k->loop), k->acme_heard) <
						   TG_STORE_CLAIM_LEASE_MS * UINT64_C(1000))
		return;
	k->acme_heard = (struct mono){0};
	acme_hear(k->acme, NULL, 0, false);
}

/* All of them are looked at, also while none is wanted here: another may be at it. */
static void
look_at_claims(struct keeper *k)
{
	for (size_t i = 0; i < k->conf->n_acme && !is_alone(k); i++) {
		if (store_claim_find(k->store.store, k->conf->acme[i].name) == NULL &&
		    !want(k, &k->conf->acme[i], false))
			log_write(TG_LOG_ERROR, "others are not asked about acme", "acme=%s",
				  k->conf->acme[i].name);
	}
}

static void
tell_others(const struct keeper *k)
{
	struct challenge *own = calloc(TG_CHALLENGES_MAX, sizeof(own[0]));

	if (own == NULL || store_tell_challenges(k->store.store, own,
						 acme_tell(k->acme, own, TG_CHALLENGES_MAX)) < 0)
		log_write(TG_LOG_ERROR, "others are not told of challenges", "reason=%s",
			  "no memory");
	free(own);
}

/* For the keeper after this one: see keeper_acme_start(). */
static void
note_run(const struct keeper *k)
{
	struct segment_shared *shared = segment_shared(k->segment, 0);

	atomic_store_explicit(&shared->acme_began_us,
			      acme_is_running(k->acme) ? (int64_t)wall_read().us : 0,
			      memory_order_relaxed);
}

static void
on_changed(void *user)
{
	struct keeper *k = user;

	if (k->acme == NULL)
		return;
	note_run(k);
	orders_mark_challenges(k->orders);
	if (!is_alone(k))
		tell_others(k);
}

/*** Who is told ***/

static void
told(void *user, const struct conf_acme *acme, bool is_done, const char *why)
{
	const struct keeper *k = user;
	char text[TG_ACME_WHY + 96];
	struct hook_event event = {.event = is_done ? TG_HOOK_ACME_DONE : TG_HOOK_ACME_FAILED,
				   .reason = text};

	snprintf(text, sizeof(text), "acme %s: %s", acme->name, why);
	hooks_tell(k->hooks, &event);
}

/*** What it is run by ***/

static int
run(void *user)
{
	const struct acme_program *program = user;

	return guard_run(program->argv, program->envp);
}

static const struct acme_ops ops = {
	.run = run,
	.look = look,
	.load = load,
	.changed = on_changed,
	.turn = turn,
	.keeps = keeps,
	.leave = leave,
	.forget = forget,
	.ended = ended,
	.told = told,
};

/*** Its life ***/

/* A keeper that dies while one runs may do so again: authorities allow a few tries an hour. */
static uint64_t
rest_ms(const struct keeper *k)
{
	const struct segment_shared *shared = segment_shared(k->segment, 0);
	int64_t began = atomic_load_explicit(&shared->acme_began_us, memory_order_relaxed);
	uint64_t ms = FIRST_MS;

	for (size_t i = 0; began != 0 && i < k->conf->n_acme; i++) {
		if (k->conf->acme[i].retry_ms > ms)
			ms = k->conf->acme[i].retry_ms;
	}
	return ms;
}

int
keeper_acme_start(struct keeper *k)
{
	uint64_t ms = rest_ms(k);
	int rc = acme_new(k->loop, k->conf, &ops, k, &k->acme);

	if (rc < 0)
		return rc;
	if (ms > FIRST_MS)
		log_write(TG_LOG_WARN, "the keeper before ended while acme ran, waiting",
			  "seconds=%llu", (unsigned long long)(ms / 1000));
	acme_rest(k->acme, ms);
	orders_tell_challenges(k->orders, fill_challenge);
	k->source.acme = k->acme;
	keeper_acme_listen(k);
	return 0;
}

void
keeper_acme_listen(struct keeper *k)
{
	if (k->acme == NULL)
		return;
	store_listen_claims(k->store.store, on_claims, k);
	look_at_claims(k);
}

void
keeper_acme_tick(struct keeper *k)
{
	look_at_claims(k);
	forget_others(k);
	acme_tick(k->acme);
}

void
keeper_acme_reloaded(struct keeper *k)
{
	acme_reloaded(k->acme, k->conf);
}

void
keeper_acme_fini(struct keeper *k)
{
	k->source.acme = NULL;
	acme_free(k->acme);
	k->acme = NULL;
}
