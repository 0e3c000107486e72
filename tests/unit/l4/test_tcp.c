/* A connection of mode tcp that waits for its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "backend/lease.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "l4/l4.h"
#include "observe/counters.h"
#include "unit/backend/world.h"

static const char text[] =
	WORLD("{ name = \"a\"; health = { type = \"none\"; }; max_connections_per_backend = 1; "
	      "timeouts = { queue = \"1h\"; total = \"1ms\"; }; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; } ); }");

static struct world world;
static struct worker worker;
static struct addr at;
static int backend;

static void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&worker, view);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	backend = fake_listen(&at);
	if (world_open(&world, text) != 0 || world_open_worker(&world, &worker, 0, &l4_front_ops) != 0)
		return -1;
	assert_int_equal(world_observe(&world, 0, 0, TG_HEALTH_UP, addr_port(&at)), 0);
	return registry_publish(world.registry, (struct mono){1}, hand_out, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	worker_fini(&worker);
	world_close(&world);
	close(backend);
	return 0;
}

static bool
is_asked(void)
{
	struct pollfd p = {.fd = backend, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static uint64_t
ended(enum end_reason reason)
{
	return segment_sum(world.segment, world.conf->services[0].segment_slot, TG_COUNTER_OF_END(reason));
}

/* Its timer, which is coarse, has not told it yet. */
static void
a_place_that_comes_after_the_total_time_is_not_used(void **state)
{
	static const struct balance_outcome fine;
	struct balance_query query = {.n_tried = 0};
	struct lease held = {.backend = NULL};
	struct worker_service *service = world_service(&world, &worker, 0);
	int client[2];

	(void)state;
	assert_int_equal(lease_begin(&held, service, &query, TG_LEASE_ANY), 0);
	fake_pair_tcp(client);
	l4_front_ops.open(&worker, world_listener(&world, &worker, 0),
			  &(struct accepted){.fd = client[0], .from = at});
	assert_true(queue_has_waiters(service->queue));
	usleep(2000);
	(void)loop_now_update(worker.loop);
	lease_end(&held, &fine);
	loop_serve_calls(worker.loop);
	assert_false(is_asked());
	assert_int_equal(ended(TG_END_TOTAL_TIMEOUT), 1);
	assert_int_equal(atomic_load(&service->backends[0]->load->in_flight), 0);
	fake_turn(worker.loop);
	close(client[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_place_that_comes_after_the_total_time_is_not_used, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
