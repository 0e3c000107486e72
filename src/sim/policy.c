#include <stdlib.h>
#include <string.h>

#include "autoscale/point.h"
#include "autoscale/record.h"
#include "sim/policy_priv.h"

#define MEMORY_LEAST 0.01 /* what runs has memory */

/*** What there is ***/

static const enum tg_backend_state states[TG_REPLICA_STATE_COUNT] = {
	[TG_REPLICA_GONE] = TG_BACKEND_STOPPING,
	[TG_REPLICA_STARTING] = TG_BACKEND_STARTING,
	[TG_REPLICA_READY] = TG_BACKEND_READY,
	[TG_REPLICA_DRAINING] = TG_BACKEND_DRAINING,
};

/* Slot time that was used since the sample before. Not known of one that was not ready all that time, as in the
 * daemon, where a rate needs two readings. */
static double
usage_of(struct policy *p, const struct replica *r, uint32_t place, uint64_t now_us, uint32_t slots)
{
	uint64_t busy_us = replica_busy_us(r, now_us);
	uint64_t before_us = p->busy_us[place];
	uint64_t us = now_us - p->sampled_us;

	p->busy_us[place] = busy_us;
	if (!p->has_sample || us == 0 || r->state != TG_REPLICA_READY || r->since_us > p->sampled_us)
		return NAN;
	return (double)(busy_us - before_us) / ((double)us * slots);
}

static struct tg_backend
backend_of(struct policy *p, const struct replica *r, uint32_t place, uint64_t now_us, uint32_t slots)
{
	double cpu = usage_of(p, r, place, now_us, slots);

	return (struct tg_backend){
		.name = p->names[place],
		.state = states[r->state],
		.since_ms = TG_POLICY_EPOCH + (int64_t)(r->since_us / 1000),
		.in_flight = r->state == TG_REPLICA_STARTING ? NAN : (double)r->in_flight,
		.cpu = cpu,
		.memory = isnan(cpu) ? NAN : cpu < MEMORY_LEAST ? MEMORY_LEAST : cpu,
	};
}

static void
note_start(struct policy *p, double took_s)
{
	if (isnan(p->start_s))
		outlook_started(planning_outlook(p->planning), took_s);
	p->start_s = took_s;
}

/* Those that are not gone; the mean of what is known of them is the service's. */
static uint32_t
take_backends(struct policy *p, const struct replicas *all, uint64_t now_us,
	      struct service_sample *sample)
{
	double cpu = 0;
	double memory = 0;
	uint32_t known = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < all->n; i++) {
		struct tg_backend b;

		if (all->all[i].state == TG_REPLICA_GONE) {
			p->busy_us[i] = 0;
			continue;
		}
		b = p->backends[n++] = backend_of(p, &all->all[i], i, now_us, all->slots);
		/* All take as long; those that were there at the begin tell nothing. */
		if (b.state == TG_BACKEND_READY && all->all[i].since_us > 0)
			note_start(p, (double)all->start_us / 1e6);
		if (isnan(b.cpu))
			continue;
		cpu += b.cpu;
		memory += b.memory;
		known++;
	}
	sample->cpu = known > 0 ? cpu / known : NAN;
	sample->memory = known > 0 ? memory / known : NAN;
	return n;
}

static int
measure(struct policy *p, struct world *w, uint32_t *ret_backends, struct err *err)
{
	const struct replicas *all = world_replicas(w);
	uint64_t now_us = world_now_us(w);
	struct mono now = {.us = (uint64_t)TG_POLICY_EPOCH * 1000 + now_us};
	struct service_sample sample;
	struct store_point point;

	meter_take(world_meter(w), now, p->has_sample ? now_us - p->sampled_us : 0, all->in_flight,
		   world_queued(w), &sample);
	*ret_backends = take_backends(p, all, now_us, &sample);
	if (sample.in_flight > 0 || sample.queued > 0 || sample.arrivals > 0)
		p->active_ms = (int64_t)(now.us / 1000);
	point = point_of(&sample, all->counts[TG_REPLICA_READY], p->desired,
			 p->has_decision ? &p->decision : NULL);
	p->sampled_us = now_us;
	p->has_sample = true;
	outlook_put(planning_outlook(p->planning), (int64_t)(now.us / 1000), sample.arrivals, sample.service_time);
	return history_put(p->history, TG_POLICY_SERVICE, &point) < 0 ? err_no_memory(err) : 0;
}

/*** Deciding ***/

