/*
 * tls/ticket.h: the keys session tickets are sealed with (RFC 5077 4, RFC 8446 4.6.1).
 *
 * There is a key per hour. They come from one seed that is turned on each hour and cannot be turned back
 * (HMAC-SHA-256), so whoever has the same seed has the same keys: workers, a proxy that is started again, the processes after
 * an upgrade. Keys are good for TG_TICKET_HOURS; what is older is forgotten, by the seed too.
 */
#ifndef TG_TLS_TICKET_H
#define TG_TLS_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "tls/replay.h"

#define TG_TICKET_HOURS      24u
#define TG_TICKET_SEED_BYTES 32u

/* A value. `hour` 0: none. */
struct ticket_seed {
	uint64_t hour; /* since 1970; it makes the keys from this hour on */
	unsigned char secret[TG_TICKET_SEED_BYTES];
};

/* A new one, of this hour. -TG_EIO: there is no randomness. */
TG_MUST_CHECK int ticket_seed_make(struct ticket_seed *ret, struct wall now);
/* Forgets what no key that is good now is made of. -TG_EIO: the library refused, it is as it was. */
TG_MUST_CHECK int ticket_seed_turn(struct ticket_seed *seed, struct wall now);

/* Whether both make the same keys, of hours that both make keys of. */
bool ticket_seed_is_same(const struct ticket_seed *a, const struct ticket_seed *b);

/* The keys that are good, of all threads of a process. NULL: no memory. */
struct tickets;
struct tickets *tickets_new(const struct ticket_seed *seed);
void tickets_free(struct tickets *t); /* NULL allowed */
/* From now on keys are made of another seed; those of the last one of which any were made open what they have sealed. */
void tickets_change(struct tickets *t, const struct ticket_seed *seed);

/* Which tickets were used for early data; as long as `t`. */
struct replay *tickets_replay(struct tickets *t);

#define TG_TICKET_NAME_BYTES 16u
#define TG_TICKET_KEY_BYTES  32u
/* A value, secret. */
struct ticket_key {
	unsigned char name[TG_TICKET_NAME_BYTES];
	unsigned char seal[TG_TICKET_KEY_BYTES]; /* AES-256 */
	unsigned char mac[TG_TICKET_KEY_BYTES];  /* HMAC-SHA-256 */
};

/* The key of this hour; where the clock was set back, of the latest. From any thread. -TG_EIO, -TG_EAGAIN: the
 * clock went years ahead. */
TG_MUST_CHECK int tickets_newest(struct tickets *t, struct wall now, struct ticket_key *ret);
/* The one of that name. *ret_is_newest: no other is better. -TG_ENOENT: it is not ours, or too old. */
TG_MUST_CHECK int tickets_find(struct tickets *t, struct wall now,
			       const unsigned char name[TG_TICKET_NAME_BYTES],
			       struct ticket_key *ret, int *ret_is_newest);

#endif
