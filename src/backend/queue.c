#include "backend/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/container.h"

/* Of those that wait for backups, in one go: what nobody of so many may have may be for one behind them. */
#define REFUSED_MAX 64u

enum waiter_state { WAITER_WAITING = 0, WAITER_GRANTED = 1, WAITER_SHED = 2, WAITER_MOVED = 3 };

TAILQ_HEAD(waiter_list, waiter);

struct waiter {
	TAILQ_ENTRY(waiter) link; /* in the list of its class when WAITING; oldest first */
	struct loop_call call;
	struct loop *loop;
	const struct waiter_ops *ops;
	void *stream; /* NULL: it left; owner's thread */
	void *home;
	struct segment_shared *gauges;
	struct alarm *alarm;
	bool counts_as_held;
	struct queue_terms terms;
	enum waiter_state state; /* under the queue's lock until told */
	struct balance_query query;
	struct queue_news news;
};

struct queue {
	unsigned max_held;
	unsigned max_place; /* of both others */
	struct segment_shared *gauges;
	struct alarm *alarm;
	atomic_uint n; /* who wait; written under lock, as: */
	atomic_uint n_spare; /* of these, for backups */
	struct {
		pthread_mutex_t lock;
		struct waiter_list lines[QUEUE_LINE_COUNT][TG_PRIORITY_COUNT];
		/* Near the last one of each list that was moved here; NULL: the end. */
		struct waiter *fingers[QUEUE_LINE_COUNT][TG_PRIORITY_COUNT];
		unsigned n[QUEUE_LINE_COUNT];
	} shared;
};

struct queue *
queue_new(unsigned max_held, unsigned max_place, struct segment_shared *gauges,
	  struct alarm *alarm)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->max_held = max_held;
	q->max_place = max_place;
	q->gauges = gauges;
	q->alarm = alarm;
	pthread_mutex_init(&q->shared.lock, NULL);
	for (unsigned line = 0; line < QUEUE_LINE_COUNT; line++)
		for (unsigned i = 0; i < TG_PRIORITY_COUNT; i++)
			TAILQ_INIT(&q->shared.lines[line][i]);
	return q;
}

void
queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	pthread_mutex_destroy(&q->shared.lock);
	free(q);
}

bool
queue_has_waiters(const struct queue *q)
{
	return atomic_load(&q->n) > 0;
}

bool
queue_has_line(const struct queue *q)
{
	unsigned n = atomic_load(&q->n);

	return n > 0 && n > atomic_load(&q->n_spare);
}

/* One more, or less. Not by queues: at a reload a service has two. */
static void
count_held(struct waiter *w, int change)
{
	int64_t n = atomic_fetch_add(&w->gauges->held, change) + change;

	w->counts_as_held = change > 0;
	if (n == (change > 0))
		alarm_raise(w->alarm);
}

/* Of its line and of all. Under lock, as all below up to queue_add(). */
static void
count(struct queue *q, enum queue_line line, int change)
{
	unsigned n = atomic_load_explicit(&q->n, memory_order_relaxed) + (unsigned)change;

	q->shared.n[line] += (unsigned)change;
	if (line == QUEUE_SPARE)
		atomic_store(&q->n_spare, q->shared.n[line]);
	atomic_store(&q->n, n);
	/* At a reload a service has two queues, and one gauge. */
	atomic_fetch_add_explicit(&q->gauges->queued, change, memory_order_relaxed);
	segment_note_max(&q->gauges->queued_max, n);
}

/* Under lock. */
static void
take_out(struct queue *q, struct waiter *w)
{
	struct waiter **finger = &q->shared.fingers[w->terms.line][w->terms.priority];

	if (*finger == w)
		*finger = TAILQ_NEXT(w, link);
	TAILQ_REMOVE(&q->shared.lines[w->terms.line][w->terms.priority], w, link);
	count(q, w->terms.line, -1);
}

/* In the owner's loop. */
static void
on_told(struct loop_call *call)
{
	struct waiter *w = TG_CONTAINER(call, struct waiter, call);

	if (w->stream != NULL) {
		if (w->state == WAITER_MOVED || !w->ops->told(w->stream, &w->news))
			w->ops->moved(w->stream, &w->query, w->terms.priority);
	} else if (w->news.is_granted) {
		w->ops->unwanted(w->home, w->news.backend);
	}
	if (w->counts_as_held)
		count_held(w, -1);
	free(w);
}

