#include "proc/keeper_votes.h"

#include <stdlib.h>

#include "base/container.h"
#include "base/log.h"
#include "proc/keeper_priv.h"

#define LOOK_MS 500u

static bool
is_shared(const struct conf_service *service)
{
	return service->health.share != TG_SHARE_OFF;
}

/*** Telling ***/

static size_t
collect(const struct keeper *k, const struct conf_service *service, struct store_vote *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct health_status *h =
			health_status(k->health, service->index, (unsigned)i);

		/* What comes of the votes of others is no vote of this one; a socket is of this machine alone. */
		if (health_has_vote(k->health, service->index, (unsigned)i) &&
		    h->addr.u.sa.sa_family != AF_UNIX)
			ret[n++] = (struct store_vote){.backend = service->backends[i].name,
						       .addr = h->addr,
						       .is_up = h->verdict.state == TG_HEALTH_UP};
	}
	return n;
}

static void
tell(const struct keeper *k, const struct conf_service *service)
{
	struct store_vote *votes = calloc(service->n_backends + 1, sizeof(*votes));
	int rc = -TG_ENOMEM;

	if (votes != NULL)
		rc = store_vote(k->store.store, service->name, votes, collect(k, service, votes));
	if (rc < 0)
		log_write(TG_LOG_ERROR, "health is not told to others", "svc=%s reason=%s",
			  service->name, rc == -TG_ENOMEM ? "no memory" : "a brace in its name");
	free(votes);
}

/*** Hearing ***/

/* NULL: nothing that counts was heard. */
static const struct store_votes *
heard_of(const struct keeper *k, const struct conf_service *service)
{
	const struct store_votes *votes = store_votes(k->store.store, service->name);

	if (votes == NULL || !votes->is_heard ||
	    mono_diff_us(loop_now(k->loop), votes->at) >= k->conf->store.lease_ms * 1000)
		return NULL;
	return votes;
}

static struct quorum
count(const struct keeper *k, const struct store_votes *votes, const char *backend,
      const struct addr *addr)
{
	struct quorum others = {.n_up = 0};

	for (size_t i = 0; votes != NULL && i < votes->n_voters; i++) {
		const struct store_vote *vote =
			store_voter_find(votes, &votes->voters[i], backend, addr,
					 k->conf->store.lease_ms, loop_now(k->loop));

		others.n_up += vote != NULL && vote->is_up;
		others.n_down += vote != NULL && !vote->is_up;
	}
	return others;
}

static void
apply(struct keeper *k, const struct conf_service *service)
{
	const struct store_votes *votes = is_shared(service) ? heard_of(k, service) : NULL;

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct health_status *h =
			health_status(k->health, service->index, (unsigned)i);
		struct quorum others = {.n_up = 0};

		if (h->has_addr)
			others = count(k, votes, service->backends[i].name, &h->addr);
		if (others.n_up != h->others.n_up || others.n_down != h->others.n_down)
			health_set_others(k->health, service->index, (unsigned)i, &others);
	}
}

static void
on_voted(void *user, const char *name)
{
	struct keeper *k = user;
	const struct conf_service *service = conf_find_service(k->conf, name);

	if (service != NULL && is_shared(service))
		apply(k, service);
}

/* A lease without a word is the end of the votes of others, and told once. */
static void
note_heard(struct keeper *k, bool is_heard)
{
	struct keeper_votes *v = &k->votes;
	struct mono now = loop_now(k->loop);

	if (is_heard)
		v->heard = now;
	if (is_heard && v->is_deaf)
		log_write(TG_LOG_INFO, "what others find of backends is heard again", NULL);
	if (is_heard)
		v->is_deaf = false;
	if (v->is_deaf || mono_diff_us(now, v->heard) < k->conf->store.lease_ms * 1000)
		return;
	v->is_deaf = true;
	log_write(TG_LOG_WARN, "what others find of backends is not heard, going on with own checks",
		  "reason=%s", store_why(k->store.store));
}

/*** Its life ***/

static void
on_timer(struct timer *t)
{
	struct keeper *k = TG_CONTAINER(t, struct keeper_votes, timer)->keeper;
	bool is_any = false;
	bool is_heard = true;

	for (size_t i = 0; i < k->conf->n_services; i++) {
		const struct conf_service *service = &k->conf->services[i];

		if (!is_shared(service))
			continue;
		is_any = true;
		tell(k, service);
		is_heard = heard_of(k, service) != NULL && is_heard;
		apply(k, service);
	}
	if (!is_any)
		return;
	note_heard(k, is_heard);
	timer_set(k->loop, t, mono_add_ms(loop_now(k->loop), LOOK_MS));
}

void
keeper_votes_mark(struct keeper *k)
{
	if (k->votes.keeper != NULL)
		timer_set(k->loop, &k->votes.timer, loop_now(k->loop));
}

void
keeper_votes_listen(struct keeper *k)
{
	store_listen_votes(k->store.store, on_voted, k);
	keeper_votes_mark(k);
}

void
keeper_votes_start(struct keeper *k)
{
	k->votes = (struct keeper_votes){.keeper = k, .heard = loop_now(k->loop)};
	timer_init(&k->votes.timer, on_timer);
	keeper_votes_listen(k);
}

void
keeper_votes_reloaded(struct keeper *k, const struct conf *before)
{
	for (size_t i = 0; i < before->n_services; i++) {
		const struct conf_service *service =
			conf_find_service(k->conf, before->services[i].name);

		if (is_shared(&before->services[i]) && (service == NULL || !is_shared(service)))
			store_unvote(k->store.store, before->services[i].name);
		if (service != NULL && !is_shared(service))
			apply(k, service);
	}
	k->votes.heard = loop_now(k->loop);
	keeper_votes_mark(k);
}

void
keeper_votes_fini(struct keeper *k)
{
	if (k->votes.keeper == NULL)
		return;
	timer_fini(&k->votes.timer);
	k->votes.keeper = NULL;
}
