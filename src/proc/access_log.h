/*
 * proc/access_log.h: from the workers' rings to the access log, in a thread.
 *
 * The thread looks into the rings every 50 ms, renders and writes in batches.
 * It may block in write(2) for as long as the output likes: nobody waits for
 * it. Then the rings fill up, the workers drop and count, and
 * access_log_watch() says so in the log. The rings are the only buffer.
 */
#ifndef TG_PROC_ACCESS_LOG_H
#define TG_PROC_ACCESS_LOG_H

#include "base/clock.h"
#include "conf/conf.h"
#include "ipc/segment.h"

struct access_log;

/* Starts the thread, with a duplicate of `fd`. `seg` must outlive the log. -TG_ENOMEM. */
TG_MUST_CHECK int access_log_start(const struct conf *conf, struct segment *seg, int fd,
				   struct access_log **ret);
/* Other names and another format from now on. -TG_ENOMEM: the format stays. */
TG_MUST_CHECK int access_log_reload(struct access_log *log, const struct conf *conf);
/* Learns the names of what is new in `conf`, ahead of access_log_reload(), which cannot fail then.
 * -TG_ENOMEM. */
TG_MUST_CHECK int access_log_learn(struct access_log *log, const struct conf *conf);
/* Goes on with `fd`, which is taken over; each line is in one of the two. NULL log: closes it. */
void access_log_reopen(struct access_log *log, int fd);
/* About once a second, from any one thread: tells of what was lost since. NULL allowed. */
void access_log_watch(struct access_log *log);
/*
 * Writes what is in the rings, ends the thread and frees; NULL allowed. When the
 * output does not take it within `timeout_ms` the thread is left behind, blocked,
 * with its memory: false. May be called again, to see whether it has ended by then.
 */
bool access_log_stop(struct access_log *log, unsigned timeout_ms);

#endif
