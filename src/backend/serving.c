#include "backend/serving.h"

#include "backend/view.h"

uint32_t
serving_weight(const struct conf_backend *backend, const struct backend_order *order)
{
	uint64_t weight = backend->weight;
	uint64_t permille = 1000;
	uint64_t scaled;

	if ((order->told & TG_ORDER_WEIGHT) != 0) {
		permille = order->weight_permille;
		if (order->weight != TG_ORDER_AS_CONF)
			weight = order->weight;
	}
	if (weight == 0 || permille == 0)
		return 0;
	scaled = weight * permille * TG_WEIGHT_SCALE / 1000;
	if (scaled > TG_WEIGHT_MAX)
		return TG_WEIGHT_MAX;
	return scaled > 0 ? (uint32_t)scaled : 1;
}

uint32_t
serving_limit(const struct conf_service *service, const struct conf_backend *backend,
	      const struct backend_order *order)
{
	if ((order->told & TG_ORDER_LIMIT) != 0 && order->limit != TG_ORDER_AS_CONF)
		return order->limit;
	return conf_backend_limit(service, backend);
}

bool
serving_is_wanted(const struct conf_backend *backend, const struct backend_order *order)
{
	if ((order->told & TG_ORDER_ADMIN) != 0 && order->admin != TG_ADMIN_READY)
		return false;
	if ((order->told & TG_ORDER_DOWN) != 0 && order->is_down != 0)
		return false;
	return serving_weight(backend, order) > 0;
}
