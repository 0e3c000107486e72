/*
 * backend/capture.h: the last bytes that could not be read: of a listener's clients, of a
 * service's backends. Written only then; each worker has its own.
 */
#ifndef TG_BACKEND_CAPTURE_H
#define TG_BACKEND_CAPTURE_H

#include "ipc/msg.h"

struct worker;

struct capture {
	struct msg_capture m;
};

/*
 * Takes the first bytes of data[n] in place of what was there; the place is made at the first time,
 * and without memory stays empty. What `what` says counts, but for time and bytes. The values of
 * Authorization, Proxy-Authorization, Cookie, Set-Cookie and their like are not taken.
 */
void capture_set(struct capture **place, const struct msg_capture *what, const char *data,
		 size_t n);
void capture_free(struct capture **place);

/* Before the worker goes over to another configuration: none names a slot that is nobody's now, and may be
 * another's then. */
void captures_settle(struct worker *w);

#endif
