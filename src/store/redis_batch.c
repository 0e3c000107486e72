#include "store/redis_batch.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 4096u
#define FIRST_ITEMS 64u
#define KEEP_BYTES  ((size_t)1 << 20)

/* Room for `n` more, by doubling up to `max`. False: as above. */
static bool
make_room(void **array, size_t *room, size_t used, size_t n, size_t max, size_t size)
{
	size_t wanted = *room;
	void *grown;

	if (n > max - used)
		return false;
	while (wanted < used + n)
		wanted *= 2;
	if (wanted == *room && *array != NULL)
		return true;
	grown = realloc(*array, wanted * size);
	if (grown == NULL)
		return false;
	*array = grown;
	*room = wanted;
	return true;
}

static bool
has_room(struct redis_batch *b, size_t n)
{
	void *bytes = b->bytes;
	void *items = b->items;
	bool is_good;

	if (b->bytes_room == 0)
		b->bytes_room = FIRST_BYTES;
	if (b->items_room == 0)
		b->items_room = FIRST_ITEMS;
	is_good = make_room(&bytes, &b->bytes_room, b->n_bytes, n + 1, TG_BATCH_BYTES_MAX, 1);
	b->bytes = bytes;
	is_good = is_good && make_room(&items, &b->items_room, b->n_items, 1, TG_BATCH_ITEMS_MAX,
				       sizeof(*b->items));
	b->items = items;
	return is_good;
}

static bool
append(struct redis_batch *b, const struct batch_kind *kind, void *record, const char *text,
       size_t n)
{
	if (!has_room(b, n))
		return false;
	memcpy(b->bytes + b->n_bytes, text, n);
	b->items[b->n_items++] =
		(struct batch_item){.kind = kind, .record = record, .at = b->n_bytes, .n = n};
	b->n_bytes += n;
	b->bytes[b->n_bytes] = '\0';
	return true;
}

bool
batch_add(struct redis_batch *b, const struct batch_kind *kind, void *record, size_t argc,
	  const char **argv, const size_t *sizes)
{
	char *text;
	long long n = redisFormatCommandArgv(&text, (int)argc, argv, sizes);
	bool is_added;

	if (n < 0)
		return false;
	is_added = append(b, kind, record, text, (size_t)n);
	redisFreeCommand(text);
	return is_added;
}

bool
batch_add_again(struct redis_batch *b, const struct redis_batch *from,
		const struct batch_item *item)
{
	if (!append(b, item->kind, item->record, from->bytes + item->at, item->n))
		return false;
	b->items[b->n_items - 1].hops = (uint8_t)(item->hops + 1);
	return true;
}

size_t
batch_add_all(struct redis_batch *b, const struct redis_batch *from)
{
	size_t i;

	for (i = 0; i < from->n_items; i++) {
		const struct batch_item *item = &from->items[i];

		if (!append(b, item->kind, item->record, from->bytes + item->at, item->n))
			break;
		b->items[b->n_items - 1].hops = item->hops;
	}
	return i;
}

/* Behind "*2", "$4", "PING" and "$1". */
#define LINES_BEFORE_KEY 4u

bool
batch_key(const struct redis_batch *b, const struct batch_item *item, char *ret, size_t size)
{
	const char *at = b->bytes + item->at;
	const char *end = at + item->n;
	size_t n;

	for (unsigned i = 0; i < LINES_BEFORE_KEY && at != NULL; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at != NULL && at + 1 < end ? at + 1 : NULL;
	}
	if (at == NULL)
		return false;
	n = strcspn(at, "\r");
	n = n < size ? n : size - 1;
	memcpy(ret, at, n);
	ret[n] = '\0';
	return true;
}

void
batch_cut(struct redis_batch *b, size_t n_items)
{
	if (n_items >= b->n_items)
		return;
	b->n_bytes = b->items[n_items].at;
	b->n_items = n_items;
}

void
batch_clear(struct redis_batch *b)
{
	if (b->bytes_room > KEEP_BYTES)
		batch_fini(b);
	b->n_bytes = 0;
	b->n_items = 0;
}

void
batch_fini(struct redis_batch *b)
{
	free(b->bytes);
	free(b->items);
	*b = (struct redis_batch){.bytes = NULL};
}
