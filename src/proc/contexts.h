/*
 * proc/contexts.h: the TLS of each listener, made once in the proxy's control thread for all of its workers.
 */
#ifndef TG_PROC_CONTEXTS_H
#define TG_PROC_CONTEXTS_H

#include "conf/conf.h"
#include "tls/context.h"

/* By index in conf->listeners; NULL: plain. Owned by who made it; each context is counted. */
struct contexts {
	size_t n;
	struct tls_context *list[];
};

/* `tickets` outlives the contexts. On failure the reason names the file. */
TG_MUST_CHECK int contexts_make(const struct conf *conf, struct tickets *tickets,
				struct contexts **ret, struct err *err);
/* The same ones: for a configuration whose listeners are. NULL: no memory. */
struct contexts *contexts_again(const struct contexts *of);
void contexts_free(struct contexts *c); /* NULL allowed */

#endif
