/*
 * proc/next.h: the next configuration, with all that is made for it before anybody uses it.
 */
#ifndef TG_PROC_NEXT_H
#define TG_PROC_NEXT_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/compare.h"
#include "conf/conf.h"
#include "proc/privileges.h"
#include "proc/slots.h"
#include "proc/sockets.h"

/* What the parent has; its owner gives the places, which change with next_go_over(). */
struct present {
	struct conf **conf;
	int *conf_fd;
	struct sockets *sockets;
	struct slots *slots;
	const struct privileges *privileges;
};

/* Storage is the caller's; zeroed: none. */
struct next {
	struct conf *conf; /* NULL: none */
	int conf_fd;
	struct sockets sockets;
	bool has_sockets; /* false: those of now are the ones */
	struct conf_changes changes;
	char *text;      /* of what differs, for people */
	bool is_decided; /* conf, conf_fd and sockets are those before */
};

/* Where text about a file goes, line by line. */
typedef void next_told(void *user, const char *line);

/*
 * Reads the configuration file, with what operators have changed lying over it. What is wrong or
 * cannot be kept is told, and what of the file cannot be changed while we run, too: negative then.
 */
TG_MUST_CHECK int next_read(const struct conf *present, const char *path, struct conf **ret,
			    next_told *told, void *user);
/* What differs, in words. -TG_ENOMEM. */
TG_MUST_CHECK int next_compare(const struct conf *present, const struct conf *conf, char **ret,
			       struct conf_changes *ret_changes, struct err *err);
/* Takes `conf` over, on failure too: slots, sockets if it has others, text for the children. */
TG_MUST_CHECK int next_open(const struct present *now, struct conf *conf, bool has_sockets,
			    struct next *ret, struct err *err);
/* The decision: all that the parent has is the next one's, and that before waits in `n`. */
void next_go_over(const struct present *now, struct next *n, struct mono at);
/* Drops what is not in use: the next one, or that before. Zeroed is allowed. */
void next_close(const struct present *now, struct next *n);

#endif
