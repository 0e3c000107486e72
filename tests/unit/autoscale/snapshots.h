/* Snapshots made by hand: a module sees what is set, and nothing is known of the rest. */
#ifndef TG_TESTS_UNIT_AUTOSCALE_SNAPSHOTS_H
#define TG_TESTS_UNIT_AUTOSCALE_SNAPSHOTS_H

#include <math.h>
#include <string.h>

#include "autoscale/builtin.h"
#include "autoscale/decide.h"
#include "module/module.h"

#define WORLD_BACKENDS 64

struct world {
	struct decide_input in;
	struct tg_value values[TG_OPTIONS_MAX];
	struct tg_window windows[TG_WINDOWS_MAX];
	struct tg_backend backends[WORLD_BACKENDS];
};

#define NUMBER(k, n)                                                                               \
	(struct conf_setting)                                                                      \
	{                                                                                          \
		.key = (char *)(uintptr_t)(k), .type = TG_SETTING_NUMBER, .number = (n)            \
	}
#define TRUTH(k)                                                                                   \
	(struct conf_setting)                                                                      \
	{                                                                                          \
		.key = (char *)(uintptr_t)(k), .type = TG_SETTING_BOOLEAN, .number = 1             \
	}
#define TEXT(k, t)                                                                                 \
	(struct conf_setting)                                                                      \
	{                                                                                          \
		.key = (char *)(uintptr_t)(k), .type = TG_SETTING_TEXT,                            \
		.text = (char *)(uintptr_t)(t)                                                     \
	}

static inline void
world_clear_window(struct tg_window *w, uint32_t span_ms)
{
	*w = (struct tg_window){.span_ms = span_ms, .covered_ms = span_ms, .n = 10};
	for (size_t i = 0; i < TG_METRIC_COUNT; i++)
		w->metrics[i] =
			(struct tg_figure){.first = NAN, .last = NAN, .mean = NAN, .min = NAN, .max = NAN};
}

/* `n` backends that are ready, and decided; nothing is known. min 1, max 100; no cooldowns, no steps. */
static inline void
world_init(struct world *w, const struct tg_module *module, const struct conf_setting *settings,
	   size_t n_settings, uint32_t n)
{
	const struct tg_autoscaler *ops = module->ops;
	uint32_t spans[TG_WINDOWS_MAX] = {0};
	struct err err = {.text = ""};
	size_t bad;
	uint32_t n_windows;

	memset(w, 0, sizeof(*w));
	if (module_values(module, settings, n_settings, w->values, &bad, &err) < 0)
		fail_msg("%s", err.text);
	n_windows = ops->windows(w->values, spans);
	assert_true(n_windows <= TG_WINDOWS_MAX);
	for (uint32_t i = 0; i < n_windows; i++) {
		assert_true(spans[i] > 0);
		world_clear_window(&w->windows[i], spans[i]);
	}
	w->in = (struct decide_input){
		.module = module,
		.values = w->values,
		.snapshot = {.size = sizeof(struct tg_snapshot),
			     .now_ms = 1000000000,
			     .service = "s",
			     .ready = n,
			     .desired = n,
			     .min = 1,
			     .max = 100,
			     .start_s = NAN,
			     .n_windows = n_windows,
			     .windows = w->windows,
			     .n_backends = n,
			     .backends = w->backends},
		.state = {.is_store_well = true, .active_ms = 1000000000, .idle_ms = 1000},
	};
	for (uint32_t i = 0; i < n && i < WORLD_BACKENDS; i++)
		w->backends[i] = (struct tg_backend){
			.name = "b", .state = TG_BACKEND_READY, .in_flight = 0, .cpu = 0.5, .memory = 0.5};
}

/* The same in all samples of a window. */
static inline void
world_set(struct world *w, uint32_t window, enum tg_metric metric, double value)
{
	w->windows[window].metrics[metric] = (struct tg_figure){.n = 10,
								.first = value,
								.last = value,
								.mean = value,
								.min = value,
								.max = value};
}

static inline void
world_set_all(struct world *w, enum tg_metric metric, double value)
{
	for (uint32_t i = 0; i < w->in.snapshot.n_windows; i++)
		world_set(w, i, metric, value);
}

static inline struct tg_proposal
world_propose(const struct world *w)
{
	const struct tg_autoscaler *ops = w->in.module->ops;
	struct tg_proposal p = {.desired = 0};

	ops->propose(w->values, &w->in.snapshot, &p);
	assert_non_null(memchr(p.reason, '\0', sizeof(p.reason)));
	assert_true(p.reason[0] != '\0');
	return p;
}

#endif
