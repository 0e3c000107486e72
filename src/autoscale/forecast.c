#include "autoscale/forecast.h"

#include <math.h>
#include <string.h>

/* Shares of the newest part. */
#define LEVEL      0.3
#define TREND      0.05
#define FACTOR     0.3
#define ERROR      0.08 /* an hour or so */
#define DAMPING    0.9  /* of the trend from part to part */
#define ERRORS_MIN 12   /* parts, before it is told how good they were */
#define DAYS       2u
#define KNOWN_MIN  (DAYS * TG_FORECAST_PARTS)

bool
forecast_has_season(const struct forecast *f)
{
	return f->n >= KNOWN_MIN;
}

static unsigned
place_of(int64_t part)
{
	int64_t place = part % (int64_t)TG_FORECAST_PARTS;

	return (unsigned)(place < 0 ? place + TG_FORECAST_PARTS : place);
}

/* 1: the time of day tells nothing. */
static double
factor_of(const struct forecast *f, int64_t part)
{
	double factor = f->factors[place_of(part)];

	return forecast_has_season(f) && factor > 0 ? factor : 1;
}

/* Parts ahead of the last one that ended. */
static double
expect(const struct forecast *f, int64_t part, int64_t ahead)
{
	double trend = f->trend;
	double level = f->level;

	for (int64_t i = 0; i < ahead; i++) {
		trend *= DAMPING;
		level += trend;
	}
	level = level > 0 ? level : 0;
	return level * factor_of(f, part);
}

static void
note_error(struct forecast *f, double rate)
{
	double base = rate > f->expected ? rate : f->expected;
	double error = base > 0 ? fabs(rate - f->expected) / base : 0;

	if (!f->has_expected)
		return;
	f->error += (f->n_errors < 1 ? 1 : ERROR) * (error - f->error);
	f->n_errors++;
}

/* After two days: each part of a day, of the mean of all, with those beside it. */
static void
begin_season(struct forecast *f)
{
	double mean = 0;

	for (unsigned i = 0; i < TG_FORECAST_PARTS; i++)
		mean += f->days[i] / TG_FORECAST_PARTS;
	for (unsigned i = 0; i < TG_FORECAST_PARTS && mean > 0; i++) {
		double before = f->days[(i + TG_FORECAST_PARTS - 1) % TG_FORECAST_PARTS];
		double after = f->days[(i + 1) % TG_FORECAST_PARTS];

		f->factors[i] = (before + f->days[i] + after) / 3 / mean;
	}
	f->level = mean;
	f->trend = 0;
}

static void
learn(struct forecast *f, double rate)
{
	double factor = factor_of(f, f->part);
	double before = f->level;
	double trend = f->trend * DAMPING;
	unsigned place = place_of(f->part);

	if (f->n == 0) {
		f->level = rate;
	} else {
		f->level = LEVEL * (rate / factor) + (1 - LEVEL) * (before + trend);
		f->trend = TREND * (f->level - before) + (1 - TREND) * trend;
	}
	if (forecast_has_season(f) && f->level > 0)
		f->factors[place] += FACTOR * (rate / f->level - f->factors[place]);
	if (f->n < KNOWN_MIN)
		f->days[place] += rate / DAYS;
	if (++f->n == KNOWN_MIN)
		begin_season(f);
	if (f->n > 2 * KNOWN_MIN)
		f->n = 2 * KNOWN_MIN;
}

static void
end_part(struct forecast *f, int64_t next)
{
	double rate;

	if (f->seconds <= 0 || next != f->part + 1) {
		/* What is missing is no zero: what was known of the time of day is kept. */
		f->has_expected = false;
		if (!forecast_has_season(f))
			*f = (struct forecast){.n = 0};
		return;
	}
	rate = f->sum / f->seconds;
	note_error(f, rate);
	learn(f, rate);
	f->expected = expect(f, next, 1);
	f->has_expected = true;
}

void
forecast_put(struct forecast *f, int64_t now_ms, double rate, double seconds)
{
	int64_t part = now_ms / TG_FORECAST_PART_MS;

	if (isnan(rate) || seconds <= 0)
		return;
	if (f->has_part && part != f->part) {
		end_part(f, part);
		f->sum = 0;
		f->seconds = 0;
	}
	f->has_part = true;
	f->part = part;
	f->sum += rate * seconds;
	f->seconds += seconds;
}

/* Between the middles of two parts in proportion. */
double
forecast_at(const struct forecast *f, int64_t at_ms)
{
	int64_t from = at_ms - TG_FORECAST_PART_MS / 2;
	int64_t part = from / TG_FORECAST_PART_MS;
	double share = (double)(from - part * TG_FORECAST_PART_MS) / (double)TG_FORECAST_PART_MS;
	int64_t ahead = part - f->part + 1;

	if (f->n < ERRORS_MIN || !f->has_expected)
		return NAN;
	ahead = ahead < 0 ? 0 : ahead > TG_FORECAST_PARTS ? TG_FORECAST_PARTS : ahead;
	return (1 - share) * expect(f, part, ahead) + share * expect(f, part + 1, ahead + 1);
}

double
forecast_error(const struct forecast *f)
{
	return f->n_errors >= ERRORS_MIN ? f->error : NAN;
}
