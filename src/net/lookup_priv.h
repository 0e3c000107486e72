/*
 * net/lookup_priv.h: one round of questions about one name, by c-ares.
 *
 * A round asks for the addresses of its targets: of a host name that is the name
 * itself. A half of an answer is not taken for the whole: when one family was
 * known and is gone, it is asked for alone, and if that fails it stays as it was.
 * So does a target that fails while others answer.
 */
#ifndef TG_NET_LOOKUP_PRIV_H
#define TG_NET_LOOKUP_PRIV_H

#include <ares.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"
#include "net/address_set.h"

#define TG_LOOKUP_AT_ONCE 8u /* targets of one round under way */
#define TG_LOOKUP_IPS_MAX 1024u /* looked at, of one target and of all together */

struct lookup_target;

/* Owned by the caller, who only reads. */
struct lookup {
	ares_channel channel;
	const struct lookup *last; /* the round before that found something; NULL: none did */
	struct lookup_target *targets; /* sorted by host */
	size_t n_targets;
	unsigned n_open;    /* questions under way */
	bool has_found;     /* some address, now and not only before */
	unsigned n_refused; /* addresses nothing connects to */
	unsigned ttl_s;     /* the least; 0 included */
	const char *why;    /* of a failure, be it of a part; NULL: none */
};

/* Nothing is asked yet. `host` outlives it, `last` and the channel its round. NULL: no memory. */
struct lookup *lookup_new(ares_channel channel, const char *host, const struct lookup *last);
/* The round is over, or the channel was destroyed. NULL allowed. */
void lookup_free(struct lookup *l);
/* Asks what may be asked now; from the loop, never from inside c-ares. True: the round is over. */
bool lookup_step(struct lookup *l);
/*
 * Of a round that is over and has found something: the addresses, sorted, none twice; the
 * caller frees. What failed is as in the last round. -TG_ENOMEM.
 */
TG_MUST_CHECK int lookup_take(const struct lookup *l, struct address **ret, size_t *ret_n);

#endif
