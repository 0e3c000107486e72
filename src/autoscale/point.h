/*
 * autoscale/point.h: a sample and what was decided, as a point of the history that windows are made of.
 */
#ifndef TG_AUTOSCALE_POINT_H
#define TG_AUTOSCALE_POINT_H

#include "autoscale/decide.h"
#include "sample/sample.h"
#include "store/store.h"

/* `ready` and `desired` are of all backends of the service. `last` is the decision before this sample; NULL: none. */
struct store_point point_of(const struct service_sample *sample, uint32_t ready, uint32_t desired,
			    const struct decision *last);

#endif
