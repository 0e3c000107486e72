#include "acme/acme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/acme_priv.h"
#include "acme/folder.h"
#include "base/backoff.h"
#include "base/container.h"
#include "base/log.h"
#include "tls/mac.h"

#define LOOK_MS     50u    /* between two looks at a folder */
#define LOAD_MS     2000u  /* between two orders to load what was made */
#define SETTLE_MS   10000u /* the same certificate as before is taken for what was made then */
#define LOAD_MAX_MS 60000u /* what is not in use by then was not made */
#define REST_MAX_MS (24u * 3600u * 1000u)
#define DYING_MAX   16u /* programs that were killed and are not gone yet */

const char *
acme_state_str(enum acme_state state)
{
	static const char *const words[ACME_STATE_COUNT] = {
		[ACME_IDLE] = "idle",       [ACME_TURN] = "turn",       [ACME_RUNNING] = "running",
		[ACME_LOADING] = "loading", [ACME_RESTING] = "resting",
	};

	return words[state];
}

static void
set_state(struct acme_order *o, enum acme_state state, const char *why)
{
	o->state = state;
	o->began = loop_now(o->all->loop);
	snprintf(o->why, sizeof(o->why), "%s", why);
}

static bool
has_passed(const struct acme_order *o, struct mono since, uint64_t ms)
{
	return mono_diff_us(loop_now(o->all->loop), since) >= ms * 1000;
}

/*** What authorities are answered ***/

static bool
is_awaited(const struct acme *a)
{
	if (a->is_awaited_elsewhere)
		return true;
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i]->state == ACME_RUNNING)
			return true;
	}
	return false;
}

static void
note_changes(struct acme *a, bool is_changed)
{
	if (!is_changed && a->was_awaited == is_awaited(a))
		return;
	a->was_awaited = is_awaited(a);
	a->ops->changed(a->user);
}

void
acme_challenge(const struct acme *a, struct msg_challenge *m)
{
	m->n = (uint32_t)a->board.n;
	m->is_awaited = is_awaited(a);
	if (m->at < a->board.n)
		m->one = a->board.list[m->at].one;
}

void
acme_hear(struct acme *a, const struct challenge *list, size_t n, bool is_awaited)
{
	a->is_awaited_elsewhere = is_awaited;
	note_changes(a, board_replace(&a->board, TG_BOARD_OTHERS, list, n));
}

size_t
acme_tell(const struct acme *a, struct challenge *ret, size_t max)
{
	return board_own(&a->board, ret, max);
}

int
acme_set_challenge(struct acme *a, const char *token, const char *answer, struct err *err)
{
	struct challenge one;

	if (!challenge_read(token, strlen(token), answer, strlen(answer), &one))
		return err_set(err, TG_EINVAL,
			       "not a token and its key authorization; allowed: %u to %u letters, "
			       "digits, \"-\" and \"_\", and the same with \".\" and a thumbprint "
			       "of %u such characters (RFC 8555 8.1)",
			       TG_CHALLENGE_TOKEN_MIN, TG_CHALLENGE_TOKEN_MAX,
			       TG_CHALLENGE_THUMBPRINT);
	if (board_set(&a->board, &one, loop_now(a->loop)) < 0)
		return err_set(err, TG_ELIMIT, "there are %u challenges", TG_CHALLENGES_MAX);
	note_changes(a, true);
	return 0;
}

int
acme_del_challenge(struct acme *a, const char *token, struct err *err)
{
	if (board_unset(&a->board, token) < 0)
		return err_set(err, TG_ENOENT, "no such token was set");
	note_changes(a, true);
	return 0;
}

/* Told once while it is so: what fails next fails for it. */
static void
note_folder(struct acme_order *o, int error)
{
	bool is_new = error != 0 && error != o->folder_error;

	o->folder_error = error;
	if (!is_new)
		return;
	snprintf(o->error, sizeof(o->error), "challenges cannot be read: %s", strerror(error));
	o->error_at = wall_read();
	log_write(TG_LOG_WARN, "challenges of acme cannot be read", "acme=%s path=%s reason=%s",
		  o->conf->name, o->conf->challenges, strerror(error));
}

static bool
read_folder(struct acme_order *o)
{
	struct challenge *list;
	bool is_changed;
	int error;

	if (o->conf->challenges == NULL)
		return false;
	list = calloc(TG_CHALLENGES_MAX, sizeof(list[0]));
	if (list == NULL)
		return false;
	is_changed =
		board_replace(&o->all->board, TG_BOARD_FOLDER + o->index, list,
			      folder_read(o->conf->challenges, list, TG_CHALLENGES_MAX, &error));
	free(list);
	note_folder(o, error);
	return is_changed;
}

