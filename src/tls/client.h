/*
 * tls/client.h: all that the connections to the backends of one service have in common: whom to trust, who
 * we are, versions, ciphers.
 *
 * Made by a control thread for a configuration, used by all workers, never changed; counted: a
 * connection keeps the one it began with.
 */
#ifndef TG_TLS_CLIENT_H
#define TG_TLS_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"
#include "net/conn.h"
#include "tls/session.h"
#include "tls/stream.h"
#include "tls/trust.h"

struct tls_client;

/* Of a service with TLS. `trust` may have what another one was made of. On failure the reason names the service. */
TG_MUST_CHECK int tls_client_new(const struct conf_service *service, struct trust_cache *trust,
				 struct tls_client **ret, struct err *err);
struct tls_client *tls_client_ref(struct tls_client *client); /* NULL allowed */
void tls_client_unref(struct tls_client *client);	      /* NULL allowed */
/* No two of a process ever have the same, nor 0. */
uint64_t tls_client_number(const struct tls_client *client);

/* Whom a connection leads to. */
struct tls_target {
	const char *name; /* that its certificate must have, and that it is asked for; NULL: */
	const struct addr *addr; /* the same of where it is; a unix socket: none, and nobody is taken for it */
	const char *protocol; /* offered by ALPN, alone; NULL: none is */
	struct tls_sessions *sessions; /* NULL: none is resumed, nor kept */
	struct tls_slot *slot; /* as long as the stream */
};

/* The client's side, otherwise as tls_stream_accept(). NULL: no memory. */
struct conn_filter *tls_stream_connect(struct tls_client *client, struct tls_output *out,
				       const struct tls_target *target);

#endif
