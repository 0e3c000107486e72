/*
 * autoscale/target.c: as many backends as keep each figure at its target.
 *
 * Ratio control as the Kubernetes HorizontalPodAutoscaler v2 does it (kubernetes.io, "Horizontal
 * Pod Autoscaling", algorithm details; k8s.io/kubernetes pkg/controller/podautoscaler: calcPlainMetricReplicas,
 * stabilizeRecommendationWithBehaviors, calculateScaleUpLimitWithScalingRules): ceil(backends * usage / target),
 * nothing within a tolerance; of several metrics the greatest proposal wins; what is missing is taken
 * for the target where it would shrink and for nothing where it would grow, and backends that
 * are not ready yet for nothing. What one metric lacks does not keep another from growing the
 * service, and keeps all from shrinking it.
 *
 * Stable and panic windows as the Knative autoscaler (knative.dev, "Autoscaling concepts";
 * knative.dev/serving pkg/autoscaler/scaling): the mean of a long window, and that of a short one as soon as it asks
 * for panic_threshold times what is ready; in a panic nothing shrinks, and a panic is over when there was none for a
 * whole stable window. Of what is in flight and queued, the short window knows the newest sample too, and takes that where
 * it is more than the mean: workers count it exactly, so a step is known in full by the first sample behind it, and
 * is answered at once, not by half as a mean of before and after would.
 *
 * Totals (in flight with what is queued, requests per second) are divided by the target and so know the way from
 * zero; all others are means and scale what is there.
 */
#include <string.h>

#include "autoscale/builtin.h"
#include "autoscale/figures.h"

enum option {
	METRIC = 0,
	TARGET,
	IN_FLIGHT,
	REQUESTS,
	CPU,
	MEMORY,
	QUEUE_TIME,
	LATENCY,
	TOLERANCE,
	STABLE_WINDOW,
	PANIC_WINDOW,
	PANIC_THRESHOLD,
	UP_STABILIZATION,
	DOWN_STABILIZATION,
	UP_COUNT,
	UP_PERCENT,
	UP_PERIOD,
	UP_SELECT,
	DOWN_COUNT,
	DOWN_PERCENT,
	DOWN_PERIOD,
	DOWN_SELECT,
	OPTION_COUNT
};

/* In the order of the options from IN_FLIGHT on. */
static const char *const metric_words[] = {"in-flight",  "requests", "cpu", "memory",
					   "queue-time", "latency",  NULL};
#define N_METRICS 6u

enum select { SELECT_MAX = 0, SELECT_MIN, SELECT_OFF };
static const char *const select_words[] = {"max", "min", "off", NULL};

#define COUNT_MAX 1000000.0

