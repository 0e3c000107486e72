/* admin/metrics_scaled.c: metrics of services that are scaled; the others have no lines. */
#include <string.h>

#include "admin/metrics_priv.h"

static bool
scaled_status(const struct metric_site *site, struct scaler_status *ret)
{
	return site->s->scaler != NULL &&
	       scaler_status(site->s->scaler, (unsigned)site->i, ret);
}

void
metrics_write_scaled_leads(const struct metric *m, const struct metric_site *site,
			   struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (scaled_status(site, &status))
		exposition_number(out, &site->series,
				  status.authority == TG_STORE_ALONE ||
					  status.authority == TG_STORE_LEADS);
}

/* id: where in struct scaler_status. */
void
metrics_write_scaled_32(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct scaler_status status;
	uint32_t n;

	if (!scaled_status(site, &status))
		return;
	memcpy(&n, (const char *)&status + m->id, sizeof(n));
	exposition_number(out, &site->series, n);
}

void
metrics_write_scaled_64(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct scaler_status status;
	uint64_t n;

	if (!scaled_status(site, &status))
		return;
	memcpy(&n, (const char *)&status + m->id, sizeof(n));
	exposition_number(out, &site->series, n);
}

void
metrics_write_scaled_backends(const struct metric *m, const struct metric_site *site,
			      struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (!scaled_status(site, &status))
		return;
	exposition_labelled(out, &site->series, "state", "pending", status.counts.pending);
	exposition_labelled(out, &site->series, "state", "ready", status.counts.ready);
	exposition_labelled(out, &site->series, "state", "down", status.counts.down);
	exposition_labelled(out, &site->series, "state", "draining", status.counts.draining);
}

void
metrics_write_scaled_mode(const struct metric *m, const struct metric_site *site,
			  struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (!scaled_status(site, &status))
		return;
	for (unsigned i = 0; i < TG_SCALER_MODE_COUNT; i++)
		exposition_labelled(out, &site->series, "mode",
				    scaler_mode_str((enum scaler_mode)i),
				    (unsigned)status.mode == i);
}

void
metrics_write_scaled_manual(const struct metric *m, const struct metric_site *site,
			    struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (scaled_status(site, &status))
		exposition_number(out, &site->series, status.has_manual);
}

void
metrics_write_scaled_guards(const struct metric *m, const struct metric_site *site,
			    struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (!scaled_status(site, &status))
		return;
	for (unsigned i = 0; i < TG_GUARD_COUNT; i++)
		exposition_labelled(out, &site->series, "guard", guard_str(i),
				    status.by_guard[i]);
}

void
metrics_write_scaled_changes(const struct metric *m, const struct metric_site *site,
			     struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (!scaled_status(site, &status))
		return;
	exposition_labelled(out, &site->series, "direction", "up", status.ups);
	exposition_labelled(out, &site->series, "direction", "down", status.downs);
}

void
metrics_write_scaled_starts(const struct metric *m, const struct metric_site *site,
			    struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (!scaled_status(site, &status))
		return;
	exposition_labelled(out, &site->series, "result", "ready", status.starts);
	exposition_labelled(out, &site->series, "result", "failed", status.start_failures);
}

void
metrics_write_cold_starts(const struct metric *m, const struct metric_site *site,
			  struct output *out)
{
	struct scaler_status status;

	(void)m;
	if (scaled_status(site, &status))
		exposition_histogram(out, &site->series, &status.cold_starts);
}
