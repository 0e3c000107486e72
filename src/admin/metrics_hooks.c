/* admin/metrics_hooks.c: metrics of hooks, all of them in one family each. */
#include "admin/metrics_priv.h"
#include "hook/hook.h"

static void
write_events(const struct series *series, const struct hook_status *status, struct output *out)
{
	exposition_labelled(out, series, "result", "sent", status->sent);
	exposition_labelled(out, series, "result", "failed", status->failed);
	exposition_labelled(out, series, "result", "dropped", status->dropped);
}

void
metrics_write_hooks(const struct metric *m, const struct metric_site *site, struct output *out)
{
	for (size_t i = 0; i < hooks_count(site->s->hooks); i++) {
		struct series series = site->series;
		struct hook_status status;

		hooks_status(site->s->hooks, i, &status);
		series.labels[series.n_labels++] = (struct label){"hook", status.name};
		switch ((enum metric_of_hook)m->id) {
		case TG_METRIC_HOOK_EVENTS:
			write_events(&series, &status, out);
			break;
		case TG_METRIC_HOOK_RETRIES:
			exposition_number(out, &series, status.retries);
			break;
		case TG_METRIC_HOOK_WAITING:
			exposition_number(out, &series, status.waiting);
			break;
		}
	}
}