static const struct tg_option options[] = {
	[METRIC] = {.name = "metric",
		    .type = TG_OPTION_WORD,
		    .words = metric_words,
		    .help = "What is kept at target. The keys of the same names are for several at "
			    "once: the greatest proposal wins."},
	[TARGET] = {.name = "target",
		    .type = TG_OPTION_NUMBER,
		    .min = 0.0001,
		    .max = 1e9,
		    .help = "Of metric, for each backend: requests in flight, requests per second, a "
			    "share of processor or memory, seconds of time in the queue or of "
			    "latency."},
	[IN_FLIGHT] = {.name = "in_flight",
		       .type = TG_OPTION_NUMBER,
		       .min = 0.0001,
		       .max = 1e9,
		       .help = "Requests or connections in flight for each backend; those that wait for "
			       "a place count too."},
	[REQUESTS] = {.name = "requests",
		      .type = TG_OPTION_NUMBER,
		      .min = 0.0001,
		      .max = 1e9,
		      .help = "Requests or connections per second for each backend."},
	[CPU] = {.name = "cpu",
		 .type = TG_OPTION_NUMBER,
		 .min = 0.01,
		 .max = 1,
		 .help = "Mean share of the processor time that backends may use."},
	[MEMORY] = {.name = "memory",
		    .type = TG_OPTION_NUMBER,
		    .min = 0.01,
		    .max = 1,
		    .help = "Mean share of the memory that backends may use."},
	[QUEUE_TIME] = {.name = "queue_time",
			.type = TG_OPTION_DURATION,
			.min = 0.001,
			.max = 3600,
			.help = "Mean time that requests wait for a backend with room."},
	[LATENCY] = {.name = "latency",
		     .type = TG_OPTION_DURATION,
		     .min = 0.001,
		     .max = 3600,
		     .help = "95th percentile of the whole time of requests. More backends help only "
			     "while it comes from load."},
	[TOLERANCE] = {.name = "tolerance",
		       .type = TG_OPTION_NUMBER,
		       .preset = "0.1",
		       .min = 0,
		       .max = 0.9,
		       .help = "No change as long as usage is this share of the target above or below "
			       "it."},
	[STABLE_WINDOW] = {.name = "stable_window",
			   .type = TG_OPTION_DURATION,
			   .preset = "60s",
			   .min = 0.1,
			   .max = 3600,
			   .help = "The mean over this long counts as long as there is no panic."},
	[PANIC_WINDOW] = {.name = "panic_window",
			  .type = TG_OPTION_DURATION,
			  .preset = "1s",
			  .min = 0.1,
			  .max = 3600,
			  .help = "The mean over this long counts in a panic. Shorter than an "
				  "interval it is the last sample alone."},
	[PANIC_THRESHOLD] = {.name = "panic_threshold",
			     .type = TG_OPTION_NUMBER,
			     .preset = "1.5",
			     .min = 1.1,
			     .max = 10,
			     .help = "A panic begins when the panic window asks for this many times "
				     "the backends that are ready. It ends when there was none for a "
				     "stable window, and until then nothing shrinks."},
	[UP_STABILIZATION] = {.name = "up_stabilization",
			      .type = TG_OPTION_DURATION,
			      .preset = "0",
			      .min = 0,
			      .max = 3600,
			      .help = "Grows to the least that was proposed in this time."},
	[DOWN_STABILIZATION] = {.name = "down_stabilization",
				.type = TG_OPTION_DURATION,
				.preset = "5m",
				.min = 0,
				.max = 3600,
				.help = "Shrinks to the most that was proposed in this time."},
	[UP_COUNT] = {.name = "up_count",
		      .type = TG_OPTION_NUMBER,
		      .min = 1,
		      .max = COUNT_MAX,
		      .help = "Most backends that are added in up_period. Not given: any number."},
	[UP_PERCENT] = {.name = "up_percent",
			.type = TG_OPTION_NUMBER,
			.min = 1,
			.max = COUNT_MAX,
			.help = "The same, of those there were when up_period began; one at least."},
	[UP_PERIOD] = {.name = "up_period",
		       .type = TG_OPTION_DURATION,
		       .preset = "15s",
		       .min = 0.1,
		       .max = 1800,
		       .help = "The time that up_count and up_percent are for."},
	[UP_SELECT] = {.name = "up_select",
		       .type = TG_OPTION_WORD,
		       .preset = "max",
		       .words = select_words,
		       .help = "Which of the two counts where both are given; off: never grows."},
	[DOWN_COUNT] = {.name = "down_count",
			.type = TG_OPTION_NUMBER,
			.min = 1,
			.max = COUNT_MAX,
			.help = "Most backends that are taken away in down_period. Not given: any number."},
	[DOWN_PERCENT] = {.name = "down_percent",
			  .type = TG_OPTION_NUMBER,
			  .min = 1,
			  .max = 100,
			  .help = "The same, of those there were when down_period began; one at least."},
	[DOWN_PERIOD] = {.name = "down_period",
			 .type = TG_OPTION_DURATION,
			 .preset = "15s",
			 .min = 0.1,
			 .max = 1800,
			 .help = "The time that down_count and down_percent are for."},
	[DOWN_SELECT] = {.name = "down_select",
			 .type = TG_OPTION_WORD,
			 .preset = "max",
			 .words = select_words,
			 .help = "Which of the two counts where both are given; off: never shrinks."},
	[OPTION_COUNT] = {.name = NULL},
};

enum window { WINDOW_STABLE = 0, WINDOW_PANIC, WINDOW_UP, WINDOW_DOWN, WINDOW_UP_RATE, WINDOW_DOWN_RATE };

/*** Options ***/

/* NAN: it has none. */
static double
target_of(const struct tg_value *values, unsigned metric)
{
	const struct tg_value *own = &values[IN_FLIGHT + metric];

	if (values[METRIC].is_set && (unsigned)values[METRIC].number == metric)
		return values[TARGET].number;
	return own->is_set ? own->number : NAN;
}

