#include "backend/lease.h"

#include "backend/spare.h"

/* A backend was freed, or the view is another one: who waits may have it. */
struct search {
	struct worker_service *service;
	uint32_t hint; /* slot of the backend to try first, or TG_LEASE_ANY */
};

/* This very backend, if it may serve, was not tried and has room: its entry, or TG_VIEW_NONE. */
static uint32_t
take_one(struct worker_service *s, const struct balance_query *query, uint32_t slot)
{
	const struct worker_backend *b = slot != TG_LEASE_ANY ? s->worker->backends[slot] : NULL;
	uint32_t entry;

	if (b == NULL || b->service != s || balance_is_tried(query, b->index))
		return TG_VIEW_NONE;
	entry = s->view->entry_of[b->index];
	if (entry == TG_VIEW_NONE || !s->ops->take(s->balance, s->view, entry))
		return TG_VIEW_NONE;
	return entry;
}

/* Some that serve are not left out; they may be full. */
static bool
has_untried(const struct view *view, const struct balance_query *query)
{
	uint32_t i;

	for (i = 0; i < view->n && i <= balance_left_out_most(query); i++) {
		if (!balance_is_left_out(query, view->entries[i].backend))
			return true;
	}
	return false;
}

/* Of those that serve; of the backups beside them, when all those are left out. */
static uint32_t
pick_of_tiers(struct worker_service *s, struct balance_query *query)
{
	uint32_t entry = query->wants_spare ? spare_pick(s, query) : TG_VIEW_NONE;

	if (entry == TG_VIEW_NONE)
		entry = s->ops->pick(s->balance, s->view, query);
	if (entry != TG_VIEW_NONE || query->n_tried == 0 || has_untried(s->view, query))
		return entry;
	return spare_pick(s, query);
}

/* A retry goes by suspects; rather to one of them than to none. */
static uint32_t
pick(struct worker_service *s, struct balance_query *query)
{
	const struct suspects *suspects = s->shared->suspects;
	uint32_t entry = TG_VIEW_NONE;

	if (query->n_tried > 0 && suspects_most(suspects) > 0) {
		query->suspects = suspects;
		entry = pick_of_tiers(s, query);
		query->suspects = NULL;
	}
	return entry != TG_VIEW_NONE ? entry : pick_of_tiers(s, query);
}

/*
 * A backend that was tried already is better than none, but not better than one
 * that is full: a backend that fails all it gets always has room.
 */
static bool
find_place(void *arg, const struct balance_query *query, struct queue_news *ret)
{
	const struct search *search = arg;
	struct worker_service *s = search->service;
	struct balance_query any = *query;
	uint32_t entry = take_one(s, query, search->hint);

	any.now = loop_now(s->worker->loop);
	if (entry == TG_VIEW_NONE)
		entry = pick(s, &any);
	if (entry == TG_VIEW_NONE && !lease_is_possible(s, query)) {
		any.n_tried = 0;
		entry = s->ops->pick(s->balance, s->view, &any);
	}
	if (entry == TG_VIEW_NONE) {
		any.n_tried = 0;
		ret->has_none = !has_untried(s->view, query) && !spare_has_room(s->view, &any);
		return false;
	}
	ret->backend = s->backends[s->view->entries[entry].backend]->slot;
	ret->addr = s->view->addrs[entry];
	return true;
}

static void
serve_waiters(struct worker_service *s, uint32_t hint)
{
	struct search search = {.service = s, .hint = hint};

	if (s->queue != NULL && queue_has_waiters(s->queue) && s->view->n > 0)
		queue_grant(s->queue, loop_now(s->worker->loop), find_place, &search);
}

void
lease_serve_waiters(struct worker_service *s)
{
	serve_waiters(s, TG_LEASE_ANY);
}

/* The place is taken. */
static void
hold(struct lease *lease, struct worker_backend *backend, const struct addr *addr,
     enum access_choice choice)
{
	worker_backend_use(backend);
	lease->backend = backend;
	lease->addr = *addr;
	lease->choice = choice;
	counter_add(&backend->counters, TG_B_STREAMS, 1);
}

bool
lease_is_possible(const struct worker_service *s, const struct balance_query *query)
{
	return !s->is_gone && (has_untried(s->view, query) || spare_is_left(s->view, query));
}

static enum access_choice
choice_of(const struct worker_service *s, const struct balance_query *query, uint32_t entry)
{
	if (entry >= s->view->n)
		return TG_CHOICE_BACKUP;
	return query->spilled ? TG_CHOICE_SPILL : TG_CHOICE_BALANCE;
}

