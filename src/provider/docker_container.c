/*
 * provider/docker_container.c: the way of one container.
 *
 *	WAITING -> PULLING <-> CREATING -> STARTING -> LOOKING -> SETTLED -> STOPPING -> REMOVING -> (gone)
 *	                        |    ^                   |  ^        |                      ^
 *	                        v    |                   |  +--------+                      |
 *	                      CLAIMING -> CLEARING       +--> ASKING -> READING ------------+
 *
 * Its end is told once: when it has ended by itself, or when it was stopped and removed, or when its start has
 * failed. Removing goes on after that. What gets lost with its node is found by the next look at what the node has.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "provider/docker_priv.h"

#define KILL_MARGIN_MS 2000u /* of the daemon beyond the grace */

static void on_kill(struct timer *t);

struct docker_container *
docker_find(const struct docker *all, const char *name)
{
	struct docker_container *c;

	HASH_FIND_STR(all->containers, name, c);
	return c;
}

/*** Whom it is told ***/

void
docker_container_tell(struct docker_container *c)
{
	c->is_told = true;
	provider_tell(c->all->provider, &c->instance);
}

/* Those of its start, or of its stop. */
void
docker_container_answer(struct docker_container *c, bool is_stop, int rc, const char *why)
{
	STAILQ_HEAD(, docker_waiter) due = STAILQ_HEAD_INITIALIZER(due);
	struct docker_waiter *w;

	STAILQ_CONCAT(&due, &c->waiters);
	while ((w = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, link);
		if (w->is_stop != is_stop) {
			STAILQ_INSERT_TAIL(&c->waiters, w, link);
			continue;
		}
		provider_answer(c->all->provider, w->token, rc, why);
		free(w);
	}
}

bool
docker_container_is_awaited(const struct docker_container *c, bool is_stop)
{
	const struct docker_waiter *w;

	STAILQ_FOREACH(w, &c->waiters, link) {
		if (w->is_stop == is_stop)
			return true;
	}
	return false;
}

/* Once. */
static void
tell_end(struct docker_container *c, int rc, const char *why)
{
	char text[TG_INSTANCE_WHY];

	snprintf(text, sizeof(text), "%s", why);
	if (!c->is_over) {
		c->is_over = true;
		c->instance.state = TG_INSTANCE_ENDED;
		memcpy(c->instance.why, text, sizeof(text));
		docker_container_tell(c);
	}
	docker_container_answer(c, false, rc, text);
}

/*** Its life as an object ***/

struct docker_container *
docker_container_new(struct docker *all, struct place *place, const char *name)
{
	struct docker_container *c = HASH_COUNT(all->containers) < TG_DOCKER_BACKENDS_MAX
					     ? calloc(1, sizeof(*c))
					     : NULL;

	if (c == NULL)
		return NULL;
	c->all = all;
	c->place = place;
	snprintf(c->instance.name, sizeof(c->instance.name), "%s", name);
	snprintf(c->instance.node, sizeof(c->instance.node), "%s",
		 docker_node_name(place->user.node));
	c->instance.is_leaving = place->user.is_leaving;
	c->instance.state = TG_INSTANCE_STARTING;
	c->exit_code = -1;
	timer_init(&c->kill, on_kill);
	STAILQ_INIT(&c->waiters);
	HASH_ADD_STR(all->containers, instance.name, c);
	return c;
}

int
docker_container_wait(struct docker_container *c, uint64_t token, bool is_stop)
{
	struct docker_waiter *w = malloc(sizeof(*w));

	if (w == NULL)
		return -TG_ENOMEM;
	w->token = token;
	w->is_stop = is_stop;
	STAILQ_INSERT_TAIL(&c->waiters, w, link);
	return 0;
}

