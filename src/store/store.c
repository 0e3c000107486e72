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
	s->given_up = mono_add_ms(mono_read(), conf->lease_ms);
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
	s->heard = NULL;
	s->ordered = NULL;
	s->voted = NULL;
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
	if (s->ops->forget != NULL)
		s->ops->forget(s, service);
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

/*** Others ***/

const char *
store_authority_str(enum store_authority authority)
{
	switch (authority) {
	case TG_STORE_UNDECIDED:
		return "undecided";
	case TG_STORE_ALONE:
		return "alone";
	case TG_STORE_LEADS:
		return "leads";
	case TG_STORE_FOLLOWS:
		return "follows";
	case TG_STORE_AUTHORITY_COUNT:
		break;
	}
	return "?";
}

/* While it is not well: whether nobody else was there when it was. Others that there are get a lease to tell. */
static bool
is_alone(const struct store *s, const struct store_shared *shared, struct mono now)
{
	if (s->is_well || !s->is_known)
		return false;
	if (shared == NULL || !shared->is_heard)
		return now.us >= s->given_up.us;
	return shared->n_others == 0 && (shared->is_mine || shared->leader[0] == '\0');
}

enum store_authority
store_authority(const struct store *s, const char *service, struct mono now)
{
	const struct store_shared *shared;

	if (s->ops->shared == NULL)
		return TG_STORE_ALONE;
	shared = s->ops->shared(s, service);
	if (!mono_is_set(now))
		now = mono_read();
	if (is_alone(s, shared, now))
		return TG_STORE_ALONE;
	if (shared == NULL || !shared->is_heard)
		return TG_STORE_UNDECIDED;
	if (shared->is_mine)
		return now.us < shared->until.us ? TG_STORE_LEADS : TG_STORE_UNDECIDED;
	return shared->leader[0] != '\0' ? TG_STORE_FOLLOWS : TG_STORE_UNDECIDED;
}

int
store_tell(struct store *s, const char *service, const struct store_telling *telling)
{
	return s->ops->tell != NULL ? s->ops->tell(s, service, telling) : 0;
}

const struct store_shared *
store_shared(const struct store *s, const char *service)
{
	return s->ops->shared != NULL ? s->ops->shared(s, service) : NULL;
}

void
store_listen(struct store *s, void (*heard)(void *user, const char *service), void *user)
{
	s->heard = heard;
	s->heard_user = user;
}

int
store_share_order(struct store *s, const struct store_order *order)
{
	return s->ops->order != NULL ? s->ops->order(s, order) : 0;
}

void
store_listen_orders(struct store *s, void (*ordered)(void *user, const struct store_order *order),
		    void *user)
{
	s->ordered = ordered;
	s->ordered_user = user;
}

int
store_vote(struct store *s, const char *service, const struct store_vote *votes, size_t n)
{
	if (!is_name(service))
		return -TG_EINVAL;
	return s->ops->vote != NULL ? s->ops->vote(s, service, votes, n) : 0;
}

void
store_unvote(struct store *s, const char *service)
{
	if (s->ops->unvote != NULL)
		s->ops->unvote(s, service);
}

const struct store_votes *
store_votes(const struct store *s, const char *service)
{
	return s->ops->votes != NULL ? s->ops->votes(s, service) : NULL;
}

void
store_listen_votes(struct store *s, void (*voted)(void *user, const char *service), void *user)
{
	s->voted = voted;
	s->voted_user = user;
}

void
store_agree(struct store *s, const char *name, const char *was, const char *own)
{
	if (s->ops->agree != NULL)
		s->ops->agree(s, name, was, own);
}

void
store_listen_word(struct store *s, void (*agreed)(void *user, const char *word), void *user)
{
	s->agreed = agreed;
	s->agreed_user = user;
}

int
store_claim(struct store *s, const char *name, bool is_wanted)
{
	return s->ops->claim != NULL ? s->ops->claim(s, name, is_wanted) : 0;
}

void
store_claim_ended(struct store *s, const char *name, bool is_done, uint64_t mark, uint64_t wait_ms)
{
	if (s->ops->claim_ended != NULL)
		s->ops->claim_ended(s, name, is_done, mark, wait_ms);
}

void
store_claim_forget(struct store *s, const char *name)
{
	if (s->ops->claim_forget != NULL)
		s->ops->claim_forget(s, name);
}

const struct store_claim *
store_claim_find(const struct store *s, const char *name)
{
	return s->ops->claim_find != NULL ? s->ops->claim_find(s, name) : NULL;
}

int
store_tell_challenges(struct store *s, const struct challenge *list, size_t n)
{
	return s->ops->tell_challenges != NULL ? s->ops->tell_challenges(s, list, n) : 0;
}

void
store_listen_claims(struct store *s,
		    void (*heard)(void *user, const struct challenge *list, size_t n,
				  bool is_any_taken),
		    void *user)
{
	s->claimed = heard;
	s->claimed_user = user;
}

const char *
store_instance(const struct store *s)
{
	return s->ops->instance != NULL ? s->ops->instance(s) : "";
}

uint64_t
store_memory_used(const struct store *s)
{
	return s->ops->memory_used != NULL ? s->ops->memory_used(s) : 0;
}

void
store_connections(const struct store *s,
		  void (*told)(void *user, const struct store_connection *connection), void *user)
{
	if (s->ops->connections != NULL)
		s->ops->connections(s, told, user);
}
