/*
 * conf/part.c: one service, apart from the configuration it is in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "conf/conf.h"
#include "conf/equal_priv.h"
#include "conf/print_priv.h"
#include "conf/schema_priv.h"

const struct conf_service *
conf_find_service(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		if (strcmp(conf->services[i].name, name) == 0)
			return &conf->services[i];
	}
	return NULL;
}

/* One that is kept has the very arrays and texts of before. */
static bool
is_kept(const struct conf_service *a, const struct conf_service *b)
{
	struct conf_service other;

	memcpy(&other, b, sizeof(other));
	other.index = a->index;
	return memcmp(a, &other, sizeof(other)) == 0;
}

bool
conf_service_equal(const struct conf_service *a, const struct conf_service *b)
{
	return is_kept(a, b) || conf_object_equal(&conf_schema_service, a, b);
}

bool
conf_health_equal(const struct conf_service *a, const struct conf_service *b)
{
	return conf_object_equal(&conf_schema_health, &a->health, &b->health);
}

/* The jitter of checks is that of questions too. */
bool
conf_agent_equal(const struct conf_service *a, const struct conf_service *b)
{
	return a->health.jitter_percent == b->health.jitter_percent &&
	       conf_object_equal(&conf_schema_agent, &a->agent, &b->agent);
}

const struct conf_backend *
conf_find_backend(const struct conf_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		if (strcmp(service->backends[i].name, name) == 0)
			return &service->backends[i];
	}
	return NULL;
}

bool
conf_stop_grace(const struct conf *conf, uint64_t *ret_ms)
{
	bool has_provider = false;

	*ret_ms = 0;
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_provider *provider = &conf->services[i].provider;

		if (provider->type == TG_PROVIDER_STATIC)
			continue;
		has_provider = true;
		if (provider->stop_grace_ms > *ret_ms)
			*ret_ms = provider->stop_grace_ms;
	}
	return has_provider;
}

static bool
are_nodes_equal(const struct conf *a, const struct conf *b)
{
	if (a->n_nodes != b->n_nodes)
		return false;
	for (size_t i = 0; i < a->n_nodes; i++) {
		if (!conf_object_equal(&conf_schema_node, &a->nodes[i], &b->nodes[i]))
			return false;
	}
	return true;
}

bool
conf_provider_equal(const struct conf *of_a, const struct conf_service *a, const struct conf *of_b,
		    const struct conf_service *b)
{
	return conf_object_equal(&conf_schema_provider, &a->provider, &b->provider) &&
	       (a->provider.type != TG_PROVIDER_DOCKER || are_nodes_equal(of_a, of_b));
}

bool
conf_hook_equal(const struct conf_hook *a, const struct conf_hook *b)
{
	return conf_object_equal(&conf_schema_hook, a, b);
}

bool
conf_acme_equal(const struct conf_acme *a, const struct conf_acme *b)
{
	return conf_object_equal(&conf_schema_acme, a, b);
}

int
conf_autoscale_mark(const struct conf_service *service, uint64_t *ret)
{
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return -TG_ENOMEM;
	conf_print_set(&conf_schema_autoscale, &service->autoscale, out);
	if (fclose(out) != 0) {
		free(text);
		return -TG_ENOMEM;
	}
	*ret = hash_bytes(text, n, 0);
	free(text);
	return 0;
}
