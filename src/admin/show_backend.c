/* admin/show_backend.c: the services, by HAProxy's word for them. */
#include "admin/command.h"

static void
run(const struct command *c, struct command_call *call)
{
	const struct conf *conf = call->source->conf;
	struct output *out = call->out;

	if (!command_has_none(c, call))
		return;
	output_text(out, call->json ? "[" : "# name\n");
	for (size_t i = 0; i < conf->n_services; i++) {
		if (!call->json) {
			output_text(out, conf->services[i].name);
			output_text(out, "\n");
			continue;
		}
		output_text(out, i > 0 ? "," : "");
		output_json(out, conf->services[i].name);
	}
	if (call->json)
		output_text(out, "]\n");
}

const struct command command_show_backend = {
	.name = "show backend",
	.usage = "",
	.help = "the names of the services",
	.run = run,
};
