/*
 * tls/peer.h: TLS to a server whose library wants a session of OpenSSL from us: whom to trust, and who we are. TLS 1.2
 * at least; the server's certificate is of `ca` and has its name, or address, in it.
 */
#ifndef TG_TLS_PEER_H
#define TG_TLS_PEER_H

#include "base/err.h"

struct ssl_st;
struct tls_peer;

/* Reads the files; `certificate` and `key` both, or NULL: we are nobody. -TG_ENOMEM, -TG_EINVAL: `err` names the file. */
TG_MUST_CHECK int tls_peer_new(const char *ca, const char *certificate, const char *key,
			       struct tls_peer **ret, struct err *err);
void tls_peer_free(struct tls_peer *peer); /* NULL allowed; sessions go on */
/* A session to the host of this name, or address; whoever takes it frees it with tls_session_free(). NULL: no memory. */
struct ssl_st *tls_peer_session(const struct tls_peer *peer, const char *host);
/* Why its server is not trusted; NULL: it is, or was not asked yet. */
const char *tls_session_why(const struct ssl_st *session);
void tls_session_free(struct ssl_st *session);

#endif
