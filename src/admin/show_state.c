/* admin/show_state.c: what operators ordered that the configuration does not say. */
#include <string.h>

#include "admin/command.h"
#include "base/log.h"
#include "steer/limits.h"
#include "steer/scales.h"

struct printer {
	struct command_call *call;
	const char *comma;
};

/* Behind what it is of. */
static void
print_text(struct output *out, const char *property, const struct steer_order *order, bool is_added)
{
	char when[32];

	log_time(when, sizeof(when), order->note.when);
	output_format(out, " %s %s (%s %s) %s by %s%s%s\n", property, order->value,
		      is_added ? "added with" : "configured",
		      order->was[0] != '\0' ? order->was : "-", when, order->note.who,
		      order->note.why[0] != '\0' ? ": " : "", order->note.why);
}

static void
print_member(struct output *out, const char *before, const char *key, const char *value)
{
	output_format(out, "%s\"%s\":", before, key);
	output_json(out, value);
}

static void
print_json(struct output *out, const char *property, const struct steer_order *order)
{
	char when[32];

	log_time(when, sizeof(when), order->note.when);
	print_member(out, "", "property", property);
	print_member(out, ",", "value", order->value);
	print_member(out, ",", "configured", order->was);
	print_member(out, ",", "when", when);
	print_member(out, ",", "who", order->note.who);
	print_member(out, ",", "why", order->note.why);
	output_text(out, "}");
}

/* A backend that is there by order, or is not: `address` is NULL. */
static void
print_place(struct printer *p, const struct conf_service *service, const char *backend,
	    const char *address, const struct conf_note *note)
{
	struct output *out = p->call->out;
	const char *why = note->why != NULL ? note->why : "";
	const char *property = address != NULL ? "added" : "deleted";
	char when[32];

	log_time(when, sizeof(when), (struct wall){.us = note->when_us});
	if (!p->call->json) {
		output_format(out, "%.128s/%.128s %s%s%.256s %s by %.64s%s%.128s\n", service->name,
			      backend, property, address != NULL ? " " : "",
			      address != NULL ? address : "", when, note->who,
			      why[0] != '\0' ? ": " : "", why);
		return;
	}
	output_text(out, p->comma);
	print_member(out, "{", "service", service->name);
	print_member(out, ",", "backend", backend);
	print_member(out, ",", "property", property);
	print_member(out, ",", "value", address != NULL ? address : "");
	print_member(out, ",", "configured", "");
	print_member(out, ",", "when", when);
	print_member(out, ",", "who", note->who);
	print_member(out, ",", "why", why);
	output_text(out, "}");
	p->comma = ",\n";
}

static void
print_places(struct printer *p, const struct conf_service *service)
{
	for (size_t j = 0; j < service->n_backends; j++) {
		const struct conf_backend *backend = &service->backends[j];

		if (backend->added.who != NULL && backend->slot == 0 &&
		    !conf_backend_is_scaled(backend))
			print_place(p, service, backend->entry_name, backend->address_text,
				    &backend->added);
	}
	for (size_t j = 0; j < service->n_deleted; j++)
		print_place(p, service, service->deleted[j].name, NULL, &service->deleted[j].note);
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

		if (!steer_differs(s->steer, (unsigned)i, (unsigned)j, property) ||
		    strcmp(e->orders[k].note.who, TG_WHO_AUTOSCALE) == 0)
			continue;
		if (!p->call->json) {
			output_format(p->call->out, "%.128s/%.128s", service->name, backend);
			print_text(p->call->out, steer_property_str(property), &e->orders[k],
				   service->backends[j].added.who != NULL);
			continue;
		}
		output_text(p->call->out, p->comma);
		print_member(p->call->out, "{", "service", service->name);
		print_member(p->call->out, ",", "backend", backend);
		output_text(p->call->out, ",");
		print_json(p->call->out, steer_property_str(property), &e->orders[k]);
		p->comma = ",\n";
	}
}

static void
print_limit(struct printer *p, uint32_t listener)
{
	const struct admin_source *s = p->call->source;
	const struct steer_limits *limits = steer_limits(s->steer);
	const char *name = listener == TG_LIMIT_OF_ALL ? NULL : s->conf->listeners[listener].name;
	const char *property = steer_property_str(TG_STEER_LIMIT);

	if (!steer_limits_differs(limits, listener))
		return;
	if (!p->call->json) {
		output_text(p->call->out, name != NULL ? "listener " : "global");
		output_text(p->call->out, name != NULL ? name : "");
		print_text(p->call->out, property, steer_limits_get(limits, listener), false);
		return;
	}
	output_text(p->call->out, p->comma);
	output_text(p->call->out, "{");
	if (name != NULL) {
		print_member(p->call->out, "", "listener", name);
		output_text(p->call->out, ",");
	}
	print_json(p->call->out, property, steer_limits_get(limits, listener));
	p->comma = ",\n";
}

static void
print_scales(struct printer *p, const struct conf_service *service)
{
	const struct steer_scales *scales = steer_scales(p->call->source->steer);
	struct output *out = p->call->out;

	for (unsigned k = 0; k < TG_STEER_SCALE_COUNT; k++) {
		enum steer_scale what = (enum steer_scale)k;
		struct steer_order order = *steer_scales_get(scales, service->index, what);

		if (!steer_scales_differs(scales, service->index, what))
			continue;
		order.was[strcspn(order.was, " ")] = '\0'; /* the mark behind it is for nobody */
		if (!p->call->json) {
			output_format(out, "service %.128s", service->name);
			print_text(out, steer_scale_str(what), &order, false);
			continue;
		}
		output_text(out, p->comma);
		print_member(out, "{", "service", service->name);
		output_text(out, ",");
		print_json(out, steer_scale_str(what), &order);
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
	print_limit(&p, TG_LIMIT_OF_ALL);
	for (size_t i = 0; i < conf->n_listeners; i++)
		print_limit(&p, (uint32_t)i);
	for (size_t i = 0; i < conf->n_services; i++) {
		print_scales(&p, &conf->services[i]);
		print_places(&p, &conf->services[i]);
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
