/*
 * admin/save_config.c: the configuration as it would have to be for orders to last.
 */
#include <unistd.h>

#include "admin/command.h"
#include "steer/limits.h"
#include "steer/scales.h"

/* A copy that may be written to. NULL: no memory or descriptors. */
static struct conf *
copy_of(const struct conf *conf)
{
	struct conf *copy = NULL;
	struct err err;
	int fd;

	if (conf_save_fd(conf, &fd, &err) < 0)
		return NULL;
	if (conf_load_fd(fd, &copy, &err) < 0)
		copy = NULL;
	close(fd);
	return copy;
}

/* What no key says goes before the text, as remarks, and is part of it. */
static void
remark(struct output *out, const struct conf_service *service, const struct conf_backend *backend,
       enum steer_property property, const char *value)
{
	output_format(out, "# ordered, and not to be configured: %.128s/%.128s %s %s\n",
		      service->name, backend->name, steer_property_str(property), value);
}

static unsigned
ordered_weight(const struct backend_order *order, unsigned configured)
{
	uint64_t weight = order->weight != TG_ORDER_AS_CONF ? order->weight : configured;

	weight = (weight * order->weight_permille + 999) / 1000;
	return weight < TG_ORDER_WEIGHT_MAX ? (unsigned)weight : TG_ORDER_WEIGHT_MAX;
}

/* Weights that are configured are whole. */
static bool
is_fraction(const struct backend_order *order, unsigned configured)
{
	uint64_t weight = order->weight != TG_ORDER_AS_CONF ? order->weight : configured;

	return weight * order->weight_permille % 1000 != 0;
}

static void
apply(struct output *out, const struct conf_service *service, struct conf_backend *backend,
      const struct steer_entry *entry, enum steer_property property)
{
	switch (property) {
	case TG_STEER_WEIGHT:
		if (is_fraction(&entry->order, backend->weight))
			remark(out, service, backend, property, entry->orders[property].value);
		backend->weight = ordered_weight(&entry->order, backend->weight);
		break;
	case TG_STEER_LIMIT:
		if (entry->order.limit == 0 && service->max_connections_per_backend != 0)
			remark(out, service, backend, property, "0");
		backend->max_connections = entry->order.limit;
		break;
	case TG_STEER_ADDR:
		backend->address_text = (char *)(uintptr_t)entry->orders[property].value;
		break;
	case TG_STEER_STATE:
	case TG_STEER_CHECK_PORT:
	case TG_STEER_CHECKS:
	case TG_STEER_PROPERTY_COUNT:
		remark(out, service, backend, property, entry->orders[property].value);
		break;
	}
}

static void
apply_limits(const struct steer_limits *limits, struct conf *conf)
{
	if (steer_limits_differs(limits, TG_LIMIT_OF_ALL))
		(void)steer_limits_number(limits, TG_LIMIT_OF_ALL, &conf->max_connections);
	for (size_t i = 0; i < conf->n_listeners; i++)
		(void)steer_limits_number(limits, (uint32_t)i, &conf->listeners[i].max_connections);
}

/* A number no key says, nor a pause. */
static void
apply_scales(struct output *out, const struct steer_scales *scales, struct conf_service *service)
{
	for (unsigned k = 0; k < TG_STEER_SCALE_COUNT; k++) {
		enum steer_scale what = (enum steer_scale)k;
		enum steer_mode mode = steer_scales_mode(scales, service->index);

		if (!steer_scales_differs(scales, service->index, what))
			continue;
		if (what == TG_STEER_SCALE_MODE && mode != TG_STEER_PAUSE)
			service->autoscale.dry_run = mode == TG_STEER_DRY_RUN;
		else
			output_format(out, "# ordered, and not to be configured: %.128s %s %s\n",
				      service->name, steer_scale_str(what),
				      steer_scales_get(scales, service->index, what)->value);
	}
}

static void
apply_backend(struct output *out, const struct steer *steer, struct conf_service *service, size_t j)
{

	for (unsigned k = 0; k < TG_STEER_PROPERTY_COUNT; k++) {
		enum steer_property property = (enum steer_property)k;

		if (steer_differs(steer, service->index, (unsigned)j, property))
			apply(out, service, &service->backends[j],
			      steer_get(steer, service->index, (unsigned)j), property);
	}
}

/* What the autoscaler added is not to be configured; so are orders about it. */
static void
apply_service(struct output *out, const struct steer *steer, struct conf_service *service)
{
	size_t n = 0;

	apply_scales(out, steer_scales(steer), service);
	for (size_t j = 0; j < service->n_backends; j++) {
		if (conf_backend_is_scaled(&service->backends[j]))
			continue;
		apply_backend(out, steer, service, j);
		service->backends[n++] = service->backends[j];
	}
	service->n_backends = n;
}

static void
apply_all(struct output *out, const struct steer *steer, struct conf *conf)
{
	apply_limits(steer_limits(steer), conf);
	for (size_t i = 0; i < conf->n_services; i++)
		apply_service(out, steer, &conf->services[i]);
}

static void
run(const struct command *c, struct command_call *call)
{
	struct output remarks;
	struct conf *conf;

	if (!command_has_none(c, call))
		return;
	conf = copy_of(call->source->conf);
	if (conf == NULL) {
		command_fail(call, TG_COMMAND_LIMIT, "no memory for a copy of the configuration");
		return;
	}
	output_init(&remarks, call->out->max);
	apply_all(&remarks, call->source->steer, conf);
	command_print_conf(call, &remarks, conf, NULL);
	output_fini(&remarks);
	conf_unref(conf);
}

const struct command command_save_config = {
	.name = "save config",
	.usage = "",
	.help = "print the configuration with what is ordered in it; no file is written",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
};
