/* base/zone.c: against the C library, zone by zone, and files that are not good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/zone.h"

#define DAY 86400

static const char *const names[] = {
	"UTC",          "Europe/Berlin",      "Europe/Dublin",       "America/New_York",
	"Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Auckland",
	"Africa/Casablanca", "America/Scoresbysund", "Asia/Kathmandu",
};

/* This program has one thread and may set TZ. */
static void
all_agree_with_the_library(void **state)
{
	(void)state;
	if (access(TG_ZONE_FOLDER "/Europe/Berlin", R_OK) < 0)
		skip(); /* tzdata is missing */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct zone *zone;
		struct err err;

		setenv("TZ", names[i], 1);
		tzset();
		if (zone_open(names[i], &zone, &err) < 0)
			fail_msg("%s", err.text);
		/* From 1950 to 2120, at odd hours. */
		for (int64_t t = -20 * 365 * (int64_t)DAY; t < 150 * 365 * (int64_t)DAY;
		     t += 5 * DAY + 3607) {
			time_t at = (time_t)t;
			struct zone_date d = zone_date(zone, t);
			struct tm tm;

			localtime_r(&at, &tm);
			if (zone_offset(zone, t) != tm.tm_gmtoff || d.year != tm.tm_year + 1900 ||
			    d.month != (unsigned)tm.tm_mon + 1 || d.day != (unsigned)tm.tm_mday ||
			    d.hour != (unsigned)tm.tm_hour || d.minute != (unsigned)tm.tm_min ||
			    d.weekday != (unsigned)tm.tm_wday)
				fail_msg("%s at %lld", names[i], (long long)t);
			/* Back again, where the clock shows it once. */
			t -= t % 60;
			if (zone_offset(zone, t - 7200) == zone_offset(zone, t + 7200)) {
				d = zone_date(zone, t);
				assert_true(zone_time(zone, &d) == t);
			}
		}
		zone_free(zone);
	}
	unsetenv("TZ");
}

static void
times_that_are_skipped_or_twice_are_found(void **state)
{
	struct zone_date d = {.year = 2026, .month = 3, .day = 29, .hour = 2, .minute = 30};
	struct zone *zone;
	struct err err;

	(void)state;
	if (access(TG_ZONE_FOLDER "/Europe/Berlin", R_OK) < 0)
		skip(); /* tzdata is missing */
	assert_int_equal(zone_open("Europe/Berlin", &zone, &err), 0);
	/* 2026-03-29T01:00:00Z: from 2:00 to 3:00. */
	assert_int_equal(zone_time(zone, &d), 1774746000);
	d.hour = 3;
	assert_int_equal(zone_time(zone, &d), 1774746000 + 1800);
	/* 2026-10-25: 2:30 comes twice, first as summer time. */
	d = (struct zone_date){.year = 2026, .month = 10, .day = 25, .hour = 2, .minute = 30};
	assert_int_equal(zone_time(zone, &d), 1792888200);
	assert_int_equal(zone_offset(zone, 1792888200), 7200);
	/* The same far behind the last transition of the file: 2126-03-31. */
	d = (struct zone_date){.year = 2126, .month = 3, .day = 31, .hour = 2, .minute = 30};
	assert_int_equal(zone_offset(zone, zone_time(zone, &d)), 7200);
	assert_int_equal(zone_offset(zone, zone_time(zone, &d) - 1), 3600);
	zone_free(zone);
}

static void
names_that_are_none_are_refused(void **state)
{
	static const char *const wrong[] = {"", "/etc/passwd", "../passwd", "a/../b", "a//b", "a b", "a\n"};
	struct zone *zone;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(zone_open(wrong[i], &zone, &err), -TG_EINVAL);
		assert_non_null(strstr(err.text, "is no name of a time zone; allowed:"));
	}
	assert_int_equal(zone_open("Europe/Berlino", &zone, &err), -TG_ENOENT);
	assert_non_null(strstr(err.text, "unknown time zone \"Europe/Berlino\"; allowed: files in"));
}

static void
machine_has_a_zone(void **state)
{
	struct zone *zone;
	struct err err;

	(void)state;
	assert_int_equal(zone_open(NULL, &zone, &err), 0);
	zone_free(zone);
}

