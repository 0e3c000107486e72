/*
 * base/zone.h: time zones of the system's database, without the process's own TZ.
 *
 * localtime(3) knows one zone per process, and changing that is a race; here each
 * zone is an object that is read once and never changes. Files are those of
 * tzdata, RFC 9636 (TZif), with the rule in the footer for times behind the last
 * transition.
 */
#ifndef TG_BASE_ZONE_H
#define TG_BASE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TG_ZONE_FOLDER "/usr/share/zoneinfo"
#define TG_ZONE_LOCAL  "/etc/localtime"

/* "Europe/Berlin": what may be the name of a file in the folder. 0 or -TG_EINVAL. */
int zone_valid_name(const char *name, struct err *err);

struct zone;

/* NULL: that of this machine, UTC where it has none; "UTC" needs no file. Owned by the caller. -TG_EINVAL, -TG_ENOENT, -TG_ENOMEM,
 * -TG_EIO. */
TG_MUST_CHECK int zone_open(const char *name, struct zone **ret, struct err *err);
/* The same of bytes. */
TG_MUST_CHECK int zone_parse(const void *bytes, size_t n, struct zone **ret, struct err *err);
void zone_free(struct zone *zone); /* NULL allowed */

/* Seconds east of UTC at a time in seconds since 1970. */
int32_t zone_offset(const struct zone *zone, int64_t at);

/* A moment on the zone's calendar. A value. */
struct zone_date {
	int32_t year;
	unsigned month;  /* 1..12 */
	unsigned day;    /* 1..31 */
	unsigned hour;
	unsigned minute;
	unsigned weekday; /* 0..6 from Sunday */
};
struct zone_date zone_date(const struct zone *zone, int64_t at);
/* The first moment with this date, hour and minute; of one that the clock jumps over, the jump. The weekday is
 * not looked at. */
int64_t zone_time(const struct zone *zone, const struct zone_date *date);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
int64_t zone_days(int32_t year, unsigned month, unsigned day);
struct zone_date zone_day(int64_t days);

#endif
