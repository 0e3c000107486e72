/*
 * module/module.h: modules that are built in or loaded, and how they are configured.
 *
 * The list is made once, before configurations are read, and stays: modules are
 * never unloaded. A configuration names a module; what it sets for it are
 * settings, which become values by the module's table of options.
 */
#ifndef TG_MODULE_MODULE_H
#define TG_MODULE_MODULE_H

#include "base/err.h"
#include "conf/conf.h"
#include "tidegate/module.h"

#define TG_MODULES_MAX 64u

/* Built-in ones, known at start. NULL at the end; defined where all of them are known. */
void modules_add_builtin(const struct tg_module *const *list);

/*
 * Loads a shared object; 0 also where it is loaded already. Refused, with what is wrong and what is allowed in
 * `err`: a path that is not absolute; a file that is not of root or of ourselves, or that group or others may
 * write, and the same of the folders it is in (others may write one with the sticky bit); wrong magic,
 * another major, a newer minor, smaller structures, callbacks that are missing, a name that is no name or
 * is taken; a file that was changed since it was loaded. -TG_EINVAL, -TG_EEXIST, -TG_ELIMIT, -TG_EIO.
 */
TG_MUST_CHECK int module_load(const char *path, struct err *err);
/* All files of a configuration, as far as they are not loaded; the first that is refused. */
TG_MUST_CHECK int modules_load(const struct conf *conf, struct err *err);
/* What module_load() asks of a descriptor. */
TG_MUST_CHECK int module_check(const struct tg_module *module, struct err *err);

/* NULL: there is none. */
const struct tg_module *module_find(enum tg_module_kind kind, const char *name);
/* All of a kind in the order they came: calls `told` with each. */
void modules_walk(enum tg_module_kind kind,
		  void (*told)(void *user, const struct tg_module *module), void *user);

/* How many options the module has. */
size_t module_n_options(const struct tg_module *module);
/*
 * Values by the table of options: presets where nothing is set. The first setting that is no
 * option, of another type or out of range is -TG_EINVAL, with what is allowed and *ret_bad its index; SIZE_MAX:
 * they do not go together. `ret` has TG_OPTIONS_MAX elements, those beyond the table are not set.
 */
TG_MUST_CHECK int module_values(const struct tg_module *module,
				const struct conf_setting *settings, size_t n, struct tg_value *ret,
				size_t *ret_bad, struct err *err);

/* Spans of the windows an autoscaler looks at, none of them 0; how many. `ret` has TG_WINDOWS_MAX elements. */
uint32_t module_windows(const struct tg_module *module, const struct tg_value *values,
			uint32_t *ret_spans_ms);

/* Whether it looks at this metric; false where it does not say. */
bool module_uses(const struct tg_module *module, const struct tg_value *values,
		 enum tg_metric metric);

/* What conf/ asks of modules while it reads a configuration: see conf_set_modules(). Loads what it names. */
extern const struct conf_modules module_conf;

/* "in-flight", ...; "?" outside the enum. */
const char *tg_metric_str(unsigned metric);
/* "pending", "starting", ...; the same. */
const char *tg_backend_state_str(unsigned state);

#endif
