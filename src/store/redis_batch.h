/*
 * store/redis_batch.h: commands of one tick in redis' protocol, one behind the other. No sockets.
 */
#ifndef TG_STORE_REDIS_BATCH_H
#define TG_STORE_REDIS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds of one tick. */
#define TG_BATCH_BYTES_MAX ((size_t)16 << 20)
#define TG_BATCH_ITEMS_MAX ((size_t)1 << 17)

/* A command that is written, and what it is answered with. */
struct batch_kind {
	const char *name;
	int answer;       /* REDIS_REPLY_... */
	const char *also; /* an error that is as good; NULL: none */
};

struct batch_item {
	const struct batch_kind *kind;
	void *record; /* the writer's own */
	size_t at;
	size_t n;
	uint8_t hops; /* redirected so often */
	bool is_over; /* it is not to be taken back any more: done, or on its way elsewhere */
};

/* Zeroed: empty. Storage is the caller's. */
struct redis_batch {
	char *bytes; /* with a zero behind the last: hiredis looks at commands as at strings */
	size_t n_bytes;
	size_t bytes_room;
	struct batch_item *items;
	size_t n_items;
	size_t items_room;
};

/* `sizes` NULL: all are strings. False, and nothing is added: it does not fit, or there is no memory. */
bool batch_add(struct redis_batch *b, const struct batch_kind *kind, void *record, size_t argc,
	       const char **argv, const size_t *sizes);
/* One that was redirected, once more. False as above. */
bool batch_add_again(struct redis_batch *b, const struct redis_batch *from,
		     const struct batch_item *item);
/* All of `from` that finds room, behind what is there; how many did. */
size_t batch_add_all(struct redis_batch *b, const struct redis_batch *from);
/* The first argument of a command, cut to `size`; false: it has none. */
bool batch_key(const struct redis_batch *b, const struct batch_item *item, char *ret, size_t size);
/* Takes back all but the first `n_items`. */
void batch_cut(struct redis_batch *b, size_t n_items);
/* Empty; large memory goes back. */
void batch_clear(struct redis_batch *b);
void batch_fini(struct redis_batch *b);

#endif
