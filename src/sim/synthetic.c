/* sim/synthetic.c: loads that are made by a seed, a step of a second, the greatest rate 1. */
#include <stdlib.h>
#include <string.h>

#include "sim/rng.h"
#include "sim/workload.h"

#define SECOND_US 1000000u
#define DAY_S     86400u
#define HOUR_S    3600u

struct made {
	const char *name;
	const char *help;
	void (*fill)(struct rng *rng, size_t n, double *rates);
};

/* Exponential, whole seconds, one at least. */
static size_t
draw_seconds(struct rng *rng, double mean)
{
	return (size_t)((double)rng_exponential(rng) / TG_RNG_ONE * mean) + 1;
}

/* From 0 to 1. */
static double
draw_share(struct rng *rng)
{
	return (double)(rng_next(rng) >> 32) / TG_RNG_ONE;
}

/* As a sine between 0 and 1: two parabolas, of which no digit depends on a library. */
static double
wave(double turns)
{
	double x = (turns - (double)(size_t)turns) * 2;

	return x < 1 ? 0.5 + 2 * x * (1 - x) : 0.5 - 2 * (x - 1) * (2 - x);
}

static void
fill_diurnal(struct rng *rng, size_t n, double *rates)
{
	double noise = 0;

	for (size_t i = 0; i < n; i++) {
		if (i % 60 == 0)
			noise = noise * 0.9 + (draw_share(rng) - 0.5) * 0.04;
		rates[i] = (0.1 + 0.85 * wave((double)i / DAY_S + 0.75)) * (1 + noise);
	}
}

/* Poisson, its rate that of a Markov chain's state. */
static void
fill_bursts(struct rng *rng, size_t n, double *rates)
{
	static const struct {
		double rate;
		double seconds;
	} states[] = {{0.1, 900}, {0.4, 400}, {1, 120}};
	size_t state = 0;

	for (size_t i = 0; i < n;) {
		size_t end = i + draw_seconds(rng, states[state].seconds);

		for (; i < end && i < n; i++)
			rates[i] = states[state].rate;
		state = (state + 1 + (size_t)rng_below(rng, 2)) % 3;
	}
}

/* Half an hour low, half an hour high. */
static void
fill_steps(size_t n, double *rates, double factor)
{
	for (size_t i = 0; i < n; i++)
		rates[i] = i % HOUR_S < HOUR_S / 2 ? 1 / factor : 1;
}

static void
fill_step2(struct rng *rng, size_t n, double *rates)
{
	(void)rng;
	fill_steps(n, rates, 2);
}

static void
fill_step5(struct rng *rng, size_t n, double *rates)
{
	(void)rng;
	fill_steps(n, rates, 5);
}

static void
fill_step10(struct rng *rng, size_t n, double *rates)
{
	(void)rng;
	fill_steps(n, rates, 10);
}

/* Nobody knows when; each from half to all of the peak. */
static void
fill_flash(struct rng *rng, size_t n, double *rates)
{
	for (size_t i = 0; i < n;) {
		size_t begin = i + draw_seconds(rng, 1800);
		double height = 0.5 + draw_share(rng) / 2;

		for (; i < begin && i < n; i++)
			rates[i] = 0.1;
		for (; i < begin + 60 && i < n; i++)
			rates[i] = height;
	}
}

static void
fill_on_off(struct rng *rng, size_t n, double *rates)
{
	bool is_on = false;

	for (size_t i = 0; i < n; is_on = !is_on) {
		size_t end = i + draw_seconds(rng, is_on ? 600 : 1200);

		for (; i < end && i < n; i++)
			rates[i] = is_on ? 1 : 0;
	}
}

static const struct made all[] = {
	{"diurnal", "A day as a wave from a tenth of the peak to all of it, with some noise from minute to minute.",
	 fill_diurnal},
	{"bursts", "A Markov-modulated Poisson process of three states: a tenth, four tenths and all of the peak, for "
		   "15 minutes, 7 minutes and 2 minutes in the mean.",
	 fill_bursts},
	{"step2", "Half an hour of half the peak and half an hour of all of it, in turn.", fill_step2},
	{"step5", "The same with a fifth of the peak.", fill_step5},
	{"step10", "The same with a tenth of the peak.", fill_step10},
	{"flash", "A tenth of the peak; half an hour apart in the mean, a crowd of 60 seconds brings half to all of it.",
	 fill_flash},
	{"on-off", "All of the peak for 10 minutes in the mean, nothing for 20.", fill_on_off},
};

const char *
workload_made_name(size_t i)
{
	return i < sizeof(all) / sizeof(all[0]) ? all[i].name : NULL;
}

const char *
workload_made_help(size_t i)
{
	return i < sizeof(all) / sizeof(all[0]) ? all[i].help : NULL;
}

static int
unknown(const char *name, struct err *err)
{
	char names[256];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? ", " : "", all[i].name);
	return err_set(err, TG_ENOENT, "--load: \"%.64s\" is not known; allowed: %s", name, names);
}

int
workload_make(const char *name, uint64_t seed, uint64_t seconds, struct workload *ret, struct err *err)
{
	size_t i = 0;
	struct rng rng;

	while (i < sizeof(all) / sizeof(all[0]) && strcmp(all[i].name, name) != 0)
		i++;
	if (i == sizeof(all) / sizeof(all[0]))
		return unknown(name, err);
	if (seconds == 0 || seconds > TG_WORKLOAD_STEPS_MAX)
		return err_set(err, TG_ELIMIT, "--span: %llus is not possible; allowed of a load that is made: 1s to %zus",
			       (unsigned long long)seconds, TG_WORKLOAD_STEPS_MAX);
	*ret = (struct workload){.step_us = SECOND_US, .n = (size_t)seconds};
	ret->rates = calloc((size_t)seconds, sizeof(*ret->rates));
	if (ret->rates == NULL)
		return err_no_memory(err);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	rng_init(&rng, seed, 3);
	all[i].fill(&rng, ret->n, ret->rates);
	return 0;
}
