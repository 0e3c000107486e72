/*
 * proc/keeper_acme.h: what the keeper has to do with certificates by ACME (acme/acme.h): which are in use, who is to load new ones,
 * who is told, and what the proxy answers.
 */
#ifndef TG_PROC_KEEPER_ACME_H
#define TG_PROC_KEEPER_ACME_H

#include "base/err.h"

struct keeper;

/* -TG_ENOMEM. */
TG_MUST_CHECK int keeper_acme_start(struct keeper *k);
void keeper_acme_fini(struct keeper *k);
/* The store is another one. */
void keeper_acme_listen(struct keeper *k);
/* About once a second. */
void keeper_acme_tick(struct keeper *k);
/* k->conf is another one. */
void keeper_acme_reloaded(struct keeper *k);

#endif
