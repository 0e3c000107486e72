/*
 * autoscale/threshold.c: the classic rule: above a threshold one more, below half of it one fewer.
 *
 * Utilization is (cpu + memory)/2 of the service. What the classic has wrong is put right: there is one decision for
 * the service and not one for each of its backends; capacity that is on its way counts, so that
 * one burst is not answered with every tick anew; and one is only taken away when those that stay remain
 * below the threshold. strict = true is the rule as it is told, without these.
 */
#include "autoscale/builtin.h"
#include "autoscale/figures.h"

enum option { THRESHOLD = 0, COMBINE, STEP, WINDOW, STRICT };

enum combine { COMBINE_MEAN = 0, COMBINE_MAX, COMBINE_CPU, COMBINE_MEMORY };
static const char *const combine_words[] = {"mean", "max", "cpu", "memory", NULL};

static const struct tg_option options[] = {
	[THRESHOLD] = {.name = "threshold",
		       .type = TG_OPTION_NUMBER,
		       .preset = "0.7",
		       .min = 0.01,
		       .max = 1,
		       .help = "Utilization, as a share of what backends may use. Above it there are "
			       "more, below half of it fewer."},
	[COMBINE] = {.name = "combine",
		     .type = TG_OPTION_WORD,
		     .preset = "mean",
		     .words = combine_words,
		     .help = "What utilization is of processor and memory: their mean, the greater "
			     "of them, or one of them alone."},
	[STEP] = {.name = "step",
		  .type = TG_OPTION_NUMBER,
		  .preset = "1",
		  .min = 1,
		  .max = 1000,
		  .help = "How many are added, or taken away, at once."},
	[WINDOW] = {.name = "window",
		    .type = TG_OPTION_DURATION,
		    .preset = "10s",
		    .min = 0.1,
		    .max = 3600,
		    .help = "The mean over this long decides."},
	[STRICT] = {.name = "strict",
		    .type = TG_OPTION_BOOLEAN,
		    .preset = "false",
		    .help = "The literal rule: what is on its way does not count, and nobody asks "
			    "what those that stay would have to carry."},
	{.name = NULL},
};

static uint32_t
threshold_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	ret_spans_ms[0] = (uint32_t)(values[WINDOW].number * 1000);
	return 1;
}

static bool
threshold_uses(const struct tg_value *values, uint32_t metric)
{
	enum combine combine = (enum combine)values[COMBINE].number;

	return (metric == TG_METRIC_CPU && combine != COMBINE_MEMORY) ||
	       (metric == TG_METRIC_MEMORY && combine != COMBINE_CPU);
}

/* NAN: not known. */
static double
utilization(const struct tg_value *values, const struct tg_window *w)
{
	double cpu = figure_mean(w, TG_METRIC_CPU);
	double memory = figure_mean(w, TG_METRIC_MEMORY);

	switch ((enum combine)values[COMBINE].number) {
	case COMBINE_CPU:
		return cpu;
	case COMBINE_MEMORY:
		return memory > 0 ? memory : NAN;
	case COMBINE_MAX:
		/* What runs has memory: a reading of nothing at all is none. */
		return memory > 0 && !isnan(cpu) ? fmax(cpu, memory) : NAN;
	case COMBINE_MEAN:
		break;
	}
	return memory > 0 ? (cpu + memory) / 2 : NAN;
}

static void
propose_strict(const struct tg_value *values, const struct tg_snapshot *s, double u,
	       struct tg_proposal *ret)
{
	double t = values[THRESHOLD].number;
	double step = values[STEP].number;

	ret->load = NAN;
	ret->desired = s->desired;
	if (u > t)
		ret->desired = figure_backends(s->desired + step);
	else if (u < t / 2)
		ret->desired = figure_backends(s->desired - step);
	propose_reason(ret, "utilization %.3f, strictly above %.3f one more, below %.3f one fewer", u,
		       t, t / 2);
}

/* Fewer, as long as those that stay remain below the threshold. */
static uint32_t
shrunk(double used, double t, uint32_t have, uint32_t step)
{
	uint32_t n = have;

	while (n > 1 && have - n < step && used / (n - 1) < t)
		n--;
	return n;
}

static void
threshold_propose(const struct tg_value *values, const struct tg_snapshot *s,
		  struct tg_proposal *ret)
{
	double t = values[THRESHOLD].number;
	uint32_t step = (uint32_t)values[STEP].number;
	uint32_t coming = s->ready + s->pending;
	uint32_t have = s->desired > coming ? s->desired : coming;
	double u = utilization(values, &s->windows[0]);
	double spread;

	if (s->ready == 0 || isnan(u)) {
		propose_unsure(ret, s, "%s",
			       s->ready == 0 ? "no backend is ready: nothing to measure"
					     : "processor or memory of backends is not known");
		return;
	}
	if (values[STRICT].number != 0) {
		propose_strict(values, s, u, ret);
		return;
	}
	/* As it will be when all that is on its way is there. */
	spread = u * s->ready / have;
	ret->load = u / t;
	ret->desired = s->desired;
	if (spread > t)
		ret->desired = have + step;
	else if (spread < t / 2)
		ret->desired = shrunk(u * s->ready, t, have, step);
	propose_reason(ret, "utilization %.3f of %u ready, %.3f with %u pending; more above %.3f, fewer below %.3f",
		       u, s->ready, spread, have - s->ready, t, t / 2);
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = threshold_windows,
	.propose = threshold_propose,
	.uses = threshold_uses,
};

const struct tg_module autoscale_threshold = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "threshold",
	.help = "One more above a threshold of utilization, one fewer below half of it.",
	.options = options,
	.ops = &ops,
};
