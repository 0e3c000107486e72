/* admin/metrics_certificates.c: until when certificates, authorities and lists of what is revoked are good. */
#include "admin/metrics_priv.h"
#include "tls/inventory.h"

/* 0: none. */
static uint64_t
end_of(const struct inventory_entry *e, int id)
{
	bool is_own = e->use == TG_INVENTORY_SERVER || e->use == TG_INVENTORY_CLIENT;

	switch ((enum metric_of_certificate)id) {
	case TG_METRIC_CERTIFICATE_END:
		return is_own ? e->not_after.us : 0;
	case TG_METRIC_OCSP_END:
		return e->ocsp.until.us;
	case TG_METRIC_AUTHORITIES_END:
		return e->use == TG_INVENTORY_AUTHORITIES ? e->not_after.us : 0;
	case TG_METRIC_REVOKED_END:
		return e->use == TG_INVENTORY_REVOKED ? e->not_after.us : 0;
	}
	return 0;
}

void
metrics_write_certificates(const struct metric *m, const struct metric_site *site,
			   struct output *out)
{
	struct inventory *inventory = inventory_new(site->s->conf, wall_read());

	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		const struct inventory_entry *e = &inventory->list[i];
		uint64_t end_us = end_of(e, (int)m->id);
		struct series series = site->series;

		if (end_us == 0)
			continue;
		series.labels[series.n_labels++] = e->listener != NULL
							   ? (struct label){"listener", e->listener}
							   : (struct label){"service", e->service};
		series.labels[series.n_labels++] = (struct label){"file", e->file};
		exposition_seconds(out, &series, end_us);
	}
	inventory_free(inventory);
}
