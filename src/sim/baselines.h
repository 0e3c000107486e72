/* sim/baselines.h: the published rules of other systems, a module each; their sources are named in their files. */
#ifndef TG_SIM_BASELINES_H
#define TG_SIM_BASELINES_H

#include "tidegate/module.h"

extern const struct tg_module baseline_hpa;
extern const struct tg_module baseline_kpa;
extern const struct tg_module baseline_nomad_target;
extern const struct tg_module baseline_nomad_threshold;
extern const struct tg_module baseline_aws;

#endif
