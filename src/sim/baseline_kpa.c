/*
 * sim/baseline_kpa.c: the pod autoscaler of Knative on concurrency.
 *
 * knative.dev, "Autoscaling concepts" and "Configuring the KPA"; knative.dev/serving, pkg/autoscaler/scaling:
 * autoscaler.Scale(). The mean concurrency of 60 s over the target, 70 % of what a pod may have at a time; that of
 * 6 s as soon as it asks for twice the ready pods, and from then on never fewer until it did not for 60 s. At most 1000
 * times as many at once, at least half. Every 2 s.
 *
 * A module keeps nothing. That a look was over the panic threshold is told to later ones by adding IN_PANIC to the number
 * proposed, which only windows see; the greatest number of a panic is what was decided last.
 */
#include "autoscale/figures.h"
#include "sim/baselines.h"

#define IN_PANIC 1000000u

enum option { UTILIZATION = 0, CONCURRENCY, WINDOW, PANIC_WINDOW, PANIC_THRESHOLD, UP_RATE, DOWN_RATE, TICK };
enum window { STABLE = 0, PANIC, STABLE_BEFORE };

static const struct tg_option options[] = {
	[UTILIZATION] = {.name = "utilization",
			 .type = TG_OPTION_NUMBER,
			 .preset = "0.7",
			 .min = 0.01,
			 .max = 1,
			 .help = "container-concurrency-target-percentage, as a share."},
	[CONCURRENCY] = {.name = "concurrency",
			 .type = TG_OPTION_NUMBER,
			 .min = 0.01,
			 .max = 100000,
			 .help = "Requests that a pod may have at a time. Not given: max_connections_per_backend."},
	[WINDOW] = {.name = "window",
		    .type = TG_OPTION_DURATION,
		    .preset = "60s",
		    .min = 6,
		    .max = 3600,
		    .help = "stable-window."},
	[PANIC_WINDOW] = {.name = "panic_window",
			  .type = TG_OPTION_DURATION,
			  .preset = "6s",
			  .min = 1,
			  .max = 3600,
			  .help = "panic-window-percentage of it: 10 %."},
	[PANIC_THRESHOLD] = {.name = "panic_threshold",
			     .type = TG_OPTION_NUMBER,
			     .preset = "2",
			     .min = 1.1,
			     .max = 10,
			     .help = "panic-threshold-percentage, as a multiple of the ready pods."},
	[UP_RATE] = {.name = "max_scale_up_rate",
		     .type = TG_OPTION_NUMBER,
		     .preset = "1000",
		     .min = 1.01,
		     .max = 1000000,
		     .help = "At most so many times the ready pods."},
	[DOWN_RATE] = {.name = "max_scale_down_rate",
		       .type = TG_OPTION_NUMBER,
		       .preset = "2",
		       .min = 1.01,
		       .max = 1000000,
		       .help = "At least the ready pods divided by this."},
	[TICK] = {.name = "tick",
		  .type = TG_OPTION_DURATION,
		  .preset = "2s",
		  .min = 0.1,
		  .max = 60,
		  .help = "From one look to the next: the same as interval."},
	{.name = NULL},
};

static uint32_t
kpa_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	double before = values[WINDOW].number - values[TICK].number;

	ret_spans_ms[STABLE] = (uint32_t)(values[WINDOW].number * 1000);
	ret_spans_ms[PANIC] = (uint32_t)(values[PANIC_WINDOW].number * 1000);
	ret_spans_ms[STABLE_BEFORE] = before > 0 ? (uint32_t)(before * 1000) : 1;
	return 3;
}

static bool
had_panic(const struct tg_window *w)
{
	const struct tg_figure *past = figure(w, TG_METRIC_PROPOSED);

	return past->n > 0 && past->max >= IN_PANIC;
}

static double
within(double n, double least, double most)
{
	n = n > least ? n : least;
	return n < most ? n : most;
}

/* What is asked for, and whether it is too much for what is ready. */
struct wish {
	double stable;
	double panic;
	bool is_over;
};

static struct wish
wish_of(const struct tg_value *values, const struct tg_snapshot *s, double target)
{
	double ready = s->ready > 0 ? s->ready : 1;
	double most = ceil(values[UP_RATE].number * ready);
	double least = floor(ready / values[DOWN_RATE].number);
	double stable = ceil(figure_demand(&s->windows[STABLE]) / target);
	double panic = ceil(figure_demand(&s->windows[PANIC]) / target);

	return (struct wish){
		.stable = within(stable, least, most),
		.panic = within(panic, least, most),
		.is_over = panic / ready >= values[PANIC_THRESHOLD].number,
	};
}

/* A new one begins in a panic, so that it does not shrink what it knows nothing of. */
static bool
is_new(const struct tg_value *values, const struct tg_snapshot *s)
{
	return s->desired > 1 && s->windows[STABLE].covered_ms + values[TICK].number * 1000 <
					 values[WINDOW].number * 1000;
}

static void
kpa_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	double concurrency =
		values[CONCURRENCY].is_set ? values[CONCURRENCY].number : s->concurrency;
	double target = concurrency * values[UTILIZATION].number;
	bool was_in_panic = is_new(values, s) || had_panic(&s->windows[STABLE]);
	struct wish wish;
	bool is_in_panic;
	double n;

	if (target <= 0 || isnan(figure_demand(&s->windows[STABLE])) ||
	    isnan(figure_demand(&s->windows[PANIC]))) {
		propose_unsure(ret, s, "no data to scale on yet");
		return;
	}
	wish = wish_of(values, s, target);
	is_in_panic = wish.is_over || is_new(values, s) || had_panic(&s->windows[STABLE_BEFORE]);
	n = wish.stable;
	if (is_in_panic)
		n = wish.panic > n ? wish.panic : n;
	if (is_in_panic && was_in_panic)
		n = n > s->desired ? n : s->desired;
	ret->load = NAN;
	ret->desired = figure_backends(n);
	ret->has_raw = true;
	ret->raw = ret->desired + (wish.is_over ? IN_PANIC : 0);
	propose_reason(ret, "stable %.0f, panic %.0f of %u ready, target %.3g%s: %u", wish.stable,
		       wish.panic, s->ready, target, is_in_panic ? ", in panic" : "", ret->desired);
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = kpa_windows,
	.propose = kpa_propose,
};

const struct tg_module baseline_kpa = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "kpa",
	.help = "The pod autoscaler of Knative, on concurrency.",
	.options = options,
	.ops = &ops,
};
