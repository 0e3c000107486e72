#include "backend/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/container.h"

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
	enum conf_priority priority;
	enum queue_line line;
	enum waiter_state state; /* under the queue's lock until told */
	struct balance_query query;
	struct queue_news news;
};

struct queue {
	unsigned max[QUEUE_LINE_COUNT];
	struct segment_shared *gauges;
	struct alarm *alarm;
	atomic_uint n; /* who wait; written under lock */
	struct {
		pthread_mutex_t lock;
		struct waiter_list lines[QUEUE_LINE_COUNT][TG_PRIORITY_COUNT];
		unsigned n[QUEUE_LINE_COUNT];
		struct mono calm; /* the last time nobody waited for a place */
	} shared;
};

struct queue *
queue_new(unsigned max_held, unsigned max_place, struct segment_shared *gauges,
	  struct alarm *alarm)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->max[QUEUE_HELD] = max_held;
	q->max[QUEUE_PLACE] = max_place;
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
	atomic_store(&q->n, n);
	atomic_store_explicit(&q->gauges->queued, n, memory_order_relaxed);
	segment_note_max(&q->gauges->queued_max, n);
}

/* Under lock. */
static void
take_out(struct queue *q, struct waiter *w, struct mono now)
{
	TAILQ_REMOVE(&q->shared.lines[w->line][w->priority], w, link);
	count(q, w->line, -1);
	if (w->line == QUEUE_PLACE && q->shared.n[QUEUE_PLACE] == 0)
		q->shared.calm = now;
}

/* In the owner's loop. */
static void
on_told(struct loop_call *call)
{
	struct waiter *w = TG_CONTAINER(call, struct waiter, call);

	if (w->stream != NULL) {
		if (w->state == WAITER_MOVED || !w->ops->told(w->stream, &w->news))
			w->ops->moved(w->stream, &w->query, w->priority);
	} else if (w->news.is_granted) {
		w->ops->unwanted(w->home, w->news.backend);
	}
	if (w->counts_as_held)
		count_held(w, -1);
	free(w);
}

/* Under lock: its owner may free it as soon as this is posted. */
static void
tell(struct queue *q, struct waiter *w, enum waiter_state state, struct mono now)
{
	take_out(q, w, now);
	if (w->counts_as_held && state != WAITER_MOVED)
		count_held(w, -1);
	w->state = state;
	loop_post(w->loop, &w->call, on_told);
}

/* Under lock, as all below. */
static bool
is_overloaded(const struct queue *q, struct mono now)
{
	return q->shared.n[QUEUE_PLACE] > 0 &&
	       mono_diff_us(now, q->shared.calm) > TG_QUEUE_CALM_MS * 1000u;
}

/* Of the lowest class that is not above `priority`, the one that came first. */
static struct waiter *
find_victim(struct queue *q, enum conf_priority priority)
{
	for (int i = TG_PRIORITY_COUNT - 1; i >= (int)priority; i--) {
		if (!TAILQ_EMPTY(&q->shared.lines[QUEUE_PLACE][i]))
			return TAILQ_FIRST(&q->shared.lines[QUEUE_PLACE][i]);
	}
	return NULL;
}

/* Room for one more of this class. */
static bool
make_room(struct queue *q, enum queue_line line, enum conf_priority priority, struct mono now)
{
	struct waiter *victim = NULL;

	if (q->shared.n[line] < q->max[line])
		return true;
	if (line == QUEUE_PLACE && is_overloaded(q, now))
		victim = find_victim(q, priority);
	if (victim == NULL)
		return false;
	victim->news = (struct queue_news){.is_granted = false};
	tell(q, victim, WAITER_SHED, now);
	return true;
}

static void
put_in(struct queue *q, struct waiter *w, struct mono now)
{
	if (w->line == QUEUE_PLACE && q->shared.n[QUEUE_PLACE] == 0)
		q->shared.calm = now;
	TAILQ_INSERT_TAIL(&q->shared.lines[w->line][w->priority], w, link);
	count(q, w->line, 1);
	if (w->line != QUEUE_HELD)
		return;
	count_held(w, 1);
	/* Of this queue: one on its way back into it after an eviction is counted twice in the gauge for a moment. */
	segment_note_max(&q->gauges->held_max, q->shared.n[QUEUE_HELD]);
}

