/*
 * admin/asking.h: one question to the workers of the proxy, whose answers come later, piece by piece.
 */
#ifndef TG_ADMIN_ASKING_H
#define TG_ADMIN_ASKING_H

#include <stdbool.h>
#include <sys/queue.h>

#include "ipc/msg.h"

enum asking_end {
	ASKING_DONE = 0,     /* all answers came */
	ASKING_NO_PROXY = 1, /* there is none now */
	ASKING_LOST = 2,     /* it went away meanwhile */
	ASKING_LATE = 3      /* it takes too long */
};

/* Storage is the asker's, until `on_end` or it is cancelled. */
struct asking {
	TAILQ_ENTRY(asking) link;
	bool is_queued;               /* asked, and neither over nor cancelled */
	struct msg_question question; /* kind and id; the number is given */
	/* An answer of the kind that was asked for, checked: ranges by msg_is_sane(), slots are of the
	 * segment or none. Whoever has enough cancels it; then `on_end` is not called. */
	void (*on_session)(struct asking *a, const struct msg_session *m);
	void (*on_capture)(struct asking *a, const struct msg_capture *m);
	/* `n`: so many the proxy says it found. */
	void (*on_end)(struct asking *a, enum asking_end why, uint32_t n);
};

#endif
