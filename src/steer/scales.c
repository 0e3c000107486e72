#include "steer/scales.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steer/steer_priv.h"

static const struct word {
	const char *word;
	const char *allowed;
} words[TG_STEER_SCALE_COUNT] = {
#define SCALE_WORD(id, word, allowed) [TG_STEER_SCALE_##id] = {word, allowed},
	TG_STEER_SCALES(SCALE_WORD)
#undef SCALE_WORD
};

static const char *const modes[TG_STEER_MODE_COUNT] = {
	[TG_STEER_RESUME] = "resume",
	[TG_STEER_PAUSE] = "pause",
	[TG_STEER_DRY_RUN] = "dry-run",
};

const char *
steer_scale_str(enum steer_scale what)
{
	return what < TG_STEER_SCALE_COUNT ? words[what].word : "?";
}

bool
steer_scale_find(const char *word, enum steer_scale *ret)
{
	for (unsigned i = 0; i < TG_STEER_SCALE_COUNT; i++) {
		if (strcmp(words[i].word, word) == 0) {
			*ret = (enum steer_scale)i;
			return true;
		}
	}
	return false;
}

struct steer_scales *
steer_scales_new(const struct conf *conf)
{
	struct steer_scales *s =
		calloc(1, sizeof(*s) + (conf->n_services + 1) * sizeof(s->list[0]));

	if (s == NULL)
		return NULL;
	s->conf = conf;
	for (size_t i = 0; i < conf->n_services; i++) {
		if (!conf_is_scaled(&conf->services[i]))
			continue;
		if (conf_autoscale_mark(&conf->services[i], &s->list[i].mark) < 0) {
			steer_scales_free(s);
			return NULL;
		}
	}
	return s;
}

void
steer_scales_free(struct steer_scales *s)
{
	free(s);
}

void
steer_scales_watch(struct steer_scales *s, steer_scale_cb *change, void *user)
{
	s->change = change;
	s->user = user;
}

const struct steer_order *
steer_scales_get(const struct steer_scales *s, unsigned service, enum steer_scale what)
{
	assert(service < s->conf->n_services);
	return &s->list[service].orders[what];
}

bool
steer_scales_number(const struct steer_scales *s, unsigned service, uint32_t *ret)
{
	const char *value = steer_scales_get(s, service, TG_STEER_SCALE_NUMBER)->value;

	if (value[0] < '0' || value[0] > '9')
		return false;
	*ret = (uint32_t)strtoul(value, NULL, 10);
	return true;
}

static enum steer_mode
configured_mode(const struct conf_service *service)
{
	return service->autoscale.dry_run ? TG_STEER_DRY_RUN : TG_STEER_RESUME;
}

enum steer_mode
steer_scales_mode(const struct steer_scales *s, unsigned service)
{
	const char *value = steer_scales_get(s, service, TG_STEER_SCALE_MODE)->value;

	for (unsigned i = 0; i < TG_STEER_MODE_COUNT; i++) {
		if (strcmp(value, modes[i]) == 0)
			return (enum steer_mode)i;
	}
	return configured_mode(&s->conf->services[service]);
}

/* In one way of writing. */
static bool
take_number(const char *value, char *buf, size_t size)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long n = strtoul(value, NULL, 10);

	if (strcmp(value, "auto") == 0) {
		snprintf(buf, size, "auto");
		return true;
	}
	if (digits == 0 || digits > 9 || value[digits] != '\0' || n > TG_SCALE_MAX)
		return false;
	snprintf(buf, size, "%lu", n);
	return true;
}

static bool
take_mode(const char *value, char *buf, size_t size)
{
	for (unsigned i = 0; i < TG_STEER_MODE_COUNT; i++) {
		if (strcmp(value, modes[i]) == 0) {
			snprintf(buf, size, "%s", value);
			return true;
		}
	}
	return false;
}

int
steer_scales_set(struct steer_scales *s, unsigned service, enum steer_scale what,
		 const char *value, const struct steer_note *note, struct err *err)
{
	struct steer_order order = {.note = *note};
	bool is_allowed = what == TG_STEER_SCALE_NUMBER
				  ? take_number(value, order.value, sizeof(order.value))
				  : take_mode(value, order.value, sizeof(order.value));

	assert(service < s->conf->n_services);
	if (!conf_is_scaled(&s->conf->services[service]))
		return err_set(err, TG_EEXIST,
			       "service \"%.128s\" is not scaled: that needs autoscale, and a "
			       "provider that starts backends",
			       s->conf->services[service].name);
	if (!is_allowed)
		return err_set(err, TG_EINVAL, "%s \"%.64s\" is not allowed; allowed: %s",
			       words[what].word, value, words[what].allowed);
	steer_scales_configured(s, service, what, order.was, sizeof(order.was));
	s->list[service].orders[what] = order;
	if (s->change != NULL)
		s->change(s->user, service, what);
	return 0;
}

static const char *
configured_word(const struct conf_service *service, enum steer_scale what)
{
	return what == TG_STEER_SCALE_NUMBER ? "auto" : modes[configured_mode(service)];
}

void
steer_scales_configured(const struct steer_scales *s, unsigned service, enum steer_scale what,
			char *buf, size_t size)
{
	const struct conf_service *conf = &s->conf->services[service];

	buf[0] = '\0';
	if (conf_is_scaled(conf))
		snprintf(buf, size, "%s %016" PRIx64, configured_word(conf, what),
			 s->list[service].mark);
}

bool
steer_scales_differs(const struct steer_scales *s, unsigned service, enum steer_scale what)
{
	const struct steer_order *order = steer_scales_get(s, service, what);

	return order->value[0] != '\0' &&
	       strcmp(order->value, configured_word(&s->conf->services[service], what)) != 0;
}
