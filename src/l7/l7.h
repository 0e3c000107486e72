/*
 * l7/l7.h: mode http: requests in, answers out.
 */
#ifndef TG_L7_L7_H
#define TG_L7_L7_H

#include "backend/worker.h"

extern const struct front_ops l7_front_ops;

/* Parser, free streams: worker->l7. -TG_ENOMEM. */
TG_MUST_CHECK int l7_worker_init(struct worker *w);
void l7_worker_fini(struct worker *w);

/* Of the record of one request, for statistics. */
size_t l7_stream_bytes(void);

#endif
