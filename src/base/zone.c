#include "base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX     (256u << 10)
#define TIMES_MAX    4096u
#define TYPES_MAX    256u
#define FOOTER_MAX   128u
#define DAY_SECONDS  86400
#define HEADER_BYTES 44u

/* A day of a year: "M3.5.0", "J60", "59". */
enum rule_kind { RULE_WEEKDAY = 0, RULE_JULIAN = 1, RULE_DAY = 2 };

struct rule {
	enum rule_kind kind;
	unsigned month;
	unsigned week;
	unsigned day;
	int32_t at; /* seconds of that day, local */
};

/* What is in force behind the last transition: "CET-1CEST,M3.5.0,M10.5.0/3". */
struct footer {
	bool is_set;
	bool has_summer;
	int32_t offset;
	int32_t summer_offset;
	struct rule begin;
	struct rule end;
};

struct zone {
	size_t n;
	int64_t *times;
	int32_t *offsets;    /* from that time on */
	int32_t first_offset; /* before all of them */
	struct footer footer;
};

/*** Days ***/

int64_t
zone_days(int32_t year, unsigned month, unsigned day)
{
	/* From March on, so that the leap day is the last; eras of 400 years. */
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct zone_date
zone_day(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t shifted = (5 * of_year + 2) / 153;
	struct zone_date d = {
		.day = (unsigned)(of_year - (153 * shifted + 2) / 5 + 1),
		.month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9),
		.weekday = (unsigned)(((days + 4) % 7 + 7) % 7),
	};

	d.year = (int32_t)(year + era * 400 + (d.month <= 2));
	return d;
}

/*** The footer ***/