/* Under lock: its owner may free it as soon as this is posted. */
static void
tell(struct queue *q, struct waiter *w, enum waiter_state state)
{
	take_out(q, w);
	if (w->counts_as_held && state != WAITER_MOVED)
		count_held(w, -1);
	w->state = state;
	loop_post(w->loop, &w->call, on_told);
}

/* Those of one class that wait for a place. Under lock, as all below. */
static bool
is_overloaded(const struct waiter_list *list, struct mono now)
{
	const struct waiter *first = TAILQ_FIRST(list);

	return first != NULL && 2 * mono_diff_us(now, first->terms.since) >
					mono_diff_us(first->terms.due, first->terms.since);
}

/* Of one class, whatever it waits for: who came first. `overloaded`: of lines that are. NULL: there is none. */
static struct waiter *
find_first(struct queue *q, unsigned class, bool overloaded, struct mono now)
{
	struct waiter *found = NULL;
	unsigned line;

	for (line = QUEUE_LINE_COUNT - 1; line != QUEUE_HELD; line--) {
		struct waiter_list *list = &q->shared.lines[line][class];
		struct waiter *w = TAILQ_FIRST(list);

		if (w == NULL || (overloaded && !is_overloaded(list, now)))
			continue;
		if (found == NULL || w->terms.since.us < found->terms.since.us)
			found = w;
	}
	return found;
}

static struct waiter *
find_victim(struct queue *q, enum conf_priority priority, struct mono now)
{
	struct waiter *victim = NULL;
	unsigned i;

	for (i = TG_PRIORITY_COUNT - 1; victim == NULL && i > (unsigned)priority; i--)
		victim = find_first(q, i, false, now);
	return victim != NULL ? victim : find_first(q, priority, true, now);
}

static bool
has_room(const struct queue *q, enum queue_line line)
{
	const unsigned *n = q->shared.n;

	return line == QUEUE_HELD ? n[QUEUE_HELD] < q->max_held
				  : n[QUEUE_SPARE] + n[QUEUE_PLACE] < q->max_place;
}

/* Room for one more of these. */
static bool
make_room(struct queue *q, const struct queue_terms *terms, struct mono now)
{
	struct waiter *victim = NULL;

	if (terms->was_let_in || has_room(q, terms->line))
		return true;
	if (terms->line != QUEUE_HELD)
		victim = find_victim(q, terms->priority, now);
	if (victim == NULL)
		return false;
	victim->news = (struct queue_news){.is_granted = false};
	tell(q, victim, WAITER_SHED);
	return true;
}

/* It came from another queue: those of each worker come in their order, so the next one's place is near. */
static void
put_by_age(struct waiter_list *list, struct waiter **finger, struct waiter *w)
{
	struct waiter *before = *finger != NULL ? *finger : TAILQ_LAST(list, waiter_list);
	struct waiter *next;

	while (before != NULL && before->terms.since.us > w->terms.since.us)
		before = TAILQ_PREV(before, waiter_list, link);
	next = before != NULL ? TAILQ_NEXT(before, link) : TAILQ_FIRST(list);
	while (next != NULL && next->terms.since.us <= w->terms.since.us)
		next = TAILQ_NEXT(next, link);
	if (next != NULL)
		TAILQ_INSERT_BEFORE(next, w, link);
	else
		TAILQ_INSERT_TAIL(list, w, link);
	*finger = w;
}

static void
put_in(struct queue *q, struct waiter *w, struct mono now)
{
	struct waiter_list *list = &q->shared.lines[w->terms.line][w->terms.priority];

	if (w->terms.since.us < now.us)
		put_by_age(list, &q->shared.fingers[w->terms.line][w->terms.priority], w);
	else
		TAILQ_INSERT_TAIL(list, w, link);
	count(q, w->terms.line, 1);
	if (w->terms.line != QUEUE_HELD)
		return;
	count_held(w, 1);
	/* Of this queue: one on its way back into it after an eviction is counted twice in the gauge for a moment. */
	segment_note_max(&q->gauges->held_max, q->shared.n[QUEUE_HELD]);
}

int
queue_add(struct queue *q, const struct queue_terms *terms, struct loop *loop, const struct waiter_ops *ops,
	  void *stream, void *home, const struct balance_query *query, struct mono now, struct waiter **ret)
{
	struct waiter *w = malloc(sizeof(*w));
	bool is_in;

	if (w == NULL)
		return -TG_ENOMEM;
	*w = (struct waiter){
		.loop = loop,
		.ops = ops,
		.stream = stream,
		.home = home,
		.gauges = q->gauges,
		.alarm = q->alarm,
		.terms = *terms,
		.query = *query,
	};
	pthread_mutex_lock(&q->shared.lock);
	is_in = make_room(q, terms, now);
	if (is_in)
		put_in(q, w, now);
	pthread_mutex_unlock(&q->shared.lock);
	if (!is_in) {
		free(w);
		return -TG_ELIMIT;
	}
	*ret = w;
	return 0;
}

