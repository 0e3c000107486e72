#include "observe/trace.h"

#include "base/log.h"

bool
trace_is_on(void)
{
	return log_is_on(TG_LOG_DEBUG);
}

void
trace_stream_end(const struct trace_end *end)
{
	log_write(TG_LOG_DEBUG, "stream ended",
		  "worker=%u listener=%s svc=%s srv=%s status=%u retries=%u end=%s", end->worker,
		  end->listener->name, end->service != NULL ? end->service->name : "-",
		  end->backend != NULL ? end->backend : "-", end->status, end->tries, end_reason_str(end->reason));
}
