#include "module/module_priv.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* Of minor 0, and of minor 1. */
#define AUTOSCALER_SIZE   offsetof(struct tg_autoscaler, uses)
#define AUTOSCALER_SIZE_1 offsetof(struct tg_autoscaler, plan_numbers)

static const struct tg_module *known[TG_MODULES_MAX];
static size_t n_known;

#define NAME_MAX_BYTES 64u

/*** The list ***/

void
modules_add_builtin(const struct tg_module *const *list)
{
	struct err err;
	int r;

	for (; *list != NULL; list++) {
		r = module_add(*list, &err);
		assert(r == 0);
		(void)r;
	}
}

int
module_add(const struct tg_module *module, struct err *err)
{
	int r = module_check(module, err);

	if (r < 0)
		return r;
	if (module_find((enum tg_module_kind)module->kind, module->name) != NULL)
		return err_set(err, TG_EEXIST, "there is a module \"%s\" already", module->name);
	if (n_known == TG_MODULES_MAX)
		return err_set(err, TG_ELIMIT, "more than %u modules", TG_MODULES_MAX);
	known[n_known++] = module;
	return 0;
}

const struct tg_module *
module_find(enum tg_module_kind kind, const char *name)
{
	for (size_t i = 0; i < n_known; i++) {
		if (known[i]->kind == kind && strcmp(known[i]->name, name) == 0)
			return known[i];
	}
	return NULL;
}

void
modules_walk(enum tg_module_kind kind, void (*told)(void *user, const struct tg_module *module),
	     void *user)
{
	for (size_t i = 0; i < n_known; i++) {
		if (known[i]->kind == kind)
			told(user, known[i]);
	}
}

size_t
module_n_options(const struct tg_module *module)
{
	size_t n = 0;

	while (module->options != NULL && module->options[n].name != NULL)
		n++;
	return n;
}

uint32_t
module_windows(const struct tg_module *module, const struct tg_value *values,
	       uint32_t *ret_spans_ms)
{
	const struct tg_autoscaler *ops = module->ops;
	uint32_t n = ops->windows(values, ret_spans_ms);

	if (n > TG_WINDOWS_MAX)
		n = TG_WINDOWS_MAX;
	for (uint32_t i = 0; i < n; i++) {
		if (ret_spans_ms[i] == 0)
			ret_spans_ms[i] = 1;
	}
	return n;
}

bool
module_uses(const struct tg_module *module, const struct tg_value *values, enum tg_metric metric)
{
	const struct tg_autoscaler *ops = module->ops;

	return ops->size >= AUTOSCALER_SIZE_1 && ops->uses != NULL && ops->uses(values, metric);
}

/*** What a descriptor must be ***/

/* A letter, then letters, digits and `mark`. */
static bool
is_name(const char *name, char mark)
{
	size_t n = strnlen(name, NAME_MAX_BYTES + 1);

	if (n == 0 || n > NAME_MAX_BYTES || name[0] < 'a' || name[0] > 'z')
		return false;
	for (; *name; name++) {
		if (!(*name >= 'a' && *name <= 'z') && !(*name >= '0' && *name <= '9') &&
		    *name != mark)
			return false;
	}
	return true;
}

enum conf_module_kind
module_conf_kind(const struct tg_module *module)
{
	return module->kind == TG_MODULE_SCHEDULER ? TG_CONF_SCHEDULER : TG_CONF_AUTOSCALER;
}

static bool
is_key_of_ours(const struct tg_module *module, const char *name)
{
	const char *key;

	for (size_t i = 0; (key = conf_module_key(module_conf_kind(module), i)) != NULL; i++) {
		if (strcmp(key, name) == 0)
			return true;
	}
	return false;
}

static int
check_range(const struct tg_option *o, struct err *err)
{
	if (o->type != TG_OPTION_NUMBER && o->type != TG_OPTION_DURATION)
		return 0;
	if (isfinite(o->min) && isfinite(o->max) && o->min <= o->max &&
	    (o->type == TG_OPTION_NUMBER || o->min >= 0))
		return 0;
	return err_set(err, TG_EINVAL, "option \"%s\": from %g to %g is no range", o->name, o->min,
		       o->max);
}

static int
check_option(const struct tg_module *module, size_t i, struct err *err)
{
	const struct tg_option *o = &module->options[i];
	struct tg_value value;
	struct err why;
	int r;

	if (!is_name(o->name, '_'))
		return err_set(err, TG_EINVAL,
			       "option \"%.80s\" is no name; allowed: a letter, then lower case "
			       "letters, digits and '_', %u at most",
			       o->name, NAME_MAX_BYTES);
	if (is_key_of_ours(module, o->name))
		return err_set(err, TG_EINVAL, "option \"%s\" is a key that every module has",
			       o->name);
	for (size_t k = 0; k < i; k++) {
		if (strcmp(module->options[k].name, o->name) == 0)
			return err_set(err, TG_EINVAL, "option \"%s\" is there twice", o->name);
	}
	if (o->type >= TG_OPTION_TYPE_COUNT)
		return err_set(err, TG_EINVAL, "option \"%s\": type %u is not known; allowed: 0 to %u",
			       o->name, o->type, TG_OPTION_TYPE_COUNT - 1);
	if (o->type == TG_OPTION_WORD && (o->words == NULL || o->words[0] == NULL))
		return err_set(err, TG_EINVAL, "option \"%s\" has no words", o->name);
	if (o->help == NULL)
		return err_set(err, TG_EINVAL, "option \"%s\" has no help", o->name);
	r = check_range(o, err);
	if (r == 0 && o->preset != NULL && option_preset(o, &value, &why) < 0)
		r = err_set(err, TG_EINVAL, "option \"%s\", preset: %.300s", o->name, why.text);
	return r;
}

