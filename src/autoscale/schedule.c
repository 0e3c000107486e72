#include "autoscale/schedule.h"

#include <stdlib.h>

#include "base/zone.h"
#include "conf/crontab.h"

/* February 29 comes every eight years at worst. */
#define DAYS_MAX (366 * 8 + 2)

struct schedule {
	struct crontab start;
	struct crontab end;
	struct zone *zone;
	unsigned min;
};

struct schedules {
	size_t n;
	struct schedule *list[];
};

int
schedule_new(const struct conf_schedule *conf, struct schedule **ret, struct err *err)
{
	struct schedule *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_no_memory(err);
	s->min = conf->min;
	r = crontab_parse(conf->start, &s->start, err);
	if (r == 0)
		r = crontab_parse(conf->end, &s->end, err);
	if (r == 0)
		r = zone_open(conf->timezone, &s->zone, err);
	if (r < 0)
		schedule_free(s);
	else
		*ret = s;
	return r;
}

void
schedule_free(struct schedule *s)
{
	if (s == NULL)
		return;
	zone_free(s->zone);
	free(s);
}

/* The last one of this day that is not later than `at`; false: there is none. */
static bool
last_of_day(const struct crontab *c, const struct zone *zone, struct zone_date day, int64_t at,
	    int64_t *ret)
{
	for (unsigned hour = 24; hour-- > 0;) {
		for (unsigned minute = 60; (c->hours >> hour & 1) && minute-- > 0;) {
			if (!(c->minutes >> minute & 1))
				continue;
			day.hour = hour;
			day.minute = minute;
			*ret = zone_time(zone, &day);
			if (*ret <= at)
				return true;
		}
	}
	return false;
}

/* INT64_MIN: it never was. */
static int64_t
last(const struct crontab *c, const struct zone *zone, int64_t at)
{
	struct zone_date today = zone_date(zone, at);
	int64_t days = zone_days(today.year, today.month, today.day);
	int64_t found;

	for (int64_t i = 0; i < DAYS_MAX; i++) {
		struct zone_date day = zone_day(days - i);

		if (crontab_has_day(c, day.day, day.month, day.weekday) &&
		    last_of_day(c, zone, day, at, &found))
			return found;
	}
	return INT64_MIN;
}

bool
schedule_holds(const struct schedule *s, struct wall now)
{
	int64_t at = (int64_t)(now.us / 1000000);

	return last(&s->start, s->zone, at) > last(&s->end, s->zone, at);
}

unsigned
schedule_min(const struct schedule *s)
{
	return s->min;
}

int
schedules_new(const struct conf_autoscale *conf, struct schedules **ret, struct err *err)
{
	struct schedules *s =
		calloc(1, sizeof(*s) + conf->n_schedules * sizeof(struct schedule *));
	int r = 0;

	if (s == NULL)
		return err_no_memory(err);
	while (r == 0 && s->n < conf->n_schedules) {
		r = schedule_new(&conf->schedules[s->n], &s->list[s->n], err);
		if (r == 0)
			s->n++;
	}
	if (r < 0)
		schedules_free(s);
	else
		*ret = s;
	return r;
}

void
schedules_free(struct schedules *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		schedule_free(s->list[i]);
	free(s);
}

unsigned
schedules_min(const struct schedules *s, unsigned min, struct wall now)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i]->min > min && schedule_holds(s->list[i], now))
			min = s->list[i]->min;
	}
	return min;
}
