#include "autoscale/outlook.h"

#include <math.h>
#include <stdlib.h>

#define SLOTS      128u
#define SLOT_MS    500  /* samples that come sooner are put together */
#define NOW_MS     60000
#define AGREE      2.5  /* standard deviations */
#define BIN_MS     10000
#define BINS       180u /* half an hour */
#define LONG_BINS  48u  /* eight minutes: the longest mean that is `now` */
#define SEEN       8u
#define LOOKS      4    /* in a horizon */
#define DAY_S      86400.0
#define START_S    10.0 /* before one was measured */
#define START_FADE 20.0
#define TIME_FADE  600.0
#define GUESS_S    300.0 /* observations that guesses are as good as */

static const double ratios[TG_RATIOS] = {
	0.0625, 0.125, 0.25, 0.4,  0.5,  0.6,  0.7,  0.78, 0.84, 0.89, 0.93, 0.97, 1,    1.03, 1.06, 1.09,
	1.13,   1.17,  1.22, 1.28, 1.35, 1.43, 1.52, 1.65, 1.8,  2,    2.4,  3,    4,    6,    9,    14,
};

/* A mean and its spread, the newest for 1 / n until n is `fade`. */
struct running {
	double n;
	double mean;
	double squares; /* mean square of what is off the mean */
};

struct slot {
	int64_t end_ms;
	double seconds;
	double count;
};

struct bin {
	double seconds;
	double count;
	double most; /* of now */
};

/* As it was seen at a time. */
struct seen {
	int64_t at_ms;
	double chance; /* mean square of what `now` may be off by chance, relative */
	double signals[TG_SIGNAL_COUNT];
};

struct outlook {
	bool has_last;
	int64_t last_ms;
	double interval_s;
	struct slot slots[SLOTS]; /* ring; the newest at n_slots - 1 */
	uint64_t n_slots;
	struct bin bins[BINS];    /* by number of the bin */
	int64_t bin;              /* the present one */
	double signals[TG_SIGNAL_COUNT];
	double chance;            /* of `now`, as below in seen */
	struct seen seen[SEEN];   /* ring */
	uint64_t n_seen;
	double n;
	double demand[TG_SIGNAL_COUNT][TG_RATIOS];
	double change[TG_SIGNAL_COUNT][TG_RATIOS];
	double sizes[TG_SIGNAL_COUNT]; /* signal times time */
	double load;                   /* the same of the load */
	struct running start;
	struct running service;
	struct forecast forecast;
};

/*** Estimates ***/

static void
running_put(struct running *r, double value, double fade)
{
	double before = r->mean;
	double share;

	r->n = r->n + 1 < fade ? r->n + 1 : fade;
	share = 1 / r->n;
	r->mean += share * (value - r->mean);
	r->squares += share * ((value - before) * (value - r->mean) - r->squares);
}

static struct tg_estimate
estimate_of(const struct running *r)
{
	if (r->n == 0)
		return (struct tg_estimate){.value = NAN, .error = NAN};
	return (struct tg_estimate){
		.value = r->mean,
		.error = r->n >= 2 ? sqrt(r->squares / (r->n - 1)) : NAN,
		.n = r->n,
	};
}

static double
start_s(const struct outlook *o)
{
	return o->start.n > 0 ? o->start.mean : START_S;
}

/* What is decided now serves after the start delay; a change is seen an interval later, or half of one more. */
static double
horizon_s(const struct outlook *o)
{
	return start_s(o) + 1.5 * o->interval_s;
}

/*** How it is seen ***/

static void
put_slot(struct outlook *o, int64_t now_ms, double arrivals, double seconds)
{
	struct slot *slot = o->n_slots > 0 ? &o->slots[(o->n_slots - 1) % SLOTS] : NULL;

	if (slot == NULL || slot->seconds * 1000 >= SLOT_MS) {
		slot = &o->slots[o->n_slots++ % SLOTS];
		*slot = (struct slot){.seconds = 0};
	}
	slot->end_ms = now_ms;
	slot->seconds += seconds;
	slot->count += arrivals * seconds;
}

/* Means of longer and longer times, as long as what twice the time says may be the same rate. */
struct agreed {
	double low;
	double high;
	double seconds;
	double count;
	double rate;
	double chance;
};

static bool
agrees(struct agreed *a)
{
	double spread = AGREE * sqrt(a->count + 1) / a->seconds;

	a->low = fmax(a->low, a->count / a->seconds - spread);
	a->high = fmin(a->high, a->count / a->seconds + spread);
	if (a->low > a->high)
		return false;
	a->rate = a->count / a->seconds;
	a->chance = 1 / (a->count + 1);
	return true;
}

static bool
agree_slots(const struct outlook *o, struct agreed *a)
{
	uint64_t next = 1;

	for (uint64_t i = 0; i < o->n_slots && i < SLOTS; i++) {
		const struct slot *slot = &o->slots[(o->n_slots - 1 - i) % SLOTS];

		if (o->last_ms - slot->end_ms > NOW_MS)
			return true;
		a->seconds += slot->seconds;
		a->count += slot->count;
		if (i + 1 != next)
			continue;
		next *= 2;
		if (!agrees(a))
			return false;
	}
	return false;
}

