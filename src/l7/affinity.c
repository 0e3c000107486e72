/*
 * Where a client belongs: the backend its cookie names, and the key it is hashed by.
 *
 * The cookie's value is a code of the backend's name that only we can make, so
 * it neither tells the name nor can be invented. All codes are made once, with
 * the service: a request costs a look into a table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

#include "base/hash.h"
#include "l7/stream_priv.h"
#include "tls/mac.h"

struct code {
	char text[TG_MAC_TEXT_LEN + 1];
	uint32_t slot;
	UT_hash_handle hh;
};

struct affinity {
	struct code *codes; /* by backend; NULL: not sticky */
	struct code *table; /* the same, by text */
	char *tail;         /* of the Set-Cookie line, behind the code */
};

/* codes */

/* A service and a backend cannot be taken for another pair: names hold no NUL. */
static int
make_code(const struct conf_service *conf, size_t backend, char ret[TG_MAC_TEXT_LEN + 1])
{
	const struct conf_backend *b = &conf->backends[backend];
	char names[512];
	int n = snprintf(names, sizeof(names), "%s%c%s", conf->name, '\0', b->name);

	if (n < 0 || (size_t)n >= sizeof(names))
		return -TG_ELIMIT;
	return mac_text(conf->sticky.secret, strlen(conf->sticky.secret), names, (size_t)n, ret);
}

static char *
make_tail(const struct conf_sticky *conf)
{
	static const char *const same_site[TG_SAME_SITE_COUNT] = {"Lax", "Strict", "None"};
	char age[48] = "";
	char *tail = NULL;

	if (conf->max_age_ms > 0)
		snprintf(age, sizeof(age), "; Max-Age=%llu",
			 (unsigned long long)(conf->max_age_ms / 1000));
	if (asprintf(&tail, "; Path=%s%s%s%s%s%s; SameSite=%s\r\n", conf->path,
		     conf->domain != NULL ? "; Domain=" : "",
		     conf->domain != NULL ? conf->domain : "", age, conf->secure ? "; Secure" : "",
		     conf->http_only ? "; HttpOnly" : "", same_site[conf->same_site]) < 0)
		return NULL;
	return tail;
}

static int
init_service(struct affinity *a, const struct conf_service *conf)
{
	size_t i;
	int rc;

	a->tail = make_tail(&conf->sticky);
	a->codes = calloc(conf->n_backends + 1, sizeof(a->codes[0]));
	if (a->tail == NULL || a->codes == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < conf->n_backends; i++) {
		struct code *code = &a->codes[i];

		code->slot = conf->backends[i].segment_slot;
		rc = make_code(conf, i, code->text);
		if (rc != 0)
			return rc;
		HASH_ADD_KEYPTR(hh, a->table, code->text, TG_MAC_TEXT_LEN, code);
	}
	return 0;
}

static void
affinity_fini(struct worker_service *s)
{
	struct affinity *a = s->l7;

	if (a == NULL)
		return;
	HASH_CLEAR(hh, a->table);
	free(a->codes);
	free(a->tail);
	free(a);
	s->l7 = NULL;
}

static int
affinity_init(struct worker_service *s)
{
	if (s->conf->sticky.cookie == NULL)
		return 0;
	s->l7 = calloc(1, sizeof(struct affinity));
	return s->l7 != NULL ? init_service(s->l7, s->conf) : -TG_ENOMEM;
}

const struct service_ops affinity_ops = {
	.init = affinity_init,
	.fini = affinity_fini,
};

static struct affinity *
affinity_of(const struct stream *s)
{
	return s->service->l7;
}

/* fields */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 6265 5.4: "a=1; b=2". The value of the next pair of this name; what is left in `cookies` begins behind it. */
static bool
next_in_cookies(struct slice *cookies, struct slice name, struct slice *ret)
{
	const char *end = cookies->p + cookies->n;
	const char *p = cookies->p;

	while (p < end) {
		const char *semicolon = memchr(p, ';', (size_t)(end - p));
		const char *stop = semicolon != NULL ? semicolon : end;
		const char *next = stop < end ? stop + 1 : end;
		size_t n;

		while (p < stop && is_blank(*p))
			p++;
		n = (size_t)(stop - p);
		if (n > name.n && p[name.n] == '=' && memcmp(p, name.p, name.n) == 0) {
			*ret = (struct slice){p + name.n + 1, n - name.n - 1};
			*cookies = (struct slice){next, (size_t)(end - next)};
			return true;
		}
		p = next;
	}
	return false;
}

static bool
find_cookie(const struct http_head *head, struct slice name, struct slice *ret)
{
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		struct slice cookies = head->fields[i].value;

		if (slice_equal_fold(head->fields[i].name, SLICE("cookie")) &&
		    next_in_cookies(&cookies, name, ret))
			return true;
	}
	return false;
}

