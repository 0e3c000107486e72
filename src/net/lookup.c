#include "net/lookup_priv.h"

#include <stdlib.h>
#include <string.h>

#define CLASS_IN  1
#define TYPE_A	  1
#define TYPE_AAAA 28
#define TYPE_SRV  33

enum target_state {
	TARGET_WAITS = 0,
	TARGET_ASKED = 1,
	TARGET_DONE = 2,
};

struct lookup_target {
	struct lookup *lookup;
	const char *host;
	enum target_state state;
	int family; /* asked, or to be asked: AF_UNSPEC first */
	struct ip *ips;
	size_t n_ips;
};

/*** Addresses of one target ***/

static bool
node_ip(const struct ares_addrinfo_node *node, struct ip *ret)
{
	struct addr a = {.len = node->ai_addrlen};

	if ((node->ai_family != AF_INET && node->ai_family != AF_INET6) ||
	    (size_t)node->ai_addrlen > sizeof(a.u))
		return false;
	memcpy(&a.u, node->ai_addr, node->ai_addrlen);
	return addr_ip(&a, ret);
}

/* False: no memory, which counts as a failure of the target. */
static bool
make_room(struct lookup_target *t, size_t n)
{
	struct ip *more = realloc(t->ips, (t->n_ips + n + 1) * sizeof(*more));

	if (more == NULL)
		return false;
	t->ips = more;
	return true;
}

static bool
take_nodes(struct lookup_target *t, const struct ares_addrinfo *answer)
{
	size_t n = 0;

	for (const struct ares_addrinfo_node *a = answer->nodes; a != NULL; a = a->ai_next)
		n += n < TG_LOOKUP_IPS_MAX;
	if (!make_room(t, n))
		return false;
	for (const struct ares_addrinfo_node *a = answer->nodes; a != NULL && n > 0;
	     a = a->ai_next, n--) {
		struct ip *ip = &t->ips[t->n_ips];

		if (!node_ip(a, ip))
			continue;
		if (ip_is_unicast(ip))
			t->n_ips++;
		else
			t->lookup->n_refused++;
	}
	return true;
}

void
lookup_note_ttl(struct lookup *l, unsigned ttl_s)
{
	if (ttl_s < l->ttl_s)
		l->ttl_s = ttl_s;
}

static void
note_ttl(struct lookup *l, int ttl)
{
	lookup_note_ttl(l, ttl > 0 ? (unsigned)ttl : 0);
}

static void
note_ttls(struct lookup *l, const struct ares_addrinfo *answer)
{
	for (const struct ares_addrinfo_node *a = answer->nodes; a != NULL; a = a->ai_next)
		note_ttl(l, a->ai_ttl);
	for (const struct ares_addrinfo_cname *c = answer->cnames; c != NULL; c = c->next)
		note_ttl(l, c->ttl);
}

/*** Failures ***/

static const char *
why_of(int status)
{
	switch (status) {
	case ARES_ESERVFAIL:
		return "the name server answers SERVFAIL";
	case ARES_EREFUSED:
		return "the name server answers REFUSED";
	case ARES_ENOTIMP:
		return "the name server answers NOTIMP";
	case ARES_ETIMEOUT:
		return "no answer of a name server in time";
	case ARES_ECONNREFUSED:
		return "no name server can be reached";
	case ARES_ENOTFOUND:
		return "the name does not exist (NXDOMAIN)";
	case ARES_ENODATA:
		return "the name has no such record";
	default:
		return ares_strerror(status);
	}
}

static void
note_why(struct lookup *l, const char *host, const char *why)
{
	l->why = why;
	l->why_host = l->srv != NULL && host != l->srv ? host : NULL;
}

static void
note_failure(struct lookup *l, const char *host, int type, int status)
{
	note_why(l, host, why_of(status));
	if (status != ARES_ECONNREFUSED || l->unclear != NULL || l->has_cleared)
		return;
	l->unclear = host;
	l->unclear_type = type;
}

static void
on_fault(void *arg, int status, int timeouts, unsigned char *m, int n)
{
	struct lookup *l = arg;

	(void)timeouts;
	(void)m;
	(void)n;
	l->n_open--;
	if (status == ARES_ESERVFAIL || status == ARES_EREFUSED || status == ARES_ENOTIMP)
		note_why(l, l->unclear, why_of(status));
}

