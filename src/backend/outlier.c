#include "backend/outlier.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "backend/alarm.h"

/* in a row */

struct row {
	_Atomic unsigned failures;
	_Atomic unsigned unreached;
};

struct outlier {
	const struct conf_service *conf;
	struct alarm alarm;
	atomic_bool has_news;
	struct row *rows; /* [conf->n_backends] */
};

struct outlier *
outlier_new(const struct conf_service *conf)
{
	struct outlier *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->conf = conf;
	o->rows = calloc(conf->n_backends + 1, sizeof(o->rows[0]));
	if (o->rows == NULL) {
		free(o);
		return NULL;
	}
	return o;
}

void
outlier_free(struct outlier *o)
{
	if (o == NULL)
		return;
	free(o->rows);
	free(o);
}

void
outlier_watch(struct outlier *o, struct loop *loop, void (*alarm)(void *arg), void *arg)
{
	alarm_watch(&o->alarm, loop, alarm, arg);
}

bool
outlier_take_news(struct outlier *o)
{
	return atomic_exchange(&o->has_news, false);
}

static void
tell(struct outlier *o)
{
	atomic_store(&o->has_news, true);
	alarm_raise(&o->alarm);
}

/* Success writes only where a failure was: the line stays shared while all is well. */
static void
end_row(_Atomic unsigned *n)
{
	if (atomic_load_explicit(n, memory_order_relaxed) != 0)
		atomic_store_explicit(n, 0, memory_order_relaxed);
}

static void
note_failure(struct outlier *o, struct row *row)
{
	unsigned most = o->conf->outlier.consecutive;

	if (atomic_fetch_add(&row->failures, 1) + 1 >= most && most != 0)
		tell(o);
}

/* The end of a row that ejects is news: those that are still in one may be worse than it. */
static void
end_unreached(struct outlier *o, struct row *row)
{
	unsigned n = atomic_load_explicit(&row->unreached, memory_order_relaxed);

	end_row(&row->unreached);
	if (n >= o->conf->outlier.connects && n != 0)
		tell(o);
}

/* Once a row: one that refuses all the while, and is used for want of others, is no news. */
static void
note_unreached(struct outlier *o, struct row *row)
{
	if (atomic_fetch_add(&row->unreached, 1) + 1 == o->conf->outlier.connects)
		tell(o);
}

void
outlier_note(struct outlier *o, uint32_t backend, enum outlier_event event)
{
	struct row *row = &o->rows[backend];

	switch (event) {
	case OUTLIER_WELL:
		end_row(&row->failures);
		end_unreached(o, row);
		break;
	case OUTLIER_FAILED:
		end_unreached(o, row);
		note_failure(o, row);
		break;
	case OUTLIER_UNREACHED:
		note_unreached(o, row);
		note_failure(o, row);
		break;
	}
}

unsigned
outlier_failures(const struct outlier *o, uint32_t backend)
{
	return atomic_load_explicit(&o->rows[backend].failures, memory_order_relaxed);
}

unsigned
outlier_unreached(const struct outlier *o, uint32_t backend)
{
	return atomic_load_explicit(&o->rows[backend].unreached, memory_order_relaxed);
}

void
outlier_forget_failures(struct outlier *o, uint32_t backend)
{
	atomic_store_explicit(&o->rows[backend].failures, 0, memory_order_relaxed);
}

void
outlier_forget_unreached(struct outlier *o, uint32_t backend)
{
	atomic_store_explicit(&o->rows[backend].unreached, 0, memory_order_relaxed);
}

/* in comparison */

static bool
is_judged(const struct conf_outlier *conf, const struct outlier_sample *s)
{
	return s->requests > 0 && s->requests >= conf->requests;
}

static double
success_rate(const struct outlier_sample *s)
{
	return 1.0 - (double)s->failures / (double)s->requests;
}

