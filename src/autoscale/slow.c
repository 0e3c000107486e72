#include "autoscale/slow.h"

#include <inttypes.h>

/* NULL: there are more modules than there can be. */
static struct slow_module *
find(struct slow *slow, const struct tg_module *module)
{
	for (size_t i = 0; i < TG_MODULES_MAX; i++) {
		struct slow_module *m = &slow->modules[i];

		if (m->module == NULL)
			m->module = module;
		if (m->module == module)
			return m;
	}
	return NULL;
}

void
slow_tell(struct slow *slow, const struct tg_module *module, const char *service,
	  uint64_t took_us, struct mono now)
{
	struct slow_module *m = find(slow, module);
	unsigned more;

	if (m != NULL && log_limit_pass_in(&m->limit, TG_SLOW_TOLD_S, 1, now, &more))
		log_write(TG_LOG_WARN, "a module is slow", "svc=%s module=%s us=%" PRIu64 " more=%u",
			  service, module->name, took_us, more);
}
