#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_priv.h"

static const struct store_ops *const kinds[TG_STORE_TYPE_COUNT] = {
	[TG_STORE_MEMORY] = &store_memory,
	[TG_STORE_REDIS] = &store_redis,
};

int
store_open(const struct conf_store *conf, struct loop *loop, struct resolver *resolver,
	   store_change_cb *change, void *user, struct store **ret, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_no_memory(err);
	s->ops = kinds[conf->type];
	s->loop = loop;
	s->change = change;
	s->user = user;
	s->history = history_new();
	rc = s->history != NULL ? s->ops->open(s, conf, resolver, err)
				: err_no_memory(err);
	if (rc < 0) {
		store_close(s, 0);
		return rc;
	}
	*ret = s;
	return 0;
}

void
store_close(struct store *s, unsigned timeout_ms)
{
	if (s == NULL)
		return;
	s->change = NULL;
	s->ops->close(s, timeout_ms);
	history_free(s->history);
	free(s);
}

void
store_swap_history(struct store *s, struct store *from)
{
	struct history *history = s->history;

	s->history = from->history;
	from->history = history;
}

const char *
store_kind(const struct store *s)
{
	return s->ops->name;
}

bool
store_is_well(const struct store *s)
{
	return s->is_well;
}

const char *
store_why(const struct store *s)
{
	return s->why;
}

static void
set_state(struct store *s, bool is_well)
{
	bool is_news = s->is_well != is_well || !s->is_known;

	s->is_well = is_well;
	s->is_known = true;
	if (is_news && s->change != NULL)
		s->change(s->user, is_well, s->why);
}

void
store_set_well(struct store *s)
{
	s->why[0] = '\0';
	set_state(s, true);
}

void
store_set_unwell(struct store *s, const char *why)
{
	snprintf(s->why, sizeof(s->why), "%s", why);
	set_state(s, false);
}

/* Keys have the name of the service between braces: they tell a cluster what belongs together. */
static bool
is_name(const char *service)
{
	return strpbrk(service, "{}") == NULL;
}

int
store_keep(struct store *s, const char *service, uint32_t span_ms, uint32_t interval_ms)
{
	if (!is_name(service))
		return -TG_EINVAL;
	return history_keep(s->history, service, span_ms, interval_ms);
}

int
store_put(struct store *s, const char *service, const struct store_point *point,
	  const struct store_backend *backends, size_t n_backends)
{
	int rc = history_put(s->history, service, point);

	if (rc == 0 && s->ops->put != NULL)
		s->ops->put(s, service, point, backends, n_backends);
	return rc;
}

void
store_window(const struct store *s, const char *service, uint32_t span_ms, struct mono now,
	     struct tg_window *ret)
{
	history_window(s->history, service, span_ms, now, ret);
}

void
store_forget(struct store *s, const char *service)
{
	history_forget(s->history, service);
}

int
store_decision(struct store *s, const char *service, const char *json)
{
	int rc = is_name(service) ? history_decision(s->history, service, json) : -TG_EINVAL;

	if (rc == 0 && s->ops->decision != NULL)
		s->ops->decision(s, service, json);
	return rc;
}

void
store_decisions(const struct store *s, const char *service, size_t n,
		void (*told)(void *user, const char *json), void *user)
{
	history_decisions(s->history, service, n, told, user);
}

void
store_flush(struct store *s)
{
	if (s->ops->flush != NULL)
		s->ops->flush(s);
}

struct store_counts
store_counts(const struct store *s)
{
	return s->counts;
}
