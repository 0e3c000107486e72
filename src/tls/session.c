#include "tls/session.h"

#include <openssl/ssl.h>
#include <stdlib.h>

TAILQ_HEAD(slots, tls_slot);

struct tls_sessions {
	struct slots used; /* the one put last first */
	unsigned n;
	unsigned max;
};

struct tls_sessions *
tls_sessions_new(unsigned max)
{
	struct tls_sessions *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	TAILQ_INIT(&s->used);
	s->max = max;
	return s;
}

void
tls_sessions_free(struct tls_sessions *s)
{
	free(s);
}

void
tls_slot_clear(struct tls_sessions *s, struct tls_slot *slot)
{
	if (slot->session == NULL)
		return;
	TAILQ_REMOVE(&s->used, slot, link);
	s->n--;
	SSL_SESSION_free(slot->session);
	slot->session = NULL;
}

void
tls_slot_put(struct tls_sessions *s, struct tls_slot *slot, uint64_t client,
	     SSL_SESSION *session)
{
	tls_slot_clear(s, slot);
	if (s->n == s->max)
		tls_slot_clear(s, TAILQ_LAST(&s->used, slots));
	slot->session = session;
	slot->client = client;
	TAILQ_INSERT_HEAD(&s->used, slot, link);
	s->n++;
}

/* Who resumes is not asked for its certificate again: it must be good still. */
static int
is_over(const SSL_SESSION *session)
{
	X509 *certificate = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);

	return certificate == NULL || X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
}

SSL_SESSION *
tls_slot_find(struct tls_sessions *s, struct tls_slot *slot, uint64_t client)
{
	if (slot->session == NULL)
		return NULL;
	if (slot->client == client && SSL_SESSION_is_resumable(slot->session) == 1 &&
	    !is_over(slot->session))
		return slot->session;
	tls_slot_clear(s, slot);
	return NULL;
}

unsigned
tls_sessions_count(const struct tls_sessions *s)
{
	return s->n;
}
