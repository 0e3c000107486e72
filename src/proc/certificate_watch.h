/*
 * proc/certificate_watch.h: looks whether files of certificates have changed, as who renews them does.
 *
 * By stat(2): a certificate and its key are written one after the other, so a change counts once nothing has changed
 * between two looks. After a reload all is taken for changed once: a file may have been replaced
 * while it was read.
 */
#ifndef TG_PROC_CERTIFICATE_WATCH_H
#define TG_PROC_CERTIFICATE_WATCH_H

#include <stdbool.h>

#include "conf/conf.h"
#include "loop/loop.h"

/* Storage is the caller's, who sets the first three; certificate_watch_start() to _stop(). */
struct certificate_watch {
	struct loop *loop;
	struct conf *const *conf; /* what is in use now */
	/* False: not now; it is asked again at the next look. */
	bool (*on_changed)(struct certificate_watch *w);
	struct timer timer;
	uint64_t told; /* how they looked when on_changed() was called last; 0: never */
	uint64_t seen; /* at the last look */
};

void certificate_watch_start(struct certificate_watch *w);
/* The configuration is another one, of a file that was read. */
void certificate_watch_again(struct certificate_watch *w);
void certificate_watch_stop(struct certificate_watch *w); /* zeroed is allowed */

#endif
