/* hook/hook.c: what waits for each hook, in order; when it is tried, and again. */
#include "hook/hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/container.h"
#include "base/log.h"
#include "hook/hook_priv.h"
#include "tls/mac.h"

/* Programs that were killed and are not gone yet, beyond one for each hook. */
#define DYING_MAX 16u

static const struct backoff pauses = {.first_ms = 500, .max_ms = 30000, .jitter_percent = 50};

/*** One hook ***/

static void on_timer(struct timer *t);

static void
drop_first(struct hook *h)
{
	struct delivery *d = STAILQ_FIRST(&h->waiting);

	STAILQ_REMOVE_HEAD(&h->waiting, link);
	h->n_waiting--;
	h->tries = 0;
	free(d);
}

/* The first may be under way, or have been tried: that one stays. */
static void
drop_oldest(struct hook *h)
{
	struct delivery *first = STAILQ_FIRST(&h->waiting);
	struct delivery *second = STAILQ_NEXT(first, link);

	h->dropped++;
	if (!h->is_dropping)
		log_write(TG_LOG_WARN, "a hook is behind, its oldest events are dropped",
			  "hook=%s waiting=%u", h->conf->name, h->n_waiting);
	h->is_dropping = true;
	if (h->state == HOOK_IDLE || second == NULL) {
		drop_first(h);
		return;
	}
	STAILQ_REMOVE(&h->waiting, second, delivery, link);
	h->n_waiting--;
	free(second);
}

/* Behind that under way there is room for conf->queue. */
static void
put(struct hook *h, const char *body, size_t n)
{
	struct delivery *d = malloc(sizeof(*d) + n + 1);

	if (d == NULL) {
		h->dropped++;
		return;
	}
	d->n = n;
	memcpy(d->body, body, n + 1);
	STAILQ_INSERT_TAIL(&h->waiting, d, link);
	h->n_waiting++;
	h->is_dropping = h->is_dropping && h->n_waiting > h->conf->queue + 1;
	while (h->n_waiting > h->conf->queue + 1)
		drop_oldest(h);
	hook_go_on(h);
}

static void
note_error(struct hook *h, const char *why)
{
	snprintf(h->error, sizeof(h->error), "%s", why);
	h->error_at = wall_read();
}

static void
give_up(struct hook *h)
{
	h->failed++;
	log_write(TG_LOG_WARN, "a hook is not told", "hook=%s tries=%u reason=%s", h->conf->name,
		  h->tries, h->error);
	drop_first(h);
	h->state = HOOK_IDLE;
}

static void
rest(struct hook *h)
{
	uint64_t random = 0;
	struct loop *loop = h->all->loop;

	if (mac_random(&random, sizeof(random)) < 0)
		random = loop_now(loop).us;
	h->state = HOOK_RESTING;
	timer_set(loop, &h->timer,
		  mono_add_ms(loop_now_update(loop), backoff_ms(&pauses, h->tries - 1, random)));
}

static void
fail(struct hook *h, bool may_retry, const char *why)
{
	timer_clear(&h->timer);
	note_error(h, why);
	h->tries++;
	if (may_retry && h->tries <= h->conf->retries && !h->all->is_ending) {
		log_write(TG_LOG_DEBUG, "a hook has failed", "hook=%s reason=%s", h->conf->name,
			  why);
		rest(h);
	} else {
		give_up(h);
	}
}

static void
tell_end(struct hooks *all)
{
	if (!all->is_ending)
		return;
	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i]->n_waiting > 0)
			return;
	}
	timer_set(all->loop, &all->soon, loop_now(all->loop));
}

static bool
begin(struct hook *h)
{
	char why[TG_HOOK_WHY] = "";

	h->state = HOOK_RUNNING;
	h->retries += h->tries > 0;
	timer_set(h->all->loop, &h->timer,
		  mono_add_ms(loop_now_update(h->all->loop), h->conf->timeout_ms));
	if (h->way->start(h, STAILQ_FIRST(&h->waiting), why) == 0)
		return true;
	fail(h, true, why);
	return false;
}

void
hook_go_on(struct hook *h)
{
	while (h->state == HOOK_IDLE && h->n_waiting > 0 && !begin(h))
		;
	tell_end(h->all);
}

void
hook_ended(struct hook *h, bool is_told, bool may_retry, const char *why)
{
	if (is_told) {
		timer_clear(&h->timer);
		h->sent++;
		drop_first(h);
		h->state = HOOK_IDLE;
	} else {
		fail(h, may_retry, why);
	}
	hook_go_on(h);
}

static void
on_timer(struct timer *t)
{
	struct hook *h = TG_CONTAINER(t, struct hook, timer);
	char why[TG_HOOK_WHY];

	if (h->state == HOOK_RESTING) {
		h->state = HOOK_IDLE;
		hook_go_on(h);
		return;
	}
	snprintf(why, sizeof(why), "nothing within %llu ms",
		 (unsigned long long)h->conf->timeout_ms);
	h->way->cancel(h, why);
	hook_ended(h, false, true, why);
}

int
hook_new(struct hooks *all, struct conf *owner, const struct conf_hook *conf, struct hook **ret,
	 struct err *err)
{
	struct hook *h = calloc(1, sizeof(*h));
	int rc;

	if (h == NULL)
		return err_no_memory(err);
	h->all = all;
	h->owner = conf_ref(owner);
	h->conf = conf;
	h->way = conf->url != NULL ? &hook_web : &hook_exec;
	STAILQ_INIT(&h->waiting);
	timer_init(&h->timer, on_timer);
	rc = h->way->open(h, err);
	if (rc == 0)
		*ret = h;
	else
		hook_free(h);
	return rc;
}

