/*
 * autoscale/staffing.c: as many backends as the arrivals need, by Erlang's formula for a queue.
 *
 * Offered load is arrivals per second times mean seconds at a backend; servers are backends times the requests each
 * serves at a time. See autoscale/erlang.h. Other than a ratio to a target it knows that large
 * services need less spare than small ones.
 */
#include "autoscale/builtin.h"
#include "autoscale/erlang.h"
#include "autoscale/figures.h"

enum option { WAIT = 0, QUEUE_TIME, CONCURRENCY, WINDOW };

#define WAIT_PRESET 0.05

static const struct tg_option options[] = {
	[WAIT] = {.name = "wait",
		  .type = TG_OPTION_NUMBER,
		  .min = 0.0001,
		  .max = 0.9999,
		  .help = "At most this share of requests may have to wait for a place. 0.05 where "
			  "neither this nor queue_time is given."},
	[QUEUE_TIME] = {.name = "queue_time",
			.type = TG_OPTION_DURATION,
			.min = 0.001,
			.max = 3600,
			.help = "Requests may wait this long in the mean."},
	[CONCURRENCY] = OPTION_CONCURRENCY,
	[WINDOW] = {.name = "window",
		    .type = TG_OPTION_DURATION,
		    .preset = "30s",
		    .min = 0.1,
		    .max = 3600,
		    .help = "Arrivals and service times are means over this long."},
	{.name = NULL},
};

static uint32_t
staffing_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	ret_spans_ms[0] = (uint32_t)(values[WINDOW].number * 1000);
	return 1;
}

/* How many servers are looked at: more than max backends have there need not be. */
static uint32_t
most_servers(const struct tg_snapshot *s, uint32_t concurrency)
{
	uint64_t most = (uint64_t)(s->max > s->desired ? s->max : s->desired) * concurrency;

	return most < TG_ERLANG_SERVERS_MAX ? (uint32_t)most : TG_ERLANG_SERVERS_MAX;
}

static void
propose_for(const struct tg_value *values, const struct tg_snapshot *s, double arrivals,
	    double service, uint32_t concurrency, struct tg_proposal *ret)
{
	struct erlang_goal goal = {
		.wait = values[WAIT].is_set         ? values[WAIT].number
			: values[QUEUE_TIME].is_set ? 0
						    : WAIT_PRESET,
		.seconds = values[QUEUE_TIME].is_set ? values[QUEUE_TIME].number : 0,
		.service = service,
	};
	double a = arrivals * service;
	double used;
	uint32_t servers = erlang_servers(a, &goal, most_servers(s, concurrency), &used);

	ret->desired = servers / concurrency + (servers % concurrency > 0);
	ret->load = s->ready > 0 ? used / ((double)s->ready * concurrency) : NAN;
	propose_reason(ret,
		       "%.4g arrivals/s of %.4g s are %.4g erlang: %u places of %u per backend: %u",
		       arrivals, service, a, servers, concurrency, ret->desired);
}

static void
staffing_propose(const struct tg_value *values, const struct tg_snapshot *s,
		 struct tg_proposal *ret)
{
	const struct tg_window *w = &s->windows[0];
	uint32_t concurrency = figure_concurrency(&values[CONCURRENCY], s);
	double arrivals = figure_mean(w, TG_METRIC_ARRIVALS);
	double service = figure_mean(w, TG_METRIC_SERVICE_TIME);

	if (figure_is_quiet(w))
		propose_reason(ret, "nothing came, nothing is in flight: 0");
	else if (concurrency == 0)
		propose_no_concurrency(ret, s);
	else if (isnan(arrivals) || isnan(service))
		propose_unsure(ret, s, "%s not known",
			       isnan(arrivals) ? "arrivals are" : "service time is");
	else
		propose_for(values, s, arrivals, service, concurrency, ret);
}

static bool
staffing_uses(const struct tg_value *values, uint32_t metric)
{
	(void)values;
	return metric == TG_METRIC_ARRIVALS || metric == TG_METRIC_SERVICE_TIME;
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = staffing_windows,
	.propose = staffing_propose,
	.uses = staffing_uses,
};

const struct tg_module autoscale_staffing = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "staffing",
	.help = "As many as arrivals and service times need, by Erlang's formula for queues.",
	.options = options,
	.ops = &ops,
};
