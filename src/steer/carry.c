#include "steer/carry.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "steer/steer_priv.h"

struct steer_next {
	const struct conf_same *same;
	struct steer_table table;
	struct steer_limits *limits;
	struct steer_scales *scales;
};

int
steer_prepare(const struct steer *steer, const struct conf_same *same, struct steer_next **ret)
{
	struct steer_next *next = calloc(1, sizeof(*next));

	if (next == NULL)
		return -TG_ENOMEM;
	next->same = same;
	next->limits = steer_limits_new(same->next);
	next->scales = steer_scales_new(same->next);
	if (steer_table_init(&next->table, same->next) < 0 || next->limits == NULL ||
	    next->scales == NULL) {
		steer_drop(next);
		return -TG_ENOMEM;
	}
	steer_limits_watch(next->limits, steer->limits->change, steer->limits->user);
	steer_scales_watch(next->scales, steer->scales->change, steer->scales->user);
	*ret = next;
	return 0;
}

void
steer_drop(struct steer_next *next)
{
	if (next == NULL)
		return;
	steer_table_fini(&next->table);
	steer_limits_free(next->limits);
	steer_scales_free(next->scales);
	free(next);
}

static const char *const edited = "the configuration was edited since, and counts";

static void
log_end(const struct conf_place *at, enum steer_property property, const struct steer_order *order,
	const char *reason)
{
	log_write(TG_LOG_WARN, "order ends with the reload",
		  "svc=%s srv=%s set=%s value=%s who=%s reason=%s", at->service->name,
		  at->backend->name, steer_property_str(property), order->value, order->note.who,
		  reason);
}

static void
log_limit_end(const char *listener, const struct steer_order *order, const char *reason)
{
	log_write(TG_LOG_WARN, "order ends with the reload",
		  "listener=%s set=%s value=%s who=%s reason=%s", listener,
		  steer_property_str(TG_STEER_LIMIT), order->value, order->note.who, reason);
}

static void
log_scale_end(const char *service, enum steer_scale what, const struct steer_order *order,
	      const char *reason)
{
	log_write(TG_LOG_WARN, "order ends with the reload",
		  "svc=%s set=%s value=%s who=%s reason=%s", service, steer_scale_str(what),
		  order->value, order->note.who, reason);
}

/* `steer` has the configuration before still. One that says what was configured ends without a word. */
static void
carry_order(const struct steer *steer, const struct conf_place *before, const struct conf *conf,
	    const struct conf_place *now, enum steer_property property, struct steer_entry *entry)
{
	const struct steer_order *order = &entry->orders[property];
	char configured[TG_STEER_VALUE_SIZE];

	if (order->value[0] == '\0')
		return;
	steer_configured(conf, now->service->index, now->backend->index, property, configured,
			 sizeof(configured));
	if (strcmp(configured, order->was) == 0)
		return;
	if (steer_differs(steer, before->service->index, before->backend->index, property))
		log_end(now, property, order, edited);
	steer_forget(entry, property);
}

static void
carry_backend(const struct steer *steer, const struct steer_next *next,
	      const struct conf_place *now)
{
	struct conf_place before = conf_same_backend(next->same, now->service, now->backend);
	struct steer_entry **was;
	struct steer_entry *entry;

	if (before.service == NULL)
		return;
	was = &steer->table.entries[steer->table.first[before.service->index] +
				    before.backend->index];
	entry = *was;
	if (entry == NULL)
		return;
	for (unsigned k = 0; k < TG_STEER_PROPERTY_COUNT; k++)
		carry_order(steer, &before, next->same->next, now, (enum steer_property)k, entry);
	next->table.entries[next->table.first[now->service->index] + now->backend->index] = entry;
	*was = NULL;
}

/* By an operator, not by the file. */
static bool
is_deleted(const struct conf *next, const struct conf_place *before)
{
	const struct conf_backend *backend = before->backend;

	for (size_t i = 0; i < next->n_services; i++) {
		const struct conf_service *s = &next->services[i];

		if (strcmp(s->name, before->service->name) != 0)
			continue;
		for (size_t j = 0; j < s->n_deleted; j++) {
			if (strcmp(s->deleted[j].name, backend->entry_name) == 0)
				return true;
		}
	}
	return false;
}

/* Of a backend that is not there any more. */
static void
end_orders(const struct steer *steer, const struct conf *next, const struct conf_place *before)
{
	unsigned i = before->service->index;
	unsigned j = before->backend->index;

	/* On purpose, or the parent has told that it is not kept. */
	if (before->backend->added.who != NULL || is_deleted(next, before))
		return;
	for (unsigned k = 0; k < TG_STEER_PROPERTY_COUNT; k++) {
		enum steer_property property = (enum steer_property)k;

		if (steer_differs(steer, i, j, property))
			log_end(before, property, &steer_get(steer, i, j)->orders[k],
				"there is no such backend any more");
	}
}

