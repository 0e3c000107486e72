/*
 * loop/loop.h: one event loop per thread; the door to libevent.
 *
 * Descriptors are registered once for their life, edge-triggered for reading,
 * writing and hang-up. Timers live in a wheel of 32 ms slots: setting one again
 * to a later time is one store. Freed objects wait for the end of the turn.
 */
#ifndef TG_LOOP_LOOP_H
#define TG_LOOP_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/err.h"

struct loop;

/* NULL: no memory or descriptors. Owned by the thread that runs it. */
struct loop *loop_new(void);
/* Releases everything deferred first. All watchers and timers must be stopped. */
void loop_free(struct loop *loop);
/* Turns until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* own thread only */

/* Reads the clock again and returns it (start-up, tests). */
struct mono loop_now_update(struct loop *loop);

/* What a loop begins with, for loop_now() alone: it is asked thirty times for a request. */
struct loop_clock {
	struct mono now;
	bool is_fresh; /* read in this turn */
};

/* Monotonic time read once per turn. */
static inline struct mono
loop_now(struct loop *loop)
{
	const struct loop_clock *clock = (const struct loop_clock *)loop;

	return clock->is_fresh ? clock->now : loop_now_update(loop);
}

/* Called each time the wheel of timers turns, with how late it does, in microseconds: what the
 * callbacks before it took. Up to some 5 ms are the coarse clock of the wait. Once, before
 * loop_run(). */
typedef void loop_lag_cb(void *user, uint64_t lag_us);
void loop_watch_lag(struct loop *loop, loop_lag_cb *cb, void *user);

/* What a loop does, counted where others may read it: each NULL, or this loop's alone. */
struct loop_counts {
	_Atomic uint64_t *turns;
	_Atomic uint64_t *calls;  /* from other threads */
	_Atomic uint64_t *yields; /* watches that asked for the next turn */
};
/* Before loop_run(). */
void loop_count(struct loop *loop, const struct loop_counts *counts);

/* What a descriptor reports. */
#define LOOP_READ   (1u << 0)
#define LOOP_WRITE  (1u << 1)
#define LOOP_HANGUP (1u << 2) /* the other side will send no more: read until 0 */

struct watch;
typedef void watch_cb(struct watch *w, unsigned what);

/* One registered descriptor. Storage is the caller's, usually inside its own struct; zero it first. */
struct watch {
	struct event ev;
	watch_cb *cb;             /* NULL: stopped */
	TAILQ_ENTRY(watch) again; /* in the loop's list when `is_again` */
	bool is_again;
};

/* Edge-triggered, read and write, for the life of the descriptor. -TG_ENOMEM/-TG_EIO. */
TG_MUST_CHECK int watch_start(struct loop *loop, struct watch *w, int fd, watch_cb *cb);
/* Level-triggered reading: listeners, channels, wake-ups. */
TG_MUST_CHECK int watch_start_level(struct loop *loop, struct watch *w, int fd, watch_cb *cb);
/* The same for writing: connects and queued output of the control plane. */
TG_MUST_CHECK int watch_start_level_write(struct loop *loop, struct watch *w, int fd, watch_cb *cb);
/* Of no descriptor: what watch_again() calls, and nothing else. */
void watch_start_bare(struct watch *w, watch_cb *cb);
/* Idempotent on a zeroed or stopped watch. Before close(). */
void watch_stop(struct loop *loop, struct watch *w);
/* Calls w->cb with 0 in the next turn: for work that yields before the kernel is drained. */
void watch_again(struct loop *loop, struct watch *w);

struct timer;
typedef void timer_cb(struct timer *t);

struct timer {
	LIST_ENTRY(timer) link;
	struct mono deadline; /* when it is due; unset: not running */
	uint64_t slot_tick;   /* tick of the slot it hangs in; 0: in none */
	timer_cb *cb;
};

void timer_init(struct timer *t, timer_cb *cb);
/* Runs cb once, at `deadline` or up to 64 ms after. Setting again replaces. */
void timer_set(struct loop *loop, struct timer *t, struct mono deadline);
/* Not running any more; O(1), keeps its place in the wheel until that slot passes. */
void timer_clear(struct timer *t);
/* Leaves the wheel: before the storage goes away. */
void timer_fini(struct timer *t);

/* Freed at the end of the turn, never under a callback that may still use it. */
struct deferred {
	SLIST_ENTRY(deferred) link;
	void (*free)(struct deferred *d);
};
void loop_defer(struct loop *loop, struct deferred *d, void (*free_fn)(struct deferred *d));

/* Calls from other threads: `cb` runs in the loop's thread. Callers keep `c` alive until it ran. */
struct loop_call {
	STAILQ_ENTRY(loop_call) link;
	void (*cb)(struct loop_call *c);
};
void loop_post(struct loop *loop, struct loop_call *c, void (*cb)(struct loop_call *c));
/* Runs what was posted up to now: for the end, when the loop will not turn any more. */
void loop_serve_calls(struct loop *loop);

/* POSIX signals, for the process's main loop only. */
struct loop_signal {
	struct event ev;
	void (*cb)(struct loop_signal *s, int signo);
};
TG_MUST_CHECK int loop_signal_start(struct loop *loop, struct loop_signal *s, int signo,
				    void (*cb)(struct loop_signal *s, int signo));
void loop_signal_stop(struct loop_signal *s);

#endif
