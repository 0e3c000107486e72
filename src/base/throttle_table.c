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

/* False: another thread was there first. The word that is due soonest goes last: until then all choose the same one, and
 * from then on no word says what it said before. */
static bool
advance(_Atomic int64_t *const words[TG_THROTTLE_ROWS], unsigned soonest, int64_t was, int64_t due)
{
	for (unsigned i = 0; i < TG_THROTTLE_ROWS; i++)
		if (i != soonest)
			put_off(words[i], due);
	return atomic_compare_exchange_strong_explicit(words[soonest], &was, due,
						       memory_order_release, memory_order_relaxed);
}

static unsigned
find_soonest(_Atomic int64_t *const words[TG_THROTTLE_ROWS], int64_t *ret_ns)
{
	unsigned soonest = 0;
	int64_t soonest_ns = INT64_MAX;

	for (unsigned i = 0; i < TG_THROTTLE_ROWS; i++) {
		int64_t due_ns = atomic_load_explicit(words[i], memory_order_acquire);

		if (due_ns < soonest_ns) {
			soonest_ns = due_ns;
			soonest = i;
		}
	}
	*ret_ns = soonest_ns;
	return soonest;
}

bool
throttle_table_take(struct throttle_table *t, uint32_t of, const struct ip *ip, unsigned rate,
		    uint64_t burst_us, struct mono now)
{
	uint64_t hash = hash_of(t, of, ip);
	_Atomic int64_t *words[TG_THROTTLE_ROWS];
	unsigned soonest;
	int64_t was;
	int64_t due;

	for (unsigned i = 0; i < TG_THROTTLE_ROWS; i++)
		words[i] = &t->due_ns[i][hash >> i * WORD_BITS & (TG_THROTTLE_WORDS - 1)];
	do {
		soonest = find_soonest(words, &was);
		if (!throttle_next(was, rate, burst_us, now, &due))
			return false;
	} while (!advance(words, soonest, was, due));
	return true;
}
