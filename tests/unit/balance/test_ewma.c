#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "balance/balance.h"
#include "base/hash.h"
#include "unit/balance/service.h"

#define OPS     (&balance_ewma)
#define N_MAX   8
#define FLIGHTS 4096
#define SECOND  UINT64_C(1000000)
#define EACH_US UINT64_C(500)

static struct backends backends;

/* A stream every 500 us, which ends when its backend's latency is over. */
struct world {
	struct service s;
	uint64_t now;
	uint64_t latency_us[N_MAX];
	bool fails[N_MAX];
	unsigned got[N_MAX];
	struct flight {
		uint64_t ends;
		uint64_t began;
		uint32_t backend;
	} flights[FLIGHTS];
	size_t n_flights;
	uint64_t n_picks;
};

static struct world world;

static void
world_open(const uint32_t *weights, size_t n, uint64_t latency_us)
{
	memset(&world, 0, sizeof(world));
	backends_init(&backends, n);
	service_open(&world.s, OPS, &backends, weights, 2, 17);
	world.now = 100 * SECOND;
	for (size_t i = 0; i < n; i++)
		world.latency_us[i] = latency_us;
}

static void
world_land(size_t i)
{
	struct flight *f = &world.flights[i];
	struct balance_outcome outcome = {
		.latency_us = f->ends - f->began,
		.failed = world.fails[f->backend],
		.now = {f->ends},
	};

	OPS->release(world.s.workers[f->backend % 2], world.s.view, f->backend,
		     backends.loads[f->backend], &outcome);
	world.flights[i] = world.flights[--world.n_flights];
}

static void
world_step(void)
{
	struct balance_query query = {.now = {world.now}};
	uint64_t latency;
	uint32_t b;

	for (size_t i = world.n_flights; i-- > 0;) {
		if (world.flights[i].ends <= world.now)
			world_land(i);
	}
	b = service_pick(&world.s, world.n_picks++ % 2, &query);
	assert_int_not_equal(b, TG_VIEW_NONE);
	assert_true(world.n_flights < FLIGHTS);
	/* Give or take a tenth. */
	latency = world.latency_us[b] * (900 + hash_number(world.n_picks) % 201) / 1000;
	world.flights[world.n_flights++] = (struct flight){world.now + latency, world.now, b};
	world.got[b]++;
	world.now += EACH_US;
}

/* For so long; counts anew. */
static void
world_run(uint64_t us)
{
	uint64_t end = world.now + us;

	memset(world.got, 0, sizeof(world.got));
	while (world.now < end)
		world_step();
}

static void
world_close(void)
{
	while (world.n_flights > 0)
		world_land(0);
	assert_int_equal(backends_in_flight(&backends), 0);
	service_close(&world.s);
}

/* In thousandths of all since world_run() began. */
static unsigned
share(uint32_t backend)
{
	unsigned all = 0;

	for (int i = 0; i < N_MAX; i++)
		all += world.got[i];
	return world.got[backend] * 1000 / all;
}

static const uint32_t four[4] = {1, 1, 1, 1};

static void
equal_latencies_share_evenly(void **state)
{
	(void)state;
	world_open(four, 4, 2000);
	world_run(20 * SECOND);
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(share(i), 225, 275);
	world_close();
}

/* One stream at a time: what the weights say, not only the heaviest. */
static void
idle_ones_share_by_weight(void **state)
{
	static const uint32_t weights[3] = {5, 2, 1};

	(void)state;
	world_open(weights, 3, 100);
	world_run(60 * SECOND);
	assert_in_range(share(0), 500, 700);
	assert_in_range(share(1), 200, 300);
	assert_in_range(share(2), 100, 150);
	/* Some eight at a time. */
	for (uint32_t i = 0; i < 3; i++)
		world.latency_us[i] = 4000;
	world_run(20 * SECOND);
	world_run(60 * SECOND);
	assert_in_range(share(1), 200, 300);
	assert_in_range(share(2), 80, 160);
	world_close();
}

static void
fast_ones_are_preferred(void **state)
{
	(void)state;
	world_open(four, 4, 2000);
	world.latency_us[2] = 40000;
	world_run(2 * SECOND);
	world_run(120 * SECOND);
	/* Least in flight alone would give it some 40 of 1000. */
	assert_true(world.got[2] > 0);
	assert_true(share(2) < 10);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(i == 2 || share(i) > 300);
	world_close();
}

/* One late answer is enough. */
static void
a_peak_is_noticed_at_once(void **state)
{
	(void)state;
	world_open(four, 4, 1000);
	world_run(5 * SECOND);
	assert_in_range(share(1), 200, 300);
	world.latency_us[1] = 100000;
	world_run(SECOND / 5);
	world_run(SECOND);
	assert_in_range(share(1), 0, 15);
	world_close();
}

/* From now on until it is asked again. */
static uint64_t
rest_of(uint32_t backend)
{
	uint64_t begin = world.now;

	world.got[backend] = 0;
	while (world.got[backend] == 0)
		world_step();
	return world.now - begin;
}

/* One of 2 s beside others of 2 ms is no verdict: it was as good as they are. One that is late again and again is. */
static void
a_single_late_answer_is_soon_forgotten(void **state)
{
	(void)state;
	world_open(four, 4, 2000);
	world_run(10 * SECOND);
	world.latency_us[1] = 2 * SECOND;
	(void)rest_of(1);
	world.latency_us[1] = 2000;
	world_run(3 * SECOND);
	assert_in_range(rest_of(1), 5 * SECOND, 20 * SECOND);
	world_run(5 * SECOND);
	world_run(5 * SECOND);
	assert_in_range(share(1), 200, 300);
	world.latency_us[1] = 2 * SECOND;
	world_run(200 * SECOND);
	assert_true(world.got[1] > 0);
	assert_true(share(1) < 1);
	world_run(SECOND);
	assert_in_range(rest_of(1), 1, 80 * SECOND);
	world_run(5 * SECOND);
	assert_in_range(rest_of(1), 30 * SECOND, 80 * SECOND);
	world_close();
}

