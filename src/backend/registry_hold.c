/* The services that are wanted while nothing of them is up. */
#include "backend/registry_priv.h"

static struct service_state *
find_slot(const struct registry *r, uint32_t slot)
{
	size_t i;

	for (i = 0; i < r->n_services; i++) {
		if (r->services[i]->conf->segment_slot == slot)
			return r->services[i];
	}
	return NULL;
}

int
registry_refuse(struct registry *r, const struct msg_refuse *msg)
{
	struct service_state *s;

	if (msg->service >= segment_slots(r->segment))
		return -TG_EPROTO;
	s = find_slot(r, msg->service);
	if (s == NULL || s->refused_until.us == msg->until_us)
		return 0;
	s->refused_until.us = msg->until_us;
	s->changed = true;
	return 0;
}

/* Somebody is held, and not on the way to what came up, or to be refused. */
static bool
is_wanted(const struct service_state *s)
{
	struct segment_shared *shared =
		segment_shared(s->shared->segment, s->conf->segment_slot);

	return s->served.n == 0 && !mono_is_set(s->refused_until) && s->conf->hold.requests != 0 &&
	       atomic_load(&shared->held) > 0;
}

void
registry_tell_wanted(struct registry *r, bool (*tell)(void *arg, uint32_t slot), void *arg)
{
	size_t i;

	for (i = 0; i < r->n_services; i++) {
		struct service_state *s = r->services[i];

		if (!is_wanted(s))
			s->is_told = false;
		else if (!s->is_told)
			s->is_told = tell(arg, s->conf->segment_slot);
	}
}

void
registry_forget_wanted(struct registry *r)
{
	size_t i;

	for (i = 0; i < r->n_services; i++)
		r->services[i]->is_told = false;
}
