/*
 * backend/serving.h: which backends of a service get streams, and how many. Pure.
 *
 * Three columns make the answer: what is configured, what is ordered, what is
 * observed. None of them is ever written into another.
 */
#ifndef TG_BACKEND_SERVING_H
#define TG_BACKEND_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "ipc/msg.h"

/* Configured and ordered weight, in units of which a configured weight of 1 has TG_WEIGHT_SCALE;
 * at least 1 unless one of them is 0, at most TG_WEIGHT_MAX. */
uint32_t serving_weight(const struct conf_backend *backend, const struct backend_order *order);

/* Streams at a time; 0: no limit. */
uint32_t serving_limit(const struct conf_service *service, const struct conf_backend *backend,
		       const struct backend_order *order);

/* Nothing configured or ordered speaks against new streams. */
bool serving_is_wanted(const struct conf_backend *backend, const struct backend_order *order);

#endif
