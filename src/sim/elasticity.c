#include "sim/elasticity.h"

#define MINUTE_US UINT64_C(60000000)

void
elasticity_init(struct elasticity *e, const struct scene *scene, uint32_t supply)
{
	*e = (struct elasticity){.scene = scene, .supply = supply};
}

static uint32_t
need_at(const struct elasticity *e, uint64_t at_us)
{
	size_t step = (size_t)(at_us / e->scene->load.step_us);

	return e->scene->need[step < e->scene->load.n ? step : e->scene->load.n - 1];
}

static int
sign(uint32_t now, uint32_t before)
{
	return (now > before) - (now < before);
}

static void
end_minute(struct elasticity *e, uint32_t need)
{
	if (e->has_minute) {
		e->minutes++;
		e->unstable += sign(e->supply, e->minute_supply) != sign(need, e->minute_need);
	}
	e->has_minute = true;
	e->minute_supply = e->supply;
	e->minute_need = need;
}

/* Inside a step of the load and a minute: all is as it was. */
static void
add(struct elasticity *e, uint32_t need, uint64_t us)
{
	double s = (double)us / 1e6;

	if (e->supply < need) {
		e->under += (double)(need - e->supply) / need * s;
		e->under_us += us;
	} else if (e->supply > need) {
		e->over += (double)(e->supply - need) / need * s;
		e->over_us += us;
	}
}

static uint64_t
next_multiple(uint64_t at_us, uint64_t of_us)
{
	return (at_us / of_us + 1) * of_us;
}

void
elasticity_advance(struct elasticity *e, uint64_t now_us)
{
	while (e->now_us < now_us) {
		uint32_t need = need_at(e, e->now_us);
		uint64_t end_us = next_multiple(e->now_us, e->scene->load.step_us);
		uint64_t minute_us = next_multiple(e->now_us, MINUTE_US);

		end_us = minute_us < end_us ? minute_us : end_us;
		end_us = now_us < end_us ? now_us : end_us;
		add(e, need, end_us - e->now_us);
		e->now_us = end_us;
		if (end_us == minute_us)
			end_minute(e, need);
	}
}

void
elasticity_supply(struct elasticity *e, uint32_t supply)
{
	e->supply = supply;
}

struct elasticity_figures
elasticity_figures(const struct elasticity *e)
{
	double s = e->now_us > 0 ? (double)e->now_us / 1e6 : 1;

	return (struct elasticity_figures){
		.theta_u = 100 * e->under / s,
		.theta_o = 100 * e->over / s,
		.tau_u = 100 * (double)e->under_us / 1e6 / s,
		.tau_o = 100 * (double)e->over_us / 1e6 / s,
		.upsilon = e->minutes > 0 ? 100 * (double)e->unstable / (double)e->minutes : 0,
	};
}
