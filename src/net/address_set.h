/*
 * net/address_set.h: which address of a name has which slot. Pure.
 *
 * A name stands for up to `n_slots` addresses. One keeps its slot as long as it
 * is in the answers, whatever their order. One that is new takes a free slot;
 * one that is gone leaves: its slot is free for another when nothing is in
 * flight on it, or after TG_ADDRESS_LEAVE_MS. When none of those that stay is
 * up, newcomers do not wait: they take the slots of those that have just gone,
 * in place, then any other.
 */
#ifndef TG_NET_ADDRESS_SET_H
#define TG_NET_ADDRESS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/err.h"

#define TG_ADDRESS_LEAVE_MS  30000u
#define TG_ADDRESS_LINGER_MS 250u /* streams that begin as it leaves are seen after this */

/* What an answer says of one address. A value. */
struct address {
	struct ip ip;
	uint16_t port;     /* 0: not told */
	uint16_t priority; /* the lowest goes first */
	uint16_t weight;   /* 1..256; 0: not told */
};

enum address_slot_state {
	TG_ADDRESS_FREE = 0,
	TG_ADDRESS_HELD = 1,
	TG_ADDRESS_LEAVING = 2,
	TG_ADDRESS_STATE_COUNT
};

struct address_slot {
	enum address_slot_state state;
	struct address address; /* unless free */
	bool is_wanted;         /* by the last answer */
	bool is_backup;         /* held: others have a lower priority */
	bool changed;           /* there is something to tell; the reader clears it */
	struct mono left;       /* leaving: since when */
};

/* What is observed of a slot. */
struct address_fact {
	uint64_t in_flight;
	bool is_up;
};

struct address_wanted;

/* Storage is the caller's. Slots are for reading. */
struct address_set {
	unsigned n_slots;
	struct address_slot *slots;
	struct address_wanted *wanted; /* [n_slots] */
	unsigned n_wanted;
	unsigned n_beyond;  /* of the last answer: more than there are slots */
	unsigned n_waiting; /* wanted, without a slot yet */
	unsigned n_leaving;
};

/* All free. -TG_ENOMEM. */
TG_MUST_CHECK int address_set_init(struct address_set *set, unsigned n_slots);
void address_set_fini(struct address_set *set); /* zeroed or initialised */

/*
 * A good answer: `n` addresses, none there twice. With more than there are slots,
 * a lower priority goes first, then who has a slot, then the lower address, IPv4
 * before IPv6. `facts`: [n_slots]. -TG_ENOMEM: the answer before still holds.
 */
TG_MUST_CHECK int address_set_update(struct address_set *set, const struct address *list, size_t n,
				     const struct address_fact *facts, struct mono now);
/* Time has passed: slots become free, who waits gets them. Of use while n_leaving is not 0. */
void address_set_step(struct address_set *set, const struct address_fact *facts, struct mono now);

/* Goes on from another set of the same name, with more slots or with less: addresses keep their slots,
 * as far as there are slots. All free before. */
void address_set_adopt(struct address_set *set, const struct address_set *before);

/* In all they say. */
bool address_equal(const struct address *a, const struct address *b);
/* By address, IPv4 first, then by port: as qsort() wants it. */
int address_compare(const struct address *a, const struct address *b);

#endif
