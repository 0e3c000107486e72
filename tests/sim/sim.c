/* A seed from its beginning to its end. Time and chance are the simulation's: the linker sees to it. */
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/hash.h"
#include "fake/turn.h"
#include "proc/slots.h"

#define START_US UINT64_C(5000000000)

static struct sim *present; /* whose time it is */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t us = present != NULL ? present->us : START_US;

	(void)id;
	ts->tv_sec = (time_t)(us / 1000000);
	ts->tv_nsec = (long)(us % 1000000 * 1000);
	return 0;
}

static uint64_t
throw_dice(struct sim *sim)
{
	sim->dice += UINT64_C(0x9e3779b97f4a7c15);
	return hash_number(sim->dice);
}

ssize_t
__wrap_getrandom(void *bytes, size_t n, unsigned flags)
{
	unsigned char *at = bytes;
	size_t i;

	(void)flags;
	for (i = 0; i < n; i++)
		at[i] = present != NULL ? (unsigned char)(throw_dice(present) >> 32) : 1;
	return (ssize_t)n;
}

uint32_t
sim_below(struct sim *sim, uint32_t n)
{
	return hash_below(throw_dice(sim), n);
}

uint32_t
sim_any_backend(struct sim *sim)
{
	uint32_t i = sim_below(sim, sim->n_backends);

	while (sim->is_wide && sim->service->backends[i].weight == 0 && !sim_one_in(sim, 50))
		i = sim_below(sim, sim->n_backends);
	return i;
}

/* the beginning */

static void
on_alarm(void *arg)
{
	((struct sim *)arg)->is_alarmed = true;
}

static int
open_world(struct sim *sim)
{
	struct err err = {""};
	uint32_t i;

	if (slots_create(sim->conf, &sim->segment, &err) != 0) {
		fprintf(stderr, "# %s\n", err.text);
		return -1;
	}
	sim->gauges = segment_shared(sim->segment, SIM_SERVICE_SLOT);
	for (i = 0; i < sim->n_backends; i++) {
		sim->backends[i].load = segment_load(sim->segment, SIM_BACKEND_SLOT + i);
		sim->backends[i].shared = segment_shared(sim->segment, SIM_BACKEND_SLOT + i);
	}
	sim->registry = registry_new(sim->conf, sim->segment);
	sim->control = loop_new();
	if (sim->registry == NULL || sim->control == NULL)
		return -1;
	registry_watch(sim->registry, sim->control, on_alarm, sim);
	return 0;
}

static int
open_worker(struct sim *sim, struct worker *w, unsigned id)
{
	struct worker_service *s;

	if (worker_init(w, id, sim->conf, sim->segment) != 0)
		return -1;
	s = worker_service_new(w, registry_shared(sim->registry, 0), NULL);
	if (s == NULL)
		return -1;
	worker_service_free(worker_service_set(w, s));
	return 0;
}

static int
open_workers(struct sim *sim)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		if (open_worker(sim, &sim->workers[i].worker, i) != 0)
			return -1;
	}
	return 0;
}

int
sim_open(struct sim *sim, uint64_t seed, const char *balance)
{
	memset(sim, 0, sizeof(*sim));
	sim->seed = seed;
	/* Another course for each algorithm. */
	sim->dice = hash_bytes(balance, strlen(balance), seed);
	sim->us = START_US;
	present = sim;
	sim_books_open(sim);
	if (sim_configure(sim, balance) != 0 || open_world(sim) != 0)
		return -1;
	sim->newest = view_new(sim->service, 0);
	if (sim->newest == NULL || open_workers(sim) != 0)
		return -1;
	if (sim->is_quiet)
		sim_control_heal(sim);
	return 0;
}

/* steps */

/* A millisecond on average; now and then all of it stands still for a while. */
static void
pass_time(struct sim *sim)
{
	sim->us += sim_below(sim, 2000);
	if (sim_one_in(sim, 5000))
		sim->us += sim_below(sim, 400000);
}

static struct sim_worker *
any_worker(struct sim *sim)
{
	return &sim->workers[sim_below(sim, sim->n_workers)];
}

static void
burst(struct sim *sim)
{
	struct sim_worker *w = any_worker(sim);
	uint32_t n = sim_below(sim, sim->pressure + 1);

	for (; n > 0 && !sim->is_broken; n--)
		sim_stream_begin(sim, w);
}

static void
turn_worker(struct sim *sim)
{
	struct sim_worker *w = any_worker(sim);

	sim_turn(sim, w);
	sim_stream_step(sim, w);
}

static void
step(struct sim *sim)
{
	sim->step++;
	pass_time(sim);
	if (sim_one_in(sim, 1000))
		sim->pressure = sim_below(sim, 8);
	switch (sim_below(sim, 16)) {
	case 0:
		sim_control_step(sim);
		break;
	case 1:
	case 2:
		burst(sim);
		break;
	case 3:
		sim_stream_abort(&sim->streams[sim_below(sim, SIM_STREAMS)]);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		sim_stream_step(sim, any_worker(sim));
		break;
	default:
		turn_worker(sim);
		break;
	}
	sim_books_check(sim);
}

void
sim_run(struct sim *sim, uint64_t steps)
{
	while (sim->step < steps && !sim->is_broken)
		step(sim);
}

/* the end */

void
sim_quiesce(struct sim *sim)
{
	unsigned round;
	unsigned i;

	/* Views, then what they grant, then what those grant that have left. */
	for (round = 0; round < 4; round++) {
		for (i = 0; i < sim->n_workers; i++)
			sim_turn(sim, &sim->workers[i]);
	}
}

/* Longer than any ejection and ramp: in steps, as things are due. */
static void
rest(struct sim *sim)
{
	unsigned i;
	unsigned w;

	for (i = 0; i < 600 && !sim->is_broken; i++) {
		sim->us += 50000;
		sim_control_turn(sim);
		for (w = 0; w < sim->n_workers; w++) {
			sim_turn(sim, &sim->workers[w]);
			sim_stream_step(sim, &sim->workers[w]);
		}
		sim_books_check(sim);
	}
}

static void
check_empty(struct sim *sim)
{
	uint32_t i;

	for (i = 0; i < SIM_STREAMS; i++) {
		if (sim->streams[i].state != SIM_IDLE)
			sim_break(sim, i, SIM_NONE, "does not end");
	}
	for (i = 0; i < sim->n_backends; i++) {
		if (sim->backends[i].in_flight != 0)
			sim_break(sim, SIM_NONE, i, "still has streams");
	}
}

void
sim_drain(struct sim *sim)
{
	if (!sim->is_broken)
		sim_control_heal(sim);
	rest(sim);
	if (sim->is_broken)
		return;
	sim_quiesce(sim);
	sim_books_check(sim);
	check_empty(sim);
	sim_control_check_rest(sim);
}

/* After a broken rule too: whatever still waits leaves first. */
void
sim_close(struct sim *sim)
{
	unsigned i;

	for (i = 0; i < SIM_STREAMS; i++)
		sim_stream_abort(&sim->streams[i]);
	for (i = 0; i < sim->n_workers; i++) {
		if (sim->workers[i].worker.loop == NULL)
			continue;
		fake_turn(sim->workers[i].worker.loop);
		worker_fini(&sim->workers[i].worker);
	}
	view_unref(sim->newest);
	if (sim->control != NULL)
		fake_turn(sim->control);
	registry_free(sim->registry);
	loop_free(sim->control);
	segment_close(sim->segment);
	conf_unref(sim->conf);
	sim_books_open(NULL);
	present = NULL;
}
