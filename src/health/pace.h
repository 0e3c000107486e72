/*
 * health/pace.h: when something is asked again, and how many are asked at once.
 *
 * A pace is one thing asked at intervals, a lane the bound on those under way, and a
 * flow those of a lane that have one bound more in common, as the programs of one service have.
 * Who is due while either is full waits its turn: in a flow first come first served, flows by
 * turns (round robin). A flow with nothing under way goes first, and some of a lane may be kept for
 * such: so one whose questions hang holds up no other.
 *
 * The first time is at once, however many there are; the second somewhere in the
 * interval after it, evenly spread over all that start; from then on at that
 * phase, give or take the jitter. So a burst lasts one round, after a
 * stall too.
 *
 * A pace may go at another tempo for a while. When so many of a flow do that
 * they would take more than half of it if each lasted to its timeout, they go
 * slower, down to the even tempo.
 */
#ifndef TG_HEALTH_PACE_H
#define TG_HEALTH_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "loop/loop.h"

struct pace;

struct pace_ops {
	/* Its turn has come. Every beginning ends by pace_rest(), inside or later. */
	void (*begin)(struct pace *p);
	/* The timeout has passed; must call pace_rest(). */
	void (*expire)(struct pace *p);
	/* Not under way any more, whatever the reason: releases what began. */
	void (*stop)(struct pace *p);
};

enum pace_state {
	TG_PACE_IDLE = 0,
	TG_PACE_WAITING = 1, /* timer: the next time */
	TG_PACE_QUEUED = 2,  /* due, in the lane's queue */
	TG_PACE_RUNNING = 3, /* timer: the timeout */
	TG_PACE_STATE_COUNT
};

enum pace_tempo {
	TG_PACE_EVEN = 0,
	TG_PACE_FALLING = 1, /* the last time it failed, which was not enough yet */
	TG_PACE_DOWN = 2,
	TG_PACE_RISING = 3,
	TG_PACE_TEMPO_COUNT
};

/* Where a flow waits. */
enum flow_turn {
	TG_FLOW_IDLE = 0,  /* nothing of it is due, or it is full */
	TG_FLOW_FIRST = 1, /* something is due, nothing is under way */
	TG_FLOW_MORE = 2,  /* something is due, beside what is under way */
	TG_FLOW_TURN_COUNT
};

TAILQ_HEAD(flow_queue, lane_flow);

/* Storage is the caller's. */
struct lane {
	struct loop *loop;
	unsigned max;
	unsigned common; /* of max; the rest is for flows with nothing under way */
	unsigned n_running;
	struct flow_queue turns[TG_FLOW_TURN_COUNT]; /* nobody is in that of the idle */
	bool is_pumping;
	struct timer pump_timer;
	uint64_t random; /* never 0 */
	uint64_t phase;  /* of the last one that was given one, in 2^-64 of its interval */
};

/* Counted; each of its paces has a reference. */
struct lane_flow {
	struct lane *lane;
	unsigned n_refs;
	unsigned max;
	unsigned n_running;
	unsigned n_at[TG_PACE_TEMPO_COUNT]; /* by tempo but the even one; the idle are at none */
	TAILQ_HEAD(, pace) queue;
	enum flow_turn turn;
	TAILQ_ENTRY(lane_flow) link; /* in lane->turns[turn] when not idle */
};

struct pace_conf {
	uint64_t interval_ms[TG_PACE_TEMPO_COUNT];
	uint64_t timeout_ms;
	unsigned jitter_percent; /* of the interval; 0..100 */
};

/* Storage is the caller's. */
struct pace {
	struct lane_flow *flow;
	const struct pace_ops *ops;
	struct pace_conf conf;
	enum pace_state state;
	enum pace_tempo tempo;
	struct timer timer;
	TAILQ_ENTRY(pace) link; /* in flow->queue when queued */
	struct mono begun;	/* the one under way or the last one */
	struct mono due;	/* without jitter; unset: no phase yet */
};

/* At most `max` at a time, and beyond `common` only the first of each flow. `seed` makes the jitter another
 * one. `loop` outlives it. */
void lane_init(struct lane *lane, struct loop *loop, unsigned max, unsigned common, uint64_t seed);
/* All its flows are gone. */
void lane_fini(struct lane *lane);

/* At most `max` of it at a time. `lane` outlives it. NULL: no memory. */
struct lane_flow *lane_flow_new(struct lane *lane, unsigned max);
struct lane_flow *lane_flow_ref(struct lane_flow *flow);
void lane_flow_unref(struct lane_flow *flow); /* NULL allowed */

/* Idle. Takes a reference of `flow`. */
void pace_init(struct pace *p, struct lane_flow *flow, const struct pace_ops *ops,
	       const struct pace_conf *conf);
/* Due now, whatever its state; what is under way is stopped. May begin inside. */
void pace_start(struct pace *p);
/* From its next rest on, until it is another one or `p` is idle. Not of an idle one. */
void pace_set_tempo(struct pace *p, enum pace_tempo tempo);
/* What began is over: waits for the next time. `p` may begin again only from the loop. */
void pace_rest(struct pace *p);
/* Idle, from any state. */
void pace_stop(struct pace *p);
/* The same, before the storage goes away. */
void pace_fini(struct pace *p);

#endif