static void
on_look(struct timer *t)
{
	struct acme *a = TG_CONTAINER(t, struct acme, look);
	bool is_changed = false;
	bool is_any = false;

	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i]->state != ACME_RUNNING)
			continue;
		is_any = true;
		is_changed |= read_folder(a->list[i]);
	}
	note_changes(a, is_changed);
	if (is_any)
		timer_set(a->loop, t, mono_add_ms(loop_now(a->loop), LOOK_MS));
}

/*** One of them ***/

static uint64_t
pause_of(const struct acme_order *o)
{
	const struct backoff pauses = {.first_ms = (uint32_t)o->conf->retry_ms,
				       .max_ms = REST_MAX_MS,
				       .jitter_percent = 25};
	uint64_t random = 0;

	if (mac_random(&random, sizeof(random)) < 0)
		random = loop_now(o->all->loop).us;
	return backoff_ms(&pauses, o->failures - 1, random);
}

static void
rest(struct acme_order *o, uint64_t ms, const char *why)
{
	set_state(o, ACME_RESTING, why);
	o->next = mono_add_ms(loop_now(o->all->loop), ms);
}

static void
forget_folder(struct acme_order *o)
{
	note_changes(o->all, board_replace(&o->all->board, TG_BOARD_FOLDER + o->index, NULL, 0));
}

static void
fail(struct acme_order *o, const char *why)
{
	uint64_t ms;

	o->failed++;
	o->failures++;
	o->is_ordered = false;
	ms = pause_of(o);
	snprintf(o->error, sizeof(o->error), "%s%s%s%s",
		 o->folder_error != 0 ? "challenges cannot be read: " : "",
		 o->folder_error != 0 ? strerror(o->folder_error) : "",
		 o->folder_error != 0 ? "; " : "", why);
	o->error_at = wall_read();
	rest(o, ms, "");
	forget_folder(o);
	log_write(TG_LOG_WARN, "no new certificate by acme",
		  "acme=%s failures=%u again_s=%llu reason=%s", o->conf->name, o->failures,
		  (unsigned long long)(ms / 1000), o->error);
	o->all->ops->ended(o->all->user, o->conf, ms);
	o->all->ops->told(o->all->user, o->conf, false, o->error);
}

static void
succeed(struct acme_order *o)
{
	char why[64];

	snprintf(
		why, sizeof(why), "made within %llu s",
		(unsigned long long)(mono_diff_us(loop_now(o->all->loop), o->run_began) / 1000000));
	o->done++;
	o->failures = 0;
	o->error[0] = '\0';
	o->done_at = wall_read();
	set_state(o, ACME_IDLE, "");
	log_write(TG_LOG_INFO, "a new certificate by acme", "acme=%s", o->conf->name);
	o->all->ops->ended(o->all->user, o->conf, 0);
	o->all->ops->told(o->all->user, o->conf, true, why);
}

static bool
is_due(const struct acme_order *o, const char **ret_why)
{
	return acme_due(o->conf, &o->facts, ret_why).us <= wall_read().us;
}

static void
start(struct acme_order *o)
{
	char why[TG_ACME_WHY];

	o->is_ordered = false;
	o->mark_before = o->facts.mark;
	o->run_began = loop_now_update(o->all->loop);
	o->folder_error = 0;
	set_state(o, ACME_RUNNING, "");
	log_write(TG_LOG_INFO, "getting a certificate by acme", "acme=%s", o->conf->name);
	if (order_start(o, why) < 0) {
		fail(o, why);
		return;
	}
	note_changes(o->all, read_folder(o));
	timer_set(o->all->loop, &o->all->look, mono_add_ms(loop_now(o->all->loop), LOOK_MS));
}

static void
load(struct acme_order *o)
{
	o->loaded = loop_now(o->all->loop);
	o->all->ops->load(o->all->user);
}

void
order_ended(struct acme_order *o, const char *why)
{
	if (why[0] != '\0') {
		fail(o, why);
		return;
	}
	set_state(o, ACME_LOADING, "");
	forget_folder(o);
	load(o);
}