/* Requests, failures and success rates of those that are judged. */
struct sums {
	size_t n;
	double rates;
	double squares;
	uint64_t requests;
	uint64_t failures;
};

static struct sums
sum_up(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n)
{
	struct sums all = {.n = 0};
	size_t i;

	for (i = 0; i < n; i++) {
		const struct outlier_sample *s = &samples[i];

		if (!is_judged(conf, s))
			continue;
		all.n++;
		all.rates += success_rate(s);
		all.squares += success_rate(s) * success_rate(s);
		all.requests += s->requests;
		all.failures += s->failures;
	}
	return all;
}

static struct sums
without(const struct sums *all, const struct outlier_sample *s)
{
	return (struct sums){
		.n = all->n - 1,
		.rates = all->rates - success_rate(s),
		.squares = all->squares - success_rate(s) * success_rate(s),
		.requests = all->requests - s->requests,
		.failures = all->failures - s->failures,
	};
}

/* By how much the success rate of so many requests is from that of the others by chance alone, if it
 * fails as they do; a failure more is assumed, as none of few is not none of many. */
static double
chance(const struct sums *others, uint64_t requests)
{
	double fails = ((double)others->failures + 1) / ((double)others->requests + 2);

	return sqrt(fails * (1 - fails) * (1 / (double)requests + 1 / (double)others->requests));
}

static bool
fails_more(const struct sums *others, const struct outlier_sample *s, double factor)
{
	double mean = others->rates / (double)others->n;
	double variance = others->squares / (double)others->n - mean * mean;
	double deviation = fmax(sqrt(fmax(0, variance)), TG_OUTLIER_DEVIATION_MIN);

	deviation = fmax(deviation, TG_OUTLIER_CHANCES * chance(others, s->requests));
	return success_rate(s) < mean - factor * deviation - 1e-9;
}

static void
judge_success(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n,
	      struct outlier_finding *ret)
{
	double factor = conf->success_rate_permille / 1000.0;
	struct sums all = sum_up(conf, samples, n);
	size_t i;

	if (all.n < TG_OUTLIER_COMPARE_MIN)
		return;
	for (i = 0; i < n; i++) {
		struct sums others;

		if (!is_judged(conf, &samples[i]))
			continue;
		others = without(&all, &samples[i]);
		if (!fails_more(&others, &samples[i], factor))
			continue;
		ret[i].verdict = TG_OUTLIER_FAILS_MORE;
		ret[i].own = success_rate(&samples[i]);
		ret[i].others = others.rates / (double)others.n;
	}
}

static bool
has_latency(const struct conf_outlier *conf, const struct outlier_sample *s)
{
	return is_judged(conf, s) && s->answers > 0;
}

static double
latency_us(const struct outlier_sample *s)
{
	return (double)s->response_us / (double)s->answers;
}

static size_t
count_with_latency(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < n; i++)
		count += has_latency(conf, &samples[i]);
	return count;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The lower median of those that are judged; 0: too few, or no memory. */
static double
median_us(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n)
{
	size_t judged = count_with_latency(conf, samples, n);
	double *sorted;
	double median;
	size_t at = 0;
	size_t i;

	if (judged < TG_OUTLIER_COMPARE_MIN)
		return 0;
	sorted = calloc(judged, sizeof(sorted[0]));
	if (sorted == NULL)
		return 0;
	for (i = 0; i < n; i++) {
		if (has_latency(conf, &samples[i]))
			sorted[at++] = latency_us(&samples[i]);
	}
	qsort(sorted, judged, sizeof(sorted[0]), compare);
	median = sorted[(judged - 1) / 2];
	free(sorted);
	return median;
}

static void
judge_latency(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n,
	      struct outlier_finding *ret)
{
	double median = median_us(conf, samples, n);
	double most = median * conf->latency_permille / 1000.0;
	size_t i;

