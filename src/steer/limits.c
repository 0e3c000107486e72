#include "steer/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steer/steer_priv.h"

size_t
steer_limit_place(const struct steer_limits *l, uint32_t listener)
{
	assert(listener == TG_LIMIT_OF_ALL || listener < l->conf->n_listeners);
	return listener == TG_LIMIT_OF_ALL ? 0 : (size_t)listener + 1;
}

struct steer_limits *
steer_limits_new(const struct conf *conf)
{
	struct steer_limits *l =
		calloc(1, sizeof(*l) + (conf->n_listeners + 1) * sizeof(l->list[0]));

	if (l != NULL)
		l->conf = conf;
	return l;
}

void
steer_limits_free(struct steer_limits *l)
{
	free(l);
}

void
steer_limits_watch(struct steer_limits *l, steer_limit_cb *change, void *user)
{
	l->change = change;
	l->user = user;
}

const struct steer_order *
steer_limits_get(const struct steer_limits *l, uint32_t listener)
{
	return &l->list[steer_limit_place(l, listener)].order;
}

bool
steer_limits_number(const struct steer_limits *l, uint32_t listener, uint32_t *ret)
{
	const struct steer_order *order = steer_limits_get(l, listener);

	if (order->value[0] == '\0')
		return false;
	*ret = (uint32_t)strtoul(order->value, NULL, 10);
	return true;
}

bool
steer_limits_told(const struct steer_limits *l, uint32_t listener, uint32_t *ret)
{
	const struct steer_limit *limit = &l->list[steer_limit_place(l, listener)];

	if (steer_limits_number(l, listener, ret))
		return true;
	*ret = listener == TG_LIMIT_OF_ALL ? 0 : l->conf->listeners[listener].max_connections;
	return limit->is_told;
}

static bool
is_allowed(const char *value)
{
	size_t digits = strspn(value, "0123456789");

	return digits > 0 && digits < 9 && value[digits] == '\0' &&
	       strtoul(value, NULL, 10) <= TG_LIMIT_MAX;
}

int
steer_limits_set(struct steer_limits *l, uint32_t listener, const char *value,
		 const struct steer_note *note, struct err *err)
{
	struct steer_limit *limit = &l->list[steer_limit_place(l, listener)];
	struct steer_order *order = &limit->order;

	if (!is_allowed(value))
		return err_set(
			err, TG_EINVAL, "maxconn \"%.64s\" is not allowed; allowed: 0 to %u; 0: %s",
			value, TG_LIMIT_MAX,
			listener == TG_LIMIT_OF_ALL ? "as configured" : "only the limit of all");
	limit->is_told = true;
	order->note = *note;
	snprintf(order->value, sizeof(order->value), "%lu", strtoul(value, NULL, 10));
	steer_limits_configured(l->conf, listener, order->was, sizeof(order->was));
	if (l->change != NULL)
		l->change(l->user, listener);
	return 0;
}

void
steer_limits_configured(const struct conf *conf, uint32_t listener, char *buf, size_t size)
{
	unsigned n = listener == TG_LIMIT_OF_ALL ? conf->max_connections
						 : conf->listeners[listener].max_connections;

	snprintf(buf, size, "%u", n);
}

bool
steer_limits_differs(const struct steer_limits *l, uint32_t listener)
{
	const struct steer_order *order = steer_limits_get(l, listener);
	char configured[16];

	if (order->value[0] == '\0')
		return false;
	if (listener == TG_LIMIT_OF_ALL && strcmp(order->value, "0") == 0)
		return false;
	steer_limits_configured(l->conf, listener, configured, sizeof(configured));
	return strcmp(configured, order->value) != 0;
}
