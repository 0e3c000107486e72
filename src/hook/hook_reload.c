/* hook/hook_reload.c: hooks of another configuration take the place of those before. */
#include <stdlib.h>
#include <string.h>

#include "hook/hook_priv.h"

struct hooks_next {
	struct hooks *all;
	struct conf *conf;
	struct resolver *resolver; /* NULL: that of before goes on */
	struct hook **list;        /* [conf->n_hooks]; NULL each: that of the same name goes on */
};

static struct hook *
find(const struct hooks *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i] != NULL && strcmp(all->list[i]->conf->name, name) == 0)
			return all->list[i];
	}
	return NULL;
}

/* It looks names up where it did before, or not at all. */
static bool
may_go_on(const struct hooks_next *next, const struct hook *before, const struct conf_hook *conf)
{
	return before != NULL && conf_hook_equal(before->conf, conf) &&
	       (next->resolver == NULL || conf->url == NULL);
}

static int
make(struct hooks_next *next, struct err *err)
{
	struct hooks *all = next->all;
	struct resolver *before = all->resolver;
	int rc = 0;

	/* Those that are made look names up there. */
	if (next->resolver != NULL)
		all->resolver = next->resolver;
	for (size_t i = 0; i < next->conf->n_hooks && rc == 0; i++) {
		const struct conf_hook *conf = &next->conf->hooks[i];

		if (!may_go_on(next, find(all, conf->name), conf))
			rc = hook_new(all, next->conf, conf, &next->list[i], err);
	}
	all->resolver = before;
	return rc;
}

int
hooks_prepare(struct hooks *all, struct conf *conf, struct resolver *resolver,
	      struct hooks_next **ret, struct err *err)
{
	struct hooks_next *next = calloc(1, sizeof(*next));
	int rc;

	if (next == NULL) {
		resolver_free(resolver);
		return err_no_memory(err);
	}
	next->all = all;
	next->conf = conf_ref(conf);
	next->resolver = resolver;
	next->list = calloc(TG_HOOKS_MAX, sizeof(struct hook *));
	rc = next->list != NULL ? make(next, err) : err_no_memory(err);
	if (rc == 0)
		*ret = next;
	else
		hooks_drop(next);
	return rc;
}

void
hooks_drop(struct hooks_next *next)
{
	if (next == NULL)
		return;
	for (size_t i = 0; next->list != NULL && i < next->conf->n_hooks; i++)
		hook_free(next->list[i]);
	free(next->list);
	resolver_free(next->resolver);
	conf_unref(next->conf);
	free(next);
}

/* What was under way waits again: it is told once more, with the same id. */
static void
take_over(struct hook *h, struct hook *before)
{
	STAILQ_CONCAT(&h->waiting, &before->waiting);
	h->n_waiting = before->n_waiting;
	before->n_waiting = 0;
	h->tries = before->tries;
	h->sent = before->sent;
	h->failed = before->failed;
	h->dropped = before->dropped;
	h->retries = before->retries;
	memcpy(h->error, before->error, sizeof(h->error));
	h->error_at = before->error_at;
}

static void
keep(struct hook *h, struct conf *owner, const struct conf_hook *conf)
{
	conf_unref(h->owner);
	h->owner = conf_ref(owner);
	h->conf = conf;
}

/* `h` has the place of that of its name, which is to be freed; or there was none. */
static void
replace(struct hook **before, size_t n, struct hook *h)
{
	for (size_t i = 0; i < n; i++) {
		if (before[i] != NULL && strcmp(before[i]->conf->name, h->conf->name) == 0)
			take_over(h, before[i]);
	}
}

static struct hook *
take_out(struct hooks *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++) {
		struct hook *h = all->list[i];

		if (h == NULL || strcmp(h->conf->name, name) != 0)
			continue;
		all->list[i] = NULL;
		return h;
	}
	return NULL;
}

void
hooks_commit(struct hooks *all, struct hooks_next *next)
{
	struct hook **before = all->list;
	size_t n_before = all->n;

	for (size_t i = 0; i < next->conf->n_hooks; i++) {
		const struct conf_hook *conf = &next->conf->hooks[i];

		if (next->list[i] == NULL) {
			struct hook *same = take_out(all, conf->name);

			if (same != NULL)
				keep(same, next->conf, conf);
			next->list[i] = same;
		} else {
			replace(before, n_before, next->list[i]);
		}
	}
	all->list = next->list;
	all->n = next->conf->n_hooks;
	for (size_t i = 0; i < n_before; i++)
		hook_free(before[i]);
	free(before);
	if (next->resolver != NULL) {
		resolver_free(all->resolver);
		all->resolver = next->resolver;
	}
	for (size_t i = 0; i < all->n; i++)
		hook_go_on(all->list[i]);
	next->list = NULL;
	next->resolver = NULL;
	hooks_drop(next);
}
