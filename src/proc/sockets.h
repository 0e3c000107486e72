/*
 * proc/sockets.h: what the parent opens with its privileges for its children.
 *
 * The listening sockets stay open here over the death of a child, and are
 * handed to the parent of an upgrade, so nobody who connects meanwhile is
 * refused.
 *
 * A TCP listener has one socket per worker. Inherited ones are all kept, since
 * clients wait in each: when there are more than workers, some workers have
 * several; when there are fewer, more are bound beside them, which begin to
 * listen when the proxy accepts, or, where that cannot be, workers share one.
 * A unix listener has one socket for all workers.
 */
#ifndef TG_PROC_SOCKETS_H
#define TG_PROC_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"
#include "net/listen.h"
#include "proc/inherited.h"
#include "proc/privileges.h"

/* The sockets at one address. */
struct listening {
	uint32_t segment_slot; /* of its listener */
	int *fds;
	size_t n;
	struct listen_file file; /* that we made; unset for TCP */
	bool is_lent; /* of a parent that may still need the file: see sockets_own() */
	struct listening *before; /* after sockets_open_next(): the same ones of now; NULL: new */
};

/* Storage is the caller's; sockets_open() to sockets_close(). */
struct sockets {
	struct listening *listeners; /* by conf->listeners */
	size_t n_listeners;
	struct listening *controls; /* by conf->admin.controls; one socket each */
	size_t n_controls;
	unsigned workers;
	int log_fd; /* access log; -1: standard output, or none */
	char *log_path; /* of it; NULL: none */
	bool has_new_log; /* after sockets_open_next() */
};

/* All of them or none, from `in` as far as it has them. The error names listener and address. */
TG_MUST_CHECK int sockets_open(const struct conf *conf, const struct privileges *p,
			       struct inherited *in, struct sockets *ret, struct err *err);

/* Tells the proxy of each socket, and which worker is to accept on it (MSG_LISTEN). -TG_EIO. */
TG_MUST_CHECK int sockets_equip_proxy(const struct sockets *s, int channel);
/* Tells the keeper of what it needs (MSG_ADMIN, MSG_LOG_FILE). -TG_EIO. */
TG_MUST_CHECK int sockets_equip_keeper(const struct sockets *s, int channel);
/* Opens the access log file anew, by its name; when that fails the one before goes on. */
TG_MUST_CHECK int sockets_reopen_log(struct sockets *s, const struct conf *conf, struct err *err);
/* Gives all that listen to a new parent (MSG_GIVE, MSG_GIVEN); they stay ours too. -TG_EIO. */
TG_MUST_CHECK int sockets_give(const struct sockets *s, int channel);

/*
 * All that the next configuration needs, beside what is open now: at an address that is served they
 * are the same sockets, by other descriptors; others are bound, and those of ports do not listen yet.
 * `now` stays as it is, but *ret is only good as long as it is there. Closing *ret leaves its files
 * alone. The error names listener and address.
 */
TG_MUST_CHECK int sockets_open_next(struct sockets *now, const struct conf *conf,
				    const struct privileges *p, struct sockets *ret,
				    struct err *err);
/* Whether that can be, with the same errors: all that is new is closed and removed again. */
TG_MUST_CHECK int sockets_try_next(struct sockets *now, const struct conf *conf,
				   const struct privileges *p, struct err *err);
/* Of those, what a running child does not have yet: to the proxy listeners that are new, renamed or at
 * another address; to the keeper new controls and another log file. -TG_EIO. */
TG_MUST_CHECK int sockets_tell_proxy_next(const struct sockets *next, int channel);
TG_MUST_CHECK int sockets_tell_keeper_next(const struct sockets *next, int channel);
/* `s` becomes the next ones, which listen now and do so as `conf` wants; *next becomes those before, to be
 * closed when nobody accepts on them any more: with that the files of those that are gone go. */
void sockets_go_over(struct sockets *s, struct sockets *next, const struct conf *conf);

/* The inherited ones are ours alone now: their files are removed at the end, and those of controls are this user's
 * from now on. */
void sockets_own(struct sockets *s, const struct privileges *p);
/* A new parent has them: no file is removed any more. */
void sockets_disown(struct sockets *s);

/* Closes what listens, so that new clients are refused; keeps the files. Idempotent. */
void sockets_stop_listening(struct sockets *s);
/* Closes all and removes the socket files that are ours. Zeroed is allowed. */
void sockets_close(struct sockets *s);

#endif
