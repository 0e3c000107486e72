/*
 * autoscale/planner.c: as many backends as cost least: those that run, those that start, and requests that wait too long.
 *
 * What each number of backends is worth at each load is worked out beforehand (autoscale/plan.h) from what was
 * learned of the service (autoscale/outlook.h). Which of the signals is the load is chosen by what the
 * history says of it: how much it is above the load in the mean, how often the load was beyond it a start delay
 * later, how much it moves. A forecast may only raise it, and only while the last ones were good.
 */
#include "autoscale/builtin.h"
#include "autoscale/erlang.h"
#include "autoscale/figures.h"
#include "autoscale/outlook.h"
#include "autoscale/plan.h"
#include "autoscale/planner_show.h"

enum option { OBJECTIVE = 0, PENALTY, SWITCH_COST, CONCURRENCY, FORECAST, FORECAST_ERROR };

#define SERVICE_MIN  30   /* samples, before a plan is made of it: what takes long ends last */
#define MORE_BUSY    1.3  /* than arrivals and service time say */
#define WAIT_UNKNOWN 0.05 /* who may wait, while there is no plan: as staffing has it */
#define DIFFERENT    0.1  /* a number of a plan, relative */
#define SHIFTED      0.05 /* shares */
#define PRICED       0.03 /* what the rare ones cost, relative to it and the load */
#define BETTER       0.03 /* another signal must be, relative */
#define NEAR_END     0.8  /* of the grid of loads */

/* The one that is not shorter than half a step of the plan tells how few are enough. */
enum window { WINDOW_SHORT = 0, WINDOW_BUSY = 2, WINDOW_COUNT = 5 };

static const struct tg_option options[] = {
	[OBJECTIVE] = {.name = "objective",
		       .type = TG_OPTION_DURATION,
		       .preset = "500ms",
		       .min = 0.001,
		       .max = 3600,
		       .help = "Requests should not wait longer for a place."},
	[PENALTY] = {.name = "penalty",
		     .type = TG_OPTION_NUMBER,
		     .preset = "100",
		     .min = 0.01,
		     .max = 10000000,
		     .help = "What a request that does costs: as much as the place of so many requests at a backend. "
			     "With 100, one in a hundred doubles what a service costs that is used to the full."},
	[SWITCH_COST] = {.name = "switch_cost",
			 .type = TG_OPTION_DURATION,
			 .preset = "0s",
			 .min = 0,
			 .max = 3600,
			 .help = "What each start and each stop costs beside the time it takes: as much as a backend in "
				 "this time."},
	[CONCURRENCY] = OPTION_CONCURRENCY,
	[FORECAST] = {.name = "forecast",
		      .type = TG_OPTION_BOOLEAN,
		      .preset = "true",
		      .help = "Whether a forecast by trend and time of day may raise the load."},
	[FORECAST_ERROR] = {.name = "forecast_error",
			    .type = TG_OPTION_NUMBER,
			    .preset = "0.15",
			    .min = 0,
			    .max = 1,
			    .help = "It may only while such forecasts were off by no more than this share in the mean, of "
				    "the last hour or so."},
	{.name = NULL},
};

static uint32_t
planner_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	static const uint32_t spans_ms[WINDOW_COUNT] = {5000, 10000, 20000, 60000, 180000};

	(void)values;
	for (unsigned i = 0; i < WINDOW_COUNT; i++)
		ret_spans_ms[i] = spans_ms[i];
	return WINDOW_COUNT;
}

/*** Which signal ***/

/* Requests beyond the objective, of those that come in a step at so many times what there is. */
static double
share_beyond(double over, double step_s, double objective_s)
{
	double until_s = over > 1 ? objective_s / (over - 1) : step_s;

	return until_s < step_s ? 1 - until_s / step_s : 0;
}

/* Of each ratio of what comes, at each ratio of what there is: the same for all signals. */
struct shares {
	double beyond[TG_RATIOS][TG_RATIOS]; /* [spare][load] */
};

