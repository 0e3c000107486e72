#include "http/route.h"

#include <stdlib.h>
#include <string.h>

/* What is looked for under a host. */
struct wanted {
	struct slice path;
	struct slice alpn;
};

/* Routes sorted by host (NULL first), then by path, longest first, then by protocol. */
struct http_routes {
	struct conf_route fallback; /* service NULL: none */
	size_t n;
	const struct conf_route *sorted[];
};

static int
compare_hosts(struct slice a, struct slice b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

static struct slice
text(const char *s)
{
	return s != NULL ? (struct slice){s, strlen(s)} : (struct slice){"", 0};
}

static int
compare_routes(const void *a, const void *b)
{
	const struct conf_route *x = *(const struct conf_route *const *)a;
	const struct conf_route *y = *(const struct conf_route *const *)b;
	int c = compare_hosts(text(x->host), text(y->host));
	size_t xn = text(x->path).n;
	size_t yn = text(y->path).n;

	if (c != 0)
		return c;
	if (xn != yn)
		return xn > yn ? -1 : 1;
	if ((x->alpn != NULL) != (y->alpn != NULL))
		return x->alpn != NULL ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

struct http_routes *
http_routes_new(const struct conf_listener *listener)
{
	struct http_routes *routes =
		calloc(1, sizeof(*routes) + listener->n_routes * sizeof(routes->sorted[0]));
	size_t i;

	if (routes == NULL)
		return NULL;
	routes->fallback = (struct conf_route){
		.service = listener->service,
		.priority = listener->priority,
	};
	routes->n = listener->n_routes;
	for (i = 0; i < routes->n; i++)
		routes->sorted[i] = &listener->routes[i];
	qsort(routes->sorted, routes->n, sizeof(routes->sorted[0]), compare_routes);
	return routes;
}

void
http_routes_free(struct http_routes *routes)
{
	free(routes);
}

bool
http_routes_have_hosts(const struct http_routes *routes)
{
	return routes->n > 0 && routes->sorted[routes->n - 1]->host != NULL;
}

/* First route of exactly this host; routes->n when there is none. */
static size_t
find_host(const struct http_routes *routes, struct slice host)
{
	size_t low = 0;
	size_t high = routes->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_hosts(text(routes->sorted[middle]->host), host) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < routes->n && compare_hosts(text(routes->sorted[low]->host), host) == 0
		       ? low
		       : routes->n;
}

static bool
path_matches(struct slice prefix, struct slice path)
{
	if (prefix.n == 0 || (prefix.n == 1 && prefix.p[0] == '/'))
		return true;
	if (path.n < prefix.n || memcmp(path.p, prefix.p, prefix.n) != 0)
		return false;
	return path.n == prefix.n || prefix.p[prefix.n - 1] == '/' || path.p[prefix.n] == '/';
}

static bool
offers(struct slice alpn, struct slice protocol)
{
	while (alpn.n > 0) {
		size_t n = (unsigned char)alpn.p[0];

		if (n == protocol.n && memcmp(alpn.p + 1, protocol.p, n) == 0)
			return true;
		alpn.p += n + 1;
		alpn.n -= n + 1;
	}
	return false;
}

static bool
matches(const struct conf_route *route, const struct wanted *wanted)
{
	if (route->alpn != NULL)
		return offers(wanted->alpn, text(route->alpn));
	return path_matches(text(route->path), wanted->path);
}

static const struct conf_route *
find_under(const struct http_routes *routes, struct slice host, const struct wanted *wanted)
{
	size_t i = find_host(routes, host);

	for (; i < routes->n && compare_hosts(text(routes->sorted[i]->host), host) == 0; i++) {
		if (matches(routes->sorted[i], wanted))
			return routes->sorted[i];
	}
	return NULL;
}

/* "a.b.c": "*.b.c", then "*.c". */
static const struct conf_route *
find_wildcard(const struct http_routes *routes, struct slice host, const struct wanted *wanted)
{
	const struct conf_route *found = NULL;
	char pattern[258] = "*";
	const char *dot;

	while (found == NULL && host.n > 0 && (dot = memchr(host.p, '.', host.n)) != NULL) {
		size_t rest = host.n - (size_t)(dot - host.p);

		if (rest + 1 > sizeof(pattern))
			return NULL;
		memcpy(pattern + 1, dot, rest);
		found = find_under(routes, (struct slice){pattern, rest + 1}, wanted);
		host = (struct slice){dot + 1, rest - 1};
	}
	return found;
}

static const struct conf_route *
find(const struct http_routes *routes, struct slice host, const struct wanted *wanted)
{
	const struct conf_route *found = NULL;

	if (routes->n > 0) {
		if (host.n > 0)
			found = find_under(routes, host, wanted);
		if (found == NULL)
			found = find_wildcard(routes, host, wanted);
		if (found == NULL)
			found = find_under(routes, (struct slice){"", 0}, wanted);
	}
	if (found == NULL && routes->fallback.service != NULL)
		found = &routes->fallback;
	return found;
}

const struct conf_route *
http_routes_find(const struct http_routes *routes, struct slice host, struct slice path)
{
	return find(routes, host, &(struct wanted){.path = path});
}

const struct conf_route *
http_routes_find_name(const struct http_routes *routes, struct slice name, struct slice alpn)
{
	return find(routes, name, &(struct wanted){.alpn = alpn});
}
