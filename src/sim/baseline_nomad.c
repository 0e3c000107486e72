/*
 * sim/baseline_nomad.c: the two strategies of the Nomad Autoscaler, target-value and threshold, on processors.
 *
 * developer.hashicorp.com/nomad, "Target Value Strategy Plugin", "Threshold Strategy Plugin", "Policy";
 * github.com/hashicorp/nomad-autoscaler, plugins/builtin/strategy. target-value: ceil(count * metric / target),
 * nothing within a threshold of 0.01. threshold, withinBounds(): one more when five points or more of the minute that
 * is queried, wherever they are in it, are at or above a bound, one fewer when as many are below another one. A look
 * every 10 s, and a point each; nothing for five minutes after each change.
 *
 * A module keeps nothing. Whether the point of a look was above or below is told to later looks by the number
 * proposed, which only windows see, as kpa does: their sum is how many were.
 */
#include "autoscale/figures.h"
#include "sim/baselines.h"

enum window { METRIC = 0, COOLDOWN, BEFORE };

/* The points below, counted beside those above. */
#define BELOW_ONE 65536u

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
nomad_windows(const struct tg_value *values, double metric_s, uint32_t *ret_spans_ms)
{
	ret_spans_ms[METRIC] = (uint32_t)(metric_s * 1000);
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
	return nomad_windows(values, values[QUERY].number, ret_spans_ms);
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

enum threshold_option { UPPER = OWN, LOWER, DELTA, TRIGGER, SERIES };

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
		     .help = "So many points of query_window, or more, must be within bounds."},
	[SERIES] = {.name = "query_window",
		    .type = TG_OPTION_DURATION,
		    .preset = "1m",
		    .min = 1,
		    .max = 3600,
		    .help = "The points of so long, one of each look."},
	{.name = NULL},
};

/* In the window that is queried, with that of now. */
static uint32_t
points_of(const struct tg_value *values)
{
	double points = values[SERIES].number / values[EVALUATION].number;

	return points > 1 ? (uint32_t)points : 1;
}

static uint32_t
threshold_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	double evaluation = values[EVALUATION].number;
	uint32_t before = points_of(values) - 1;
	uint32_t n = nomad_windows(values, evaluation / 2, ret_spans_ms);

	ret_spans_ms[BEFORE] = before > 0 ? (uint32_t)(before * evaluation * 1000) : 1;
	return n + 1;
}

/* Above in the lower half of the bits, below in the upper one: of the looks before. In a window of just so many
 * intervals each of as many points has the same weight, and one more at its very begin none. */
static uint32_t
counts_before(const struct tg_value *values, const struct tg_snapshot *s)
{
	const struct tg_figure *past = figure(&s->windows[BEFORE], TG_METRIC_PROPOSED);
	uint32_t most = points_of(values) - 1;

	if (past->n == 0 || most == 0)
		return 0;
	return (uint32_t)(past->mean * (past->n < most ? past->n : most) + 0.5);
}

static void
threshold_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	const struct tg_figure *cpu = figure(&s->windows[METRIC], TG_METRIC_CPU);
	double upper = values[UPPER].number;
	double lower = values[LOWER].is_set ? values[LOWER].number : upper / 2;
	double delta = values[DELTA].number;
	double trigger = values[TRIGGER].number;
	uint32_t counts;

	ret->has_raw = true;
	ret->raw = cpu->n == 0 ? 0 : cpu->last >= upper ? 1 : cpu->last < lower ? BELOW_ONE : 0;
	counts = counts_before(values, s) + ret->raw;
	ret->load = NAN;
	ret->desired = s->desired;
	if (is_cooling(s)) {
		propose_reason(ret, "in cooldown");
		return;
	}
	/* What both ask for: the safest one. */
	if (counts % BELOW_ONE >= trigger)
		ret->desired = figure_backends(s->desired + delta);
	else if (counts / BELOW_ONE >= trigger)
		ret->desired = figure_backends(s->desired - delta);
	propose_reason(ret, "of %u points %u from %.3f on, %u below %.3f", points_of(values),
		       counts % BELOW_ONE, upper, counts / BELOW_ONE, lower);
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