static void
fill_snapshot(struct policy *p, const struct replicas *all, uint64_t now_us, uint32_t n_backends)
{
	struct mono now = {.us = (uint64_t)TG_POLICY_EPOCH * 1000 + now_us};

	p->input.snapshot = (struct tg_snapshot){
		.size = sizeof(struct tg_snapshot),
		.now_ms = (int64_t)(now.us / 1000),
		.service = TG_POLICY_SERVICE,
		.ready = all->counts[TG_REPLICA_READY],
		.pending = all->counts[TG_REPLICA_STARTING],
		.draining = all->counts[TG_REPLICA_DRAINING],
		.desired = p->desired,
		.min = p->conf->min,
		.max = p->conf->max,
		.concurrency = p->concurrency,
		.n_backends = n_backends,
		.backends = p->backends,
		.start_s = p->start_s,
		.n_windows = p->n_windows,
		.windows = p->windows,
	};
	for (uint32_t i = 0; i < p->n_windows; i++)
		history_window(p->history, TG_POLICY_SERVICE, p->spans_ms[i], now, &p->windows[i]);
}

/* The daemon has another process for it; here no time passes meanwhile. */
static int
plan(struct policy *p)
{
	int rc = 0;

	planning_fill(p->planning, p->module, &p->input.snapshot);
	if (planning_wants(p->planning, p->module, p->values, &p->input.snapshot))
		rc = planning_solve(p->planning, p->module);
	planning_fill(p->planning, p->module, &p->input.snapshot);
	return rc;
}

static void
fill_state(struct policy *p, const struct world *w)
{
	struct decide_state *state = &p->input.state;

	*state = decide_state_of(p->conf);
	state->is_store_well = true;
	state->is_woken = p->input.snapshot.ready == 0 && world_queued(w) > 0;
	state->has_up = p->has_up;
	state->has_down = p->has_down;
	state->up_ms = p->up_ms;
	state->down_ms = p->down_ms;
	state->active_ms = p->active_ms;
}

static void
take_number(struct policy *p, uint32_t n)
{
	int direction = n > p->desired ? 1 : -1;

	if (n == p->desired)
		return;
	if (direction > 0) {
		p->has_up = true;
		p->up_ms = p->input.snapshot.now_ms;
	} else {
		p->has_down = true;
		p->down_ms = p->input.snapshot.now_ms;
	}
	p->changes++;
	p->reversals += p->direction == -direction;
	p->direction = direction;
	p->desired = n;
}

/* Another number, or other guards, as the daemon records it. */
static int
log_decision(struct policy *p, struct err *err)
{
	uint32_t guards = 0;
	char *text;
	int rc = 0;

	for (unsigned i = 0; i < p->decision.n_changes; i++)
		guards |= 1u << p->decision.changes[i].by;
	if (p->log == NULL || (p->number > 0 && p->decision.desired == p->desired && guards == p->guards))
		return 0;
	p->guards = guards;
	p->decision.took_us = 0; /* the one figure that is of this machine */
	text = record_text(&p->input, &p->decision, ++p->number,
			   (struct wall){.us = (uint64_t)p->input.snapshot.now_ms * 1000});
	if (text == NULL)
		return err_no_memory(err);
	if (fprintf(p->log, "%s\n", text) < 0)
		rc = err_set_errno(err, "the log of decisions");
	free(text);
	return rc;
}

int
policy_tick(struct policy *p, struct world *w, uint32_t *ret_desired, struct err *err)
{
	const struct replicas *all = world_replicas(w);
	uint32_t n_backends;
	int rc = measure(p, w, &n_backends, err);

	if (rc < 0)
		return rc;
	fill_snapshot(p, all, world_now_us(w), n_backends);
	fill_state(p, w);
	p->input.module = p->module;
	p->input.values = p->values;
	rc = plan(p);
	if (rc < 0)
		return err_no_memory(err);
	decide(&p->input, &p->decision);
	p->has_decision = true;
	rc = log_decision(p, err);
	take_number(p, p->decision.desired);
	*ret_desired = p->desired;
	return rc;
}

void
policy_judge(const struct policy *p, struct decide_input *in)
{
	in->module = p->module;
	in->values = p->values;
}

void
policy_begin(struct policy *p, uint32_t desired)
{
	p->desired = desired;
	p->active_ms = TG_POLICY_EPOCH;
}

void
policy_log(struct policy *p, FILE *out)
{
	p->log = out;
}

uint64_t
policy_interval_us(const struct policy *p)
{
	return p->conf->interval_ms * 1000;
}

uint32_t
policy_min(const struct policy *p)
{
	return p->conf->min;
}

uint32_t
policy_max(const struct policy *p)
{
	return p->conf->max;
}

uint32_t
policy_reversals(const struct policy *p)
{
	return p->reversals;
}

uint32_t
policy_changes(const struct policy *p)
{
	return p->changes;
}
