/*
 * ipc/reload_order.h: what an operator asks of the configuration, in a memory file: from the keeper to
 * the parent (MSG_RELOAD), and, when it is backends to add and delete, from there to both children
 * (MSG_EDIT), several of them one behind the other.
 *
 * Of each a head, and five texts, each ended by a NUL: who, why, service, backend, text.
 */
#ifndef TG_IPC_RELOAD_ORDER_H
#define TG_IPC_RELOAD_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bytes of the whole: a backend's text is short, a certificate with its chain may have some kilobytes. */
#define TG_RELOAD_ORDER_MAX 65536u

/* Orders of one MSG_EDIT. */
#define TG_RELOAD_EDIT_MAX 1024u

/* Bytes of an answer. */
#define TG_RELOAD_TEXT_MAX (1u << 20)

enum reload_what {
	RELOAD_FILE = 0,    /* the configuration file anew */
	RELOAD_COMPARE = 1, /* the same, but only tell what would change */
	RELOAD_ADD = 2,     /* a backend: service, and text: what stands between { and } in backends */
	RELOAD_DELETE = 3,  /* a backend: service and backend */
	RELOAD_UPGRADE = 4, /* a new version in the place of this one, with the file */
	RELOAD_SET_CERTIFICATE = 5,    /* backend: its file; text: certificate, chain and key in PEM */
	RELOAD_COMMIT_CERTIFICATE = 6, /* the same without text */
	RELOAD_ABORT_CERTIFICATE = 7,
	RELOAD_RENEW = 8, /* files of certificates anew, and nothing else; by the keeper */
	RELOAD_WHAT_COUNT
};

/* A value; texts are whoever's made it, or of reload_order_load_fd(). */
struct reload_order {
	enum reload_what what;
	uint32_t slot;    /* of RELOAD_ADD in an edit: the entry's first; 0: gone again in the same edit */
	uint64_t when_us; /* wall clock */
	const char *who;  /* all "" where not said, never NULL */
	const char *why;
	const char *service;
	const char *backend;
	const char *text;
	bool is_enabled; /* of RELOAD_ADD, and the keeper's alone: used at once, not by a later order */
	char *memory; /* of the texts, or NULL */
};

/* *ret_fd is the caller's. -TG_ELIMIT: too long. */
TG_MUST_CHECK int reload_order_save_fd(const struct reload_order *order, int *ret_fd,
				       struct err *err);
/* -TG_EPROTO: not one. `fd` stays the caller's. */
TG_MUST_CHECK int reload_order_load_fd(int fd, struct reload_order *ret, struct err *err);
void reload_order_fini(struct reload_order *order); /* what was loaded; zeroed is allowed */

/* What the parent decided, in its order; texts are of `memory`. */
struct reload_edit {
	struct reload_order *orders;
	size_t n; /* 1..TG_RELOAD_EDIT_MAX */
	char *memory;
};

/* `n` orders, sealed: both children have the same file. *ret_fd is the caller's. -TG_ELIMIT. */
TG_MUST_CHECK int reload_edit_save_fd(const struct reload_order *orders, size_t n, int *ret_fd,
				      struct err *err);
/* -TG_EPROTO: something else than backends to add and delete. `fd` stays the caller's. */
TG_MUST_CHECK int reload_edit_load_fd(int fd, struct reload_edit *ret, struct err *err);
void reload_edit_fini(struct reload_edit *edit); /* what was loaded; zeroed is allowed */

/* The answer's text (MSG_RELOADED), a memory file of at most `max` bytes; *ret is the caller's to free(). */
TG_MUST_CHECK int reload_text_save_fd(const char *text, size_t n, int *ret_fd, struct err *err);
TG_MUST_CHECK int reload_text_load_fd(int fd, size_t max, char **ret, size_t *ret_n,
				      struct err *err);

#endif
