#include "proc/slots.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum slot_state { SLOT_FREE = 0, SLOT_NEW = 1, SLOT_HELD = 2, SLOT_GIVEN_UP = 3, SLOT_STATE_COUNT };

struct slot {
	char *name; /* NEW and HELD */
	enum slot_state state;
	enum segment_kind kind;
	uint32_t parent;
	bool is_wanted;       /* HELD: the next configuration has it too */
	struct mono given_up; /* when */
};

/* Objects that hold a slot, by what they are known by. */
struct table {
	uint32_t *slots; /* 0: free */
	size_t size;     /* a power of two */
};

/* An object that is to have a slot. */
struct wanted {
	enum segment_kind kind;
	uint32_t parent;
	const char *name;
};

/* the first configuration */

static size_t
count_objects(const struct conf *conf)
{
	size_t n = 1 + conf->n_listeners + conf->n_services;
	size_t i;

	for (i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends;
	return n;
}

static int
name_backends(struct segment *seg, const struct conf_service *service, uint32_t service_slot)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc >= 0 && i < service->n_backends; i++)
		rc = segment_add(seg, TG_SLOT_BACKEND, service_slot, service->backends[i].name);
	return rc;
}

static int
name_objects(struct segment *seg, const struct conf *conf)
{
	uint32_t first_service = 1 + (uint32_t)conf->n_listeners;
	int rc = segment_add(seg, TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate");
	size_t i;

	for (i = 0; rc >= 0 && i < conf->n_listeners; i++)
		rc = segment_add(seg, TG_SLOT_LISTENER, TG_SEGMENT_NONE, conf->listeners[i].name);
	for (i = 0; rc >= 0 && i < conf->n_services; i++)
		rc = segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, conf->services[i].name);
	for (i = 0; rc >= 0 && i < conf->n_services; i++)
		rc = name_backends(seg, &conf->services[i], first_service + (uint32_t)i);
	return rc < 0 ? rc : 0;
}

int
slots_create(const struct conf *conf, struct segment **ret, struct err *err)
{
	size_t n = count_objects(conf) * 2 + TG_SLOTS_ROOM;
	struct segment *seg;
	int rc;

	if (n > UINT32_MAX)
		return err_set(err, TG_ELIMIT, "too many backends to count");
	rc = segment_create(conf->workers, (unsigned)n, TG_ACCESS_RING_BYTES, &seg, err);
	if (rc < 0)
		return rc;
	rc = name_objects(seg, conf);
	if (rc < 0) {
		segment_close(seg);
		return err_set(err, TG_ELIMIT, "statistics segment: out of slots");
	}
	*ret = seg;
	return 0;
}

/* one slot */

static int
slot_begin(struct slots *s, uint32_t at, const struct wanted *w)
{
	struct slot *slot = &s->list[at];

	slot->name = strdup(w->name);
	if (slot->name == NULL)
		return -TG_ENOMEM;
	slot->kind = w->kind;
	slot->parent = w->parent;
	slot->state = SLOT_NEW;
	if (at >= s->used)
		s->used = at + 1;
	return 0;
}

static void
slot_end(struct slot *slot, enum slot_state state)
{
	free(slot->name);
	slot->name = NULL;
	slot->state = state;
}

static bool
is_quiet(struct segment *seg, uint32_t at)
{
	return atomic_load_explicit(&segment_load(seg, at)->in_flight, memory_order_acquire) == 0 &&
	       atomic_load_explicit(&segment_shared(seg, at)->queued, memory_order_acquire) == 0;
}

static bool
slot_is_usable(const struct slots *s, uint32_t at, struct mono now)
{
	const struct slot *slot = &s->list[at];

	if (slot->state == SLOT_GIVEN_UP)
		return mono_diff_us(now, slot->given_up) >= TG_SLOTS_REST_S * UINT64_C(1000000) &&
		       is_quiet(s->segment, at);
	return slot->state == SLOT_FREE;
}

/* The caller has seen that it is usable. */
static int
slot_take(struct slots *s, uint32_t at, const struct wanted *w)
{
	bool was_used = s->list[at].state == SLOT_GIVEN_UP;
	int rc = slot_begin(s, at, w);

	if (rc < 0)
		return rc;
	if (was_used)
		segment_clear(s->segment, at);
	segment_name(s->segment, at, w->kind, w->parent, w->name);
	return 0;
}

/* who has one */

static uint64_t
hash_object(const struct wanted *w)
{
	uint64_t seed = (uint64_t)w->kind << 32 | w->parent;

	return hash_bytes(w->name, strlen(w->name), seed);
}

static void
table_put(struct table *t, const struct slots *s, uint32_t at)
{
	const struct slot *slot = &s->list[at];
	struct wanted w = {.kind = slot->kind, .parent = slot->parent, .name = slot->name};
	size_t i = hash_object(&w) & (t->size - 1);

	while (t->slots[i] != 0)
		i = (i + 1) & (t->size - 1);
	t->slots[i] = at;
}

