/*
 * conf/overlay.h: a configuration with other backends than its file has.
 *
 * What operators add and delete while the daemon runs lies over the file: a
 * draft is opened over a configuration, changed, and finished to the next one.
 * The one it was opened over stays as it is. Of each name the last order
 * counts: who adds what was deleted, has it with other values; of
 * what was added and deleted again nothing is left but what the file has under the name, deleted.
 *
 * A draft costs a copy of the arrays of each service that is edited; it does not read anything anew,
 * and shares all else with what it was opened over: a few milliseconds for a service with 10,000 backends.
 */
#ifndef TG_CONF_OVERLAY_H
#define TG_CONF_OVERLAY_H

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "conf/state.h"

struct conf_draft;

/* The property of a state file's orders that change backends, and the words of their values. */
#define TG_CONF_OVERLAY_PROPERTY "server"
#define TG_CONF_OVERLAY_ADDED    "added " /* and the text of conf_draft_add() */
#define TG_CONF_OVERLAY_DELETED  "deleted"

/* What becomes of an order that cannot be kept, for the log. */
typedef void conf_draft_told(void *user, const char *service, const char *backend,
			     const char *what);

/* To be finished or dropped by the caller; keeps its own reference of `base`. -TG_ENOMEM. */
TG_MUST_CHECK int conf_draft_open(struct conf *base, struct conf_draft **ret);
void conf_draft_drop(struct conf_draft *d); /* NULL allowed */

/*
 * Adds a backend behind the others of its service. `text` is what stands between { and } in
 * `backends`, from strangers: without @include and variables. *ret_name is the
 * name of its entry and lives as long as the draft, then as what it is finished to. `slot`: its first
 * of the segment; 0: the caller gives slots to what is finished. The
 * error is for the operator: -TG_ENOENT: no such service; -TG_EEXIST: the name is taken;
 * -TG_ELIMIT: too many; -TG_EINVAL: the text; -TG_ENOMEM. The draft goes on without it then.
 */
TG_MUST_CHECK int conf_draft_add(struct conf_draft *d, const char *service, const char *text,
				 const struct conf_note *note, uint32_t slot,
				 const char **ret_name, struct err *err);
/* By the name of its entry. -TG_ENOENT; -TG_EINVAL: it is one slot of several; -TG_ENOMEM. */
TG_MUST_CHECK int conf_draft_delete(struct conf_draft *d, const char *service, const char *backend,
				    const struct conf_note *note, struct err *err);

/* Over a file that was read anew: all that `present` has over its own. Where the new file has
 * another entry under such a name than it had when that was ordered, or one where there was none, or none
 * any more, the file wins, and `told` hears of it. NULL allowed. -TG_ENOMEM. */
TG_MUST_CHECK int conf_draft_carry(struct conf_draft *d, const struct conf *present,
				   conf_draft_told *told, void *user);
/* The same with the orders of a state file. */
TG_MUST_CHECK int conf_draft_apply(struct conf_draft *d, const struct conf_state *state,
				   conf_draft_told *told, void *user);

/* Of these nodes of before those that are none of the file any more, by where their daemons are, and left less than
 * TG_LEFT_NODES_MS ago: what runs there is to be drained and stopped. Those that were told first go before, up to
 * TG_LEFT_NODES_MAX. -TG_ENOMEM. */
TG_MUST_CHECK int conf_draft_leave_nodes(struct conf_draft *d, const struct conf_node *nodes,
					 size_t n, struct mono now);

/*
 * Reads the files of all certificates anew. What cannot be read stays as it was, and `told` hears why, as of
 * what is odd: a line each. *ret_failed: how many. -TG_ENOMEM.
 */
typedef void conf_renew_told(void *user, const char *line);
TG_MUST_CHECK int conf_draft_renew(struct conf_draft *d, conf_renew_told *told, void *user,
				   size_t *ret_failed);

/* `pem`, as it was taken (conf_take_certificate()), in the place of each certificate of listeners that was read from `file`.
 * *ret_n: how many. -TG_ENOMEM. */
TG_MUST_CHECK int conf_draft_set_certificate(struct conf_draft *d, const char *file,
					     const struct conf_pem *pem, size_t *ret_n);

/* The next configuration, with one reference; ends the draft. New backends that were given no slot have
 * segment_slot 0: the caller gives slots before anybody else sees it. */
struct conf *conf_draft_finish(struct conf_draft *d);

/* Secrets that were made and not configured stay the same where the service does, so that cookies
 * do. `conf` was read anew and nobody else has it. -TG_ENOMEM. */
TG_MUST_CHECK int conf_keep_secrets(struct conf *conf, const struct conf *present);
/* The same of one service, whose secret another process told. */
TG_MUST_CHECK int conf_keep_secret(struct conf *conf, const char *service, const char *secret);

#endif
