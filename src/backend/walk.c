#include "backend/walk.h"

#include "backend/capture.h"

void
front_join(struct worker_listener *l, struct front_link *front, const struct front_ops *ops)
{
	struct worker *w = l->worker;

	front->ops = ops;
	front->id = worker_next_id(w);
	front->accepted = loop_now(w->loop);
	LIST_INSERT_HEAD(&l->fronts, front, link);
}

void
front_leave(struct worker_listener *l, struct front_link *front)
{
	if (l->worker->walk.next == front)
		l->worker->walk.next = LIST_NEXT(front, link);
	LIST_REMOVE(front, link);
}

static void
describe(struct walk *walk, const struct worker_listener *l, const struct front_link *front)
{
	struct msg_session *m = &walk->found[walk->n++].session;
	struct worker *w = l->worker;

	*m = (struct msg_session){
		.id = front->id,
		.age_us = mono_diff_us(loop_now(w->loop), front->accepted),
		.number = walk->question.number,
		.worker = w->id,
		.listener = l->conf->segment_slot,
		.service = TG_SESSION_NONE,
		.backend = TG_SESSION_NONE,
	};
	front->ops->describe(front, m);
}

/* The one that was asked for, or one of all. */
static void
visit(struct walk *walk, struct worker_listener *l, struct front_link *front)
{
	bool is_it = front->id == walk->question.id;

	if (walk->question.kind == TG_ASK_END && is_it) {
		front->ops->end(front);
		walk->n_ended++;
	} else if (walk->question.kind == TG_ASK_SESSIONS ||
		   (walk->question.kind == TG_ASK_SESSION && is_it)) {
		describe(walk, l, front);
	}
	if (walk->question.kind != TG_ASK_SESSIONS && is_it)
		walk->is_over = true;
}

static void
begin_listener(struct worker *w, struct worker_listener *listener)
{
	w->walk.listener = listener;
	w->walk.next = listener != NULL ? LIST_FIRST(&listener->fronts) : NULL;
	if (listener != NULL)
		listener->walked = w->walk.number;
}

/* From this one of its list on. */
static struct worker_listener *
first_unwalked(const struct worker *w, struct worker_listener *l)
{
	while (l != NULL && l->walked == w->walk.number)
		l = TAILQ_NEXT(l, link);
	return l;
}

/* Those that are leaving last. Any may leave between two steps, this one too: then those that it
 * stood before are still to come, and others are leaving that were there already. */
static struct worker_listener *
next_listener(const struct worker *w, struct worker_listener *l)
{
	bool is_placed = l != NULL && !l->is_leaving;
	struct worker_listener *next =
		first_unwalked(w, is_placed ? l : TAILQ_FIRST(&w->listeners));

	return next != NULL ? next : first_unwalked(w, TAILQ_FIRST(&w->leaving));
}

void
walk_forget(struct worker_listener *l)
{
	struct worker *w = l->worker;

	if (w->walk.listener == l)
		begin_listener(w, next_listener(w, l));
}

/* Oldest last: those that come meanwhile are passed over, so it ends. */
static void
step_fronts(struct walk *walk, struct worker *w)
{
	unsigned visits = 0;

	if (!walk->is_begun) {
		w->walk.number++;
		begin_listener(w, next_listener(w, NULL));
	}
	while (visits++ < TG_WALK_VISITS && walk->n < TG_WALK_FOUND && !walk->is_over) {
		struct front_link *front = w->walk.next;

		if (w->walk.listener == NULL) {
			walk->is_over = true;
		} else if (front == NULL) {
			begin_listener(w, next_listener(w, w->walk.listener));
		} else {
			w->walk.next = LIST_NEXT(front, link);
			visit(walk, w->walk.listener, front);
		}
	}
}

static void
add_capture(struct walk *walk, const struct worker *w, const struct capture *capture)
{
	struct msg_capture *m;

	if (capture == NULL)
		return;
	m = &walk->found[walk->n++].capture;
	*m = capture->m;
	m->number = walk->question.number;
	m->worker = w->id;
}

/* Of the object in this slot. */
static const struct capture *
capture_of(const struct worker *w, uint32_t slot)
{
	const struct worker_listener *l;

	if (w->services[slot] != NULL)
		return w->services[slot]->capture;
	if (atomic_load_explicit(&segment_entry(w->segment, slot)->kind, memory_order_relaxed) !=
	    TG_SLOT_LISTENER)
		return NULL;
	l = worker_listener_find(w, slot);
	return l != NULL ? l->capture : NULL;
}

/* By slots. */
static void
step_captures(struct walk *walk, struct worker *w)
{
	unsigned visits = 0;

	if (!walk->is_begun)
		w->walk.slot = 0;
	while (visits++ < TG_WALK_SLOTS && walk->n < TG_WALK_FOUND && !walk->is_over) {
		if (w->walk.slot < segment_slots(w->segment))
			add_capture(walk, w, capture_of(w, w->walk.slot++));
		else
			walk->is_over = true;
	}
}

void
walk_step(struct walk *walk, struct worker *w)
{
	walk->n = 0;
	if (walk->question.kind == TG_ASK_CAPTURES)
		step_captures(walk, w);
	else
		step_fronts(walk, w);
	walk->is_begun = true;
}
