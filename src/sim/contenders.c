#include "sim/contenders.h"

#include <stddef.h>
#include <string.h>

#include "sim/baselines.h"

const struct tg_module *const baselines[] = {
	&baseline_hpa, &baseline_kpa, &baseline_nomad_target, &baseline_nomad_threshold, &baseline_aws, NULL,
};

static const char *const shares[] = {"0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", NULL};
static const char *const waits[] = {"0.0001", "0.001", "0.01", "0.05", "0.2", "0.5", "0.9", NULL};
static const char *const plan_penalties[] = {"0.2", "0.5", "1",    "2",     "5",      "10",      "20", "50",
						    "100", "200", "500",  "1000",  "5000",   "30000",   "200000",
						    "1000000", NULL};
static const char *const penalties[] = {"1", "5", "20", "100", "500", "5000", "100000", NULL};

/* Other systems have no guards of ours: their cooldowns are in their rules. */
#define NO_GUARDS "cooldown_up=0 cooldown_down=0"

const struct contender contenders[] = {
	{.name = "optimum",
	 .key = "penalty",
	 .values = penalties,
	 .help = "What one would do who knows the rates of all the load: the plan of least cost by dynamic programming "
		 "over backends running, backends pending and time."},
	{.name = "informed",
	 .key = "penalty",
	 .values = plan_penalties,
	 .knows = KNOWS_STEP,
	 .help = "What one would do who is told each rate as its step begins, and knows when that is, and what "
		 "follows on what in this load, but not what comes: no rule that looks at the load knows more. "
		 "Steps must hold two start delays, as those of traces by minutes do: not among \"all\"."},
	{.name = "informed-late",
	 .key = "penalty",
	 .values = plan_penalties,
	 .knows = KNOWS_LATE,
	 .help = "The same who is told of each rate --notice after its step began, and does not know when that will be: "
		 "not among \"all\"."},
	{.name = "target",
	 .module = "target",
	 .key = "in_flight",
	 .values = shares,
	 .is_per_slot = true,
	 .help = "The daemon's target: requests in flight for each backend, here as a share of its slots."},
	{.name = "staffing",
	 .module = "staffing",
	 .key = "wait",
	 .values = waits,
	 .help = "The daemon's staffing: Erlang's formula."},
	{.name = "planner",
	 .module = "planner",
	 .presets = "cooldown_down=0",
	 .key = "penalty",
	 .values = plan_penalties,
	 .help = "The daemon's planner: dynamic programming over backends running, backends pending and load."},
	{.name = "threshold",
	 .module = "threshold",
	 .presets = "strict=true " NO_GUARDS,
	 .key = "threshold",
	 .values = shares,
	 .help = "The literal rule, threshold with strict = true: one more above a threshold of utilization, one fewer "
		 "below half of it."},
	{.name = "hpa",
	 .module = "hpa",
	 .presets = "interval=15s " NO_GUARDS,
	 .key = "target",
	 .values = shares,
	 .is_ours = true,
	 .help = "The HorizontalPodAutoscaler v2 of Kubernetes on processors: tolerance 0.1, a look every 15 s, down "
		 "to the most of 300 s."},
	{.name = "kpa",
	 .module = "kpa",
	 .presets = "interval=2s " NO_GUARDS,
	 .key = "utilization",
	 .values = shares,
	 .is_ours = true,
	 .help = "The autoscaler of Knative on concurrency: windows of 60 s and 6 s, panic at twice what is ready."},
	{.name = "nomad-target",
	 .module = "nomad-target",
	 .presets = "interval=10s " NO_GUARDS,
	 .key = "target",
	 .values = shares,
	 .is_ours = true,
	 .help = "The Nomad Autoscaler with target-value on processors, five minutes of cooldown."},
	{.name = "nomad-threshold",
	 .module = "nomad-threshold",
	 .presets = "interval=10s " NO_GUARDS,
	 .key = "upper",
	 .values = shares,
	 .is_ours = true,
	 .help = "The Nomad Autoscaler with two thresholds on processors: five points of the last six, 10 s each, within "
		 "bounds; five minutes of cooldown."},
	{.name = "aws",
	 .module = "aws",
	 .presets = "interval=60s " NO_GUARDS,
	 .key = "target",
	 .values = shares,
	 .is_ours = true,
	 .help = "Target tracking of AWS on processors: three minutes above it out, fifteen below nine tenths of it "
		 "in."},
	{.name = NULL},
};

const char *
contender_presets(const char *module)
{
	for (size_t i = 0; contenders[i].name != NULL; i++) {
		if (contenders[i].is_ours && strcmp(contenders[i].name, module) == 0)
			return contenders[i].presets;
	}
	return NULL;
}
