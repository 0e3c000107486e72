/*
 * proc/slots.h: the statistics segment of a configuration, and who has which slot of it.
 *
 * An object keeps its slot as long as its kind, its service and its name stay, from one configuration to the
 * next. Per slot:
 *
 *	        assign         commit        its object is gone, commit
 *	FREE ----------> NEW ----------> HELD -----------> GIVEN_UP
 *	 ^                |                                   |
 *	 +---- abort -----+                                   |  assign: 60 s later, and nothing in flight
 *	                  ^                                   |
 *	                  +-----------------------------------+
 *
 * Who is given a slot that was another's finds all its numbers at 0. An entry with several slots has
 * them one behind the other; when it gets more and those behind are taken, all of it moves, and begins
 * to count anew.
 */
#ifndef TG_PROC_SLOTS_H
#define TG_PROC_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "ipc/segment.h"

/* Bytes of each worker's ring of access-log records. */
#define TG_ACCESS_RING_BYTES ((size_t)4 << 20)
/* Objects for which there is room beyond twice those of the first configuration: backends that are added
 * while it runs, and the like. */
#define TG_SLOTS_ROOM (TG_CONF_BACKENDS_MAX + 1024u)
/* How long a slot that was given up rests at least: late answers and records still name it. */
#define TG_SLOTS_REST_S 60u

/*
 * A segment with a slot for everything in `conf`: slot 0 "tidegate", then the
 * listeners, the services, and the backends service by service, each in the
 * order of the configuration; and room for more.
 */
TG_MUST_CHECK int slots_create(const struct conf *conf, struct segment **ret, struct err *err);

struct slot;

/* Storage is the caller's; slots_init() to slots_fini(); zeroed is allowed there. */
struct slots {
	struct segment *segment; /* the caller's */
	struct slot *list;
	uint32_t n;      /* capacity */
	uint32_t used;   /* those behind never had a name */
	uint32_t cursor; /* in slots_assign(): no free one is before */
};

/* Of a segment that slots_create() made of `conf`. -TG_ENOMEM. */
TG_MUST_CHECK int slots_init(struct slots *s, struct segment *segment, const struct conf *conf);
void slots_fini(struct slots *s);

/*
 * Writes its slots into `conf`, which nobody else sees yet, and names the new ones. slots_commit()
 * or slots_abort() follows. On failure (-TG_ELIMIT: the segment is full; -TG_ENOMEM) everything is
 * as before.
 */
TG_MUST_CHECK int slots_assign(struct slots *s, struct conf *conf, struct mono now,
			       struct err *err);
/*
 * The same of a draft over the configuration in use (conf/overlay.h): what has a slot keeps it, and only
 * backends have none, segment_slot 0.
 */
TG_MUST_CHECK int slots_extend(struct slots *s, struct conf *conf, struct mono now,
			       struct err *err);
/* That configuration is in use, and the one before is not any more. */
void slots_commit(struct slots *s, struct mono now);
/* Nobody uses it. */
void slots_abort(struct slots *s);

#endif
