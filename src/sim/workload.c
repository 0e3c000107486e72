#include "sim/workload.h"

#include <stdlib.h>

void
workload_scale(struct workload *w, double rps)
{
	double peak = workload_peak(w);

	for (size_t i = 0; i < w->n && peak > 0; i++)
		w->rates[i] = w->rates[i] / peak * rps;
}

void
workload_cut(struct workload *w, uint64_t seconds)
{
	size_t most = (size_t)(seconds * 1000000 / w->step_us);

	if (most < w->n)
		w->n = most > 0 ? most : 1;
}

void
workload_fini(struct workload *w)
{
	free(w->rates);
	*w = (struct workload){.n = 0};
}

uint64_t
workload_us(const struct workload *w)
{
	return w->step_us * w->n;
}

double
workload_peak(const struct workload *w)
{
	double peak = 0;

	for (size_t i = 0; i < w->n; i++)
		peak = w->rates[i] > peak ? w->rates[i] : peak;
	return peak;
}
