/*
 * module/values.c: from what is configured to what a module gets.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/suggest.h"
#include "module/module_priv.h"

#define WORDS_BYTES 256u

/*** One value ***/

static const char *
wanted(const struct tg_option *o)
{
	static const char *const words[] = {
		[TG_OPTION_NUMBER] = "a number",
		[TG_OPTION_DURATION] = "a duration as a string, as \"30s\"",
		[TG_OPTION_BOOLEAN] = "true or false",
		[TG_OPTION_WORD] = "a string",
	};

	return words[o->type];
}

static const char *
found(const struct conf_setting *s)
{
	static const char *const words[] = {
		[TG_SETTING_NUMBER] = "a number",
		[TG_SETTING_BOOLEAN] = "true or false",
		[TG_SETTING_TEXT] = "a string",
	};

	return words[s->type];
}

static int
take_number(const struct tg_option *o, double number, double *ret, struct err *err)
{
	/* Written so that what is not a number is out of range too. */
	if (!(number >= o->min && number <= o->max))
		return err_set(err, TG_EINVAL, "%g is out of range; allowed: %g to %g", number,
			       o->min, o->max);
	*ret = number;
	return 0;
}

static int
take_duration(const struct tg_option *o, const char *text, double *ret, struct err *err)
{
	uint64_t ms;
	int r = conf_duration_parse(text, &ms, err);

	if (r < 0)
		return -TG_EINVAL;
	if ((double)ms / 1000 < o->min || (double)ms / 1000 > o->max)
		return err_set(err, TG_EINVAL, "\"%.40s\" is out of range; allowed: %gs to %gs",
			       text, o->min, o->max);
	*ret = (double)ms / 1000;
	return 0;
}

static int
take_word(const struct tg_option *o, const char *text, double *ret, struct err *err)
{
	char all[WORDS_BYTES] = "";
	struct conf_suggest near;
	size_t n = 0;

	conf_suggest_start(&near, text);
	for (size_t i = 0; o->words[i] != NULL; i++) {
		if (strcmp(o->words[i], text) == 0) {
			*ret = (double)i;
			return 0;
		}
		conf_suggest_offer(&near, o->words[i]);
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s\"%s\"", i ? ", " : "",
					      o->words[i]);
	}
	if (near.best == NULL)
		return err_set(err, TG_EINVAL, "unknown value \"%.64s\"; allowed: %s", text, all);
	return err_set(err, TG_EINVAL, "unknown value \"%.64s\"; allowed: %s (did you mean \"%s\"?)",
		       text, all, near.best);
}

static int
take(const struct tg_option *o, const struct conf_setting *s, double *ret, struct err *err)
{
	static const enum conf_setting_type types[] = {
		[TG_OPTION_NUMBER] = TG_SETTING_NUMBER,
		[TG_OPTION_DURATION] = TG_SETTING_TEXT,
		[TG_OPTION_BOOLEAN] = TG_SETTING_BOOLEAN,
		[TG_OPTION_WORD] = TG_SETTING_TEXT,
	};

	if (types[o->type] != s->type)
		return err_set(err, TG_EINVAL, "%s where %s is wanted", found(s), wanted(o));
	switch ((enum tg_option_type)o->type) {
	case TG_OPTION_NUMBER:
		return take_number(o, s->number, ret, err);
	case TG_OPTION_DURATION:
		return take_duration(o, s->text, ret, err);
	case TG_OPTION_BOOLEAN:
		*ret = s->number != 0;
		return 0;
	case TG_OPTION_WORD:
		return take_word(o, s->text, ret, err);
	case TG_OPTION_TYPE_COUNT:
		break;
	}
	return err_set(err, TG_EINVAL, "unknown type");
}