void
docker_container_free(struct docker_container *c)
{
	struct docker_waiter *w;

	HASH_DEL(c->all->containers, c);
	call_cancel(c->call);
	if (c->stats != NULL)
		c->place->n_stats--;
	call_cancel(c->stats);
	timer_fini(&c->kill);
	while ((w = STAILQ_FIRST(&c->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->waiters, link);
		free(w);
	}
	free(c);
}

/* It is not in the table any more; whoever waits for it is answered before. */
static void
drop(struct docker_container *c)
{
	struct place *place = c->is_adopting ? c->place : NULL;

	docker_container_free(c);
	if (place != NULL)
		docker_adopted(place);
}

/* It is known now, to whoever waits for what its place has. */
void
docker_container_adopted(struct docker_container *c)
{
	if (c->is_adopting)
		docker_adopted(c->place);
	c->is_adopting = false;
}

/*** Requests ***/

static bool
is_change(enum docker_verb verb)
{
	return verb == DOCKER_CREATE || verb == DOCKER_START || verb == DOCKER_STOP ||
	       verb == DOCKER_REMOVE;
}

/* False: its place cannot take it, or who leads by now is another; the container may be gone. */
bool
docker_container_request(struct docker_container *c, enum docker_step step, struct docker_order *order,
	void (*ended)(void *user, const struct call_end *end))
{
	int rc;

	order->timeout_ms = c->all->provider->conf->timeout_ms;
	order->ended = ended;
	order->user = c;
	c->step = step;
	if (is_change(order->verb) && !provider_may_act(c->all->provider)) {
		docker_container_lose(c, "it is not for this tidegate to say any more");
		return false;
	}
	rc = docker_node_call(c->place->user.node, order, &c->call);
	if (rc == 0)
		return true;
	docker_container_lose(c, rc == -TG_EAGAIN  ? "its node is down"
				 : rc == -TG_ELIMIT ? "too many requests wait for its node"
						     : "no memory");
	return false;
}

void
docker_container_ask(struct docker_container *c, enum docker_step step, enum docker_verb verb,
	   void (*ended)(void *user, const struct call_end *end))
{
	struct docker_order order = {.verb = verb, .what = c->id};

	if (verb == DOCKER_STOP)
		order.grace_ms = c->grace_ms;
	(void)docker_container_request(c, step, &order, ended);
}

/*** Its end ***/

/* It never ran, or is to be taken for that; what there may be of it is removed. */
void
docker_container_fail(struct docker_container *c, int rc, const char *why)
{
	tell_end(c, rc, why);
	if (c->id[0] != '\0') {
		docker_container_remove(c);
		return;
	}
	docker_container_answer(c, true, 0, "");
	drop(c);
}

void
docker_container_gone(struct docker_container *c, const char *why)
{
	tell_end(c, -TG_EIO, why);
	docker_container_answer(c, true, 0, "");
	drop(c);
}

void
docker_container_lose(struct docker_container *c, const char *why)
{
	bool was_running = c->step >= STEP_LOOKING && c->step <= STEP_SETTLED && c->is_told &&
			   !docker_container_is_awaited(c, false);
	bool was_stopping = c->step >= STEP_STOPPING && !c->is_over;

	call_cancel(c->call);
	c->call = NULL;
	timer_clear(&c->kill);
	if (was_running || was_stopping) {
		c->step = STEP_SETTLED;
		docker_container_answer(c, true, -TG_EIO, why);
		docker_container_adopted(c);
		return;
	}
	if (c->is_told || docker_container_is_awaited(c, false))
		tell_end(c, -TG_EIO, why);
	docker_container_answer(c, true, c->is_over ? 0 : -TG_EIO, c->is_over ? "" : why);
	drop(c);
}

static void
on_removed(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	bool is_done = end->rc == 0 && (end->status / 100 == 2 || end->status == 404 ||
					end->status == 409);
	char why[TG_INSTANCE_WHY];

	c->call = NULL;
	if (is_done) {
		tell_end(c, -TG_EAGAIN, "stopped");
		docker_container_answer(c, true, 0, "");
		drop(c);
		return;
	}
	docker_verb_describe(DOCKER_REMOVE, end, why, sizeof(why));
	log_write(TG_LOG_WARN, "container not removed", "svc=%s srv=%s node=%s container=%.12s reason=%s",
		  c->all->provider->service->name, c->instance.name, c->instance.node, c->id, why);
	docker_container_answer(c, true, -TG_EIO, why);
	if (c->is_over)
		drop(c);
	else
		c->step = STEP_SETTLED; /* it stays one that stops: until it is asked again */
}

void
docker_container_remove(struct docker_container *c)
{
	timer_clear(&c->kill);
	docker_container_ask(c, STEP_REMOVING, DOCKER_REMOVE, on_removed);
}

/* What the exit status of a container is of a signal. */
static void
describe_exit(const struct docker_container *c, const struct docker_inspected *i, char *ret,
	      size_t size)
{
	int64_t code = i != NULL ? i->exit_code : c->exit_code;
	const char *signal = code > 128 && code < 128 + NSIG ? sigabbrev_np((int)code - 128) : NULL;

	if (i != NULL && i->is_out_of_memory)
		snprintf(ret, size, "out of memory");
	else if (i != NULL && i->error[0] != '\0')
		snprintf(ret, size, "%s", i->error);
	else if (signal != NULL)
		snprintf(ret, size, "exit status %" PRId64 " (SIG%s)", code, signal);
	else if (code >= 0)
		snprintf(ret, size, "exit status %" PRId64, code);
	else
		snprintf(ret, size, "ended");
}

static void
on_log(void *user, const struct call_end *end)
{
	static const char said[] = "; it said: ";
	struct docker_container *c = user;
	char *why = c->instance.why;
	size_t before = strlen(why);

	c->call = NULL;
	if (end->rc == 0 && end->status == 200 && end->n > 0) {
		snprintf(why + before, sizeof(c->instance.why) - before, "%s", said);
		docker_quote_log(why, sizeof(c->instance.why), end->body, end->n);
		if (strlen(why) == before + sizeof(said) - 1)
			why[before] = '\0';
	}
	docker_container_fail(c, -TG_EIO, why);
}

void
docker_container_explain(struct docker_container *c, const struct docker_inspected *i)
{
	describe_exit(c, i, c->instance.why, sizeof(c->instance.why));
	docker_container_ask(c, STEP_READING, DOCKER_LOGS, on_log);
}

static void
on_asked(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	struct docker_inspected i;
	bool is_known;

	c->call = NULL;
	is_known = end->rc == 0 && end->status == 200 &&
		   docker_parse_inspect(end->body, end->n, &i, NULL) == 0;
	if (is_known && i.state == DOCKER_RUNNING) {
		docker_container_take(c, &i); /* somebody has started it again */
		return;
	}
	if (end->rc == 0 && end->status == 404) {
		describe_exit(c, NULL, c->instance.why, sizeof(c->instance.why));
		docker_container_gone(c, c->instance.why);
		return;
	}
	docker_container_explain(c, is_known ? &i : NULL);
}

void
docker_container_died(struct docker_container *c)
{
	c->has_died = true;
	if (c->step != STEP_SETTLED)
		return;
	c->has_died = false;
	docker_container_ask(c, STEP_ASKING, DOCKER_INSPECT, on_asked);
}

/*** Stopping ***/

static void
on_stopped(void *user, const struct call_end *end)
{
	struct docker_container *c = user;
	char why[TG_INSTANCE_WHY];

	c->call = NULL;
	if (end->rc < 0 || (end->status / 100 != 2 && end->status != 304 && end->status != 404)) {
		docker_verb_describe(DOCKER_STOP, end, why, sizeof(why));
		log_write(TG_LOG_WARN, "container not stopped, killing it",
			  "svc=%s srv=%s node=%s container=%.12s reason=%s",
			  c->all->provider->service->name, c->instance.name, c->instance.node,
			  c->id, why);
	}
	docker_container_remove(c);
}

/* Its grace is over, and the daemon has not said that it is gone: ended by force. */
static void
on_kill(struct timer *t)
{
	struct docker_container *c = TG_CONTAINER(t, struct docker_container, kill);

	if (c->step != STEP_STOPPING)
		return;
	call_cancel(c->call);
	c->call = NULL;
	docker_container_remove(c);
}

static void
set_kill(struct docker_container *c, uint64_t grace_ms)
{
	struct loop *loop = c->all->provider->loop;
	struct mono due = mono_add_ms(loop_now(loop), grace_ms + KILL_MARGIN_MS);

	if (!mono_is_set(c->kill.deadline) || due.us < c->kill.deadline.us)
		timer_set(loop, &c->kill, due);
}

void
docker_container_end(struct docker_container *c)
{
	c->is_stop_due = false;
	c->instance.state = TG_INSTANCE_STOPPING;
	if (c->grace_ms == 0) {
		docker_container_remove(c);
		return;
	}
	set_kill(c, c->grace_ms);
	docker_container_ask(c, STEP_STOPPING, DOCKER_STOP, on_stopped);
}

void
docker_container_stop(struct docker_container *c, uint64_t grace_ms)
{
	if (!c->is_unwanted || grace_ms < c->grace_ms)
		c->grace_ms = grace_ms;
	c->is_unwanted = true;
	switch (c->step) {
	case STEP_SETTLED:
		c->is_stop_due = true;
		provider_soon(c->all->provider);
		break;
	case STEP_WAITING:
	case STEP_PULLING:
		provider_soon(c->all->provider);
		break;
	case STEP_STOPPING:
		if (grace_ms == 0)
			timer_set(c->all->provider->loop, &c->kill,
				  loop_now(c->all->provider->loop));
		else
			set_kill(c, grace_ms);
		break;
	case STEP_CREATING:
	case STEP_CLAIMING:
	case STEP_CLEARING:
	case STEP_STARTING:
	case STEP_LOOKING:
	case STEP_ASKING:
	case STEP_READING:
	case STEP_REMOVING:
	case DOCKER_STEP_COUNT:
		break; /* when that is answered */
	}
}
