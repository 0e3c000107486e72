/*
 * proc/shared_tickets.h: the seed of tickets, agreed on with other tidegates on the same store.
 *
 *	parent   seals its seed, and tells the keeper          MSG_SEALED
 *	keeper   has the store agree on it, and tells what it is, as it knows no more
 *	parent   opens that; where it is another seed than its own, that is its own from now on, and the proxy is told
 *
 * The secret is the parent's (store.session_secret); keeper and store see what is sealed.
 */
#ifndef TG_PROC_SHARED_TICKETS_H
#define TG_PROC_SHARED_TICKETS_H

#include "conf/conf.h"
#include "ipc/msg.h"
#include "tls/ticket.h"

/* Storage is the parent's; zeroed: nothing is shared. */
struct shared_tickets {
	struct msg_sealed sealed; /* for the keeper; name "": nothing is to be shared */
	uint64_t hour;		  /* of the seed that is sealed in it */
	char odd[TG_MSG_SEALED];  /* that could not be opened, as was told */
};

/* What the configuration says by now. True: the keeper is to be told. */
TG_MUST_CHECK bool shared_tickets_set(struct shared_tickets *t, const struct conf *conf,
				      const struct ticket_seed *seed);
/* The seed was turned. True: the keeper is to be told. */
TG_MUST_CHECK bool shared_tickets_turned(struct shared_tickets *t, const struct conf *conf,
					 const struct ticket_seed *seed);
/* What the store has. True: the keeper is to be told; *seed is the one of all by then, *ret_is_new: it was another. */
TG_MUST_CHECK bool shared_tickets_heard(struct shared_tickets *t, const struct conf *conf,
					const char *word, struct wall now, struct ticket_seed *seed,
					bool *ret_is_new);

#endif
