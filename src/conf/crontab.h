/*
 * conf/crontab.h: points in time as crontab(5) writes them: minute, hour, day of month, month, day of week.
 *
 * "30 7 * * mon-fri", "0,30 8-18/2 1 jan,jul *". Day of month and day of week: where both are
 * restricted, one of them is enough, as Vixie cron has it; 0 and 7 are Sunday.
 */
#ifndef TG_CONF_CRONTAB_H
#define TG_CONF_CRONTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* A value; bit n stands for n. */
struct crontab {
	uint64_t minutes;  /* 0..59 */
	uint32_t hours;    /* 0..23 */
	uint32_t days;     /* 1..31 */
	uint16_t months;   /* 1..12 */
	uint8_t weekdays;  /* 0..6 */
	bool is_day_any;     /* written as "*" */
	bool is_weekday_any; /* the same */
};

/* -TG_EINVAL: what is wrong, and what is allowed; also of a day that never comes. */
TG_MUST_CHECK int crontab_parse(const char *text, struct crontab *ret, struct err *err);

/* Whether it is on this day: 1..31, 1..12, 0..6 from Sunday. */
bool crontab_has_day(const struct crontab *c, unsigned day, unsigned month, unsigned weekday);

#endif
