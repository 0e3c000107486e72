/* What happened last, and what is said when a rule is broken. */
#include <stdarg.h>
#include <stdio.h>

#include "sim/sim.h"

#define SHOWN 20u

void
sim_note(struct sim *sim, const char *what, uint32_t stream, uint32_t backend, int64_t number)
{
	sim->journal[sim->n_events++ % SIM_JOURNAL] = (struct sim_event){
		.step = sim->step,
		.us = sim->us,
		.what = what,
		.stream = stream,
		.backend = backend,
		.worker = sim->acting != NULL ? sim->acting->worker.id : SIM_NONE,
		.number = number,
	};
}

static bool
is_about(const struct sim_event *e, uint32_t stream, uint32_t backend)
{
	if (stream == SIM_NONE && backend == SIM_NONE)
		return true;
	if (e->stream == SIM_NONE && e->backend == SIM_NONE)
		return true;
	return (stream != SIM_NONE && e->stream == stream) ||
	       (backend != SIM_NONE && e->backend == backend);
}

static void
show_number(const char *word, uint32_t n)
{
	if (n != SIM_NONE)
		fprintf(stderr, " %s=%u", word, n);
}

static void
show(const struct sim_event *e)
{
	fprintf(stderr, "#   step %llu at %llu us: %s", (unsigned long long)e->step,
		(unsigned long long)e->us, e->what);
	show_number("stream", e->stream);
	show_number("backend", e->backend);
	show_number("worker", e->worker);
	fprintf(stderr, " (%lld)\n", (long long)e->number);
}

/* The last of them, oldest first. */
static void
show_last(const struct sim *sim, uint32_t stream, uint32_t backend)
{
	uint64_t first = sim->n_events > SIM_JOURNAL ? sim->n_events - SIM_JOURNAL : 0;
	uint64_t from = sim->n_events;
	unsigned n = 0;

	while (from > first && n < SHOWN)
		n += is_about(&sim->journal[--from % SIM_JOURNAL], stream, backend);
	for (; from < sim->n_events; from++) {
		if (is_about(&sim->journal[from % SIM_JOURNAL], stream, backend))
			show(&sim->journal[from % SIM_JOURNAL]);
	}
}

void
sim_break(struct sim *sim, uint32_t stream, uint32_t backend, const char *rule, ...)
{
	const char *balance = balance_find(sim->service->balance)->name;
	va_list args;

	if (sim->is_broken)
		return;
	sim->is_broken = true;
	fprintf(stderr, "# broken, seed %llu, step %llu, %s: ", (unsigned long long)sim->seed,
		(unsigned long long)sim->step, balance);
	va_start(args, rule);
	vfprintf(stderr, rule, args);
	va_end(args);
	show_number("stream", stream);
	show_number("backend", backend);
	fprintf(stderr, "\n# what happened before:\n");
	show_last(sim, stream, backend);
	fprintf(stderr,
		"# to repeat: TG_SIM_SEEDS=%llu TG_SIM_STEPS=%llu tests/sim/test_simulation %s\n",
		(unsigned long long)sim->seed, (unsigned long long)sim->step, balance);
}