	if (most <= 0)
		return;
	for (i = 0; i < n; i++) {
		if (!has_latency(conf, &samples[i]) || latency_us(&samples[i]) <= most)
			continue;
		ret[i].verdict = TG_OUTLIER_IS_SLOWER;
		ret[i].own = latency_us(&samples[i]);
		ret[i].others = median;
	}
}

void
outlier_judge(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n,
	      struct outlier_finding *ret)
{
	size_t i;

	for (i = 0; i < n; i++)
		ret[i] = (struct outlier_finding){.verdict = TG_OUTLIER_FINE,
						  .requests = samples[i].requests};
	if (conf->latency_permille != 0)
		judge_latency(conf, samples, n, ret);
	if (conf->success_rate_permille != 0)
		judge_success(conf, samples, n, ret);
}

static void
add_sample(struct outlier_sample *total, const struct outlier_sample *s)
{
	total->requests += s->requests;
	total->failures += s->failures;
	total->answers += s->answers;
	total->response_us += s->response_us;
}

/* Whether it has enough by this sample, which is the last one added. */
static bool
is_now_judged(const struct conf_outlier *conf, const struct outlier_sample *total,
	      const struct outlier_sample *s)
{
	return is_judged(conf, total) && total->requests - s->requests < conf->requests;
}

/* Adds an interval, and judges those that have enough by it. */
static void
judge_with(const struct conf_outlier *conf, const struct outlier_history *histories, size_t n,
	   unsigned at, struct outlier_sample *totals, struct outlier_finding *found,
	   struct outlier_finding *ret)
{
	size_t n_judged = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		add_sample(&totals[i], &histories[i].samples[at]);
		n_judged += is_now_judged(conf, &totals[i], &histories[i].samples[at]);
	}
	if (n_judged == 0)
		return;
	outlier_judge(conf, totals, n, found);
	for (i = 0; i < n; i++) {
		if (is_now_judged(conf, &totals[i], &histories[i].samples[at]))
			ret[i] = found[i];
	}
}

void
outlier_judge_history(const struct conf_outlier *conf, const struct outlier_history *histories,
		      size_t n, unsigned newest, struct outlier_finding *ret)
{
	struct outlier_sample *totals = calloc(n + 1, sizeof(totals[0]));
	struct outlier_finding *found = calloc(n + 1, sizeof(found[0]));
	unsigned age;
	size_t i;

	for (i = 0; i < n; i++)
		ret[i] = (struct outlier_finding){.verdict = TG_OUTLIER_FINE};
	for (age = 0; totals != NULL && found != NULL && age < TG_OUTLIER_INTERVALS; age++)
		judge_with(conf, histories, n,
			   (newest + TG_OUTLIER_INTERVALS - age) % TG_OUTLIER_INTERVALS, totals,
			   found, ret);
	free(totals);
	free(found);
}

/* being ejected */

uint64_t
ejection_begin(struct ejection *e, uint64_t base_ms, struct mono now)
{
	uint64_t longest_ms = base_ms * TG_OUTLIER_LONGEST;
	uint64_t ms;

	/* A backend that was well for long enough is forgiven. */
	if (mono_is_set(e->ended) && mono_diff_us(now, e->ended) > longest_ms * 1000)
		e->times = 0;
	if (e->times < TG_OUTLIER_LONGEST)
		e->times++;
	ms = base_ms * e->times;
	e->until = mono_add_ms(now, ms);
	return ms;
}

void
ejection_end(struct ejection *e, struct mono now)
{
	e->until = (struct mono){0};
	e->ended = now;
}

bool
ejection_step(struct ejection *e, struct mono now)
{
	if (!ejection_is_on(e) || now.us < e->until.us)
		return false;
	ejection_end(e, now);
	return true;
}

unsigned
ejection_max(const struct conf_outlier *conf, unsigned n)
{
	unsigned max = n * conf->max_ejected_percent / 100;

	if (n < 2 || conf->max_ejected_percent == 0)
		return 0;
	return max > 0 ? max : 1;
}
