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
	enum conf_priority priority;
	enum waiter_state state; /* under the queue's lock until told */
	struct balance_query query;
	struct queue_news news;
};

struct queue {
	unsigned max;
	struct segment_shared *gauges;
	atomic_uint n; /* who wait; written under lock */
	struct {
		pthread_mutex_t lock;
		struct waiter_list classes[TG_PRIORITY_COUNT];
		struct mono calm; /* the last time nobody waited */
	} shared;
};

struct queue *
queue_new(unsigned max, struct segment_shared *gauges)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->max = max;
	q->gauges = gauges;
	pthread_mutex_init(&q->shared.lock, NULL);
	for (unsigned i = 0; i < TG_PRIORITY_COUNT; i++)
		TAILQ_INIT(&q->shared.classes[i]);
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

/* Under lock. */
static void
set_length(struct queue *q, unsigned n)
{
	atomic_store(&q->n, n);
	atomic_store_explicit(&q->gauges->queued, n, memory_order_relaxed);
	if (n > atomic_load_explicit(&q->gauges->queued_max, memory_order_relaxed))
		atomic_store_explicit(&q->gauges->queued_max, n, memory_order_relaxed);
}

/* Under lock. */
static void
take_out(struct queue *q, struct waiter *w, struct mono now)
{
	unsigned n = atomic_load_explicit(&q->n, memory_order_relaxed) - 1;

	TAILQ_REMOVE(&q->shared.classes[w->priority], w, link);
	set_length(q, n);
	if (n == 0)
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
	free(w);
}

/* Under lock: its owner may free it as soon as this is posted. */
static void
tell(struct queue *q, struct waiter *w, enum waiter_state state, struct mono now)
{
	take_out(q, w, now);
	w->state = state;
	loop_post(w->loop, &w->call, on_told);
}

static bool
is_overloaded(const struct queue *q, struct mono now)
{
	return atomic_load_explicit(&q->n, memory_order_relaxed) > 0 &&
	       mono_diff_us(now, q->shared.calm) > TG_QUEUE_CALM_MS * 1000u;
}

/* Of the lowest class that is not above `priority`, the one that came first. */
static struct waiter *
find_victim(struct queue *q, enum conf_priority priority)
{
	for (int i = TG_PRIORITY_COUNT - 1; i >= (int)priority; i--) {
		if (!TAILQ_EMPTY(&q->shared.classes[i]))
			return TAILQ_FIRST(&q->shared.classes[i]);
	}
	return NULL;
}

/* Room for one more of this class. Under lock. */
static bool
make_room(struct queue *q, enum conf_priority priority, struct mono now)
{
	struct waiter *victim = NULL;

	if (atomic_load_explicit(&q->n, memory_order_relaxed) < q->max)
		return true;
	if (is_overloaded(q, now))
		victim = find_victim(q, priority);
	if (victim == NULL)
		return false;
	victim->news = (struct queue_news){.is_granted = false};
	tell(q, victim, WAITER_SHED, now);
	return true;
}

int
queue_add(struct queue *q, struct loop *loop, const struct waiter_ops *ops, void *stream,
	  void *home, enum conf_priority priority, const struct balance_query *query,
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
		.priority = priority,
		.query = *query,
	};
	pthread_mutex_lock(&q->shared.lock);
	has_room = make_room(q, priority, now);
	if (has_room) {
		unsigned n = atomic_load_explicit(&q->n, memory_order_relaxed);

		if (n == 0)
			q->shared.calm = now;
		TAILQ_INSERT_TAIL(&q->shared.classes[priority], w, link);
		set_length(q, n + 1);
	}
	pthread_mutex_unlock(&q->shared.lock);
	if (!has_room) {
		free(w);
		return -TG_ELIMIT;
	}
	*ret = w;
	return 0;
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
		w->stream = NULL;
		return;
	}
	pthread_mutex_lock(&q->shared.lock);
	is_told = w->state != WAITER_WAITING;
	if (!is_told)
		take_out(q, w, now);
	pthread_mutex_unlock(&q->shared.lock);
	/* The news is on its way to this thread's loop: on_told() does the rest. */
	w->stream = NULL;
	if (!is_told)
		free(w);
}

void
queue_evict(struct queue *q, struct loop *loop, struct mono now)
{
	struct waiter *w;
	struct waiter *next;

	pthread_mutex_lock(&q->shared.lock);
	for (unsigned i = 0; i < TG_PRIORITY_COUNT; i++) {
		for (w = TAILQ_FIRST(&q->shared.classes[i]); w != NULL; w = next) {
			next = TAILQ_NEXT(w, link);
			if (w->loop == loop)
				tell(q, w, WAITER_MOVED, now);
		}
	}
	pthread_mutex_unlock(&q->shared.lock);
}

/* The first in order of this class and those below it. Under lock. */
static struct waiter *
first_waiter(struct queue *q, unsigned priority, bool youngest)
{
	for (unsigned i = priority; i < TG_PRIORITY_COUNT; i++) {
		struct waiter_list *list = &q->shared.classes[i];

		if (!TAILQ_EMPTY(list))
			return youngest ? TAILQ_LAST(list, waiter_list) : TAILQ_FIRST(list);
	}
	return NULL;
}

/* Under lock. */
static struct waiter *
next_waiter(struct queue *q, struct waiter *w, bool youngest)
{
	struct waiter *next =
		youngest ? TAILQ_PREV(w, waiter_list, link) : TAILQ_NEXT(w, link);

	return next != NULL ? next : first_waiter(q, w->priority + 1u, youngest);
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
	for (w = first_waiter(q, 0, youngest); w != NULL; w = next) {
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
