/* conf/overlay_renew.c: certificates, read anew. */
#include <stdio.h>
#include <string.h>

#include "conf/overlay_priv.h"
#include "conf/schema_priv.h"

struct renewal {
	struct arena *arena;
	const char *what; /* under way: "listener" or "service", and its name */
	const char *name;
	conf_renew_told *told;
	void *user;
	size_t n_failed;
	const char *
		given_file; /* what is given for it, and all else as it was; NULL: files are read anew */
	const struct conf_pem *given;
	size_t n_given;
};

static void
on_told(void *user, bool is_error, bool is_of_key, const char *text)
{
	const struct renewal *r = user;
	char line[768];

	(void)is_of_key;
	snprintf(line, sizeof(line), "%s %s: %s%s", r->what, r->name,
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
	for (size_t i = 0; c->loaded && i < c->n_loaded; i++)
		if (!conf_loaded_copy(arena, &from[i], &c->loaded[i]))
			return false;
	return c->loaded != NULL && conf_left_out_copy(arena, c);
}

/* NULL: there was none. */
static const struct conf_loaded *
find_loaded(const struct conf_certificate *c, const char *file)
{
	for (size_t i = 0; i < c->n_loaded; i++)
		if (strcmp(c->loaded[i].file, file) == 0)
			return &c->loaded[i];
	return NULL;
}

/* What is said of the same certificate holds until it is over, whatever came after it but that it is revoked. */
static bool
keep_ocsp(struct renewal *r, const struct conf_certificate *c,
	  const struct conf_certificate *before)
{
	bool ok = true;

	for (size_t i = 0; i < c->n_loaded && ok; i++) {
		struct conf_loaded *l = &c->loaded[i];
		const struct conf_loaded *was =
			l->has_bad_ocsp ? find_loaded(before, l->file) : NULL;

		if (!was || !was->ocsp || was->pem.chain_n != l->pem.chain_n ||
		    memcmp(was->pem.chain, l->pem.chain, l->pem.chain_n) != 0)
			continue;
		l->ocsp = was->ocsp;
		l->ocsp_n = was->ocsp_n;
		ok = dup_bytes(r->arena, &l->ocsp, l->ocsp_n);
	}
	return ok;
}

/* All as it was, but for what is given. False: no memory. */
static bool
give_one(struct renewal *r, struct conf_certificate *c)
{
	if (!dup_loaded(r->arena, c))
		return false;
	for (size_t i = 0; i < c->n_loaded; i++) {
		struct conf_loaded *l = &c->loaded[i];

		if (strcmp(l->file, r->given_file) != 0)
			continue;
		l->pem = *r->given;
		l->is_kept = false;
		if (!dup_bytes(r->arena, &l->pem.chain, l->pem.chain_n) ||
		    !dup_bytes(r->arena, &l->pem.key, l->pem.key_n))
			return false;
		l->set_mark = conf_loaded_look(l);
		if (!conf_ocsp_fits(l))
			l->ocsp = NULL;
		r->n_given++;
	}
	return true;
}

/* What cannot be read stays as it was. */
static bool
renew_one(struct renewal *r, struct conf_certificate *c)
{
	const struct conf_certificate before = *c;

	if (r->given_file)
		return give_one(r, c);
	if (conf_certificate_is_awaited(c))
		return dup_loaded(r->arena, c);
	if (conf_read_certificate(r->arena, c, on_told, r))
		return keep_ocsp(r, c, &before);
	r->n_failed++;
	*c = before;
	if (!dup_loaded(r->arena, c))
		return false;
	for (size_t i = 0; i < c->n_loaded; i++)
		c->loaded[i].is_kept = true;
	return true;
}

/* Read anew, or a copy of what was read before. False: no memory. */
static bool
renew_file(struct renewal *r, struct conf_pem_file *f,
	   bool (*read)(struct arena *arena, struct conf_pem_file *f, conf_certificate_told *told,
			void *user))
{
	const struct conf_pem_file before = *f;

	if (!f->pem || (!r->given_file && read(r->arena, f, on_told, r)))
		return true;
	r->n_failed += !r->given_file;
	*f = before;
	return dup_bytes(r->arena, &f->pem, f->pem_n);
}

static bool
renew_listener(struct renewal *r, struct conf_listener *l)
{
	const struct conf_certificate *from = l->tls.certificates;
	size_t n = l->tls.n_certificates;
	struct conf_certificate *to = arena_alloc(r->arena, n, sizeof(to[0]));

	r->what = "listener";
	r->name = l->name;
	if (!to)
		return false;
	memcpy(to, from, n * sizeof(to[0]));
	for (size_t i = 0; i < n; i++) {
		if (!renew_one(r, &to[i]))
			return false;
	}
	l->tls.certificates = to;
	return renew_file(r, &l->tls.client_ca, conf_read_authorities) &&
	       renew_file(r, &l->tls.client_crl, conf_read_revoked);
}

static bool
renew_own(struct renewal *r, struct conf_back_tls *tls)
{
	const struct conf_certificate before = tls->certificate;

	if (!tls->own.chain ||
	    (!r->given_file && conf_read_own(r->arena, &tls->certificate, &tls->own, on_told, r)))
		return true;
	r->n_failed += !r->given_file;
	tls->certificate = before;
	if (!dup_loaded(r->arena, &tls->certificate))
		return false;
	tls->own = tls->certificate.loaded[0].pem;
	return true;
}

static bool
renew_service(struct renewal *r, struct conf_service *service)
{
	r->what = "service";
	r->name = service->name;
	return renew_file(r, &service->tls.ca, conf_read_authorities) &&
	       renew_file(r, &service->tls.crl, conf_read_revoked) &&
	       renew_own(r, &service->tls);
}

/* -TG_ENOMEM. */
static int
renew(struct conf_draft *d, struct renewal *r)
{
	struct conf_part *part = conf_part_new(NULL);
	struct conf *conf = &d->box->conf;
	bool ok = part != NULL;

	if (ok)
		r->arena = &part->arena;
	for (size_t i = 0; i < conf->n_listeners && ok; i++) {
		if (conf_has_tls(&conf->listeners[i]))
			ok = renew_listener(r, &conf->listeners[i]);
	}
	for (size_t i = 0; i < conf->n_services && ok; i++)
		ok = renew_service(r, &conf->services[i]);
	/* What points into it, of a draft that has failed, is dropped with it by the caller. */
	conf_part_unref(d->box->certificates);
	d->box->certificates = part;
	return ok ? 0 : -TG_ENOMEM;
}

int
conf_draft_renew(struct conf_draft *d, conf_renew_told *told, void *user, size_t *ret_failed)
{
	struct renewal r = {.told = told, .user = user};
	int rc = renew(d, &r);

	*ret_failed = r.n_failed;
	return rc;
}

int
conf_draft_set_certificate(struct conf_draft *d, const char *file, const struct conf_pem *pem,
			   size_t *ret_n)
{
	struct renewal r = {.given_file = file, .given = pem};
	int rc = renew(d, &r);

	*ret_n = r.n_given;
	return rc;
}
