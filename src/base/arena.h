/*
 * base/arena.h: memory that lives and dies together.
 *
 * For objects built once and freed as a whole (a configuration). Not thread-safe.
 */
#ifndef TG_BASE_ARENA_H
#define TG_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

/* Storage is the caller's; all zero is a valid empty arena. */
struct arena {
	struct arena_block *blocks;
	size_t used; /* of the newest block */
	size_t size; /* of the newest block */
	size_t next; /* bytes that the next block has; 0: as the first one */
};

/* Zeroed, aligned for any type. NULL: no memory, or count * size overflows. Never NULL for 0 bytes. */
void *arena_alloc(struct arena *a, size_t count, size_t size);
/* NUL-terminated copy of `n` bytes. NULL: no memory. */
char *arena_copy(struct arena *a, const char *s, size_t n);
void arena_fini(struct arena *a);
/* The same of one that has secrets: nothing of them is left in memory that is given back. */
void arena_wipe(struct arena *a);

#endif
