/*
 * tls/session.h: sessions with backends that may be resumed: the last one of each.
 *
 * A worker's own, and bounded: the one that was left alone for the longest goes first.
 */
#ifndef TG_TLS_SESSION_H
#define TG_TLS_SESSION_H

#include <stdint.h>
#include <sys/queue.h>

#define TG_TLS_SESSIONS_MAX 4096u

struct tls_sessions;
struct ssl_session_st; /* SSL_SESSION */

/* Of one backend; storage is its owner's, zeroed first. */
struct tls_slot {
	struct ssl_session_st *session; /* NULL: none */
	uint64_t client; /* under which it was made: tls_client_number() */
	TAILQ_ENTRY(tls_slot) link;
};

struct tls_sessions *tls_sessions_new(unsigned max); /* NULL: no memory */
/* All slots are empty. NULL allowed. */
void tls_sessions_free(struct tls_sessions *s);
/* Takes the session over. */
void tls_slot_put(struct tls_sessions *s, struct tls_slot *slot, uint64_t client,
		  struct ssl_session_st *session);
/* To be resumed under `client`; valid until the slot changes. NULL: none, or its certificate is over. */
struct ssl_session_st *tls_slot_find(struct tls_sessions *s, struct tls_slot *slot,
					     uint64_t client);
void tls_slot_clear(struct tls_sessions *s, struct tls_slot *slot);
unsigned tls_sessions_count(const struct tls_sessions *s);

#endif