static void
step_idle(struct acme_order *o)
{
	const char *why;
	bool is_wanted = is_due(o, &why);

	if (o->is_ordered)
		why = "ordered";
	if (is_wanted || o->is_ordered)
		set_state(o, ACME_TURN, why);
}

static void
step_turn(struct acme_order *o)
{
	struct acme *a = o->all;
	char why[TG_ACME_WHY] = "";
	uint64_t wait_ms = 0;
	const char *ignored;

	if (!o->is_ordered && !is_due(o, &ignored)) {
		a->ops->leave(a->user, o->conf);
		set_state(o, ACME_IDLE, "");
		return;
	}
	if (a->is_holding ||
	    (mono_is_set(a->not_before) && loop_now(a->loop).us < a->not_before.us))
		return;
	switch (a->ops->turn(a->user, o->conf, o->is_ordered, &wait_ms, why)) {
	case ACME_TURN_OURS:
		start(o);
		return;
	case ACME_TURN_NOT_NOW:
		break;
	case ACME_TURN_DONE:
		if (has_passed(o, o->loaded, LOAD_MS))
			load(o);
		break;
	case ACME_TURN_FAILED:
		rest(o, wait_ms, why);
		return;
	}
	snprintf(o->why, sizeof(o->why), "%s", why);
}

static void
step_running(struct acme_order *o)
{
	char why[TG_ACME_WHY];

	if (!o->all->ops->keeps(o->all->user, o->conf))
		snprintf(why, sizeof(why), "killed: others do not hear any more that it runs");
	else if (has_passed(o, o->began, o->conf->timeout_ms))
		snprintf(why, sizeof(why), "killed: it took more than %llu s",
			 (unsigned long long)(o->conf->timeout_ms / 1000));
	else
		return;
	process_kill(&o->process);
	fail(o, why);
}

static void
step_loading(struct acme_order *o)
{
	char text[TG_ACME_WHY];
	const char *why;
	bool is_wanted = is_due(o, &why);

	if (!is_wanted && (o->facts.mark != o->mark_before || has_passed(o, o->began, SETTLE_MS))) {
		succeed(o);
	} else if (has_passed(o, o->began, LOAD_MAX_MS)) {
		snprintf(text, sizeof(text), "it ended with status 0, and still %s", why);
		fail(o, text);
	} else if (has_passed(o, o->loaded, LOAD_MS)) {
		load(o);
	}
}

static void
step(struct acme_order *o)
{
	switch (o->state) {
	case ACME_IDLE:
		step_idle(o);
		if (o->state == ACME_TURN)
			step_turn(o);
		break;
	case ACME_TURN:
		step_turn(o);
		break;
	case ACME_RUNNING:
		step_running(o);
		break;
	case ACME_LOADING:
		step_loading(o);
		break;
	case ACME_RESTING:
		if (o->is_ordered || loop_now(o->all->loop).us >= o->next.us)
			set_state(o, ACME_IDLE, "");
		break;
	case ACME_STATE_COUNT:
		break;
	}
}

static void
order_free(struct acme_order *o)
{
	if (o == NULL)
		return;
	process_kill(&o->process);
	conf_unref(o->owner);
	free(o);
}

/* NULL: no memory. */
static struct acme_order *
order_new(struct acme *a, struct conf *owner, const struct conf_acme *conf)
{
	struct acme_order *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->all = a;
	o->owner = conf_ref(owner);
	o->conf = conf;
	return o;
}

static struct acme_order *
find(const struct acme *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->list[i]->conf->name, name) == 0)
			return a->list[i];
	}
	return NULL;
}

/*** All of them ***/

void
acme_tick(struct acme *a)
{
	if (a == NULL)
		return;
	note_changes(a, board_expire(&a->board, loop_now(a->loop)));
	for (size_t i = 0; i < a->n; i++)
		step(a->list[i]);
}

static void
look_at_all(struct acme *a)
{
	for (size_t i = 0; i < a->n; i++) {
		a->list[i]->index = (unsigned)i;
		a->ops->look(a->user, a->list[i]->conf, &a->list[i]->facts);
	}
}

/* That of before goes on where it is as it was. */
static struct acme_order *
take(struct acme *a, struct conf *conf, const struct conf_acme *one)
{
	struct acme_order *o = find(a, one->name);

	if (o == NULL || !conf_acme_equal(o->conf, one))
		return order_new(a, conf, one);
	conf_unref(o->owner);
	o->owner = conf_ref(conf);
	o->conf = one;
	return o;
}