/* The name itself where it has domains: what comes of other ones would hide it. May call on_fault() before it
 * returns. */
static void
ask_fault(struct lookup *l)
{
	const char *host = l->unclear;

	l->has_cleared = true;
	l->n_open++;
	if (strchr(host, '.') != NULL)
		ares_query(l->channels.faults, host, CLASS_IN, l->unclear_type, on_fault, l);
	else
		ares_search(l->channels.faults, host, CLASS_IN, l->unclear_type, on_fault, l);
}

/*** What was known ***/

static int
compare_hosts(const void *a, const void *b)
{
	const struct lookup_target *x = a;
	const struct lookup_target *y = b;

	return strcmp(x->host, y->host);
}

/* This target in the round before; NULL: it was not there. */
static const struct lookup_target *
find_last(const struct lookup_target *t)
{
	const struct lookup *last = t->lookup->last;

	if (last == NULL)
		return NULL;
	return bsearch(t, last->targets, last->n_targets, sizeof(*t), compare_hosts);
}

static bool
is_of(const struct ip *ip, int family)
{
	return family == AF_UNSPEC || ip_is_v4(ip) == (family == AF_INET);
}

static bool
has_family(const struct lookup_target *t, int family)
{
	for (size_t i = 0; t != NULL && i < t->n_ips; i++) {
		if (is_of(&t->ips[i], family))
			return true;
	}
	return false;
}

static void
keep(struct lookup_target *t, int family)
{
	const struct lookup_target *last = find_last(t);

	if (!has_family(last, family) || !make_room(t, last->n_ips))
		return;
	for (size_t i = 0; i < last->n_ips; i++) {
		if (is_of(&last->ips[i], family))
			t->ips[t->n_ips++] = last->ips[i];
	}
}

/* A family that was known and is not in the answer, or AF_UNSPEC. */
static int
lost_family(const struct lookup_target *t)
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct lookup_target *last = find_last(t);

	for (size_t i = 0; i < 2; i++) {
		if (has_family(last, families[i]) && !has_family(t, families[i]))
			return families[i];
	}
	return AF_UNSPEC;
}

/*** Questions ***/

/* To the question for both families. */
static void
take_answer(struct lookup_target *t, int status, const struct ares_addrinfo *answer)
{
	if (status == ARES_SUCCESS && !take_nodes(t, answer))
		status = ARES_ENOMEM;
	if (status != ARES_SUCCESS) {
		note_failure(t->lookup, t->host, TYPE_A, status);
		keep(t, AF_UNSPEC);
		return;
	}
	if (t->n_ips == 0) {
		note_why(t->lookup, t->host, "no address of use in the answer");
		keep(t, AF_UNSPEC);
		return;
	}
	t->lookup->has_found = true;
	note_ttls(t->lookup, answer);
	t->family = lost_family(t);
	if (t->family != AF_UNSPEC)
		t->state = TARGET_WAITS;
}

/* To the question for one family: that there is none is an answer too. */
static void
take_half(struct lookup_target *t, int status, const struct ares_addrinfo *answer)
{
	if (status == ARES_SUCCESS && !take_nodes(t, answer))
		status = ARES_ENOMEM;
	if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
		return;
	note_failure(t->lookup, t->host, t->family == AF_INET ? TYPE_A : TYPE_AAAA, status);
	keep(t, t->family);
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct lookup_target *t = arg;

	(void)timeouts;
	t->lookup->n_open--;
	t->state = TARGET_DONE;
	if (t->family == AF_UNSPEC)
		take_answer(t, status, answer);
	else
		take_half(t, status, answer);
	if (answer != NULL)
		ares_freeaddrinfo(answer);
}

/* May call on_answer() before it returns. */
static void
ask(struct lookup_target *t)
{
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = t->family,
		.ai_socktype = SOCK_STREAM,
	};

	t->state = TARGET_ASKED;
	t->lookup->n_open++;
	ares_getaddrinfo(t->lookup->channels.answers, t->host, NULL, &hints, on_answer, t);
}

static void
on_srv(void *arg, int status, int timeouts, unsigned char *m, int n)
{
	struct lookup *l = arg;

	(void)timeouts;
	l->n_open--;
	if (status != ARES_SUCCESS)
		note_failure(l, l->srv, TYPE_SRV, status);
	else
		l->why = lookup_take_srv(l, m, n);
	if (l->why != NULL)
		l->n_targets = 0;
}

