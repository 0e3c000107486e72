#include "autoscale/point.h"

struct store_point
point_of(const struct service_sample *sample, uint32_t ready, uint32_t desired,
	 const struct decision *last)
{
	return (struct store_point){
		.at = sample->at,
		.values = {
			[TG_METRIC_IN_FLIGHT] = sample->in_flight,
			[TG_METRIC_QUEUED] = sample->queued,
			[TG_METRIC_ARRIVALS] = sample->arrivals,
			[TG_METRIC_COMPLETIONS] = sample->completions,
			[TG_METRIC_ERRORS] = sample->errors,
			[TG_METRIC_SERVICE_TIME] = sample->service_time,
			[TG_METRIC_SERVICE_P95] = sample->service_p95,
			[TG_METRIC_QUEUE_TIME] = sample->queue_time,
			[TG_METRIC_QUEUE_P95] = sample->queue_p95,
			[TG_METRIC_CPU] = sample->cpu,
			[TG_METRIC_MEMORY] = sample->memory,
			[TG_METRIC_READY] = ready,
			[TG_METRIC_DESIRED] = desired,
			[TG_METRIC_PROPOSED] = decision_raw(last),
		},
	};
}