static bool
has(struct acme_order *const *list, size_t n, const struct acme_order *o)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == o)
			return true;
	}
	return false;
}

void
acme_reloaded(struct acme *a, struct conf *conf)
{
	struct acme_order *next[TG_ACME_MAX];
	size_t n = 0;

	for (size_t i = 0; i < conf->n_acme; i++) {
		next[n] = take(a, conf, &conf->acme[i]);
		if (next[n] != NULL)
			n++;
		else
			log_write(TG_LOG_ERROR, "no memory for a certificate by acme", "acme=%s",
				  conf->acme[i].name);
	}
	for (size_t i = 0; i < a->n; i++) {
		struct acme_order *o = a->list[i];

		/* Folders are known by the place of their order, which may be another's. */
		(void)board_replace(&a->board, TG_BOARD_FOLDER + o->index, NULL, 0);
		if (has(next, n, o))
			continue;
		a->ops->forget(a->user, o->conf);
		order_free(o);
	}
	memcpy((void *)a->list, (const void *)next, n * sizeof(next[0]));
	a->n = n;
	look_at_all(a);
	note_changes(a, true);
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i]->state == ACME_LOADING)
			step(a->list[i]);
	}
}

int
acme_new(struct loop *loop, struct conf *conf, const struct acme_ops *ops, void *user,
	 struct acme **ret)
{
	struct acme *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return -TG_ENOMEM;
	a->loop = loop;
	a->ops = ops;
	a->user = user;
	timer_init(&a->look, on_look);
	a->programs = process_pool_new(loop, TG_ACME_MAX + DYING_MAX);
	if (a->programs == NULL) {
		acme_free(a);
		return -TG_ENOMEM;
	}
	acme_reloaded(a, conf);
	*ret = a;
	return 0;
}

void
acme_stop(struct acme *a)
{
	if (a == NULL)
		return;
	a->is_holding = true;
	for (size_t i = 0; i < a->n; i++) {
		struct acme_order *o = a->list[i];

		if (o->state == ACME_RUNNING)
			log_write(TG_LOG_WARN, "a run of acme is ended, as tidegate is", "acme=%s",
				  o->conf->name);
		process_kill(&o->process);
		a->ops->leave(a->user, o->conf);
		set_state(o, ACME_IDLE, "");
	}
	note_changes(a, false);
}

void
acme_free(struct acme *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n; i++)
		order_free(a->list[i]);
	timer_fini(&a->look);
	process_pool_free(a->programs);
	free(a);
}

void
acme_hold(struct acme *a, bool is_on)
{
	if (a != NULL)
		a->is_holding = is_on;
}

void
acme_rest(struct acme *a, uint64_t ms)
{
	a->not_before = mono_add_ms(loop_now(a->loop), ms);
}

bool
acme_is_running(const struct acme *a)
{
	for (size_t i = 0; a != NULL && i < a->n; i++) {
		if (a->list[i]->state == ACME_RUNNING)
			return true;
	}
	return false;
}

int
acme_run(struct acme *a, const char *name, struct err *err)
{
	struct acme_order *o = find(a, name);

	if (o == NULL)
		return err_set(err, TG_ENOENT, "no acme has this name; `show acme` lists them");
	if (o->state == ACME_RUNNING || o->state == ACME_LOADING)
		return err_set(err, TG_EINVAL, "it is under way");
	o->is_ordered = true;
	step(o);
	return 0;
}

size_t
acme_count(const struct acme *a)
{
	return a != NULL ? a->n : 0;
}

/* Of the monotonic clock. */
static struct wall
wall_of(const struct acme *a, struct mono t)
{
	uint64_t now_us = loop_now(a->loop).us;
	uint64_t wall_us = wall_read().us;

	return (struct wall){t.us > now_us ? wall_us + (t.us - now_us) : wall_us};
}

void
acme_status(const struct acme *a, size_t i, struct acme_status *ret)
{
	const struct acme_order *o = a->list[i];
	const char *ignored;

	*ret = (struct acme_status){
		.name = o->conf->name,
		.state = o->state,
		.why = o->why,
		.facts = o->facts,
		.done = o->done,
		.failed = o->failed,
		.done_at = o->done_at,
		.error = o->error,
		.error_at = o->error_at,
	};
	if (o->state == ACME_RESTING)
		ret->next = wall_of(a, o->next);
	else if (o->state == ACME_IDLE)
		ret->next = acme_due(o->conf, &o->facts, &ignored);
}
