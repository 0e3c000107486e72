/*
 * sim/baseline_aws.c: target tracking of AWS on processors, as its alarms have it.
 *
 * docs.aws.amazon.com, Amazon ECS "Target tracking scaling policies" and "Application Auto Scaling user guide". Of each
 * policy CloudWatch has two alarms on means of a minute: three in a row above the target scale out, fifteen in a row below
 * nine tenths of it scale in. The number is in proportion to the metric, rounded so that there is never too little;
 * what is missing scales nothing. How much slower than in proportion it scales in is not published; here it is in
 * proportion, and there is no cooldown, which is to its favour where it differs.
 */
#include "autoscale/figures.h"
#include "sim/baselines.h"

enum option { TARGET = 0, OUT_PERIODS, IN_PERIODS, IN_SHARE, PERIOD };
enum window { OUT = 0, IN };

static const struct tg_option options[] = {
	[TARGET] = {.name = "target",
		    .type = TG_OPTION_NUMBER,
		    .preset = "0.7",
		    .min = 0.01,
		    .max = 1,
		    .help = "TargetValue of ECSServiceAverageCPUUtilization, as a share."},
	[OUT_PERIODS] = {.name = "out_periods",
			 .type = TG_OPTION_NUMBER,
			 .preset = "3",
			 .min = 1,
			 .max = 60,
			 .help = "Periods in a row above the target before it scales out."},
	[IN_PERIODS] = {.name = "in_periods",
			.type = TG_OPTION_NUMBER,
			.preset = "15",
			.min = 1,
			.max = 60,
			.help = "Periods in a row below in_share of it before it scales in."},
	[IN_SHARE] = {.name = "in_share",
		      .type = TG_OPTION_NUMBER,
		      .preset = "0.9",
		      .min = 0.01,
		      .max = 1,
		      .help = "The lower alarm, as a share of the target."},
	[PERIOD] = {.name = "period",
		    .type = TG_OPTION_DURATION,
		    .preset = "60s",
		    .min = 1,
		    .max = 60,
		    .help = "Of a mean, and from one look to the next: the same as interval."},
	{.name = NULL},
};

/* Between two of so many points lie so many periods less one. */
static uint32_t
span_ms(const struct tg_value *values, double periods)
{
	return (uint32_t)(values[PERIOD].number * (periods - 0.5) * 1000);
}

static uint32_t
aws_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	ret_spans_ms[OUT] = span_ms(values, values[OUT_PERIODS].number);
	ret_spans_ms[IN] = span_ms(values, values[IN_PERIODS].number);
	return 2;
}

static void
aws_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	const struct tg_figure *out = figure(&s->windows[OUT], TG_METRIC_CPU);
	const struct tg_figure *in = figure(&s->windows[IN], TG_METRIC_CPU);
	double target = values[TARGET].number;
	uint32_t n = figure_ceil(s->ready * out->last / target);

	if (out->n == 0) {
		propose_unsure(ret, s, "insufficient data");
		return;
	}
	ret->load = NAN;
	ret->desired = s->desired;
	if (out->n >= values[OUT_PERIODS].number && out->min > target && n > s->desired)
		ret->desired = n;
	else if (in->n >= values[IN_PERIODS].number && in->max < target * values[IN_SHARE].number &&
		 n < s->desired)
		ret->desired = n;
	propose_reason(ret, "%.3f of %u, target %.3f: %u", out->last, s->ready, target, ret->desired);
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = aws_windows,
	.propose = aws_propose,
};

const struct tg_module baseline_aws = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "aws",
	.help = "Target tracking of AWS, on processors.",
	.options = options,
	.ops = &ops,
};