static bool
take_number(const char **p, unsigned max, unsigned *ret)
{
	unsigned n = 0;
	unsigned digits = 0;

	for (; **p >= '0' && **p <= '9' && digits < 4; (*p)++, digits++)
		n = n * 10 + (unsigned)(**p - '0');
	*ret = n;
	return digits > 0 && n <= max;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static bool
take_time(const char **p, unsigned max_hours, int32_t *ret)
{
	int32_t sign = **p == '-' ? -1 : 1;
	unsigned parts[3] = {0, 0, 0};

	if (**p == '-' || **p == '+')
		(*p)++;
	if (!take_number(p, max_hours, &parts[0]))
		return false;
	for (size_t i = 1; i < 3 && **p == ':'; i++) {
		(*p)++;
		if (!take_number(p, 59, &parts[i]))
			return false;
	}
	*ret = sign * (int32_t)(parts[0] * 3600 + parts[1] * 60 + parts[2]);
	return true;
}

/* "CET", "<+0330>". */
static bool
skip_name(const char **p)
{
	const char *start = *p;
	const char *end;

	if (**p == '<') {
		end = strchr(*p, '>');
		if (end == NULL)
			return false;
		*p = end + 1;
		return true;
	}
	while ((**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z'))
		(*p)++;
	return *p - start >= 3;
}

static bool
take_day(const char **p, struct rule *ret)
{
	if (**p == 'M') {
		ret->kind = RULE_WEEKDAY;
		(*p)++;
		return take_number(p, 12, &ret->month) && ret->month >= 1 && *(*p)++ == '.' &&
		       take_number(p, 5, &ret->week) && ret->week >= 1 && *(*p)++ == '.' &&
		       take_number(p, 6, &ret->day);
	}
	ret->kind = **p == 'J' ? RULE_JULIAN : RULE_DAY;
	if (**p == 'J')
		(*p)++;
	return take_number(p, 365, &ret->day) && (ret->kind == RULE_DAY || ret->day >= 1);
}

static bool
take_rule(const char **p, struct rule *ret)
{
	if (*(*p)++ != ',' || !take_day(p, ret))
		return false;
	ret->at = 2 * 3600;
	if (**p != '/')
		return true;
	(*p)++;
	return take_time(p, 167, &ret->at);
}

static bool
parse_footer(const char *p, struct footer *ret)
{
	int32_t west;

	*ret = (struct footer){.is_set = false};
	if (*p == '\0')
		return true;
	if (!skip_name(&p) || !take_time(&p, 24, &west))
		return false;
	ret->is_set = true;
	ret->offset = -west;
	if (*p == '\0')
		return true;
	ret->has_summer = true;
	ret->summer_offset = ret->offset + 3600;
	if (!skip_name(&p))
		return false;
	if (*p != ',') {
		if (!take_time(&p, 24, &west))
			return false;
		ret->summer_offset = -west;
	}
	return take_rule(&p, &ret->begin) && take_rule(&p, &ret->end) && *p == '\0';
}

static bool
is_leap(int32_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970 of "the last Sunday of March" and the like. */
static int64_t
weekday_of(const struct rule *r, int32_t year)
{
	int64_t first = zone_days(year, r->month, 1);
	int64_t next = r->month == 12 ? zone_days(year + 1, 1, 1) : zone_days(year, r->month + 1, 1);
	int64_t day = first + (7 + (int64_t)r->day - (int64_t)zone_day(first).weekday) % 7 +
		      7 * ((int64_t)r->week - 1);

	return day < next ? day : day - 7;
}

static int64_t
rule_time(const struct rule *r, int32_t year, int32_t offset)
{
	int64_t days = zone_days(year, 1, 1);

	if (r->kind == RULE_WEEKDAY)
		days = weekday_of(r, year);
	else if (r->kind == RULE_DAY)
		days += r->day;
	else
		days += (int64_t)r->day - 1 + (is_leap(year) && r->day >= 60);
	return days * DAY_SECONDS + r->at - offset;
}

static int64_t
floor_days(int64_t seconds)
{
	return (seconds >= 0 ? seconds : seconds - (DAY_SECONDS - 1)) / DAY_SECONDS;
}

static int32_t
footer_offset(const struct footer *f, int64_t at)
{
	int32_t year = zone_day(floor_days(at + f->offset)).year;
	int64_t begin;
	int64_t end;
	bool is_summer;

	if (!f->has_summer)
		return f->offset;
	begin = rule_time(&f->begin, year, f->offset);
	end = rule_time(&f->end, year, f->summer_offset);
	is_summer = begin < end ? at >= begin && at < end : at >= begin || at < end;
	return is_summer ? f->summer_offset : f->offset;
}

/*** The file ***/

/* Big-endian, as all of it is. */
static uint64_t
load(const unsigned char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

struct counts {
	size_t isut;
	size_t isstd;
	size_t leap;
	size_t time;
	size_t type;
	size_t chars;
};

static bool
take_header(const unsigned char *p, size_t n, struct counts *ret)
{
	if (n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	*ret = (struct counts){
		.isut = load(p + 20, 4),
		.isstd = load(p + 24, 4),
		.leap = load(p + 28, 4),
		.time = load(p + 32, 4),
		.type = load(p + 36, 4),
		.chars = load(p + 40, 4),
	};
	return ret->time <= TIMES_MAX && ret->type >= 1 && ret->type <= TYPES_MAX &&
	       ret->leap <= TIMES_MAX && ret->chars <= FILE_MAX && ret->isut <= TYPES_MAX &&
	       ret->isstd <= TYPES_MAX;
}

static size_t
block_bytes(const struct counts *c, size_t time_bytes)
{
	return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
	       c->isstd + c->isut;
}

/* Offsets may be a day and some; anything more is no clock. */
static bool
take_type(const unsigned char *types, size_t i, int32_t *ret)
{
	*ret = (int32_t)(uint32_t)load(types + i * 6, 4);
	return *ret > -26 * 3600 && *ret < 26 * 3600;
}

static bool
take_times(struct zone *zone, const unsigned char *p, const struct counts *c)
{
	const unsigned char *indexes = p + c->time * 8;
	const unsigned char *types = indexes + c->time;

	if (!take_type(types, 0, &zone->first_offset))
		return false;
	for (size_t i = 0; i < c->time; i++) {
		zone->times[i] = (int64_t)load(p + i * 8, 8);
		if (indexes[i] >= c->type || (i > 0 && zone->times[i] <= zone->times[i - 1]) ||
		    !take_type(types, indexes[i], &zone->offsets[i]))
			return false;
	}
	return true;
}

static bool
take_footer(struct zone *zone, const unsigned char *p, size_t n)
{
	char text[FOOTER_MAX];
	const unsigned char *end = n >= 2 && p[0] == '\n' ? memchr(p + 1, '\n', n - 1) : NULL;
	size_t length;

	if (end == NULL)
		return false;
	length = (size_t)(end - p) - 1;
	if (length >= sizeof(text) || memchr(p, '\0', length + 1) != NULL)
		return false;
	memcpy(text, p + 1, length);
	text[length] = '\0';
	return parse_footer(text, &zone->footer);
}

static struct zone *
zone_new(size_t n)
{
	struct zone *zone = calloc(1, sizeof(*zone));

	if (zone == NULL)
		return NULL;
	zone->n = n;
	zone->times = calloc(n + 1, sizeof(zone->times[0]));
	zone->offsets = calloc(n + 1, sizeof(zone->offsets[0]));
	if (zone->times != NULL && zone->offsets != NULL)
		return zone;
	zone_free(zone);
	return NULL;
}

int
zone_parse(const void *bytes, size_t n, struct zone **ret, struct err *err)
{
	const unsigned char *p = bytes;
	struct zone *zone;
	struct counts c;
	size_t skip;

	/* A block for readers of 32-bit times comes first. */
	if (!take_header(p, n, &c))
		return err_set(err, TG_EINVAL, "is no file of time zones (TZif, version 2)");
	skip = HEADER_BYTES + block_bytes(&c, 4);
	if (n < skip || !take_header(p + skip, n - skip, &c) ||
	    n - skip - HEADER_BYTES < block_bytes(&c, 8))
		return err_set(err, TG_EINVAL, "the file of the time zone is cut off");
	p += skip + HEADER_BYTES;
	n -= skip + HEADER_BYTES + block_bytes(&c, 8);
	zone = zone_new(c.time);
	if (zone == NULL)
		return err_no_memory(err);
	if (!take_times(zone, p, &c) || !take_footer(zone, p + block_bytes(&c, 8), n)) {
		zone_free(zone);
		return err_set(err, TG_EINVAL, "the file of the time zone is not valid");
	}
	*ret = zone;
	return 0;
}

void
zone_free(struct zone *zone)
{
	if (zone == NULL)
		return;
	free(zone->times);
	free(zone->offsets);
	free(zone);
}

int
zone_valid_name(const char *name, struct err *err)
{
	bool is_good = name[0] != '/' && name[0] != '\0' && strstr(name, "..") == NULL &&
		       strstr(name, "//") == NULL && strlen(name) <= 128;

	for (const char *p = name; *p && is_good; p++)
		is_good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			  (*p >= '0' && *p <= '9') || strchr("/_+-", *p) != NULL;
	return is_good ? 0
		       : err_set(err, TG_EINVAL,
				 "\"%.80s\" is no name of a time zone; allowed: as "
				 "\"Europe/Berlin\" or \"UTC\"",
				 name);
}

static int
read_file(const char *path, unsigned char *buf, size_t *ret_n, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return err_set_errno(err, "%.200s", path);
	while ((got = read(fd, buf + n, FILE_MAX - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err_set_errno(err, "%.200s", path);
			close(fd);
			return -TG_EIO;
		}
		n += (size_t)got;
	}
	close(fd);
	*ret_n = n;
	return 0;
}

static int
open_file(const char *path, struct zone **ret, struct err *err)
{
	unsigned char *buf = malloc(FILE_MAX);
	size_t n = 0;
	int r;

	if (buf == NULL)
		return err_no_memory(err);
	r = read_file(path, buf, &n, err);
	if (r == 0)
		r = zone_parse(buf, n, ret, err);
	free(buf);
	return r;
}

int
zone_open(const char *name, struct zone **ret, struct err *err)
{
	char path[PATH_MAX];
	struct err why;
	int r;

	if (name != NULL ? strcmp(name, "UTC") == 0
			 : access(TG_ZONE_LOCAL, F_OK) < 0 && errno == ENOENT) {
		*ret = zone_new(0);
		return *ret != NULL ? 0 : err_no_memory(err);
	}
	r = name != NULL ? zone_valid_name(name, err) : 0;
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), name != NULL ? TG_ZONE_FOLDER "/%s" : TG_ZONE_LOCAL, name);
	if (name != NULL && access(path, F_OK) < 0 && errno == ENOENT)
		return err_set(err, TG_ENOENT,
			       "unknown time zone \"%s\"; allowed: files in " TG_ZONE_FOLDER
			       " (tzdata)",
			       name);
	r = open_file(path, ret, &why);
	return r < 0 ? err_set(err, (enum tg_errno) - r, "%.200s: %.290s", path, why.text) : 0;
}

/*** Asking ***/

int32_t
zone_offset(const struct zone *zone, int64_t at)
{
	size_t low = 0;
	size_t high = zone->n;

	/* How many transitions were before. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->times[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == zone->n && zone->footer.is_set)
		return footer_offset(&zone->footer, at);
	return low == 0 ? zone->first_offset : zone->offsets[low - 1];
}

struct zone_date
zone_date(const struct zone *zone, int64_t at)
{
	int64_t local = at + zone_offset(zone, at);
	int64_t days = floor_days(local);
	struct zone_date d = zone_day(days);
	int64_t rest = local - days * DAY_SECONDS;

	d.hour = (unsigned)(rest / 3600);
	d.minute = (unsigned)(rest / 60 % 60);
	return d;
}

/* The first moment whose local time is behind `local`, which is jumped over between the two. */
static int64_t
jump(const struct zone *zone, int64_t local)
{
	int64_t low = local - 2 * DAY_SECONDS;
	int64_t high = local + 2 * DAY_SECONDS;

	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		if (middle + zone_offset(zone, middle) > local)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int64_t
zone_time(const struct zone *zone, const struct zone_date *date)
{
	int64_t local = zone_days(date->year, date->month, date->day) * DAY_SECONDS +
			(int64_t)date->hour * 3600 + (int64_t)date->minute * 60;
	int32_t before = zone_offset(zone, local - DAY_SECONDS);
	int32_t after = zone_offset(zone, local + DAY_SECONDS);
	int64_t first = local - (before > after ? before : after);
	int64_t second = local - (before > after ? after : before);

	if (first + zone_offset(zone, first) == local)
		return first;
	if (second + zone_offset(zone, second) == local)
		return second;
	return jump(zone, local);
}
