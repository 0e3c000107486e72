/* admin/show_state.c: what operators ordered that the configuration does not say. */
#include "admin/command.h"
#include "base/log.h"

struct printer {
	struct command_call *call;
	const char *comma;
};

static void
print_text(struct output *out, const char *service, const char *backend, const char *property,
	   const struct steer_order *order)
{
	char when[32];

	log_time(when, sizeof(when), order->note.when);
	output_format(out, "%.128s/%.128s %s %s (configured %s) %s by %s%s%s\n", service, backend,
		      property, order->value, order->was[0] != '\0' ? order->was : "-", when,
		      order->note.who, order->note.why[0] != '\0' ? ": " : "", order->note.why);
}

static void
print_member(struct output *out, const char *before, const char *key, const char *value)
{
	output_format(out, "%s\"%s\":", before, key);
	output_json(out, value);
}

static void
print_json(struct output *out, const char *service, const char *backend, const char *property,
	   const struct steer_order *order)
{
	char when[32];

	log_time(when, sizeof(when), order->note.when);
	print_member(out, "{", "service", service);
	print_member(out, ",", "backend", backend);
	print_member(out, ",", "property", property);
	print_member(out, ",", "value", order->value);
	print_member(out, ",", "configured", order->was);
	print_member(out, ",", "when", when);
	print_member(out, ",", "who", order->note.who);
	print_member(out, ",", "why", order->note.why);
	output_text(out, "}");
}

static void
print_backend(struct printer *p, size_t i, size_t j)
{
	const struct admin_source *s = p->call->source;
	const struct conf_service *service = &s->conf->services[i];
	const char *backend = service->backends[j].name;
	const struct steer_entry *e = steer_get(s->steer, (unsigned)i, (unsigned)j);

	for (unsigned k = 0; k < TG_STEER_PROPERTY_COUNT; k++) {
		enum steer_property property = (enum steer_property)k;

		if (!steer_differs(s->steer, (unsigned)i, (unsigned)j, property))
			continue;
		if (!p->call->json) {
			print_text(p->call->out, service->name, backend,
				   steer_property_str(property), &e->orders[k]);
			continue;
		}
		output_text(p->call->out, p->comma);
		print_json(p->call->out, service->name, backend, steer_property_str(property),
			   &e->orders[k]);
		p->comma = ",\n";
	}
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct conf *conf = call->source->conf;
	struct printer p = {.call = call, .comma = ""};

	if (!command_has_none(c, call))
		return;
	if (call->json)
		output_text(call->out, "[");
	for (size_t i = 0; i < conf->n_services; i++) {
		for (size_t j = 0; j < conf->services[i].n_backends; j++)
			print_backend(&p, i, j);
	}
	if (call->json)
		output_text(call->out, "]\n");
}

const struct command command_show_state = {
	.name = "show state diff",
	.usage = "",
	.help = "what is ordered and not configured, by whom, when and why",
	.run = run,
};
