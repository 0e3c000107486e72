/*
 * conf/schema_outlier.c: the rows of passive health: who is ejected, and for how long.
 */
#include "conf/schema_priv.h"

static const struct conf_field outlier_fields[] = {
	{
		.key = "consecutive",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_outlier, consecutive),
		.preset = "0",
		.max = 1000000,
		.help = "Failures in a row after which a backend is ejected: no connection, no "
			"answer, none that is valid, or one with a status of 500 and above. 0: "
			"they are not counted.",
	},
	{
		.key = "connects",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_outlier, connects),
		.preset = "3",
		.max = 1000000,
		.help = "Connects in a row that fail, or take longer than timeouts.connect, after which "
			"a backend is ejected, for connect_ejection. One that refuses has nothing in "
			"flight: without this, those who balance by load would try it first for every "
			"request until its checks say that it is down. Where none takes connections, "
			"nobody is ejected for it. 0: they are not counted.",
	},
	{
		.key = "success_rate",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_outlier, success_rate_permille),
		.preset = "0",
		.max = 100000,
		.help = "How many standard deviations below their mean the share of successful "
			"requests may be; 1.9 is usual. Mean and deviation are those of the other "
			"backends, so one of three can be found. The deviation counts as 3 "
			"percentage points at least, and as three times what chance makes of the "
			"numbers of requests. With 1.9, a backend may thus always fail 5.7 points "
			"more often than the others. 0: it is not looked at.",
	},
	{
		.key = "latency",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_outlier, latency_permille),
		.preset = "0",
		.max = 1000000,
		.help = "How many times the median of all backends the mean time to an answer may "
			"be, as 3.0; more than 1.0. 0: it is not looked at.",
	},
	{
		.key = "requests",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_outlier, requests),
		.preset = "100",
		.min = 1,
		.max = 1000000,
		.help = "Requests a backend must have had to be compared, by success and by latency: in the last interval, or in "
			"as many of the last ten together as it takes since it came up or back, as one that is slow gets few where "
			"balance goes by load. It is compared with what the others had in the same intervals. Three such backends are "
			"needed.",
	},
	{
		.key = "interval",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_outlier, interval_ms),
		.preset = "10s",
		.min = 100,
		.max = TG_HOUR,
		.help = "How often backends are compared.",
	},
	{
		.key = "base_ejection",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_outlier, base_ejection_ms),
		.preset = "30s",
		.min = 100,
		.max = TG_HOUR,
		.help = "How long a backend is ejected the first time. Each time it has to go again "
			"it is for that much longer, up to ten times. Then it comes back, through "
			"slow_start where that is set.",
	},
	{
		.key = "connect_ejection",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_outlier, connect_ejection_ms),
		.preset = "1s",
		.min = 100,
		.max = TG_HOUR,
		.help = "The same, for connects that failed.",
	},
	{
		.key = "max_ejected",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_outlier, max_ejected_percent),
		.preset = "50",
		.max = 100,
		.help = "Per cent of the backends that may be ejected at a time; one may be where "
			"there are two. When all are, backups serve; where there are none, or fewer are left than health.fail_open "
			"wants, the ejected are used.",
	},
	{.key = NULL},
};

static void
outlier_check(struct conf_check *check, void *object)
{
	const struct conf_outlier *outlier = object;

	if (outlier->latency_permille > 0 && outlier->latency_permille <= 1000)
		conf_check_error(
			check, "latency",
			"half of all backends are above the median; allowed: 0, or more than "
			"1.0 up to 1000.0");
}

const struct conf_schema conf_schema_outlier = {
	.title = "Ejection of backends",
	.help = "Backends that do badly with real requests get none for a while, whatever their "
		"checks say. By default only those that take no connections.",
	.fields = outlier_fields,
	.check = outlier_check,
};
