#include "proc/keeper_acme.h"

#include <stdatomic.h>
#include <string.h>

#include "acme/acme.h"
#include "base/log.h"
#include "proc/keeper_priv.h"
#include "tls/cover.h"

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
}

/*** Who is told ***/

static enum acme_turn
turn(void *user, const struct conf_acme *acme, bool is_ordered, uint64_t *ret_wait_ms, char *why)
{
	(void)user;
	(void)acme;
	(void)is_ordered;
	(void)ret_wait_ms;
	(void)why;
	return ACME_TURN_OURS;
}

static void
leave(void *user, const struct conf_acme *acme)
{
	(void)user;
	(void)acme;
}

static void
ended(void *user, const struct conf_acme *acme, uint64_t wait_ms)
{
	(void)user;
	(void)acme;
	(void)wait_ms;
}

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

static const struct acme_ops ops = {
	.look = look,
	.load = load,
	.changed = on_changed,
	.turn = turn,
	.leave = leave,
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
	return 0;
}

void
keeper_acme_tick(struct keeper *k)
{
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
