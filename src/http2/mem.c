#include "http2/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SIZES (TG_H2_PIECE_MAX / TG_H2_PIECE_STEP)

/* In front of what is given. */
struct h2_piece {
	union {
		size_t size;           /* its place in `free`; SIZES: malloc()'s own */
		struct h2_piece *next; /* while it rests */
	};
	_Alignas(max_align_t) unsigned char bytes[];
};

static struct h2_piece *
piece_of(void *p)
{
	return (struct h2_piece *)((unsigned char *)p - offsetof(struct h2_piece, bytes));
}

static size_t
room_of(size_t size)
{
	return (size + 1) * TG_H2_PIECE_STEP;
}

static void *
make(size_t size, size_t n)
{
	struct h2_piece *piece;

	if (n > SIZE_MAX - sizeof(*piece))
		return NULL;
	piece = malloc(sizeof(*piece) + n);
	if (piece == NULL)
		return NULL;
	piece->size = size;
	return piece->bytes;
}

static void *
take(size_t n, void *user)
{
	struct h2_mem *m = user;
	size_t size = n > 0 ? (n - 1) / TG_H2_PIECE_STEP : 0;
	struct h2_piece *piece;

	if (size >= SIZES)
		return make(SIZES, n);
	piece = m->free[size];
	if (piece == NULL)
		return make(size, room_of(size));
	m->free[size] = piece->next;
	m->kept -= room_of(size);
	piece->size = size;
	return piece->bytes;
}

static void
give(void *p, void *user)
{
	struct h2_mem *m = user;
	struct h2_piece *piece;
	size_t size;

	if (p == NULL)
		return;
	piece = piece_of(p);
	size = piece->size;
	if (size >= SIZES || m->kept + room_of(size) > TG_H2_MEM_KEPT) {
		free(piece);
		return;
	}
	piece->next = m->free[size];
	m->free[size] = piece;
	m->kept += room_of(size);
}

static void *
take_clear(size_t n, size_t each, void *user)
{
	void *p;

	if (each > 0 && n > SIZE_MAX / each)
		return NULL;
	p = take(n * each, user);
	return p != NULL ? memset(p, 0, n * each) : NULL;
}

static void *
grow_large(struct h2_piece *piece, size_t n)
{
	if (n > SIZE_MAX - sizeof(*piece))
		return NULL;
	piece = realloc(piece, sizeof(*piece) + n);
	return piece != NULL ? piece->bytes : NULL;
}

static void *
change(void *p, size_t n, void *user)
{
	struct h2_piece *piece;
	void *other;

	if (p == NULL)
		return take(n, user);
	piece = piece_of(p);
	if (piece->size >= SIZES)
		return grow_large(piece, n);
	if (n <= room_of(piece->size))
		return p;
	other = take(n, user);
	if (other == NULL)
		return NULL;
	memcpy(other, p, room_of(piece->size));
	give(p, user);
	return other;
}

void
h2_mem_init(struct h2_mem *m)
{
	*m = (struct h2_mem){
		.ops = {.mem_user_data = m,
			.malloc = take,
			.free = give,
			.calloc = take_clear,
			.realloc = change},
	};
}

void
h2_mem_fini(struct h2_mem *m)
{
	for (size_t i = 0; i < SIZES; i++) {
		struct h2_piece *piece;

		while ((piece = m->free[i]) != NULL) {
			m->free[i] = piece->next;
			free(piece);
		}
	}
	m->kept = 0;
}
