/*
 * proc/slots.h: the statistics segment of a configuration.
 */
#ifndef TG_PROC_SLOTS_H
#define TG_PROC_SLOTS_H

#include "base/err.h"
#include "conf/conf.h"
#include "ipc/segment.h"

/* Bytes of each worker's ring of access-log records. */
#define TG_ACCESS_RING_BYTES ((size_t)4 << 20)

/*
 * A segment with a slot for everything in `conf`: slot 0 "tidegate", then the
 * listeners, the services, and the backends service by service, each in the
 * order of the configuration; and room for as many again.
 */
TG_MUST_CHECK int slots_create(const struct conf *conf, struct segment **ret, struct err *err);

#endif
