/*
 * base/lone.h: where in memory the elements of an array are that many threads write.
 *
 * The first ones have cache lines of their own, so that who writes one waits for nobody that writes another. Of
 * thousands any two are seldom written at a time, but picked by chance they are in no near cache unless they
 * are small: from TG_LONE on they lie side by side.
 */
#ifndef TG_BASE_LONE_H
#define TG_BASE_LONE_H

#include <stddef.h>
#include <stdint.h>

#define TG_CACHELINE 64
#define TG_LONE      512u

/* In bytes behind the first element, which is at a cache line. `size` divides that of a line. */
static inline size_t
lone_at(uint32_t i, size_t size)
{
	uint32_t lone = i < TG_LONE ? i : TG_LONE;

	return lone * (size_t)TG_CACHELINE + (i - lone) * size;
}

/* Of n elements, in whole lines. */
static inline size_t
lone_bytes(uint32_t n, size_t size)
{
	return (lone_at(n, size) + TG_CACHELINE - 1) / TG_CACHELINE * TG_CACHELINE;
}

#endif