/* Of those held that nobody wants yet; at most half full. */
static int
table_make(const struct slots *s, struct table *ret)
{
	uint32_t n = 0;
	uint32_t at;

	for (at = 1; at < s->used; at++)
		n += s->list[at].state == SLOT_HELD && !s->list[at].is_wanted;
	ret->size = 64;
	while (ret->size < (size_t)n * 2)
		ret->size *= 2;
	ret->slots = calloc(ret->size, sizeof(ret->slots[0]));
	if (ret->slots == NULL)
		return -TG_ENOMEM;
	for (at = 1; at < s->used; at++)
		if (s->list[at].state == SLOT_HELD && !s->list[at].is_wanted)
			table_put(ret, s, at);
	return 0;
}

/* 0: none. */
static uint32_t
table_find(const struct table *t, const struct slots *s, const struct wanted *w)
{
	size_t i = hash_object(w) & (t->size - 1);

	for (; t->slots[i] != 0; i = (i + 1) & (t->size - 1)) {
		const struct slot *slot = &s->list[t->slots[i]];

		if (slot->kind == w->kind && slot->parent == w->parent &&
		    strcmp(slot->name, w->name) == 0)
			return t->slots[i];
	}
	return 0;
}

/* the next configuration */

static int
fail_full(const struct slots *s, const struct wanted *w, unsigned n, struct err *err)
{
	uint32_t resting = 0;
	uint32_t at;

	for (at = 1; at < s->used; at++)
		resting += s->list[at].state == SLOT_GIVEN_UP;
	return err_set(
		err, TG_ELIMIT,
		"no room for \"%s\", which needs %u of the %u slots of the statistics segment; %u "
		"are of what was removed and may still be in use",
		w->name, n, s->n, resting);
}

/* The first of `n` usable ones in a row; 0: there is none. */
static uint32_t
find_run(struct slots *s, unsigned n, struct mono now)
{
	uint32_t at = s->cursor;
	unsigned run = 0;

	while (at < s->n && !slot_is_usable(s, at, now))
		at++;
	s->cursor = at;
	for (; at < s->n; at++) {
		run = slot_is_usable(s, at, now) ? run + 1 : 0;
		if (run == n)
			return at + 1 - n;
	}
	return 0;
}

/* Listeners and services, and backends with one slot. */
static int
assign_one(struct slots *s, const struct table *t, const struct wanted *w, struct mono now,
	   uint32_t *ret, struct err *err)
{
	uint32_t at = table_find(t, s, w);

	if (at != 0) {
		s->list[at].is_wanted = true;
		*ret = at;
		return 0;
	}
	at = find_run(s, 1, now);
	if (at == 0)
		return fail_full(s, w, 1, err);
	*ret = at;
	return slot_take(s, at, w) < 0 ? err_no_memory(err) : 0;
}

/* Where the slots of the entry can stay, those it has and those it gets; 0: nowhere. */
static uint32_t
find_place(const struct slots *s, const struct table *t, const struct conf_backend *entry,
	   uint32_t parent, struct mono now)
{
	uint32_t first = 0;
	unsigned i;

	for (i = 0; i < entry->slots; i++) {
		struct wanted w = {TG_SLOT_BACKEND, parent, entry[i].name};
		uint32_t at = table_find(t, s, &w);

		if (i == 0)
			first = at;
		if (first == 0 || first + i >= s->n)
			return 0;
		if (at != first + i && (at != 0 || !slot_is_usable(s, first + i, now)))
			return 0;
	}
	return first;
}

static int
assign_entry(struct slots *s, const struct table *t, struct conf_backend *entry, uint32_t parent,
	     struct mono now, struct err *err)
{
	struct wanted w = {TG_SLOT_BACKEND, parent, entry->entry_name};
	uint32_t first = find_place(s, t, entry, parent, now);
	unsigned i;

	if (first == 0)
		first = find_run(s, entry->slots, now);
	if (first == 0)
		return fail_full(s, &w, entry->slots, err);
	for (i = 0; i < entry->slots; i++) {
		entry[i].segment_slot = first + i;
		w.name = entry[i].name;
		if (s->list[first + i].state == SLOT_HELD)
			s->list[first + i].is_wanted = true;
		else if (slot_take(s, first + i, &w) < 0)
			return err_no_memory(err);
	}
	return 0;
}

/* All slots of the entry that begins there. */
static int
assign_backend(struct slots *s, const struct table *t, struct conf_service *service, size_t at,
	       struct mono now, struct err *err)
{
	struct conf_backend *b = &service->backends[at];
	struct wanted w = {TG_SLOT_BACKEND, service->segment_slot, b->name};

	if (b->slots > 1)
		return assign_entry(s, t, b, service->segment_slot, now, err);
	return assign_one(s, t, &w, now, &b->segment_slot, err);
}

static int
assign_backends(struct slots *s, const struct table *t, struct conf_service *service,
		struct mono now, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < service->n_backends; i += service->backends[i].slots)
		rc = assign_backend(s, t, service, i, now, err);
	return rc;
}