/* As slow as it was, it is asked now and then; fast again, it has its share back. */
static void
slow_ones_are_not_starved_and_recover(void **state)
{
	(void)state;
	world_open(four, 4, 1000);
	world.latency_us[1] = 50000;
	world_run(20 * SECOND);
	world_run(120 * SECOND);
	assert_true(world.got[1] > 0);
	assert_true(share(1) < 30);
	world.latency_us[1] = 1000;
	world_run(100 * SECOND);
	world_run(10 * SECOND);
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(share(i), 200, 300);
	world_close();
}

/* The shorter the decay the sooner. */
static unsigned
picks_until_recovered(uint64_t decay_ms)
{
	unsigned picks;

	world_open(four, 4, 1000);
	service_close(&world.s);
	backends_init(&backends, 4);
	backends.conf.ewma_decay_ms = decay_ms;
	service_open(&world.s, OPS, &backends, four, 2, 17);
	world.latency_us[1] = 50000;
	world_run(20 * SECOND);
	world.latency_us[1] = 1000;
	world_run(1);
	for (picks = 0; world.got[1] < 50 && picks < 200000; picks++)
		world_step();
	world_close();
	return picks;
}

static void
decay_says_how_soon(void **state)
{
	unsigned quick = picks_until_recovered(500);
	unsigned slow = picks_until_recovered(20000);

	(void)state;
	assert_true(quick < 10000);
	assert_true(slow > 2 * quick);
	assert_true(slow < 200000);
}

/* It is there, and nobody knows how fast it is: neither all go there nor none. */
static void
newcomers_are_neither_starved_nor_flooded(void **state)
{
	static const uint32_t three[4] = {1, 1, 1, 0};

	(void)state;
	world_open(three, 4, 2000);
	world_run(5 * SECOND);
	world.latency_us[3] = 60000;
	service_set(&world.s, four);
	world_run(SECOND / 20);
	assert_in_range(world.got[3], 3, 40); /* of 100, before its first answer */
	world.latency_us[3] = 2000;
	world_run(120 * SECOND);
	world_run(5 * SECOND);
	assert_in_range(share(3), 200, 300);
	world_close();
}

/* A backend that fails at once is not a fast one. */
static void
failing_fast_is_not_fast(void **state)
{
	(void)state;
	world_open(four, 4, 2000);
	world.latency_us[0] = 50;
	world.fails[0] = true;
	world_run(SECOND);
	world_run(20 * SECOND);
	assert_true(share(0) < 10);
	world.fails[0] = false;
	world.latency_us[0] = 2000;
	world_run(150 * SECOND);
	world_run(5 * SECOND);
	assert_in_range(share(0), 200, 300);
	world_close();
}

static void
weight_is_power(void **state)
{
	static const uint32_t weights[2] = {1, 3};

	(void)state;
	world_open(weights, 2, 40000); /* 80 in flight */
	world_run(5 * SECOND);
	world_run(20 * SECOND);
	assert_in_range(share(0), 225, 275);
	world_close();
}

/* Nothing was measured: streams in flight decide. */
static void
unmeasured_ones_share_by_load(void **state)
{
	(void)state;
	world_open(four, 4, 1000 * SECOND);
	world_run(SECOND);
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(share(i), 240, 260);
	world_close();
}

/* Workers' clocks differ by a turn of their loops; an old time makes nothing of what is known. */
static void
time_that_goes_back_does_no_harm(void **state)
{
	struct balance_outcome slow = {.latency_us = 50000, .now = {200 * SECOND}};
	struct balance_outcome older = {.latency_us = 50000, .now = {SECOND}};
	static const uint32_t two[2] = {1, 1};
	struct service s;

	(void)state;
	backends_init(&backends, 2);
	service_open(&s, OPS, &backends, two, 1, 3);
	for (uint32_t i = 0; i < 2; i++)
		assert_true(OPS->take(s.workers[0], s.view, i));
	OPS->release(s.workers[0], s.view, 0, backends.loads[0], &slow);
	OPS->release(s.workers[0], s.view, 1, backends.loads[1],
		     &(struct balance_outcome){.latency_us = 1000, .now = {200 * SECOND}});
	assert_true(OPS->take(s.workers[0], s.view, 0));
	OPS->release(s.workers[0], s.view, 0, backends.loads[0], &older);
	for (int i = 0; i < 20; i++) {
		struct balance_query query = {.now = {200 * SECOND}};

		assert_int_equal(service_next(&s, 0, &query), 1);
	}
	service_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_latencies_share_evenly),
		cmocka_unit_test(idle_ones_share_by_weight),
		cmocka_unit_test(fast_ones_are_preferred),
		cmocka_unit_test(a_peak_is_noticed_at_once),
		cmocka_unit_test(a_single_late_answer_is_soon_forgotten),
		cmocka_unit_test(slow_ones_are_not_starved_and_recover),
		cmocka_unit_test(decay_says_how_soon),
		cmocka_unit_test(newcomers_are_neither_starved_nor_flooded),
		cmocka_unit_test(failing_fast_is_not_fast),
		cmocka_unit_test(weight_is_power),
		cmocka_unit_test(unmeasured_ones_share_by_load),
		cmocka_unit_test(time_that_goes_back_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