/* Beyond the last minute. */
static void
agree_bins(const struct outlook *o, struct agreed *a)
{
	uint32_t next = 2 * NOW_MS / BIN_MS;

	a->seconds = 0;
	a->count = 0;
	for (uint32_t i = 0; i < LONG_BINS; i++) {
		const struct bin *b = &o->bins[(uint64_t)(o->bin - i) % BINS];

		if (b->seconds <= 0)
			return;
		a->seconds += b->seconds;
		a->count += b->count;
		if (i + 1 != next)
			continue;
		next *= 2;
		if (!agrees(a))
			return;
	}
}

static double
rate_now(const struct outlook *o, double *ret_chance)
{
	struct agreed a = {.low = -INFINITY, .high = INFINITY, .rate = NAN};

	if (agree_slots(o, &a))
		agree_bins(o, &a);
	*ret_chance = a.chance;
	return a.rate;
}

static struct bin *
bin_at(struct outlook *o, int64_t bin)
{
	return &o->bins[(uint64_t)bin % BINS];
}

static void
put_bin(struct outlook *o, int64_t now_ms, double arrivals, double seconds, double now)
{
	int64_t bin = now_ms / BIN_MS;
	int64_t from = bin - o->bin > (int64_t)BINS ? bin - (int64_t)BINS : o->bin;
	struct bin *b;

	for (int64_t i = from + 1; i <= bin; i++)
		*bin_at(o, i) = (struct bin){.seconds = 0};
	o->bin = bin;
	b = bin_at(o, bin);
	b->seconds += seconds;
	b->count += arrivals * seconds;
	b->most = now > b->most ? now : b->most;
}

static void
take_signals(struct outlook *o, double now)
{
	static const struct {
		uint32_t bins;
		enum tg_signal mean;
		enum tg_signal peak;
	} spans[] = {
		{6, TG_SIGNAL_MEAN_1, TG_SIGNAL_PEAK_1},
		{18, TG_SIGNAL_MEAN_3, TG_SIGNAL_PEAK_3},
		{60, TG_SIGNAL_MEAN_10, TG_SIGNAL_PEAK_10},
		{BINS, TG_SIGNAL_MEAN_30, TG_SIGNAL_PEAK_30},
	};
	double seconds = 0;
	double count = 0;
	double most = now;
	uint32_t i = 0;

	o->signals[TG_SIGNAL_NOW] = now;
	for (size_t k = 0; k < sizeof(spans) / sizeof(spans[0]); k++) {
		for (; i < spans[k].bins; i++) {
			const struct bin *b = bin_at(o, o->bin - i);

			seconds += b->seconds;
			count += b->count;
			most = b->most > most ? b->most : most;
		}
		o->signals[spans[k].mean] = count / seconds > now ? count / seconds : now;
		o->signals[spans[k].peak] = most;
	}
}

/*** What followed ***/

unsigned
outlook_class(double ratio)
{
	unsigned i = 0;

	/* The border between two classes is in their middle. */
	while (i + 1 < TG_RATIOS && ratio > (ratios[i] + ratios[i + 1]) / 2)
		i++;
	return i;
}

double
outlook_ratio(unsigned i)
{
	return ratios[i];
}

/* Of counts that differ by chance the ratio is not 1: what chance explains of it is no change of the load. */
static double
without_chance(double ratio, double chance)
{
	double off = ratio - 1;
	double square = off * off;

	return square > chance ? 1 + off * sqrt(1 - chance / square) : 1;
}

static unsigned
class_of(double to, double from, double chance)
{
	if (from > 0)
		return outlook_class(without_chance(to / from, chance));
	return to > 0 ? TG_RATIOS - 1 : outlook_class(1);
}

static void
fade(struct outlook *o, double seconds)
{
	double keep = seconds < DAY_S ? 1 - seconds / DAY_S : 0;

	o->n *= keep;
	o->load *= keep;
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++) {
		o->sizes[k] *= keep;
		for (unsigned c = 0; c < TG_RATIOS; c++) {
			o->demand[k][c] *= keep;
			o->change[k][c] *= keep;
		}
	}
}

/* What is seen now follows on what was seen then. Of busy times more is learned. */
static void
learn(struct outlook *o, const struct seen *then, double seconds)
{
	double load = o->signals[TG_SIGNAL_NOW];
	double chance = o->chance + then->chance;

	fade(o, seconds);
	o->n += seconds;
	o->load += load * seconds;
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++) {
		double weight = seconds * then->signals[k];

		o->sizes[k] += o->signals[k] * seconds;
		o->demand[k][class_of(load, then->signals[k], chance)] += weight;
		o->change[k][class_of(o->signals[k], then->signals[k], chance)] += weight;
	}
}

