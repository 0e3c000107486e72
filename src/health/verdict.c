#include "health/verdict.h"

static void
verdict_set_state(struct verdict *v, enum backend_health state, struct mono now)
{
	v->down_us = verdict_down_us(v, now);
	if (v->state == TG_HEALTH_UP && state == TG_HEALTH_DOWN)
		v->downs++;
	v->state = state;
	v->since = now;
	v->run = 0;
}

void
verdict_restart(struct verdict *v, struct mono now)
{
	verdict_set_state(v, TG_HEALTH_CHECKING, now);
}

void
verdict_force(struct verdict *v, enum backend_health state, struct mono now)
{
	if (v->state != state)
		verdict_set_state(v, state, now);
}

/* Checks in a row it takes to leave the state. */
static unsigned
threshold(const struct verdict *v, unsigned rise, unsigned fall)
{
	switch (v->state) {
	case TG_HEALTH_UP:
		return fall;
	case TG_HEALTH_DOWN:
		return rise;
	case TG_HEALTH_CHECKING:
	case TG_BACKEND_HEALTH_COUNT:
		break;
	}
	return 1;
}

void
verdict_rule(struct verdict *v, unsigned rise, unsigned fall)
{
	unsigned most = threshold(v, rise, fall) - 1;

	if (v->run > most)
		v->run = most;
}

bool
verdict_step(struct verdict *v, unsigned rise, unsigned fall, bool passed, struct mono now)
{
	enum backend_health said = passed ? TG_HEALTH_UP : TG_HEALTH_DOWN;

	if (v->state == said) {
		v->run = 0;
		return false;
	}
	if (++v->run < threshold(v, rise, fall))
		return false;
	verdict_set_state(v, said, now);
	return true;
}

uint64_t
verdict_down_us(const struct verdict *v, struct mono now)
{
	return v->down_us + (v->state == TG_HEALTH_DOWN ? mono_diff_us(now, v->since) : 0);
}

const char *
backend_health_str(unsigned state)
{
	static const char *const words[TG_BACKEND_HEALTH_COUNT] = {
		[TG_HEALTH_CHECKING] = "checking",
		[TG_HEALTH_UP] = "up",
		[TG_HEALTH_DOWN] = "down",
	};

	return state < TG_BACKEND_HEALTH_COUNT ? words[state] : "?";
}
