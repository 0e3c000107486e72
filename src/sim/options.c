#include "sim/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "sim/options_priv.h"

#define US_PER_MS 1000u
#define DAY_MS    (UINT64_C(24) * 3600 * 1000)

/*** Values ***/

static int
take_number(const struct option_row *row, const char *text, double least, double most, double *ret,
	    struct err *err)
{
	char *end = NULL;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= least && value <= most))
		return err_set(err, TG_EINVAL, "--%s: \"%.80s\" is not possible; allowed: a number from %g to %g",
			       row->name, text, least, most);
	*ret = value;
	return 0;
}

static int
take_whole(const struct option_row *row, const char *text, uint64_t least, uint64_t most,
	   uint64_t *ret, struct err *err)
{
	char *end = NULL;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least || value > most)
		return err_set(err, TG_EINVAL,
			       "--%s: \"%.80s\" is not possible; allowed: a whole number from %llu to %llu",
			       row->name, text, (unsigned long long)least, (unsigned long long)most);
	*ret = value;
	return 0;
}

static int
take_u32(const struct option_row *row, const char *text, uint32_t least, uint32_t most, uint32_t *ret,
	 struct err *err)
{
	uint64_t value = 0;
	int rc = take_whole(row, text, least, most, &value, err);

	if (rc == 0)
		*ret = (uint32_t)value;
	return rc;
}

static int
take_duration(const char *name, const char *text, uint64_t least_ms, uint64_t most_ms,
	      uint64_t *ret_us, struct err *err)
{
	struct err why;
	uint64_t ms = 0;

	if (conf_duration_parse(text, &ms, &why) < 0 || ms < least_ms || ms > most_ms)
		return err_set(err, TG_EINVAL,
			       "--%s: \"%.80s\" is not possible; allowed: a duration from %llums to "
			       "%llus, as 500ms, 15s, 2m, 1h or 7d",
			       name, text, (unsigned long long)least_ms,
			       (unsigned long long)most_ms / 1000);
	*ret_us = ms * US_PER_MS;
	return 0;
}

/*** Rows ***/

#define TAKE(word)                                                                                 \
	static int take_##word(const struct option_row *row, struct options *o, const char *text,  \
			       struct err *err)

TAKE(trace)
{
	(void)row;
	(void)err;
	o->trace = text;
	return 0;
}

TAKE(load)
{
	(void)row;
	(void)err;
	o->load = text;
	return 0;
}

TAKE(module)
{
	(void)row;
	(void)err;
	o->module = text;
	return 0;
}

TAKE(compare)
{
	(void)row;
	(void)err;
	o->compare = text;
	return 0;
}

TAKE(replay)
{
	(void)row;
	(void)err;
	o->replay = text;
	return 0;
}

TAKE(decisions)
{
	(void)row;
	(void)err;
	o->decisions = text;
	return 0;
}

TAKE(svg)
{
	(void)row;
	(void)err;
	o->svg = text;
	return 0;
}

TAKE(scale)
{
	return take_number(row, text, 0.001, 1e7, &o->scale, err);
}

TAKE(span)
{
	uint64_t us = 0;
	int rc = take_duration(row->name, text, 60000, 3660 * DAY_MS, &us, err);

	o->seconds = us / 1000000;
	return rc;
}

TAKE(seed)
{
	return take_whole(row, text, 0, UINT64_MAX, &o->world.seed, err);
}

TAKE(slots)
{
	return take_u32(row, text, 1, TG_WORLD_SLOTS_MAX, &o->world.slots, err);
}

TAKE(service_time)
{
	return take_duration(row->name, text, 1, TG_WORLD_SERVICE_MS_MAX, &o->world.service_us, err);
}

TAKE(service)
{
	o->world.is_constant = strcmp(text, "constant") == 0;
	if (o->world.is_constant || strcmp(text, "exponential") == 0)
		return 0;
	return err_set(err, TG_EINVAL, "--%s: \"%.80s\" is not known; allowed: constant, exponential",
		       row->name, text);
}

TAKE(start_delay)
{
	return take_duration(row->name, text, 0, DAY_MS, &o->world.start_us, err);
}

TAKE(queue)
{
	return take_u32(row, text, 0, TG_WORLD_QUEUE_MAX, &o->world.queue, err);
}

TAKE(queue_timeout)
{
	return take_duration(row->name, text, 1, 3600 * 1000, &o->world.queue_timeout_us, err);
}

/* One of wait=500ms and share=0.01. */
static int
take_goal(const struct option_row *row, struct options *o, const char *text, struct err *err)
{
	if (strncmp(text, "wait=", 5) == 0)
		return take_duration("objective", text + 5, 0, 3600 * 1000, &o->world.objective_us, err);
	if (strncmp(text, "share=", 6) == 0)
		return take_number(row, text + 6, 0.000001, 0.5, &o->share, err);
	return err_set(err, TG_EINVAL, "--%s: \"%.80s\" is not known; allowed: wait=500ms, share=0.01, or both "
		       "with a comma between them", row->name, text);
}

