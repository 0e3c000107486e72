#include "backend/room.h"

#include <stdatomic.h>
#include <stdlib.h>

#define BITS 64u

struct room {
	uint32_t n_words;
	_Atomic uint64_t *words;   /* bit: a backend */
	_Atomic uint64_t *summary; /* bit: a word that is not zero */
};

static uint32_t
words_for(uint32_t bits)
{
	return bits / BITS + (bits % BITS != 0);
}

struct room *
room_new(uint32_t n)
{
	struct room *room = calloc(1, sizeof(*room));

	if (room == NULL)
		return NULL;
	room->n_words = words_for(n);
	room->words = calloc(room->n_words + 1, sizeof(room->words[0]));
	room->summary = calloc(words_for(room->n_words) + 1, sizeof(room->summary[0]));
	if (room->words == NULL || room->summary == NULL) {
		room_free(room);
		return NULL;
	}
	return room;
}

void
room_free(struct room *room)
{
	if (room == NULL)
		return;
	free(room->words);
	free(room->summary);
	free(room);
}

static uint64_t
bit_of(uint32_t i)
{
	return UINT64_C(1) << i % BITS;
}

static bool
is_open(const struct room *room, uint32_t backend)
{
	return (atomic_load(&room->words[backend / BITS]) & bit_of(backend)) != 0;
}

/* The word first: whoever clears the summary's bit looks at the word again. */
void
room_open(struct room *room, uint32_t backend)
{
	uint32_t word = backend / BITS;

	if (is_open(room, backend))
		return;
	atomic_fetch_or(&room->words[word], bit_of(backend));
	if ((atomic_load(&room->summary[word / BITS]) & bit_of(word)) == 0)
		atomic_fetch_or(&room->summary[word / BITS], bit_of(word));
}

void
room_close(struct room *room, uint32_t backend)
{
	uint32_t word = backend / BITS;
	uint64_t left = atomic_fetch_and(&room->words[word], ~bit_of(backend)) & ~bit_of(backend);

	if (left != 0)
		return;
	atomic_fetch_and(&room->summary[word / BITS], ~bit_of(word));
	if (atomic_load(&room->words[word]) != 0)
		atomic_fetch_or(&room->summary[word / BITS], bit_of(word));
}

/* The lowest bit of `bits` at or after `from`, or BITS. */
static uint32_t
lowest_from(uint64_t bits, uint32_t from)
{
	bits &= UINT64_MAX << from;
	return bits != 0 ? (uint32_t)__builtin_ctzll(bits) : BITS;
}

/* The first word at or after `from` that is not zero, or n_words. */
static uint32_t
next_word(const struct room *room, uint32_t from)
{
	uint32_t n = words_for(room->n_words);
	uint32_t start = from % BITS;
	uint32_t i;

	for (i = from / BITS; i < n; i++, start = 0) {
		uint32_t bit = lowest_from(atomic_load(&room->summary[i]), start);

		if (bit < BITS)
			return i * BITS + bit;
	}
	return room->n_words;
}

uint32_t
room_next(const struct room *room, uint32_t from)
{
	uint32_t start = from % BITS;
	uint32_t word = from / BITS;

	if (word >= room->n_words)
		return TG_ROOM_NONE;
	for (;;) {
		uint32_t bit = lowest_from(atomic_load(&room->words[word]), start);

		if (bit < BITS)
			return word * BITS + bit;
		word = next_word(room, word + 1);
		if (word >= room->n_words)
			return TG_ROOM_NONE;
		start = 0;
	}
}

/* It is full. A place given back before its bit was cleared sets it again. */
static void
note_full(struct room *room, uint32_t backend, struct segment_load *load, uint32_t limit)
{
	room_close(room, backend);
	if (atomic_load(&load->in_flight) < (int64_t)limit)
		room_open(room, backend);
}

bool
room_take(struct room *room, uint32_t backend, struct segment_load *load, uint32_t limit)
{
	int64_t n;

	if (limit == 0) {
		segment_note_in_flight(load, atomic_fetch_add(&load->in_flight, 1) + 1);
		return true;
	}
	n = atomic_load(&load->in_flight);
	do {
		if (n >= (int64_t)limit) {
			if (is_open(room, backend))
				note_full(room, backend, load, limit);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&load->in_flight, &n, n + 1));
	segment_note_in_flight(load, n + 1);
	if (n + 1 >= (int64_t)limit)
		note_full(room, backend, load, limit);
	return true;
}

void
room_give(struct room *room, uint32_t backend, struct segment_load *load)
{
	atomic_fetch_sub(&load->in_flight, 1);
	if (room != NULL)
		room_open(room, backend);
}
