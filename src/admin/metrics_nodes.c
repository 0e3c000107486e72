/* admin/metrics_nodes.c: metrics of nodes, all of them in one family each. */
#include "admin/metrics_priv.h"
#include "autoscale/scaler.h"
#include "base/log.h"

struct writing {
	const struct metric *m;
	const struct metric_site *site;
	struct output *out;
};

/* Below nothing, more is there than should be. */
static uint64_t
at_least_none(int64_t value)
{
	return value > 0 ? (uint64_t)value : 0;
}

static void
write_cpu(const struct writing *w, const struct series *series, const struct scaler_node *node,
	  int64_t milli)
{
	if (node->cpu_milli != 0)
		exposition_seconds(w->out, series, at_least_none(milli) * 1000);
}

static void
write_memory(const struct writing *w, const struct series *series, const struct scaler_node *node,
	     int64_t bytes)
{
	if (node->memory_bytes != 0)
		exposition_number(w->out, series, at_least_none(bytes));
}

static void
write_node(void *user, const struct scaler_node *node)
{
	const struct writing *w = user;
	struct series series = w->site->series;

	if (node->is_departing)
		return; /* its name may be another's by now */
	series.labels[series.n_labels++] = (struct label){"node", node->name};
	switch ((enum metric_of_node)w->m->id) {
	case TG_METRIC_NODE_OPEN:
		exposition_number(w->out, &series, node->closed == NULL);
		break;
	case TG_METRIC_NODE_BACKENDS:
		exposition_number(w->out, &series, node->backends);
		break;
	case TG_METRIC_NODE_CPU:
		write_cpu(w, &series, node, node->cpu_milli);
		break;
	case TG_METRIC_NODE_CPU_FREE:
		write_cpu(w, &series, node, node->free_cpu_milli);
		break;
	case TG_METRIC_NODE_MEMORY:
		write_memory(w, &series, node, node->memory_bytes);
		break;
	case TG_METRIC_NODE_MEMORY_FREE:
		write_memory(w, &series, node, node->free_memory_bytes);
		break;
	}
}

void
metrics_write_nodes(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct writing w = {.m = m, .site = site, .out = out};

	if (site->s->scaler != NULL && scaler_nodes(site->s->scaler, write_node, &w) < 0)
		log_write(TG_LOG_WARN, "no memory for metrics of nodes", "metric=%s", m->name);
}
