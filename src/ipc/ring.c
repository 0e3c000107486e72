/*
 * Layout: records back to back, each a length word of 8 bytes and the content
 * rounded up to 8. A record never wraps; where it would, a length word of
 * LENGTH_SKIP says that the rest of the ring is unused. Positions only grow;
 * their low bits are the place in the ring.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ring.h"

#define LENGTH_BYTES 8u
#define LENGTH_SKIP  UINT32_MAX

size_t
ring_shared_bytes(size_t size)
{
	return sizeof(struct ring_shared) + size;
}

/* Ring bytes of a record with `n` bytes of content. */
static uint64_t
record_bytes(uint32_t n)
{
	return LENGTH_BYTES + (((uint64_t)n + 7) & ~(uint64_t)7);
}

static uint64_t
place(const struct ring *ring, uint64_t position)
{
	return position & (ring->size - 1);
}

static void
length_write(struct ring *ring, uint64_t position, uint32_t n)
{
	uint64_t word = n;

	memcpy(ring->shared->bytes + place(ring, position), &word, sizeof(word));
}

static uint64_t
length_read(const struct ring *ring, uint64_t position)
{
	uint64_t word;

	memcpy(&word, ring->shared->bytes + place(ring, position), sizeof(word));
	return word;
}

int
ring_attach(struct ring *ring, struct ring_shared *shared, size_t size)
{
	unsigned char *copy = malloc(TG_RING_RECORD_MAX);

	assert(size >= TG_RING_SIZE_MIN && (size & (size - 1)) == 0);
	if (copy == NULL)
		return -TG_ENOMEM;
	*ring = (struct ring){
		.shared = shared,
		.size = size,
		.head = atomic_load_explicit(&shared->head, memory_order_acquire),
		.tail = atomic_load_explicit(&shared->tail, memory_order_acquire),
		.copy = copy,
	};
	ring->head = (ring->head + 7) & ~(uint64_t)7;
	return 0;
}

void
ring_detach(struct ring *ring)
{
	free(ring->copy);
	*ring = (struct ring){0};
}

static bool
has_room(struct ring *ring, uint64_t n)
{
	if (ring->size - (ring->head - ring->tail) >= n && ring->head - ring->tail <= ring->size)
		return true;
	ring->tail = atomic_load_explicit(&ring->shared->tail, memory_order_acquire);
	return ring->head - ring->tail <= ring->size && ring->size - (ring->head - ring->tail) >= n;
}

void *
ring_reserve(struct ring *ring, uint32_t n)
{
	uint64_t to_end = ring->size - place(ring, ring->head);
	uint64_t need = record_bytes(n);
	uint64_t skip = need > to_end ? to_end : 0;
	uint64_t dropped;

	if (n > TG_RING_RECORD_MAX || !has_room(ring, skip + need)) {
		dropped = atomic_load_explicit(&ring->shared->dropped, memory_order_relaxed);
		atomic_store_explicit(&ring->shared->dropped, dropped + 1, memory_order_relaxed);
		return NULL;
	}
	if (skip > 0)
		length_write(ring, ring->head, LENGTH_SKIP);
	ring->reserved = skip;
	return ring->shared->bytes + place(ring, ring->head + skip) + LENGTH_BYTES;
}

void
ring_commit(struct ring *ring, uint32_t n)
{
	uint64_t at = ring->head + ring->reserved;

	length_write(ring, at, n);
	ring->head = at + record_bytes(n);
	ring->reserved = 0;
	atomic_store_explicit(&ring->shared->head, ring->head, memory_order_release);
}

static void
set_tail(struct ring *ring, uint64_t tail)
{
	ring->tail = tail;
	ring->step = 0;
	atomic_store_explicit(&ring->shared->tail, tail, memory_order_release);
}

/* Bytes to read, or 0 after throwing away what cannot be a ring. */
static uint64_t
filled(struct ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->shared->head, memory_order_acquire);
	uint64_t n = head - ring->tail;

	if (n <= ring->size && n % 8 == 0 && ring->tail % 8 == 0)
		return n;
	set_tail(ring, (head + 7) & ~(uint64_t)7);
	return 0;
}

const void *
ring_peek(struct ring *ring, uint32_t *ret_n)
{
	uint64_t n_filled = filled(ring);
	uint64_t to_end = ring->size - place(ring, ring->tail);
	uint64_t length;

	ring->step = 0;
	if (n_filled == 0)
		return NULL;
	length = length_read(ring, ring->tail);
	if (length == LENGTH_SKIP && to_end < n_filled) {
		set_tail(ring, ring->tail + to_end);
		n_filled -= to_end;
		to_end = ring->size;
		length = length_read(ring, ring->tail);
	}
	if (length > TG_RING_RECORD_MAX || record_bytes((uint32_t)length) > n_filled ||
	    record_bytes((uint32_t)length) > to_end) {
		set_tail(ring, ring->tail + n_filled);
		return NULL;
	}
	memcpy(ring->copy, ring->shared->bytes + place(ring, ring->tail) + LENGTH_BYTES, length);
	ring->step = record_bytes((uint32_t)length);
	*ret_n = (uint32_t)length;
	return ring->copy;
}

void
ring_next(struct ring *ring)
{
	if (ring->step > 0)
		set_tail(ring, ring->tail + ring->step);
}

uint64_t
ring_dropped(const struct ring *ring)
{
	return atomic_load_explicit(&ring->shared->dropped, memory_order_relaxed);
}
