/*
 * conf/box_priv.h: a configuration and the memory of everything in it.
 */
#ifndef TG_CONF_BOX_PRIV_H
#define TG_CONF_BOX_PRIV_H

#include "base/arena.h"
#include "conf/conf.h"

/* All of one service, or what a draft has made of it: its backends, what was deleted, and texts of both. Counted: later
 * configurations that leave the service alone have the same. */
struct conf_part {
	_Atomic unsigned refs;
	struct arena arena;
	struct conf_part *under; /* of a draft: whose texts it uses; NULL: it was read */
};

/* Of a draft over `under`, a reference of which it takes; NULL: what is read. NULL: no memory. */
struct conf_part *conf_part_new(struct conf_part *under);
struct conf_part *conf_part_ref(struct conf_part *part); /* NULL allowed */
void conf_part_unref(struct conf_part *part);            /* NULL allowed */

struct conf_box {
	struct conf conf; /* first: a struct conf * is a struct conf_box * */
	unsigned magic;
	struct arena arena; /* of all that is of no service */
	struct conf *file;  /* what it was made from, whose arena it uses; NULL: it was read itself */
	struct conf_part **parts; /* [conf.n_services]; NULL: there are none */
	struct conf_part *certificates; /* those of all listeners and services, read anew; NULL: as the file has them */
};

/* With one reference and nothing in it. NULL: no memory. */
struct conf_box *conf_box_new(void);
struct conf_box *conf_box_of(struct conf *conf);

#endif
