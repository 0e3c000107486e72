/*
 * steer/limits.h: how many client connections are let in, as operators order it: of
 * all listeners together, and of each. Beside the column of the backends, and kept as theirs.
 */
#ifndef TG_STEER_LIMITS_H
#define TG_STEER_LIMITS_H

#include "steer/steer.h"

/* The limit of this listener, or of TG_LIMIT_OF_ALL, is another one. Inside the call that changed it. */
typedef void steer_limit_cb(void *user, uint32_t listener);

struct steer_limits;

/* Owned by struct steer. `conf` outlives it. NULL: no memory. */
struct steer_limits *steer_limits_new(const struct conf *conf);
void steer_limits_free(struct steer_limits *limits); /* NULL allowed */
/* Who hears of changes; NULL: nobody, as at first. */
void steer_limits_watch(struct steer_limits *limits, steer_limit_cb *change, void *user);

/* `listener`: an index in conf->listeners, or TG_LIMIT_OF_ALL. No value: nothing is ordered. */
const struct steer_order *steer_limits_get(const struct steer_limits *limits, uint32_t listener);
/* The number ordered; false: none is. */
bool steer_limits_number(const struct steer_limits *limits, uint32_t listener, uint32_t *ret);
/* What others are to be told: the number ordered, or what is configured where there was an order that is
 * gone; false: nothing. */
bool steer_limits_told(const struct steer_limits *limits, uint32_t listener, uint32_t *ret);
/* -TG_EINVAL: not a number that is allowed. Nothing changes then. */
TG_MUST_CHECK int steer_limits_set(struct steer_limits *limits, uint32_t listener,
				   const char *value, const struct steer_note *note,
				   struct err *err);
/* What is configured, in the words of an order. */
void steer_limits_configured(const struct conf *conf, uint32_t listener, char *buf, size_t size);
/* Whether there is an order that says something else. */
bool steer_limits_differs(const struct steer_limits *limits, uint32_t listener);

#endif