static void
look_back(struct outlook *o, int64_t now_ms)
{
	const struct seen *last = o->n_seen > 0 ? &o->seen[(o->n_seen - 1) % SEEN] : NULL;
	double horizon_ms = horizon_s(o) * 1000;
	const struct seen *then = NULL;
	struct seen *seen;

	if (last != NULL && (double)(now_ms - last->at_ms) < horizon_ms / LOOKS)
		return;
	for (uint64_t i = 0; i < o->n_seen && i < SEEN && then == NULL; i++) {
		const struct seen *s = &o->seen[(o->n_seen - 1 - i) % SEEN];

		if ((double)(now_ms - s->at_ms) >= horizon_ms)
			then = s;
	}
	if (then != NULL && (double)(now_ms - then->at_ms) < 2 * horizon_ms)
		learn(o, then, (double)(now_ms - last->at_ms) / 1000);
	seen = &o->seen[o->n_seen++ % SEEN];
	seen->at_ms = now_ms;
	seen->chance = o->chance;
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++)
		seen->signals[k] = o->signals[k];
}

/*** From outside ***/

struct outlook *
outlook_new(void)
{
	struct outlook *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->interval_s = 1;
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++)
		o->signals[k] = NAN;
	return o;
}

void
outlook_free(struct outlook *o)
{
	free(o);
}

void
outlook_interval(struct outlook *o, double interval_s)
{
	o->interval_s = interval_s;
}

void
outlook_started(struct outlook *o, double took_s)
{
	running_put(&o->start, took_s, START_FADE);
}

void
outlook_put(struct outlook *o, int64_t now_ms, double arrivals, double service_s)
{
	double seconds = (double)(now_ms - o->last_ms) / 1000;
	bool had_last = o->has_last;
	double now;

	if (had_last && seconds <= 0)
		return;
	o->last_ms = now_ms;
	o->has_last = true;
	if (!had_last)
		o->bin = now_ms / BIN_MS;
	if (!isnan(service_s) && service_s > 0)
		running_put(&o->service, service_s, TIME_FADE);
	if (!had_last || isnan(arrivals))
		return;
	put_slot(o, now_ms, arrivals, seconds);
	now = rate_now(o, &o->chance);
	put_bin(o, now_ms, arrivals, seconds, now);
	take_signals(o, now);
	look_back(o, now_ms);
	forecast_put(&o->forecast, now_ms, arrivals, seconds);
}

void
outlook_now(const struct outlook *o, struct tg_outlook *ret)
{
	int64_t then_ms = o->last_ms + (int64_t)(horizon_s(o) * 1000);

	*ret = (struct tg_outlook){.size = sizeof(*ret)};
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++)
		ret->signals[k] = o->signals[k];
	ret->start_s = estimate_of(&o->start);
	ret->service_s = estimate_of(&o->service);
	ret->forecast = (struct tg_estimate){
		.value = forecast_at(&o->forecast, then_ms),
		.error = forecast_error(&o->forecast),
		.n = o->forecast.n,
	};
}

struct guess {
	double ratio;
	double share;
};

/* At first: mostly the same, a bit more or less, seldom much more. */
static const struct guess first_guesses[] = {
	{1, 0.8}, {0.93, 0.07}, {1.06, 0.07}, {1.22, 0.03}, {0.7, 0.02}, {1.52, 0.008}, {2, 0.002}, {0, 0},
};
/* What was not seen yet may still come. */
static const struct guess late_guesses[] = {{1, 0.999}, {2, 0.0005}, {3, 0.0003}, {6, 0.0002}, {0, 0}};

/* They stand for `share` of all, of which the sum is 1. */
static void
mix_in(const struct guess *guesses, double share, double *shares)
{
	for (unsigned c = 0; c < TG_RATIOS; c++)
		shares[c] *= 1 - share;
	for (; guesses->share > 0; guesses++)
		shares[outlook_class(guesses->ratio)] += share * guesses->share;
}

static void
shares_of(const double *weights, double n, double *ret)
{
	double sum = 0;

	for (unsigned c = 0; c < TG_RATIOS; c++)
		sum += weights[c];
	for (unsigned c = 0; c < TG_RATIOS; c++)
		ret[c] = sum > 0 ? weights[c] / sum : 0;
	mix_in(first_guesses, sum > 0 ? GUESS_S / (GUESS_S + n * n / GUESS_S) : 1, ret);
	mix_in(late_guesses, GUESS_S / (GUESS_S + n), ret);
}

void
outlook_history(const struct outlook *o, struct tg_history *ret)
{
	*ret = (struct tg_history){.size = sizeof(*ret), .horizon_s = horizon_s(o), .n = o->n};
	for (unsigned c = 0; c < TG_RATIOS; c++)
		ret->ratios[c] = ratios[c];
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++) {
		shares_of(o->demand[k], o->n, ret->demand[k]);
		shares_of(o->change[k], o->n, ret->change[k]);
		ret->size_of[k] = o->load > 0 ? o->sizes[k] / o->load : 1;
	}
}

const char *
tg_signal_str(unsigned signal)
{
	static const char *const words[] = {
#define SIGNAL_WORD(id, word, help) [TG_SIGNAL_##id] = word,
		TG_SIGNALS(SIGNAL_WORD)
#undef SIGNAL_WORD
	};

	return signal < TG_SIGNAL_COUNT ? words[signal] : "?";
}
