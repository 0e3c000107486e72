/*
 * balance/dice_priv.h: chance for one worker, reproducible from its seed.
 * SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
 */
#ifndef TG_BALANCE_DICE_PRIV_H
#define TG_BALANCE_DICE_PRIV_H

#include "base/hash.h"

struct dice {
	uint64_t state; /* any seed will do */
};

static inline uint64_t
dice_throw(struct dice *dice)
{
	dice->state += UINT64_C(0x9e3779b97f4a7c15);
	return hash_number(dice->state);
}

#endif
