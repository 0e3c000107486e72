/*
 * base/throttle_table.h: so many a second and no more for each of any number of clients, in memory that does not grow.
 *
 * A count-min sketch with conservative update (Cormode and Muthukrishnan 2005; Estan and Varghese 2002), whose counts are the words
 * of base/throttle.h: each client has a word in each row, which others may have too, and is over its rate when all of them are.
 * So nobody gets more than the rate, whoever else comes and however many; who gets less shares all of his words with clients that
 * are at theirs: of 500 such clients one of 80,000 others does, of 2000 one of 500. Which words are whose is a secret of the process.
 */
#ifndef TG_BASE_THROTTLE_TABLE_H
#define TG_BASE_THROTTLE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"

#define TG_THROTTLE_ROWS  4u
#define TG_THROTTLE_WORDS 8192u /* of a row */

/* Of all threads of a process, without a lock: of a client whom several of them serve, exactly the rate, too. */
struct throttle_table;
struct throttle_table *throttle_table_new(void);    /* NULL: no memory, or no randomness */
void throttle_table_free(struct throttle_table *t); /* NULL allowed */

/* As throttle_take(), for the client at `ip`: an IPv4 address, or the /64 of an IPv6 one. `of` tells apart what is counted. */
bool throttle_table_take(struct throttle_table *t, uint32_t of, const struct ip *ip, unsigned rate,
			 uint64_t burst_us, struct mono now);

#endif
