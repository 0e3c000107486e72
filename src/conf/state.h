/*
 * conf/state.h: what is kept over a restart, as text: the orders of operators.
 *
 * The text has the syntax of the configuration under a first line that names the format and
 * has a checksum of all behind it, so that a torn file and one of somebody else are known
 * for what they are. People may read it; who edits it must leave the first line out of
 * account: it is refused then.
 */
#ifndef TG_CONF_STATE_H
#define TG_CONF_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "conf/conf.h"

#define TG_CONF_STATE_MAX (64u << 20) /* bytes */

/* One order, in the words of steer/. */
struct conf_state_order {
	char *service; /* NULL: it is of no backend: */
	char *backend; /* NULL: it is of the service */
	char *listener; /* NULL, the others too: it is of all listeners */
	char *property;
	char *value;
	char *was; /* what was configured */
	uint64_t when_us; /* since the epoch */
	char *who;
	char *why;
};

struct conf_state {
	struct conf_state_order *orders;
	size_t n_orders;
	/* As the tidegate had them that wrote this for the one after it; none in a file. */
	struct conf_node *nodes;
	size_t n_nodes;
	struct conf_node *left_nodes;
	size_t n_left_nodes;
};

/* Owned by the caller. -TG_EPROTO: foreign, torn or truncated; -TG_EINVAL: not valid; -TG_ENOMEM. The reason is
 * in `err`, without the name of the file. */
TG_MUST_CHECK int conf_state_load(const char *text, size_t n, struct conf_state **ret,
				  struct err *err);
void conf_state_free(struct conf_state *state); /* NULL allowed */

/* The whole text in *ret, the caller's to free(). -TG_ENOMEM. */
TG_MUST_CHECK int conf_state_save(const struct conf_state *state, char **ret, size_t *ret_n);

#endif
