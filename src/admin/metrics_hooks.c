/* admin/metrics_hooks.c: metrics of hooks, all of them in one family each. */
#include "admin/metrics_priv.h"
#include "hook/hook.h"

static struct series
series_of(const struct metric_site *site, const struct hook_status *status)
{
	struct series series = site->series;

	series.labels[series.n_labels++] = (struct label){"hook", status->name};
	return series;
}

void
metrics_write_hook_events(const struct metric *m, const struct metric_site *site,
			  struct output *out)
{
	(void)m;
	for (size_t i = 0; i < hooks_count(site->s->hooks); i++) {
		struct hook_status status;
		struct series series;

		hooks_status(site->s->hooks, i, &status);
		series = series_of(site, &status);
		exposition_labelled(out, &series, "result", "sent", status.sent);
		exposition_labelled(out, &series, "result", "failed", status.failed);
		exposition_labelled(out, &series, "result", "dropped", status.dropped);
	}
}

void
metrics_write_hook_retries(const struct metric *m, const struct metric_site *site,
			   struct output *out)
{
	(void)m;
	for (size_t i = 0; i < hooks_count(site->s->hooks); i++) {
		struct hook_status status;
		struct series series;

		hooks_status(site->s->hooks, i, &status);
		series = series_of(site, &status);
		exposition_number(out, &series, status.retries);
	}
}

void
metrics_write_hook_waiting(const struct metric *m, const struct metric_site *site,
			   struct output *out)
{
	(void)m;
	for (size_t i = 0; i < hooks_count(site->s->hooks); i++) {
		struct hook_status status;
		struct series series;

		hooks_status(site->s->hooks, i, &status);
		series = series_of(site, &status);
		exposition_number(out, &series, status.waiting);
	}
}
