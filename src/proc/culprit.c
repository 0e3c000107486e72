#include "proc/culprit.h"

bool
culprit_find(struct segment *segment, const struct conf *conf, struct culprit *ret)
{
	int64_t slot = atomic_load_explicit(&segment_shared(segment, 0)->judged,
					    memory_order_relaxed);

	*ret = (struct culprit){.service = "-", .module = "-"};
	for (size_t i = 0; slot > 0 && i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		if (service->segment_slot != slot || !conf_is_scaled(service))
			continue;
		*ret = (struct culprit){.service = service->name,
					.module = service->autoscale.module};
		return true;
	}
	return false;
}

void
culprit_forget(struct segment *segment)
{
	atomic_store_explicit(&segment_shared(segment, 0)->judged, 0, memory_order_relaxed);
}