static void
fill_shares(const struct tg_value *values, const struct tg_history *h, struct shares *ret)
{
	for (unsigned g = 0; g < TG_RATIOS; g++) {
		for (unsigned c = 0; c < TG_RATIOS; c++)
			ret->beyond[g][c] = share_beyond(h->ratios[c] / h->ratios[g], h->horizon_s,
							 values[OBJECTIVE].number);
	}
}

/* By what it costs with the best spare there is for it, of the mean load: what is there, what waits, what starts anew. */
static double
score_of(double penalty, const struct tg_history *h, const struct shares *shares, unsigned signal)
{
	double best = INFINITY;
	double moves = 0;

	for (unsigned c = 0; c < TG_RATIOS; c++)
		moves += h->change[signal][c] * fabs(h->ratios[c] - 1) / 2;
	for (unsigned g = 0; g < TG_RATIOS; g++) {
		double spare = h->ratios[g];
		double cost = spare;

		for (unsigned c = 0; c < TG_RATIOS && spare > 0.5; c++)
			cost += penalty * h->demand[signal][c] * h->ratios[c] * shares->beyond[g][c];
		if (spare > 0.5 && cost < best)
			best = cost;
	}
	return h->size_of[signal] * (best + moves);
}

/* `before` stays unless another one is clearly better. */
static unsigned
choose_signal(const struct tg_value *values, const struct tg_history *h, int before)
{
	double penalty = values[PENALTY].number;
	unsigned best = before >= 0 ? (unsigned)before : 0;
	struct shares shares;
	double least;

	fill_shares(values, h, &shares);
	least = score_of(penalty, h, &shares, best) * (before >= 0 ? 1 - BETTER : 1);
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++) {
		double score = score_of(penalty, h, &shares, k);

		if (score < least) {
			least = score;
			best = k;
		}
	}
	return best;
}

/*** What a plan follows from ***/

static bool
is_different(double a, double b)
{
	return fabs(a - b) > DIFFERENT * fmax(fabs(a), fabs(b));
}

static double
shift_of(const double *a, const double *b)
{
	double sum = 0;

	for (unsigned i = 0; i < TG_RATIOS; i++)
		sum += fabs(a[i] - b[i]) / 2;
	return sum;
}

/* Loads that are much more than what was seen are rare and cost the most. What those of a class cost that come with a share, in
 * backends for each of the load. */
static double
price_of(const struct plan_setup *setup, unsigned class, double share)
{
	double more = setup->ratios[class] - 1;

	return more > 0 ? setup->penalty * share * fmin(more, 1) * setup->ratios[class] : 0;
}

/* Whether what is rare costs as much as it did. */
static bool
is_priced_alike(const struct plan_setup *was, const struct plan_setup *now)
{
	double shift = 0;
	double price = 0;

	for (unsigned i = 0; i < TG_RATIOS; i++) {
		shift += price_of(now, i, fabs(was->demand[i] - now->demand[i]));
		price += price_of(now, i, now->demand[i]);
	}
	return shift < PRICED * (1 + price);
}

bool
planner_read(const struct tg_snapshot *s, struct plan_setup *ret)
{
	return s->plan != NULL && s->plan->table != NULL &&
	       plan_of_numbers(s->plan->numbers, s->plan->n, ret) &&
	       plan_bytes(ret) == s->plan->table_bytes;
}

/* Its loads reach over the busiest, with some to spare, and not over four times what a new one would: there is a least
 * grid and a greatest one, and what another plan would have as well is no reason for it. */
static bool
reaches(const struct plan_setup *was, const struct plan_setup *now, double busiest)
{
	return (busiest < NEAR_END * was->load_max || was->load_max >= now->load_max) &&
	       was->load_max < 4 * now->load_max;
}

static bool
holds(const struct plan_setup *was, const struct plan_setup *now, double busiest)
{
	return was->signal == now->signal && was->slots == now->slots &&
	       was->objective_s == now->objective_s && was->penalty == now->penalty &&
	       was->switch_s == now->switch_s && !is_different(was->step_s, now->step_s) &&
	       !is_different(was->service_s, now->service_s) && reaches(was, now, busiest) &&
	       shift_of(was->demand, now->demand) < SHIFTED &&
	       shift_of(was->change, now->change) < SHIFTED && is_priced_alike(was, now);
}

