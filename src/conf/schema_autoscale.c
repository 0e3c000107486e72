/*
 * conf/schema_autoscale.c: the rows of autoscalers and their schedules.
 */
#include <errno.h>
#include <string.h>

#include "base/zone.h"
#include "conf/crontab.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

#define BACKENDS_MAX 1024u

/*** schedules ***/

static int
valid_crontab(const char *text, struct err *err)
{
	struct crontab ignored;

	return crontab_parse(text, &ignored, err);
}

static const struct conf_field schedule_fields[] = {
	{
		.key = "start",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_schedule, start),
		.min = 1,
		.max = 256,
		.valid = valid_crontab,
		.flags = TG_CONF_REQUIRED,
		.help = "When it begins, as in crontab(5): minute, hour, day of month, month, day of week; "
			"\\(dq30 7 * * mon-fri\\(dq.",
	},
	{
		.key = "end",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_schedule, end),
		.min = 1,
		.max = 256,
		.valid = valid_crontab,
		.flags = TG_CONF_REQUIRED,
		.help = "When it ends. It is on while of the two its start came last.",
	},
	{
		.key = "timezone",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_schedule, timezone),
		.min = 1,
		.max = 128,
		.valid = zone_valid_name,
		.preset_note = "that of this machine, /etc/localtime",
		.help = "Whose clock that is: \\(dqEurope/Berlin\\(dq, a name of the time zone database in "
			"/usr/share/zoneinfo.",
	},
	{
		.key = "min",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_schedule, min),
		.min = 1,
		.max = BACKENDS_MAX,
		.flags = TG_CONF_REQUIRED,
		.help = "Fewest backends meanwhile.",
	},
	{.key = NULL},
};

static void
schedule_check(struct conf_check *check, void *object)
{
	const struct conf_schedule *schedule = object;
	struct zone *zone;
	struct err err;

	if (conf_check_is_internal(check) || schedule->timezone == NULL ||
	    zone_valid_name(schedule->timezone, &err) < 0)
		return;
	if (zone_open(schedule->timezone, &zone, &err) < 0)
		conf_check_error(check, "timezone", "%s", err.text);
	else
		zone_free(zone);
}

static const struct conf_schema schema_schedule = {
	.title = "Schedules",
	.help = "The greatest min of all that are on at a time counts, and that of autoscale.",
	.fields = schedule_fields,
	.size = sizeof(struct conf_schedule),
	.check = schedule_check,
};

/*** autoscale ***/

static bool
is_scaled(const void *object)
{
	return ((const struct conf_autoscale *)object)->module != NULL;
}

#define ONLY_SCALED .when = is_scaled, .when_text = "with module"

static const struct conf_field autoscale_fields[] = {
	{
		.key = "module",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_autoscale, module),
		.min = 1,
		.max = 64,
		.preset_note = "none: the backends are those of the configuration",
		.help = "Who decides: one of those below, or of a file in modules. What backends tell of "
			"their load in endpoint-load-metrics (ORCA) is read then, and kept from "
			"clients.",
	},
	{
		.key = "min",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_autoscale, min),
		.preset = "1",
		.max = BACKENDS_MAX,
		ONLY_SCALED,
		.help = "Fewest backends. 0: none while nobody asks, see idle; the first request starts one "
			"and waits for it.",
	},
	{
		.key = "max",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_autoscale, max),
		.preset_note = "none, required with module",
		.min = 1,
		.max = BACKENDS_MAX,
		ONLY_SCALED,
		.help = "Most backends that the provider starts.",
	},
	{
		.key = "interval",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_autoscale, interval_ms),
		.preset = "1s",
		.min = 100,
		.max = 60 * TG_SECOND,
		ONLY_SCALED,
		.help = "How often it is measured and decided.",
	},
	{
		.key = "step_up",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_autoscale, step_up),
		.preset = "0",
		.max = BACKENDS_MAX,
		ONLY_SCALED,
		.help = "Most backends that one decision adds. 0: any number.",
	},
	{
		.key = "step_down",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_autoscale, step_down),
		.preset = "0",
		.max = BACKENDS_MAX,
		ONLY_SCALED,
		.help = "Most backends that one decision takes away. 0: any number.",
	},
	{
		.key = "cooldown_up",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_autoscale, cooldown_up_ms),
		.preset = "0",
		.max = TG_DAY,
		ONLY_SCALED,
		.help = "After backends were added, no more are for this long. Not for the first one of a "
			"service without any, and not below min.",
	},
	{
		.key = "cooldown_down",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_autoscale, cooldown_down_ms),
		.preset = "60s",
		.max = TG_DAY,
		ONLY_SCALED,
		.help = "After backends were added or taken away, none is taken away for this long.",
	},
	{
		.key = "idle",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_autoscale, idle_ms),
		.preset = "5m",
		.min = 100,
		.max = 7 * TG_DAY,
		ONLY_SCALED,
		.help = "With min = 0: how long no request must have come before the last backend goes.",
	},
	{
		.key = "start_timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_autoscale, start_timeout_ms),
		.preset = "60s",
		.min = 100,
		.max = TG_HOUR,
		ONLY_SCALED,
		.help = "From the order to start a backend to its first passed check. One that takes longer is "
			"stopped and counts as failed. A backend that was up and is down has as long to come back before "
			"another is started for it; one whose node does not answer either (provider docker) is not waited "
			"for.",
	},
	{
		.key = "drain_timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_autoscale, drain_timeout_ms),
		.preset = "60s",
		.max = TG_DAY,
		ONLY_SCALED,
		.help = "How long a backend that goes may finish what it has; then that is cut.",
	},
	{
		.key = "dry_run",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_autoscale, dry_run),
		.preset = "false",
		ONLY_SCALED,
		.help = "Whether it decides and tells, and nothing is done. Needs no provider.",
	},
	{
		.key = "schedules",
		TG_LIST(conf_autoscale, schedules, n_schedules),
		.schema = &schema_schedule,
		.max = 64,
		.preset_note = "none",
		ONLY_SCALED,
		.help = "Times with more backends at least.",
	},
	{.key = NULL},
};

