/*
 * backend/arrival_priv.h: an arrival, and the phases it goes through.
 */
#ifndef TG_BACKEND_ARRIVAL_PRIV_H
#define TG_BACKEND_ARRIVAL_PRIV_H

#include "backend/arrival.h"
#include "backend/origin.h"
#include "base/container.h"
#include "tls/hello.h"
#include "tls/stream.h"

/* Lines of the log in a second, of each kind of failure. */
#define ARRIVAL_LOG_LINES 5u

enum arrival_phase {
	ARRIVAL_PROXY = 0,     /* a PROXY header is awaited */
	ARRIVAL_HANDSHAKE = 1, /* of TLS */
	ARRIVAL_HELLO = 2,     /* the first message of a handshake that is another's to end */
	ARRIVAL_REFUSED = 3    /* what still comes is dropped */
};

struct arrival {
	struct front_link link; /* first */
	struct conn conn;
	struct worker_listener *listener;
	struct addr from; /* who connected; behind a PROXY header who that says */
	struct origin *origin; /* NULL: there was none */
	struct buf *in;        /* what was read of a ClientHello; NULL: nothing */
	struct hello_scan scan;
	char *name; /* that it asks for; NULL: none */
	const struct conf_service *service; /* by a route; NULL: the listener's */
	enum conf_priority priority;
	struct timer timer;
	TAILQ_ENTRY(arrival) queue; /* in the worker's line, when is_queued */
	enum arrival_phase phase;
	bool is_queued;
	bool is_draining;
	struct deferred deferred;
};

static inline struct worker *
arrival_worker(const struct arrival *a)
{
	return a->listener->worker;
}

/* arrival.c */

/* The phase is over, the arrival in the next one, or it is one no more. */
void arrival_go_on(struct arrival *a);
/* Ends it without a word. */
void arrival_close(struct arrival *a);
/* The time of the phase that begins. */
void arrival_set_time(struct arrival *a, uint64_t ms);

/* It is the mode's from now on. */
void arrival_hand_over(struct arrival *a);
/* Counted, and told a few times a second. */
void arrival_tls_failed(const struct arrival *a, enum tls_failure failure, const char *detail);

/* arrival_hello.c: the ClientHello of a connection that is passed on. */

/* Something was reported. */
void arrival_hello_step(struct arrival *a);
/* Whose it is, by the listener's routes; false: nobody's, it is closed. */
bool arrival_find_service(struct arrival *a, const char *name, const unsigned char *alpn, size_t alpn_n);

/* arrival_proxy.c: the PROXY header. */

/* Counted, and told a few times a second. */
void arrival_proxy_failed(const struct worker_listener *l, const struct addr *peer,
			  enum proxy_fault fault);
/* Whether this peer is of trusted_proxies, and so may send one. */
bool arrival_is_trusted(const struct worker_listener *l, const struct addr *peer);
/* Something was reported. */
void arrival_proxy_step(struct arrival *a);
void arrival_proxy_timeout(struct arrival *a);

#endif