static double
busiest_of(const struct tg_snapshot *s, double per_arrival)
{
	double most = s->outlook->signals[TG_SIGNAL_PEAK_30] * per_arrival;

	return most > 0 ? most : 0;
}

static uint32_t
planner_numbers(const struct tg_value *values, const struct tg_snapshot *s,
		const struct tg_history *h, double *ret)
{
	double service_s = s->outlook->service_s.value;
	uint32_t slots = figure_concurrency(&values[CONCURRENCY], s);
	struct plan_setup was;
	struct plan_setup now;
	double busiest;
	bool has_plan = planner_read(s, &was);

	if (slots == 0 || s->outlook->service_s.n < SERVICE_MIN || isnan(s->outlook->signals[TG_SIGNAL_NOW]))
		return 0;
	busiest = busiest_of(s, service_s / slots);
	now = (struct plan_setup){
		.load_max = fmin(fmax(2 * busiest, 4), 0.75 * TG_PLAN_BACKENDS_MAX),
		.step_s = h->horizon_s,
		.service_s = service_s,
		.slots = slots,
		.objective_s = values[OBJECTIVE].number,
		.penalty = values[PENALTY].number,
		.switch_s = values[SWITCH_COST].number,
		.signal = choose_signal(values, h, has_plan ? (int)was.signal : -1),
	};
	now.backends = fmin(ceil(1.25 * now.load_max) + 4, TG_PLAN_BACKENDS_MAX);
	for (unsigned c = 0; c < TG_RATIOS; c++) {
		now.ratios[c] = h->ratios[c];
		now.demand[c] = h->demand[(unsigned)now.signal][c];
		now.change[c] = h->change[(unsigned)now.signal][c];
	}
	if (has_plan && holds(&was, &now, busiest))
		return 0;
	return plan_to_numbers(&now, ret);
}

static size_t
planner_bytes(const double *numbers, uint32_t n)
{
	struct plan_setup setup;

	return plan_of_numbers(numbers, n, &setup) ? plan_bytes(&setup) : 0;
}

static void
planner_plan(const double *numbers, uint32_t n, void *ret)
{
	struct plan_setup setup;

	if (plan_of_numbers(numbers, n, &setup))
		plan_solve(&setup, ret);
}

/*** A proposal ***/

static double
forecast_of(const struct tg_value *values, const struct tg_outlook *o)
{
	if (values[FORECAST].number == 0 || isnan(o->forecast.error) ||
	    o->forecast.error > values[FORECAST_ERROR].number)
		return NAN;
	return o->forecast.value;
}

struct planner_seen
planner_see(const struct tg_value *values, const struct tg_snapshot *s, unsigned signal, uint32_t slots)
{
	const struct tg_figure *queued = figure(&s->windows[0], TG_METRIC_QUEUED);
	struct planner_seen seen = {.per_arrival = s->outlook->service_s.value / slots};
	double forecast = forecast_of(values, s->outlook) * seen.per_arrival;
	double busy;

	seen.now = s->outlook->signals[TG_SIGNAL_NOW] * seen.per_arrival;
	seen.load = s->outlook->signals[signal] * seen.per_arrival;
	seen.is_forecast = forecast > seen.load;
	seen.load = seen.is_forecast ? forecast : seen.load;
	/* Service times are not what they were. */
	busy = figure_mean(&s->windows[WINDOW_BUSY], TG_METRIC_IN_FLIGHT) / slots;
	seen.is_busy = busy > MORE_BUSY * seen.load;
	seen.load = seen.is_busy ? busy : seen.load;
	seen.queued = (queued->n > 0 && queued->last > 0 ? queued->last : 0) * seen.per_arrival;
	return seen;
}

static double
load_of(const struct tg_snapshot *s, const struct planner_seen *seen)
{
	return s->ready > 0 ? seen->now / s->ready : NAN;
}

