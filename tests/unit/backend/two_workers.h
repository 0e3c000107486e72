/* A world with two workers, as the threads of a proxy have them. */
#ifndef TG_TESTS_UNIT_BACKEND_TWO_WORKERS_H
#define TG_TESTS_UNIT_BACKEND_TWO_WORKERS_H

#include "fake/turn.h"
#include "unit/backend/world.h"

static struct world world;
static struct worker workers[2];
static const struct front_ops no_fronts;

/* For setup functions: 0, or -1. */
static inline int
open_two_workers(const char *text)
{
	fake_limit_start();
	if (world_open(&world, text) != 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		if (world_open_worker(&world, &workers[i], i, &no_fronts) != 0)
			return -1;
	}
	return 0;
}

static inline int
close_two_workers(void)
{
	worker_fini(&workers[0]);
	worker_fini(&workers[1]);
	world_close(&world);
	return 0;
}

static inline void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&workers[0], view_ref(view));
	worker_set_view(&workers[1], view);
}

/* What the keeper saw reaches both workers. */
static inline void
set(uint32_t service, uint32_t backend, uint32_t health, uint16_t port)
{
	assert_int_equal(world_observe(&world, service, backend, health, port), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_out, NULL), 0);
}

static inline void
up(uint32_t service, uint32_t backend, uint16_t port)
{
	set(service, backend, TG_HEALTH_UP, port);
}

static inline struct worker_service *
service_of(unsigned worker, unsigned service)
{
	return world_service(&world, &workers[worker], service);
}

static inline uint32_t
slot_of(enum segment_kind kind, const char *service, const char *name)
{
	uint32_t parent = TG_SEGMENT_NONE;

	if (kind == TG_SLOT_BACKEND)
		parent = segment_find(world.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, service);
	return segment_find(world.segment, kind, parent, name);
}

#endif
