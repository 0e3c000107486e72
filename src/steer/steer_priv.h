/*
 * steer/steer_priv.h: how orders lie in memory, for the files of steer/.
 */
#ifndef TG_STEER_STEER_PRIV_H
#define TG_STEER_STEER_PRIV_H

#include "steer/limits.h"
#include "steer/scales.h"
#include "steer/steer.h"

/* By service and backend of one configuration. */
struct steer_table {
	struct steer_entry **entries; /* NULL: nothing was ever ordered, as of most of thousands */
	size_t n;
	size_t *first; /* by service: index of its first backend in entries */
};

struct steer {
	const struct conf *conf;
	steer_change_cb *change;
	void *user;
	struct steer_table table;
	struct steer_limits *limits;
	struct steer_scales *scales;
};

struct steer_limit {
	struct steer_order order;
	bool is_told; /* others know of one, that which is gone too */
};

struct steer_limits {
	const struct conf *conf;
	steer_limit_cb *change;
	void *user;
	struct steer_limit list[]; /* of all, then by listener */
};

/* Of one service. */
struct steer_scaled {
	struct steer_order orders[TG_STEER_SCALE_COUNT];
	uint64_t mark; /* of its `autoscale`, as configured */
};

struct steer_scales {
	const struct conf *conf;
	steer_scale_cb *change;
	void *user;
	struct steer_scaled list[]; /* by service */
};

/* Nothing is ordered. -TG_ENOMEM. */
TG_MUST_CHECK int steer_table_init(struct steer_table *table, const struct conf *conf);
void steer_table_fini(struct steer_table *table);

/* The order is gone: from now on as configured, which is told as an order was. */
void steer_forget(struct steer_entry *entry, enum steer_property property);
/* Another word for what is configured. */
bool steer_is_as_configured(enum steer_property property, const char *value);

/* In limits->list. */
size_t steer_limit_place(const struct steer_limits *limits, uint32_t listener);

#endif
