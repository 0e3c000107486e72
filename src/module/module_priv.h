/*
 * module/module_priv.h: what the parts of the list share.
 */
#ifndef TG_MODULE_PRIV_H
#define TG_MODULE_PRIV_H

#include "module/module.h"

/* One more, if it is as it must be. -TG_EINVAL, -TG_EEXIST, -TG_ELIMIT. */
TG_MUST_CHECK int module_add(const struct tg_module *module, struct err *err);

/* The value of o->preset, which is not NULL. -TG_EINVAL. */
TG_MUST_CHECK int option_preset(const struct tg_option *o, struct tg_value *ret, struct err *err);

/* Where its options are configured. */
enum conf_module_kind module_conf_kind(const struct tg_module *module);

#endif
