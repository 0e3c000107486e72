/* admin/weight.c: weights of backends, by HAProxy's commands. */
#include "admin/command.h"
#include "backend/view.h"

static void
run_set(const struct command *c, struct command_call *call)
{
	struct steer_target target;

	if (call->n != 2)
		command_fail_usage(c, call);
	else if (command_find_backend(call, call->arguments[0], &target))
		command_order(call, &target, TG_STEER_WEIGHT, call->arguments[1]);
}

const struct command command_set_weight = {
	.name = "set weight",
	.usage = "SERVICE/BACKEND N|N% [why WORDS]",
	.help = "a weight from 0 to 256, or a part of the configured one",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_set,
};

static void
run_get(const struct command *c, struct command_call *call)
{
	const struct conf_backend *conf;
	struct serving_state state;
	struct steer_target target;
	double now;

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_backend(call, call->arguments[0], &target))
		return;
	conf = &call->source->conf->services[target.service].backends[target.backend];
	state = source_serving_state(call->source, target.service, target.backend);
	now = (double)serving_weight(conf, &state) / TG_WEIGHT_SCALE;
	output_format(call->out,
		      call->json ? "{\"weight\":%.4g,\"initial\":%u}\n" : "%.4g (initial %u)\n",
		      now, conf->weight);
}

const struct command command_get_weight = {
	.name = "get weight",
	.usage = "SERVICE/BACKEND",
	.help = "its weight in effect, and as configured",
	.run = run_get,
};
