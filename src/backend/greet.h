/*
 * backend/greet.h: the PROXY header that a connection to a backend begins with: whose bytes follow.
 */
#ifndef TG_BACKEND_GREET_H
#define TG_BACKEND_GREET_H

#include "backend/back.h"
#include "backend/origin.h"

/* Whose connection a back is made for; a view of the front. */
struct greet_client {
	const struct conn *conn;
	const struct tls_facts *tls; /* NULL: none ends here */
	const struct origin *origin; /* NULL: none */
	struct ip ip;                /* all zero: it has none, as on a unix socket */
	uint16_t port;
	struct proxy_text name; /* of a ClientHello that is passed on; n 0: none */
	struct proxy_text id;   /* where the origin has none; n 0: none */
};

/*
 * `b` was just made, for a service with send_proxy: what it says first is put together, and
 * sent by back_connected(). It carries bytes of this client alone: between two exchanges it rests in
 * `own`, which the client connection closes at its end; NULL: it is closed behind the first. -TG_ENOMEM.
 */
TG_MUST_CHECK int greet_prepare(struct back *b, const struct greet_client *client,
				struct back_place *own);

#endif
