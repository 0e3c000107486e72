/*
 * proc/keeper_certificates.h: tells of certificates that end, in the log and to hooks: 30, 7 and 1 days before, and when
 * they have; of files of authorities, and of lists of what these have revoked, by the first in them. Of OCSP responses, which are renewed far more often: when a quarter of their time is left, and when they are over.
 */
#ifndef TG_PROC_KEEPER_CERTIFICATES_H
#define TG_PROC_KEEPER_CERTIFICATES_H

#include "hook/hook.h"
#include "loop/loop.h"
#include "tls/inventory.h"

/* How late it was when that was told last. */
struct certificate_told {
	unsigned char certificate;
	unsigned char ocsp;
};

/* Storage is the keeper's; zeroed: nothing is known yet. */
struct keeper_certificates {
	const struct conf *conf; /* that of `inventory` */
	struct inventory *inventory;
	struct certificate_told *told; /* [inventory->n] */
	struct mono last_look; /* unset: never */
};

/* About once a second; looks each hour, and when `conf` is another one. */
void keeper_certificates_tick(struct keeper_certificates *c, const struct conf *conf,
			      struct hooks *hooks, struct mono now);
/* `conf` is about to go. */
void keeper_certificates_fini(struct keeper_certificates *c);

#endif
