/* Scenes made by hand: a service of ten slots of 100 ms, a minute for each rate. */
#ifndef TG_TESTS_UNIT_SIM_SCENES_H
#define TG_TESTS_UNIT_SIM_SCENES_H

#include <stdlib.h>
#include <string.h>

#include "autoscale/builtin.h"
#include "conf/conf.h"
#include "module/module.h"
#include "sim/contenders.h"
#include "sim/scene.h"

static inline void
scene_make(struct scene *s, const double *rates, size_t n)
{
	struct err err;

	*s = (struct scene){
		.world = {.slots = 10,
			  .service_us = 100000,
			  .start_us = 15000000,
			  .queue = 1024,
			  .queue_timeout_us = 5000000,
			  .objective_us = 500000,
			  .seed = 1},
		.share = 0.01,
		.penalty = 100,
		.min = 1,
		.max = 100,
		.load = {.name = "made", .step_us = 60000000, .n = n},
	};
	s->load.rates = malloc(n * sizeof(*rates));
	if (s->load.rates == NULL)
		fail();
	memcpy(s->load.rates, rates, n * sizeof(*rates));
	if (scene_init(s, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void
know_modules(void)
{
	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(baselines);
	conf_set_modules(&module_conf);
}

#endif
