#include "conf/same.h"

#include <stdlib.h>
#include <string.h>

/* At most one is set. */
struct spot {
	const struct conf_listener *listener;
	const struct conf_service *service; /* it, or that of: */
	const struct conf_backend *backend;
};

struct conf_same_slots {
	size_t n;
	struct spot list[];
};

static void
raise(size_t *n, uint32_t slot)
{
	if (*n <= slot)
		*n = (size_t)slot + 1;
}

static size_t
count_slots(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_listeners; i++)
		raise(&n, conf->listeners[i].segment_slot);
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		raise(&n, service->segment_slot);
		for (size_t j = 0; j < service->n_backends; j++)
			raise(&n, service->backends[j].segment_slot);
	}
	return n;
}

static void
fill_service(struct conf_same_slots *slots, const struct conf_service *service)
{
	slots->list[service->segment_slot].service = service;
	for (size_t i = 0; i < service->n_backends; i++) {
		struct spot *spot = &slots->list[service->backends[i].segment_slot];

		spot->service = service;
		spot->backend = &service->backends[i];
	}
}

static struct conf_same_slots *
slots_new(const struct conf *conf)
{
	size_t n = count_slots(conf);
	struct conf_same_slots *slots = calloc(1, sizeof(*slots) + n * sizeof(slots->list[0]));

	if (slots == NULL)
		return NULL;
	slots->n = n;
	for (size_t i = 0; i < conf->n_listeners; i++)
		slots->list[conf->listeners[i].segment_slot].listener = &conf->listeners[i];
	for (size_t i = 0; i < conf->n_services; i++)
		fill_service(slots, &conf->services[i]);
	return slots;
}

struct conf_same *
conf_same_new(const struct conf *before, const struct conf *next)
{
	struct conf_same *same = calloc(1, sizeof(*same));

	if (same == NULL)
		return NULL;
	same->before = before;
	same->next = next;
	same->of_before = slots_new(before);
	same->of_next = slots_new(next);
	if (same->of_before == NULL || same->of_next == NULL) {
		conf_same_free(same);
		return NULL;
	}
	return same;
}

void
conf_same_free(struct conf_same *same)
{
	if (same == NULL)
		return;
	free(same->of_before);
	free(same->of_next);
	free(same);
}

static const struct spot *
at(const struct conf_same_slots *slots, uint32_t slot)
{
	static const struct spot nothing;

	return slot < slots->n ? &slots->list[slot] : &nothing;
}

const struct conf_listener *
conf_same_listener(const struct conf_same *same, const struct conf_listener *next)
{
	const struct conf_listener *before = at(same->of_before, next->segment_slot)->listener;

	return before != NULL && strcmp(before->name, next->name) == 0 ? before : NULL;
}

static const struct conf_service *
find_service(const struct conf_same_slots *slots, const struct conf_service *service)
{
	const struct spot *spot = at(slots, service->segment_slot);

	if (spot->service == NULL || spot->backend != NULL ||
	    strcmp(spot->service->name, service->name) != 0)
		return NULL;
	return spot->service;
}

static struct conf_place
find_backend(const struct conf_same_slots *slots, const struct conf_service *service,
	     const struct conf_backend *backend)
{
	static const struct conf_place nowhere;
	const struct spot *spot = at(slots, backend->segment_slot);

	if (spot->backend == NULL || strcmp(spot->backend->name, backend->name) != 0 ||
	    strcmp(spot->service->name, service->name) != 0)
		return nowhere;
	return (struct conf_place){.service = spot->service, .backend = spot->backend};
}

const struct conf_service *
conf_same_service(const struct conf_same *same, const struct conf_service *next)
{
	return find_service(same->of_before, next);
}

bool
conf_same_is_equal(const struct conf_same *same, const struct conf_service *next)
{
	const struct conf_service *before = conf_same_service(same, next);

	return before != NULL && (same->is_edit || conf_service_equal(before, next));
}

struct conf_place
conf_same_backend(const struct conf_same *same, const struct conf_service *next,
		  const struct conf_backend *backend)
{
	return find_backend(same->of_before, next, backend);
}

struct conf_place
conf_same_next(const struct conf_same *same, const struct conf_service *before,
	       const struct conf_backend *backend)
{
	return find_backend(same->of_next, before, backend);
}
