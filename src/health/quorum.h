/*
 * health/quorum.h: what those that check one backend find of it together. Pure.
 *
 *	off		own
 *	any		down while anybody finds it down, else up
 *	majority	what more find than not; as many: own
 *
 * Before its own first verdict it is `checking`, whatever others find.
 */
#ifndef TG_HEALTH_QUORUM_H
#define TG_HEALTH_QUORUM_H

#include "conf/conf.h"
#include "ipc/msg.h"

/* Of the others, where they are heard. A value; zeroed: nobody has a vote. */
struct quorum {
	unsigned n_up;
	unsigned n_down;
};

enum backend_health quorum_state(enum conf_share share, enum backend_health own,
				 const struct quorum *others);
/* "off", "any", "majority"; "?" outside the enum. */
const char *quorum_share_str(unsigned share);

#endif
