/*
 * tls/sign_line.h: a worker's line to the process that keeps the private keys.
 *
 * A signature is waited for, as one of our own is: the other end has a thread for this line alone, and what a step of a
 * handshake may cost others is bounded as before (tls/stream.h). TG_SIGN_WAIT_MS is the limit of one; while an answer is
 * owed beyond that nothing is asked, so a process that stands still costs a worker that time once. A line that has ended, or
 * says what was not asked, is given up, and another one is asked for until it is there, once a second at most; requests fail meanwhile.
 */
#ifndef TG_TLS_SIGN_LINE_H
#define TG_TLS_SIGN_LINE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "ipc/segment.h"
#include "tls/sign_request.h"

#define TG_SIGN_WAIT_MS 1000u
#define TG_SIGN_LOST_MS 1000u /* between two questions for another line */

/* Storage is its worker's. */
struct sign_line {
	int fd;                            /* blocking; -1: there is none now */
	uint64_t number;                   /* of the last request */
	unsigned n_owed;                   /* answers that were not there in time */
	bool has_failed;                   /* since sign_line_forgive() */
	const struct segment_counters *counters; /* those of the worker */
	void (*on_lost)(void *arg);        /* in the worker's thread; NULL: nobody hears */
	void *arg;
	struct mono asked;                 /* for another line, last */
	atomic_bool is_lost;               /* set before on_lost(); whoever gets another one takes it back */
};

/* No line yet. */
void sign_line_init(struct sign_line *l, const struct segment_counters *counters);
void sign_line_fini(struct sign_line *l);
/* Before its thread starts: `on_lost` hears that another line is wanted. */
void sign_line_watch(struct sign_line *l, void (*on_lost)(void *arg), void *arg);
/* Takes `fd` over, in place of the one there is; a socket made by channel_pair(). -1: none. */
void sign_line_set(struct sign_line *l, int fd);

/* Whose requests those of this thread are; NULL: it has none to make, and each fails. */
void sign_line_use(struct sign_line *l);
/* By the line of this thread. `ret` holds TG_SIGNATURE_MAX bytes. 0; -TG_EIO: there is no signature, counted. */
TG_MUST_CHECK int sign_line_ask(const struct sign_head *head, const unsigned char *bytes,
				unsigned char *ret, size_t *ret_n);
/* Whether a request of this thread has failed since it was last forgiven. */
bool sign_line_has_failed(void);
void sign_line_forgive(void);

#endif