static bool
target_check(const struct tg_value *values, char *reason, size_t size)
{
	bool has_any = values[METRIC].is_set;

	for (unsigned m = 0; m < N_METRICS; m++)
		has_any = has_any || values[IN_FLIGHT + m].is_set;
	if (values[METRIC].is_set != values[TARGET].is_set)
		snprintf(reason, size, "%s is missing: metric and target go together",
			 values[METRIC].is_set ? "target" : "metric");
	else if (!has_any)
		snprintf(reason, size,
			 "nothing to keep at a target; allowed: metric and target, or in_flight, "
			 "requests, cpu, memory, queue_time, latency");
	else if (values[METRIC].is_set && values[IN_FLIGHT + (unsigned)values[METRIC].number].is_set)
		snprintf(reason, size, "%s has a target already, that of metric",
			 options[IN_FLIGHT + (unsigned)values[METRIC].number].name);
	else if (values[METRIC].is_set && values[TARGET].number > 1 &&
		 ((unsigned)values[METRIC].number == CPU - IN_FLIGHT ||
		  (unsigned)values[METRIC].number == MEMORY - IN_FLIGHT))
		snprintf(reason, size, "target: %g of %s is more than there is; allowed: to 1",
			 values[TARGET].number, metric_words[(unsigned)values[METRIC].number]);
	else if (values[PANIC_WINDOW].number > values[STABLE_WINDOW].number)
		snprintf(reason, size, "panic_window is longer than stable_window");
	else
		return true;
	return false;
}

static uint32_t
target_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	static const enum option spans[] = {
		[WINDOW_STABLE] = STABLE_WINDOW,      [WINDOW_PANIC] = PANIC_WINDOW,
		[WINDOW_UP] = UP_STABILIZATION,       [WINDOW_DOWN] = DOWN_STABILIZATION,
		[WINDOW_UP_RATE] = UP_PERIOD,         [WINDOW_DOWN_RATE] = DOWN_PERIOD,
	};
	uint32_t n = sizeof(spans) / sizeof(spans[0]);

	for (uint32_t i = 0; i < n; i++) {
		double seconds = values[spans[i]].number;

		/* No stabilization: a window that is there anyway. */
		if (seconds <= 0)
			seconds = values[PANIC_WINDOW].number;
		ret_spans_ms[i] = (uint32_t)(seconds * 1000);
	}
	return n;
}

static bool
target_uses(const struct tg_value *values, uint32_t metric)
{
	static const enum tg_metric of[] = {
		[IN_FLIGHT - IN_FLIGHT] = TG_METRIC_IN_FLIGHT,
		[REQUESTS - IN_FLIGHT] = TG_METRIC_ARRIVALS,
		[CPU - IN_FLIGHT] = TG_METRIC_CPU,
		[MEMORY - IN_FLIGHT] = TG_METRIC_MEMORY,
		[QUEUE_TIME - IN_FLIGHT] = TG_METRIC_QUEUE_TIME,
		[LATENCY - IN_FLIGHT] = TG_METRIC_SERVICE_P95,
	};

	for (unsigned m = 0; m < N_METRICS; m++) {
		if ((uint32_t)of[m] == metric && !isnan(target_of(values, m)))
			return true;
	}
	return false;
}

/*** One metric ***/

/* What one metric asks for in one window. */
struct wish {
	bool is_known;
	uint32_t desired;
	double load; /* of what backends that are ready may have */
};

static bool
is_total(unsigned metric)
{
	return metric == IN_FLIGHT - IN_FLIGHT || metric == REQUESTS - IN_FLIGHT;
}

/* NAN: not known. */
static double
usage_of(const struct tg_snapshot *s, enum window window, unsigned metric)
{
	const struct tg_window *w = &s->windows[window];
	double usage = NAN;

	switch ((enum option)(metric + IN_FLIGHT)) {
	case IN_FLIGHT:
		return window == WINDOW_PANIC ? fmax(figure_demand(w), figure_demand_now(w))
					      : figure_demand(w);
	case REQUESTS:
		return figure_mean(w, TG_METRIC_ARRIVALS);
	case CPU:
		return figure_mean(w, TG_METRIC_CPU);
	case MEMORY:
		usage = figure_mean(w, TG_METRIC_MEMORY);
		/* What runs has memory: a reading of nothing at all is none. */
		return usage > 0 ? usage : NAN;
	case QUEUE_TIME:
		usage = figure_mean(w, TG_METRIC_QUEUE_TIME);
		break;
	case LATENCY:
		usage = figure_mean(w, TG_METRIC_SERVICE_P95);
		break;
	default:
		break;
	}
	/* Nobody came, so nobody waited. */
	return isnan(usage) && figure_is_quiet(w) ? 0 : usage;
}

static bool
is_near(const struct tg_value *values, double ratio)
{
	/* But for the rounding of what led to it. */
	return fabs(1 - ratio) <= values[TOLERANCE].number + 1e-9;
}