static uint32_t
find_backend(const struct affinity *a, struct slice value)
{
	struct code *code = NULL;

	if (value.n == TG_MAC_TEXT_LEN)
		HASH_FIND(hh, a->table, value.p, TG_MAC_TEXT_LEN, code);
	return code != NULL ? code->slot : TG_LEASE_ANY;
}

/* The first that is ours: who may set a cookie for a whole domain may have put others before it. */
static uint32_t
find_preferred(const struct affinity *a, const struct http_head *head, const char *cookie)
{
	struct slice name = {cookie, strlen(cookie)};
	uint32_t slot = TG_LEASE_ANY;
	struct slice value;
	size_t i;

	for (i = 0; i < head->n_fields && slot == TG_LEASE_ANY; i++) {
		struct slice cookies = head->fields[i].value;

		if (!slice_equal_fold(head->fields[i].name, SLICE("cookie")))
			continue;
		while (slot == TG_LEASE_ANY && next_in_cookies(&cookies, name, &value))
			slot = find_backend(a, value);
	}
	return slot;
}

/* hash keys */

static bool
find_header(const struct http_head *head, const char *name, struct slice *ret)
{
	size_t n = strlen(name);
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		const struct http_field *f = &head->fields[i];

		if (f->name.n == n && strncasecmp(f->name.p, name, n) == 0) {
			*ret = f->value;
			return true;
		}
	}
	return false;
}

/* The first "name=value" between the question mark and the end, as it stands. */
static bool
find_in_query(struct slice target, struct slice name, struct slice *ret)
{
	const char *end = target.p + target.n;
	const char *p = memchr(target.p, '?', target.n);

	while (p != NULL) {
		const char *pair = p + 1;
		const char *next = memchr(pair, '&', (size_t)(end - pair));
		size_t n = (size_t)((next != NULL ? next : end) - pair);

		if (n > name.n && pair[name.n] == '=' && memcmp(pair, name.p, name.n) == 0) {
			*ret = (struct slice){pair + name.n + 1, n - name.n - 1};
			return true;
		}
		p = next;
	}
	return false;
}

/* False: the request has nothing to be hashed by. */
static bool
find_key(const struct stream *s, const struct http_head *head, struct slice *ret)
{
	const struct conf_service *conf = s->service->conf;
	struct slice name = {conf->hash_on_name,
			     conf->hash_on_name != NULL ? strlen(conf->hash_on_name) : 0};

	switch (conf->hash_on) {
	case TG_HASH_SOURCE:
		*ret = (struct slice){(const char *)&s->front->ip, sizeof(s->front->ip)};
		return true;
	case TG_HASH_PATH:
		*ret = stream_path(s);
		return true;
	case TG_HASH_HEADER:
		return find_header(head, name.p, ret);
	case TG_HASH_COOKIE:
		return find_cookie(head, name, ret);
	case TG_HASH_QUERY:
		return find_in_query(stream_target(s), name, ret);
	case TG_HASH_ON_COUNT:
		break;
	}
	return false;
}

static void
read_key(struct stream *s, const struct http_head *head)
{
	struct slice key;

	if (find_key(s, head, &key))
		s->tries.query.key = hash_bytes(key.p, key.n, 0);
	else
		s->tries.query.key = worker_random(s->worker);
}

void
affinity_read(struct stream *s, const struct http_head *head)
{
	const struct conf_sticky *sticky = &s->service->conf->sticky;

	if (s->service->conf->balance == TG_BALANCE_HASH)
		read_key(s, head);
	if (sticky->cookie != NULL)
		s->preferred = find_preferred(affinity_of(s), head, sticky->cookie);
}

/* Whether streams may be sent to the backend in this slot. */
static bool
is_served(const struct stream *s, uint32_t slot)
{
	const struct worker_backend *b = s->worker->backends[slot];

	return b != NULL && b->service == s->service &&
	       s->service->view->entry_of[b->index] != TG_VIEW_NONE;
}

/* A client whose backend is only full for the moment keeps its cookie. One whose answer comes from a
 * backend that is gone by now gets another next time. */
bool
affinity_needs_cookie(const struct stream *s)
{
	const struct worker_backend *b = s->lease.backend;

	if (s->service->conf->sticky.cookie == NULL || b->index == TG_VIEW_NONE ||
	    s->preferred == b->slot)
		return false;
	return s->preferred == TG_LEASE_ANY || !is_served(s, s->preferred);
}

size_t
affinity_write(const struct stream *s, char to[L7_SET_COOKIE_MAX])
{
	const struct affinity *a = affinity_of(s);

	return (size_t)snprintf(to, L7_SET_COOKIE_MAX, "Set-Cookie: %s=%s%s",
				s->service->conf->sticky.cookie,
				a->codes[s->lease.backend->index].text, a->tail);
}
