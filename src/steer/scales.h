/*
 * steer/scales.h: how many backends a service has, as operators order it, and whether its
 * autoscaler acts. Of services that are scaled; beside the column of the backends, and kept as
 * theirs: an order ends where `autoscale` of its service was edited since.
 */
#ifndef TG_STEER_SCALES_H
#define TG_STEER_SCALES_H

#include "steer/steer.h"

#define TG_SCALE_MAX 1024u /* backends of one service */

/* What can be ordered: word, and what is allowed. */
#define TG_STEER_SCALES(X)                                                                         \
	X(NUMBER, "scale", "0 to 1024, or auto: as the autoscaler decides")                        \
	X(MODE, "autoscale", "resume, pause or dry-run")

enum steer_scale {
#define TG_STEER_SCALE_ENUM(id, word, allowed) TG_STEER_SCALE_##id,
	TG_STEER_SCALES(TG_STEER_SCALE_ENUM)
#undef TG_STEER_SCALE_ENUM
		TG_STEER_SCALE_COUNT
};
/* The word; "?" outside the enum. */
const char *steer_scale_str(enum steer_scale what);
/* False: no such word. */
bool steer_scale_find(const char *word, enum steer_scale *ret);

enum steer_mode {
	TG_STEER_RESUME = 0, /* it acts */
	TG_STEER_PAUSE = 1,
	TG_STEER_DRY_RUN = 2,
	TG_STEER_MODE_COUNT
};

/* The order of a service is another one. Inside the call that changed it. */
typedef void steer_scale_cb(void *user, unsigned service, enum steer_scale what);

struct steer_scales;

/* Owned by struct steer. `conf` outlives it. NULL: no memory. */
struct steer_scales *steer_scales_new(const struct conf *conf);
void steer_scales_free(struct steer_scales *scales); /* NULL allowed */
/* Who hears of changes; NULL: nobody, as at first. */
void steer_scales_watch(struct steer_scales *scales, steer_scale_cb *change, void *user);

/* No value: nothing is ordered. */
const struct steer_order *steer_scales_get(const struct steer_scales *scales, unsigned service,
					   enum steer_scale what);
/* The number ordered; false: none is. */
bool steer_scales_number(const struct steer_scales *scales, unsigned service, uint32_t *ret);
/* In effect: ordered, or else as configured. */
enum steer_mode steer_scales_mode(const struct steer_scales *scales, unsigned service);
/* -TG_EINVAL: the value is not allowed, with what is in `err`; -TG_EEXIST: the service is not
 * scaled. Nothing changes then. */
TG_MUST_CHECK int steer_scales_set(struct steer_scales *scales, unsigned service,
				   enum steer_scale what, const char *value,
				   const struct steer_note *note, struct err *err);
/* What is configured, as orders remember it: in the words of an order, and behind a space a mark that is
 * another one when `autoscale` was edited. "": the service is not scaled. */
void steer_scales_configured(const struct steer_scales *scales, unsigned service,
			     enum steer_scale what, char *buf, size_t size);
/* Whether there is an order that says something else. */
bool steer_scales_differs(const struct steer_scales *scales, unsigned service,
			  enum steer_scale what);

#endif
