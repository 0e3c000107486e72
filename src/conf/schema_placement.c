/*
 * conf/schema_placement.c: the rows of where backends may be.
 */
#include "base/container.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

#define SERVICES_MAX 64u

static const struct conf_field placement_fields[] = {
	{
		.key = "priority",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_placement, priority),
		.preset = "0",
		.max = 1000000,
		.help = "Where there is not room for all, backends of a service with a higher one go first: they are "
			"placed before others, and one that fits nowhere takes the place of others with a "
			"lower priority, which drain and go; what they free is kept for it.",
	},
	{
		.key = "require",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_placement, require),
		.schema = &conf_schema_labels,
		.help = "Labels that a node must have, all of them.",
	},
	{
		.key = "affinity",
		TG_LIST(conf_placement, affinity, n_affinity),
		.element_kind = &conf_kind_service,
		.max = SERVICES_MAX,
		.preset_note = "none",
		.help = "Services: only nodes that have a backend of each of them. With its own name: all on one node, the "
			"first on any.",
	},
	{
		.key = "anti_affinity",
		TG_LIST(conf_placement, anti_affinity, n_anti_affinity),
		.element_kind = &conf_kind_service,
		.max = SERVICES_MAX,
		.preset_note = "none",
		.help = "Services: only nodes that have no backend of any of them, and backends of these go to no "
			"node that has one of this service. With its own name: one per node.",
	},
	{
		.key = "spread",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_placement, spread),
		.min = 1,
		.max = 64,
		.preset_note = "none",
		.help = "The key of a label: of nodes that have room only those whose value of it has the fewest "
			"backends of the service. When fewer are needed, those of the value that has the most go "
			"first. Nothing that runs is moved, but tidectl plan tells which moves would help.",
	},
	{.key = NULL},
};

static const struct conf_field placement_rest = {
	.key = "key",
	TG_LIST(conf_placement, settings, n_settings),
	.element_kind = &conf_kind_setting,
	.max = TG_CONF_SETTINGS_MAX,
	.help = "All other keys are the scheduler's: see SCHEDULERS.",
};

/* What is wrong with the scheduler of a service, or what is set for it: *ret_bad as that of struct conf_modules. */
static bool
is_wrong(struct conf_check *check, const struct conf_service *service, size_t *ret_bad,
	 struct err *err)
{
	const struct conf_placement *p = &service->placement;
	const struct conf_modules *modules = conf_modules();

	/* Of what is wrong already nothing more is told. */
	return conf_check_errors(check) == 0 && !conf_check_is_internal(check) && modules != NULL &&
	       modules->check(TG_CONF_SCHEDULER, service->scheduler, p->settings, p->n_settings,
			      ret_bad, err) < 0;
}

static void
placement_check(struct conf_check *check, void *object)
{
	/* Its scheduler is read before it. */
	const struct conf_service *service = TG_CONTAINER(object, const struct conf_service, placement);
	const struct conf_placement *p = object;
	struct err err;
	size_t bad;

	if (is_wrong(check, service, &bad, &err) && bad < p->n_settings)
		conf_check_error(check, p->settings[bad].key, "%s", err.text);
}

const struct conf_schema conf_schema_placement = {
	.title = "Placement",
	.help = "A backend needs cpu and memory of its provider; what a node has left is what it has less what "
		"all backends on it need. Which of the nodes that may be is taken is the scheduler's choice. One that fits "
		"nowhere waits; tidectl show placement tells why, node by node.",
	.fields = placement_fields,
	.rest = &placement_rest,
	.check = placement_check,
};

void
conf_check_placed(struct conf_check *check, const struct conf_service *service)
{
	struct err err;
	size_t bad;

	if (conf_check_given(check, "scheduler") && is_wrong(check, service, &bad, &err))
		conf_check_error(check, "scheduler", "%s", err.text);
}
