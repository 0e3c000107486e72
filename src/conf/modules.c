/*
 * conf/modules.c: who knows what is loaded: modules, and the client of nodes and hooks.
 */
#include "conf/schema_priv.h"

static const struct conf_modules *known;
static int (*web_check)(struct err *err);

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

void
conf_set_web(int (*check)(struct err *err))
{
	web_check = check;
}

int
conf_web_check(struct err *err)
{
	return web_check != NULL ? web_check(err) : 0;
}
