#include "http/route.h"

#include <stdlib.h>
#include <string.h>

/* Routes sorted by host (NULL first), then by path, longest first. */
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
	return xn > yn ? -1 : xn < yn;
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

static const struct conf_route *
find_path(const struct http_routes *routes, struct slice host, struct slice path)
{
	size_t i = find_host(routes, host);

	for (; i < routes->n && compare_hosts(text(routes->sorted[i]->host), host) == 0; i++) {
		if (path_matches(text(routes->sorted[i]->path), path))
			return routes->sorted[i];
	}
	return NULL;
}

/* "a.b.c": "*.b.c", then "*.c". */
static const struct conf_route *
find_wildcard(const struct http_routes *routes, struct slice host, struct slice path)
{
	const struct conf_route *found = NULL;
	char pattern[258] = "*";
	const char *dot;

	while (found == NULL && host.n > 0 && (dot = memchr(host.p, '.', host.n)) != NULL) {
		size_t rest = host.n - (size_t)(dot - host.p);

		if (rest + 1 > sizeof(pattern))
			return NULL;
		memcpy(pattern + 1, dot, rest);
		found = find_path(routes, (struct slice){pattern, rest + 1}, path);
		host = (struct slice){dot + 1, rest - 1};
	}
	return found;
}

const struct conf_route *
http_routes_find(const struct http_routes *routes, struct slice host, struct slice path)
{
	const struct conf_route *found = NULL;

	if (routes->n > 0) {
		if (host.n > 0)
			found = find_path(routes, host, path);
		if (found == NULL)
			found = find_wildcard(routes, host, path);
		if (found == NULL)
			found = find_path(routes, (struct slice){"", 0}, path);
	}
	if (found == NULL && routes->fallback.service != NULL)
		found = &routes->fallback;
	return found;
}
