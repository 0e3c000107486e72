/*
 * base/arena.c: blocks that grow, freed together.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384u

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

static int
add_block(struct arena *a, size_t at_least)
{
	size_t size = at_least > BLOCK_BYTES ? at_least : BLOCK_BYTES;
	struct arena_block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return -1;
	block = calloc(1, sizeof(*block) + size);
	if (!block)
		return -1;
	block->next = a->blocks;
	block->size = size;
	a->blocks = block;
	a->used = 0;
	a->size = size;
	return 0;
}

void *
arena_alloc(struct arena *a, size_t count, size_t size)
{
	const size_t align = alignof(max_align_t);
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - align)
		return NULL;
	bytes = bytes == 0 ? align : (bytes + align - 1) / align * align;
	if (a->size - a->used < bytes && add_block(a, bytes) < 0)
		return NULL;
	p = a->blocks->bytes + a->used;
	a->used += bytes;
	return p;
}

char *
arena_copy(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1, 1);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

void
arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->blocks; b; b = b->next)
		explicit_bzero(b->bytes, b->size);
	arena_fini(a);
}

void
arena_fini(struct arena *a)
{
	struct arena_block *next;

	for (struct arena_block *b = a->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct arena){.blocks = NULL};
}