/* How many of the ready ones have no reading; the service's is the mean of the others. */
static uint32_t
missing_of(const struct tg_snapshot *s, unsigned metric)
{
	uint32_t missing = 0;

	if (metric != CPU - IN_FLIGHT && metric != MEMORY - IN_FLIGHT)
		return 0;
	for (uint32_t i = 0; i < s->n_backends; i++) {
		const struct tg_backend *b = &s->backends[i];

		if (b->state == TG_BACKEND_READY &&
		    isnan(metric == CPU - IN_FLIGHT ? b->cpu : b->memory))
			missing++;
	}
	/* All of them, and yet there is a mean: it is of the window's past. */
	return missing < s->ready ? missing : 0;
}

/* Totals need no backend to be counted at. */
static void
wish_of_total(const struct tg_value *values, const struct tg_snapshot *s, double usage,
	      double target, struct wish *ret)
{
	double used = usage / target;

	ret->desired = figure_ceil(used);
	ret->load = s->ready > 0 ? used / s->ready : NAN;
	/* What is on its way counts: it is capacity, and nothing goes through it yet. */
	if (s->desired > 0 && is_near(values, used / s->desired))
		ret->desired = s->desired;
}

static void
wish_of_mean(const struct tg_value *values, const struct tg_snapshot *s, unsigned metric,
	     double usage, double target, struct wish *ret)
{
	uint32_t missing = missing_of(s, metric);
	uint32_t known = s->ready - missing;
	double ratio = usage / target;
	double sum = usage * known;
	double count = known;
	double again;

	ret->load = ratio;
	ret->desired = s->desired;
	if (ratio < 1) {
		sum += missing * target;
		count += missing;
	} else if (ratio > 1) {
		count += missing + s->pending;
	}
	again = sum / count / target;
	if (is_near(values, ratio) || is_near(values, again) || (ratio < 1) != (again < 1))
		return;
	/* A change must not go against what asked for it. */
	if (again > 1 && figure_ceil(again * count) > s->desired)
		ret->desired = figure_ceil(again * count);
	else if (again < 1 && figure_ceil(again * count) < s->desired)
		ret->desired = figure_ceil(again * count);
}

static struct wish
wish_of(const struct tg_value *values, const struct tg_snapshot *s, enum window window,
	unsigned metric)
{
	double target = target_of(values, metric);
	double usage = usage_of(s, window, metric);
	struct wish wish = {.is_known = !isnan(usage), .desired = s->desired, .load = NAN};

	if (!wish.is_known)
		return wish;
	if (is_total(metric))
		wish_of_total(values, s, usage, target, &wish);
	else if (s->ready > 0)
		wish_of_mean(values, s, metric, usage, target, &wish);
	else
		wish.is_known = false;
	return wish;
}

/*** All metrics ***/

struct wishes {
	bool is_unsure;    /* one of them is not known */
	bool has_any;
	uint32_t desired;  /* the greatest */
	double load;       /* the same */
	unsigned metric;   /* whose that is */
};

static struct wishes
greatest(const struct tg_value *values, const struct tg_snapshot *s, enum window window)
{
	struct wishes all = {.load = NAN};

	for (unsigned m = 0; m < N_METRICS; m++) {
		struct wish wish;

		if (isnan(target_of(values, m)))
			continue;
		wish = wish_of(values, s, window, m);
		if (!wish.is_known) {
			all.is_unsure = true;
			continue;
		}
		if (!all.has_any || wish.desired > all.desired) {
			all.desired = wish.desired;
			all.metric = m;
		}
		all.load = fmax(all.load, wish.load);
		all.has_any = true;
	}
	return all;
}

/* A proposal that was so far above what was ready that it must have been a panic. */
static bool
was_panic(const struct tg_value *values, const struct tg_window *w)
{
	const struct tg_figure *proposed = figure(w, TG_METRIC_PROPOSED);
	const struct tg_figure *ready = figure(w, TG_METRIC_READY);

	return proposed->n > 0 && ready->n > 0 && ready->min >= 1 &&
	       proposed->max >= values[PANIC_THRESHOLD].number * ready->min;
}

static bool
is_panic(const struct tg_value *values, const struct tg_snapshot *s, const struct wishes *fast)
{
	return fast->has_any && s->ready > 0 &&
	       fast->desired >= values[PANIC_THRESHOLD].number * s->ready;
}

/*** What earlier proposals make of it ***/

