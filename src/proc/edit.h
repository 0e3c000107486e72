/*
 * proc/edit.h: orders that add and delete backends, laid over the configuration in use; once by the
 * parent, and then by each child, which comes to the same (MSG_EDIT).
 */
#ifndef TG_PROC_EDIT_H
#define TG_PROC_EDIT_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/overlay.h"
#include "ipc/reload_order.h"

/* RELOAD_ADD or RELOAD_DELETE. *ret_name: of what is added, as conf_draft_add() has it; else untouched.
 * Errors are those of the draft, which goes on without it. */
TG_MUST_CHECK int edit_take(struct conf_draft *draft, const struct reload_order *order,
			    const char **ret_name, struct err *err);

/* What a child has read. A value; edit_fini(), zeroed is allowed there. */
struct edit {
	struct conf *conf; /* one reference; NULL: none */
	bool *is_edited;   /* [conf->n_services]: not as it was */
};

/* What `fd` has, over `base`. Slots are as they were told: whoever uses them looks. -TG_EPROTO, or why an
 * order cannot be kept. `fd` stays the caller's. */
TG_MUST_CHECK int edit_load_fd(int fd, struct conf *base, struct edit *ret, struct err *err);
void edit_fini(struct edit *edit);

#endif
