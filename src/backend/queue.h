/*
 * backend/queue.h: streams of one service that wait for a place at a backend, or
 * for a backend to come up.
 *
 * One queue per service, shared by its workers, behind one lock that only services
 * that are full, or have nothing up, ever take. Who waits belongs to a worker; a place may be found for
 * it by any worker, which then tells the owner through its loop. So no stream waits
 * beside a free backend, whichever worker either of them is on.
 *
 *	          queue_add()                queue_grant()
 *	  (none) ------------> WAITING ----------------------> GRANTED
 *	                        |   |        queue_add() of another
 *	         queue_leave()  |   +--------------------------> SHED
 *	                        v
 *	                      (none)
 *
 * GRANTED and SHED are told once, from the owner's loop, with `told`; the waiter
 * is gone then. queue_leave() before that takes back nothing: what was granted
 * is given to `unwanted` instead. A worker that goes over to another queue has queue_evict()
 * take out those of its own, which are told `moved`. Whoever has waited before is put in by its age, as the workers
 * go over one after the other, and stays where the bound is lower by now: that is for newcomers.
 *
 * Lines: who is held came while nothing was up, and has a bound of its own. All others came while what they may have was full,
 * most of them what serves, and some that what serves has failed a backup beside it (spare.h): they are in nobody's way.
 *
 * Order: by class; within a class first those that are held, the oldest first; then those that wait for backups, then
 * the others, each of both: the oldest first while they are calm, the youngest first under
 * overload, when the one that came first has waited for more than half of its time: those have the best chance
 * that somebody still wants their answer. How long somebody waited tells it, not how many wait nor that somebody always
 * does: a few clients more than places are no overload (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10-5,
 * 2012; Maurer, "Fail at Scale", ACM Queue 13-8, 2015: adaptive LIFO).
 * Where all is full whoever comes takes the place of one of the lowest class below its own; where there is none, and its
 * own is overloaded, of one of that. It is the one that came first. Who is held is never shed, as a start that takes
 * long is no overload. Whose time is over is given nothing.
 */
#ifndef TG_BACKEND_QUEUE_H
#define TG_BACKEND_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/alarm.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/err.h"
#include "balance/balance.h"
#include "conf/conf.h"
#include "ipc/segment.h"
#include "loop/loop.h"

struct waiter;

enum queue_line {
	QUEUE_HELD = 0,  /* until a backend is up */
	QUEUE_SPARE = 1, /* for a backup beside those that serve that is not full */
	QUEUE_PLACE = 2, /* for one that serves that is not full */
	QUEUE_LINE_COUNT
};

/* How it waits. */
struct queue_terms {
	enum queue_line line;
	enum conf_priority priority;
	struct mono since;
	struct mono due; /* it is given nothing from then on; its owner has it leave */
	bool was_let_in; /* it waits for the same since then: it stays, full or not */
};

/* What became of a waiter. */
struct queue_news {
	bool is_granted; /* else shed */
	bool has_none; /* not granted, that waits for backups: none of these has a place for anybody */
	uint32_t backend; /* its slot */
	struct addr addr;
};

struct waiter_ops {
	/* Owner's loop. The waiter is freed after it. False: the place is of a backend that is gone, the
	 * stream is told `moved` too. */
	bool (*told)(void *stream, const struct queue_news *news);
	/* Owner's loop: a place was found for one that had left. `home` is as in queue_add(). */
	void (*unwanted)(void *home, uint32_t backend);
	/* Owner's loop: it was evicted. As told. */
	void (*moved)(void *stream, const struct balance_query *query, enum conf_priority priority);
};

struct queue;

/* At most so many are held, and wait in both others together. `shared` is the service's: its gauges show how many wait. `alarm` outlives
 * all who wait; it is raised when the first of the service is held, and when the last is not any more.
 * NULL: no memory. */
struct queue *queue_new(unsigned max_held, unsigned max_place, struct segment_shared *shared,
			struct alarm *alarm);
void queue_free(struct queue *queue); /* NULL allowed; nobody waits */

/* Cheap and exact enough for: whoever makes a place and then sees 0 here has nobody to give it to. */
bool queue_has_waiters(const struct queue *queue);
/* The same of those that newcomers may not overtake: some of them may wait for backups alone. */
bool queue_has_line(const struct queue *queue);

/*
 * Waits. `terms` and `query` are copied. Returns 0 with the waiter in *ret, owned by the
 * queue until it told; -TG_ELIMIT: full; -TG_ENOMEM.
 */
TG_MUST_CHECK int queue_add(struct queue *queue, const struct queue_terms *terms, struct loop *loop,
			    const struct waiter_ops *ops, void *stream, void *home,
			    const struct balance_query *query, struct mono now, struct waiter **ret);
/* The stream does not wait any more. Owner's thread. Clears the pointer; NULL inside allowed. Of one that
 * was evicted the queue may be another, or NULL. */
void queue_leave(struct queue *queue, struct waiter **waiter);

/* Those who wait in `loop`, its thread's, wait here no more: they are told, in order. Who is held counts as
 * such until it was told: as it may be held again, the service is wanted all the time. */
void queue_evict(struct queue *queue, struct loop *loop);

/*
 * Gives places to those who wait, in order, as long as `find` has one. `find`
 * is called under the lock: the place it returns is taken already; false: none
 * is left for this one. Who has tried something is passed over then, as another
 * may take what it must not; after who has not tried anything those alone are asked that wait for
 * backups, and of these 64 at most that are refused, none after has_none.
 */
void queue_grant(struct queue *queue, struct mono now,
		 bool (*find)(void *arg, const struct balance_query *query, struct queue_news *ret),
		 void *arg);

#endif
