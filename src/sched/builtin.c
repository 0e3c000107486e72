#include "sched/builtin.h"

#include <stddef.h>

const struct tg_module *const sched_builtin[] = {
	&sched_first_fit,
	&sched_best_fit,
	&sched_spread,
	&sched_balanced,
	&sched_dot_product,
#ifdef HAVE_CBC
	&sched_optimal,
#endif
	NULL,
};
