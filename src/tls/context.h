/*
 * tls/context.h: all that the connections of one listener have in common: certificates by name,
 * versions, ciphers, tickets.
 *
 * Made by the control thread for a configuration, used by all workers, never changed; counted: a
 * connection keeps the one it began with.
 */
#ifndef TG_TLS_CONTEXT_H
#define TG_TLS_CONTEXT_H

#include "base/err.h"
#include "conf/conf.h"
#include "tls/ticket.h"

struct tls_context;

/*
 * Of a listener with certificates. `tickets` outlives it; NULL: no sessions are resumed. The name a client asks
 * for is looked up as it stands, then with its first label as a wildcard; who asks for none, or for another one,
 * gets the first certificate. Of each name the first certificate of each kind of key is used, and the client chooses between
 * kinds. A session is resumed with the same listener and the same certificates only,
 * and the same rules of who is taken for a client.
 */
TG_MUST_CHECK int tls_context_new(const struct conf_listener *listener, struct tickets *tickets,
				  struct tls_context **ret, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *ctx); /* NULL allowed */
void tls_context_unref(struct tls_context *ctx);	      /* NULL allowed */

#endif
