/*
 * base/arena.c: blocks that grow, freed together.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The first block, and the largest: what is small takes little. */
#define FIRST_BYTES 1024u
#define BLOCK_BYTES 16384u

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

static struct arena_block *
block_new(size_t size)
{
	struct arena_block *block = NULL;

	if (size <= SIZE_MAX - sizeof(*block))
		block = calloc(1, sizeof(*block) + size);
	if (block)
		block->size = size;
	return block;
}

static int
add_block(struct arena *a)
{
	size_t size = a->next ? a->next : FIRST_BYTES;
	struct arena_block *block = block_new(size);

	if (!block)
		return -1;
	block->next = a->blocks;
	a->blocks = block;
	a->used = 0;
	a->size = size;
	a->next = size < BLOCK_BYTES ? size * 2 : size;
	return 0;
}

/* A block of its own behind the newest, which goes on being filled. */
static void *
alloc_apart(struct arena *a, size_t bytes)
{
	struct arena_block *block = block_new(bytes);
	struct arena_block **at = a->blocks ? &a->blocks->next : &a->blocks;

	if (!block)
		return NULL;
	block->next = *at;
	*at = block;
	return block->bytes;
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
	if (a->size - a->used < bytes) {
		if (bytes > (a->next ? a->next : FIRST_BYTES) / 2)
			return alloc_apart(a, bytes);
		if (add_block(a) < 0)
			return NULL;
	}
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
