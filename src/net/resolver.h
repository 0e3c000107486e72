/*
 * net/resolver.h: host names to addresses, again and again; the door to c-ares.
 *
 * A watched name is asked for at once and then whenever its answer's time to
 * live has passed (1 s to 300 s). Sources are those of the system: /etc/hosts,
 * then the name servers of /etc/resolv.conf or those given. Of a service its SRV
 * records are asked for, and then the hosts they name. All its addresses
 * are told, but those nothing connects to (0.0.0.0, multicast), which are
 * counted. A failure, an answer without an address of use among them, keeps what is
 * known and is tried again after 1 s, doubling to 30 s. Watches of one name share its
 * queries.
 */
#ifndef TG_NET_RESOLVER_H
#define TG_NET_RESOLVER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/address_set.h"

#define TG_RESOLVER_TTL_MIN_S	1u
#define TG_RESOLVER_TTL_MAX_S	300u
#define TG_RESOLVER_RUNNING_MAX 64u /* names asked for; others wait their turn */

struct resolver;
struct resolver_watch;

enum resolver_event {
	RESOLVER_FOUND = 0,     /* addresses are others than before, or others are refused */
	RESOLVER_FAILED = 1,    /* first failure in a row, of a part at least: `why` */
	RESOLVER_RECOVERED = 2, /* no failure any more; found may follow */
	RESOLVER_EVENT_COUNT
};

struct resolver_news {
	enum resolver_event event;
	const struct address *list; /* known now, sorted, none twice, in the last good answer */
	size_t n;                   /* 0: none is known */
	unsigned n_refused;         /* addresses in that answer nothing connects to */
	unsigned n_left_out;        /* SRV records beyond the bound */
	const char *why;            /* in words, of a service with its target that failed; NULL unless failed */
};

/* From the loop, or inside resolver_watch_start(). Must not stop watches. */
typedef void resolver_cb(struct resolver_watch *w, const struct resolver_news *news);

/* Storage is the caller's, zeroed first. */
struct resolver_watch {
	LIST_ENTRY(resolver_watch) link;
	resolver_cb *cb;   /* NULL: stopped */
	struct name *name; /* watched */
};

/* `servers`: "127.0.0.1:5353,[::1]:53", or NULL for the system's. -TG_ENOMEM, -TG_EINVAL. */
TG_MUST_CHECK int resolver_new(struct loop *loop, const char *servers, struct resolver **ret,
			       struct err *err);
/* Ends all queries without a word. Watches are forgotten. NULL allowed. */
void resolver_free(struct resolver *r);

/* `host` is copied. A second watch of a name hears at once what is known. -TG_ENOMEM. */
TG_MUST_CHECK int resolver_watch_start(struct resolver *r, struct resolver_watch *w,
				       const char *host, resolver_cb *cb);
/* The same for the SRV records of `host`; at most `max` of them are used, those of the lowest
 * priority first. All watches of one name have the largest bound. Addresses have their port, priority
 * and weight. */
TG_MUST_CHECK int resolver_watch_start_srv(struct resolver *r, struct resolver_watch *w,
					   const char *host, unsigned max, resolver_cb *cb);
/* Tells again what is known by now, inside the call: found, failed, both or nothing. */
void resolver_watch_tell(struct resolver_watch *w);
/* Idempotent. A name that nobody watches any more is forgotten. Not inside its callback. */
void resolver_watch_stop(struct resolver_watch *w);

#endif
