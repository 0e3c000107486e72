/*
 * net/lookup_priv.h: one round of questions about one name, by c-ares.
 *
 * A round asks for the addresses of its targets: of a host name that is the name
 * itself, of a service the hosts its SRV records name, asked for first. A half of an answer is not taken for the whole: when one family was
 * known and is gone, it is asked for alone, and if that fails it stays as it was.
 * So does a target that fails while others answer.
 *
 * A server that answers SERVFAIL, NOTIMP or REFUSED is passed over for the next one, and c-ares
 * before 1.20 then says of all of them only that none was reached (ARES_ECONNREFUSED). Who is to blame
 * is asked for once more at the end of such a round, by a channel that passes over nobody.
 */
#ifndef TG_NET_LOOKUP_PRIV_H
#define TG_NET_LOOKUP_PRIV_H

#define CARES_NO_DEPRECATED /* what replaces it is younger than 1.18 */
#include <ares.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"
#include "net/address_set.h"

#define TG_LOOKUP_AT_ONCE 8u    /* targets of one round under way */
#define TG_LOOKUP_IPS_MAX 1024u /* looked at, of one target and of all together */

/* The caller's. */
struct lookup_channels {
	ares_channel answers;
	ares_channel faults; /* with ARES_FLAG_NOCHECKRESP */
};

struct lookup_target;

/* Where a target is used: one of a host name, one of each SRV record. */
struct lookup_record {
	char *host; /* SRV: owned; else NULL */
	uint16_t port;
	uint16_t priority;
	uint16_t weight; /* 1..256; 0: not told */
	size_t target;
};

/* Owned by the caller, who only reads. */
struct lookup {
	struct lookup_channels channels;
	const struct lookup *last; /* the round before that found something; NULL: none did */
	const char *srv;           /* the service; NULL: it is a host */
	bool is_srv_asked;
	unsigned records_max;
	struct lookup_record *records; /* sorted by host */
	size_t n_records;
	struct lookup_target *targets; /* the same, each host once */
	size_t n_targets;
	unsigned n_open;     /* questions under way */
	bool has_found;      /* some address, now and not only before */
	unsigned n_refused;  /* addresses nothing connects to, and records without a place */
	unsigned n_left_out; /* records beyond the bound */
	unsigned ttl_s;      /* the least; 0 included */
	const char *why;     /* of a failure, be it of a part; NULL: none */
	const char *why_host; /* of a service: the target that failed; NULL: its own name did */
	const char *unclear; /* the host of a question whose failure is to be asked for; NULL: none */
	int unclear_type;    /* of record */
	bool has_cleared;    /* that is over */
};

/* Nothing is asked yet. `host` outlives it, `last` and the channels its round. `records_max`: 0 for a
 * host, else the bound on the SRV records used. NULL: no memory. */
struct lookup *lookup_new(const struct lookup_channels *channels, const char *host,
			  unsigned records_max, const struct lookup *last);
/* The round is over, or the channels were destroyed. NULL allowed. */
void lookup_free(struct lookup *l);
/* Asks what may be asked now; from the loop, never from inside c-ares. True: the round is over. */
bool lookup_step(struct lookup *l);
/*
 * Of a round that is over and has found something: the addresses, sorted, none twice; the
 * caller frees. What failed is as in the last round. -TG_ENOMEM.
 */
TG_MUST_CHECK int lookup_take(const struct lookup *l, struct address **ret, size_t *ret_n);

/*** Between lookup.c and lookup_srv.c ***/

/* Fills `records` from an answer and aims at their targets. NULL, or why not. */
const char *lookup_take_srv(struct lookup *l, const unsigned char *m, int n);
/* Makes the targets of the records. False: no memory. */
bool lookup_aim(struct lookup *l);
void lookup_note_ttl(struct lookup *l, unsigned ttl_s);

#endif
