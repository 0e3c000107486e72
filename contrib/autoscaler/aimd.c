/*
 * aimd: an autoscaler for tidegate, complete and small: take it as the start of your own.
 *
 * Additive increase, multiplicative decrease, as TCP does it (D. Chiu, R. Jain: "Analysis of the
 * Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks", 1989): while requests have to
 * wait, or more are in flight for each backend than `high`, there are `add` more; once
 * there are fewer than `low` for each, only `factor` of the backends stay.
 *
 *	make && sudo make install
 *
 *	modules = ( "/usr/local/lib/tidegate/aimd.so" );
 *	services = ( { name = "api"; ...
 *	  autoscale = { module = "aimd"; high = 20; low = 5; min = 1; max = 10; }; } );
 */
#include <math.h>
#include <stdio.h>

#include <tidegate/module.h>

/* By their place in the table below. */
enum { HIGH, LOW, ADD, FACTOR, WINDOW };

static const struct tg_option options[] = {
	[HIGH] = {.name = "high",
		  .type = TG_OPTION_NUMBER,
		  .preset = "20",
		  .min = 0.1,
		  .max = 100000,
		  .help = "More requests in flight than this for each backend: there are more."},
	[LOW] = {.name = "low",
		 .type = TG_OPTION_NUMBER,
		 .preset = "5",
		 .min = 0,
		 .max = 100000,
		 .help = "Fewer than this for each backend: there are fewer."},
	[ADD] = {.name = "add",
		 .type = TG_OPTION_NUMBER,
		 .preset = "1",
		 .min = 1,
		 .max = 100,
		 .help = "How many more at once."},
	[FACTOR] = {.name = "factor",
		    .type = TG_OPTION_NUMBER,
		    .preset = "0.5",
		    .min = 0,
		    .max = 0.99,
		    .help = "The share that stays when there are fewer."},
	[WINDOW] = {.name = "window",
		    .type = TG_OPTION_DURATION,
		    .preset = "10s",
		    .min = 0.1,
		    .max = 3600,
		    .help = "The mean over this long decides."},
	{.name = NULL},
};

/* What cannot be right although each option alone is. */
static bool
aimd_check(const struct tg_value *values, char *reason, size_t size)
{
	if (values[LOW].number < values[HIGH].number)
		return true;
	snprintf(reason, size, "low must be less than high");
	return false;
}

static uint32_t
aimd_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	ret_spans_ms[0] = (uint32_t)(values[WINDOW].number * 1000);
	return 1;
}

static void
aimd_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	const struct tg_figure *in_flight = &s->windows[0].metrics[TG_METRIC_IN_FLIGHT];
	const struct tg_figure *queued = &s->windows[0].metrics[TG_METRIC_QUEUED];
	bool has_queue = queued->n > 0 && queued->last > 0;
	double each;

	ret->desired = s->desired;
	ret->load = NAN;
	if (in_flight->n == 0 || s->ready == 0) {
		ret->is_unsure = true;
		snprintf(ret->reason, sizeof(ret->reason), "nothing is known yet");
		return;
	}
	each = in_flight->mean / s->ready;
	ret->load = each / values[HIGH].number;
	/* What was added before is on its way: first see what it does. */
	if ((each > values[HIGH].number || has_queue) && s->pending == 0)
		ret->desired = s->desired + (uint32_t)values[ADD].number;
	else if (each < values[LOW].number && !has_queue)
		ret->desired = (uint32_t)ceil(s->desired * values[FACTOR].number);
	snprintf(ret->reason, sizeof(ret->reason), "%.3g in flight for each of %u, %s waits: %u -> %u",
		 each, s->ready, has_queue ? "somebody" : "nobody", s->desired, ret->desired);
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.check = aimd_check,
	.windows = aimd_windows,
	.propose = aimd_propose,
};

static const struct tg_module module = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "aimd",
	.help = "Some more while there is too much to do, a share fewer once there is too little.",
	.options = options,
	.ops = &ops,
};

/* The one name that is looked for. */
const struct tg_module *tidegate_module(const struct tg_host *host);

const struct tg_module *
tidegate_module(const struct tg_host *host)
{
	(void)host;
	return &module;
}
