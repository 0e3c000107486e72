/* admin/metrics_certificates.c: until when certificates of listeners are good. */
#include "admin/metrics_priv.h"
#include "tls/inventory.h"

void
metrics_write_certificates(const struct metric *m, const struct metric_site *site,
			   struct output *out)
{
	struct inventory *inventory = inventory_new(site->s->conf);

	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		const struct inventory_entry *e = &inventory->list[i];
		bool is_ocsp = m->id == TG_METRIC_OCSP_END;
		uint64_t end_us = is_ocsp ? e->ocsp.until.us : e->not_after.us;
		struct series series = site->series;

		if (is_ocsp && end_us == 0)
			continue;

		series.labels[series.n_labels++] = (struct label){"listener", e->listener};
		series.labels[series.n_labels++] = (struct label){"file", e->file};
		exposition_seconds(out, &series, end_us);
	}
	inventory_free(inventory);
}
