#include "proc/wants.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"

/* Of a slot of the statistics segment. */
struct want {
	struct mono refused_until;
	bool is_early; /* the proxy has gone over to a configuration before us */
	bool is_service;
};

struct wants {
	const struct conf *conf;
	wants_cb *on_wanted; /* NULL: nobody hears */
	void *user;
	uint32_t n_slots;
	struct want list[];
};

struct wants *
wants_new(const struct conf *conf, uint32_t n_slots)
{
	struct wants *w = calloc(1, sizeof(*w) + n_slots * sizeof(w->list[0]));

	if (w == NULL)
		return NULL;
	w->conf = conf;
	w->n_slots = n_slots;
	return w;
}

void
wants_free(struct wants *w)
{
	free(w);
}

void
wants_listen(struct wants *w, wants_cb *on_wanted, void *user)
{
	w->on_wanted = on_wanted;
	w->user = user;
}

static void
tell(struct wants *w, unsigned service)
{
	log_write(TG_LOG_INFO, "service wanted", "svc=%s", w->conf->services[service].name);
	if (w->on_wanted != NULL)
		w->on_wanted(w->user, service);
}

int
wants_hear(struct wants *w, const struct msg_wanted *m)
{
	if (m->service >= w->n_slots)
		return -TG_EPROTO;
	for (size_t i = 0; i < w->conf->n_services; i++) {
		if (w->conf->services[i].segment_slot == m->service) {
			tell(w, (unsigned)i);
			return 0;
		}
	}
	w->list[m->service].is_early = true;
	return 0;
}

static uint32_t
slot_of(const struct wants *w, unsigned service)
{
	uint32_t slot;

	assert(service < w->conf->n_services);
	slot = w->conf->services[service].segment_slot;
	assert(slot < w->n_slots);
	return slot;
}

bool
wants_refuse(struct wants *w, unsigned service, struct mono until)
{
	struct want *want = &w->list[slot_of(w, service)];
	bool is_new = want->refused_until.us != until.us;

	want->refused_until = until;
	return is_new;
}

struct mono
wants_refusal(const struct wants *w, unsigned service)
{
	return w->list[slot_of(w, service)].refused_until;
}

void
wants_commit(struct wants *w, const struct conf *conf)
{
	uint32_t slot;
	size_t i;

	w->conf = conf;
	for (slot = 0; slot < w->n_slots; slot++)
		w->list[slot].is_service = false;
	for (i = 0; i < conf->n_services; i++)
		w->list[slot_of(w, (unsigned)i)].is_service = true;
	for (slot = 0; slot < w->n_slots; slot++) {
		if (!w->list[slot].is_service)
			w->list[slot] = (struct want){.is_early = false};
	}
}

void
wants_settle(struct wants *w)
{
	for (size_t i = 0; i < w->conf->n_services; i++) {
		struct want *want = &w->list[slot_of(w, (unsigned)i)];

		if (!want->is_early)
			continue;
		want->is_early = false;
		tell(w, (unsigned)i);
	}
}
