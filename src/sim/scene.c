#include "sim/scene.h"

#include <stdlib.h>
#include <string.h>

#include "autoscale/erlang.h"

void
scene_tails(const struct scene *s, double rate, uint32_t n, double *ret)
{
	double service_s = (double)s->world.service_us / 1e6;
	double a = rate * service_s;
	double waits = (double)s->world.objective_us / (double)s->world.service_us;
	double b = 1;
	uint32_t servers = 0;

	ret[0] = rate > 0 ? 1 : 0;
	for (uint32_t i = 1; i <= n; i++) {
		for (uint32_t k = 0; k < s->world.slots; k++) {
			servers++;
			b = a > 0 ? erlang_b_next(b, a, servers) : 0;
		}
		ret[i] = erlang_tail(b, a, servers, waits);
	}
}

double
scene_penalty_s(const struct scene *s)
{
	return s->penalty * (double)s->world.service_us / 1e6 / s->world.slots;
}

uint32_t
scene_enough(const struct scene *s, double rate)
{
	double least = rate * (double)s->world.service_us / 1e6 / s->world.slots;
	double most = least * 1.5 + 8;

	return most < s->max ? (uint32_t)most : s->max;
}

static uint32_t
need_of(const struct scene *s, double rate, double *tails)
{
	uint32_t most = scene_enough(s, rate);
	uint32_t n = s->min > 0 ? s->min : 1;

	if (rate <= 0)
		return n;
	scene_tails(s, rate, most, tails);
	while (n < most && tails[n] > s->share)
		n++;
	return n;
}

int
scene_init(struct scene *s, struct err *err)
{
	double *tails = malloc((TG_SCENE_BACKENDS_MAX + 1) * sizeof(*tails));

	s->need = malloc(s->load.n * sizeof(*s->need));
	s->most = 0;
	if (s->need == NULL || tails == NULL) {
		free(tails);
		return err_no_memory(err);
	}
	for (size_t i = 0; i < s->load.n; i++) {
		bool is_same = i > 0 && s->load.rates[i] == s->load.rates[i - 1];

		s->need[i] = is_same ? s->need[i - 1] : need_of(s, s->load.rates[i], tails);
		s->most = s->need[i] > s->most ? s->need[i] : s->most;
	}
	free(tails);
	return 0;
}

void
scene_fini(struct scene *s)
{
	free(s->need);
	s->need = NULL;
	workload_fini(&s->load);
}
