/* admin/metrics_certificates.c: until when certificates of listeners are good. */
#include "admin/metrics_priv.h"
#include "tls/inventory.h"

void
metrics_write_certificates(const struct metric *m, const struct metric_site *site,
			   struct output *out)
{
	struct inventory *inventory = inventory_new(site->s->conf);

	(void)m;
	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		const struct inventory_entry *e = &inventory->list[i];
		struct series series = site->series;

		series.labels[series.n_labels++] = (struct label){"listener", e->listener};
		series.labels[series.n_labels++] = (struct label){"file", e->file};
		exposition_seconds(out, &series, e->not_after.us);
	}
	inventory_free(inventory);
}
