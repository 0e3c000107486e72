/*
 * conf/box_priv.h: a configuration and the memory of everything in it.
 */
#ifndef TG_CONF_BOX_PRIV_H
#define TG_CONF_BOX_PRIV_H

#include "base/arena.h"
#include "conf/conf.h"

struct conf_box {
	struct conf conf; /* first: a struct conf * is a struct conf_box * */
	unsigned magic;
	struct arena arena;
	struct conf
		*file; /* what it was made from, whose texts it uses; NULL: it was read itself */
};

/* With one reference and nothing in it. NULL: no memory. */
struct conf_box *conf_box_new(void);
struct conf_box *conf_box_of(struct conf *conf);

#endif
