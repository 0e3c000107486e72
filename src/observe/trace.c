#include "observe/trace.h"

#include "base/log.h"
#include "observe/access.h"

void
trace_stream_end(const struct trace_end *end)
{
	const char *backend = "-";

	if (!log_is_on(TG_LOG_DEBUG))
		return;
	if (end->service != NULL && end->backend < end->service->n_backends)
		backend = end->service->backends[end->backend].name;
	log_write(TG_LOG_DEBUG, "stream ended",
		  "worker=%u listener=%s svc=%s srv=%s status=%u retries=%u end=%s", end->worker,
		  end->listener->name, end->service != NULL ? end->service->name : "-", backend,
		  end->status, end->tries, end_reason_str(end->reason));
}
