#include "steer/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/overlay.h"
#include "steer/limits.h"
#include "steer/scales.h"

static size_t
count(const struct conf *conf)
{
	size_t n = 1 + conf->n_listeners;

	for (size_t i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends * (TG_STEER_PROPERTY_COUNT + 1) +
		     conf->services[i].n_deleted + TG_STEER_SCALE_COUNT;
	return n;
}

/* The texts stay those of the order. What it is of is the caller's to say. */
static struct conf_state_order
as_kept(const char *property, const struct steer_order *order)
{
	return (struct conf_state_order){
		.property = (char *)(uintptr_t)property,
		.value = (char *)(uintptr_t)order->value,
		.was = (char *)(uintptr_t)order->was,
		.when_us = order->note.when.us,
		.who = (char *)(uintptr_t)order->note.who,
		.why = (char *)(uintptr_t)order->note.why,
	};
}

static void
collect(const struct steer *steer, const struct conf *conf, unsigned service, unsigned backend,
	struct conf_state *state)
{
	const struct steer_entry *entry = steer_get(steer, service, backend);

	for (unsigned k = 0; k < TG_STEER_PROPERTY_COUNT; k++) {
		enum steer_property property = (enum steer_property)k;
		struct conf_state_order *o = &state->orders[state->n_orders];

		if (!steer_differs(steer, service, backend, property))
			continue;
		*o = as_kept(steer_property_str(property), &entry->orders[k]);
		o->service = conf->services[service].name;
		o->backend = conf->services[service].backends[backend].name;
		state->n_orders++;
	}
}

static void
collect_limit(const struct steer *steer, uint32_t listener, struct conf_state *state)
{
	const struct steer_limits *limits = steer_limits(steer);
	struct conf_state_order *o = &state->orders[state->n_orders];

	if (!steer_limits_differs(limits, listener))
		return;
	*o = as_kept(steer_property_str(TG_STEER_LIMIT), steer_limits_get(limits, listener));
	if (listener != TG_LIMIT_OF_ALL)
		o->listener = steer_conf(steer)->listeners[listener].name;
	state->n_orders++;
}

static void
collect_scales(const struct steer *steer, const struct conf_service *service,
	       struct conf_state *state)
{
	const struct steer_scales *scales = steer_scales(steer);

	for (unsigned k = 0; k < TG_STEER_SCALE_COUNT; k++) {
		enum steer_scale what = (enum steer_scale)k;
		struct conf_state_order *o = &state->orders[state->n_orders];

		if (!steer_scales_differs(scales, service->index, what))
			continue;
		*o = as_kept(steer_scale_str(what),
			     steer_scales_get(scales, service->index, what));
		o->service = service->name;
		state->n_orders++;
	}
}

/* Of the configuration: a backend that is there, or is not, by an order. `value` is taken over;
 * `was` NULL: nothing. */
static int
add_server(struct conf_state *state, const struct conf_service *service, char *backend, char *value,
	   const char *was, const struct conf_note *note)
{
	if (value == NULL)
		return -TG_ENOMEM;
	state->orders[state->n_orders++] = (struct conf_state_order){
		.service = service->name,
		.backend = backend,
		.property = (char *)(uintptr_t)TG_CONF_OVERLAY_PROPERTY,
		.value = value,
		.was = (char *)(uintptr_t)(was != NULL ? was : ""),
		.when_us = note->when_us,
		.who = (char *)(uintptr_t)note->who,
		.why = (char *)(uintptr_t)(note->why != NULL ? note->why : ""),
	};
	return 0;
}

/* NULL: no memory. */
static char *
added_text(const struct conf_backend *backend)
{
	char *text = conf_backend_text(backend);
	char *value = NULL;

	if (text == NULL || asprintf(&value, TG_CONF_OVERLAY_ADDED "%s", text) < 0)
		value = NULL;
	free(text);
	return value;
}

/* Those of one entry are one. */
static int
collect_servers(const struct conf_service *service, struct conf_state *state)
{
	int rc = 0;

	for (size_t i = 0; i < service->n_backends && rc == 0; i++) {
		const struct conf_backend *b = &service->backends[i];

		if (b->added.who != NULL && b->slot == 0)
			rc = add_server(state, service, b->entry_name, added_text(b), b->added_was,
					&b->added);
	}
	for (size_t i = 0; i < service->n_deleted && rc == 0; i++) {
		const struct conf_deleted *d = &service->deleted[i];

		rc = add_server(state, service, d->name, strdup(TG_CONF_OVERLAY_DELETED), d->was,
				&d->note);
	}
	return rc;
}

static bool
is_of_server(const struct conf_state_order *o)
{
	return o->service != NULL && strcmp(o->property, TG_CONF_OVERLAY_PROPERTY) == 0;
}

static void
state_fini(struct conf_state *state)
{
	for (size_t i = 0; i < state->n_orders; i++) {
		if (is_of_server(&state->orders[i]))
			free(state->orders[i].value);
	}
	free(state->orders);
}

int
steer_save(const struct steer *steer, bool has_nodes, char **ret, size_t *ret_n)
{
	const struct conf *conf = steer_conf(steer);
	struct conf_state state = {.n_orders = 0};
	int rc = 0;

	state.orders = calloc(count(conf) + 1, sizeof(state.orders[0]));
	if (state.orders == NULL)
		return -TG_ENOMEM;
	if (has_nodes) {
		state.nodes = conf->nodes;
		state.n_nodes = conf->n_nodes;
		state.left_nodes = conf->left_nodes;
		state.n_left_nodes = conf->n_left_nodes;
	}
	collect_limit(steer, TG_LIMIT_OF_ALL, &state);
	for (size_t i = 0; i < conf->n_listeners; i++)
		collect_limit(steer, (uint32_t)i, &state);
	for (size_t i = 0; i < conf->n_services && rc == 0; i++) {
		collect_scales(steer, &conf->services[i], &state);
		rc = collect_servers(&conf->services[i], &state);
		for (size_t j = 0; j < conf->services[i].n_backends; j++)
			collect(steer, conf, (unsigned)i, (unsigned)j, &state);
	}
	if (rc == 0)
		rc = conf_state_save(&state, ret, ret_n);
	state_fini(&state);
	return rc;
}

static void
leave_out(const struct conf_state_order *o, const char *reason)
{
	if (o->service != NULL && o->backend == NULL)
		log_write(TG_LOG_WARN, "order is not restored",
			  "svc=%s set=%s value=%s who=%s reason=%s", o->service, o->property,
			  o->value, o->who, reason);
	else if (o->service != NULL)
		log_write(TG_LOG_WARN, "order is not restored",
			  "svc=%s srv=%s set=%s value=%s who=%s reason=%s", o->service, o->backend,
			  o->property, o->value, o->who, reason);
	else
		log_write(TG_LOG_WARN, "order is not restored",
			  "listener=%s set=%s value=%s who=%s reason=%s",
			  o->listener != NULL ? o->listener : "-", o->property, o->value, o->who,
			  reason);
}

static struct steer_note
note_of(const struct conf_state_order *o)
{
	struct steer_note note = {.when = {o->when_us}};

	snprintf(note.who, sizeof(note.who), "%s", o->who);
	snprintf(note.why, sizeof(note.why), "%s", o->why);
	return note;
}

static const char *const edited = "the configuration was edited since, and counts";

static bool
find_listener(const struct conf *conf, const char *name, uint32_t *ret)
{
	*ret = TG_LIMIT_OF_ALL;
	for (size_t i = 0; name != NULL && i < conf->n_listeners; i++) {
		if (strcmp(conf->listeners[i].name, name) == 0)
			*ret = (uint32_t)i;
	}
	return name == NULL || *ret != TG_LIMIT_OF_ALL;
}

static void
restore_limit(struct steer *steer, const struct conf_state_order *o)
{
	struct steer_note note = note_of(o);
	char configured[TG_STEER_VALUE_SIZE];
	struct err err;
	uint32_t listener;

	if (!find_listener(steer_conf(steer), o->listener, &listener)) {
		leave_out(o, "there is no such listener any more");
		return;
	}
	if (strcmp(o->property, steer_property_str(TG_STEER_LIMIT)) != 0) {
		leave_out(o, "there is no such property");
		return;
	}
	steer_limits_configured(steer_conf(steer), listener, configured, sizeof(configured));
	if (strcmp(configured, o->was) != 0)
		leave_out(o, edited);
	else if (steer_limits_set(steer_limits(steer), listener, o->value, &note, &err) < 0)
		leave_out(o, err.text);
}

static void
restore_scale(struct steer *steer, const struct conf_state_order *o)
{
	const struct conf_service *service = conf_find_service(steer_conf(steer), o->service);
	struct steer_scales *scales = steer_scales(steer);
	struct steer_note note = note_of(o);
	char configured[TG_STEER_VALUE_SIZE];
	enum steer_scale what;
	struct err err;

	if (service == NULL) {
		leave_out(o, "there is no such service any more");
		return;
	}
	if (!steer_scale_find(o->property, &what)) {
		leave_out(o, "there is no such property");
		return;
	}
	steer_scales_configured(scales, service->index, what, configured, sizeof(configured));
	if (strcmp(configured, o->was) != 0)
		leave_out(o, edited);
	else if (steer_scales_set(scales, service->index, what, o->value, &note, &err) < 0)
		leave_out(o, err.text);
}

static void
restore(struct steer *steer, const struct conf_state_order *o)
{
	struct steer_note note = note_of(o);
	char configured[TG_STEER_VALUE_SIZE];
	enum steer_property property;
	struct steer_target target;
	struct err err;

	if (!steer_find(steer, o->service, o->backend, &target)) {
		/* What the autoscaler drained is gone as it was to be. */
		if (strcmp(o->who, TG_WHO_AUTOSCALE) == 0)
			return;
		leave_out(o, "there is no such backend any more");
		return;
	}
	if (!steer_property_find(o->property, &property)) {
		leave_out(o, "there is no such property");
		return;
	}
	steer_configured(steer_conf(steer), target.service, target.backend, property, configured,
			 sizeof(configured));
	if (strcmp(configured, o->was) != 0) {
		leave_out(o, edited);
		return;
	}
	if (steer_set(&target, property, o->value, &note, &err) < 0)
		leave_out(o, err.text);
}

void
steer_restore(struct steer *steer, const struct conf_state *state)
{
	for (size_t i = 0; i < state->n_orders; i++) {
		const struct conf_state_order *o = &state->orders[i];

		if (is_of_server(o))
			continue;
		if (o->service != NULL && o->backend != NULL)
			restore(steer, o);
		else if (o->service != NULL)
			restore_scale(steer, o);
		else
			restore_limit(steer, o);
	}
}
