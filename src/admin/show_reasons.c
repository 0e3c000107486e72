/* admin/show_reasons.c: why streams ended, for each listener, service and backend. */
#include <stdio.h>

#include "admin/cleared.h"
#include "admin/command.h"
#include "observe/counters.h"

struct printer {
	const struct admin_source *s;
	struct output *out;
	bool json;
	bool has_some;
};

static void
print_text(struct output *out, const char *object, unsigned reason, uint64_t count)
{
	output_text(out, object);
	output_text(out, " ");
	output_text(out, end_reason_str(reason));
	output_text(out, " ");
	output_number(out, count);
	output_text(out, " ");
	output_text(out, end_reason_help(reason));
	output_text(out, "\n");
}

static void
print_json(struct output *out, const char *object, unsigned reason, uint64_t count, bool is_first)
{
	output_text(out, is_first ? "[{\"object\":" : ",\n{\"object\":");
	output_json(out, object);
	output_text(out, ",\"reason\":");
	output_json(out, end_reason_str(reason));
	output_text(out, ",\"count\":");
	output_number(out, count);
	output_text(out, ",\"help\":");
	output_json(out, end_reason_help(reason));
	output_text(out, "}");
}

/* The reasons of one slot that are not zero. `backend` may be NULL. */
static void
print_slot(struct printer *p, const char *kind, const char *name, const char *backend,
	   uint32_t slot)
{
	char object[512];

	snprintf(object, sizeof(object), "%s/%s%s%s", kind, name, backend ? "/" : "",
		 backend ? backend : "");
	for (unsigned i = 0; i < TG_END_COUNT; i++) {
		uint64_t count = cleared_sum(p->s, slot, TG_COUNTER_OF_END(i));

		if (count == 0)
			continue;
		if (p->json)
			print_json(p->out, object, i, count, !p->has_some);
		else
			print_text(p->out, object, i, count);
		p->has_some = true;
	}
}

static void
print_service(struct printer *p, size_t service)
{
	const struct conf_service *conf = &p->s->conf->services[service];

	for (size_t i = 0; i < conf->n_backends; i++)
		print_slot(p, "backend", conf->name, conf->backends[i].name,
			   source_backend_slot(p->s, service, i));
	print_slot(p, "service", conf->name, NULL, source_service_slot(p->s, service));
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_source *s = call->source;
	struct output *out = call->out;
	struct printer p = {.s = s, .out = out, .json = call->json};

	if (!command_has_none(c, call))
		return;
	if (!p.json)
		output_text(out, "# object reason count help\n");
	for (size_t i = 0; i < s->conf->n_listeners; i++)
		print_slot(&p, "listener", s->conf->listeners[i].name, NULL,
			   source_listener_slot(s, i));
	for (size_t i = 0; i < s->conf->n_services; i++)
		print_service(&p, i);
	if (p.json)
		output_text(out, p.has_some ? "]\n" : "[]\n");
}

const struct command command_show_reasons = {
	.name = "show reasons",
	.usage = "",
	.help = "why streams ended, for each listener, backend and service",
	.run = run,
};
