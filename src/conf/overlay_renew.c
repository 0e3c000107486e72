/* conf/overlay_renew.c: certificates, read anew. */
#include <stdio.h>
#include <string.h>

#include "conf/overlay_priv.h"
#include "conf/schema_priv.h"

struct renewal {
	struct arena *arena;
	const struct conf_listener *listener; /* under way */
	conf_renew_told *told;
	void *user;
	size_t n_failed;
};

static void
on_told(void *user, bool is_error, bool is_of_key, const char *text)
{
	const struct renewal *r = user;
	char line[768];

	(void)is_of_key;
	snprintf(line, sizeof(line), "listener %s: %s%s", r->listener->name,
		 is_error ? "" : "warning: ", text);
	r->told(r->user, line);
}

static bool
dup_bytes(struct arena *arena, char **bytes, size_t n)
{
	*bytes = arena_copy(arena, *bytes, n);
	return *bytes != NULL;
}

static bool
dup_loaded(struct arena *arena, struct conf_certificate *c)
{
	const struct conf_loaded *from = c->loaded;

	c->loaded = arena_alloc(arena, c->n_loaded, sizeof(c->loaded[0]));
	for (size_t i = 0; c->loaded && i < c->n_loaded; i++) {
		struct conf_loaded *l = &c->loaded[i];

		*l = from[i];
		if (!draft_dup_text(arena, &l->file) || !draft_dup_text(arena, &l->key_file) ||
		    !dup_bytes(arena, &l->pem.chain, l->pem.chain_n) ||
		    !dup_bytes(arena, &l->pem.key, l->pem.key_n))
			return false;
	}
	return c->loaded != NULL;
}

/* All of it is there, or nothing changes: a folder of which one file is no good stays as it was. */
static bool
renew_one(struct renewal *r, struct conf_certificate *c)
{
	const struct conf_certificate before = *c;

	if (conf_read_certificate(r->arena, c, on_told, r))
		return true;
	r->n_failed++;
	*c = before;
	return dup_loaded(r->arena, c);
}

static bool
renew_listener(struct renewal *r, struct conf_listener *l)
{
	const struct conf_certificate *from = l->tls.certificates;
	size_t n = l->tls.n_certificates;
	struct conf_certificate *to = arena_alloc(r->arena, n, sizeof(to[0]));

	r->listener = l;
	if (!to)
		return false;
	memcpy(to, from, n * sizeof(to[0]));
	for (size_t i = 0; i < n; i++) {
		if (!renew_one(r, &to[i]))
			return false;
	}
	l->tls.certificates = to;
	return true;
}

int
conf_draft_renew(struct conf_draft *d, conf_renew_told *told, void *user, size_t *ret_failed)
{
	struct conf_part *part = conf_part_new();
	struct renewal r = {.told = told, .user = user};
	struct conf *conf = &d->box->conf;
	bool ok = part != NULL;

	if (ok)
		r.arena = &part->arena;
	for (size_t i = 0; i < conf->n_listeners && ok; i++) {
		if (conf_has_tls(&conf->listeners[i]))
			ok = renew_listener(&r, &conf->listeners[i]);
	}
	/* What points into it, of a draft that has failed, is dropped with it by the caller. */
	conf_part_unref(d->box->certificates);
	d->box->certificates = part;
	*ret_failed = r.n_failed;
	return ok ? 0 : -TG_ENOMEM;
}
