/*
 * ipc/ring.h: a byte ring in shared memory, one writer, one reader.
 *
 * Carries access-log records from a worker to the keeper. The writer never
 * waits: a record that does not fit is dropped and counted. Records are
 * published whole (release store of head), so a writer that dies leaves no
 * half record.
 *
 * Each side works on its own struct ring, which keeps size and own position in
 * private memory; what lies in shared memory is untrusted to either. The reader
 * checks lengths against head, and takes a private copy of a record before
 * anyone looks into it, so the writer cannot change it under a check.
 */
#ifndef TG_IPC_RING_H
#define TG_IPC_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TG_RING_RECORD_MAX 16384u
#define TG_RING_SIZE_MIN   65536u

/* The part in shared memory. */
struct ring_shared {
	_Alignas(64) _Atomic uint64_t head; /* bytes ever written; writer */
	_Atomic uint64_t dropped;           /* records that found no room; writer */
	_Alignas(64) _Atomic uint64_t tail; /* bytes ever read; reader */
	_Alignas(64) unsigned char bytes[];
};

/* One side's handle. Storage is the caller's; ring_attach() to ring_detach(). */
struct ring {
	struct ring_shared *shared;
	uint64_t size;       /* of bytes[]; a power of two */
	uint64_t head;       /* writer: own position */
	uint64_t tail;       /* reader: own position; writer: the last one seen */
	uint64_t reserved;   /* writer: bytes skipped at the end for the open reservation */
	unsigned char *copy; /* reader: the record shown by ring_peek() */
	uint64_t step;       /* reader: bytes ring_next() moves on */
};

/* Shared memory an empty ring of `size` bytes takes. */
size_t ring_shared_bytes(size_t size);

/* Takes up the ring in `shared` where the last holder of this side left it; zeroed memory is an
 * empty ring. `size` is a power of two, at least TG_RING_SIZE_MIN. -TG_ENOMEM. */
TG_MUST_CHECK int ring_attach(struct ring *ring, struct ring_shared *shared, size_t size);
void ring_detach(struct ring *ring); /* zeroed allowed */

/* Room for a record of `n` bytes, 8-aligned and contiguous, or NULL (counted). Writer only.
 * At most one reservation is open; a new one replaces it. */
void *ring_reserve(struct ring *ring, uint32_t n);
/* Publishes the reservation, shortened to `n` bytes. */
void ring_commit(struct ring *ring, uint32_t n);

/* Next record, or NULL when empty; *ret_n its length. Reader only; 8-aligned; valid until
 * ring_next() or ring_peek(). A ring whose content makes no sense is emptied. */
const void *ring_peek(struct ring *ring, uint32_t *ret_n);
/* Moves on past the record ring_peek() showed; nothing when it showed none. */
void ring_next(struct ring *ring);

/* Records dropped so far. */
uint64_t ring_dropped(const struct ring *ring);

#endif
