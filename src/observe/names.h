/*
 * observe/names.h: what the slots of the statistics segment are called, for whoever reads
 * records that name objects by slot.
 *
 * A record may be read after a reload took its object away: a slot keeps its name until it
 * is given to another object. Not guarded: whoever shares it has a lock.
 */
#ifndef TG_OBSERVE_NAMES_H
#define TG_OBSERVE_NAMES_H

#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"
#include "ipc/segment.h"

struct slot_names;

/* Slots 0 to n - 1, no name yet. Owned by the caller. NULL: no memory. */
struct slot_names *slot_names_new(uint32_t n);
void slot_names_free(struct slot_names *names); /* NULL allowed */

/* Everything in `conf` has its slot. -TG_EPROTO: beyond the last slot; -TG_ENOMEM. Names that were set
 * by then stay set. */
TG_MUST_CHECK int slot_names_set(struct slot_names *names, const struct conf *conf);

/* The same for everything the segment names, be it of a configuration before: what a reload took away may
 * still have streams when a reader begins. Who writes there may have written anything. */
TG_MUST_CHECK int slot_names_read(struct slot_names *names, struct segment *segment);

/* Valid until names are set again. NULL: the slot has no object of this kind. */
const char *slot_names_get(const struct slot_names *names, uint32_t slot, enum segment_kind kind);
/* The slot of the service a backend is in; TG_SEGMENT_NONE: it is no backend. */
uint32_t slot_names_service(const struct slot_names *names, uint32_t slot);

#endif
