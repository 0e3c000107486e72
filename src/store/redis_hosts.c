#include "store/redis_hosts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/container.h"

static struct redis_host *
host_at(struct redis_hosts *h, size_t i)
{
	return i < h->n ? &h->list[i] : &h->learned[i - h->n];
}

static size_t
count(struct redis_hosts *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n + h->n_learned; i++)
		n += host_at(h, i)->n_addresses;
	return n;
}

static void
take(struct redis_host *host, const struct resolver_news *news)
{
	host->n_addresses = 0;
	for (size_t i = 0; i < news->n && host->n_addresses < TG_REDIS_ADDRESSES_MAX; i++)
		host->addresses[host->n_addresses++] =
			ip_addr(&news->list[i].ip, (uint16_t)host->port);
}

static void
on_name(struct resolver_watch *w, const struct resolver_news *news)
{
	struct redis_host *host = TG_CONTAINER(w, struct redis_host, name);
	struct redis_hosts *h = host->all;
	bool was_none = count(h) == 0;

	if (news->event == RESOLVER_FAILED)
		snprintf(h->why, sizeof(h->why), "no address: %.160s", news->why);
	if (news->event != RESOLVER_FOUND)
		return;
	take(host, news);
	if (was_none && count(h) > 0)
		h->found(h->user);
}

static int
start_host(struct redis_hosts *h, struct redis_host *host, const struct endpoint *at,
	   struct err *err)
{
	host->all = h;
	host->port = at->port;
	host->host = at->kind == TG_ENDPOINT_ADDR ? "" : at->host;
	if (at->kind == TG_ENDPOINT_ADDR) {
		host->addresses[host->n_addresses++] = at->addr;
		return 0;
	}
	if (h->resolver == NULL)
		return err_set(err, TG_EINVAL, "%s is a name, and nobody looks it up here", at->host);
	if (resolver_watch_start(h->resolver, &host->name, at->host, on_name) < 0)
		return err_no_memory(err);
	return 0;
}

int
redis_hosts_start(struct redis_hosts *h, const struct store_url *url, struct resolver *resolver,
		  void (*found)(void *user), void *user, struct err *err)
{
	int rc = 0;

	h->found = found;
	h->user = user;
	h->resolver = resolver;
	snprintf(h->why, sizeof(h->why), "no address yet");
	for (size_t i = 0; i < url->n_hosts && rc == 0; i++)
		rc = start_host(h, &h->list[h->n++], &url->hosts[i], err);
	return rc;
}

static void
forget_learned(struct redis_hosts *h)
{
	for (size_t i = 0; i < h->n_learned; i++)
		resolver_watch_stop(&h->learned[i].name);
	free(h->learned);
	h->learned = NULL;
	h->n_learned = 0;
	h->name = "";
}

void
redis_hosts_stop(struct redis_hosts *h)
{
	for (size_t i = 0; i < h->n; i++)
		resolver_watch_stop(&h->list[i].name);
	forget_learned(h);
}

void
redis_hosts_learn(struct redis_hosts *h, const struct endpoint *list, size_t n)
{
	size_t taken = n < TG_REDIS_LEARNED_MAX ? n : TG_REDIS_LEARNED_MAX;

	forget_learned(h);
	h->learned = calloc(taken, sizeof(h->learned[0]));
	for (size_t i = 0; h->learned != NULL && i < taken; i++) {
		struct err err;

		if (start_host(h, &h->learned[h->n_learned++], &list[i], &err) < 0)
			h->n_learned--;
	}
}

/* One of each host, then the next of each: a host with many addresses is no more than one host. */
const struct addr *
redis_hosts_next(struct redis_hosts *h)
{
	size_t all = h->n + h->n_learned;
	size_t tries = all * TG_REDIS_ADDRESSES_MAX;

	for (size_t i = 0; i < tries; i++) {
		const struct redis_host *host = host_at(h, h->next % all);
		size_t turn = h->next / all;

		h->next++;
		h->name = host->host;
		if (host->n_addresses > 0)
			return &host->addresses[turn % host->n_addresses];
	}
	return NULL;
}
