#include "steer/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static size_t
count(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends * TG_STEER_PROPERTY_COUNT;
	return n;
}

/* The texts stay those of the order. */
static struct conf_state_order
as_kept(const struct conf *conf, unsigned service, unsigned backend, enum steer_property property,
	const struct steer_order *order)
{
	return (struct conf_state_order){
		.service = conf->services[service].name,
		.backend = conf->services[service].backends[backend].name,
		.property = (char *)(uintptr_t)steer_property_str(property),
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

		if (steer_differs(steer, service, backend, property))
			state->orders[state->n_orders++] =
				as_kept(conf, service, backend, property, &entry->orders[k]);
	}
}

int
steer_save(const struct steer *steer, char **ret, size_t *ret_n)
{
	const struct conf *conf = steer_conf(steer);
	struct conf_state state = {.n_orders = 0};
	int rc;

	state.orders = calloc(count(conf) + 1, sizeof(state.orders[0]));
	if (state.orders == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < conf->n_services; i++) {
		for (size_t j = 0; j < conf->services[i].n_backends; j++)
			collect(steer, conf, (unsigned)i, (unsigned)j, &state);
	}
	rc = conf_state_save(&state, ret, ret_n);
	free(state.orders);
	return rc;
}

static void
leave_out(const struct conf_state_order *o, const char *reason)
{
	log_write(TG_LOG_WARN, "order is not restored",
		  "svc=%s srv=%s set=%s value=%s who=%s reason=%s", o->service, o->backend,
		  o->property, o->value, o->who, reason);
}

static struct steer_note
note_of(const struct conf_state_order *o)
{
	struct steer_note note = {.when = {o->when_us}};

	snprintf(note.who, sizeof(note.who), "%s", o->who);
	snprintf(note.why, sizeof(note.why), "%s", o->why);
	return note;
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
		leave_out(o, "the configuration was edited since, and counts");
		return;
	}
	if (steer_set(&target, property, o->value, &note, &err) < 0)
		leave_out(o, err.text);
}

void
steer_restore(struct steer *steer, const struct conf_state *state)
{
	for (size_t i = 0; i < state->n_orders; i++)
		restore(steer, &state->orders[i]);
}
