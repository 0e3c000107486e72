/* sim/policy_priv.h: what a policy is. */
#ifndef TG_SIM_POLICY_PRIV_H
#define TG_SIM_POLICY_PRIV_H

#include <math.h>
#include <stdarg.h>

#include "autoscale/planning.h"
#include "sim/policy.h"
#include "store/history.h"

#define TG_POLICY_SERVICE "service" /* its name, in records */
#define TG_POLICY_EPOCH   INT64_C(3600000) /* its clock at the begin of the load, ms: 0 would mean never */

struct policy {
	struct conf *owner; /* of what `conf` points to */
	const struct conf_autoscale *conf;
	const struct tg_module *module;
	struct tg_value values[TG_OPTIONS_MAX];
	struct history *history;
	struct planning *planning;
	uint32_t n_windows;
	uint32_t spans_ms[TG_WINDOWS_MAX];
	struct tg_window windows[TG_WINDOWS_MAX];
	uint32_t concurrency;
	/* By place, with room for all there can be. */
	struct tg_backend *backends;
	char (*names)[16];
	uint64_t *busy_us;       /* as it was at the sample before */
	uint64_t sampled_us;     /* when that was */
	bool has_sample;
	struct decide_input input;
	struct decision decision;
	bool has_decision;
	uint32_t desired;
	bool has_up;
	bool has_down;
	int64_t up_ms;
	int64_t down_ms;
	int64_t active_ms;
	double start_s;
	int direction;           /* of the last change */
	uint32_t changes;
	uint32_t reversals;
	FILE *log;               /* the caller's; NULL: none */
	uint64_t number;         /* of records */
	uint32_t guards;         /* of the last record */
};

#endif
