/*
 * admin/metrics_priv.h: who writes the samples of a metric, for the files metrics are made of.
 */
#ifndef TG_ADMIN_METRICS_PRIV_H
#define TG_ADMIN_METRICS_PRIV_H

#include "admin/exposition.h"
#include "admin/metrics.h"

/* One object, and what its samples are called. */
struct metric_site {
	const struct admin_source *s;
	size_t i; /* process, worker, listener or service */
	size_t j; /* backend */
	uint32_t slot;
	struct series series;
	char number[16]; /* the value of the label worker */
};

/* Of backends of services that are scaled, as sampled last; what is not known, and all others, have no lines. */

/* id: where in struct backend_sample. */
void metrics_write_share(const struct metric *m, const struct metric_site *site, struct output *out);
void metrics_write_service_times(const struct metric *m, const struct metric_site *site,
				 struct output *out);

/* Of services that are scaled; the others have no lines. */

/* id: where in struct scaler_status. */
void metrics_write_scaled_32(const struct metric *m, const struct metric_site *site,
			     struct output *out);
void metrics_write_scaled_64(const struct metric *m, const struct metric_site *site,
			     struct output *out);
void metrics_write_scaled_leads(const struct metric *m, const struct metric_site *site,
				struct output *out);
void metrics_write_scaled_backends(const struct metric *m, const struct metric_site *site,
				   struct output *out);
void metrics_write_scaled_mode(const struct metric *m, const struct metric_site *site,
			       struct output *out);
void metrics_write_scaled_manual(const struct metric *m, const struct metric_site *site,
				 struct output *out);
void metrics_write_scaled_guards(const struct metric *m, const struct metric_site *site,
				 struct output *out);
void metrics_write_scaled_changes(const struct metric *m, const struct metric_site *site,
				  struct output *out);
void metrics_write_scaled_starts(const struct metric *m, const struct metric_site *site,
				 struct output *out);
void metrics_write_cold_starts(const struct metric *m, const struct metric_site *site,
			       struct output *out);

enum metric_of_hook {
	TG_METRIC_HOOK_EVENTS = 0,
	TG_METRIC_HOOK_RETRIES = 1,
	TG_METRIC_HOOK_WAITING = 2,
};
/* Of each hook, where there are some; id: which of these. */
void metrics_write_hooks(const struct metric *m, const struct metric_site *site, struct output *out);

enum metric_of_acme {
	TG_METRIC_ACME_RUNS = 0,
	TG_METRIC_ACME_NEXT = 1,
};
/* Of each certificate by ACME; id: which of these. */
void metrics_write_acme(const struct metric *m, const struct metric_site *site, struct output *out);

enum metric_of_node {
	TG_METRIC_NODE_OPEN = 0,
	TG_METRIC_NODE_BACKENDS = 1,
	TG_METRIC_NODE_CPU = 2,
	TG_METRIC_NODE_CPU_FREE = 3,
	TG_METRIC_NODE_MEMORY = 4,
	TG_METRIC_NODE_MEMORY_FREE = 5,
};
/* Of each node, where there are some; what is not known has no lines. id: which of these. */
void metrics_write_nodes(const struct metric *m, const struct metric_site *site, struct output *out);

enum metric_of_certificate {
	TG_METRIC_CERTIFICATE_END = 0,
	TG_METRIC_OCSP_END = 1,
	TG_METRIC_AUTHORITIES_END = 2,
	TG_METRIC_REVOKED_END = 3,
};
/* Of each certificate, by id, when it ends, or its OCSP response does, where there is one; of each file of authorities, and of
 * lists of what they have revoked, when the first in it does. */
void metrics_write_certificates(const struct metric *m, const struct metric_site *site,
				struct output *out);

#endif
