/*
 * autoscale/slow.h: modules that take long are told of, each once a minute.
 */
#ifndef TG_AUTOSCALE_SLOW_H
#define TG_AUTOSCALE_SLOW_H

#include "base/clock.h"
#include "base/log.h"
#include "module/module.h"

#define TG_SLOW_TOLD_S 60u

struct slow_module {
	const struct tg_module *module; /* NULL: this place is free, and so are those behind it */
	struct log_limit limit;
};

/* Zeroed: nobody was slow. A value of the loop's thread. */
struct slow {
	struct slow_module modules[TG_MODULES_MAX];
};

/* A decision for this service took so long. The line has how often that was since the last one, untold. */
void slow_tell(struct slow *slow, const struct tg_module *module, const char *service,
	       uint64_t took_us, struct mono now);

#endif