static const struct conf_field autoscale_rest = {
	.key = "key",
	TG_LIST(conf_autoscale, settings, n_settings),
	.element_kind = &conf_kind_setting,
	.max = TG_CONF_SETTINGS_MAX,
	.flags = TG_CONF_CONTROL,
	.help = "All other keys are the module's: see AUTOSCALERS.",
};

static void
check_limits(struct conf_check *check, const struct conf_autoscale *a)
{
	if (!conf_check_given(check, "max"))
		conf_check_error(check, "max", "missing");
	else if (a->max > 0 && a->min > a->max)
		conf_check_error(check, "min", "%u is more than max = %u", a->min, a->max);
	for (size_t i = 0; i < a->n_schedules && a->max > 0; i++) {
		if (a->schedules[i].min > a->max)
			conf_check_element_error(check, "schedules", (unsigned)i, "min",
						 "%u is more than max = %u", a->schedules[i].min,
						 a->max);
	}
}

static void
check_module(struct conf_check *check, const struct conf_autoscale *a)
{
	const struct conf_modules *modules = conf_modules();
	size_t n = a->n_settings;
	struct err err;
	size_t bad;

	if (conf_check_is_internal(check) || modules == NULL ||
	    modules->check(TG_CONF_AUTOSCALER, a->module, a->settings, n, &bad, &err) == 0)
		return;
	conf_check_error(check, bad < n ? a->settings[bad].key : "module", "%s", err.text);
}

static void
autoscale_check(struct conf_check *check, void *object)
{
	const struct conf_autoscale *a = object;
	size_t errors = conf_check_errors(check);

	if (a->module == NULL) {
		for (size_t i = 0; i < a->n_settings; i++)
			conf_check_error(check, a->settings[i].key, "only allowed with module");
		return;
	}
	check_limits(check, a);
	/* A value that could not be read is no other one. */
	if (errors == 0)
		check_module(check, a);
}

const struct conf_schema conf_schema_autoscale = {
	.title = "Autoscaling",
	.help = "A module proposes how many backends there should be; what follows from that is bound "
		"by the keys here. tidectl explain tells why there are as many as there are.",
	.fields = autoscale_fields,
	.rest = &autoscale_rest,
	.check = autoscale_check,
};

/* Where nobody could ever tell how much of `what` backends use; NULL: somebody can. */
static const char *
nobody_tells(const struct conf_service *service, bool has_limit)
{
	if (service->agent.port != 0)
		return NULL;
	switch (service->provider.type) {
	case TG_PROVIDER_STATIC:
		return "no provider reads what they use, and no agent tells it";
	case TG_PROVIDER_EXEC:
		return "programs that start backends do not tell what they use, and no agent does";
	case TG_PROVIDER_PROCESS:
	case TG_PROVIDER_DOCKER:
		return has_limit ? NULL : "what they use is compared with nothing";
	case TG_PROVIDER_TYPE_COUNT:
		break;
	}
	return NULL;
}

static void
warn_unknown(struct conf_check *check, const struct conf_service *service, const char *what,
	     bool has_limit)
{
	bool is_process = service->provider.type == TG_PROVIDER_PROCESS ||
			  service->provider.type == TG_PROVIDER_DOCKER;
	bool has_group = service->provider.cpu_permille > 0 || service->provider.memory > 0;
	const char *why = nobody_tells(service, has_limit);

	if (why != NULL)
		conf_check_warn(check, "autoscale",
				"%s decides here, and is known only of backends that report it in "
				"answers (endpoint-load-metrics)%s: %s; %s%s%s",
				what, is_process && has_group ? " or that a control group above limits" : "", why,
				is_process ? "set provider." : "configure an agent",
				is_process ? what : "", is_process ? ", or an agent" : "");
}

/* What its module looks at may never have a value. */
static void
warn_blind(struct conf_check *check, const struct conf_service *service)
{
	const struct conf_modules *modules = conf_modules();
	const struct conf_autoscale *a = &service->autoscale;
	bool uses_cpu;
	bool uses_memory;

	if (a->module == NULL || modules == NULL)
		return;
	modules->uses(a->module, a->settings, a->n_settings, &uses_cpu, &uses_memory);
	if (uses_cpu)
		warn_unknown(check, service, "cpu", service->provider.cpu_permille > 0);
	if (uses_memory)
		warn_unknown(check, service, "memory", service->provider.memory > 0);
}

void
conf_check_scaled(struct conf_check *check, const struct conf_service *service)
{
	bool has_module = service->autoscale.module != NULL;
	bool has_provider = service->provider.type != TG_PROVIDER_STATIC;

	/* Of what is wrong already nothing more is told. */
	if (conf_check_errors(check) > 0 || conf_check_is_internal(check))
		return;
	if (has_module && !has_provider && !service->autoscale.dry_run)
		conf_check_error(check, "autoscale",
				 "nobody starts and stops backends: provider is missing; allowed: "
				 "a provider, or dry_run = true");
	if (has_provider && !has_module)
		conf_check_error(check, "provider",
				 "nobody says how many backends there should be: autoscale is "
				 "missing");
	warn_blind(check, service);
}