/* Others wait for those that serve, not for the backups beside them. */
static bool
must_stand_in_line(const struct view *view, const struct balance_query *query)
{
	return has_untried(view, query) && !(query->wants_spare && spare_has_room(view, query));
}

int
lease_begin(struct lease *lease, struct worker_service *s, struct balance_query *query,
	    uint32_t preferred)
{
	enum access_choice choice = TG_CHOICE_STICKY;
	const struct view_entry *e;
	uint32_t entry;

	if (!lease_is_possible(s, query))
		return -TG_ENOENT;
	if (s->queue != NULL && queue_has_line(s->queue) && must_stand_in_line(s->view, query))
		return -TG_EAGAIN;
	query->now = loop_now(s->worker->loop);
	query->spilled = false;
	entry = take_one(s, query, preferred);
	if (entry == TG_VIEW_NONE) {
		entry = pick(s, query);
		choice = choice_of(s, query, entry);
	}
	if (entry == TG_VIEW_NONE)
		return -TG_EAGAIN;
	e = &s->view->entries[entry];
	hold(lease, s->backends[e->backend], &s->view->addrs[entry], choice);
	/* Taking the last place hides one that is given back meanwhile, for a moment (room.c): whoever came
	 * then saw none, and waits. */
	serve_waiters(s, lease->backend->slot);
	return 0;
}

static enum outlier_event
event_of(const struct balance_outcome *outcome)
{
	if (!outcome->failed)
		return OUTLIER_WELL;
	return outcome->unreached ? OUTLIER_UNREACHED : OUTLIER_FAILED;
}

static void
note_suspect(struct worker_backend *b, const struct balance_outcome *outcome)
{
	struct suspects *suspects = b->service->shared->suspects;

	if (outcome->answered)
		suspects_clear(suspects, b->index);
	else if (outcome->unreached && suspects_add(suspects, b->index, outcome->now))
		counter_add(&b->counters, TG_B_SUSPECTED, 1);
}

/* A backend that is gone has no place in the order of those that are left. */
static void
release(struct worker_backend *b, const struct balance_outcome *outcome)
{
	struct worker_service *s = b->service;

	if (b->index == TG_VIEW_NONE) {
		room_give(NULL, 0, b->load);
		return;
	}
	s->ops->release(s->balance, s->view, b->index, b->load, outcome);
	note_suspect(b, outcome);
	if (s->outlier != NULL && (outcome->failed || outcome->answered))
		outlier_note(s->outlier, b->index, event_of(outcome));
	serve_waiters(s, b->slot);
}

/* waiting */

/* A place that nobody uses. */
static void
give_back(struct worker *w, uint32_t backend)
{
	static const struct balance_outcome unused;

	if (w->backends[backend] != NULL)
		release(w->backends[backend], &unused);
	else
		room_give(NULL, 0, segment_load(w->segment, backend));
}

static bool
is_late(const struct lease *lease)
{
	return loop_now(lease->waiting_for->worker->loop).us >= lease_due(lease).us;
}

static enum end_reason
timeout_of(const struct lease *lease)
{
	return lease->is_held ? TG_END_HOLD_TIMEOUT : TG_END_QUEUE_TIMEOUT;
}

static bool
on_told(void *stream, const struct queue_news *news)
{
	struct lease *lease = stream;
	struct worker *w = lease->waiting_for->worker;
	struct worker_backend *b = news->is_granted ? w->backends[news->backend] : NULL;

	lease->waiter = NULL;
	if (b != NULL && is_late(lease)) {
		give_back(w, news->backend);
		lease->refusal = timeout_of(lease);
	} else if (b != NULL) {
		hold(lease, b, &news->addr, TG_CHOICE_QUEUE);
	} else if (news->is_granted) {
		give_back(w, news->backend);
		return false;
	} else {
		lease->refusal = TG_END_QUEUE_SHED;
	}
	lease->on_place(lease, lease->backend != NULL);
	return true;
}

/* The stream left while its place was on the way. */
static void
on_unwanted(void *home, uint32_t backend)
{
	give_back(home, backend);
}

static int wait_in(struct lease *lease, struct worker_service *s, enum queue_line line,
		   const struct balance_query *query, enum conf_priority priority);
static int check_hold(struct lease *lease, const struct worker_service *s);

/* For want of a place. */
static enum queue_line
place_line(const struct worker_service *s, const struct balance_query *query)
{
	bool is_for_spares = !has_untried(s->view, query) && spare_is_left(s->view, query);

	return is_for_spares ? QUEUE_SPARE : QUEUE_PLACE;
}

