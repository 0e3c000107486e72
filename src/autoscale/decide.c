#include "autoscale/decide.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

/*** The module's part ***/

static const struct tg_window *
find_window(const struct tg_snapshot *s, uint32_t span_ms)
{
	const struct tg_window *best = NULL;

	for (uint32_t i = 0; i < s->n_windows; i++) {
		const struct tg_window *w = &s->windows[i];

		if (w->span_ms == span_ms)
			return w;
		if (best == NULL || (best->span_ms < span_ms ? w->span_ms > best->span_ms
							     : w->span_ms >= span_ms &&
								       w->span_ms < best->span_ms))
			best = w;
	}
	return best;
}

static void
empty_window(uint32_t span_ms, struct tg_window *ret)
{
	*ret = (struct tg_window){.span_ms = span_ms};
	for (size_t i = 0; i < TG_METRIC_COUNT; i++)
		ret->metrics[i] = (struct tg_figure){
			.first = NAN, .last = NAN, .mean = NAN, .min = NAN, .max = NAN};
}

/* As many as the module asked for, in its order. */
static uint32_t
fill_windows(const struct decide_input *in, struct tg_window *ret)
{
	uint32_t spans[TG_WINDOWS_MAX] = {0};
	uint32_t n = module_windows(in->module, in->values, spans);

	for (uint32_t i = 0; i < n; i++) {
		const struct tg_window *found = find_window(&in->snapshot, spans[i]);

		if (found != NULL)
			ret[i] = *found;
		else
			empty_window(spans[i], &ret[i]);
	}
	return n;
}