/* Version 2: an empty block, then one transition at 1000 from +0 to +1h, then the footer. */
static size_t
make_file(unsigned char *p, const char *footer)
{
	static const unsigned char head[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 1};
	size_t n = 0;

	memset(p, 0, 1024);
	memcpy(p, head, 44);
	n = 44 + 6 + 1;
	memcpy(p + n, head, 44);
	p[n + 35] = 1;
	p[n + 39] = 2;
	n += 44;
	p[n + 6] = 1000 >> 8;
	p[n + 7] = 1000 & 0xff;
	n += 8;
	p[n++] = 1;
	p[n + 6 + 2] = 3600 >> 8;
	p[n + 6 + 3] = 3600 & 0xff;
	n += 12 + 1;
	p[n++] = '\n';
	memcpy(p + n, footer, strlen(footer));
	n += strlen(footer);
	p[n++] = '\n';
	return n;
}

static void
footers_are_read(void **state)
{
	static const struct {
		const char *footer;
		int64_t at;
		int32_t offset;
	} good[] = {
		{"", 2000, 3600},
		{"UTC0", 2000, 0},
		{"<+0530>-5:30", 2000, 19800},
		{"<-03>3", 2000, -10800},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1774746000 - 1, 3600},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 7200},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1792890000 - 1, 7200},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1792890000, 3600},
		/* summer over the turn of the year */
		{"NZST-12NZDT,M9.5.0,M4.1.0/3", 1767225600, 46800},
		{"NZST-12NZDT,M9.5.0,M4.1.0/3", 1782864000, 43200},
		/* J60 is March 1 also in leap years; 59 is February 29 in those. */
		{"A1B,J60/0,J61/0", 1835485200, 0},
		{"AAA1BBB,J60/0,J61/0", 1835485200, 0},
		{"AAA1BBB,J60/0,J61/0", 1835485200 - 1, -3600},
		{"AAA1BBB,59/0,60/0", 1835398800, 0},
		{"AAA1BBB,59/0,60/0", 1835398800 - 1, -3600},
	};
	unsigned char file[1024];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t n = make_file(file, good[i].footer);
		struct zone *zone;

		if (good[i].footer[0] == 'A' && good[i].footer[1] == '1') {
			assert_int_equal(zone_parse(file, n, &zone, &err), -TG_EINVAL);
			continue;
		}
		if (zone_parse(file, n, &zone, &err) < 0)
			fail_msg("%s: %s", good[i].footer, err.text);
		assert_int_equal(zone_offset(zone, 999), 0);
		if (zone_offset(zone, good[i].at) != good[i].offset)
			fail_msg("%s at %lld: %d", good[i].footer, (long long)good[i].at,
				 zone_offset(zone, good[i].at));
		zone_free(zone);
	}
}

static void
what_is_cut_or_broken_is_refused(void **state)
{
	static const char *const footers[] = {"C", "CET", "CET-99", "CET-1CEST,M3", "CET-1CEST",
					      "CET-1CEST,M13.1.1,M1.1.1", "CET-1CEST,J0,J1",
					      "CET-1CEST,M3.5.0,M10.5.0/999", "<x-1", "CET-1x"};
	unsigned char file[1024];
	struct zone *zone;
	struct err err;
	size_t n = make_file(file, "CET-1CEST,M3.5.0,M10.5.0/3");

	(void)state;
	for (size_t i = 0; i < n; i++) {
		/* A heap copy, so that a read behind its end is seen. */
		unsigned char *cut = malloc(i + 1);

		memcpy(cut, file, i);
		assert_int_equal(zone_parse(cut, i, &zone, &err), -TG_EINVAL);
		free(cut);
	}
	for (size_t i = 0; i < sizeof(footers) / sizeof(footers[0]); i++) {
		n = make_file(file, footers[i]);
		if (zone_parse(file, n, &zone, &err) != -TG_EINVAL)
			fail_msg("accepted: %s", footers[i]);
	}
	/* Any byte may be any other: no crash, and no clock that is days off. */
	n = make_file(file, "CET-1CEST,M3.5.0,M10.5.0/3");
	for (size_t i = 0; i < n; i++) {
		for (unsigned value = 0; value < 256; value++) {
			unsigned char was = file[i];

			file[i] = (unsigned char)value;
			if (zone_parse(file, n, &zone, &err) == 0) {
				assert_true(labs((long)zone_offset(zone, 1792890000)) < 2 * DAY);
				zone_free(zone);
			}
			file[i] = was;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_agree_with_the_library),
		cmocka_unit_test(times_that_are_skipped_or_twice_are_found),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(machine_has_a_zone),
		cmocka_unit_test(footers_are_read),
		cmocka_unit_test(what_is_cut_or_broken_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
