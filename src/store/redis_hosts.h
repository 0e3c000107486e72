/*
 * store/redis_hosts.h: where redis, or those who know where it is, may be: hosts of a url, with all their addresses, one
 * after the other.
 */
#ifndef TG_STORE_REDIS_HOSTS_H
#define TG_STORE_REDIS_HOSTS_H

#include "base/err.h"
#include "conf/store_url.h"
#include "net/resolver.h"

#define TG_REDIS_ADDRESSES_MAX 16u /* of a host */
#define TG_REDIS_LEARNED_MAX   32u /* hosts */

struct redis_hosts;

struct redis_host {
	struct redis_hosts *all;
	struct resolver_watch name;
	const char *host; /* "": given as an address */
	unsigned port;
	struct addr addresses[TG_REDIS_ADDRESSES_MAX];
	size_t n_addresses;
};

/* Storage is the owner's; zeroed: none. */
struct redis_hosts {
	struct redis_host list[TG_STORE_HOSTS_MAX];
	size_t n;
	struct redis_host *learned; /* besides; NULL: none */
	size_t n_learned;
	struct resolver *resolver;
	size_t next;
	const char *name; /* of the host that redis_hosts_next() told of last; "": it has none */
	void (*found)(void *user); /* there is an address, and was none */
	void *user;
	char why[256]; /* there is none */
};

/* `url` stays. -TG_ENOMEM, -TG_EINVAL: a name without `resolver`. */
TG_MUST_CHECK int redis_hosts_start(struct redis_hosts *h, const struct store_url *url,
				    struct resolver *resolver, void (*found)(void *user), void *user,
				    struct err *err);
void redis_hosts_stop(struct redis_hosts *h);
/* These too from now on, in place of those that were learned before; the first ones of too many, none without memory. They stay
 * where they are until the next call. */
void redis_hosts_learn(struct redis_hosts *h, const struct endpoint *list, size_t n);
/* NULL: none is known, h->why says why. */
const struct addr *redis_hosts_next(struct redis_hosts *h);

#endif
