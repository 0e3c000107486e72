/* Another configuration of a world: what has a name already keeps its slot, as the parent has it. */
#ifndef TG_TESTS_UNIT_BACKEND_NEXT_H
#define TG_TESTS_UNIT_BACKEND_NEXT_H

#include "unit/backend/world.h"

static inline uint32_t
next_slot(const struct world *w, enum segment_kind kind, uint32_t parent, const char *name)
{
	uint32_t slot = segment_find(w->segment, kind, parent, name);
	int added;

	if (slot != TG_SEGMENT_NONE)
		return slot;
	added = segment_add(w->segment, kind, parent, name);
	assert_true(added > 0);
	return (uint32_t)added;
}

static inline struct conf *
next_conf(const struct world *w, const char *text)
{
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;
	size_t i;
	size_t k;

	if (conf_load_text(text, strlen(text), "next", &conf, &errors) != 0)
		fail_msg("%s", errors.n > 0 ? errors.list[0].text : "no configuration");
	for (i = 0; i < conf->n_listeners; i++)
		conf->listeners[i].segment_slot =
			next_slot(w, TG_SLOT_LISTENER, TG_SEGMENT_NONE, conf->listeners[i].name);
	for (i = 0; i < conf->n_services; i++) {
		struct conf_service *s = &conf->services[i];

		s->segment_slot = next_slot(w, TG_SLOT_SERVICE, TG_SEGMENT_NONE, s->name);
		for (k = 0; k < s->n_backends; k++)
			s->backends[k].segment_slot =
				next_slot(w, TG_SLOT_BACKEND, s->segment_slot, s->backends[k].name);
	}
	return conf;
}

#endif
