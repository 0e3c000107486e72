/*
 * proc/notes.h: the parent's log, told to the keeper for those who ask it for events.
 *
 * Lines that the keeper cannot take now wait, at most TG_NOTES_KEPT, for the next one; more are lost,
 * and counted. It never blocks.
 */
#ifndef TG_PROC_NOTES_H
#define TG_PROC_NOTES_H

#include "ipc/msg.h"
#include "proc/supervisor.h"

#define TG_NOTES_KEPT 32u

/* Storage is the caller's, zeroed but for the supervisor. */
struct notes {
	const struct supervisor *supervisor;
	struct msg_note kept[TG_NOTES_KEPT];
	unsigned n;
	uint32_t n_lost; /* since the last that is kept */
};

/* Takes what is logged from now on, until notes_end(). The supervisor may not be initialized yet, but
 * zeroed. */
void notes_begin(struct notes *notes);
void notes_end(void);

#endif
