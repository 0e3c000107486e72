/*
 * autoscale/outlook.h: what is learned of a service over hours and days: how it is seen now, what followed on what was
 * seen, how long starts and requests take, and what is to come.
 *
 * Each sample is put in; nothing else is looked at, no clock either. Only the four operations and the root of IEEE
 * 754 are used: the same samples make the same outlook on any machine. Bounded: so and so many bytes, made once.
 *
 * `now` is the mean of the last samples, as many as agree, of up to eight minutes: that of twice the time takes the place
 * of the shorter one while both differ by no more than counts of that many requests may differ by chance (Poisson; O.
 * Lepski's method). What the same chance explains of a later rate's ratio to an earlier one is no change of the load:
 * Erlang's formula has it already.
 *
 * Older observations fade: by half in some 17 hours (exp(-t / a day)). Before there are any, a broad guess stands for
 * the first ones. Estimates of starts and of service times fade by their number.
 */
#ifndef TG_AUTOSCALE_OUTLOOK_H
#define TG_AUTOSCALE_OUTLOOK_H

#include "autoscale/forecast.h"
#include "sample/sample.h"
#include "tidegate/module.h"

struct outlook;

struct outlook *outlook_new(void);    /* NULL: no memory */
void outlook_free(struct outlook *o); /* NULL allowed */

/* Samples come in order of time; one that does not is left out. */
void outlook_put(struct outlook *o, int64_t now_ms, double arrivals, double service_s);
/* One took so long from asked for to ready. */
void outlook_started(struct outlook *o, double took_s);
/* Times between decisions: a part of what passes until a load is answered. */
void outlook_interval(struct outlook *o, double interval_s);

void outlook_now(const struct outlook *o, struct tg_outlook *ret);
void outlook_history(const struct outlook *o, struct tg_history *ret);

/* Which class a ratio belongs to. */
unsigned outlook_class(double ratio);
/* The middle of one, below TG_RATIOS. */
double outlook_ratio(unsigned i);
/* "now", "mean-1m", ...; "?" outside the enum. */
const char *tg_signal_str(unsigned signal);

#endif
