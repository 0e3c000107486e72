/* admin/metrics_acme.c: what came of certificates by ACME. */
#include "acme/acme.h"
#include "admin/metrics_priv.h"

void
metrics_write_acme(const struct metric *m, const struct metric_site *site, struct output *out)
{
	for (size_t i = 0; i < acme_count(site->s->acme); i++) {
		struct series series = site->series;
		struct acme_status status;

		acme_status(site->s->acme, i, &status);
		series.labels[series.n_labels++] = (struct label){"acme", status.name};
		switch ((enum metric_of_acme)m->id) {
		case TG_METRIC_ACME_RUNS:
			exposition_labelled(out, &series, "result", "done", status.done);
			exposition_labelled(out, &series, "result", "failed", status.failed);
			break;
		case TG_METRIC_ACME_NEXT:
			exposition_seconds(out, &series, status.next.us);
			break;
		}
	}
}
