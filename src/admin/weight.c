/* admin/weight.c: weights of backends, by HAProxy's commands. */
#include "admin/weight.h"

#include <stdio.h>
#include <string.h>

#include "admin/stat.h"

#define PERCENT_MAX (TG_ORDER_WEIGHT_PERMILLE_MAX / 10)

static bool
take_percent(const char *text, char *buf, size_t size)
{
	size_t n = strlen(text);

	if (n < 2 || n > size || text[n - 1] != '%')
		return false;
	memcpy(buf, text, n - 1);
	buf[n - 1] = '\0';
	return true;
}

void
weight_order(struct command_call *call, const struct steer_target *target, const char *text)
{
	char number[16];
	uint64_t value;

	if (take_percent(text, number, sizeof(number))) {
		if (command_number(call, number, PERCENT_MAX, "the percentage", &value))
			steer_set_weight_permille(target, (uint32_t)value * 10);
		return;
	}
	if (command_number(call, text, TG_ORDER_WEIGHT_MAX, "the weight", &value))
		steer_set_weight(target, (uint32_t)value);
}

static void
run_set(const struct command *c, struct command_call *call)
{
	struct steer_target target;

	if (call->n != 2)
		command_fail_usage(c, call);
	else if (command_find_backend(call, call->arguments[0], &target))
		weight_order(call, &target, call->arguments[1]);
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
	struct steer_target target;
	uint64_t now;
	unsigned initial;

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_backend(call, call->arguments[0], &target))
		return;
	now = stat_backend_weight(call->source, target.service, target.backend);
	initial = call->source->conf->services[target.service].backends[target.backend].weight;
	output_format(call->out,
		      call->json ? "{\"weight\":%llu,\"initial\":%u}\n" : "%llu (initial %u)\n",
		      (unsigned long long)now, initial);
}

const struct command command_get_weight = {
	.name = "get weight",
	.usage = "SERVICE/BACKEND",
	.help = "its weight in effect, and as configured",
	.run = run_get,
};