int
queue_add(struct queue *q, enum queue_line line, struct loop *loop, const struct waiter_ops *ops,
	  void *stream, void *home, enum conf_priority priority, const struct balance_query *query,
	  struct mono now, struct waiter **ret)
{
	struct waiter *w = malloc(sizeof(*w));
	bool has_room;

	if (w == NULL)
		return -TG_ENOMEM;
	*w = (struct waiter){
		.loop = loop,
		.ops = ops,
		.stream = stream,
		.home = home,
		.gauges = q->gauges,
		.alarm = q->alarm,
		.priority = priority,
		.line = line,
		.query = *query,
	};
	pthread_mutex_lock(&q->shared.lock);
	has_room = make_room(q, line, priority, now);
	if (has_room)
		put_in(q, w, now);
	pthread_mutex_unlock(&q->shared.lock);
	if (!has_room) {
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
queue_leave(struct queue *q, struct waiter **waiter, struct mono now)
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
		take_out(q, w, now);
	pthread_mutex_unlock(&q->shared.lock);
	forget_stream(w);
	/* Else the news are on their way to this thread's loop: on_told() does the rest. */
	if (!is_told)
		free(w);
}

/* Those in this list that are of `loop`. */
static void
evict(struct queue *q, struct waiter_list *list, const struct loop *loop, struct mono now)
{
	struct waiter *w;
	struct waiter *next;

	for (w = TAILQ_FIRST(list); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->loop == loop)
			tell(q, w, WAITER_MOVED, now);
	}
}

void
queue_evict(struct queue *q, struct loop *loop, struct mono now)
{
	pthread_mutex_lock(&q->shared.lock);
	for (unsigned i = 0; i < TG_PRIORITY_COUNT; i++)
		for (unsigned line = 0; line < QUEUE_LINE_COUNT; line++)
			evict(q, &q->shared.lines[line][i], loop, now);
	pthread_mutex_unlock(&q->shared.lock);
}

/* The lists in the order in which they are served: the first at or after `place` with somebody in it;
 * `youngest`: of those that wait for a place. */
static struct waiter *
first_from(struct queue *q, unsigned place, bool youngest)
{
	for (; place < TG_PRIORITY_COUNT * QUEUE_LINE_COUNT; place++) {
		enum queue_line line = (enum queue_line)(place % QUEUE_LINE_COUNT);
		struct waiter_list *list = &q->shared.lines[line][place / QUEUE_LINE_COUNT];

		if (!TAILQ_EMPTY(list))
			return youngest && line == QUEUE_PLACE ? TAILQ_LAST(list, waiter_list)
							       : TAILQ_FIRST(list);
	}
	return NULL;
}

static struct waiter *
next_waiter(struct queue *q, struct waiter *w, bool youngest)
{
	struct waiter *next = youngest && w->line == QUEUE_PLACE
				      ? TAILQ_PREV(w, waiter_list, link)
				      : TAILQ_NEXT(w, link);

	if (next != NULL)
		return next;
	return first_from(q, w->priority * QUEUE_LINE_COUNT + w->line + 1u, youngest);
}

void
queue_grant(struct queue *q, struct mono now,
	    bool (*find)(void *arg, const struct balance_query *query, struct queue_news *ret),
	    void *arg)
{
	struct waiter *w;
	struct waiter *next;
	bool youngest;

	pthread_mutex_lock(&q->shared.lock);
	youngest = is_overloaded(q, now);
	for (w = first_from(q, 0, youngest); w != NULL; w = next) {
		next = next_waiter(q, w, youngest);
		if (find(arg, &w->query, &w->news)) {
			w->news.is_granted = true;
			tell(q, w, WAITER_GRANTED, now);
		} else if (w->query.n_tried == 0) {
			break; /* there is no place for anybody */
		}
	}
	pthread_mutex_unlock(&q->shared.lock);
}
