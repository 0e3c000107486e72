#include "tls/replay.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/mac.h"

#define SLOTS   (2 * (size_t)TG_REPLAY_TABLE_MAX)
#define JUMP_US 2000000u

/* Open addressing; 0: free. */
struct table {
	struct mono begin;
	unsigned n;
	uint64_t slots[SLOTS];
};

struct replay {
	pthread_mutex_t lock;
	unsigned char name[TG_REPLAY_NAME_BYTES];
	uint64_t offset_us; /* of the wall clock to the monotonic one */
	bool has_offset;
	struct table *now;
	struct table *before;
	struct table tables[2];
};

struct replay *
replay_new(void)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (r == NULL || mac_random(r->name, sizeof(r->name)) < 0) {
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	r->now = &r->tables[0];
	r->before = &r->tables[1];
	return r;
}

void
replay_free(struct replay *r)
{
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* True: nothing of before can be believed. */
static bool
has_jumped(struct replay *r, struct mono now, struct wall wall)
{
	uint64_t offset = wall.us - now.us;
	uint64_t moved = offset > r->offset_us ? offset - r->offset_us : r->offset_us - offset;
	bool is_first = !r->has_offset;

	if (!is_first && moved <= JUMP_US)
		return false;
	r->offset_us = offset;
	r->has_offset = true;
	return !is_first;
}

static void
clear(struct table *t, struct mono begin)
{
	memset(t->slots, 0, sizeof(t->slots));
	t->n = 0;
	t->begin = begin;
}

static void
advance(struct replay *r, struct mono now)
{
	struct table *oldest = r->before;

	if (!mono_is_set(r->now->begin))
		r->now->begin = now;
	if (now.us - r->now->begin.us < (uint64_t)TG_REPLAY_TABLE_MS * 1000)
		return;
	r->before = r->now;
	r->now = oldest;
	clear(r->now, now);
}

static void
look_at_clocks(struct replay *r, struct mono now, struct wall wall)
{
	/* Without a new name no ticket is any good. */
	if (has_jumped(r, now, wall) && mac_random(r->name, sizeof(r->name)) < 0)
		memset(r->name, 0, sizeof(r->name));
	advance(r, now);
}

void
replay_name(struct replay *r, struct mono now, struct wall wall,
	    unsigned char ret[TG_REPLAY_NAME_BYTES])
{
	pthread_mutex_lock(&r->lock);
	look_at_clocks(r, now, wall);
	memcpy(ret, r->name, TG_REPLAY_NAME_BYTES);
	pthread_mutex_unlock(&r->lock);
}

/* Where it is, or would be. */
static uint64_t *
find(struct table *t, uint64_t mark)
{
	size_t at = mark % SLOTS;

	while (t->slots[at] != 0 && t->slots[at] != mark)
		at = (at + 1) % SLOTS;
	return &t->slots[at];
}

static bool
take(struct replay *r, const unsigned char id[TG_REPLAY_ID_BYTES])
{
	uint64_t mark;
	uint64_t *slot;

	/* The secret of a ticket is random to all but its client. */
	memcpy(&mark, id, sizeof(mark));
	mark |= 1;
	slot = find(r->now, mark);
	if (*slot != 0 || *find(r->before, mark) != 0 || r->now->n == TG_REPLAY_TABLE_MAX)
		return false;
	*slot = mark;
	r->now->n++;
	return true;
}

bool
replay_take(struct replay *r, struct mono now, struct wall wall, const void *name, size_t name_n,
	    const unsigned char id[TG_REPLAY_ID_BYTES])
{
	static const unsigned char nobody[TG_REPLAY_NAME_BYTES];
	bool is_first;

	pthread_mutex_lock(&r->lock);
	look_at_clocks(r, now, wall);
	is_first = name_n == sizeof(r->name) && memcmp(name, r->name, name_n) == 0 &&
		   memcmp(r->name, nobody, sizeof(nobody)) != 0 && take(r, id);
	pthread_mutex_unlock(&r->lock);
	return is_first;
}