TAKE(objective)
{
	int rc = 0;

	while (rc == 0 && *text != '\0') {
		size_t n = strcspn(text, ",");
		char part[64];

		snprintf(part, sizeof(part), "%.*s", (int)n, text);
		rc = take_goal(row, o, part, err);
		text += n + (text[n] == ',');
	}
	return rc;
}

TAKE(penalty)
{
	return take_number(row, text, 0, 1e9, &o->penalty, err);
}

TAKE(switch_cost)
{
	uint64_t us = 0;
	int rc = take_duration(row->name, text, 0, DAY_MS, &us, err);

	o->per_switch = (double)us / 1e6;
	return rc;
}

TAKE(notice)
{
	return take_duration(row->name, text, 0, 60000, &o->notice_us, err);
}

TAKE(min)
{
	return take_u32(row, text, 0, TG_SCENE_BACKENDS_MAX, &o->min, err);
}

TAKE(max)
{
	return take_u32(row, text, 1, TG_SCENE_BACKENDS_MAX, &o->max, err);
}

TAKE(jobs)
{
	return take_u32(row, text, 1, 256, &o->jobs, err);
}

#define FLAG(word, member)                                                                         \
	TAKE(word)                                                                                 \
	{                                                                                          \
		(void)row;                                                                         \
		(void)text;                                                                        \
		(void)err;                                                                         \
		o->member = true;                                                                  \
		return 0;                                                                          \
	}
FLAG(json, is_json)
FLAG(quiet, is_quiet)
FLAG(help, is_help)
FLAG(version, is_version)

const struct option_row option_rows[] = {
	{"trace", "FILE", NULL, take_trace, OPTION_LOAD,
	 "The load: lines of time,requests, a minute each; lines that begin with # are comments, and a first line "
	 "of two words is a header. The time is the number of a minute or a date, as 1998-05-09T00:00, with Z or a zone "
	 "as +02:00 (none is UTC) and seconds of 00 or none. Nothing comes in minutes that are left out, which is "
	 "told; more than a week of them in a row is an error."},
	{"load", "NAME", NULL, take_load, OPTION_LOAD, "A load that is made, instead of a trace: see LOADS."},
	{"scale", "RPS", "as the trace is; 1000 of a load that is made", take_scale, OPTION_LOAD,
	 "Multiplies the load so that its greatest rate, of all minutes of a trace, is so many requests per second."},
	{"span", "TIME", "all of a trace; 1d of a load that is made", take_span, OPTION_LOAD,
	 "Only the first part of the load."},
	{"seed", "N", "1", take_seed, OPTION_LOAD,
	 "Of all that is drawn: loads that are made, when requests come inside a minute, how long each takes. "
	 "The same seed is the same run, on any machine."},
	{"slots", "N", "10", take_slots, OPTION_SERVICE, "Requests a backend serves at a time."},
	{"service-time", "TIME", "100ms", take_service_time, OPTION_SERVICE, "Mean time of a request at a backend."},
	{"service", "KIND", "exponential", take_service, OPTION_SERVICE,
	 "How these times are spread: exponential, or constant."},
	{"start-delay", "TIME", "15s", take_start_delay, OPTION_SERVICE,
	 "From asking for a backend until it is ready."},
	{"queue", "N", "1024", take_queue, OPTION_SERVICE,
	 "Requests that may wait for a slot, the first that came first; what comes beyond is refused."},
	{"queue-timeout", "TIME", "5s", take_queue_timeout, OPTION_SERVICE, "Who has waited so long is refused."},
	{"min", "N", "1", take_min, OPTION_SERVICE, "Fewest backends, where the module's keys do not say so."},
	{"max", "N", "1024", take_max, OPTION_SERVICE, "Most backends, the same."},
	{"objective", "wait=TIME[,share=SHARE]", "wait=500ms,share=0.01", take_objective, OPTION_COST,
	 "Requests should not wait longer. Those that do, and those that are refused, are beyond the objective. "
	 "How many backends are needed, for the elasticity metrics, follows from the share that may be."},
	{"penalty", "N", "100", take_penalty, OPTION_COST,
	 "What a request beyond the objective costs: as much as the place of so many requests at a backend."},
	{"switch-cost", "TIME", "0", take_switch_cost, OPTION_COST,
	 "What each start and each stop costs beside the time it takes: as much as a backend in this time."},
	{"notice", "TIME", "4s", take_notice, OPTION_COST,
	 "From a new rate until informed-late is told of it. At ten requests a second what comes in 4 s is a "
	 "sixth off by chance."},
	{"module", "NAME", NULL, take_module, OPTION_WORK,
	 "The autoscaler: a name of MODULES, or the path of a shared object as the daemon loads it. Its keys, and "
	 "those that the daemon has in autoscale, follow as key=value."},
	{"compare", "LIST", NULL, take_compare, OPTION_WORK,
	 "Runs MODULES: with \"all\" all but the informed ones, or those that are named, with commas between "
	 "them, each once and at all of its targets. A module beside it is run as well."},
	{"replay", "DECISIONS", NULL, take_replay, OPTION_WORK,
	 "Decisions that were recorded, one a line, by tidegate or by --decisions: each is made again, and must be "
	 "the same. With --module, what that one would have decided."},
	{"decisions", "FILE", NULL, take_decisions, OPTION_OUTPUT,
	 "Where the decisions of the module are recorded, as tidegate records them."},
	{"svg", "FILE", NULL, take_svg, OPTION_OUTPUT,
	 "Where cost over violations is drawn: a point for each target of each module, and a line, its frontier, through "
	 "those that no other of its targets beats."},
	{"json", NULL, NULL, take_json, OPTION_OUTPUT, "Prints JSON."},
	{"jobs", "N", "one for each processor", take_jobs, OPTION_OUTPUT, "Runs at a time. The figures do not depend on it."},
	{"quiet", NULL, NULL, take_quiet, OPTION_OUTPUT, "Does not tell on a terminal how far it is."},
	{"version", NULL, NULL, take_version, OPTION_OUTPUT, "Prints the version."},
	{"help", NULL, NULL, take_help, OPTION_OUTPUT, "Prints the options."},
	{.name = NULL},
};

