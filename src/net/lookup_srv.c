/*
 * net/lookup_srv.c: SRV records (RFC 2782) to what is asked for next.
 */
#include <stdlib.h>
#include <string.h>

#include "net/lookup_priv.h"

#include <ares_dns.h>

#define HEAD_BYTES     12 /* RFC 1035 4.1.1 */
#define QUESTION_BYTES 4  /* 4.1.2, behind the name */
#define RECORD_BYTES   10 /* 4.1.3, the same */

/*** Time to live ***/

/* What follows a name; NULL: it is none. */
static const unsigned char *
skip_name(const unsigned char *p, const unsigned char *m, int n)
{
	char *text;
	long len;

	if (p >= m + n || ares_expand_name(p, m, n, &text, &len) != ARES_SUCCESS)
		return NULL;
	ares_free_string(text);
	return p + len;
}

/* c-ares does not tell of SRV; it has taken the message as a whole before. */
static void
note_ttls(struct lookup *l, const unsigned char *m, int n)
{
	const unsigned char *p = m + HEAD_BYTES;
	const unsigned char *end = m + n;

	for (unsigned left = DNS_HEADER_QDCOUNT(m); p != NULL && left > 0; left--) {
		p = skip_name(p, m, n);
		p = p != NULL && end - p >= QUESTION_BYTES ? p + QUESTION_BYTES : NULL;
	}
	for (unsigned left = DNS_HEADER_ANCOUNT(m); p != NULL && left > 0; left--) {
		p = skip_name(p, m, n);
		if (p == NULL || end - p < RECORD_BYTES)
			return;
		lookup_note_ttl(l, DNS_RR_TTL(p));
		if (end - p - RECORD_BYTES < DNS_RR_LEN(p))
			return;
		p += RECORD_BYTES + DNS_RR_LEN(p);
	}
}

/*** Records ***/

static bool
is_of_use(const struct ares_srv_reply *srv)
{
	bool has_target = srv->host[0] != '\0' && strcmp(srv->host, ".") != 0;

	return has_target && srv->port != 0;
}

/* Absolute: no search list is wanted behind it. NULL: no memory. */
static char *
copy_host(const char *host)
{
	size_t n = strlen(host);
	char *copy = malloc(n + 2);

	if (copy == NULL)
		return NULL;
	memcpy(copy, host, n + 1);
	if (host[n - 1] != '.')
		memcpy(copy + n, ".", 2);
	return copy;
}

/* False: no memory. */
static bool
copy_records(struct lookup *l, const struct ares_srv_reply *list)
{
	size_t n = 0;

	for (const struct ares_srv_reply *srv = list; srv != NULL; srv = srv->next)
		n++;
	l->records = calloc(n + 1, sizeof(*l->records));
	if (l->records == NULL)
		return false;
	for (const struct ares_srv_reply *srv = list; srv != NULL; srv = srv->next) {
		struct lookup_record *r = &l->records[l->n_records];

		if (!is_of_use(srv)) {
			l->n_refused++;
			continue;
		}
		r->host = copy_host(srv->host);
		if (r->host == NULL)
			return false;
		r->port = srv->port;
		r->priority = srv->priority;
		r->weight = srv->weight;
		l->n_records++;
	}
	return true;
}

static int
by_precedence(const void *a, const void *b)
{
	const struct lookup_record *x = a;
	const struct lookup_record *y = b;
	int c;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	c = strcmp(x->host, y->host);
	return c != 0 ? c : (int)x->port - (int)y->port;
}

static int
by_host(const void *a, const void *b)
{
	const struct lookup_record *x = a;
	const struct lookup_record *y = b;
	int c = strcmp(x->host, y->host);

	return c != 0 ? c : by_precedence(a, b);
}

static void
leave_out(struct lookup *l)
{
	while (l->n_records > l->records_max) {
		free(l->records[--l->n_records].host);
		l->n_left_out++;
	}
}

/*
 * 0..65535 to 1..256: the heaviest of a priority has 256, the others what they
 * are to it. 0 means "hardly ever" beside others, RFC 2782: 1.
 */
static void
scale_weights(struct lookup_record *list, size_t n)
{
	uint32_t max = 0;

	for (size_t i = 0; i < n; i++)
		max = list[i].weight > max ? list[i].weight : max;
	for (size_t i = 0; i < n; i++) {
		uint32_t scaled = max > 0 ? (list[i].weight * 256u + max / 2) / max : 1;

		list[i].weight = (uint16_t)(scaled > 0 ? scaled : 1);
	}
}

/* `list` is sorted by precedence. */
static void
scale_priorities(struct lookup_record *list, size_t n)
{
	size_t first = 0;

	for (size_t i = 1; i <= n; i++) {
		if (i < n && list[i].priority == list[first].priority)
			continue;
		scale_weights(&list[first], i - first);
		first = i;
	}
}

static const char *
take_records(struct lookup *l, const struct ares_srv_reply *list)
{
	if (!copy_records(l, list))
		return "no memory";
	if (l->n_records == 0)
		return "the records say that the service is nowhere";
	qsort(l->records, l->n_records, sizeof(*l->records), by_precedence);
	leave_out(l);
	scale_priorities(l->records, l->n_records);
	qsort(l->records, l->n_records, sizeof(*l->records), by_host);
	return lookup_aim(l) ? NULL : "no memory";
}

const char *
lookup_take_srv(struct lookup *l, const unsigned char *m, int n)
{
	struct ares_srv_reply *list = NULL;
	const char *why;
	int status = ares_parse_srv_reply(m, n, &list);

	if (status != ARES_SUCCESS)
		return ares_strerror(status);
	note_ttls(l, m, n);
	why = take_records(l, list);
	ares_free_data(list);
	return why;
}
