/*
 * sim/heap.h: requests at backends, the one that ends first on top. Four children each: half as many levels as two,
 * and those of one element lie in one line of the cache.
 */
#ifndef TG_SIM_HEAP_H
#define TG_SIM_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Ends first what has the lower key: time, then place of the backend, so that no two runs differ. */
struct heap_entry {
	uint64_t key;
	uint32_t service_us;
	uint32_t wait_us;
};

#define TG_HEAP_PLACE_BITS 12u

static inline uint64_t
heap_key(uint64_t at_us, uint32_t place)
{
	return (at_us << TG_HEAP_PLACE_BITS) | place;
}

static inline uint64_t
heap_key_us(uint64_t key)
{
	return key >> TG_HEAP_PLACE_BITS;
}

static inline uint32_t
heap_key_place(uint64_t key)
{
	return (uint32_t)(key & ((1u << TG_HEAP_PLACE_BITS) - 1));
}

/* There is room for n + 1. */
static inline void
heap_push(struct heap_entry *heap, size_t *n, struct heap_entry e)
{
	size_t i = (*n)++;

	while (i > 0 && heap[(i - 1) / 4].key > e.key) {
		heap[i] = heap[(i - 1) / 4];
		i = (i - 1) / 4;
	}
	heap[i] = e;
}

/* Where all four are there, which is nearly always, without a jump: which one it is cannot be foretold. */
static inline size_t
heap_least_child(const struct heap_entry *heap, size_t n, size_t first)
{
	size_t least = first;

	if (first + 4 <= n) {
		size_t a = first + (heap[first + 1].key < heap[first].key);
		size_t b = first + 2 + (heap[first + 3].key < heap[first + 2].key);
		size_t is_b = heap[b].key < heap[a].key;

		return a + (b - a) * is_b;
	}
	for (size_t i = first + 1; i < n; i++)
		least = heap[i].key < heap[least].key ? i : least;
	return least;
}

/* n > 0. */
static inline struct heap_entry
heap_pop(struct heap_entry *heap, size_t *n)
{
	struct heap_entry top = heap[0];
	struct heap_entry last = heap[--*n];
	size_t i = 0;

	while (i * 4 + 1 < *n) {
		size_t child = heap_least_child(heap, *n, i * 4 + 1);

		if (heap[child].key >= last.key)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}

#endif
