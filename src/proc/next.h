/*
 * proc/next.h: the next configuration, with all that is made for it before anybody uses it.
 */
#ifndef TG_PROC_NEXT_H
#define TG_PROC_NEXT_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/compare.h"
#include "conf/conf.h"
#include "ipc/reload_order.h"
#include "proc/child.h"
#include "proc/privileges.h"
#include "proc/signing.h"
#include "proc/slots.h"
#include "proc/sockets.h"

/* What the parent has; its owner gives the places, which change with next_go_over(). */
struct present {
	struct conf **conf;
	size_t text_max; /* bytes that the text of conf has at most */
	struct sockets *sockets;
	struct slots *slots;
	const struct privileges *privileges;
	struct signing *signing; /* NULL: nobody is told of keys */
};

/* Of a file beside the present configuration. Storage is the caller's; zeroed: none. */
struct next_difference {
	struct conf_changes changes;
	char *text;           /* of what differs, for people */
	bool needs_processes; /* those that run cannot take it over */
};

/* Storage is the caller's; zeroed: none. */
struct next {
	struct conf *conf; /* NULL: none */
	int fd;            /* what children read: its text, or the orders that lead to it */
	int proxy_fd;      /* the text that the proxy reads; -1: those orders */
	bool is_edit;      /* the orders */
	size_t text_max;
	struct sockets sockets;
	bool has_sockets; /* false: those of now are the ones */
	bool has_keys;	  /* the signer has them */
	struct next_difference difference; /* of a file */
	bool is_decided; /* conf and sockets are those before */
};

/* Where text about a file goes, line by line. */
typedef void next_told(void *user, const char *line);

/*
 * Reads the configuration file, with what operators have changed lying over it. What is wrong, what will
 * hardly do or cannot be kept is told: negative then, but for what will hardly do.
 */
TG_MUST_CHECK int next_read(const struct conf *present, const char *path, struct conf **ret,
			    next_told *told, void *user);
/* -TG_ENOMEM. */
TG_MUST_CHECK int next_compare(const struct present *now, const struct conf *conf,
			       struct next_difference *ret, struct err *err);
void next_difference_fini(struct next_difference *d);
/* Takes `conf` over, on failure too: slots, sockets, text for the children; the signer has its keys. */
TG_MUST_CHECK int next_open(const struct present *now, struct conf *conf, struct next *ret,
			    struct err *err);
/* The same with what `orders` have made of the present one, which the children are told instead of its
 * text; each RELOAD_ADD names its backend. Their slots are set. */
TG_MUST_CHECK int next_open_edit(const struct present *now, struct conf *conf,
				 struct reload_order *orders, size_t n, struct next *ret,
				 struct err *err);
/* Bytes of the text of `conf`. -TG_ELIMIT: more than a child takes; -TG_ENOMEM, -TG_EIO. */
TG_MUST_CHECK int next_measure(const struct conf *conf, size_t *ret, struct err *err);
/* Which of the two a child reads. */
int next_fd(const struct next *n, enum child_role role);
/* The decision: all that the parent has is the next one's, and that before waits in `n`. */
void next_go_over(struct present *now, struct next *n, struct mono at);
/* Drops what is not in use: the next one, or that before. Zeroed is allowed. */
void next_close(const struct present *now, struct next *n);

#endif
