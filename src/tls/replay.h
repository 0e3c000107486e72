/*
 * tls/replay.h: which early data was taken already (RFC 8446 8): what tells a client from who plays his ClientHello again.
 *
 * Early data is taken with a ticket of this very process only, which the name in the ticket says, and once. So nothing has to be
 * shared: not with other instances that open the same tickets, nor with the process before or after this one. The library
 * refuses a ClientHello that is more than TG_REPLAY_FRESH_MS older than it says, so what was taken is remembered for longer than that
 * and then forgotten. Where the wall clock has jumped, which that is measured by, all tickets of before are those of another process.
 */
#ifndef TG_TLS_REPLAY_H
#define TG_TLS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define TG_REPLAY_NAME_BYTES 16u
#define TG_REPLAY_ID_BYTES   32u
/* TICKET_AGE_ALLOWANCE of OpenSSL, and the second its clock has. */
#define TG_REPLAY_FRESH_MS 11000u
/* Of those each: two of them are there, the one before forgotten when it is this old. */
#define TG_REPLAY_TABLE_MS 15000u
/* What is taken in that time; more is refused, and its clients go on without early data. */
#define TG_REPLAY_TABLE_MAX 32768u

/* Of all threads of a process. */
struct replay;
struct replay *replay_new(void);    /* NULL: no memory, or no randomness */
void replay_free(struct replay *r); /* NULL allowed */

/* What tickets are marked with from now on. */
void replay_name(struct replay *r, struct mono now, struct wall wall,
		 unsigned char ret[TG_REPLAY_NAME_BYTES]);
/* Whether early data with the ticket of this name and this secret of its own may be taken: the first time. */
bool replay_take(struct replay *r, struct mono now, struct wall wall, const void *name,
		 size_t name_n, const unsigned char id[TG_REPLAY_ID_BYTES]);

#endif
