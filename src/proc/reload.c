#include "proc/reload.h"

#include <assert.h>
#include <stdio.h>

#include "base/container.h"

static bool
may_follow(enum reload_state from, enum reload_state to)
{
	switch (from) {
	case RELOAD_IDLE:
		return to == RELOAD_PREPARING;
	case RELOAD_PREPARING:
		return to == RELOAD_ABORTING || to == RELOAD_COMMITTING_PROXY;
	case RELOAD_COMMITTING_PROXY:
		return to == RELOAD_COMMITTING_KEEPER;
	case RELOAD_ABORTING:
	case RELOAD_COMMITTING_KEEPER:
		return to == RELOAD_IDLE;
	case RELOAD_STATE_COUNT:
		break;
	}
	return false;
}

/* Each state has its time but the first. */
static void
set_state(struct reload *r, enum reload_state state)
{
	assert(may_follow(r->state, state));
	r->state = state;
	timer_clear(&r->timer);
	if (state != RELOAD_IDLE)
		timer_set(r->loop, &r->timer, mono_add_ms(loop_now_update(r->loop), r->timeout_ms));
}

bool
reload_is_running(const struct reload *r)
{
	return r->state != RELOAD_IDLE;
}

static bool
is_owed(const struct reload *r)
{
	return r->children[CHILD_PROXY].owes_prepared || r->children[CHILD_KEEPER].owes_prepared;
}

static void
become_idle(struct reload *r)
{
	set_state(r, RELOAD_IDLE);
	r->on_idle(r);
}

static void
finish_abort(struct reload *r)
{
	if (!is_owed(r))
		become_idle(r);
}

/* `gone`: whom there is nothing to tell; CHILD_ROLE_COUNT: nobody. */
static void
abort_all(struct reload *r, enum child_role gone, const char *why)
{
	int i;

	set_state(r, RELOAD_ABORTING);
	for (i = 0; i < CHILD_ROLE_COUNT; i++)
		if (i != (int)gone && r->children[i].is_asked &&
		    !r->tell(r, (enum child_role)i, MSG_ABORT))
			r->children[i].owes_prepared = false;
	r->on_failed(r, why);
	finish_abort(r);
}

void
reload_start(struct reload *r)
{
	char why[64];
	int i;

	set_state(r, RELOAD_PREPARING);
	for (i = 0; i < CHILD_ROLE_COUNT; i++)
		r->children[i] = (struct reload_child){.owes_prepared = false};
	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		r->children[i].is_asked = r->prepare(r, (enum child_role)i);
		r->children[i].owes_prepared = r->children[i].is_asked;
		if (r->children[i].is_asked)
			continue;
		snprintf(why, sizeof(why), "the %s does not take messages",
			 child_role_str((enum child_role)i));
		abort_all(r, (enum child_role)i, why);
		return;
	}
}

static void
commit(struct reload *r, enum child_role role)
{
	r->children[role].owes_committed = r->tell(r, role, MSG_COMMIT);
}

static void
decide(struct reload *r)
{
	set_state(r, RELOAD_COMMITTING_PROXY);
	r->on_decided(r);
	commit(r, CHILD_PROXY);
}

static void
finish(struct reload *r)
{
	r->on_done(r);
	become_idle(r);
}

static void
commit_keeper(struct reload *r)
{
	r->on_proxy_over(r);
	set_state(r, RELOAD_COMMITTING_KEEPER);
	if (r->children[CHILD_KEEPER].is_new)
		finish(r);
	else
		commit(r, CHILD_KEEPER);
}

bool
reload_on_prepared(struct reload *r, enum child_role role, const struct msg_prepared *m)
{
	char why[sizeof(m->reason) + 32];

	if (!r->children[role].owes_prepared)
		return false;
	r->children[role].owes_prepared = false;
	if (r->state == RELOAD_ABORTING) {
		finish_abort(r);
	} else if (!m->is_ready) {
		snprintf(why, sizeof(why), "the %s refuses: %s", child_role_str(role), m->reason);
		abort_all(r, CHILD_ROLE_COUNT, why);
	} else if (!is_owed(r)) {
		decide(r);
	}
	return true;
}

bool
reload_on_committed(struct reload *r, enum child_role role)
{
	if (!r->children[role].owes_committed)
		return false;
	r->children[role].owes_committed = false;
	if (r->state == RELOAD_COMMITTING_PROXY && role == CHILD_PROXY)
		commit_keeper(r);
	else if (r->state == RELOAD_COMMITTING_KEEPER && role == CHILD_KEEPER)
		finish(r);
	return true;
}

void
reload_on_death(struct reload *r, enum child_role role)
{
	char why[64];

	r->children[role] = (struct reload_child){.is_new = true};
	switch (r->state) {
	case RELOAD_PREPARING:
		snprintf(why, sizeof(why), "the %s has died", child_role_str(role));
		abort_all(r, role, why);
		break;
	case RELOAD_ABORTING:
		finish_abort(r);
		break;
	case RELOAD_COMMITTING_PROXY:
		if (role == CHILD_PROXY)
			commit_keeper(r);
		break;
	case RELOAD_COMMITTING_KEEPER:
		if (role == CHILD_KEEPER)
			finish(r);
		break;
	case RELOAD_IDLE:
	case RELOAD_STATE_COUNT:
		break;
	}
}

static void
on_late_answer(struct reload *r)
{
	enum child_role role = r->children[CHILD_PROXY].owes_prepared ? CHILD_PROXY : CHILD_KEEPER;
	char why[64];

	snprintf(why, sizeof(why), "the %s does not answer in time", child_role_str(role));
	abort_all(r, CHILD_ROLE_COUNT, why);
}

static void
on_timer(struct timer *t)
{
	struct reload *r = TG_CONTAINER(t, struct reload, timer);

	switch (r->state) {
	case RELOAD_PREPARING:
		on_late_answer(r);
		break;
	case RELOAD_ABORTING:
		r->children[CHILD_PROXY].owes_prepared = false;
		r->children[CHILD_KEEPER].owes_prepared = false;
		finish_abort(r);
		break;
	case RELOAD_COMMITTING_PROXY:
		r->on_stuck(r, CHILD_PROXY); /* its death goes on from here */
		break;
	case RELOAD_COMMITTING_KEEPER:
		r->on_stuck(r, CHILD_KEEPER);
		break;
	case RELOAD_IDLE:
	case RELOAD_STATE_COUNT:
		break;
	}
}

void
reload_cut(struct reload *r, const char *why)
{
	if (r->state == RELOAD_PREPARING)
		abort_all(r, CHILD_ROLE_COUNT, why);
	if (r->state == RELOAD_COMMITTING_PROXY)
		commit_keeper(r);
	if (r->state == RELOAD_COMMITTING_KEEPER)
		finish(r);
}

void
reload_init(struct reload *r)
{
	r->state = RELOAD_IDLE;
	timer_init(&r->timer, on_timer);
}

void
reload_fini(struct reload *r)
{
	if (r->loop != NULL)
		timer_fini(&r->timer);
}
