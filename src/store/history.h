/*
 * store/history.h: what this process remembers of each service: points in a ring, and the last records of
 * decisions. Pure; both kinds of store have one.
 *
 * A point stands for the time since the one before it, and counts in means by as much of that as is in the window.
 * Points that come sooner than half an interval after the one before are put together with the next, so that a window
 * reaches back its span however often is put: of those, first, last, least and greatest of each figure are
 * kept beside the mean.
 *
 * A window costs less than it has points: those that lie whole in it are looked at sixteen at a time. Bounded: TG_STORE_POINTS_MAX points and TG_STORE_RECORDS_MAX records
 * of TG_STORE_RECORD_BYTES together for a service; the oldest go.
 */
#ifndef TG_STORE_HISTORY_H
#define TG_STORE_HISTORY_H

#include "store/store.h"

struct history;

struct history *history_new(void);    /* NULL: no memory */
void history_free(struct history *h); /* NULL allowed */

/* As the functions of store/store.h with these names. */
TG_MUST_CHECK int history_keep(struct history *h, const char *service, uint32_t span_ms,
			       uint32_t interval_ms);
TG_MUST_CHECK int history_put(struct history *h, const char *service,
			      const struct store_point *point);
void history_window(const struct history *h, const char *service, uint32_t span_ms, struct mono now,
		    struct tg_window *ret);
void history_forget(struct history *h, const char *service);
TG_MUST_CHECK int history_decision(struct history *h, const char *service, const char *json);
void history_decisions(const struct history *h, const char *service, size_t n,
		       void (*told)(void *user, const char *json), void *user);

/* The time between points that was asked for last; 0: there is no such service. */
uint32_t history_interval_ms(const struct history *h, const char *service);

#endif
