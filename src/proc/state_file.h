/*
 * proc/state_file.h: the file that keeps what operators ordered.
 *
 * Written by a thread of its own, since a disk may take its time: the newest text
 * waits for it, older ones that were not begun are dropped. Each time the whole file is replaced:
 * written beside, synced, renamed. Read once, at the start.
 */
#ifndef TG_PROC_STATE_FILE_H
#define TG_PROC_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/state.h"

struct state_file;

/*
 * What the file says. 0: *ret is the caller's, NULL where there is no file.
 * Negative: it could not be read, or is not one of ours; that is in `err`, and a file that is no good was
 * renamed to end in ".bad".
 */
TG_MUST_CHECK int state_file_read(const char *path, struct conf_state **ret, struct err *err);

/* The same of a memory file that another process of ours made; `fd` stays the caller's. */
TG_MUST_CHECK int state_load_fd(int fd, struct conf_state **ret, struct err *err);

/* Owned by the caller. -TG_ENOMEM. */
TG_MUST_CHECK int state_file_start(const char *path, struct state_file **ret);
/* Takes over `text`, from malloc(), and writes it soon. */
void state_file_write(struct state_file *f, char *text, size_t n);
/* Waits until all that was given is written, or could not be; false: not within that time. NULL: true. */
bool state_file_sync(struct state_file *f, unsigned timeout_ms);
/* Logs when writing began to fail, and when it works again. Now and then. NULL allowed. */
void state_file_watch(struct state_file *f);
/* Writes what waits and ends. False: it did not get through in time; the thread is left. May be called
 * again, to see whether it has by then. NULL: true. */
bool state_file_stop(struct state_file *f, unsigned timeout_ms);

#endif
