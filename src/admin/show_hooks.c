/* admin/show_hooks.c: what came of each hook. */
#include "admin/command.h"
#include "hook/hook.h"

static void
print_text(struct output *out, const struct hook_status *s)
{
	output_text(out, s->name);
	output_text(out, " ");
	output_text(out, s->way);
	output_text(out, " ");
	output_plain(out, s->target);
	output_format(out, " %llu %llu %llu %llu %u ", (unsigned long long)s->sent,
		      (unsigned long long)s->failed, (unsigned long long)s->dropped,
		      (unsigned long long)s->retries, s->waiting);
	output_plain(out, s->error[0] != '\0' ? s->error : "-");
	output_text(out, "\n");
}

static void
print_json(struct output *out, const struct hook_status *s, bool is_first)
{
	output_text(out, is_first ? "[{\"name\":" : ",\n{\"name\":");
	output_json(out, s->name);
	output_text(out, ",\"way\":");
	output_json(out, s->way);
	output_text(out, ",\"target\":");
	output_json(out, s->target);
	output_format(out, ",\"sent\":%llu,\"failed\":%llu,\"dropped\":%llu,\"retries\":%llu,\"waiting\":%u",
		      (unsigned long long)s->sent, (unsigned long long)s->failed,
		      (unsigned long long)s->dropped, (unsigned long long)s->retries, s->waiting);
	output_text(out, ",\"error\":");
	if (s->error[0] == '\0')
		output_text(out, "null,\"error_at\":null}");
	else
		output_json(out, s->error);
	if (s->error[0] != '\0')
		output_format(out, ",\"error_at\":%llu.%06llu}",
			      (unsigned long long)(s->error_at.us / 1000000),
			      (unsigned long long)(s->error_at.us % 1000000));
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct hooks *hooks = call->source->hooks;
	struct output *out = call->out;
	struct hook_status status;
	size_t n = hooks_count(hooks);

	if (!command_has_none(c, call))
		return;
	if (!call->json)
		output_text(out, "# name way target sent failed dropped retries waiting error\n");
	for (size_t i = 0; i < n; i++) {
		hooks_status(hooks, i, &status);
		if (call->json)
			print_json(out, &status, i == 0);
		else
			print_text(out, &status);
	}
	if (call->json)
		output_text(out, n > 0 ? "]\n" : "[]\n");
}

const struct command command_show_hooks = {
	.name = "show hooks",
	.usage = "",
	.help = "what came of each hook: told, given up, dropped, waiting, and its last error",
	.run = run,
};