/* The first seconds: as staffing would. */
static void
propose_unplanned(const struct tg_value *values, const struct tg_snapshot *s, uint32_t slots,
		  struct tg_proposal *ret)
{
	struct planner_seen seen = planner_see(values, s, TG_SIGNAL_NOW, slots);
	struct erlang_goal goal = {
		.wait = fmin(WAIT_UNKNOWN, 1 / values[PENALTY].number),
		.service = s->outlook->service_s.value,
	};
	double used;
	uint64_t places = (uint64_t)(s->max > s->desired ? s->max : s->desired) * slots;
	uint32_t most = places < TG_ERLANG_SERVERS_MAX ? (uint32_t)places : TG_ERLANG_SERVERS_MAX;
	uint32_t servers = erlang_servers(seen.now * slots, &goal, most, &used);

	ret->desired = servers / slots + (servers % slots > 0);
	/* No plan is no reason to have fewer. */
	ret->desired = ret->desired > s->desired ? ret->desired : s->desired;
	ret->load = load_of(s, &seen);
	propose_reason(ret, "no plan yet: load %.4g backends needs %u by Erlang's formula", seen.now,
		       ret->desired);
}

/* Fewer only when for a step all that was proposed was less: not in answer to chance. */
static uint32_t
steady(const struct tg_snapshot *s, const struct plan_setup *setup, uint32_t n)
{
	const struct tg_figure *proposed;
	unsigned i = WINDOW_SHORT;

	while (i + 1 < WINDOW_COUNT && s->windows[i].span_ms < setup->step_s * 500)
		i++;
	proposed = figure(&s->windows[i], TG_METRIC_PROPOSED);
	if (n >= s->desired || proposed->n == 0 || proposed->max <= n)
		return n;
	return figure_backends(fmin(proposed->max, s->desired));
}

static void
propose_planned(const struct tg_value *values, const struct tg_snapshot *s,
		const struct plan_setup *setup, struct tg_proposal *ret)
{
	unsigned signal = (unsigned)setup->signal;
	struct planner_seen seen = planner_see(values, s, signal, (uint32_t)setup->slots);
	const struct plan_state state = {
		.running = s->ready,
		.pending = s->pending,
		.load = seen.load,
		.backlog_s = seen.queued,
	};

	ret->has_raw = true;
	ret->raw = plan_answer(setup, s->plan->table, &state);
	ret->desired = steady(s, setup, ret->raw);
	ret->load = load_of(s, &seen);
	propose_reason(ret, "load %.4g backends (%s %.4g), %u ready, %u pending, queue %.3g s: %u%s%s", seen.load,
		       seen.is_busy       ? "in flight; now"
		       : seen.is_forecast ? "forecast; now"
					  : tg_signal_str(signal),
		       seen.now, s->ready, s->pending, seen.queued, ret->raw,
		       seen.load > setup->load_max ? ", beyond the plan" : "",
		       ret->desired > ret->raw ? ", not yet" : "");
}

static void
planner_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	uint32_t slots = figure_concurrency(&values[CONCURRENCY], s);
	struct plan_setup setup;

	if (slots == 0)
		propose_no_concurrency(ret, s);
	else if (s->outlook == NULL || isnan(s->outlook->signals[TG_SIGNAL_NOW]))
		propose_unsure(ret, s, "arrivals are not known");
	else if (isnan(s->outlook->service_s.value))
		propose_unsure(ret, s, "service time is not known");
	else if (!planner_read(s, &setup))
		propose_unplanned(values, s, slots, ret);
	else
		propose_planned(values, s, &setup, ret);
}

static bool
planner_uses(const struct tg_value *values, uint32_t metric)
{
	(void)values;
	return metric == TG_METRIC_ARRIVALS || metric == TG_METRIC_SERVICE_TIME ||
	       metric == TG_METRIC_QUEUED;
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = planner_windows,
	.propose = planner_propose,
	.uses = planner_uses,
	.plan_numbers = planner_numbers,
	.plan_bytes = planner_bytes,
	.plan = planner_plan,
	.plan_show = planner_show,
};

const struct tg_module autoscale_planner = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "planner",
	.help = "As many as cost least by dynamic programming, from what was learned of load, starts and service.",
	.options = options,
	.ops = &ops,
};
