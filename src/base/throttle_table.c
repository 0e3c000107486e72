#include "base/throttle_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/throttle.h"

#define WORD_BITS 13u
_Static_assert(TG_THROTTLE_WORDS == 1u << WORD_BITS && TG_THROTTLE_ROWS * WORD_BITS <= 64,
	       "one hash says the words of all rows");

struct throttle_table {
	uint64_t seed;
	_Atomic int64_t due_ns[TG_THROTTLE_ROWS][TG_THROTTLE_WORDS];
};

struct throttle_table *
throttle_table_new(void)
{
	struct throttle_table *t = calloc(1, sizeof(*t));

	if (t != NULL && getrandom(&t->seed, sizeof(t->seed), 0) == (ssize_t)sizeof(t->seed))
		return t;
	free(t);
	return NULL;
}

void
throttle_table_free(struct throttle_table *t)
{
	free(t);
}

/* Not one before `due`: another thread may have been there. */
static void
put_off(_Atomic int64_t *word, int64_t due)
{
	int64_t was = atomic_load_explicit(word, memory_order_relaxed);

	while (was < due && !atomic_compare_exchange_weak_explicit(
				    word, &was, due, memory_order_relaxed, memory_order_relaxed))
		continue;
}

static uint64_t
hash_of(const struct throttle_table *t, uint32_t of, const struct ip *ip)
{
	struct {
		uint8_t net[8];
		uint32_t of;
		uint32_t is_v4;
	} who = {.of = of, .is_v4 = ip_is_v4(ip)};

	memcpy(who.net, ip_is_v4(ip) ? ip->b + 8 : ip->b, sizeof(who.net));
	return hash_bytes(&who, sizeof(who), t->seed);
}

bool
throttle_table_take(struct throttle_table *t, uint32_t of, const struct ip *ip, unsigned rate,
		    uint64_t burst_us, struct mono now)
{
	uint64_t hash = hash_of(t, of, ip);
	_Atomic int64_t *words[TG_THROTTLE_ROWS];
	_Atomic int64_t *soonest = NULL;
	int64_t soonest_ns = INT64_MAX;
	int64_t due_ns;

	for (unsigned i = 0; i < TG_THROTTLE_ROWS; i++) {
		words[i] = &t->due_ns[i][hash >> i * WORD_BITS & (TG_THROTTLE_WORDS - 1)];
		due_ns = atomic_load_explicit(words[i], memory_order_relaxed);
		if (due_ns < soonest_ns) {
			soonest_ns = due_ns;
			soonest = words[i];
		}
	}
	/* Several threads of one client mostly find the same word, and so take turns. */
	if (!throttle_take(soonest, rate, burst_us, now))
		return false;
	due_ns = atomic_load_explicit(soonest, memory_order_relaxed);
	for (unsigned i = 0; i < TG_THROTTLE_ROWS; i++)
		put_off(words[i], due_ns);
	return true;
}
