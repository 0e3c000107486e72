#include "observe/names.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct slot_name {
	char *text; /* NULL: none */
	enum segment_kind kind;
	uint32_t parent;
};

struct slot_names {
	uint32_t n;
	uint32_t n_set; /* none at or beyond it was ever set: memory that was never touched */
	struct slot_name list[];
};

struct slot_names *
slot_names_new(uint32_t n)
{
	struct slot_names *names = calloc(1, sizeof(*names) + n * sizeof(names->list[0]));

	if (names != NULL)
		names->n = n;
	return names;
}

void
slot_names_free(struct slot_names *names)
{
	uint32_t i;

	if (names == NULL)
		return;
	for (i = 0; i < names->n_set; i++)
		free(names->list[i].text);
	free(names);
}

static int
set(struct slot_names *names, uint32_t slot, enum segment_kind kind, uint32_t parent,
    const char *text)
{
	struct slot_name *name;
	char *copy;

	if (slot >= names->n)
		return -TG_EPROTO;
	name = &names->list[slot];
	if (name->text == NULL || strcmp(name->text, text) != 0) {
		copy = strdup(text);
		if (copy == NULL)
			return -TG_ENOMEM;
		free(name->text);
		name->text = copy;
		if (slot >= names->n_set)
			names->n_set = slot + 1;
	}
	name->kind = kind;
	name->parent = parent;
	return 0;
}

static int
set_service(struct slot_names *names, const struct conf_service *service)
{
	int rc = set(names, service->segment_slot, TG_SLOT_SERVICE, TG_SEGMENT_NONE, service->name);
	size_t i;

	for (i = 0; i < service->n_backends && rc == 0; i++)
		rc = set(names, service->backends[i].segment_slot, TG_SLOT_BACKEND,
			 service->segment_slot, service->backends[i].name);
	return rc;
}

int
slot_names_set(struct slot_names *names, const struct conf *conf)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < conf->n_listeners && rc == 0; i++)
		rc = set(names, conf->listeners[i].segment_slot, TG_SLOT_LISTENER, TG_SEGMENT_NONE,
			 conf->listeners[i].name);
	for (i = 0; i < conf->n_services && rc == 0; i++)
		rc = set_service(names, &conf->services[i]);
	return rc;
}

static int
read_entry(struct slot_names *names, uint32_t slot, const struct segment_entry *entry)
{
	uint32_t kind = atomic_load_explicit(&entry->kind, memory_order_acquire);
	char text[TG_SEGMENT_NAME];

	if (kind == TG_SLOT_FREE || kind >= TG_SLOT_KIND_COUNT)
		return 0;
	memcpy(text, entry->name, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	return set(names, slot, (enum segment_kind)kind, entry->parent, text);
}

int
slot_names_read(struct slot_names *names, struct segment *segment)
{
	uint32_t used = segment_used(segment);
	uint32_t i;
	int rc = 0;

	for (i = 0; i < used && rc == 0; i++)
		rc = read_entry(names, i, segment_entry(segment, i));
	return rc;
}

static const struct slot_name *
find(const struct slot_names *names, uint32_t slot, enum segment_kind kind)
{
	if (slot >= names->n || names->list[slot].text == NULL || names->list[slot].kind != kind)
		return NULL;
	return &names->list[slot];
}

const char *
slot_names_get(const struct slot_names *names, uint32_t slot, enum segment_kind kind)
{
	const struct slot_name *name = find(names, slot, kind);

	return name != NULL ? name->text : NULL;
}

uint32_t
slot_names_service(const struct slot_names *names, uint32_t slot)
{
	const struct slot_name *name = find(names, slot, TG_SLOT_BACKEND);

	return name != NULL ? name->parent : TG_SEGMENT_NONE;
}