static int
assign_all(struct slots *s, const struct table *t, struct conf *conf, struct mono now,
	   struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < conf->n_listeners; i++) {
		struct wanted w = {TG_SLOT_LISTENER, TG_SEGMENT_NONE, conf->listeners[i].name};

		rc = assign_one(s, t, &w, now, &conf->listeners[i].segment_slot, err);
	}
	for (i = 0; rc == 0 && i < conf->n_services; i++) {
		struct conf_service *service = &conf->services[i];
		struct wanted w = {TG_SLOT_SERVICE, TG_SEGMENT_NONE, service->name};

		rc = assign_one(s, t, &w, now, &service->segment_slot, err);
		if (rc == 0)
			rc = assign_backends(s, t, service, now, err);
	}
	return rc;
}

int
slots_assign(struct slots *s, struct conf *conf, struct mono now, struct err *err)
{
	struct table t;
	int rc;

	if (table_make(s, &t) < 0)
		return err_no_memory(err);
	s->cursor = 1;
	rc = assign_all(s, &t, conf, now, err);
	free(t.slots);
	if (rc < 0)
		slots_abort(s);
	return rc;
}

/* Slot 0, that of who has none yet, is nobody's to lose. */
static void
keep_slots(struct slots *s, const struct conf *conf)
{
	size_t i;
	size_t k;

	for (i = 0; i < conf->n_listeners; i++)
		s->list[conf->listeners[i].segment_slot].is_wanted = true;
	for (i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		s->list[service->segment_slot].is_wanted = true;
		for (k = 0; k < service->n_backends; k++)
			s->list[service->backends[k].segment_slot].is_wanted = true;
	}
}

/* The slots of an entry are new together. */
static int
add_slots(struct slots *s, const struct table *t, struct conf *conf, struct mono now,
	  struct err *err)
{
	int rc = 0;
	size_t i;
	size_t k;

	for (i = 0; i < conf->n_services; i++) {
		struct conf_service *service = &conf->services[i];

		for (k = 0; rc == 0 && k < service->n_backends; k += service->backends[k].slots) {
			if (service->backends[k].segment_slot == 0)
				rc = assign_backend(s, t, service, k, now, err);
		}
	}
	return rc;
}

int
slots_extend(struct slots *s, struct conf *conf, struct mono now, struct err *err)
{
	struct table t;
	int rc;

	keep_slots(s, conf);
	if (table_make(s, &t) < 0) {
		slots_abort(s);
		return err_no_memory(err);
	}
	s->cursor = 1;
	rc = add_slots(s, &t, conf, now, err);
	free(t.slots);
	if (rc < 0)
		slots_abort(s);
	return rc;
}

void
slots_commit(struct slots *s, struct mono now)
{
	uint32_t at;

	for (at = 1; at < s->used; at++) {
		struct slot *slot = &s->list[at];

		if (slot->state == SLOT_HELD && !slot->is_wanted) {
			slot->given_up = now;
			slot_end(slot, SLOT_GIVEN_UP);
		} else if (slot->state == SLOT_NEW) {
			slot->state = SLOT_HELD;
		}
		slot->is_wanted = false;
	}
}

void
slots_abort(struct slots *s)
{
	uint32_t at;

	for (at = 1; at < s->used; at++) {
		struct slot *slot = &s->list[at];

		if (slot->state == SLOT_NEW) {
			segment_free(s->segment, at);
			slot_end(slot, SLOT_FREE);
		}
		slot->is_wanted = false;
	}
}

/* the whole */

static int
note_first(struct slots *s, const struct conf *conf)
{
	int rc = 0;
	size_t i;
	size_t k;

	for (i = 0; rc == 0 && i < conf->n_listeners; i++)
		rc = slot_begin(s, conf->listeners[i].segment_slot,
				&(struct wanted){TG_SLOT_LISTENER, TG_SEGMENT_NONE,
						 conf->listeners[i].name});
	for (i = 0; rc == 0 && i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		rc = slot_begin(s, service->segment_slot,
				&(struct wanted){TG_SLOT_SERVICE, TG_SEGMENT_NONE, service->name});
		for (k = 0; rc == 0 && k < service->n_backends; k++)
			rc = slot_begin(s, service->backends[k].segment_slot,
					&(struct wanted){TG_SLOT_BACKEND, service->segment_slot,
							 service->backends[k].name});
	}
	return rc;
}

int
slots_init(struct slots *s, struct segment *segment, const struct conf *conf)
{
	*s = (struct slots){.segment = segment, .n = segment_slots(segment)};
	s->list = calloc(s->n, sizeof(s->list[0]));
	if (s->list == NULL || note_first(s, conf) < 0) {
		slots_fini(s);
		return -TG_ENOMEM;
	}
	slots_commit(s, (struct mono){0});
	return 0;
}

void
slots_fini(struct slots *s)
{
	uint32_t at;

	for (at = 0; s->list != NULL && at < s->used; at++)
		free(s->list[at].name);
	free(s->list);
	*s = (struct slots){.segment = NULL};
}
