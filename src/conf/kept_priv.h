/*
 * conf/kept_priv.h: in the text of our own processes a service that the child has already is its name alone.
 */
#ifndef TG_CONF_KEPT_PRIV_H
#define TG_CONF_KEPT_PRIV_H

#include "conf/conf.h"

struct reader;
struct where;

/* The service of this name of r->present, with the memory it has; that there is none is an error at `where`. */
void reader_keep(struct reader *r, const struct where *where, const char *name,
		 struct conf_service *ret);

#endif