/* A place, or in line anew; else why not. */
static int
begin_anew(struct lease *lease, const struct balance_query *query, enum conf_priority priority)
{
	struct worker_service *s = lease->waiting_for;
	struct balance_query again = *query;
	int rc;

	if (is_late(lease)) {
		lease->refusal = timeout_of(lease);
		return -TG_EAGAIN;
	}
	/* As in find_place(). */
	if (!lease_is_possible(s, query))
		again.n_tried = 0;
	rc = lease_begin(lease, s, &again, TG_LEASE_ANY);
	if (rc == -TG_EAGAIN)
		rc = wait_in(lease, s, place_line(s, query), query, priority);
	else if (rc == -TG_ENOENT && check_hold(lease, s) == 0)
		rc = wait_in(lease, s, QUEUE_HELD, query, priority);
	return rc;
}

/* Its service is configured otherwise, or is up no more, or it was given what is gone. */
static void
on_moved(void *stream, const struct balance_query *query, enum conf_priority priority)
{
	struct lease *lease = stream;
	int rc;

	lease->waiter = NULL;
	rc = begin_anew(lease, query, priority);
	if (lease->waiter == NULL)
		lease->on_place(lease, rc == 0);
	else if (lease->on_due != NULL)
		lease->on_due(lease);
}

static const struct waiter_ops waiter_ops = {
	.told = on_told,
	.unwanted = on_unwanted,
	.moved = on_moved,
};

static struct mono
due_of(const struct conf_service *conf, bool is_held, struct mono since)
{
	return mono_add_ms(since, is_held ? conf->hold.timeout_ms : conf->timeouts.queue_ms);
}

/* From now on, unless it waited for the same before. */
static int
wait_in(struct lease *lease, struct worker_service *s, enum queue_line line,
	const struct balance_query *query, enum conf_priority priority)
{
	bool is_held = line == QUEUE_HELD;
	bool goes_on = lease->waiting_for == s && lease->is_held == is_held;
	struct worker *w = s->worker;
	struct mono now = loop_now(w->loop);
	struct mono since = goes_on ? lease->since : now;
	struct queue_terms terms = {
		.line = line,
		.priority = priority,
		.since = since,
		.due = due_of(s->conf, is_held, since),
		.was_let_in = goes_on,
	};
	int rc = queue_add(s->queue, &terms, w->loop, &waiter_ops, lease, w, query, now, &lease->waiter);

	if (rc == 0) {
		if (!goes_on && is_held)
			counter_add(&s->counters, TG_S_HELD, 1);
		lease->waiting_for = s;
		lease->is_held = is_held;
		lease->since = since;
		/* A place that was given back before we stood in line is nobody's: look once more. */
		lease_serve_waiters(s);
		return 0;
	}
	lease->refusal = TG_END_NO_RESOURCE;
	if (rc == -TG_ELIMIT)
		lease->refusal = line == QUEUE_HELD ? TG_END_HOLD_FULL : TG_END_QUEUE_FULL;
	return rc;
}

int
lease_wait(struct lease *lease, struct worker_service *s, const struct balance_query *query,
	   enum conf_priority priority, void (*on_place)(struct lease *lease, bool has_place))
{
	lease->waiting_for = NULL;
	lease->on_place = on_place;
	return wait_in(lease, s, place_line(s, query), query, priority);
}

/* Some that may serve and were tried: no use in waiting for others to come up. */
static int
check_hold(struct lease *lease, const struct worker_service *s)
{
	lease->refusal = TG_END_NO_BACKEND;
	if (s->is_gone || s->conf->hold.requests == 0 || s->view->n > 0)
		return -TG_ENOENT;
	lease->refusal = TG_END_HOLD_REFUSED;
	return mono_is_set(s->view->refused_until) ? -TG_ENOENT : 0;
}

int
lease_hold(struct lease *lease, struct worker_service *s, const struct balance_query *query,
	   enum conf_priority priority, void (*on_place)(struct lease *lease, bool has_place))
{
	int rc = check_hold(lease, s);

	if (rc != 0)
		return rc;
	lease->waiting_for = NULL;
	lease->on_place = on_place;
	return wait_in(lease, s, QUEUE_HELD, query, priority);
}

struct mono
lease_due(const struct lease *lease)
{
	return due_of(lease->waiting_for->conf, lease->is_held, lease->since);
}

void
lease_end(struct lease *lease, const struct balance_outcome *outcome)
{
	struct worker_backend *b = lease->backend;

	if (lease->waiter != NULL)
		queue_leave(lease->waiting_for->queue, &lease->waiter);
	if (b == NULL)
		return;
	lease->backend = NULL;
	release(b, outcome);
	worker_backend_leave(b);
}
