/* sim/policy_make.c: a policy from a module's name and keys, read by the tables that read the daemon's file. */
#include <stdlib.h>
#include <string.h>

#include "sim/policy_priv.h"

#define TEXT_MAX  16384u
#define KEY_MAX   64u

/* The file that says the same. */
struct text {
	char bytes[TEXT_MAX];
	size_t n;
	bool is_full;
};

static void add(struct text *t, const char *fmt, ...) TG_PRINTF(2, 3);

static void
add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->bytes + t->n, sizeof(t->bytes) - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(t->bytes) - t->n)
		t->is_full = true;
	else
		t->n += (size_t)n;
}

static void
add_quoted(struct text *t, const char *value)
{
	add(t, "\"");
	for (; *value != '\0'; value++)
		add(t, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	add(t, "\"");
}

static size_t
key_length(const char *setting)
{
	return strcspn(setting, "=");
}

static bool
has_key(const char *const *settings, const char *key, size_t n)
{
	for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
		if (key_length(settings[i]) == n && strncmp(settings[i], key, n) == 0)
			return true;
	}
	return false;
}

static bool
is_key(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(text[i] >= 'a' && text[i] <= 'z') && text[i] != '_' &&
		    !(i > 0 && text[i] >= '0' && text[i] <= '9'))
			return false;
	}
	return n > 0 && n <= KEY_MAX;
}

static bool
is_number(const char *value)
{
	char *end = NULL;

	(void)strtod(value, &end);
	return end != value && *end == '\0';
}

/* Whether a key's values stand in quotes: those of the module as its table has it; of the others all but numbers of
 * backends. */
static bool
is_quoted(const struct tg_module *module, const char *key, size_t n)
{
	static const char *const whole[] = {"min", "max", "step_up", "step_down"};

	for (size_t i = 0; module != NULL && i < module_n_options(module); i++) {
		const struct tg_option *o = &module->options[i];

		if (strlen(o->name) == n && strncmp(o->name, key, n) == 0)
			return o->type == TG_OPTION_DURATION || o->type == TG_OPTION_WORD;
	}
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		if (strlen(whole[i]) == n && strncmp(whole[i], key, n) == 0)
			return false;
	}
	return true;
}

/* What cannot be written without quotes has them, too: it is refused as what it is. */
static void
add_setting(struct text *t, const struct tg_module *module, const char *key, size_t n,
	    const char *value)
{
	bool is_truth = strcmp(value, "true") == 0 || strcmp(value, "false") == 0;

	add(t, "%.*s = ", (int)n, key);
	if (is_truth || (is_number(value) && !is_quoted(module, key, n)))
		add(t, "%s", value);
	else
		add_quoted(t, value);
	add(t, ";\n");
}

static int
add_settings(struct text *t, const struct tg_module *module, const char *const *settings, struct err *err)
{
	for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
		size_t n = key_length(settings[i]);

		if (settings[i][n] != '=' || !is_key(settings[i], n))
			return err_set(err, TG_EINVAL,
				       "\"%.80s\" is no setting; allowed: key=value, as target=0.7",
				       settings[i]);
		if (has_key(settings + i + 1, settings[i], n))
			continue;
		add_setting(t, module, settings[i], n, settings[i] + n + 1);
	}
	return 0;
}

/* Ours have good form. */
static void
add_presets(struct text *t, const struct tg_module *module, const char *presets,
	    const char *const *settings)
{
	while (presets != NULL && *presets != '\0') {
		size_t all = strcspn(presets, " ");
		size_t n = key_length(presets);
		char value[KEY_MAX];

		snprintf(value, sizeof(value), "%.*s", (int)(all - n - 1), presets + n + 1);
		if (!has_key(settings, presets, n))
			add_setting(t, module, presets, n, value);
		presets += all + (presets[all] == ' ');
	}
}

