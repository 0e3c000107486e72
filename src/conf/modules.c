/*
 * conf/modules.c: who knows modules.
 */
#include "conf/schema_priv.h"

static const struct conf_modules *known;

void
conf_set_modules(const struct conf_modules *modules)
{
	known = modules;
}

const struct conf_modules *
conf_modules(void)
{
	return known;
}

const char *
conf_module_key(enum conf_module_kind kind, size_t i)
{
	const struct conf_field *f = kind == TG_CONF_SCHEDULER ? conf_schema_placement.fields
							       : conf_schema_autoscale.fields;

	while (i > 0 && f->key) {
		f++;
		i--;
	}
	return f->key;
}