/* May call on_srv() before it returns. */
static void
ask_srv(struct lookup *l)
{
	l->is_srv_asked = true;
	l->n_open++;
	ares_search(l->channels.answers, l->srv, CLASS_IN, TYPE_SRV, on_srv, l);
}

/*** The round ***/

bool
lookup_aim(struct lookup *l)
{
	l->targets = calloc(l->n_records, sizeof(*l->targets));
	if (l->targets == NULL)
		return false;
	for (size_t i = 0; i < l->n_records; i++) {
		struct lookup_record *r = &l->records[i];

		if (i == 0 || strcmp(r->host, r[-1].host) != 0)
			l->targets[l->n_targets++] = (struct lookup_target){
				.lookup = l, .host = r->host, .family = AF_UNSPEC};
		r->target = l->n_targets - 1;
	}
	return true;
}

/* The one target of a host name is used as it is. */
static bool
aim_at(struct lookup *l, const char *host)
{
	l->records = calloc(1, sizeof(*l->records));
	l->targets = calloc(1, sizeof(*l->targets));
	if (l->records == NULL || l->targets == NULL)
		return false;
	l->targets[0] = (struct lookup_target){.lookup = l, .host = host, .family = AF_UNSPEC};
	l->n_records = 1;
	l->n_targets = 1;
	return true;
}

struct lookup *
lookup_new(const struct lookup_channels *channels, const char *host, unsigned records_max,
	   const struct lookup *last)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct lookup){.channels = *channels, .last = last, .ttl_s = UINT32_MAX};
	l->records_max = records_max;
	if (records_max > 0) {
		l->srv = host;
	} else if (!aim_at(l, host)) {
		lookup_free(l);
		return NULL;
	}
	return l;
}

void
lookup_free(struct lookup *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n_targets; i++)
		free(l->targets[i].ips);
	for (size_t i = 0; i < l->n_records; i++)
		free(l->records[i].host);
	free(l->records);
	free(l->targets);
	free(l);
}

/* What is answered at once may have one more question. */
bool
lookup_step(struct lookup *l)
{
	if (l->srv != NULL && !l->is_srv_asked)
		ask_srv(l);
	for (size_t i = 0; i < l->n_targets && l->n_open < TG_LOOKUP_AT_ONCE; i++) {
		while (l->targets[i].state == TARGET_WAITS)
			ask(&l->targets[i]);
	}
	if (l->n_open == 0 && l->unclear != NULL && !l->has_cleared)
		ask_fault(l);
	return l->n_open == 0;
}

/* Of two that are the same place the one that goes first is kept. */
static int
compare_addresses(const void *a, const void *b)
{
	const struct address *x = a;
	const struct address *y = b;
	int c = address_compare(x, y);

	if (c != 0)
		return c;
	c = (int)x->priority - (int)y->priority;
	return c != 0 ? c : (int)y->weight - (int)x->weight;
}

static size_t
drop_doubles(struct address *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || address_compare(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	}
	return kept;
}

static size_t
count_addresses(const struct lookup *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_records; i++)
		n += l->targets[l->records[i].target].n_ips;
	return n;
}

/* All that one record stands for; returns how many. */
static size_t
put_addresses(const struct lookup_record *r, const struct lookup_target *t, struct address *ret)
{
	for (size_t i = 0; i < t->n_ips; i++)
		ret[i] = (struct address){
			.ip = t->ips[i],
			.port = r->port,
			.priority = r->priority,
			.weight = r->weight,
		};
	return t->n_ips;
}

int
lookup_take(const struct lookup *l, struct address **ret, size_t *ret_n)
{
	size_t n = count_addresses(l);
	struct address *list = calloc(n + 1, sizeof(*list));
	size_t at = 0;

	if (list == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < l->n_records; i++)
		at += put_addresses(&l->records[i], &l->targets[l->records[i].target], &list[at]);
	qsort(list, n, sizeof(*list), compare_addresses);
	n = drop_doubles(list, n);
	*ret = list;
	*ret_n = n < TG_LOOKUP_IPS_MAX ? n : TG_LOOKUP_IPS_MAX;
	return 0;
}
