/*
 * conf/slots.c: one entry of `backends` to as many backends as it has slots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

/* A backend that exists for an entry, to find what has the same name. */
struct named {
	const struct conf_backend *backend;
	unsigned entry;
};

static size_t
count_slots(const struct conf_service *service)
{
	size_t n = 0;

	for (size_t i = 0; i < service->n_backends; i++)
		n += service->backends[i].slots;
	return n;
}

/* "pool-3"; alone the entry's own name. NULL: no memory. */
static char *
slot_name(struct arena *arena, const struct conf_backend *entry, unsigned slot)
{
	char buf[TG_CONF_BACKEND_NAME_MAX + 16];

	if (entry->slots == 1)
		return entry->entry_name;
	snprintf(buf, sizeof(buf), "%s-%u", entry->entry_name, slot + 1);
	return arena_copy(arena, buf, strlen(buf));
}

bool
conf_make_slots(struct arena *arena, const struct conf_backend *entry, struct conf_backend *ret)
{
	for (unsigned i = 0; i < entry->slots; i++) {
		ret[i] = *entry;
		ret[i].slot = i;
		if (entry->segment_slot != 0)
			ret[i].segment_slot = entry->segment_slot + i;
		ret[i].name = slot_name(arena, entry, i);
		if (!ret[i].name)
			return false;
	}
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;
	int c = strcmp(x->backend->name, y->backend->name);

	if (c != 0)
		return c;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* One of the two is a slot, the other an entry: entries were compared with each other before. */
static void
report_same(struct conf_check *check, const struct named *a, const struct named *b)
{
	const struct named *slot = a->backend->slots > 1 ? a : b;
	const struct named *entry = slot == a ? b : a;

	conf_check_element_error(check, "backends", entry->entry, "name",
				 "already the name of slot %u of backends[%u]",
				 slot->backend->slot + 1, slot->entry);
}

static void
check_names(struct conf_check *check, const struct conf_backend *backends, size_t n)
{
	struct named *all = calloc(n, sizeof(*all));
	unsigned entry = 0;

	if (!all) {
		conf_check_no_memory(check);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		entry += i > 0 && backends[i].slot == 0;
		all[i] = (struct named){.backend = &backends[i], .entry = entry};
	}
	qsort(all, n, sizeof(*all), compare_names);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(all[i - 1].backend->name, all[i].backend->name) == 0 &&
		    (all[i - 1].backend->slots > 1) != (all[i].backend->slots > 1))
			report_same(check, &all[i - 1], &all[i]);
	}
	free(all);
}

/* Whether every entry can be given slots at all; what is wrong with one is reported. */
static bool
check_entries(struct conf_check *check, const struct conf_service *service)
{
	bool good = true;

	for (unsigned i = 0; i < service->n_backends; i++) {
		const struct conf_backend *entry = &service->backends[i];
		int digits = snprintf(NULL, 0, "-%u", entry->slots);

		if (!entry->entry_name) {
			good = false; /* an error already */
		} else if (entry->slots > 1 &&
			   strlen(entry->entry_name) + (size_t)digits > TG_CONF_BACKEND_NAME_MAX) {
			conf_check_element_error(
				check, "backends", i, "name",
				"with the numbers of its slots longer than %u bytes",
				TG_CONF_BACKEND_NAME_MAX);
			good = false;
		}
	}
	return good;
}

void
conf_expand_slots(struct conf_check *check, struct conf_service *service)
{
	struct arena *arena = conf_check_arena(check);
	size_t n = count_slots(service);
	struct conf_backend *all;
	size_t at = 0;

	if (n == 0 || !check_entries(check, service))
		return;
	if (n > TG_CONF_BACKENDS_MAX) {
		conf_check_error(check, "backends", "%zu backends with all slots; allowed: %u", n,
				 TG_CONF_BACKENDS_MAX);
		return;
	}
	/* Where each has one, it is the entry itself. */
	all = n == service->n_backends ? service->backends : arena_alloc(arena, n, sizeof(*all));
	for (size_t i = 0; all && i < service->n_backends; i++) {
		if (!conf_make_slots(arena, &service->backends[i], &all[at]))
			all = NULL;
		at += service->backends[i].slots;
	}
	if (!all) {
		conf_check_no_memory(check);
		return;
	}
	if (n != service->n_backends)
		check_names(check, all, n);
	service->backends = all;
	service->n_backends = n;
}