static void
carry_backends(const struct steer *steer, const struct steer_next *next)
{
	const struct conf *conf = next->same->next;

	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_place now = {.service = &conf->services[i]};

		for (size_t j = 0; j < now.service->n_backends; j++) {
			now.backend = &now.service->backends[j];
			carry_backend(steer, next, &now);
		}
	}
	for (size_t i = 0; i < steer->conf->n_services; i++) {
		struct conf_place before = {.service = &steer->conf->services[i]};

		for (size_t j = 0; j < before.service->n_backends; j++) {
			before.backend = &before.service->backends[j];
			if (conf_same_next(next->same, before.service, before.backend).service ==
			    NULL)
				end_orders(steer, conf, &before);
		}
	}
}

static void
carry_limit(const struct steer_limits *before, uint32_t was, struct steer_limits *limits,
	    uint32_t listener)
{
	struct steer_limit *limit = &limits->list[steer_limit_place(limits, listener)];
	char configured[16];

	*limit = before->list[steer_limit_place(before, was)];
	if (limit->order.value[0] == '\0')
		return;
	steer_limits_configured(limits->conf, listener, configured, sizeof(configured));
	if (strcmp(configured, limit->order.was) == 0)
		return;
	if (steer_limits_differs(before, was))
		log_limit_end(listener == TG_LIMIT_OF_ALL ? "-"
							  : limits->conf->listeners[listener].name,
			      &limit->order, edited);
	limit->order = (struct steer_order){.value = ""};
}

static bool
has_listener(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		if (strcmp(conf->listeners[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
carry_limits(const struct steer_limits *before, const struct steer_next *next)
{
	const struct conf *conf = next->same->next;

	carry_limit(before, TG_LIMIT_OF_ALL, next->limits, TG_LIMIT_OF_ALL);
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *was =
			conf_same_listener(next->same, &conf->listeners[i]);

		if (was != NULL)
			carry_limit(before, was->index, next->limits, (uint32_t)i);
	}
	for (size_t i = 0; i < before->conf->n_listeners; i++) {
		const char *name = before->conf->listeners[i].name;

		if (steer_limits_differs(before, (uint32_t)i) && !has_listener(conf, name))
			log_limit_end(name, steer_limits_get(before, (uint32_t)i),
				      "there is no such listener any more");
	}
}

static void
carry_scale(const struct steer_scales *before, unsigned was, struct steer_scales *scales,
	    unsigned service, enum steer_scale what)
{
	struct steer_order *order = &scales->list[service].orders[what];
	char configured[TG_STEER_VALUE_SIZE];

	*order = before->list[was].orders[what];
	steer_scales_configured(scales, service, what, configured, sizeof(configured));
	if (order->value[0] == '\0' || strcmp(configured, order->was) == 0)
		return;
	if (steer_scales_differs(before, was, what))
		log_scale_end(scales->conf->services[service].name, what, order, edited);
	*order = (struct steer_order){.value = ""};
}

static void
end_scales(const struct steer_scales *before, const struct conf_service *service)
{
	for (unsigned k = 0; k < TG_STEER_SCALE_COUNT; k++) {
		enum steer_scale what = (enum steer_scale)k;

		if (steer_scales_differs(before, service->index, what))
			log_scale_end(service->name, what,
				      steer_scales_get(before, service->index, what),
				      "there is no such service any more");
	}
}

static void
carry_scales(const struct steer_scales *before, const struct steer_next *next)
{
	const struct conf *conf = next->same->next;

	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *was =
			conf_same_service(next->same, &conf->services[i]);

		for (unsigned k = 0; was != NULL && k < TG_STEER_SCALE_COUNT; k++)
			carry_scale(before, was->index, next->scales, (unsigned)i,
				    (enum steer_scale)k);
	}
	for (size_t i = 0; i < before->conf->n_services; i++) {
		const struct conf_service *service = &before->conf->services[i];

		if (conf_find_service(conf, service->name) == NULL)
			end_scales(before, service);
	}
}

void
steer_commit(struct steer *steer, struct steer_next *next)
{
	carry_backends(steer, next);
	carry_limits(steer->limits, next);
	carry_scales(steer->scales, next);
	steer_table_fini(&steer->table);
	steer_limits_free(steer->limits);
	steer_scales_free(steer->scales);
	steer->table = next->table;
	steer->limits = next->limits;
	steer->scales = next->scales;
	steer->conf = next->same->next;
	free(next);
}
