#include "proc/keeper_store.h"

#include "base/log.h"
#include "conf/compare.h"
#include "proc/names.h"

int
keeper_store_open(const struct conf *conf, struct loop *loop, store_change_cb *change, void *user,
		  struct keeper_store *ret, struct err *err)
{
	struct keeper_store s = {.store = NULL};
	bool has_name = conf->store.type != TG_STORE_MEMORY;
	int rc = has_name ? names_start_resolver(loop, conf, &s.resolver, err) : 0;

	if (rc == 0)
		rc = store_open(&conf->store, loop, s.resolver, change, user, &s.store, err);
	if (rc == 0)
		*ret = s;
	else
		keeper_store_close(&s, 0);
	return rc;
}

void
keeper_store_close(struct keeper_store *s, unsigned timeout_ms)
{
	store_close(s->store, timeout_ms);
	resolver_free(s->resolver);
	*s = (struct keeper_store){.store = NULL};
}

bool
keeper_store_differs(const struct conf *present, const struct conf *next)
{
	const struct conf_store *a = &present->store;
	const struct conf_store *b = &next->store;

	if (a->type != b->type)
		return true;
	if (b->type == TG_STORE_MEMORY)
		return false;
	return a->timeout_ms != b->timeout_ms || !conf_is_equal_text(a->url, b->url) ||
	       !names_has_same_servers(present, next);
}

void
keeper_store_replace(struct keeper_store *s, struct keeper_store *next)
{
	struct keeper_store before = *s;

	store_swap_history(next->store, before.store);
	*s = *next;
	*next = before;
	log_write(TG_LOG_INFO, "another store is in use", "store=%s", store_kind(s->store));
}
