/* What backends tell of their load in answers: recorded where the service is scaled, and told nobody else. */
#include "http/load_report.h"
#include "l7/stream_priv.h"

bool
load_is_taken(const struct stream *s)
{
	return s->service->conf->autoscale.module != NULL;
}

static void
record(struct stream *s, struct slice value)
{
	struct worker_backend *backend = s->lease.backend;
	struct load_report report;

	switch (load_report_parse(value, &report)) {
	case LOAD_REPORT_TOLD:
		segment_tell_load(segment_shared(s->worker->segment, backend->slot),
				  report.cpu_permille, report.memory_permille, stream_now(s));
		break;
	case LOAD_REPORT_BAD:
		counter_add(&backend->counters, TG_B_BAD_LOAD_REPORTS, 1);
		break;
	case LOAD_REPORT_SILENT:
		break;
	}
}

void
load_take(struct stream *s, struct http_head *head)
{
	size_t i;

	if (!load_is_taken(s))
		return;
	for (i = 0; i < head->n_fields; i++) {
		struct http_field *f = &head->fields[i];

		if (f->id != HTTP_FIELD_LOAD_REPORT && f->id != HTTP_FIELD_LOAD_REPORT_BIN)
			continue;
		f->dropped = true;
		if (f->id == HTTP_FIELD_LOAD_REPORT)
			record(s, f->value);
	}
}
