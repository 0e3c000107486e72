/*
 * conf/box_priv.h: a configuration and the memory of everything in it.
 */
#ifndef TG_CONF_BOX_PRIV_H
#define TG_CONF_BOX_PRIV_H

#include "base/arena.h"
#include "conf/conf.h"

/* What drafts have made of one service: its backends, what was deleted, and texts of both. Counted: those after
 * that leave the service alone have the same. */
struct conf_part {
	_Atomic unsigned refs;
	struct arena arena;
};

/* NULL: no memory. */
struct conf_part *conf_part_new(void);
struct conf_part *conf_part_ref(struct conf_part *part); /* NULL allowed */
void conf_part_unref(struct conf_part *part);            /* NULL allowed */

struct conf_box {
	struct conf conf; /* first: a struct conf * is a struct conf_box * */
	unsigned magic;
	struct arena arena;
	struct conf
		*file; /* what it was made from, whose texts it uses; NULL: it was read itself */
	struct conf_part **parts; /* [conf.n_services]; NULL each: as the file has it; NULL: all are */
	struct conf_part *certificates; /* those of all listeners and services, read anew; NULL: as the file has them */
};

/* With one reference and nothing in it. NULL: no memory. */
struct conf_box *conf_box_new(void);
struct conf_box *conf_box_of(struct conf *conf);

#endif