static uint32_t
stabilize(const struct tg_value *values, const struct tg_snapshot *s, uint32_t desired)
{
	const struct tg_figure *up = figure(&s->windows[WINDOW_UP], TG_METRIC_PROPOSED);
	const struct tg_figure *down = figure(&s->windows[WINDOW_DOWN], TG_METRIC_PROPOSED);
	double low = desired;
	double high = desired;

	if (values[UP_STABILIZATION].number > 0 && up->n > 0)
		low = fmin(low, up->min);
	if (values[DOWN_STABILIZATION].number > 0 && down->n > 0)
		high = fmax(high, down->max);
	if (s->desired < low)
		return figure_backends(low);
	return s->desired > high ? figure_backends(high) : s->desired;
}

/* Of `first`, which there were when the period began. SELECT_OFF is no business of this. */
static double
most_change(const struct tg_value *count, const struct tg_value *percent, enum select select,
	    double first)
{
	double by_percent = fmax(1, floor(first * percent->number / 100));

	if (!count->is_set || !percent->is_set)
		return count->is_set ? count->number : percent->is_set ? by_percent : INFINITY;
	return select == SELECT_MIN ? fmin(count->number, by_percent)
				    : fmax(count->number, by_percent);
}

static double
first_desired(const struct tg_snapshot *s, enum window window)
{
	const struct tg_figure *f = figure(&s->windows[window], TG_METRIC_DESIRED);

	return f->n > 0 ? f->first : s->desired;
}

static uint32_t
limit_rate(const struct tg_value *values, const struct tg_snapshot *s, uint32_t desired)
{
	enum select up = (enum select)values[UP_SELECT].number;
	enum select down = (enum select)values[DOWN_SELECT].number;
	double have = s->desired;
	double first;
	double limit;

	if (desired > s->desired) {
		first = first_desired(s, WINDOW_UP_RATE);
		limit = up == SELECT_OFF ? have
					 : first + most_change(&values[UP_COUNT],
							       &values[UP_PERCENT], up, first);
		return figure_backends(fmin(desired, fmax(limit, have)));
	}
	if (desired < s->desired) {
		first = first_desired(s, WINDOW_DOWN_RATE);
		limit = down == SELECT_OFF ? have
					   : first - most_change(&values[DOWN_COUNT],
								 &values[DOWN_PERCENT], down, first);
		return figure_backends(fmax(desired, fmin(limit, have)));
	}
	return desired;
}

static void
tell(const struct tg_value *values, const struct tg_snapshot *s, const struct wishes *by,
     enum window window, bool is_panicking, struct tg_proposal *ret)
{
	double usage = usage_of(s, window, by->metric);
	bool total = is_total(by->metric);

	if (total && s->ready > 0)
		usage /= s->ready;
	propose_reason(ret, "%s %.4g%s, target %.4g: %u%s%s%s", metric_words[by->metric], usage,
		       !total ? "" : s->ready > 0 ? " per backend" : " without a backend",
		       target_of(values, by->metric), ret->raw, is_panicking ? ", panic" : "",
		       ret->desired != ret->raw ? ", bound by windows or rates" : "",
		       by->is_unsure ? ", another metric is not known" : "");
}

static void
target_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	struct wishes slow = greatest(values, s, WINDOW_STABLE);
	struct wishes fast = greatest(values, s, WINDOW_PANIC);
	bool is_panicking = is_panic(values, s, &fast);
	bool uses_fast = is_panicking || s->ready == 0 || !slow.has_any;
	const struct wishes *by = uses_fast && fast.has_any ? &fast : &slow;

	if (!by->has_any) {
		propose_unsure(ret, s, "%s",
			       s->ready == 0 ? "no backend is ready: nothing to measure"
					     : "no metric is known");
		return;
	}
	ret->has_raw = true;
	ret->raw = by->desired;
	/* Both windows as far as they ask for more; in a panic, nothing fewer than there is. */
	if (is_panicking && slow.has_any && slow.desired > ret->raw)
		ret->raw = slow.desired;
	is_panicking = is_panicking || was_panic(values, &s->windows[WINDOW_STABLE]);
	ret->desired = stabilize(values, s, ret->raw);
	if (is_panicking && ret->desired < s->desired)
		ret->desired = s->desired;
	ret->desired = limit_rate(values, s, ret->desired);
	ret->is_unsure = by->is_unsure;
	ret->load = fmax(slow.load, fast.load);
	tell(values, s, by, by == &fast ? WINDOW_PANIC : WINDOW_STABLE, is_panicking, ret);
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.check = target_check,
	.windows = target_windows,
	.propose = target_propose,
	.uses = target_uses,
};

const struct tg_module autoscale_target = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "target",
	.help = "As many as keep requests in flight, or another figure, at a target for each backend.",
	.options = options,
	.ops = &ops,
};
