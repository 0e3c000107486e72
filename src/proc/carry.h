/*
 * proc/carry.h: what the processes before have counted is counted on.
 *
 * Each tidegate has a segment of its own. That of the one before (proc/predecessor.h) is written until its
 * proxy has ended; its sums, with what was carried to it, are copied into the carried part of ours, from
 * object to object by kind, service and name: once before our children start, then each second until
 * nobody counts there any more. Until then `has_former` is set in ours. What is now, as connections that are open, each counts for itself.
 *
 * Nothing that is read there is trusted: numbers are copied, names compared within their size.
 */
#ifndef TG_PROC_CARRY_H
#define TG_PROC_CARRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "ipc/segment.h"
#include "loop/loop.h"

/* Storage is the owner's; zeroed: there is nothing to carry. */
struct carry {
	struct segment *from; /* NULL: no more */
	struct segment *to;   /* the caller's, outlives it */
	uint32_t *slots;      /* of `to`, by those of `from`; TG_SEGMENT_NONE */
	uint32_t n;
	int64_t reloads; /* as counted there when last looked at */
	int64_t reloads_failed;
	pid_t pid; /* of who has it: our parent */
	struct loop *loop;
	struct timer timer;
	bool stops_loop; /* at the end of it */
};

/* Copies what is there so far; `to` has its names. `fd` stays the caller's. -TG_EPROTO: a segment of another
 * version; -TG_ENOMEM, -TG_EIO. */
TG_MUST_CHECK int carry_begin(struct carry *c, int fd, struct segment *to, struct err *err);
/* Goes on with it until our parent has ended, or says that nobody counts there any more. */
void carry_run(struct carry *c, struct loop *loop);
/* Runs the loop until that: who ends before the one before would have its last counts lost to the one after. */
void carry_wait(struct carry *c);
/* Once more, what was counted since. */
void carry_copy(struct carry *c);
void carry_fini(struct carry *c);

#endif
