/* sim/trace.c: a load from a file of lines, a minute each. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "sim/workload.h"

#define MINUTE_US 60000000u
#define SHOWN     40 /* bytes of a line in an error */
#define DATE_BYTES 16u /* 1998-05-09T00:01 */

struct reading {
	const char *name;
	size_t line;
	size_t room;
	int64_t first;   /* minute of the first line */
	bool has_any;
	bool has_header;
	bool is_index;   /* times are numbers, and not dates */
	struct workload *ret;
	struct err *err;
};

static int
fail(struct reading *r, const char *what, const char *text, size_t n, const char *allowed)
{
	char shown[SHOWN + 1];
	size_t k = 0;

	for (; k < n && k < SHOWN; k++)
		shown[k] = text[k] >= ' ' && text[k] <= '~' ? text[k] : '?';
	shown[k] = '\0';
	return err_set(r->err, TG_EINVAL, "%s:%zu: %s \"%s\"%s; allowed: %s", r->name, r->line, what,
		       shown, n > SHOWN ? "..." : "", allowed);
}

/*** Fields ***/

/* Only digits, as many as fit; false: something else. */
static bool
digits(const char *text, size_t n, int64_t *ret)
{
	int64_t value = 0;

	if (n == 0 || n > 15)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return true;
}

/* Days since 1970-01-01 in the calendar of today: years begin in March, so that the day that leaps is their last. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static bool
is_date(int64_t year, int64_t month, int64_t day)
{
	static const int64_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leaps = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
	       (month != 2 || day <= 28 || leaps);
}

/* At the end of a date: Z, +02:00, -0530 or +02, in minutes; nothing is UTC. What is before it, or 0: it is none. */
static size_t
zone_of(const char *t, size_t n, int64_t *ret)
{
	size_t at = n;
	int64_t hours = 0;
	int64_t minutes = 0;

	*ret = 0;
	if (t[n - 1] == 'Z')
		return n - 1;
	while (at > DATE_BYTES && t[at - 1] != '+' && t[at - 1] != '-')
		at--;
	if (at == DATE_BYTES)
		return n;
	if (!digits(t + at, n - at < 2 ? n - at : 2, &hours) || hours > 23)
		return 0;
	if (n - at > 2) {
		size_t colon = t[at + 2] == ':';

		if (n - at != 4 + colon || !digits(t + at + 2 + colon, 2, &minutes) || minutes > 59)
			return 0;
	} else if (n - at < 2) {
		return 0;
	}
	*ret = (hours * 60 + minutes) * (t[at - 1] == '-' ? -1 : 1);
	return at - 1;
}

enum date { DATE_NONE = 0, DATE_MINUTE, DATE_SECONDS };

/* 1998-05-09T00:01, with or without seconds and a zone; of seconds only zero is a minute. */
static enum date
minute_of_date(const char *t, size_t n, int64_t *ret)
{
	int64_t year;
	int64_t month;
	int64_t day;
	int64_t hour;
	int64_t minute;
	int64_t second = 0;
	int64_t zone = 0;

	if (n > DATE_BYTES)
		n = zone_of(t, n, &zone);
	if ((n != DATE_BYTES && n != DATE_BYTES + 3) || t[4] != '-' || t[7] != '-' ||
	    (t[10] != 'T' && t[10] != ' ') || t[13] != ':')
		return DATE_NONE;
	if (!digits(t, 4, &year) || !digits(t + 5, 2, &month) || !digits(t + 8, 2, &day) ||
	    !digits(t + 11, 2, &hour) || !digits(t + 14, 2, &minute))
		return DATE_NONE;
	if (n > DATE_BYTES && (t[DATE_BYTES] != ':' || !digits(t + DATE_BYTES + 1, 2, &second)))
		return DATE_NONE;
	if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 60)
		return DATE_NONE;
	*ret = (days_of(year, month, day) * 24 + hour) * 60 + minute - zone;
	return second == 0 ? DATE_MINUTE : DATE_SECONDS;
}

static int
take_time(struct reading *r, const char *text, size_t n, int64_t *ret)
{
	bool is_index = digits(text, n, ret);
	enum date date = is_index ? DATE_MINUTE : minute_of_date(text, n, ret);

	if (date == DATE_SECONDS)
		return fail(r, "time", text, n, "whole minutes, as a line is a minute: seconds of 00 or none");
	if (date == DATE_NONE)
		return fail(r, "time", text, n,
			    "the number of a minute, or a minute as 1998-05-09T00:00, with Z, +02:00 or no zone");
	if (r->has_any && is_index != r->is_index)
		return fail(r, "time", text, n, "of one kind in all lines, numbers or dates");
	r->is_index = is_index;
	return 0;
}

