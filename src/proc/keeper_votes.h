/*
 * proc/keeper_votes.h: what checks here find of backends is told to the other tidegates of one store, and what theirs find
 * counts here, of services with health.share.
 */
#ifndef TG_PROC_KEEPER_VOTES_H
#define TG_PROC_KEEPER_VOTES_H

#include "conf/conf.h"
#include "loop/loop.h"

struct keeper;

/* Part of the keeper. */
struct keeper_votes {
	struct keeper *keeper; /* NULL: not started */
	struct timer timer;
	struct mono heard;     /* of each service that is shared, at last; or since when nothing is */
	bool is_deaf;          /* it was told that nothing is heard */
};

/* The store is there. */
void keeper_votes_start(struct keeper *k);
void keeper_votes_fini(struct keeper *k);
/* It is another one. */
void keeper_votes_listen(struct keeper *k);
/* Own checks find something else: told in the next turn. */
void keeper_votes_mark(struct keeper *k);
/* From the configuration before, which is still there, to that of the keeper. */
void keeper_votes_reloaded(struct keeper *k, const struct conf *before);

#endif