static int
write_text(const struct policy_spec *spec, struct text *t, struct err *err)
{
	const struct tg_module *module = module_find(TG_MODULE_AUTOSCALER, spec->module);
	int rc;

	add(t, "listeners = ({ name = \"front\"; bind = \"127.0.0.1:1\"; mode = \"http\"; "
	       "service = \"service\"; });\n"
	       "services = ({ name = \"service\"; backends = ();\nmax_connections_per_backend = %u;\n"
	       "autoscale = {\nmodule = ",
	    spec->concurrency);
	add_quoted(t, spec->module);
	add(t, ";\ndry_run = true;\n");
	if (!has_key(spec->settings, "min", 3))
		add(t, "min = %u;\n", spec->min);
	if (!has_key(spec->settings, "max", 3))
		add(t, "max = %u;\n", spec->max);
	rc = add_settings(t, module, spec->settings, err);
	if (rc < 0)
		return rc;
	add_presets(t, module, spec->presets, spec->settings);
	add(t, "}; });\n");
	return t->is_full ? err_set(err, TG_EINVAL, "settings of module \"%.64s\" are too long",
				    spec->module)
			  : 0;
}

/* The first that is no warning, without the place in a text that nobody wrote. */
static int
tell_error(const struct policy_spec *spec, const struct conf_errors *errors, struct err *err)
{
	static const char place[] = "services[0].autoscale.";

	for (size_t i = 0; i < errors->n; i++) {
		const char *text = errors->list[i].text;
		const char *at = strstr(text, place);

		if (errors->list[i].is_warning)
			continue;
		return err_set(err, TG_EINVAL, "module \"%.64s\": %.400s", spec->module,
			       at != NULL ? at + sizeof(place) - 1 : text);
	}
	return err_no_memory(err);
}

static int
load(const struct policy_spec *spec, struct conf **ret, struct err *err)
{
	struct conf_errors errors = {.n = 0};
	struct text *text = calloc(1, sizeof(*text));
	int rc;

	if (text == NULL)
		return err_no_memory(err);
	rc = write_text(spec, text, err);
	if (rc == 0 && conf_load_text(text->bytes, text->n, "settings", ret, &errors) < 0)
		rc = tell_error(spec, &errors, err);
	conf_errors_fini(&errors);
	free(text);
	return rc;
}

static int
take_windows(struct policy *p, struct err *err)
{
	uint32_t longest = 0;

	p->n_windows = module_windows(p->module, p->values, p->spans_ms);
	for (uint32_t i = 0; i < p->n_windows; i++)
		longest = p->spans_ms[i] > longest ? p->spans_ms[i] : longest;
	if (history_keep(p->history, TG_POLICY_SERVICE, longest, (uint32_t)p->conf->interval_ms) < 0)
		return err_no_memory(err);
	return 0;
}

static int
make(struct policy *p, const struct policy_spec *spec, struct err *err)
{
	size_t bad;
	int rc = load(spec, &p->owner, err);

	if (rc < 0)
		return rc;
	p->conf = &p->owner->services[0].autoscale;
	p->module = module_find(TG_MODULE_AUTOSCALER, p->conf->module);
	p->history = history_new();
	p->planning = planning_new();
	p->backends = calloc(TG_REPLICAS_MAX, sizeof(*p->backends));
	p->names = calloc(TG_REPLICAS_MAX, sizeof(*p->names));
	p->busy_us = calloc(TG_REPLICAS_MAX, sizeof(*p->busy_us));
	if (p->history == NULL || p->planning == NULL || p->backends == NULL || p->names == NULL || p->busy_us == NULL)
		return err_no_memory(err);
	for (unsigned i = 0; i < TG_REPLICAS_MAX; i++)
		snprintf(p->names[i], sizeof(p->names[i]), "auto-%u", i + 1);
	outlook_interval(planning_outlook(p->planning), (double)p->conf->interval_ms / 1000);
	rc = module_values(p->module, p->conf->settings, p->conf->n_settings, p->values, &bad, err);
	return rc < 0 ? rc : take_windows(p, err);
}

int
policy_new(const struct policy_spec *spec, struct policy **ret, struct err *err)
{
	struct policy *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return err_no_memory(err);
	p->concurrency = spec->concurrency;
	p->start_s = NAN;
	rc = make(p, spec, err);
	if (rc < 0) {
		policy_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	history_free(p->history);
	planning_free(p->planning);
	free(p->backends);
	free(p->names);
	free(p->busy_us);
	conf_unref(p->owner);
	free(p);
}
