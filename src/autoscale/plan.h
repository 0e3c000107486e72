/*
 * autoscale/plan.h: what each number of backends is worth at each load, by dynamic programming.
 *
 * Time goes in steps of the horizon: the start delay, and what passes until a load is noticed. At each step there are
 * `running` and `pending` backends and a load x; one chooses how many there are to be in all, y. Then
 *
 *	V(running, pending, x) = least over y of
 *		y * step                                what runs, and what starts, is paid for
 *		+ switch * |y - running - pending|
 *		+ ( beyond(running, x) + beyond(running + kept, x) ) / 2     pending ones are ready after half a step
 *		+ mean over x' of V(y, 0, x')           what was started is ready then
 *
 * with y below `running` in place of it at once, and kept = least(pending, y - running). beyond(n, x) is what
 * requests cost that wait too long: by Erlang's formula where n backends keep up, else by how fast a queue
 * grows; it is a mean over the loads that follow on x. Loads move by the shares of ratios that are
 * given, on a grid on which the root is even, as chance is in counts.
 *
 * More backends are worth less and less, so at each load three numbers tell all of it:
 *
 *	start	with fewer in all, so many are started that there are as many
 *	wait	pending ones beyond it are given up, as they would serve for half of the step
 *	stop	running ones beyond it are stopped, as they serve for all of it
 *
 * start <= wait <= stop: between them nothing is done, which is the hysteresis. Each is made to rise with the load. Between two
 * loads of the grid they are in proportion. Where a queue is more than chance, all are as many as work it off
 * at the least cost.
 */
#ifndef TG_AUTOSCALE_PLAN_H
#define TG_AUTOSCALE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidegate/module.h"

#define TG_PLAN_BINS         64u
#define TG_PLAN_BACKENDS_MAX 1024u

enum plan_level { PLAN_START = 0, PLAN_WAIT = 1, PLAN_STOP = 2, PLAN_LEVEL_COUNT };

/* A table. */
struct plan_levels {
	double of[TG_PLAN_BINS][PLAN_LEVEL_COUNT];
};

/* All of it is a number: a plan follows from these. */
struct plan_setup {
	double backends;    /* 0 to so many are looked at */
	double load_max;    /* the last of the grid, in backends that are used to the full */
	double step_s;      /* the horizon */
	double service_s;   /* a request at a backend */
	double slots;       /* requests a backend serves at a time */
	double objective_s; /* who waits longer is beyond it */
	double penalty;     /* what that costs: as much as the place of so many requests */
	double switch_s;    /* what a change costs, as much as a backend in this time */
	double signal;      /* what x is: enum tg_signal */
	double ratios[TG_RATIOS];
	double demand[TG_RATIOS];
	double change[TG_RATIOS];
};

/* To and from numbers, in this order. How many; TG_PLAN_NUMBERS_MAX at most. */
uint32_t plan_to_numbers(const struct plan_setup *setup, double *ret);
/* False: they are none, or not sound. */
bool plan_of_numbers(const double *numbers, uint32_t n, struct plan_setup *ret);

size_t plan_bytes(const struct plan_setup *setup);
/* `table` has room for plan_bytes(), and is zeroed: without memory of its own it stays so. */
void plan_solve(const struct plan_setup *setup, void *table);

/* What is asked. */
struct plan_state {
	double running;
	double pending;
	double load;      /* in backends */
	double backlog_s; /* what is queued, in seconds of a backend used to the full */
};
/* The three numbers, whole. */
struct plan_band {
	double start;
	double wait;
	double stop;
};
struct plan_band plan_band(const struct plan_setup *setup, const void *table, const struct plan_state *state);
/* How many there are to be. */
uint32_t plan_answer(const struct plan_setup *setup, const void *table, const struct plan_state *state);
/* Load of a place of the grid. */
double plan_load(const struct plan_setup *setup, unsigned bin);

#endif
