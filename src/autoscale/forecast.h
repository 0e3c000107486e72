/*
 * autoscale/forecast.h: Holt and Winters' forecast of a rate: a level, a trend that is damped, and by the time of day a
 * factor of it once two whole days are known.
 *
 * C. C. Holt, 1957; P. R. Winters, 1960; the damped trend: E. S. Gardner, E. McKenzie, 1985. Times are cut into
 * parts of five minutes, of which the mean counts. Each part that ends is compared with what had been forecast for it
 * before: that is the error people and modules are told, relative and absolute in sign, the newer the more.
 * A day is 24 hours of the clock that is given: time of summer is learned anew.
 */
#ifndef TG_AUTOSCALE_FORECAST_H
#define TG_AUTOSCALE_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#define TG_FORECAST_PART_MS INT64_C(300000)
#define TG_FORECAST_PARTS   288u /* of a day */

/* A value; zeroed is a begin. */
struct forecast {
	bool has_part;
	int64_t part;      /* number of the present one */
	double sum;        /* of it: rate times seconds */
	double seconds;
	uint32_t n;        /* parts that are known in a row */
	double level;
	double trend;      /* per part */
	double factors[TG_FORECAST_PARTS]; /* of the level by time of day; 0: not known */
	double days[TG_FORECAST_PARTS];    /* means of the parts of the first days */
	double expected;   /* for the present part */
	bool has_expected;
	double error;      /* relative, of the last parts */
	double n_errors;
};

/* `seconds` up to now had this rate. */
void forecast_put(struct forecast *f, int64_t now_ms, double rate, double seconds);
/* At that time, which is not long after the last one; NAN: not known. */
double forecast_at(const struct forecast *f, int64_t at_ms);
/* Mean relative error lately; NAN: not known. */
double forecast_error(const struct forecast *f);
/* Whether it knows the time of day. */
bool forecast_has_season(const struct forecast *f);

#endif
