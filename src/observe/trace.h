/*
 * observe/trace.h: what a stream did, in the daemon's log at level debug.
 *
 * One line per stream, written where it ends, by the thread that ran it; off
 * costs one comparison. The access log is for operators, this is for whoever looks for a fault.
 */
#ifndef TG_OBSERVE_TRACE_H
#define TG_OBSERVE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "observe/reason.h"

struct trace_end {
	unsigned worker;
	const struct conf_listener *listener;
	const struct conf_service *service; /* NULL: refused before routing */
	const char *backend;                /* NULL: none chosen */
	unsigned status;                    /* 0: none */
	unsigned tries;                     /* after the first */
	enum end_reason reason;
};

/* Asked before, as what follows is put together for it alone. */
bool trace_is_on(void);
void trace_stream_end(const struct trace_end *end);

#endif
