/*
 * steer/kept.h: orders over a restart.
 *
 * Only what differs from the configuration is kept. An order remembers what was configured
 * when it was given: where that was edited since, the configuration has the last word.
 */
#ifndef TG_STEER_KEPT_H
#define TG_STEER_KEPT_H

#include <stddef.h>

#include "conf/state.h"
#include "steer/steer.h"

/* Backends that exist, or do not, by an order (conf/overlay.h) are kept among them; they are in the
 * configuration already, so steer_restore() leaves them to who makes it. */

/* All orders that say something else than the configuration file, as text, the caller's to free(). `has_nodes`: and the nodes
 * there are, for another parent, whose file may have others. -TG_ENOMEM. */
TG_MUST_CHECK int steer_save(const struct steer *steer, bool has_nodes, char **ret, size_t *ret_n);

/* Gives them again, in the names of those who gave them. Those that fit nothing any more, or that an
 * edited configuration has overruled, are logged and left out. */
void steer_restore(struct steer *steer, const struct conf_state *state);

#endif
