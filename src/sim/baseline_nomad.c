/*
 * sim/baseline_nomad.c: the two strategies of the Nomad Autoscaler, target-value and threshold, on processors.
 *
 * developer.hashicorp.com/nomad, "Target Value Strategy Plugin", "Threshold Strategy Plugin", "Policy";
 * github.com/hashicorp/nomad-autoscaler, plugins/builtin/strategy. target-value: ceil(count * metric / target),
 * nothing within a threshold of 0.01. threshold: one more while the last five points are above a bound, one
 * fewer while they are below another one. A look every 10 s; nothing for five minutes after each change.
 */
#include "autoscale/figures.h"
#include "sim/baselines.h"

enum window { METRIC = 0, COOLDOWN };

/* What both have. */
enum option { EVALUATION = 0, COOL, OWN };

#define COMMON_OPTIONS                                                                             \
	[EVALUATION] = {.name = "evaluation_interval",                                             \
			.type = TG_OPTION_DURATION,                                                \
			.preset = "10s",                                                           \
			.min = 1,                                                                  \
			.max = 60,                                                                 \
			.help = "From one look to the next: the same as interval."},               \
	[COOL] = {.name = "cooldown",                                                              \
		  .type = TG_OPTION_DURATION,                                                      \
		  .preset = "5m",                                                                  \
		  .min = 0,                                                                        \
		  .max = 3600,                                                                     \
		  .help = "Nothing for so long after each change."}

static uint32_t
nomad_windows(const struct tg_value *values, double points, uint32_t *ret_spans_ms)
{
	double evaluation = values[EVALUATION].number;

	/* Between two of so many points lie so many looks less one. */
	ret_spans_ms[METRIC] = (uint32_t)(evaluation * (points - 0.5) * 1000);
	ret_spans_ms[COOLDOWN] = values[COOL].number > 0 ? (uint32_t)(values[COOL].number * 1000) : 1;
	return 2;
}

/* The number was another one in that time. */
static bool
is_cooling(const struct tg_snapshot *s)
{
	const struct tg_figure *past = figure(&s->windows[COOLDOWN], TG_METRIC_DESIRED);

	return past->n > 0 && (past->min != s->desired || past->max != s->desired);
}

/* False: nothing is to be decided, and why is said. */
static bool
may_decide(const struct tg_snapshot *s, double metric, struct tg_proposal *ret)
{
	if (isnan(metric)) {
		propose_unsure(ret, s, "no metrics");
		return false;
	}
	ret->load = NAN;
	ret->desired = s->desired;
	if (is_cooling(s))
		propose_reason(ret, "in cooldown");
	return !is_cooling(s);
}

/*** target-value ***/

enum target_option { TARGET = OWN, THRESHOLD, QUERY };

static const struct tg_option target_options[] = {
	COMMON_OPTIONS,
	[TARGET] = {.name = "target",
		    .type = TG_OPTION_NUMBER,
		    .preset = "0.7",
		    .min = 0.01,
		    .max = 1,
		    .help = "target of the processor, as a share."},
	[THRESHOLD] = {.name = "threshold",
		       .type = TG_OPTION_NUMBER,
		       .preset = "0.01",
		       .min = 0,
		       .max = 0.9,
		       .help = "No change as long as usage is this share of the target above or below it."},
	[QUERY] = {.name = "query_window",
		   .type = TG_OPTION_DURATION,
		   .preset = "1m",
		   .min = 1,
		   .max = 3600,
		   .help = "The mean over this long."},
	{.name = NULL},
};

static uint32_t
target_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	uint32_t n = nomad_windows(values, 1, ret_spans_ms);

	ret_spans_ms[METRIC] = (uint32_t)(values[QUERY].number * 1000);
	return n;
}

static void
target_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	double metric = figure_mean(&s->windows[METRIC], TG_METRIC_CPU);
	double factor = metric / values[TARGET].number;
	double e = values[THRESHOLD].number;

	if (!may_decide(s, metric, ret))
		return;
	if (s->desired == 0)
		ret->desired = figure_ceil(factor);
	else if (factor < 1 - e || factor > 1 + e)
		ret->desired = figure_ceil(s->desired * factor);
	propose_reason(ret, "factor %.4f of %u", factor, s->desired);
}

static const struct tg_autoscaler target_ops = {
	.size = sizeof(target_ops),
	.windows = target_windows,
	.propose = target_propose,
};

const struct tg_module baseline_nomad_target = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "nomad-target",
	.help = "The strategy target-value of the Nomad Autoscaler, on processors.",
	.options = target_options,
	.ops = &target_ops,
};

/*** threshold ***/

enum threshold_option { UPPER = OWN, LOWER, DELTA, TRIGGER };

static const struct tg_option threshold_options[] = {
	COMMON_OPTIONS,
	[UPPER] = {.name = "upper",
		   .type = TG_OPTION_NUMBER,
		   .preset = "0.7",
		   .min = 0.01,
		   .max = 1,
		   .help = "lower_bound of the check that adds: at or above it."},
	[LOWER] = {.name = "lower",
		   .type = TG_OPTION_NUMBER,
		   .min = 0,
		   .max = 1,
		   .help = "upper_bound of the check that takes away: below it. Not given: half of upper."},
	[DELTA] = {.name = "delta",
		   .type = TG_OPTION_NUMBER,
		   .preset = "1",
		   .min = 1,
		   .max = 1000,
		   .help = "How many."},
	[TRIGGER] = {.name = "within_bounds_trigger",
		     .type = TG_OPTION_NUMBER,
		     .preset = "5",
		     .min = 1,
		     .max = 1000,
		     .help = "The last so many points must be within bounds."},
	{.name = NULL},
};

static uint32_t
threshold_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	return nomad_windows(values, values[TRIGGER].number, ret_spans_ms);
}

static void
threshold_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	const struct tg_figure *cpu = figure(&s->windows[METRIC], TG_METRIC_CPU);
	double upper = values[UPPER].number;
	double lower = values[LOWER].is_set ? values[LOWER].number : upper / 2;
	double delta = values[DELTA].number;

	if (!may_decide(s, cpu->n >= values[TRIGGER].number ? cpu->mean : NAN, ret))
		return;
	if (cpu->min >= upper)
		ret->desired = figure_backends(s->desired + delta);
	else if (cpu->max < lower)
		ret->desired = figure_backends(s->desired - delta);
	propose_reason(ret, "from %.3f to %.3f; one more from %.3f, one fewer below %.3f", cpu->min,
		       cpu->max, upper, lower);
}

static const struct tg_autoscaler threshold_ops = {
	.size = sizeof(threshold_ops),
	.windows = threshold_windows,
	.propose = threshold_propose,
};

const struct tg_module baseline_nomad_threshold = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "nomad-threshold",
	.help = "The strategy threshold of the Nomad Autoscaler, on processors.",
	.options = threshold_options,
	.ops = &threshold_ops,
};
