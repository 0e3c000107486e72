#include "proc/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "net/resolver.h"

struct backend_name {
	struct resolver_watch watch;
	struct names *names;
	const struct conf_service *service;
	const struct conf_backend *backend;
};

struct names {
	struct health *health;
	struct resolver *resolver;
	size_t n;
	struct backend_name list[];
};

static struct addr
make_addr(const struct ip *ip, uint16_t port)
{
	struct addr a = {.len = 0};

	if (ip_is_v4(ip)) {
		a.len = sizeof(a.u.in);
		a.u.in.sin_family = AF_INET;
		a.u.in.sin_port = htons(port);
		memcpy(&a.u.in.sin_addr, ip->b + 12, 4);
	} else {
		a.len = sizeof(a.u.in6);
		a.u.in6.sin6_family = AF_INET6;
		a.u.in6.sin6_port = htons(port);
		memcpy(&a.u.in6.sin6_addr, ip->b, 16);
	}
	return a;
}

static void
on_failed(const struct backend_name *name, const struct resolver_news *news)
{
	char text[64] = "-";
	char why[160];

	if (news->ip != NULL)
		ip_format(news->ip, text, sizeof(text));
	log_write(TG_LOG_WARN, "name does not resolve, trying again",
		  "svc=%s srv=%s name=%s keeps=%s reason=%s", name->service->name,
		  name->backend->name, name->backend->endpoint.host, text, news->why);
	if (news->ip != NULL)
		return;
	snprintf(why, sizeof(why), "name does not resolve: %s", news->why);
	health_set_no_addr(name->names->health, name->service->index, name->backend->index, why);
}

static void
on_found(const struct backend_name *name, const struct resolver_news *news)
{
	struct addr addr = make_addr(news->ip, name->backend->endpoint.port);
	char text[TG_ADDR_STRLEN];

	log_write(TG_LOG_INFO, "name resolved", "svc=%s srv=%s name=%s addr=%s",
		  name->service->name, name->backend->name, name->backend->endpoint.host,
		  addr_format(&addr, text, sizeof(text)));
	health_set_addr(name->names->health, name->service->index, name->backend->index, &addr);
}

static void
on_news(struct resolver_watch *w, const struct resolver_news *news)
{
	struct backend_name *name = TG_CONTAINER(w, struct backend_name, watch);

	switch (news->event) {
	case RESOLVER_FOUND:
		on_found(name, news);
		break;
	case RESOLVER_FAILED:
		on_failed(name, news);
		break;
	case RESOLVER_RECOVERED:
		log_write(TG_LOG_INFO, "name resolves again", "svc=%s srv=%s name=%s",
			  name->service->name, name->backend->name, name->backend->endpoint.host);
		break;
	case RESOLVER_EVENT_COUNT:
		break;
	}
}

static bool
has_name(const struct conf_backend *backend)
{
	return backend->endpoint.kind == TG_ENDPOINT_NAME;
}

/* The configured name servers as c-ares wants them; NULL in *ret: the system's. */
static int
format_servers(const struct conf *conf, char **ret)
{
	char one[TG_ADDR_STRLEN];
	size_t size = conf->resolver.n_servers * (sizeof(one) + 1) + 1;
	size_t at = 0;
	char *text;

	*ret = NULL;
	if (conf->resolver.n_servers == 0)
		return 0;
	text = malloc(size);
	if (text == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < conf->resolver.n_servers; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? "," : "",
				       addr_format(&conf->resolver.servers[i], one, sizeof(one)));
	*ret = text;
	return 0;
}

static int
start_resolver(struct names *names, struct loop *loop, const struct conf *conf, struct err *err)
{
	char *servers;
	int rc = format_servers(conf, &servers);

	if (rc < 0)
		return err_set(err, TG_ENOMEM, "no memory");
	rc = resolver_new(loop, servers, &names->resolver, err);
	free(servers);
	return rc;
}

static int
watch_names(struct names *names, const struct conf *conf)
{
	int rc = 0;

	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		for (size_t j = 0; j < service->n_backends && rc == 0; j++) {
			struct backend_name *name = &names->list[names->n];

			if (!has_name(&service->backends[j]))
				continue;
			name->names = names;
			name->service = service;
			name->backend = &service->backends[j];
			names->n++;
			rc = resolver_watch_start(names->resolver, &name->watch,
						  name->backend->endpoint.host, on_news);
		}
	}
	return rc;
}

static size_t
count_names(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++) {
		for (size_t j = 0; j < conf->services[i].n_backends; j++)
			n += has_name(&conf->services[i].backends[j]);
	}
	return n;
}

int
names_start(struct loop *loop, const struct conf *conf, struct health *health, struct names **ret,
	    struct err *err)
{
	size_t n = count_names(conf);
	struct names *names;
	int rc;

	*ret = NULL;
	if (n == 0)
		return 0;
	names = calloc(1, sizeof(*names) + n * sizeof(names->list[0]));
	if (names == NULL)
		return err_set(err, TG_ENOMEM, "no memory");
	names->health = health;
	rc = start_resolver(names, loop, conf, err);
	if (rc == 0 && watch_names(names, conf) < 0)
		rc = err_set(err, TG_ENOMEM, "no memory");
	if (rc < 0) {
		names_free(names);
		return rc;
	}
	*ret = names;
	return 0;
}

void
names_free(struct names *names)
{
	if (names == NULL)
		return;
	resolver_free(names->resolver);
	free(names);
}
