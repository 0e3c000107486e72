/*
 * sim/baseline_hpa.c: the HorizontalPodAutoscaler v2 of Kubernetes on processors, with the defaults of its behavior.
 *
 * kubernetes.io, "Horizontal Pod Autoscaling": algorithm details and configurable scaling behavior;
 * k8s.io/kubernetes, pkg/controller/podautoscaler: GetResourceReplicas, stabilizeRecommendationWithBehaviors,
 * calculateScaleUpLimitWithScalingRules. ceil(ready * usage / target); nothing within a tolerance of 0.1; pods that are
 * not ready, or have no metric of a whole window yet, use nothing where it would grow; ready ones without a metric use
 * all they asked for where it would shrink, and nothing where it would grow. Every 15 s; down to the greatest
 * number of the last 300 s; up by the greater of four and all there are, in 15 s.
 */
#include <string.h>

#include "autoscale/figures.h"
#include "sim/baselines.h"

enum option { TARGET = 0, TOLERANCE, SYNC, DOWN_STABILIZATION, UP_COUNT, UP_PERCENT };

static const struct tg_option options[] = {
	[TARGET] = {.name = "target",
		    .type = TG_OPTION_NUMBER,
		    .preset = "0.8",
		    .min = 0.01,
		    .max = 1,
		    .help = "averageUtilization of the processor, as a share."},
	[TOLERANCE] = {.name = "tolerance",
		       .type = TG_OPTION_NUMBER,
		       .preset = "0.1",
		       .min = 0,
		       .max = 0.9,
		       .help = "No change as long as usage is this share of the target above or below it."},
	[SYNC] = {.name = "sync",
		  .type = TG_OPTION_DURATION,
		  .preset = "15s",
		  .min = 1,
		  .max = 60,
		  .help = "From one look to the next: the same as interval."},
	[DOWN_STABILIZATION] = {.name = "down_stabilization",
				.type = TG_OPTION_DURATION,
				.preset = "300s",
				.min = 0,
				.max = 3600,
				.help = "Shrinks to the most that was recommended in this time."},
	[UP_COUNT] = {.name = "up_count",
		      .type = TG_OPTION_NUMBER,
		      .preset = "4",
		      .min = 1,
		      .max = 1000,
		      .help = "Most that are added between two looks; the greater of the two counts."},
	[UP_PERCENT] = {.name = "up_percent",
			.type = TG_OPTION_NUMBER,
			.preset = "100",
			.min = 1,
			.max = 1000,
			.help = "The same, in percent of those there are."},
	{.name = NULL},
};

/* Recommendations up to the look before stand in points up to now: a sync less is as long ago as is meant. */
static uint32_t
hpa_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	double seconds = values[DOWN_STABILIZATION].number - values[SYNC].number;

	ret_spans_ms[0] = seconds > 0 ? (uint32_t)(seconds * 1000) : 1;
	return 1;
}

/*** Pods ***/

struct pods {
	double sum;       /* of usage */
	uint32_t known;
	uint32_t unready; /* or without a metric of a whole window */
	uint32_t missing;
};

static void
count_pod(const struct tg_snapshot *s, const struct tg_value *values, const struct tg_backend *b,
	  struct pods *ret)
{
	bool is_new = s->now_ms - b->since_ms <= (int64_t)(values[SYNC].number * 1000);

	switch ((enum tg_backend_state)b->state) {
	case TG_BACKEND_READY:
		if (!isnan(b->cpu)) {
			ret->sum += b->cpu;
			ret->known++;
		} else if (is_new) {
			ret->unready++;
		} else {
			ret->missing++;
		}
		break;
	case TG_BACKEND_PENDING:
	case TG_BACKEND_STARTING:
	case TG_BACKEND_CHECKING:
	case TG_BACKEND_DOWN:
		ret->unready++;
		break;
	case TG_BACKEND_DRAINING:
	case TG_BACKEND_STOPPING:
	case TG_BACKEND_STATE_COUNT:
		break;
	}
}

static struct pods
count_pods(const struct tg_snapshot *s, const struct tg_value *values)
{
	struct pods pods = {.known = 0};

	for (uint32_t i = 0; i < s->n_backends; i++)
		count_pod(s, values, &s->backends[i], &pods);
	return pods;
}

/*** Replicas ***/

static bool
is_near(const struct tg_value *values, double ratio)
{
	/* But for the rounding of what led to it. */
	return fabs(1 - ratio) <= values[TOLERANCE].number + 1e-9;
}

static uint32_t
replicas_for(const struct tg_value *values, const struct pods *pods, uint32_t current)
{
	double target = values[TARGET].number;
	double ratio = pods->sum / pods->known / target;
	bool rebalances = pods->unready > 0 && ratio > 1;
	double sum = pods->sum;
	double count = pods->known;
	uint32_t n;
	double again;

	if (!rebalances && pods->missing == 0)
		return is_near(values, ratio) ? current : figure_ceil(ratio * pods->known);
	/* Exactly at the target they are left out. */
	count += (ratio < 1 || ratio > 1 ? pods->missing : 0) + (rebalances ? pods->unready : 0);
	sum += ratio < 1 ? pods->missing : 0;
	again = sum / count / target;
	n = figure_ceil(again * count);
	if (is_near(values, again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1) ||
	    (again < 1 && n > current) || (again > 1 && n < current))
		return current;
	return n;
}

/* The greatest recommendation of the window; growing is not held back. */
static uint32_t
stabilized(const struct tg_value *values, const struct tg_snapshot *s, uint32_t recommended)
{
	const struct tg_figure *past = figure(&s->windows[0], TG_METRIC_PROPOSED);
	uint32_t most = past->n > 0 ? figure_backends(past->max) : recommended;

	if (values[DOWN_STABILIZATION].number <= 0 || recommended >= s->desired)
		return recommended;
	most = most > recommended ? most : recommended;
	return most < s->desired ? most : s->desired;
}

static uint32_t
limited(const struct tg_value *values, uint32_t current, uint32_t n)
{
	double count = current + values[UP_COUNT].number;
	double percent = ceil(current * (1 + values[UP_PERCENT].number / 100));
	double most = count > percent ? count : percent;

	return n > most ? (uint32_t)most : n;
}

static void
hpa_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	struct pods pods = count_pods(s, values);

	if (pods.known == 0) {
		propose_unsure(ret, s, "no metrics of ready pods");
		return;
	}
	ret->load = NAN;
	ret->has_raw = true;
	ret->raw = replicas_for(values, &pods, s->desired);
	ret->desired = limited(values, s->desired, stabilized(values, s, ret->raw));
	propose_reason(ret, "utilization %.3f of %u pods, target %.3f, %u not ready, %u missing: %u",
		       pods.sum / pods.known, pods.known, values[TARGET].number, pods.unready,
		       pods.missing, ret->raw);
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = hpa_windows,
	.propose = hpa_propose,
};

const struct tg_module baseline_hpa = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "hpa",
	.help = "The HorizontalPodAutoscaler v2 of Kubernetes, on processors.",
	.options = options,
	.ops = &ops,
};