void
hook_free(struct hook *h)
{
	if (h == NULL)
		return;
	h->way->close(h);
	timer_fini(&h->timer);
	while (h->n_waiting > 0)
		drop_first(h);
	conf_unref(h->owner);
	free(h);
}

/*** All of them ***/

static void
say_ended(struct hooks *all)
{
	void (*ended)(void *user) = all->ended;

	timer_clear(&all->end);
	timer_clear(&all->soon);
	all->ended = NULL;
	if (ended != NULL)
		ended(all->user);
}

static void
on_soon(struct timer *t)
{
	say_ended(TG_CONTAINER(t, struct hooks, soon));
}

static void
on_end(struct timer *t)
{
	struct hooks *all = TG_CONTAINER(t, struct hooks, end);

	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i]->n_waiting > 0)
			log_write(TG_LOG_WARN, "a hook is not told all that happened",
				  "hook=%s waiting=%u", all->list[i]->conf->name,
				  all->list[i]->n_waiting);
	}
	say_ended(all);
}

static int
open_all(struct hooks *all, struct conf *conf, struct err *err)
{
	int rc = 0;

	if (gethostname(all->host, sizeof(all->host) - 1) < 0)
		all->host[0] = '\0';
	all->programs = process_pool_new(all->loop, TG_HOOKS_MAX + DYING_MAX);
	all->list = calloc(TG_HOOKS_MAX, sizeof(struct hook *));
	if (all->programs == NULL || all->list == NULL)
		return err_no_memory(err);
	for (size_t i = 0; i < conf->n_hooks && rc == 0; i++) {
		rc = hook_new(all, conf, &conf->hooks[i], &all->list[i], err);
		all->n += rc == 0;
	}
	return rc;
}

int
hooks_new(struct loop *loop, struct conf *conf, struct resolver *resolver, struct hooks **ret,
	  struct err *err)
{
	struct hooks *all = calloc(1, sizeof(*all));
	int rc;

	if (all == NULL) {
		resolver_free(resolver);
		return err_no_memory(err);
	}
	all->loop = loop;
	all->resolver = resolver;
	timer_init(&all->end, on_end);
	timer_init(&all->soon, on_soon);
	rc = open_all(all, conf, err);
	if (rc == 0)
		*ret = all;
	else
		hooks_free(all);
	return rc;
}

void
hooks_free(struct hooks *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++)
		hook_free(all->list[i]);
	free(all->list);
	process_pool_free(all->programs);
	resolver_free(all->resolver);
	timer_fini(&all->end);
	timer_fini(&all->soon);
	free(all);
}

/*** What happens ***/

bool
hooks_want(const struct hooks *all, enum conf_hook_event event)
{
	for (size_t i = 0; all != NULL && i < all->n; i++) {
		if ((all->list[i]->conf->events & 1u << event) != 0)
			return true;
	}
	return false;
}

static bool
wants(const struct conf_hook *conf, const struct hook_event *event)
{
	if ((conf->events & 1u << event->event) == 0)
		return false;
	if (conf->n_services == 0 || event->service == NULL)
		return true;
	for (size_t i = 0; i < conf->n_services; i++) {
		if (strcmp(conf->services[i], event->service) == 0)
			return true;
	}
	return false;
}

/* 128 bits that nobody else has. */
static bool
make_id(char ret[TG_HOOK_ID_LEN + 1])
{
	unsigned char bytes[TG_HOOK_ID_LEN / 2];

	if (mac_random(bytes, sizeof(bytes)) < 0)
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

void
hooks_tell(struct hooks *all, const struct hook_event *event)
{
	char id[TG_HOOK_ID_LEN + 1];
	char *body;

	if (!hooks_want(all, event->event) || all->is_ending)
		return;
	body = make_id(id) ? hook_event_text(event, id, wall_read(), all->host) : NULL;
	for (size_t i = 0; i < all->n; i++) {
		struct hook *h = all->list[i];

		if (!wants(h->conf, event))
			continue;
		if (body != NULL)
			put(h, body, strlen(body));
		else
			h->dropped++;
	}
	free(body);
}

void
hooks_end(struct hooks *all, uint64_t timeout_ms, void (*ended)(void *user), void *user)
{
	if (all == NULL) {
		ended(user);
		return;
	}
	all->is_ending = true;
	all->ended = ended;
	all->user = user;
	timer_set(all->loop, &all->end, mono_add_ms(loop_now_update(all->loop), timeout_ms));
	for (size_t i = 0; i < all->n; i++) {
		struct hook *h = all->list[i];

		if (h->state == HOOK_RESTING) {
			timer_clear(&h->timer);
			h->state = HOOK_IDLE;
		}
		hook_go_on(h);
	}
	tell_end(all);
}

/*** What came of it ***/

size_t
hooks_count(const struct hooks *all)
{
	return all != NULL ? all->n : 0;
}

void
hooks_status(const struct hooks *all, size_t i, struct hook_status *ret)
{
	const struct hook *h = all->list[i];

	*ret = (struct hook_status){
		.name = h->conf->name,
		.way = h->way->name,
		.sent = h->sent,
		.failed = h->failed,
		.dropped = h->dropped,
		.retries = h->retries,
		.waiting = h->n_waiting,
		.error = h->error,
		.error_at = h->error_at,
	};
	h->way->target(h, ret->target, sizeof(ret->target));
}
