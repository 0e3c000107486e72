/*
 * sim/elasticity.h: how well what is there followed what was needed.
 *
 * N. R. Herbst, S. Kounev, R. Reussner, "Elasticity in Cloud Computing: What It Is, and What It Is Not" (ICAC
 * 2013), in the form of N. Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics"
 * (SPEC RG, 2016). With d(t) backends needed, s(t) ready, over the time T:
 *
 *	theta_U = 100/T sum of max(d - s, 0)/d dt      theta_O = 100/T sum of max(s - d, 0)/d dt
 *	tau_U   = 100/T time with s < d                tau_O   = 100/T time with s > d
 *	upsilon = 100/(T - t1) sum of min(|sgn(ds) - sgn(dd)|, 1) dt
 *
 * in percent; changes of upsilon are from minute to minute.
 */
#ifndef TG_SIM_ELASTICITY_H
#define TG_SIM_ELASTICITY_H

#include "sim/scene.h"

struct elasticity {
	const struct scene *scene;
	uint64_t now_us;
	uint32_t supply; /* ready now */
	double under;    /* seconds, each times its share */
	double over;
	uint64_t under_us;
	uint64_t over_us;
	uint64_t minutes;
	uint64_t unstable; /* minutes */
	bool has_minute;
	uint32_t minute_supply;
	uint32_t minute_need;
};

void elasticity_init(struct elasticity *e, const struct scene *scene, uint32_t supply);
/* Up to then there was as much as told last. */
void elasticity_advance(struct elasticity *e, uint64_t now_us);
void elasticity_supply(struct elasticity *e, uint32_t supply);

/* All in percent. A value. */
struct elasticity_figures {
	double theta_u;
	double theta_o;
	double tau_u;
	double tau_o;
	double upsilon;
};
struct elasticity_figures elasticity_figures(const struct elasticity *e);

#endif