/*** The line ***/

static const struct option_row *
find_row(const char *name, size_t n)
{
	for (const struct option_row *row = option_rows; row->name != NULL; row++) {
		if (strlen(row->name) == n && strncmp(row->name, name, n) == 0)
			return row;
	}
	return NULL;
}

/* --name=value, or --name value. */
static int
take_option(int argc, char **argv, int *i, struct options *o, struct err *err)
{
	const char *name = argv[*i] + 2;
	size_t n = strcspn(name, "=");
	const struct option_row *row = find_row(name, n);
	const char *value = name[n] == '=' ? name + n + 1 : NULL;

	if (row == NULL)
		return err_set(err, TG_EINVAL, "unknown option \"--%.*s\"; \"tidegate-sim --help\" lists them",
			       (int)n, name);
	if (row->argument == NULL && value != NULL)
		return err_set(err, TG_EINVAL, "--%s takes no value", row->name);
	if (row->argument != NULL && value == NULL && *i + 1 < argc)
		value = argv[++*i];
	if (row->argument != NULL && value == NULL)
		return err_set(err, TG_EINVAL, "--%s: a value is missing: %s", row->name, row->argument);
	return row->take(row, o, value, err);
}

static int
take_setting(struct options *o, const char *text, struct err *err)
{
	if (o->n_settings == TG_POLICY_SETTINGS_MAX)
		return err_set(err, TG_EINVAL, "more than %u settings", TG_POLICY_SETTINGS_MAX);
	if (text[0] == '-' || strchr(text, '=') == NULL)
		return err_set(err, TG_EINVAL, "\"%.80s\" is not known; allowed: options, that begin with --, and "
			       "key=value behind --module", text);
	o->settings[o->n_settings++] = text;
	return 0;
}

static int
check(const struct options *o, struct err *err)
{
	if (o->is_help || o->is_version)
		return 0;
	if (o->replay != NULL && (o->trace != NULL || o->load != NULL || o->compare != NULL))
		return err_set(err, TG_EINVAL, "--replay goes without --trace, --load and --compare");
	if (o->replay == NULL && (o->trace != NULL) == (o->load != NULL))
		return err_set(err, TG_EINVAL, o->trace != NULL ? "--trace and --load exclude each other"
								 : "a load is missing: --trace FILE or --load NAME");
	if (o->module == NULL && o->n_settings > 0)
		return err_set(err, TG_EINVAL, "\"%.80s\" is of no module: --module NAME is missing",
			       o->settings[0]);
	if (o->replay == NULL && o->module == NULL && o->compare == NULL)
		return err_set(err, TG_EINVAL, "nothing to run: --module NAME or --compare all is missing");
	if (o->decisions != NULL && o->module == NULL)
		return err_set(err, TG_EINVAL, "--decisions are those of a module: --module NAME is missing");
	if (o->min > o->max)
		return err_set(err, TG_EINVAL, "--min: %u is more than --max %u", o->min, o->max);
	if (o->world.objective_us >= o->world.queue_timeout_us)
		return err_set(err, TG_EINVAL, "--objective: nobody waits longer than --queue-timeout; allowed: less");
	return 0;
}

int
options_parse(int argc, char **argv, struct options *ret, struct err *err)
{
	struct options o = {
		.world = {.slots = 10,
			  .service_us = 100000,
			  .start_us = 15000000,
			  .queue = 1024,
			  .queue_timeout_us = 5000000,
			  .objective_us = 500000,
			  .seed = 1},
		.share = 0.01,
		.penalty = 100,
		.notice_us = 4000000,
		.min = 1,
		.max = TG_SCENE_BACKENDS_MAX,
	};
	int rc = 0;

	for (int i = 1; rc == 0 && i < argc; i++)
		rc = strncmp(argv[i], "--", 2) == 0 ? take_option(argc, argv, &i, &o, err)
						    : take_setting(&o, argv[i], err);
	if (rc == 0)
		rc = check(&o, err);
	if (rc == 0)
		*ret = o;
	return rc;
}