static void
forget_stream(struct waiter *w)
{
	w->stream = NULL;
	if (w->counts_as_held)
		count_held(w, -1);
}

void
queue_leave(struct queue *q, struct waiter **waiter)
{
	struct waiter *w = *waiter;
	bool is_told;

	*waiter = NULL;
	if (w == NULL)
		return;
	if (q == NULL) {
		forget_stream(w);
		return;
	}
	pthread_mutex_lock(&q->shared.lock);
	is_told = w->state != WAITER_WAITING;
	if (!is_told)
		take_out(q, w);
	pthread_mutex_unlock(&q->shared.lock);
	forget_stream(w);
	/* Else the news are on their way to this thread's loop: on_told() does the rest. */
	if (!is_told)
		free(w);
}

/* Those in this list that are of `loop`. */
static void
evict(struct queue *q, struct waiter_list *list, const struct loop *loop)
{
	struct waiter *w;
	struct waiter *next;

	for (w = TAILQ_FIRST(list); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->loop == loop)
			tell(q, w, WAITER_MOVED);
	}
}

void
queue_evict(struct queue *q, struct loop *loop)
{
	pthread_mutex_lock(&q->shared.lock);
	for (unsigned i = 0; i < TG_PRIORITY_COUNT; i++)
		for (unsigned line = 0; line < QUEUE_LINE_COUNT; line++)
			evict(q, &q->shared.lines[line][i], loop);
	pthread_mutex_unlock(&q->shared.lock);
}

/* Goes through all that wait, list by list. */
struct walk {
	struct queue *queue;
	struct mono now;
	unsigned place; /* of the list, in the order in which they are served */
	bool youngest;  /* first, in this list: as it was when the walk came to it */
	bool skips[QUEUE_LINE_COUNT]; /* there is nothing for any of that line */
	unsigned n_refused; /* that wait for backups */
};

/* The first of the first list at or after `place` with somebody in it. */
static struct waiter *
walk_from(struct walk *walk, unsigned place)
{
	for (; place < TG_PRIORITY_COUNT * QUEUE_LINE_COUNT; place++) {
		enum queue_line line = (enum queue_line)(place % QUEUE_LINE_COUNT);
		struct waiter_list *list = &walk->queue->shared.lines[line][place / QUEUE_LINE_COUNT];

		walk->place = place;
		if (walk->skips[line])
			continue;
		walk->youngest = line != QUEUE_HELD && is_overloaded(list, walk->now);
		if (!TAILQ_EMPTY(list))
			return walk->youngest ? TAILQ_LAST(list, waiter_list) : TAILQ_FIRST(list);
	}
	return NULL;
}

static struct waiter *
walk_on(struct walk *walk, struct waiter *w)
{
	struct waiter *next = walk->youngest ? TAILQ_PREV(w, waiter_list, link) : TAILQ_NEXT(w, link);

	return next != NULL ? next : walk_from(walk, walk->place + 1);
}

/* Whether there is none for others of its line either. */
static bool
refuse(struct walk *walk, const struct waiter *w)
{
	bool is_full = w->query.n_tried == 0;

	/* Those that are left are in backups beside what serves. */
	if (is_full)
		walk->skips[QUEUE_HELD] = walk->skips[QUEUE_PLACE] = true;
	if (w->terms.line == QUEUE_SPARE && (w->news.has_none || ++walk->n_refused == REFUSED_MAX))
		is_full = walk->skips[QUEUE_SPARE] = true;
	return is_full;
}

void
queue_grant(struct queue *q, struct mono now,
	    bool (*find)(void *arg, const struct balance_query *query, struct queue_news *ret),
	    void *arg)
{
	struct walk walk = {.queue = q, .now = now};
	struct waiter *w;
	struct waiter *next;

	pthread_mutex_lock(&q->shared.lock);
	for (w = walk_from(&walk, 0); w != NULL; w = next) {
		next = walk_on(&walk, w);
		if (now.us >= w->terms.due.us)
			continue;
		if (find(arg, &w->query, &w->news)) {
			w->news.is_granted = true;
			tell(q, w, WAITER_GRANTED);
		} else if (refuse(&walk, w)) {
			next = walk_from(&walk, walk.place);
		}
	}
	pthread_mutex_unlock(&q->shared.lock);
}
