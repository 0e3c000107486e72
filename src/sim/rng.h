/*
 * sim/rng.h: chance that is the same on every machine: integers only, nothing of the mathematical library.
 *
 * xoshiro256** of D. Blackman and S. Vigna ("Scrambled linear pseudorandom number generators", 2018), seeded by
 * splitmix64 as they advise.
 */
#ifndef TG_SIM_RNG_H
#define TG_SIM_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* `stream` tells apart what is drawn of one seed for different purposes. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

static inline uint64_t
rng_turned(uint64_t x, unsigned n)
{
	return (x << n) | (x >> (64 - n));
}

static inline uint64_t
rng_next(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rng_turned(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rng_turned(s[3], 45);
	return result;
}

/* Below `n` > 0; of n far below 2^64 all as often, as far as anybody could tell. */
static inline uint64_t
rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

/* Exponential with mean 1, in units of 2^-32. */
#define TG_RNG_ONE 4294967296.0
uint64_t rng_exponential(struct rng *r);

#endif