/* The preset as it would be read. */
static int
preset_setting(const struct tg_option *o, struct conf_setting *ret, struct err *err)
{
	char *end = NULL;

	ret->type = TG_SETTING_TEXT;
	ret->text = (char *)(uintptr_t)o->preset; /* never written */
	if (o->type == TG_OPTION_NUMBER) {
		ret->type = TG_SETTING_NUMBER;
		ret->number = strtod(o->preset, &end);
		if (end == o->preset || *end != '\0')
			return err_set(err, TG_EINVAL, "\"%.40s\" is no number", o->preset);
	} else if (o->type == TG_OPTION_BOOLEAN) {
		ret->type = TG_SETTING_BOOLEAN;
		ret->number = strcmp(o->preset, "true") == 0;
		if (ret->number == 0 && strcmp(o->preset, "false") != 0)
			return err_set(err, TG_EINVAL, "\"%.40s\" is neither true nor false",
				       o->preset);
	}
	return 0;
}

int
option_preset(const struct tg_option *o, struct tg_value *ret, struct err *err)
{
	struct conf_setting setting = {.key = NULL};
	int r = preset_setting(o, &setting, err);

	if (r == 0)
		r = take(o, &setting, &ret->number, err);
	if (r == 0)
		ret->is_set = true;
	return r;
}

/*** All of them ***/

static int
unknown_key(const struct tg_module *module, const char *key, struct err *err)
{
	struct conf_suggest near;
	const char *ours;

	conf_suggest_start(&near, key);
	for (size_t i = 0; i < module_n_options(module); i++)
		conf_suggest_offer(&near, module->options[i].name);
	for (size_t i = 0; (ours = conf_module_key(module_conf_kind(module), i)) != NULL; i++)
		conf_suggest_offer(&near, ours);
	if (near.best == NULL)
		return err_set(err, TG_EINVAL, "unknown key of module \"%s\"", module->name);
	return err_set(err, TG_EINVAL, "unknown key of module \"%s\" (did you mean \"%s\"?)",
		       module->name, near.best);
}

static int
take_setting(const struct tg_module *module, const struct conf_setting *s, struct tg_value *ret,
	     bool *is_given, struct err *err)
{
	size_t n = module_n_options(module);
	size_t i = 0;
	int r;

	while (i < n && strcmp(module->options[i].name, s->key) != 0)
		i++;
	if (i == n)
		return unknown_key(module, s->key, err);
	if (is_given[i])
		return err_set(err, TG_EINVAL, "given twice");
	r = take(&module->options[i], s, &ret[i].number, err);
	if (r < 0)
		return r;
	ret[i].is_set = true;
	is_given[i] = true;
	return 0;
}

static void
take_presets(const struct tg_module *module, struct tg_value *ret)
{
	struct err err;

	for (size_t i = 0; i < TG_OPTIONS_MAX; i++)
		ret[i] = (struct tg_value){.is_set = false};
	for (size_t i = 0; i < module_n_options(module); i++) {
		/* module_check() saw that they are good. */
		if (module->options[i].preset != NULL)
			(void)!option_preset(&module->options[i], &ret[i], &err);
	}
}

static bool
go_together(const struct tg_module *module, const struct tg_value *values, char *reason, size_t size)
{
	const struct tg_autoscaler *autoscaler = module->ops;
	const struct tg_scheduler *scheduler = module->ops;
	bool (*check)(const struct tg_value *options, char *reason, size_t size) =
		module->kind == TG_MODULE_AUTOSCALER ? autoscaler->check : scheduler->check;

	return check == NULL || check(values, reason, size);
}

int
module_values(const struct tg_module *module, const struct conf_setting *settings, size_t n,
	      struct tg_value *ret, size_t *ret_bad, struct err *err)
{
	bool is_given[TG_OPTIONS_MAX] = {false};
	char reason[TG_REASON_SIZE] = "";

	take_presets(module, ret);
	for (size_t i = 0; i < n; i++) {
		int r = take_setting(module, &settings[i], ret, is_given, err);

		if (r < 0) {
			*ret_bad = i;
			return r;
		}
	}
	if (go_together(module, ret, reason, sizeof(reason)))
		return 0;
	*ret_bad = SIZE_MAX;
	reason[sizeof(reason) - 1] = '\0';
	return err_set(err, TG_EINVAL, "%s",
		       reason[0] != '\0' ? reason : "the options do not go together");
}