static int
check_options(const struct tg_module *module, struct err *err)
{
	if (module->options == NULL)
		return 0;
	for (size_t i = 0; module->options[i].name != NULL; i++) {
		int r = i < TG_OPTIONS_MAX ? check_option(module, i, err)
					   : err_set(err, TG_EINVAL, "more than %u options",
						     TG_OPTIONS_MAX);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
check_autoscaler(const struct tg_autoscaler *ops, struct err *err)
{
	if (ops == NULL)
		return err_set(err, TG_EINVAL, "no operations: ops is NULL");
	if (ops->size < AUTOSCALER_SIZE)
		return err_set(err, TG_EINVAL,
			       "operations of %u bytes; struct tg_autoscaler has %zu: build it "
			       "anew with our tidegate/module.h",
			       ops->size, AUTOSCALER_SIZE);
	if (ops->windows == NULL)
		return err_set(err, TG_EINVAL, "windows() is missing");
	if (ops->propose == NULL)
		return err_set(err, TG_EINVAL, "propose() is missing");
	if (ops->size >= sizeof(*ops) &&
	    ((ops->plan_numbers == NULL) != (ops->plan == NULL) ||
	     (ops->plan_bytes == NULL) != (ops->plan == NULL)))
		return err_set(err, TG_EINVAL,
			       "plan_numbers(), plan_bytes() and plan() go together: one is missing");
	return 0;
}

static int
check_scheduler(const struct tg_scheduler *ops, struct err *err)
{
	if (ops == NULL)
		return err_set(err, TG_EINVAL, "no operations: ops is NULL");
	if (ops->size < sizeof(*ops))
		return err_set(err, TG_EINVAL,
			       "operations of %u bytes; struct tg_scheduler has %zu: build it "
			       "anew with our tidegate/module.h",
			       ops->size, sizeof(*ops));
	if (ops->score == NULL)
		return err_set(err, TG_EINVAL, "score() is missing");
	return 0;
}

static int
check_ops(const struct tg_module *module, struct err *err)
{
	if (module->kind == TG_MODULE_AUTOSCALER)
		return check_autoscaler(module->ops, err);
	return check_scheduler(module->ops, err);
}

static int
check_versions(const struct tg_module *module, struct err *err)
{
	if (module->magic != TG_MODULE_MAGIC)
		return err_set(err, TG_EINVAL,
			       "magic is 0x%08x, and 0x%08x in a module for tidegate",
			       module->magic, TG_MODULE_MAGIC);
	if (module->major != TG_MODULE_MAJOR)
		return err_set(err, TG_EINVAL,
			       "made for interface %u.%u, this is %u.%u: build it anew with our "
			       "tidegate/module.h",
			       module->major, module->minor, TG_MODULE_MAJOR, TG_MODULE_MINOR);
	if (module->minor > TG_MODULE_MINOR)
		return err_set(err, TG_EINVAL,
			       "made for interface %u.%u, newer than %u.%u here: a newer tidegate "
			       "is needed",
			       module->major, module->minor, TG_MODULE_MAJOR, TG_MODULE_MINOR);
	if (module->size < sizeof(*module))
		return err_set(err, TG_EINVAL,
			       "descriptor of %u bytes; struct tg_module has %zu: build it anew "
			       "with our tidegate/module.h",
			       module->size, sizeof(*module));
	return 0;
}

int
module_check(const struct tg_module *module, struct err *err)
{
	int r = check_versions(module, err);

	if (r < 0)
		return r;
	if (module->kind != TG_MODULE_AUTOSCALER && module->kind != TG_MODULE_SCHEDULER)
		return err_set(err, TG_EINVAL,
			       "kind %u is not known; allowed: %u, an autoscaler, and %u, a scheduler",
			       module->kind, TG_MODULE_AUTOSCALER, TG_MODULE_SCHEDULER);
	if (module->name == NULL || !is_name(module->name, '-'))
		return err_set(err, TG_EINVAL,
			       "\"%.80s\" is no name; allowed: a letter, then lower case letters, "
			       "digits and '-', %u at most",
			       module->name != NULL ? module->name : "", NAME_MAX_BYTES);
	if (module->help == NULL)
		return err_set(err, TG_EINVAL, "help is missing");
	r = check_options(module, err);
	return r < 0 ? r : check_ops(module, err);
}

/*** Words ***/

const char *
tg_metric_str(unsigned metric)
{
	static const char *const words[] = {
#define METRIC_WORD(id, word, help) [TG_METRIC_##id] = word,
		TG_METRICS(METRIC_WORD)
#undef METRIC_WORD
	};

	return metric < TG_METRIC_COUNT ? words[metric] : "?";
}

const char *
tg_backend_state_str(unsigned state)
{
	static const char *const words[] = {
		[TG_BACKEND_PENDING] = "pending",   [TG_BACKEND_STARTING] = "starting",
		[TG_BACKEND_CHECKING] = "checking", [TG_BACKEND_READY] = "ready",
		[TG_BACKEND_DOWN] = "down",         [TG_BACKEND_DRAINING] = "draining",
		[TG_BACKEND_STOPPING] = "stopping",
	};

	return state < TG_BACKEND_STATE_COUNT ? words[state] : "?";
}
