/* admin/metrics_sampled.c: metrics of backends that nobody counts, but the scaler samples. */
#include <math.h>
#include <string.h>

#include "admin/metrics_priv.h"

/* What is not known has no line. */
static void
write_micros(const struct series *series, double value, struct output *out)
{
	if (!isnan(value))
		exposition_seconds(out, series, (uint64_t)(value * 1e6 + 0.5));
}

/* NULL: nobody samples it. */
static const struct backend_sample *
sample_of(const struct metric_site *site)
{
	const struct backend_sample *samples =
		site->s->scaler != NULL ? scaler_samples(site->s->scaler, (unsigned)site->i) : NULL;

	return samples != NULL ? &samples[site->j] : NULL;
}

void
metrics_write_share(const struct metric *m, const struct metric_site *site, struct output *out)
{
	const struct backend_sample *sample = sample_of(site);
	double share;

	if (sample == NULL)
		return;
	memcpy(&share, (const char *)sample + m->id, sizeof(share));
	write_micros(&site->series, share, out);
}

static void
write_quantile(const struct metric_site *site, const char *quantile, double seconds,
	       struct output *out)
{
	struct series series = site->series;

	series.labels[series.n_labels++] = (struct label){"quantile", quantile};
	write_micros(&series, seconds, out);
}

void
metrics_write_service_times(const struct metric *m, const struct metric_site *site,
			    struct output *out)
{
	const struct backend_sample *sample = sample_of(site);

	(void)m;
	if (sample == NULL)
		return;
	write_quantile(site, "0.5", sample->service_p50, out);
	write_quantile(site, "0.95", sample->service_p95, out);
	write_quantile(site, "0.99", sample->service_p99, out);
}
