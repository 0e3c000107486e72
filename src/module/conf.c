/*
 * module/conf.c: what conf/ is told of modules.
 */
#include <stdio.h>

#include "conf/suggest.h"
#include "module/module_priv.h"

static void
offer(void *user, const struct tg_module *module)
{
	conf_suggest_offer(user, module->name);
}

/* Those that are known, as a list. */
struct names {
	char text[256];
	size_t n;
};

static void
list_name(void *user, const struct tg_module *module)
{
	struct names *names = user;

	if (names->n < sizeof(names->text))
		names->n += (size_t)snprintf(names->text + names->n, sizeof(names->text) - names->n,
					     "%s%s", names->n > 0 ? ", " : "", module->name);
}

static const struct {
	enum tg_module_kind kind;
	const char *word;
} kinds[TG_CONF_MODULE_KIND_COUNT] = {
	[TG_CONF_AUTOSCALER] = {TG_MODULE_AUTOSCALER, "module"},
	[TG_CONF_SCHEDULER] = {TG_MODULE_SCHEDULER, "scheduler"},
};

static int
unknown_module(enum conf_module_kind kind, const char *name, struct err *err)
{
	struct names names = {.text = ""};
	struct conf_suggest near;

	conf_suggest_start(&near, name);
	modules_walk(kinds[kind].kind, offer, &near);
	modules_walk(kinds[kind].kind, list_name, &names);
	if (near.best != NULL)
		return err_set(err, TG_EINVAL,
			       "unknown %s \"%.64s\"; allowed: %s (did you mean \"%s\"?)",
			       kinds[kind].word, name, names.text, near.best);
	return err_set(err, TG_EINVAL,
		       "unknown %s \"%.64s\"; allowed: %s, and what a file in modules brings",
		       kinds[kind].word, name, names.text);
}

static int
check(enum conf_module_kind kind, const char *name, const struct conf_setting *settings, size_t n,
      size_t *ret_bad, struct err *err)
{
	const struct tg_module *module = module_find(kinds[kind].kind, name);
	struct tg_value values[TG_OPTIONS_MAX];
	int r;

	if (module == NULL) {
		*ret_bad = n;
		return unknown_module(kind, name, err);
	}
	r = module_values(module, settings, n, values, ret_bad, err);
	if (r < 0 && *ret_bad >= n)
		*ret_bad = n + 1;
	return r;
}

static void
uses(const char *name, const struct conf_setting *settings, size_t n, bool *ret_cpu, bool *ret_memory)
{
	const struct tg_module *module = module_find(TG_MODULE_AUTOSCALER, name);
	struct tg_value values[TG_OPTIONS_MAX];
	struct err ignored;
	size_t bad;
	bool is_known = module != NULL &&
			module_values(module, settings, n, values, &bad, &ignored) == 0;

	*ret_cpu = is_known && module_uses(module, values, TG_METRIC_CPU);
	*ret_memory = is_known && module_uses(module, values, TG_METRIC_MEMORY);
}

/*** The manual ***/

struct description {
	void (*module)(void *user, const char *name, const char *help);
	void (*option)(void *user, const struct conf_module_option *o);
	void *user;
};

static void
describe_option(const struct description *d, const struct tg_option *o)
{
	static const char *const types[] = {
		[TG_OPTION_NUMBER] = "number",
		[TG_OPTION_DURATION] = "duration",
		[TG_OPTION_BOOLEAN] = "boolean",
		[TG_OPTION_WORD] = "string",
	};
	bool is_duration = o->type == TG_OPTION_DURATION;
	char range[64];
	struct conf_module_option told = {
		.key = o->name,
		.kind = types[o->type],
		.preset = o->preset,
		.words = o->type == TG_OPTION_WORD ? o->words : NULL,
		.help = o->help,
	};

	if (is_duration || o->type == TG_OPTION_NUMBER) {
		snprintf(range, sizeof(range), "From %g%s to %g%s.", o->min, is_duration ? "s" : "",
			 o->max, is_duration ? "s" : "");
		told.range = range;
	}
	d->option(d->user, &told);
}

static void
describe_module(void *user, const struct tg_module *module)
{
	const struct description *d = user;

	d->module(d->user, module->name, module->help);
	for (size_t i = 0; i < module_n_options(module); i++)
		describe_option(d, &module->options[i]);
}

static void
describe(enum conf_module_kind kind,
	 void (*module)(void *user, const char *name, const char *help),
	 void (*option)(void *user, const struct conf_module_option *o), void *user)
{
	struct description d = {.module = module, .option = option, .user = user};

	modules_walk(kinds[kind].kind, describe_module, &d);
}

const struct conf_modules module_conf = {
	.load = module_load,
	.check = check,
	.uses = uses,
	.describe = describe,
};
