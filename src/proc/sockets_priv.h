/*
 * proc/sockets_priv.h: what sockets.c, which opens them at a start, and sockets_next.c, which does so beside those of
 * now, have in common.
 */
#ifndef TG_PROC_SOCKETS_PRIV_H
#define TG_PROC_SOCKETS_PRIV_H

#include <sys/types.h>

#include "proc/sockets.h"

/* Anybody may connect, as to a port; the folder can say otherwise. */
#define TG_LISTENER_SOCKET_MODE 0666
#define TG_CONTROL_BACKLOG      64

/* All of it empty. -TG_ENOMEM. */
TG_MUST_CHECK int sockets_allocate(struct sockets *s, const struct conf *conf, struct err *err);
/* Of listeners and controls alike. */
void sockets_each(struct sockets *s, void (*fn)(struct listening *at));

/* Room for `n` sockets. -TG_ENOMEM. */
TG_MUST_CHECK int listening_init(struct listening *at, size_t n, struct err *err);
/* A unix socket, the only one at its address. */
TG_MUST_CHECK int listening_open_file(struct listening *at, const struct addr *a, unsigned backlog,
				      mode_t mode, struct err *err);
/* The same of a control socket, for whom the children run as; where there is none yet. */
TG_MUST_CHECK int listening_open_control_file(struct listening *at, const struct addr *a,
					      const struct privileges *p, struct err *err);

bool sockets_is_unix(const struct conf_listener *l);
enum listen_family sockets_family_of(const struct conf_listener *l);
enum listen_family sockets_control_family(const struct conf_control *control);
/* No listener before this one has its address. -TG_EEXIST. */
TG_MUST_CHECK int sockets_check_unlike(const struct conf *conf, size_t i, struct err *err);
/* `rc` with `why`, at the listener. */
int sockets_fail_listener(const struct conf_listener *l, const struct err *why, int rc,
			  struct err *err);

/* The file of the access log, as far as there is one. */
TG_MUST_CHECK int sockets_open_log(struct sockets *s, const struct conf *conf, struct err *err);
/* A pipe that nobody reads is an error at once; whoever writes waits, as with any file. `more`: O_CREAT. -1: errno. */
TG_MUST_CHECK int sockets_open_to_append(const char *path, int more);
/* After that has failed: why. */
int sockets_fail_log(const char *path, struct err *err);

#endif