/* Digits, and perhaps a point and digits: a mean of several servers is no whole number. */
static int
take_requests(struct reading *r, const char *text, size_t n, double *ret)
{
	static const double tenths[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
	const char *point = memchr(text, '.', n);
	size_t whole = point != NULL ? (size_t)(point - text) : n;
	size_t behind = point != NULL ? n - whole - 1 : 0;
	int64_t a = 0;
	int64_t b = 0;

	if (!digits(text, whole, &a) || behind > 6 || (point != NULL && !digits(point + 1, behind, &b)) ||
	    (double)a > TG_TRACE_RATE_MAX)
		return fail(r, "requests", text, n, "a number from 0 to 1e9, as 42 or 0.5");
	*ret = (double)a + (double)b / tenths[behind];
	return 0;
}

/*** Lines ***/

static int
make_room(struct reading *r, size_t n)
{
	size_t room = r->room > 0 ? r->room : 1024;
	double *rates;

	if (n <= r->room)
		return 0;
	while (room < n)
		room *= 2;
	rates = realloc(r->ret->rates, room * sizeof(*rates));
	if (rates == NULL)
		return err_no_memory(r->err);
	r->ret->rates = rates;
	r->room = room;
	return 0;
}

/* Nothing comes in minutes that are left out. */
static int
leave_out(struct reading *r, size_t minutes, const char *text, size_t n)
{
	struct workload *w = r->ret;

	if (minutes > TG_TRACE_GAP_MAX)
		return fail(r, "time", text, n,
			    "at most a week (10080 minutes) left out before it; minutes in which nothing came are lines too");
	w->missing += minutes;
	if (minutes > w->gap) {
		w->gap = minutes;
		w->gap_line = r->line;
	}
	return 0;
}

static int
add(struct reading *r, int64_t minute, double requests, const char *text, size_t n)
{
	struct workload *w = r->ret;
	size_t at;
	int rc;

	if (!r->has_any)
		r->first = minute;
	if (minute < r->first || (size_t)(minute - r->first) < w->n)
		return fail(r, "time", text, n, "later than that of the line before");
	if ((uint64_t)(minute - r->first) >= TG_WORKLOAD_STEPS_MAX)
		return fail(r, "time", text, n, "4194303 minutes behind the first line at most");
	at = (size_t)(minute - r->first);
	rc = leave_out(r, at - w->n, text, n);
	if (rc == 0)
		rc = make_room(r, at + 1);
	if (rc < 0)
		return rc;
	while (w->n < at)
		w->rates[w->n++] = 0;
	w->rates[w->n++] = requests / 60;
	r->has_any = true;
	return 0;
}

static bool
is_word(const char *text, size_t n)
{
	return n > 0 && ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
}

/* Of the lines without a '#' the first one may name the columns. */
static bool
is_header(const struct reading *r, const char *text, size_t left, size_t n)
{
	return !r->has_any && !r->has_header && is_word(text, left) && is_word(text + left + 1, n - left - 1);
}

static int
take_line(struct reading *r, const char *text, size_t n)
{
	const char *comma = memchr(text, ',', n);
	size_t left = comma != NULL ? (size_t)(comma - text) : 0;
	int64_t minute = 0;
	double requests = 0;
	int rc;

	if (comma == NULL)
		return fail(r, "line", text, n, "time,requests; comments begin with #");
	if (is_header(r, text, left, n)) {
		r->has_header = true;
		return 0;
	}
	rc = take_time(r, text, left, &minute);
	if (rc == 0)
		rc = take_requests(r, comma + 1, n - left - 1, &requests);
	return rc < 0 ? rc : add(r, minute, requests, text, left);
}

static int
take_lines(struct reading *r, const char *text, size_t n)
{
	static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, before the text */
	const char *end = text + n;
	int rc = 0;

	if (n >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0)
		text += strlen(mark);
	while (rc == 0 && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((stop != NULL ? stop : end) - text);

		r->line++;
		if (len > 0 && text[len - 1] == '\r')
			len--;
		if (len > 0 && text[0] != '#')
			rc = take_line(r, text, len);
		text = stop != NULL ? stop + 1 : end;
	}
	return rc;
}

int
workload_parse(const char *text, size_t n, const char *name, struct workload *ret, struct err *err)
{
	struct workload w = {.step_us = MINUTE_US};
	struct reading r = {.name = name, .ret = &w, .err = err};
	const char *slash = strrchr(name, '/');
	int rc = take_lines(&r, text, n);

	if (rc == 0 && !r.has_any)
		rc = err_set(err, TG_EINVAL, "%s: no line; allowed: lines of time,requests", name);
	if (rc < 0) {
		workload_fini(&w);
		return rc;
	}
	snprintf(w.name, sizeof(w.name), "%s", slash != NULL ? slash + 1 : name);
	*ret = w;
	return 0;
}

int
workload_read(const char *path, struct workload *ret, struct err *err)
{
	struct err why;
	char *text;
	size_t n;
	int rc = conf_read_file(path, TG_TRACE_BYTES_MAX, &text, &n, &why);

	if (rc < 0)
		return err_set(err, (enum tg_errno)-rc, "%s: %.400s", path, why.text);
	rc = workload_parse(text, n, path, ret, err);
	free(text);
	return rc;
}