/* Modules are not ours: what they say is made to be what the header promises. */
static void
make_sound(struct tg_proposal *p)
{
	p->reason[sizeof(p->reason) - 1] = '\0';
	for (char *c = p->reason; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (!p->has_raw)
		p->raw = p->desired;
	p->has_raw = true;
	if (!isfinite(p->load) || p->load < 0)
		p->load = NAN;
}

static void
propose(const struct decide_input *in, struct decision *d)
{
	const struct tg_autoscaler *ops = in->module->ops;
	struct tg_window windows[TG_WINDOWS_MAX];
	struct tg_snapshot snapshot = in->snapshot;
	struct mono start = mono_read();

	snapshot.size = sizeof(snapshot);
	snapshot.n_windows = fill_windows(in, windows);
	snapshot.windows = windows;
	ops->propose(in->values, &snapshot, &d->proposal);
	d->took_us = mono_diff_us(mono_read(), start);
	make_sound(&d->proposal);
	d->desired = d->proposal.desired;
	d->is_blind = d->proposal.is_unsure;
}

/*** Guards: each changes the number, or leaves it ***/

static void
set(struct decision *d, enum guard by, uint32_t to)
{
	if (to == d->desired)
		return;
	d->changes[d->n_changes].by = by;
	d->changes[d->n_changes].from = d->desired;
	d->changes[d->n_changes].to = to;
	d->n_changes++;
	d->desired = to;
}

static bool
is_within(int64_t now, int64_t since, uint64_t span_ms)
{
	return now < since || (uint64_t)(now - since) < span_ms;
}

/* Nothing was asked of it for the idle time. */
static bool
is_idle(const struct decide_input *in)
{
	const struct decide_state *st = &in->state;

	return in->snapshot.min == 0 && !st->is_woken &&
	       !is_within(in->snapshot.now_ms, st->active_ms, st->idle_ms);
}

static void
guard_zero(const struct decide_input *in, struct decision *d)
{
	if (is_idle(in))
		set(d, TG_GUARD_IDLE, 0);
	else if (in->snapshot.min == 0 && d->desired == 0 && in->snapshot.desired > 0)
		set(d, TG_GUARD_IDLE, 1);
	if (in->state.is_woken && d->desired == 0)
		set(d, TG_GUARD_WAKE, 1);
}

static void
guard_blind(const struct decide_input *in, struct decision *d)
{
	uint32_t have = in->snapshot.desired;

	if (d->desired < have && d->is_blind && !is_idle(in))
		set(d, TG_GUARD_BLIND, have);
	if (d->desired < have && !in->state.is_store_well)
		set(d, TG_GUARD_STORE, have);
}

/* What is used, in whole backends, must leave room in those that stay. */
static void
guard_no_flap(const struct decide_input *in, struct decision *d)
{
	uint32_t have = in->snapshot.desired;
	double used = d->proposal.load * in->snapshot.ready;
	double least;

	if (d->desired >= have || is_idle(in) || isnan(used))
		return;
	least = floor(used) + 1;
	if (least > d->desired && least > in->snapshot.min)
		set(d, TG_GUARD_NO_FLAP, least < have ? (uint32_t)least : have);
}

static void
guard_steps(const struct decide_input *in, struct decision *d)
{
	uint64_t have = in->snapshot.desired;
	uint64_t up = in->state.step_up;
	uint64_t down = in->state.step_down;

	if (up > 0 && d->desired > have + up)
		set(d, TG_GUARD_STEP_UP, (uint32_t)(have + up));
	if (down > 0 && d->desired + down < have)
		set(d, TG_GUARD_STEP_DOWN, (uint32_t)(have - down));
}

static void
guard_cooldowns(const struct decide_input *in, struct decision *d)
{
	const struct decide_state *st = &in->state;
	int64_t now = in->snapshot.now_ms;
	uint32_t have = in->snapshot.desired;
	bool is_waking = have == 0 && st->is_woken;

	if (d->desired > have && !is_waking && st->has_up &&
	    is_within(now, st->up_ms, st->cooldown_up_ms))
		set(d, TG_GUARD_COOLDOWN_UP, have);
	if (d->desired < have && ((st->has_up && is_within(now, st->up_ms, st->cooldown_down_ms)) ||
				  (st->has_down && is_within(now, st->down_ms, st->cooldown_down_ms))))
		set(d, TG_GUARD_COOLDOWN_DOWN, have);
	if (d->desired > have && now < st->retry_ms)
		set(d, TG_GUARD_BACKOFF, have);
}

static void
guard_limits(const struct decide_input *in, struct decision *d)
{
	if (d->desired < in->snapshot.min)
		set(d, TG_GUARD_MIN, in->snapshot.min);
	if (d->desired > in->snapshot.max)
		set(d, TG_GUARD_MAX, in->snapshot.max);
}

void
decide(const struct decide_input *in, struct decision *ret)
{
	*ret = (struct decision){.desired = 0};
	propose(in, ret);
	if (in->state.has_manual) {
		set(ret, TG_GUARD_MANUAL, in->state.manual);
		return;
	}
	if (in->state.is_paused) {
		set(ret, TG_GUARD_PAUSED, in->snapshot.desired);
	} else {
		guard_zero(in, ret);
		guard_blind(in, ret);
		guard_no_flap(in, ret);
		guard_steps(in, ret);
		guard_cooldowns(in, ret);
	}
	guard_limits(in, ret);
}

struct decide_state
decide_state_of(const struct conf_autoscale *conf)
{
	return (struct decide_state){
		.step_up = conf->step_up,
		.step_down = conf->step_down,
		.cooldown_up_ms = conf->cooldown_up_ms,
		.cooldown_down_ms = conf->cooldown_down_ms,
		.idle_ms = conf->idle_ms,
	};
}

double
decision_raw(const struct decision *d)
{
	return d != NULL && !d->proposal.is_unsure ? (double)d->proposal.raw : NAN;
}

const char *
guard_str(unsigned guard)
{
	static const char *const words[] = {
#define GUARD_WORD(id, word, help) [TG_GUARD_##id] = word,
		TG_GUARDS(GUARD_WORD)
#undef GUARD_WORD
	};

	return guard < TG_GUARD_COUNT ? words[guard] : "?";
}
