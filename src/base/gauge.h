/*
 * base/gauge.h: a number that one thread writes and others read: one plain store, no locked
 * instruction. NULL: nobody reads it.
 */
#ifndef TG_BASE_GAUGE_H
#define TG_BASE_GAUGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

static inline void
gauge_set(_Atomic uint64_t *g, uint64_t n)
{
	if (g != NULL)
		atomic_store_explicit(g, n, memory_order_relaxed);
}

static inline void
gauge_add(_Atomic uint64_t *g, uint64_t n)
{
	if (g != NULL)
		atomic_store_explicit(g, atomic_load_explicit(g, memory_order_relaxed) + n,
				      memory_order_relaxed);
}

#endif
