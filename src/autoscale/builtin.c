#include "autoscale/builtin.h"

#include <stddef.h>

const struct tg_module *const autoscale_builtin[] = {
	&autoscale_target,
	&autoscale_threshold,
	&autoscale_staffing,
	&autoscale_planner,
	NULL,
};
