/*
 * base/hash.h: a number for bytes, the same on every machine and in every
 * version: what is placed by it must be found again. The door to xxHash. Not for secrets.
 */
#ifndef TG_BASE_HASH_H
#define TG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* All 64 bits well mixed; another seed is another hash. */
uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed);

/* The same for a number: each gives another one. */
static inline uint64_t
hash_number(uint64_t n)
{
	/* The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

/* Evenly from 0 to n - 1, by the upper half of the hash. */
static inline uint32_t
hash_below(uint64_t hash, uint32_t n)
{
	return (uint32_t)((hash >> 32) * n >> 32);
}

#endif
